#!/usr/bin/perl
# Several teams share one app: the strongest access role wins, and who loses
# one source stays by the other.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use MockApp;
use Test::More;
use TestScim;

my $app = MockApp->start;
my $bare = MockApp->start;
my $stack = TestScim->start;
my $ann = $stack->user('ann');
my $bob = $stack->user('bob');
my %team = map { $_ => $stack->group($_, $ann) } qw(viewers editors admins);
my $id = $stack->app($app->connector);
my $other = $stack->app($bare->connector(role => undef), name => 'Bare');
$stack->wait_is(sub { join ' ', map { $stack->team($_) } values %team },
    'ann ann ann', 'the teams are there');
$stack->share($id, "teams/$team{viewers}", 'viewer');
$stack->wait_is(sub { $app->roles }, 'ann:viewer', 'one team');
$stack->share($id, "teams/$team{admins}", 'admin');
$stack->wait_is(sub { $app->roles }, 'ann:admin', 'a stronger one');
$stack->share($id, "teams/$team{editors}", 'editor');
$stack->add_members($team{editors}, $bob);
$stack->wait_is(sub { $app->roles }, 'ann:admin bob:editor',
    'one in between changes nothing for who has more');
my ($grant) = grep { $_->{userId} eq $ann } $stack->grants($id);
is(scalar @{ $grant->{sources} }, 3, 'a grant names its sources');
is_deeply([ $app->story ], [ 'POST ann:viewer', 'PATCH ann:admin',
    'POST bob:editor' ], 'a change of role is a role call');

$stack->remove_member($team{admins}, $ann);
$stack->wait_is(sub { $app->roles }, 'ann:editor bob:editor',
    'the next strongest is left');
$stack->must('scim', 'DELETE', "/Groups/$team{editors}");
$stack->wait_is(sub { $app->roles }, 'ann:viewer',
    'a group is deleted: who has no other source is out');
$stack->share($id, "users/$ann", undef, 'owner');
$stack->wait_is(sub { ($stack->grants($id))[0]{role} }, 'owner',
    'owner beats collaborator');
is(($stack->grants($id))[0]{accessRole}, 'viewer',
    'the app\'s default where a share names none');
$stack->must('admin', 'DELETE', "/apps/$id/shares/teams/$team{viewers}");
$stack->wait_is(sub { scalar @{ ($stack->grants($id))[0]{sources} } }, 1,
    'a share is taken back');
is($app->roles, 'ann:viewer', '... the other source keeps the person in');
# the last owner would not be removed by a rule
$stack->share($id, "users/$ann", undef, 'collaborator');
$stack->wait_is(sub { ($stack->grants($id))[0]{role} }, 'collaborator',
    'an owner no longer');
$stack->must('admin', 'DELETE', "/apps/$id/shares/users/$ann");
$stack->wait_is(sub { $app->roles }, '', 'without a source nobody is in');

# an app whose connector cannot change a role
$stack->share($other, "teams/$team{viewers}", 'viewer');
$stack->wait_is(sub { $stack->states($other) }, 'ann:invited', 'invited');
$stack->share($other, "teams/$team{viewers}", 'editor');
my $task;
ok(TestScim::until_true(sub { ($task) = @{ $stack->must('admin', 'GET',
    "/tasks?app=$other&state=manual")->{tasks} } })
    || $bare->roles eq 'ann:editor',
    'the role changes by a person or by a new invite, never silently not');
$_->stop for $app, $bare;
$stack->done;
