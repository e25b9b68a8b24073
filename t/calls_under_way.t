#!/usr/bin/perl
# Calls that are under way when the connection to Redis is lost: their outcome
# is written down once it is back, and none of them is made once more.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use MockApp;
use Test::More;
use TestScim;

my $stack = TestScim->start;
my $app = MockApp->start;
# whether an invite worked cannot be looked up
my $id = $stack->app($app->connector(list => undef));
my @people = map { $stack->user("u$_") } 1 .. 4;
my $team = $stack->group('Team', @people);
$app->control('slow', { seconds => 3 });
$stack->share($id, "teams/$team");
$stack->wait_is(sub { scalar $app->calls }, 4, 'four calls are under way');
$stack->redis(qw(CLIENT KILL TYPE normal));
ok(TestScim::until_true(sub { $stack->request('GET', '/healthz')
    ->{status} == 200 }), 'the connections to Redis are lost');
$stack->wait_is(sub { $stack->states($id) },
    'u1:invited u2:invited u3:invited u4:invited',
    '... each call has its outcome');
is(scalar $app->calls, 4, '... and was made once');
$app->stop;
$stack->done;
