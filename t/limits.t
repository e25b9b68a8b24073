#!/usr/bin/perl
# Limits of a worker: no free connections, too many requests that wait; and an
# nginx that quits while requests wait.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use TestScim;

my $stack = TestScim->start;
my $json = JSON::PP->new->canonical->utf8;
my $auth = "Host: a\r\nAuthorization: Bearer $stack->{token}{scim}\r\n";
my $ann = $stack->user('ann');
my ($redis) = $stack->pids('redis');
my $get = "GET /scim/v2/Users/$ann HTTP/1.1\r\n$auth\r\n";

sub sent {
    my ($edge, $text) = @_;
    my $socket = $edge->connection;
    print $socket $text;
    $socket->flush;
    return $socket;
}


sub status { return (TestScim::read_answer($_[0]) // {})->{status} // 'none' }


sub waiting {
    my ($edge) = @_;
    return $edge->request('GET', '/metrics')->{content} =~
        /^scim_redis_waiting (\d+)/m ? $1 : -1;
}


# a worker that has no connection left, not even one to Redis
$stack->expect_alert(qr/worker_connections are not enough/);
my $edge = $stack->second_nginx(sub {
    s/worker_connections \d+/worker_connections 24/ });
my $half = "POST /scim/v2/Users HTTP/1.1\r\n${auth}Content-Length: 9\r\n\r\n{";
my @sockets = map { sent($edge, $half) } 1 .. 40;
ok(TestScim::until_true(sub { $stack->logs =~
    /worker_connections are not enough/ }), 'all connections are taken');
kill 'KILL', $redis;
ok(TestScim::until_true(sub { ($redis) = $stack->pids('redis');
    $redis && eval { $stack->redis('PING') } }), 'Redis comes back');
close $_ for splice @sockets;
ok(TestScim::until_true(sub { $edge->scim('GET', "/Users/$ann")->{status}
    == 200 }), 'when clients leave, it finds Redis again');
is($edge->scim('POST', '/Users', TestScim::person('bob'))->{status}, 201,
    '... and serves as before');
is($edge->quit_nginx, 0, '... and ends cleanly');

# more requests than may wait
$edge = $stack->second_nginx(sub {
    s/scim_redis unix[^;]*;/$&\nscim_redis_waits 5;/ });
is($edge->scim('GET', "/Users/$ann")->{status}, 200, 'the token is known');
kill 'STOP', $redis;
@sockets = map { sent($edge, $get) } 1 .. 8;
my @statuses = map { status($_) } @sockets[5 .. 7];
is("@statuses", '503 503 503', 'more than may wait are refused at once');
kill 'CONT', $redis;
is(join(' ', map { status($_) } @sockets[0 .. 4]), '200 200 200 200 200',
    '... and those that wait are answered');

# quit while requests wait, Redis answering; and not answering
my $idle = sent($edge, $get);
is(status($idle), 200, 'a connection that is idle then');
kill 'STOP', $redis;
@sockets = map { sent($edge, $get) } 1 .. 4;
ok(TestScim::until_true(sub { waiting($edge) >= 4 }), 'requests wait');
kill 'QUIT', $edge->{nginx};
is(status($idle), 'none', 'nginx quits: what is idle is closed');
kill 'CONT', $redis;
is(join(' ', map { status($_) } @sockets), '200 200 200 200',
    '... and who waited is answered');
is($edge->quit_nginx, 0, '... before it ends');

$edge = $stack->second_nginx(sub {
    s/scim_redis unix[^;]*;/$&\nscim_redis_timeout 600ms;/ });
is($edge->scim('GET', "/Users/$ann")->{status}, 200, 'another nginx');
kill 'STOP', $redis;
@sockets = map { sent($edge, $get) } 1 .. 4;
ok(TestScim::until_true(sub { waiting($edge) >= 4 }), '... quits');
is($edge->quit_nginx, 0, 'Redis does not answer: nginx ends all the same');
is(join(' ', map { status($_) } @sockets), '503 503 503 503',
    '... and who waited was told');
kill 'CONT', $redis;

# more requests than a rate allows: nginx refuses, as SCIM
$edge = $stack->second_nginx(sub {
    s/http \{/$&\nlimit_req_zone \$binary_remote_addr zone=rate:1m rate=1r\/m;
limit_req_status 429;/;
    s/scim http:[^;]*;/$& limit_req zone=rate;/ });
is($edge->scim('GET', "/Users/$ann")->{status}, 200, 'one is allowed');
like($edge->answers('one too many', 429, 'GET', "/Users/$ann")
    ->{headers}{'retry-after'}, qr/^\d+$/, '... and told when to come again');
is($edge->quit_nginx, 0, '... by an nginx that ends cleanly');

# ended at once: nothing is left in a bad state
$edge = $stack->second_nginx(sub { });
kill 'STOP', $redis;
@sockets = map { sent($edge, $get) } 1 .. 4;
ok(TestScim::until_true(sub { waiting($edge) >= 1 }), 'requests wait again');
kill 'TERM', $edge->{nginx};
is($edge->quit_nginx, 0, 'nginx is terminated');
kill 'CONT', $redis;
is($stack->scim('GET', "/Users/$ann")->{status}, 200, 'the first goes on');
$stack->done;
