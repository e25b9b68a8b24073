#!/usr/bin/perl
# Requests of somebody who means harm: other spellings of a path, two answers
# to one request, text that looks like Redis' protocol, and what logs tell.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use TestScim;

my $stack = TestScim->start;
my $json = JSON::PP->new->canonical->utf8;
my $schema = TestScim::core_schema('User');
my $host = "Host: a\r\n";
my $auth = "${host}Authorization: Bearer $stack->{token}{scim}\r\n";
my $ann = $stack->user('ann');
my ($worker) = $stack->pids('worker');

# All answers that come before the connection ends.
sub raw {
    my ($text) = @_;
    my $socket = $stack->connection;
    my @answers;
    print $socket $text;
    shutdown $socket, 1 unless $text =~ /^Connection: close/m;
    while (my $answer = TestScim::read_answer($socket)) {
        push @answers, $answer;
    }
    return @answers;
}


# The same, "200 404": asks for the connection's end, so that all come.
sub statuses {
    my ($text) = @_;
    $text =~ s/\r\n\r\n/\r\nConnection: close\r\n\r\n/;
    return join ' ', map { $_->{status} } raw($text);
}


# one parsed path decides both who may and what is done
for my $path ('/scim/v2/Users', '/scim/v2%2FUsers', '/scim//v2/./Users',
    '/x/../scim/v2/Users', '/scim/%76%32/Users', '/scim/v2/%55sers',
    "/scim/v2/Users/$ann/../", '/scim/v2//Users', '/admin/..%2fscim/v2/Users',
    '/SCIM/v2/Users', '/scim/v2/Users;x', '/scim/v2/Users%00',
    '/scim/v2x/Users')
{
    my $without = statuses("GET $path HTTP/1.1\r\n$host\r\n");
    like($without, qr/^(?:401|404|400)$/, "without a token: $path");
    my $with = statuses("GET $path HTTP/1.1\r\n$auth\r\n");
    like($with, qr/^(?:200|404|400)$/, '... with one');
    is($without, 401, '... which it asks for') if $with eq '200';
}
like(statuses("GET $_ HTTP/1.1\r\n$auth\r\n"), qr/^40[04]$/,
    "no way from SCIM to elsewhere: $_") for
    '/scim/v2/%2e%2e%2fadmin/v1/tokens', '/scim/v2/..%2f..%2fadmin/v1/apps';
is(statuses("GET /scim/v2/../../admin/v1/apps HTTP/1.1\r\n$auth\r\n"), 403,
    '... and a plain one asks for that place\'s role');

# credentials
for my $case ([ 401, 'Bearer' ], [ 401, 'Bearer  ' ],
    [ 401, "Bearer $stack->{token}{scim} x" ],
    [ 401, "Bearer $stack->{token}{scim},$stack->{token}{scim}" ],
    [ 401, 'Bearer ' . 'a' x 7000 ], [ 401, "Basic $stack->{token}{scim}" ],
    [ 401, uc "Bearer $stack->{token}{scim}" ])
{
    my ($status, $value) = @$case;
    is(statuses("GET /scim/v2/Users HTTP/1.1\r\n${host}Authorization: $value"
        . "\r\n\r\n"), $status, 'Authorization: ' . substr $value =~
        s/scim_\w+/.../gr, 0, 20);
}
is(statuses("GET /scim/v2/Users HTTP/1.1\r\n${auth}Authorization: Bearer x"
    . "\r\n\r\n"), 400, 'two Authorization headers');
is(statuses("GET /scim/v2/Users?access_token=$stack->{token}{scim} "
    . "HTTP/1.1\r\n$host\r\n"), 401, 'a token in the URL');

# one request has one answer
my $next = "GET /scim/v2/Users?count=0 HTTP/1.1\r\n${auth}"
    . "Connection: close\r\n\r\n";
for my $case (
    [ '200 200', "GET /scim/v2/Users/$ann HTTP/1.1\r\n${auth}"
        . 'Content-Length: ' . length($next) . "\r\n\r\n$next" ],
    [ '404 200', "DELETE /scim/v2/Users/x HTTP/1.1\r\n${auth}"
        . 'Content-Length: ' . length($next) . "\r\n\r\n$next" ],
    [ '401 200', "POST /scim/v2/Users HTTP/1.1\r\n${host}"
        . 'Content-Length: ' . length($next) . "\r\n\r\n$next" ],
    [ '405 200', "POST /healthz HTTP/1.1\r\n${host}Transfer-Encoding: "
        . sprintf("chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", length $next,
        $next) ])
{
    my ($expected, $text) = @$case;
    is(join(' ', map { $_->{status} } raw($text . $next)), $expected,
        'a body that looks like a request is none: '
        . ($text =~ /^(\S+ \S{1,15})/)[0]);
}
for my $header ("Content-Length: 5\r\nContent-Length: 6",
    'Content-Length: -1', 'Content-Length: 99999999999999999999',
    "Content-Length: 5\r\nTransfer-Encoding: chunked",
    'Transfer-Encoding: xchunked', 'Transfer-Encoding: chunked, identity')
{
    like(statuses("POST /scim/v2/Users HTTP/1.1\r\n$auth$header\r\n\r\n"
        . "hello$next"), qr/^(?:400|501|413)$/, 'refused, and nothing '
        . 'behind it is read: ' . $header =~ s/\r\n/, /r);
}

# text that looks like Redis' protocol stays text
my ($other) = ($stack->scimctl('token', 'create', '--workspace', 'other',
    '--role', 'scim'))[1] =~ /(\S+)/;
for my $text ("x\r\n+OK\r\n\$3\r\nabc\r\n", "x\r\n*1\r\n\$8\r\nFLUSHALL\r\n",
    "x' .. redis.call('FLUSHALL') .. '", 'x%s%n%d', '{other}:*?[a-z]', '..')
{
    my $made = $stack->answers('a name with ' . $json->encode([$text]), 201,
        'POST', '/Users', { schemas => [$schema], userName => "u$text",
        title => $text, externalId => $text })->{json};
    is($made->{title}, $text, '... comes back as it was');
    is($stack->must('scim', 'GET', '/Users?filter=' . TestScim::escape(
        'externalId eq ' . JSON::PP->new->allow_nonref->encode($text)))
        ->{totalResults}, 1, '... and is found');
    is($stack->must('scim', 'GET', '/Users', undef, token => $other)
        ->{totalResults}, 0, '... another workspace has its own answer');
}

# ids that a client chooses are never ours
for my $id ($ann, '1', '0', 'admin', 'x' x 5000) {
    my $made = $stack->scim('POST', '/Users', { schemas => [$schema],
        userName => 'id' . substr($id, 0, 40), externalId => $id });
    is($made->{status}, 201, 'externalId ' . substr $id, 0, 20);
    isnt($made->{json}{id}, $id, '... is not the id');
}
is($stack->must('scim', 'GET', "/Users/$ann")->{userName},
    'ann@example.com', '... and hits nobody');

# error messages do not tell about people: a body that goes to a file is worth
# a line, and its request names somebody
my $name = 'secret-person';
$stack->answers('a request that nginx logs', 201, 'POST', '/Users?attributes='
    . "userName&filter=$name", { schemas => [$schema], userName => $name,
    emails => [ map { { value => "$name$_\@example.com",
    display => 'x' x 200 } } 1 .. 900 ] },
    headers => { 'X-Request-Id' => 'logged-1' });
my $log = TestScim::slurp("$stack->{dir}/nginx-error.log");
like($log, qr{\[warn\].*temporary\ file.*
    request:\ "POST\ /scim/v2/Users",\ txn:\ "logged-1"}x,
    '... in short, with its id');
unlike($stack->logs, qr/\Q$name\E/, '... without the name');
unlike($stack->logs, qr/ann\@example|scim_\d{3}_/,
    'no address and no token is in any log');
is(join(' ', $stack->pids('worker')), $worker, 'the worker is the same');
$stack->done;
