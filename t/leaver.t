#!/usr/bin/perl
# A leaver is out of every app at once, however the identity provider says so,
# and back in when it says that.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MockApp;
use Test::More;
use TestScim;

my @app = map { MockApp->start } 1 .. 2;
my $stack = TestScim->start;
my %user = map { $_ => $stack->user($_) } qw(ann bob cid dee);
my $team = $stack->group('Team', map { $user{$_} } qw(ann bob cid));
my @id = map { $stack->app($_->connector, name => "App $_->{port}",
    settleSeconds => 3600) } @app;
$stack->share($id[0], "teams/$team", 'editor');
$stack->share($id[1], "teams/$team", 'viewer');
$stack->share($id[1], "users/$user{$_}", 'admin') for qw(ann dee);

sub roles_are {
    my ($first, $second, $name) = @_;
    $stack->wait_is(sub { $app[0]->roles . ' / ' . $app[1]->roles },
        "$first / $second", $name);
}


roles_are('ann:editor bob:editor cid:editor',
    'ann:admin bob:viewer cid:viewer dee:admin', 'everybody is in');

# a leaver does not wait for the settle window
$stack->set_active($user{ann}, 0);
roles_are('bob:editor cid:editor', 'bob:viewer cid:viewer dee:admin',
    'deactivated by PATCH: out of both, what operators gave as well');
$stack->wait_is(sub { $stack->team($team) }, 'bob cid', '... and of the team');
my $bob = $stack->must('scim', 'GET', "/Users/$user{bob}");
$stack->must('scim', 'PUT', "/Users/$user{bob}", { %$bob,
    active => JSON::PP::false });
roles_are('cid:editor', 'cid:viewer dee:admin', 'deactivated by PUT');
$stack->must('scim', 'DELETE', "/Users/$user{$_}") for qw(cid dee);
roles_are('', '', 'deleted');
$stack->wait_is(sub { $stack->states($id[1]) }, '', 'no grant is left');
$stack->wait_is(sub { $stack->states($id[1], '&state=removed') },
    'ann:removed bob:removed cid:removed dee:removed',
    '... but for those known to be removed');

# back again
$stack->set_active($user{ann}, 1);
roles_are('ann:editor', 'ann:admin', 'activated: all of it again');
$stack->wait_is(sub { $stack->team($team) }, 'ann', '... and in the team');
$stack->must('scim', 'PUT', "/Users/$user{bob}", { %$bob,
    active => JSON::PP::true });
roles_are('ann:editor bob:editor', 'ann:admin bob:viewer',
    'activated by PUT');

# a pending invite is withdrawn
$app[0]->rule({ method => 'POST', status => 503,
    headers => { 'Retry-After' => 3600 } });
my $eve = $stack->user('eve');
$stack->add_members($team, $eve);
roles_are('ann:editor bob:editor', 'ann:admin bob:viewer eve:viewer',
    'one app takes the invite, the other is away');
$stack->set_active($eve, 0);
roles_are('ann:editor bob:editor', 'ann:admin bob:viewer',
    'a leaver whose invite is still waiting');
$stack->wait_is(sub { $stack->states($id[0]) }, 'ann:invited bob:invited',
    '... has none any more');
$app[0]->forget_rules;
is(scalar(grep { $_->{app} eq $id[0] } @{ $stack->must('admin', 'GET',
    '/tasks?state=waiting')->{tasks} }), 0, '... and no task that waits');
$_->stop for @app;
$stack->done;
