#!/usr/bin/perl
# Redis is away, slow, or somebody else's: 503 with Retry-After at once, never
# a success that is not kept; what was acknowledged is there afterwards; an
# empty data set removes nobody.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MockApp;
use Test::More;
use TestScim;

my $app = MockApp->start;
my $stack = TestScim->start(http => 'scim_redis_timeout 500ms;');
my $json = JSON::PP->new->utf8;
my $ann = $stack->user('ann');
my $team = $stack->group('Team', $ann);
my $id = $stack->app($app->connector);
$stack->share($id, "teams/$team", 'editor');
$stack->wait_is(sub { $stack->states($id) }, 'ann:invited', 'all is well');

sub unavailable {
    my ($name, @request) = @_;
    my $answer = $stack->answers($name, 503, @request);
    like($answer->{headers}{'retry-after'} // '', qr/^[1-9]\d*$/,
        '... with Retry-After in seconds');
}


# stopped in the middle of a request: the answer comes by the timeout
my ($redis) = $stack->pids('redis');
kill 'STOP', $redis;
unavailable('Redis does not answer', 'GET', "/Users/$ann");
unavailable('... nor for a write', 'POST', '/Users',
    TestScim::person('bob'));
is($stack->request('GET', '/healthz')->{status}, 503, '... not healthy');
kill 'CONT', $redis;
ok(TestScim::until_true(sub { $stack->scim('GET', "/Users/$ann")
    ->{status} == 200 }), 'it answers again');
is($stack->must('scim', 'GET', '/Users?filter=userName%20eq%20%22'
    . 'bob%40example.com%22')->{totalResults}, 0,
    'what was refused is not done later');

# killed while requests wait: each is answered, none falsely
kill 'STOP', $redis;
my @sockets = map { $stack->connection } 1 .. 20;
for my $i (0 .. $#sockets) {
    my $body = $json->encode(TestScim::person("w$i"));
    print { $sockets[$i] } "POST /scim/v2/Users HTTP/1.1\r\nHost: a\r\n"
        . "Authorization: Bearer $stack->{token}{scim}\r\n"
        . "Content-Type: application/scim+json\r\nContent-Length: "
        . length($body) . "\r\n\r\n$body";
}
kill 'KILL', $redis;
is(join(' ', map { TestScim::read_answer($_)->{status} } @sockets),
    join(' ', (503) x 20), 'killed while requests wait: all get 503');
ok(TestScim::until_true(sub { $stack->scim('GET', "/Users/$ann")
    ->{status} == 200 }), 'started again: requests work without a restart');
$stack->add_members($team, $stack->user('cid'));
$stack->wait_is(sub { $app->roles }, 'ann:editor cid:editor',
    'so does the sidecar');

# killed again and again under load: every acknowledged user is there
my (@kept, $n);
for my $round (1 .. 4) {
    for (1 .. 25) {
        my $name = 'k' . ++$n;
        my $answer = $stack->scim('POST', '/Users', TestScim::person($name));
        push @kept, $answer->{json}{id} if $answer->{status} == 201;
        $stack->signal_part('redis', 'KILL') if $_ == 12;
    }
    TestScim::until_true(sub { $stack->request('GET', '/healthz')
        ->{status} == 200 });
}
ok(@kept >= 40, scalar(@kept) . ' users were acknowledged meanwhile');
is(scalar(grep { $stack->scim('GET', "/Users/$_")->{status} != 200 } @kept),
    0, '... and are all there');

# an empty Redis is no directory in which nobody is
my @before = $app->story;
$stack->redis('FLUSHALL');
unavailable('an empty Redis', 'GET', "/Users/$ann");
unavailable('... takes no users', 'POST', '/Users', TestScim::person('eve'));
ok(TestScim::until_true(sub { $stack->logs =~ /data set/ }),
    '... and the sidecar says so');
my ($status) = $stack->scimctl('dataset', 'create');
is($status, 0, 'another data set is made');
like($stack->scim('GET', "/Users/$ann")->{status}, qr/^(?:401|503)$/,
    '... which is not the one that the tokens are of');
ok(TestScim::until_true(sub { $stack->logs =~ /\[error\].*data set/ }),
    '... and the sidecar refuses it');
is_deeply([ $app->story ], \@before, 'nobody was removed');
is($app->roles, 'ann:editor cid:editor', '... everybody is still in');
$app->stop;
$stack->done;
