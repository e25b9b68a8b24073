#!/usr/bin/perl
# scimctl, the operators' command line: what the admin API does, as tables and
# as JSON; errors on standard error with an exit status.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MockApp;
use Test::More;
use TestScim;

my $json = JSON::PP->new->utf8;
my $app = MockApp->start;
my $stack = TestScim->start;
my $definition = "$stack->{base_dir}/app.json";

# The JSON of a command that must succeed.
sub ctl {
    my ($status, $out, $error) = $stack->scimctl(@_, '--json');
    is("$status$error", '0', "scimctl @_");
    return $out eq '' ? undef : $json->decode($out);
}


# A command that must fail: its exit status and message.
sub fails {
    my ($expected, $message, @words) = @_;
    my ($status, $out, $error) = $stack->scimctl(@words);
    is($status, $expected, "scimctl @words: exit status $expected");
    like($error, $message, '... with a message on standard error');
    is($out, '', '... and nothing on standard output');
}


my $ann = $stack->user('ann');
my $bob = $stack->user('bob');
my $group = $stack->group('Paid social', $ann);
$stack->wait_is(sub { $stack->team($group) }, 'ann', 'the team is there');

sub write_definition {
    my (%more) = @_;
    TestScim::write_file($definition, $json->encode({ name => 'Adverts',
        accessRoles => [qw(viewer editor)], defaultAccessRole => 'viewer',
        connector => $app->connector, settleSeconds => 0, %more }));
}


write_definition();
my $added = ctl('app', 'add', '-f', $definition);
like($added->{id}, qr/^[0-9a-f-]{36}$/, 'app add answers the app');
is_deeply([ map { $_->{name} } @{ ctl('app', 'list')->{apps} } ],
    ['Adverts'], 'app list');
is(ctl('app', 'show', 'Adverts')->{id}, $added->{id}, 'app show by name');
is(ctl('app', 'show', $added->{id})->{name}, 'Adverts', 'app show by id');
write_definition(name => 'Ads');
is(ctl('app', 'update', 'Adverts', '-f', $definition)->{name}, 'Ads',
    'app update');

ctl('share', 'Ads', 'team:Paid social', '--role', 'collaborator',
    '--access-role', 'editor');
ctl('share', 'Ads', 'user:bob@example.com', '--role', 'owner');
is_deeply([ sort map { $_->{role} } @{ ctl('shares', 'Ads')->{shares} } ],
    [ 'collaborator', 'owner' ], 'shares');
$stack->wait_is(sub { $app->roles }, 'ann:editor bob:viewer',
    'both are invited');
$stack->wait_is(sub { $stack->states($added->{id}) },
    'ann:invited bob:invited', '... and known to be');

my ($status, $table) = $stack->scimctl('members', 'Ads');
like($table, qr/^userId +userName +email +state +role +accessRole\n/,
    'members is a table for people');
like($table, qr/\Q$ann\E +ann\@example\.com .* invited +collaborator +editor/,
    '... with a row a person');
is_deeply([ map { $_->{userId} } @{ ctl('members', 'Ads')->{members} } ],
    [ $ann, $bob ], '... and JSON for programs');
is_deeply([ map { $_->{userId} } @{ ctl('members', 'Ads', '--limit', 1)
    ->{members} } ], [ $ann ], '--limit');
is(scalar @{ ctl('tasks', '--app', 'Ads', '--state', 'done')->{tasks} }, 2,
    'tasks of an app in a state');
ok(@{ ctl('audit')->{entries} } >= 4, 'audit');
ok(ref ctl('stats'), 'stats');

# the last owner would be left to a person
ctl('share', 'Ads', 'user:bob@example.com', '--role', 'collaborator');
$stack->wait_is(sub { join ' ', map { $_->{role} } $stack->grants(
    $added->{id}) }, 'collaborator collaborator', 'sharing again');
ctl('unshare', 'Ads', 'user:bob@example.com');
$stack->wait_is(sub { $app->roles }, 'ann:editor', 'unshare removes');
$stack->wait_is(sub { join ' ', map { $_->{userId} } @{ ctl('members', 'Ads',
    '--state', 'removed')->{members} } }, $bob,
    'removed grants can be asked for');

my $team = ctl('team', 'create', 'Partners');
is($team->{source}, 'manual', 'team create');
ctl('team', 'add-member', 'Partners', 'bob@example.com');
is_deeply([ map { $_->{userName} } @{ ctl('team', 'show', 'Partners')
    ->{members} } ], ['bob@example.com'], 'team add-member, team show');
ctl('team', 'remove-member', 'Partners', $bob);
is_deeply(ctl('team', 'show', 'Partners')->{members}, [],
    'team remove-member');
is(scalar @{ ctl('team', 'list')->{teams} }, 2, 'team list');

# tasks that failed, and tasks for a person
$app->rule({ method => 'POST', status => 400, body => '{"no":"seat"}',
    times => 1 });
ctl('share', 'Ads', "user:$bob", '--role', 'collaborator');
my $failed;
ok(TestScim::until_true(sub {
    ($failed) = @{ ctl_quiet('tasks', '--state', 'failed')->{tasks} } }),
    'a refused invite is a failed task');
is_deeply($failed->{answer}, { status => 400, body => '{"no":"seat"}' },
    '... that keeps the answer');
ctl('task', 'retry', $failed->{id});
$stack->wait_is(sub { $app->roles }, 'ann:editor bob:viewer',
    'task retry tries again');
write_definition(name => 'By hand', connector => { type => 'manual',
    instructions => 'Ask Eve' });
ctl('app', 'add', '-f', $definition);
ctl('share', 'By hand', "user:$bob", '--role', 'collaborator');
my $task;
ok(TestScim::until_true(sub {
    ($task) = @{ ctl_quiet('tasks', '--state', 'manual')->{tasks} } }),
    'a manual app makes a task for a person');
ctl('task', 'done', $task->{id});
$stack->wait_is(sub { ctl_quiet('members', 'By hand')->{members}[0]{state} },
    'invited', 'task done closes it');

sub ctl_quiet {
    my ($status, $out) = $stack->scimctl(@_, '--json');
    return $json->decode($out);
}


# tokens: the bare secret, or the object
my ($secret) = ($stack->scimctl('token', 'create', '--workspace', 'other',
    '--role', 'scim'))[1];
like($secret, qr/^\S+\n\z/, 'token create prints the bare secret');
is($stack->scim('GET', '/Users', undef, token => $secret =~ s/\n//r)
    ->{json}{totalResults}, 0, '... of a new workspace');
my $token = ctl('token', 'create', '--role', 'viewer', '--name', 'eve');
is_deeply([ map { $token->{$_} } qw(role workspace name) ],
    [qw(viewer demo eve)], 'token create --json');
is($stack->admin('GET', '/apps', undef, token => $token->{secret})->{status},
    200, '... works');
ok((grep { $_->{id} eq $token->{id} } @{ ctl('token', 'list')->{tokens} }),
    'token list');
ctl('token', 'delete', $token->{id});
ok(!grep({ $_->{id} eq $token->{id} } @{ ctl('token', 'list')->{tokens} }),
    'token delete');
is(ctl('dataset', 'show')->{shards}, 128, 'dataset show');

# what is refused
fails(2, qr/--help/, 'nonsense');
fails(2, qr/--role/, 'share', 'Ads', "user:$ann");
fails(1, qr/none of the apps is called Nope/, 'members', 'Nope');
fails(1, qr/no user has the userName nobody/, 'share', 'Ads', 'user:nobody',
    '--role', 'owner');
fails(1, qr/accessRole/, 'share', 'Ads', "user:$ann", '--role', 'owner',
    '--access-role', 'emperor');
TestScim::write_file($definition, '{"name":');
fails(1, qr/app\.json:1/, 'app', 'add', '-f', $definition);
write_definition(name => 'Bad', connector => { type => 'http',
    baseUrl => 'http://169.254.169.254/', invite => {} });
fails(1, qr/^scimctl: connector\.baseUrl: (?!connector)/, 'app', 'add', '-f',
    $definition);
fails(1, qr/data set already/, 'dataset', 'create');
fails(1, qr/nothing-here/, '--redis', 'unix:nothing-here', 'stats');
ctl('app', 'delete', 'Ads');
$app->stop;
$stack->done;
