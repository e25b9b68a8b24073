#!/usr/bin/perl
# The settle window: out of one group and into another, in either order, is
# one change of role.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use MockApp;
use Test::More;
use TestScim;

my $app = MockApp->start;
my $stack = TestScim->start;
my $ann = $stack->user('ann');
my $bob = $stack->user('bob');
my %team = map { $_ => $stack->group($_, $_ eq 'viewers' ? ($ann, $bob)
    : ()) } qw(viewers editors);
my $id = $stack->app($app->connector, settleSeconds => 2);
$stack->share($id, "teams/$team{viewers}", 'viewer');
$stack->share($id, "teams/$team{editors}", 'editor');
$stack->wait_is(sub { $stack->states($id) }, 'ann:invited bob:invited',
    'both are invited');

$stack->remove_member($team{viewers}, $ann);
$stack->add_members($team{editors}, $ann);
$stack->add_members($team{editors}, $bob);
$stack->remove_member($team{viewers}, $bob);
$stack->wait_is(sub { $app->roles }, 'ann:editor bob:editor',
    'moved, in either order');
# a removal that still waits would come before this one, two seconds later
$stack->remove_member($team{editors}, $ann);
$stack->wait_is(sub { $app->roles }, 'bob:editor',
    'who is only out is removed when the window ends');
is_deeply([ sort $app->story ], [ sort 'POST ann:viewer', 'POST bob:viewer',
    'PATCH ann:editor', 'PATCH bob:editor', 'DELETE ann' ],
    'each move was one change of role');

# back within the window: nothing at all
$stack->remove_member($team{editors}, $bob);
$stack->wait_is(sub { $stack->team($team{editors}) }, '', 'out of the team');
$stack->add_members($team{editors}, $bob);
$stack->wait_is(sub { $stack->team($team{editors}) }, 'bob', '... and back');
my $cid = $stack->user('cid');
$stack->add_members($team{editors}, $cid);
$stack->wait_is(sub { $app->roles }, 'bob:editor cid:editor', 'later');
$stack->remove_member($team{editors}, $cid);
$stack->wait_is(sub { $app->roles }, 'bob:editor', '... and later still');
is(scalar(grep { /DELETE bob/ } $app->story), 0,
    'the app heard nothing of who came back');
$app->stop;
$stack->done;
