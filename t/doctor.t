#!/usr/bin/perl
# scimctl doctor: each thing that can be wrong is brought about, found, and put
# right again; what is found says what to do, and the exit status tells.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use MockApp;
use Test::More;
use TestScim;
use WebhookReceiver;

my $stack = TestScim->start;
my $dir = $stack->{base_dir};
my $app = MockApp->start;
my $id = $stack->app($app->connector, name => 'Example');
my $ann = $stack->user('ann');

# All rows that are not fine, "wrong about: found", and the exit status.
sub doctor {
    my ($status, $out) = $stack->scimctl('doctor', '--json', @_);
    my $said = decode_json($out);
    my @rows = grep { $_->{state} ne 'ok' } @{ $said->{checks} };
    is(scalar(grep { $_->{advice} eq '' } @rows), 0, 'advice with each')
        if @rows;
    return ($status, map { "$_->{state} $_->{about}: $_->{found}" } @rows);
}


# This alone is found, with this exit status.
sub finds {
    my ($what, $expected, @options) = @_;
    my ($status, @rows) = doctor(@options);
    like("@rows", $expected, $what);
    is(scalar @rows, 1, '... and nothing else') or diag("@rows");
    is($status, $rows[0] =~ /^wrong/ ? 1 : 0, '... and the exit status');
}


sub config { $stack->redis('CONFIG', 'SET', @_) }

sub is_fine {
    my ($name) = @_;
    my ($status, @rows);
    TestScim::until_true(sub { ($status, @rows) = doctor(); !@rows }, 20);
    is("$status @rows", '0 ', $name);
}

is_fine('all is well');
my (undef, $table) = $stack->scimctl('doctor');
like($table, qr/^state +about +found +advice\n/, '... as a table');

# settings of Redis
for my $case ([ appendonly => no => yes => 'wrong' ],
    [ appendfsync => everysec => always => 'warning' ],
    [ 'maxmemory-policy' => 'allkeys-lru' => noeviction => 'wrong' ])
{
    my ($name, $bad, $good, $state) = @$case;
    config($name, $bad);
    finds("$name $bad", qr/^$state redis settings: $name $bad/);
    config($name, $good);
}
TestScim::until_true(sub { $stack->redis('INFO', 'persistence')
    =~ /aof_rewrite_in_progress:0/ });
my ($used) = $stack->redis('INFO', 'memory') =~ /used_memory:(\d+)/;
config('maxmemory', int($used * 1.02));
finds('memory that is nearly full', qr/^wrong memory: \d+ of \d+ bytes/);
config('maxmemory', 0);
my $port = TestScim::free_port();
config('port', $port);
finds('a port without a password', qr/^wrong access rights: .*password/);
config('port', 0);

# rights: as conf/redis.conf has them, and without some of them
my ($line) = TestScim::slurp("$TestScim::top/conf/redis.conf")
    =~ /^#user (scim .*)$/m;
TestScim::write_file("$dir/password", "CHANGE-ME\n");
my @as = ('--redis-user', 'scim', '--redis-password-file', "$dir/password");
$stack->redis('ACL', 'SETUSER', split ' ', $line);
my ($status, @rows) = doctor(@as);
is("@rows", 'warning redis settings: appendfsync cannot be read (CONFIG is '
    . 'not allowed or renamed)', 'the rights that are shipped are enough');
$stack->redis('ACL', 'SETUSER', 'scim', '-xautoclaim', '-function|load');
($status, @rows) = doctor(@as);
is(join(', ', grep { /^wrong/ } @rows), 'wrong access rights: refused: '
    . 'FUNCTION LOAD, XAUTOCLAIM', 'commands that are refused are named');
is($status, 1, '... and the exit status');

# a clock
TestScim::write_file("$dir/clock.c", <<'C');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int
clock_gettime(clockid_t clock, struct timespec *at)
{
    int (*next)(clockid_t, struct timespec *) = (int (*)(clockid_t,
        struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
    int result = next(clock, at);
    at->tv_sec += clock == CLOCK_REALTIME ? 30 : 0;
    return result;
}
C
system($ENV{CC} // 'cc', qw(-shared -fPIC -o), "$dir/clock.so",
    "$dir/clock.c", '-ldl') == 0 or die "cc: $?\n";
{
    local $ENV{LD_PRELOAD} = join ' ', grep { defined } $ENV{LD_PRELOAD},
        "$dir/clock.so";
    finds('clocks that differ', qr/^warning clock: .* 30\d\d\d|29\d\d\d ms/);
}

# apps and webhooks
$app->rule({ method => 'GET', status => 401, times => 1 });
finds('an app whose list fails', qr/^wrong app Example: .*401/);
TestScim::until_true(sub { $stack->must('admin', 'GET', "/apps/$id")
    ->{delivery}{state} eq 'up' });
my $secret = 'whsec_' . encode_base64('d' x 32, '');
TestScim::write_file("$dir/secret", "$secret\n");
my $receiver = WebhookReceiver->start($secret);
my $hook = $stack->must('admin', 'POST', '/webhooks', { url => $receiver->url,
    secret => "file:$dir/secret" })->{id};
sub hook { return $stack->must('admin', 'GET', "/webhooks/$hook") }
$receiver->rule({ status => 500, times => 1000 });
$stack->must('admin', 'POST', "/webhooks/$hook/test");
TestScim::until_true(sub { hook()->{failingSince} });
finds('a receiver that accepts nothing', qr/^wrong webhook $hook: nothing/);
$receiver->forget;
$receiver->rule({ status => 410, times => 1 });
TestScim::until_true(sub { !hook()->{enabled} });
finds('a webhook that was switched off', qr/^wrong webhook $hook: .*gone/);
$stack->must('admin', 'PATCH', "/webhooks/$hook",
    { enabled => JSON::PP::false });
is_fine('an operator may switch it off');
$stack->must('admin', 'DELETE', "/webhooks/$hook");
$stack->must('admin', 'DELETE', "/apps/$id");

# the stream, while no sidecar runs
my ($dataset) = sort @{ $stack->redis('KEYS', 'scim:*:dataset') };
my ($events) = grep { $stack->redis('XLEN', $_) } @{ $stack->redis('KEYS',
    'scim:*:events') };
my $shard = $events =~ s/events$//r;
$stack->signal_part('sidecar-1', 'STOP');
$stack->redis('HINCRBY', "${shard}dataset", 'appended', 20000);
finds('a backlog', qr/^wrong backlog: 200\d\d events/);
$stack->redis('HINCRBY', "${shard}dataset", 'appended', -20000);
my $bob = $stack->user('bob');
# the sidecar had asked for it before it was stopped
my $entry = $stack->redis('XPENDING', $events, 'sidecar', '-', '+', 1)->[0][0];
$stack->redis('XCLAIM', $events, 'sidecar', 'ghost', 0, $entry, 'IDLE',
    300000);
finds('an event that nobody is done with', qr/^wrong pending: 1 events/);
$stack->redis('ZADD', "${shard}dirty", 1000, "demo $bob");
(undef, @rows) = doctor();
like(join(', ', @rows), qr/wrong planning: 1 people/, 'a plan that waits');
$stack->redis('FUNCTION', 'FLUSH');
(undef, @rows) = doctor();
like(join(', ', @rows), qr/warning library version: /,
    'functions that are not there');
$stack->redis('XGROUP', 'DESTROY', $events, 'sidecar');
(undef, @rows) = doctor();
like(join(', ', @rows), qr/wrong consumer group: 1 streams/,
    'a group that is gone');
my $known = $stack->redis('HGET', $dataset, 'id');
my ($strange) = grep { !/\{000\}/ } sort @{ $stack->redis('KEYS',
    'scim:*:dataset') };
$stack->redis('HSET', $strange, 'id', 'other');
(undef, @rows) = doctor();
like(join(', ', @rows), qr/wrong data set: 1 shards/,
    'a shard of another data set');
$stack->redis('HSET', $strange, 'id', $known);
$stack->signal_part('sidecar-1', 'CONT');
is_fine('a sidecar that runs again puts all of it right');

# an event that nobody understands
$stack->redis('XADD', $events, '*', 'ws', 'demo', 'op', 'no.such', 'id', 'x');
TestScim::until_true(sub { $stack->redis('EXISTS', "${shard}dead") });
finds('an event that is not understood', qr/^warning set aside: 1 events/);
$_->stop for $app, $receiver;
$stack->done;
