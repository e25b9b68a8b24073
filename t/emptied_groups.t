#!/usr/bin/perl
# Every way to say that a group is empty is believed, and no more than that:
# the people are held by the guard, whoever comes back meanwhile stays, and a
# request that puts all of them in again makes no call.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use MockApp;
use Test::More;
use TestScim;

my $app = MockApp->start;
my $stack = TestScim->start;
my @user = map { $stack->user(sprintf 'u%02d', $_) } 1 .. 12;
my $group = $stack->group('Ads', @user);
my $id = $stack->app($app->connector);
$stack->share($id, "teams/$group", 'editor');

sub in_state {
    my ($state) = @_;
    return scalar grep { $_->{state} eq $state } $stack->grants($id);
}


sub in_app { return scalar keys %{ $app->members } }
sub all { return [ map { { value => $_ } } @user ] }

sub restore {
    my ($name) = @_;
    $stack->patch("/Groups/$group", { op => 'replace', path => 'members',
        value => all() });
    $stack->wait_is(sub { in_state('invited') }, 12, "$name: all are back");
}


$stack->wait_is(sub { in_app() }, 12, 'twelve people are in the app');
$stack->wait_is(sub { in_state('invited') }, 12, '... and invited');
my @patch = (
    [ 'remove without a value', { op => 'remove', path => 'members' } ],
    [ 'Remove of Entra', { op => 'Remove', path => 'members' } ],
    [ 'replace with none', { op => 'replace', path => 'members',
        value => [] } ],
    [ 'replace without path', { op => 'replace', value => { id => $group,
        displayName => 'Ads', members => [] } } ],
    [ 'each by an operation', map { { op => 'remove',
        path => qq{members[value eq "$_"]} } } @user ],
    [ 'a list of all', { op => 'Remove', path => 'members',
        value => all() } ]);
for my $case (@patch) {
    my ($name, @operations) = @$case;
    $stack->patch("/Groups/$group", @operations);
    $stack->wait_is(sub { in_state('held') }, 12, "$name: all are held");
    is(in_app(), 12, '... and nobody was removed');
    restore($name);
}
$stack->must('scim', 'PUT', "/Groups/$group", { displayName => 'Ads',
    members => [] });
$stack->wait_is(sub { in_state('held') }, 12, 'PUT: all are held');
restore('PUT');
$stack->must('scim', 'POST', '/Bulk', { Operations => [ { method => 'PATCH',
    path => "/Groups/$group", data => TestScim::patch_body({ op => 'remove',
    path => 'members' }) } ] });
$stack->wait_is(sub { in_state('held') }, 12, 'Bulk: all are held');
restore('Bulk');

# out and in again is no change, whatever is said in between
my $calls = $app->calls;
my $meta = $stack->must('scim', 'GET', "/Groups/$group")->{meta};
$stack->patch("/Groups/$group", { op => 'Remove', path => 'members' },
    { op => 'Add', path => 'members', value => all() });
is_deeply($stack->must('scim', 'GET', "/Groups/$group")->{meta}, $meta,
    'all out and in again: no new version');
$stack->patch("/Groups/$group", { op => 'remove', path => 'members' },
    { op => 'add', path => 'members', value => [ { value => $user[0] } ] });
$stack->wait_is(sub { in_state('held') }, 11, 'all but one: those are held');
restore('all but one');
is(scalar $app->calls, $calls, 'not one call was made for all of this');
$app->stop;
$stack->done;
