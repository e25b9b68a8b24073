#!/usr/bin/perl
# An invite that runs out while the person accepts it in the app: a member is
# never taken out, whatever the app can tell.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MockApp;
use Test::More;
use TestScim;

my $stack = TestScim->start;
my %user = map { $_ => $stack->user($_) } qw(ann bob cid dee);
my @apps;

# An app whose invites end after a second, in which people are `invited` until
# they accept.
sub started {
    my ($name, $seconds, %verbs) = @_;
    my $app = MockApp->start(pending => 1);
    my $list = $app->connector->{list};
    $list->{pendingStates} = ['invited'] unless delete $verbs{silent};
    my $id = $stack->app($app->connector(list => $list, %verbs),
        name => $name, invites => { expireSeconds => $seconds });
    push @apps, $app;
    return ($app, $id);
}


sub removals { return grep { $_->{method} eq 'DELETE' } $_[0]->calls }

sub whys {
    my ($id, $name) = @_;
    return join '; ', map { "$_->{to}: $_->{why}" } grep { $_->{app} eq $id
        && $_->{user} eq $user{$name} }
        @{ $stack->must('admin', 'GET', '/audit?limit=1000')->{entries} };
}

my %cancel = (cancel => { method => 'DELETE',
    path => '/invites/${member.id}' });

# ---- without cancel: `remove` serves, for an open invite alone --------------------

my ($app, $id) = started('No cancel', 2);
$stack->share($id, "users/$user{$_}", 'editor') for qw(ann bob);
$stack->wait_is(sub { $stack->states($id) }, 'ann:invited bob:invited',
    'invited');
$app->control('accept', { email => 'ann@example.com' });
$stack->wait_is(sub { $stack->states($id) }, 'ann:accepted bob:expired',
    'the invites run out: who accepted in the app is accepted');
is(join(' ', map { $_->{email} } removals($app)), 'bob@example.com',
    '... and nobody but who did not was taken out');
is($app->roles, 'ann:editor', '... the app agrees');
like(whys($id, 'ann'), qr/accepted: accepted before the invite was withdrawn$/,
    '... with the reason in the audit');

# who accepted and leaves is removed as any member
$stack->set_active($user{ann}, 0);
$stack->wait_is(sub { $stack->states($id) }, 'bob:expired', 'a leaver');
is($app->roles, '', '... is out');
$stack->set_active($user{ann}, 1);

# ---- accepted between the look and the withdrawal -----------------------------------

for my $status (404, 409) {
    my ($race, $raced) = started("Race $status", 1, %cancel);
    $race->rule({ method => 'DELETE', path => '^/invites/', delay => 1,
        status => $status });
    $stack->share($raced, "users/$user{bob}", 'editor');
    ok(TestScim::until_true(sub { grep { $_->{method} eq 'GET' }
        $race->calls }), "the invite is looked at (cancel will say $status)");
    $race->control('accept', { email => 'bob@example.com' });
    $stack->wait_is(sub { $stack->states($raced) }, 'bob:accepted',
        '... accepted then: a member');
    is($race->roles, 'bob:editor', '... who stays');
    is(scalar(grep { $_->{path} =~ m{^/members/} } removals($race)), 0,
        '... no member was removed');
}

# ---- accepted, and not wanted any more ----------------------------------------------

my ($both, $leaver) = started('Leaver', 1, %cancel);
$both->rule({ method => 'DELETE', path => '^/invites/', times => 2,
    status => 503, headers => { 'Retry-After' => 1 } });
$stack->share($leaver, "users/$user{cid}", 'editor');
$stack->wait_is(sub { $stack->states($leaver) }, 'cid:removing',
    'an invite is being withdrawn');
$both->control('accept', { email => 'cid@example.com' });
$stack->set_active($user{cid}, 0);
$stack->wait_is(sub { $stack->states($leaver) }, '',
    '... its person accepts, and leaves the company');
is($both->roles, '', '... and is out of the app');

# ---- another role for who accepted meanwhile --------------------------------------

my ($role, $changed) = started('Role', 3600, %cancel);
$stack->share($changed, "users/$user{dee}", 'viewer');
$stack->wait_is(sub { $stack->states($changed) }, 'dee:invited', 'invited');
$role->control('accept', { email => 'dee@example.com' });
$stack->share($changed, "users/$user{dee}", 'admin');
$stack->wait_is(sub { $role->roles }, 'dee:admin',
    'who accepted gets another role');
$stack->wait_is(sub { $stack->states($changed) }, 'dee:accepted',
    '... and is a member');
is(scalar(removals($role)), 0, '... who was not taken out for it');
is(scalar(grep { $_->{method} eq 'POST' } $role->calls), 1,
    '... nor invited again');
$stack->share($changed, "users/$user{cid}", 'viewer');
$stack->set_active($user{cid}, 1);
$stack->wait_is(sub { $stack->states($changed) },
    'cid:invited dee:accepted', 'somebody who does not accept');
$stack->share($changed, "users/$user{cid}", 'editor');
$stack->wait_is(sub { $role->roles }, 'cid:editor dee:admin',
    '... gets another invite');
is(join(' ', map { $_->{path} =~ s{/\w+$}{}r } removals($role)), '/invites',
    '... and the first is withdrawn');

# ---- where the app does not tell -----------------------------------------------------

my ($mute, $silent) = started('Silent', 1, silent => 1);
$stack->share($silent, "users/$user{dee}", 'editor');
$stack->wait_is(sub { $stack->states($silent) }, 'dee:manual',
    'nobody can tell who accepted: a person looks');
is(scalar(removals($mute)), 0, '... and nobody is taken out');
my ($task) = @{ $stack->must('admin', 'GET', "/tasks?app=$silent&state=manual")
    ->{tasks} };
$stack->must('admin', 'POST', "/tasks/$task->{id}/done");
$stack->wait_is(sub { $stack->states($silent) }, 'dee:expired',
    '... which ends it');

unlike($stack->logs, qr/user_function|nonexistent global/,
    'no function of the store failed');
$_->stop for @apps;
$stack->done;
