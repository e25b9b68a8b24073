#!/usr/bin/perl
# A sidecar that is killed at any moment loses no invite and no removal and
# does none twice by effect; so does one among several.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use MockApp;
use Test::More;
use TestScim;

my $app = MockApp->start;
my $stack = TestScim->start(sidecars => 2);
# reproducible: which sidecar is killed after how many calls of the app
srand 7;
my $id = $stack->app($app->connector, limits => { concurrency => 4,
    maxAttempts => 50 }, guard => { count => 100000, percent => 100 });
my @user = map { $stack->user("u$_") } 1 .. 120;
my @team = map { $stack->group("Team $_") } 0 .. 2;
$stack->wait_is(sub { scalar grep { $stack->admin('GET', "/teams/$_")
    ->{status} == 200 } @team }, 3, 'the teams are there');
$stack->share($id, "teams/$team[$_]", (qw(viewer editor admin))[$_])
    for 0 .. 2;
my @in = map { {} } @team;

# Puts people in and out of the teams, as an identity provider would.
sub churn {
    my ($team) = @_;
    my @change = map { int rand @user } 1 .. 15;
    my @operations;
    for my $i (@change) {
        if (delete $in[$team]{$i}) {
            push @operations, { op => 'remove',
                path => qq{members[value eq "$user[$i]"]} };
        }
        else {
            $in[$team]{$i} = 1;
            push @operations, { op => 'add', path => 'members',
                value => [ { value => $user[$i] } ] };
        }
    }
    $stack->patch("/Groups/$team[$team]", @operations);
}


sub expected {
    my %role;
    for my $team (0 .. 2) {
        $role{$_} = (qw(viewer editor admin))[$team] for keys %{ $in[$team] };
    }
    return join ' ', sort map { 'u' . ($_ + 1) . ":$role{$_}" } keys %role;
}


my $kills = 0;
for my $round (1 .. 24) {
    churn(int rand 3);
    next if $round % 2;
    my $calls = $app->calls;
    TestScim::until_true(sub { $app->calls > $calls }, 2);
    my @pids = map { $stack->pids("sidecar-$_") } 1 .. 2;
    my @victims = $round % 6 == 0 ? @pids : grep { defined } $pids[rand @pids];
    $kills += kill 'KILL', @victims;
}
ok($kills >= 12, "$kills sidecars were killed at work");
$stack->wait_is(sub { $app->roles }, expected(),
    'at the end the app is what the directory says');
$stack->wait_is(sub { scalar grep { $_->{state} ne 'invited' }
    $stack->grants($id) }, 0, '... and so are the grants');

# an invite of who is in, a removal of who is out: either would be one twice
my (%in, @twice);
for my $call (grep { $_->{effect} } $app->calls) {
    my $is = $call->{method} eq 'DELETE' ? 0 : 1;
    push @twice, "$call->{method} $call->{email}"
        if $call->{method} ne 'PATCH' && ($in{ $call->{email} } // 0) == $is;
    $in{ $call->{email} } = $is;
}
is("@twice", '', 'nobody was invited or removed twice');
my @open = map { @{ $stack->must('admin', 'GET', "/tasks?state=$_")
    ->{tasks} } } qw(queued running waiting failed);
is(scalar @open, 0, 'no task is left over');
$stack->wait_is(sub { my $sum = 0; for my $key (grep { /events$/ }
    @{ $stack->redis('KEYS', '*:events') }) { my $reply = eval {
    $stack->redis('XPENDING', $key, 'sidecar') } or next;
    $sum += $reply->[0] } $sum }, 0, 'every event is acknowledged');
$app->stop;
$stack->done;
