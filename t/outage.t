#!/usr/bin/perl
# An app that is away for an hour while many tasks wait for it: few probes,
# nobody given up; when it is back all is done, gently, and nothing twice.  Then
# everybody goes at once: all of them, verified, removals before anything else.
# SCIM_TEST_PEOPLE (100) says how many.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use MockApp;
use Test::More;
use TestScim;
use Time::HiRes qw(time);

my $count = $ENV{SCIM_TEST_PEOPLE} || 100;
my $patience = 60 + $count / 10; # seconds
my $rate = $count > 1000 ? 400 : 100;
my $stack = TestScim->start(sidecars => 2);
my $app = MockApp->start(page => 1000);
my $id = $stack->app($app->connector, name => 'Away', limits => {
    maxAttempts => 2, concurrency => 8, ratePerSecond => $rate, burst => 10 },
    guard => { percent => 100, count => 100000, windowSeconds => 60 });
my @people = map { $stack->user("p$_") } 1 .. $count;
my $team = $stack->group('Everybody', @people);
sub tasks { return $stack->must('admin', 'GET', '/stats')->{tasks} }

sub calls_so_far { return $app->control('load')->{ $_[0] } // 0 }
sub invites { return calls_so_far('POST') }

# The next probe is now: SIGHUP has an app that is down tried at once.
sub probe { $stack->signal_part('sidecar-1', 'HUP') }

$app->rule({ status => 503 });
$stack->share($id, "teams/$team");
TestScim::until_true(sub { $stack->must('admin', 'GET', "/apps/$id")
    ->{delivery}{state} eq 'down' });
TestScim::until_true(sub { tasks()->{queued} + tasks()->{waiting} >= $count },
    $patience);
is(tasks()->{queued} + tasks()->{waiting}, $count, "$count tasks wait");

# an hour of it: probes after 2, 4, ... and then each 60 s, without the waiting
my ($passed, $wait) = (0, 2);
while ($passed < 3600) {
    my $before = invites();
    probe();
    TestScim::until_true(sub { invites() > $before }) or last;
    $passed += $wait;
    $wait = 2 * $wait > 60 ? 60 : 2 * $wait;
}
cmp_ok($passed, '>=', 3600, 'an hour passes');
cmp_ok(invites(), '<=', 85, '... with few calls for all of them');
is(tasks()->{failed}, 0, '... and nobody given up');

# back: one probe, then more and more, never more than it takes
$app->forget_rules;
$app->control('slow', { seconds => 0.005 });
probe();
my $from = time;
ok(TestScim::until_true(sub { keys %{ $app->members } == $count }, $patience),
    'back, everybody is in');
diag(sprintf '%d invites after an outage: %.1f s', $count, time - $from)
    if $ENV{SCIM_TEST_PEOPLE};
$stack->wait_is(sub { scalar grep { $_->{state} eq 'invited' }
    $stack->grants($id) }, $count, '... and known to be');
cmp_ok($app->control('load')->{most}, '<=', 8, '... no more calls at a time '
    . 'than ever');
my @done = grep { $_->{effect} } $app->calls;
my %effects;
$effects{ $_->{email} }++ for @done;
is_deeply([ grep { $effects{$_} != 1 } keys %effects ], [], '... once each');
my $first = (sort { $a <=> $b } map { $_->{at} } @done)[0];
cmp_ok(scalar(grep { $_->{at} < $first + 1 } @done), '<=', $rate * 0.75 + 12,
    '... at half of the rate at first');

# everybody goes, and somebody comes; one list verifies many
$app->control('slow', { seconds => 0 });
$from = time;
my $late = $stack->user('late');
$stack->must('scim', 'DELETE', "/Groups/$team");
TestScim::until_true(sub { calls_so_far('DELETE') });
$stack->share($id, "users/$late");
ok(TestScim::until_true(sub { !grep { /^p/ } keys %{ $app->members } },
    $patience), 'all of them go');
diag(sprintf '%d removals: %.1f s', $count, time - $from)
    if $ENV{SCIM_TEST_PEOPLE};
ok(TestScim::until_true(sub { $count == $stack->grants($id,
    '&state=removed') }, $patience), '... verified');
diag(sprintf '%d verified: %.1f s', $count, time - $from)
    if $ENV{SCIM_TEST_PEOPLE};
$stack->wait_is(sub { $stack->states($id) }, 'late:invited',
    '... and who came is in');
my @removals = grep { $_->{method} eq 'DELETE' } $app->calls;
is(scalar(grep { $_->{effect} } @removals), $count, '... each was removed');
is(scalar(grep { !$_->{effect} } @removals), 0, '... once');
cmp_ok(scalar(grep { $_->{method} eq 'GET' } $app->calls), '<',
    10 + 5 * (1 + $count / 1000) * 10, '... few lists for all of them');
is(tasks()->{failed}, 0, '... nobody is given up');
$app->stop;
$stack->done;
