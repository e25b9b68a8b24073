#!/usr/bin/perl
# What is wrong with a request is said with the right status, as SCIM, with
# what and where; nothing is half done and no worker ends.
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
my ($worker) = $stack->pids('worker');
my $ann = $stack->user('ann');
my $group = $stack->group('G', $ann);

sub post {
    my ($name, $status, $type, $body, @option) = @_;
    return $stack->answers($name, $status, $type ? [$type] : (), 'POST',
        '/Users', $body, @option);
}


# Sends bytes as they are on a connection of their own; the answer.
sub raw {
    my ($text) = @_;
    my $socket = $stack->connection;
    print $socket $text;
    return TestScim::read_answer($socket);
}


# A raw answer that must be a SCIM error of this status.
sub raw_error {
    my ($name, $status, $text) = @_;
    my $answer = raw($text);
    my $error = eval { $json->decode($answer->{content}) };
    is_deeply([ $answer->{status}, $error->{status},
        $answer->{headers}{'content-type'} =~ s/;.*//r ],
        [ $status, "$status", 'application/scim+json' ], $name)
        or diag($answer->{content} // 'no answer');
    return $answer;
}

my $auth = "Authorization: Bearer $stack->{token}{scim}\r\n";
my $head = "Host: a\r\n$auth" . "Content-Type: application/scim+json\r\n";

# JSON
for my $text ('[', '{"userName":"a"', '{"userName":"a"}}', '[]', '"a"', '',
    '{userName:"a"}', "{\"userName\":\"a\xff\"}", '{"userName":"\ud800"}',
    "{\"userName\":\"a\0b\"}", '{"userName":"a","userName":"b"}',
    '{"userName":"a","USERNAME":"b"}',
    '{"userName":"a","name":{"givenName":"a","GivenName":"b"}}',
    '{"userName":"a","x":1e999}', '{"userName":"a","x":' . '[' x 10000
    . ']' x 10000 . '}', '{"userName":"a","x":' . '{"a":' x 5000 . '1'
    . '}' x 5000 . '}')
{
    my $shown = length $text > 60 ? substr($text, 0, 30) . '...' : $text;
    $shown =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge;
    my $answer = post("not acceptable as JSON: $shown", 400, 'invalidSyntax',
        $text);
    ok(length $answer->{json}{detail} < 500, '... said in short');
}
like(post('the place is said', 400, 'invalidSyntax', "{\n \"userName\": x}")
    ->{json}{detail}, qr/(?:line 2|byte|position|offset)/, '... indeed');
is(post('a byte order mark is skipped', 201, undef,
    "\xef\xbb\xbf" . '{"schemas":["' . $schema . '"],"userName":"bom"}')
    ->{json}{userName}, 'bom', '... and the rest is read');

# types and values
for my $wrong ([ 'active', 'maybe' ], [ 'active', 7 ], [ 'name', [1] ],
    [ 'emails', 7 ], [ 'userName', {} ], [ 'userName', [ 'a' ] ],
    [ 'addresses', [ 'x', 7 ] ])
{
    my ($attribute, $value) = @$wrong;
    like(post("$attribute of a wrong type: " . $json->encode([$value]), 400,
        'invalidValue', { schemas => [$schema], userName => 'wrong',
        $attribute => $value })->{json}{detail}, qr/$attribute/,
        '... is named');
}
for my $value ('no base64', 'QUJD=', 'QUJDR', 'QUJDRA=', 'QUJD====', '+/-_',
    "QUJD\n", '=')
{
    like(post('not base64: ' . $json->encode([$value]), 400, 'invalidValue',
        { schemas => [$schema], userName => 'wrong', x509Certificates =>
        [ { value => $value } ] })->{json}{detail}, qr/x509Certificates/,
        '... is named');
}
post('no userName', 400, 'invalidValue', { schemas => [$schema] });
post('the schema of another type', 400, 'invalidSyntax', { schemas =>
    [ TestScim::core_schema('Group') ], userName => 'schema' });
post('a schema that is nobody\'s', 400, 'invalidSyntax', { schemas =>
    [ 'urn:example:nothing' ], userName => 'schema' });
post('schemas of a wrong type', 400, undef, { schemas => { a => 1 },
    userName => 'schema' });
post('a userName that is taken', 409, 'uniqueness', { schemas => [$schema],
    userName => 'ANN@example.com' });
is($stack->must('scim', 'GET', '/Users?count=0')->{totalResults}, 2,
    'none of these was stored');

# ids
my ($other) = ($stack->scimctl('token', 'create', '--workspace', 'other',
    '--role', 'scim'))[1] =~ /(\S+)/;
for my $kind (qw(Users Groups)) {
    my $foreign = $kind eq 'Users' ? $ann : $group;
    my $unknown = '01a20df6-43a5-7845-9449-1c6da36e1397';
    for my $method (qw(GET PUT PATCH DELETE)) {
        my $body = $method eq 'PUT' ? { userName => 'x', displayName => 'x' }
            : $method eq 'PATCH' ? TestScim::patch_body({ op => 'replace',
            path => 'displayName', value => 'x' }) : undef;
        my @content = map { $stack->answers("$method /$kind of nobody here",
            404, $method, "/$kind/$_", $body, token => $other)->{content}
            =~ s/$_/ID/gr } $foreign, $unknown;
        is($content[0], $content[1],
            '... another workspace\'s and an unknown one look the same');
    }
}
for my $id ('..%2fGroups', '%00', 'x' x 4000, 'bulkId:x', '%20', "\xc3\xa9",
    '*', '{007}')
{
    my $answer = raw("GET /scim/v2/Users/$id HTTP/1.1\r\n$head\r\n");
    like($answer->{status}, qr/^4(?:00|04|14)$/, 'an odd id: '
        . substr $id, 0, 12);
}

# read-only attributes are ignored
my $body = post('read-only attributes', 201, undef, { schemas => [$schema],
    userName => 'ro', id => 'x', meta => { resourceType => 'Group' },
    groups => [ { value => $group } ] })->{json};
isnt($body->{id}, 'x', '... are ignored');
ok(!$body->{groups}, '... and give no membership');

# size
my $big = $json->encode({ schemas => [$schema], userName => 'big',
    title => 'x' x 1_100_000 });
like(post('a body over the limit', 413, undef, $big)->{json}{detail},
    qr/1048576/, '... which is named');
raw_error('a body over the limit, in chunks', 413,
    "POST /scim/v2/Users HTTP/1.1\r\n$head" . "Transfer-Encoding: chunked\r\n"
    . "\r\n" . sprintf("%x\r\n", length $big) . "$big\r\n0\r\n\r\n");
raw_error('a body far over the limit is not waited for', 413,
    "POST /scim/v2/Users HTTP/1.1\r\n$head" . "Content-Length: 999999999\r\n"
    . "\r\n");

# media type, method, route
post('no JSON', 415, undef, 'userName=a', headers =>
    { 'Content-Type' => $_ }) for 'text/plain', 'application/xml',
    'application/x-www-form-urlencoded';
my $name = 'm1';
for my $type ('application/json', 'APPLICATION/SCIM+JSON;charset=UTF-8',
    'text/json', 'application/scim+json; charset=utf-8')
{
    post("Content-Type: $type", 201, undef, { schemas => [$schema],
        userName => $name++ }, headers => { 'Content-Type' => $type });
}
for my $case ([ PATCH => '/Users' ], [ DELETE => '/Groups' ],
    [ POST => "/Users/$ann" ], [ POST => '/Schemas' ],
    [ PUT => '/ServiceProviderConfig' ], [ DELETE => '/ResourceTypes' ],
    [ PATCH => '/Schemas/' . $schema ], [ TRACE => '/Users' ],
    [ FOO => '/Users' ])
{
    my ($method, $path) = @$case;
    next if $method eq 'TRACE';
    my $answer = $stack->answers("$method $path", 405, $method, $path,
        $method =~ /^P/ ? {} : undef);
    like($answer->{headers}{allow} // '', qr/\bGET\b/, '... with Allow');
}
$stack->answers("no such route: $_", 404, 'GET', $_)
    for '/Nothing', "/Users/$ann/groups", '/users2';

# tokens
for my $case ([ 'no token' ], [ 'an empty one', '' ],
    [ 'a wrong one', 'Bearer wrong' ], [ 'no scheme', 'non-token' ],
    [ 'another scheme', 'Basic YTpi' ],
    [ 'a changed one', "Bearer $stack->{token}{scim}x" ],
    [ 'a control byte', "Bearer a\tb" ])
{
    my ($name, $value) = @$case;
    my $answer = $stack->answers("$name", 401, 'GET', '/Users', undef,
        token => undef, headers => { defined $value
        ? (Authorization => $value) : () });
    like($answer->{headers}{'www-authenticate'} // '', qr/^Bearer/,
        '... with WWW-Authenticate');
}
$stack->answers('a token as Okta\'s header mode sends it', 200, 'GET',
    '/Users', undef, token => undef, headers => { Authorization => $_ })
    for $stack->{token}{scim}, "bearer $stack->{token}{scim}";
$stack->answers('an admin\'s token is no provisioning token', 403, 'GET',
    '/Users', undef, token => $stack->{token}{admin});

# what nginx itself refuses
raw_error('a header that is too large', 431, "GET /scim/v2/Users HTTP/1.1\r\n"
    . "$head" . 'X: ' . 'x' x 40000 . "\r\n\r\n");
raw_error('a URI that is too long', 414, 'GET /scim/v2/Users?filter='
    . 'x' x 40000 . " HTTP/1.1\r\n$head\r\n");
raw_error('both lengths', 400, "POST /scim/v2/Users HTTP/1.1\r\n$head"
    . "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");

# a header in many pieces takes no more than its pieces
my $peak = sub { TestScim::slurp("/proc/$worker/status") =~ /VmHWM:\s*(\d+)/
    ? $1 : die };
my $before = $peak->();
raw("DELETE /scim/v2/Users/none HTTP/1.1\r\n$head"
    . ('Prefer: ' . 'x' x 22 . "\r\n") x 900 . "\r\n");
cmp_ok($peak->() - $before, '<', 3000, 'a header that comes 900 times')
    or diag("KiB before: $before");

raw_error('a broken header', 400, "GET /scim/v2/Users HTTP/1.1\r\nHost: a\r\n"
    . "Content-Length: many\r\n\r\n");
like(raw("GET /other HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n")
    ->{content}, qr/<html>/, 'what is not ours keeps nginx\' own page');

# who is nobody here is parked
my $nobody = '01a20df6-43a5-7845-9449-1c6da36e1397';
$stack->answers('a group push with an id that is no user here', 204, 'PATCH',
    "/Groups/$group", TestScim::patch_body({ op => 'add', path => 'members',
    value => [ { value => $nobody }, { value => $body->{id} } ] }));
is(join(' ', sort map { $_->{value} } @{ $stack->must('scim', 'GET',
    "/Groups/$group")->{members} }), join(' ', sort $ann, $body->{id}),
    '... takes the others and does not show that one');

is($stack->request('GET', '/healthz')->{status}, 200, 'still healthy');
is(join(' ', $stack->pids('worker')), $worker, 'the worker is the same');
$stack->done;
