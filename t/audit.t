#!/usr/bin/perl
# Who changed somebody's access, by which request, through which share: from
# the answer of a SCIM request to the audit, the task and the app's call.
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
my $team = $stack->group('Paid social', $ann);
my $id = $stack->app($app->connector);

# Entries of a person in the app: "pending>invited", oldest first.
sub entries {
    my ($user) = @_;
    return grep { $_->{user} eq $user && $_->{app} eq $id } @{
        $stack->must('admin', 'GET', '/audit?limit=1000')->{entries} };
}


sub story {
    return join ' ', map { "$_->{from}>$_->{to}" } entries(@_);
}


# A request with an id of its own that must succeed.
sub asked {
    my ($txn, $what, $method, $path, $body) = @_;
    my $answer = $stack->$what($method, $path, $body,
        headers => { 'X-Request-Id' => $txn });
    ok($answer->{success}, "$method as $txn");
    is($answer->{headers}{'x-request-id'}, $txn, '... which the answer says');
}


sub operation {
    return TestScim::patch_body(@_);
}


# a share
asked('share-1', 'admin', 'PUT', "/apps/$id/shares/teams/$team",
    { role => 'collaborator', accessRole => 'editor' });
$stack->wait_is(sub { story($ann) }, '>pending pending>invited',
    'a share: invited');
my ($first, $second) = entries($ann);
is_deeply({ map { $_ => $first->{$_} } qw(actor share txn op resource) },
    { actor => 'admin-token', share => "team:$team", txn => 'share-1',
        op => 'share.put', resource => "app:$id" },
    '... who, by which share, by which request');
like($first->{eventId}, qr/^\d+-\d+$/, '... and which event');
is("$second->{txn} $second->{actor}", 'share-1 sidecar',
    'what the app answered belongs to the same request');
my ($task) = @{ $stack->must('admin', 'GET', "/tasks?app=$id")->{tasks} };
is($task->{txn}, 'share-1', 'so does the task');
my ($call) = grep { $_->{method} eq 'POST' } $app->calls;
is($call->{key}, $task->{id}, '... whose id the app was told');
is($stack->must('admin', 'GET', "/apps/$id/shares")->{shares}[0]{txn},
    'share-1', '... and the share itself');

# a group of the identity provider
asked('okta-2', 'scim', 'PATCH', "/Groups/$team", operation({ op => 'add',
    path => 'members', value => [ { value => $bob } ] }));
$stack->wait_is(sub { story($bob) }, '>pending pending>invited', 'a member');
($first) = entries($bob);
is_deeply({ map { $_ => $first->{$_} } qw(actor share txn op resource) },
    { actor => 'scim-token', share => "team:$team", txn => 'okta-2',
        op => 'group.members', resource => "group:$team" },
    '... who, by which group, by which request');

# the request that took the access away, not one that came while it settled
$stack->must('admin', 'PATCH', "/apps/$id", { settleSeconds => 1 });
asked('okta-3', 'scim', 'PATCH', "/Groups/$team", operation({ op => 'remove',
    path => qq{members[value eq "$bob"]} }));
asked('okta-4', 'scim', 'PATCH', "/Users/$bob", operation({
    op => 'replace', value => { title => 'Boss' } }));
$stack->wait_is(sub { (entries($bob))[-1]{to} }, 'removed', 'out again');
is(join(' ', map { $_->{txn} } (entries($bob))[-2, -1]), 'okta-3 okta-3',
    'not what came meanwhile');
is((entries($bob))[-2]{share}, "team:$team", '... and the share that was lost');

# a leaver
asked('okta-5', 'scim', 'PATCH', "/Users/$ann", operation({
    op => 'replace', value => { active => JSON::PP::false } }));
$stack->wait_is(sub { (entries($ann))[-1]{to} }, 'removed', 'a leaver');
is_deeply({ map { $_ => (entries($ann))[-2]{$_} } qw(actor txn op resource) },
    { actor => 'scim-token', txn => 'okta-5', op => 'user.patched',
        resource => "user:$ann" }, '... by which request');
is(scalar(grep { @{ $stack->redis('HKEYS', $_) } } map {
    sprintf 'scim:{%03d}:causes', $_ } 0 .. 127), 0,
    'nothing is left of causes');
$app->stop;
$stack->done;
