#!/usr/bin/perl
# Requests that end otherwise than usual: clients that leave, pipelines, every
# way in which a body comes, reloads and quits while requests wait, workers
# without free connections.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use JSON::PP;
use Test::More;
use TestScim;

my $stack = TestScim->start(workers => 2, http =>
    'client_body_timeout 2s;', server =>
    'location /slow { scim http://a/slow; client_body_buffer_size 16k; }');
my $json = JSON::PP->new->canonical->utf8;
my $schema = TestScim::core_schema('User');
my $auth = "Host: a\r\nAuthorization: Bearer $stack->{token}{scim}\r\n";
my $n = 0;

sub user_body {
    my (%more) = @_;
    return $json->encode({ schemas => [$schema], userName => 'life' . ++$n,
        %more });
}


sub post {
    my ($body, $path) = @_;
    return 'POST ' . ($path // '/scim/v2/Users') . " HTTP/1.1\r\n$auth"
        . "Content-Type: application/scim+json\r\nContent-Length: "
        . length($body) . "\r\n\r\n$body";
}


sub total {
    return $stack->must('scim', 'GET', '/Users?count=0')->{totalResults};
}


sub status { return ($_[0] // { status => 'none' })->{status} }


# pipelined requests are answered in their order
my $socket = $stack->connection;
print $socket join '', map { post(user_body()) } 1 .. 20;
my @answers = map { TestScim::read_answer($socket) } 1 .. 20;
is(join(' ', map { status($_) } @answers), join(' ', (201) x 20),
    'pipelined requests are all answered');
is(join(' ', map { $json->decode($_->{content})->{userName} } @answers),
    join(' ', map { "life$_" } 1 .. 20), '... in their order');

# bodies
# more than the buffer takes: it goes to a file
my @many = map { { value => "m$_\@example.com", type => 'other',
    display => 'x' x 200 } } 1 .. 900;
for my $case ([ small => 0 ], [ 'to a file' => 1 ]) {
    my ($name, $big) = @$case;
    my $body = user_body($big ? (emails => \@many) : ());
    my $answer = do { print $socket post($body);
        TestScim::read_answer($socket) };
    is(status($answer), 201, "a body, $name");
    is(scalar @{ $json->decode($answer->{content})->{emails} // [] },
        $big ? @many : 0, '... is whole');
    $body = user_body($big ? (emails => \@many) : ());
    print $socket "POST /scim/v2/Users HTTP/1.1\r\n$auth"
        . "Content-Type: application/scim+json\r\n"
        . "Transfer-Encoding: chunked\r\n\r\n", map({
        sprintf "%x\r\n%s\r\n", length, $_ } unpack '(a9999)*', $body),
        "0\r\n\r\n";
    is(status(TestScim::read_answer($socket)), 201, "... in chunks");
    $body = user_body($big ? (emails => \@many) : ());
    for my $piece (unpack $big ? '(a50000)*' : '(a20)*',
        post($body, '/slow/Users'))
    {
        print $socket $piece;
        $socket->flush;
    }
    is(status(TestScim::read_answer($socket)), 201, '... piece by piece');
}
my $before = total();
print $socket post('', '/scim/v2/Users');
is(status(TestScim::read_answer($socket)), 400, 'an empty body');
print $socket "GET /scim/v2/Users?count=0 HTTP/1.1\r\n${auth}"
    . "Content-Length: 4\r\n\r\nbody";
is(status(TestScim::read_answer($socket)), 200, 'a body that is not wanted');
print $socket "GET /scim/v2/Users?count=0 HTTP/1.1\r\n$auth\r\n";
is(status(TestScim::read_answer($socket)), 200,
    '... does not disturb the next request');
close $socket;
$socket = $stack->connection;
print $socket substr post(user_body()), 0, -10;
is(status(TestScim::read_answer($socket)), 408, 'a body that does not end');
is(status(TestScim::read_answer($socket)), 'none', '... ends the connection');
for (1 .. 50) {
    my $gone = $stack->connection;
    print $gone substr post(user_body()), 0, -10;
    close $gone;
}
is(total(), $before, 'half a body does nothing');

# clients that leave while Redis works
my ($redis) = $stack->pids('redis');
kill 'STOP', $redis;
for (1 .. 50) {
    my $gone = $stack->connection;
    print $gone post(user_body());
    $gone->flush;
    shutdown $gone, 2 if $_ % 2;
    close $gone;
}
kill 'CONT', $redis;
ok(TestScim::until_true(sub { $stack->scim('GET', '/Users?count=0')
    ->{status} == 200 }), 'clients that leave while Redis works do no harm');
my $left = total() - $before;
ok($left >= 0 && $left <= 50, '... what they asked for is done or not');

# A reload under load.  nginx closes idle connections then, and a request may
# cross that: it was not worked on and is sent again, as clients do.
my $total = 2000;
my @old = $stack->pids('worker');
my $master = join ' ', $stack->pids('nginx');
my $select = IO::Select->new;
my (%request_of, %statuses);
my ($sent, $answered, $reloads) = (0, 0, 0);

sub send_request {
    my ($request) = @_;
    my $socket = $stack->connection;
    $select->add($socket);
    $request_of{$socket} = $request;
    print $socket $request;
}

sub next_request {
    my ($socket) = @_;
    my $answer = TestScim::read_answer($socket);
    my $request = delete $request_of{$socket};
    if ($answer) {
        $answered++;
        $statuses{ $answer->{status} }++;
        kill 'HUP', $stack->pids('nginx') and $reloads++
            if $answered % 400 == 0 && $answered < $total;
        $request = $sent++ < $total ? post(user_body()) : undef;
    }
    if ($answer && ($answer->{headers}{connection} // '') ne 'close') {
        return unless defined $request;
        $request_of{$socket} = $request;
        print $socket $request;
        return;
    }
    $select->remove($socket);
    close $socket;
    send_request($request) if defined $request;
}

while ($sent < 16) {
    send_request(post(user_body()));
    $sent++;
}
while ($answered < $total) {
    my @ready = $select->can_read(30) or last;
    next_request($_) for @ready;
}
is($reloads, 4, 'the configuration is reloaded four times under load');
is_deeply(\%statuses, { 201 => $total },
    '... and every request is done once and answered');
is(join(' ', $stack->pids('nginx')), $master, '... by the same nginx');
close $_ for $select->handles;
undef $select;
ok(TestScim::until_true(sub { my %is = map { $_ => 1 } $stack->pids('worker');
    !grep { $is{$_} } @old }), '... and the old workers end');

# a reload while requests wait for Redis: the old workers answer them
kill 'STOP', $redis;
my @waiting = map { my $socket = $stack->connection;
    print $socket post(user_body()); $socket->flush; $socket } 1 .. 8;
ok(TestScim::until_true(sub { $stack->request('GET', '/metrics')->{content}
    =~ /^scim_redis_waiting ([1-9]\d*)/m && $1 >= 8 }), 'requests wait');
kill 'HUP', $stack->pids('nginx');
ok(TestScim::until_true(sub { grep { $_->{command} =~ /shutting down/ }
    $stack->parts }), '... during a reload');
kill 'CONT', $redis;
is(join(' ', map { status(TestScim::read_answer($_)) } @waiting),
    join(' ', (201) x 8), '... and are answered');
$stack->done;
