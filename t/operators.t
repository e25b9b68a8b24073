#!/usr/bin/perl
# What operators change is in the audit: who, what, which one, by which request;
# no secrets, no addresses.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use MockApp;
use Test::More;
use TestScim;
use WebhookReceiver;

my $app = MockApp->start;
my $stack = TestScim->start;
my $secret = 'whsec_' . encode_base64('o' x 32, '');
TestScim::write_file("$stack->{dir}/webhook", "$secret\n");
my $receiver = WebhookReceiver->start($secret);
my $ann = $stack->user('ann');
my $team = $stack->group('Team', $ann);
my $hook = $stack->must('admin', 'POST', '/webhooks', {
    url => $receiver->url . '/in-the-url',
    secret => "file:$stack->{dir}/webhook" })->{id};
my ($last, $txn) = ('', 0);
my $longest = 'a' . "\x{e9}" x 63; # 127 bytes

# What operators did since the last question: "op resource" with the entries.
sub entries {
    my @found = grep { $_->{id} gt $last && $_->{to} eq '' }
        @{ $stack->must('admin', 'GET', '/audit?limit=1000')->{entries} };
    $last = $found[-1]{id} if @found;
    return @found;
}


# A request must leave one entry: op, resource, and what else is given.
sub audited {
    my ($name, $expected, $method, $path, $body) = @_;
    my $id = 'op-' . ++$txn;
    my $answer = $stack->admin($method, $path, $body,
        headers => { 'X-Request-Id' => $id });
    ok($answer->{success}, $name) or diag($answer->{content});
    my $made = ref $answer->{json} ? $answer->{json}{id} // '' : '';
    my @found = entries();
    my %expected = (actor => 'admin-token', from => '', user => '', app => '',
        txn => $id, %$expected);
    s/\$id/$made/ for values %expected;
    is(scalar @found, 1, '... one entry');
    is_deeply({ map { $_ => $found[0]{$_} } keys %expected }, \%expected,
        '... which says who, what and why');
    return $answer->{json};
}

my @first = entries();
is($first[-1]{op}, 'webhook.created', 'a webhook');
ok((grep { $_->{op} eq 'token.created' && $_->{actor} =~ /^scimctl:\w/
    && $_->{why} eq 'role owner, name admin-token' } @first),
    'the first token was made by whoever ran scimctl')
    or diag(explain(\@first));

# ---- apps, their exemptions, their shares -----------------------------------------

my $id = audited('an app', { op => 'app.created', resource => 'app:$id',
    app => '$id', why => '' }, 'POST', '/apps', { name => 'Paint',
    accessRoles => [ 'viewer', 'editor', $longest ], defaultAccessRole => 'viewer',
    settleSeconds => 0, connector => $app->connector })->{id};
my %app = (resource => "app:$id", app => $id);
audited('its seats', { %app, op => 'app.updated', why => 'changed: seats' },
    'PATCH', "/apps/$id", { seats => 5 });
audited('an exemption', { %app, op => 'app.updated',
    why => 'changed: exemptions (0 before, 1 now)' }, 'PATCH', "/apps/$id", {
    exemptions => [ { member => 'bot@example.com', reason => 'robot',
        owner => 'ann@example.com', until => '2999-12-31' } ] });
audited('no exemption', { %app, op => 'app.updated',
    why => 'changed: exemptions (1 before, 0 now)' }, 'PATCH', "/apps/$id", {
    exemptions => undef });
audited('a share of a team', { app => $id, op => 'share.put', resource =>
    "team:$team", why => 'as collaborator, access role editor' }, 'PUT',
    "/apps/$id/shares/teams/$team", { role => 'collaborator',
    accessRole => 'editor' });
audited('a share of a person', { app => $id, op => 'share.put',
    resource => "user:$ann", why => "as owner, with the app's default" },
    'PUT', "/apps/$id/shares/users/$ann", { role => 'owner' });
audited('... with a long access role', { app => $id, op => 'share.put',
    resource => "user:$ann", why => "as owner, access role $longest" },
    'PUT', "/apps/$id/shares/users/$ann", { role => 'owner',
    accessRole => $longest });
audited('... taken back', { app => $id, op => 'share.deleted',
    resource => "user:$ann" }, 'DELETE', "/apps/$id/shares/users/$ann");

# ---- teams, tokens, webhooks ----------------------------------------------------

my $made = audited('a team', { op => 'team.created', resource => 'team:$id',
    why => 'Guests' }, 'POST', '/teams', { name => 'Guests' });
audited('its member', { op => 'team.members', resource => "team:$made->{id}",
    why => "user $ann put into it" }, 'PUT',
    "/teams/$made->{id}/members/$ann");
audited('... out again', { op => 'team.members', resource =>
    "team:$made->{id}", why => "user $ann taken out of it" }, 'DELETE',
    "/teams/$made->{id}/members/$ann");
my $token = audited('a token', { op => 'token.created',
    resource => 'token:$id', why => 'role viewer, name wall' }, 'POST',
    '/tokens', { role => 'viewer', name => 'wall' });
audited('... deleted', { op => 'token.deleted', resource =>
    "token:$token->{id}", why => 'role viewer, name wall' }, 'DELETE',
    "/tokens/$token->{id}");
audited('a webhook changed', { op => 'webhook.updated', resource =>
    "webhook:$hook", why => 'changed: description' }, 'PATCH',
    "/webhooks/$hook", { description => 'the wall' });
audited('... switched off', { op => 'webhook.updated', resource =>
    "webhook:$hook", why => 'switched off' }, 'PATCH', "/webhooks/$hook",
    { enabled => JSON::PP::false });
audited('... on', { op => 'webhook.updated', resource => "webhook:$hook",
    why => 'switched on' }, 'PATCH', "/webhooks/$hook",
    { enabled => JSON::PP::true });

# ---- work by hand ------------------------------------------------------------------

$stack->wait_is(sub { $stack->states($id) }, 'ann:invited', 'invited');
$app->rule({ method => 'PATCH', status => 422 });
$stack->share($id, "teams/$team", 'viewer');
$stack->wait_is(sub { $stack->states($id) }, 'ann:failed', 'a role refused');
entries();
my ($task) = @{ $stack->must('admin', 'GET', '/tasks?state=failed')->{tasks} };
my %task = (app => $id, resource => "task:$task->{id}");
audited('... retried', { %task, op => 'task.retry',
    why => 'role retried by hand' }, 'POST', "/tasks/$task->{id}/retry");
$stack->wait_is(sub { $stack->must('admin', 'GET', "/tasks?state=failed")
    ->{tasks}[0]{id} // '' }, $task->{id}, '... and refused again');
audited('... done by hand', { %task, op => 'task.done',
    why => 'role done by hand' }, 'POST', "/tasks/$task->{id}/done");

# ---- by scimctl, and the rest of it --------------------------------------------------

is(($stack->scimctl('unshare', 'Paint', "team:$team"))[0], 0,
    'scimctl unshare');
my ($entry) = entries();
is("$entry->{op} $entry->{resource}", "share.deleted team:$team",
    '... is in the audit');
like($entry->{actor}, qr/^scimctl:[\w.-]+$/, '... with the login');
my (undef, $out) = $stack->scimctl('audit');
like($out, qr/token\.deleted/, 'scimctl audit shows what was done')
    or diag($out);
audited('a webhook deleted', { op => 'webhook.deleted',
    resource => "webhook:$hook" }, 'DELETE', "/webhooks/$hook");
audited('an app deleted', { %app, op => 'app.deleted' }, 'DELETE',
    "/apps/$id");

# nothing that failed is in it, and nothing that is secret
is($stack->admin('DELETE', "/apps/$id")->{status}, 404, 'what fails');
is($stack->admin('POST', '/tokens', { role => 'king', name => 'x' })->{status},
    400, '... in any way');
is(scalar(entries()), 0, '... is in no entry');
my $audit = JSON::PP::encode_json($stack->must('admin', 'GET',
    '/audit?limit=1000'));
unlike($audit, qr/\Q$_\E/, 'the audit does not hold it') for
    $token->{secret}, $secret, 'in-the-url', 'bot@example.com';
is(scalar(grep { $_->{type} !~ /^(?:grant|task)\./ } $receiver->messages), 0,
    'webhooks are not told of what operators do');

$_->stop for $app, $receiver;
$stack->done;
