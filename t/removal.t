#!/usr/bin/perl
# A removal counts as done when the app says so and its own list agrees.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use MockApp;
use Test::More;
use TestScim;

my $stack = TestScim->start;
my @apps;


sub team_app {
    my ($name, $count, %connector) = @_;
    my $app = MockApp->start(page => 1000);
    push @apps, $app;
    my $id = $stack->app($app->connector(%connector), name => $name,
        guard => { count => 1000 });
    my @people = map { $stack->user("$name$_") } 1 .. $count;
    my $team = $stack->group($name, @people);
    $stack->share($id, "teams/$team", 'viewer');
    TestScim::until_true(sub { $count == keys %{ $app->members } });
    TestScim::until_true(sub { $count == grep { $_->{state} eq 'invited' }
        $stack->grants($id) });
    return ($app, $id, $team, @people);
}


sub calls { return scalar grep { $_->{method} eq $_[1] } $_[0]->calls }


my %find = (find => { method => 'GET', path => '/members?email=${user.email}',
    items => '/members', map => { id => '/id', email => '/email' } });

# many removals, few lists
my ($app, $id, $team, @people) = team_app('many', 60);
$stack->patch("/Groups/$team", { op => 'replace', path => 'members',
    value => [] });
$stack->wait_is(sub { $stack->states($id) }, '', '60 people are out');
is($app->roles, '', '... really');
is(calls($app, 'DELETE'), 60, '... by 60 calls');
cmp_ok(calls($app, 'GET'), '>=', 1, '... the list was asked');
cmp_ok(calls($app, 'GET'), '<=', 15, '... once for many');

# the app says yes and does nothing
my $one;
($app, $id, $team, $one) = team_app('liar', 1);
$app->rule({ method => 'DELETE', status => 204 });
$stack->remove_member($team, $one);
$stack->wait_is(sub { my ($task) = @{ $stack->must('admin', 'GET',
    "/tasks?app=$id&state=waiting")->{tasks} }; $task->{stillListed} ? 1 : 0 },
    1, 'who is still listed is not removed: the task says so');
$stack->wait_is(sub { $stack->must('admin', 'GET', '/stats')
    ->{removalsUnconfirmed} }, 1, '... after some looks it is counted');
like($stack->logs, qr/app $id, task \S+: the app confirmed the removal/,
    '... and in the log');
is(($stack->grants($id))[0]{state}, 'removing', '... and is not done');
$app->forget_rules;
$stack->wait_is(sub { $stack->states($id) }, '', '... until it is true');
is($app->roles, '', '... really');
is($stack->must('admin', 'GET', '/stats')->{removalsUnconfirmed}, 0,
    '... and is counted no more');

# a list that lags is given time, and nothing is sent twice
($app, $id, $team, $one) = team_app('lag', 1);
$app->control('lag', { seconds => 4 });
$stack->remove_member($team, $one);
$stack->wait_is(sub { $stack->states($id) }, '', 'a list that lags');
is(calls($app, 'DELETE'), 1, '... one call');
cmp_ok(calls($app, 'GET'), '>', 1, '... more than one look');

# an app that finds people is asked about each
($app, $id, $team, $one) = team_app('find', 1, %find);
$app->rule({ method => 'DELETE', status => 204, times => 1 });
$stack->remove_member($team, $one);
$stack->wait_is(sub { $stack->states($id) }, '', 'with find');
is($app->roles, '', '... and one call without effect: really out');
is(calls($app, 'DELETE'), 2, '... by a second one');

# neither: its word counts
($app, $id, $team, $one) = team_app('word', 1, list => undef);
$stack->remove_member($team, $one);
$stack->wait_is(sub { $stack->states($id) }, '', 'without any list');
is(calls($app, 'GET'), 0, '... nobody asks');

# accepted while it is withdrawn
($app, $id, $team, $one) = team_app('race', 1,
    cancel => { method => 'DELETE', path => '/invites/${member.id}' },
    list => { %{ $apps[0]->connector->{list} },
        pendingStates => ['invited'] });
$app->rule({ method => 'DELETE', path => '^/invites', status => 204 });
$stack->set_active($one, 0);
$stack->wait_is(sub { $stack->states($id) }, '',
    'who accepts while the invite is withdrawn');
is($app->roles, '', '... is removed as a member');
like(join(' ', map { $_->{path} } grep { $_->{method} eq 'DELETE' }
    $app->calls), qr{^/invites/\S+ /members/\S+$}, '... by these calls');

# another sidecar goes on
($app, $id, $team, @people) = team_app('kill', 5);
$app->rule({ method => 'GET', then => 'hang', times => 1 });
$stack->patch("/Groups/$team", { op => 'replace', path => 'members',
    value => [] });
TestScim::until_true(sub { calls($app, 'GET') > 0 });
$stack->signal_part('sidecar-1', 'KILL');
$stack->wait_is(sub { $stack->states($id) }, '',
    'killed while it was listing: verified by the next');
is(calls($app, 'DELETE'), 5, '... without another removal');
$_->stop for @apps;
$stack->done;
