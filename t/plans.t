#!/usr/bin/perl
# Dry runs by the API: what a change of shares or of an app would do, without
# doing it; the same as scimctl says.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MockApp;
use Test::More;
use TestScim;

my $app = MockApp->start;
my $stack = TestScim->start(sidecars => 2);
my %user = map { $_ => $stack->user($_) } qw(ann bob cid dee);
my $team = $stack->group('Team', map { $user{$_} } qw(ann bob cid));
my $id = $stack->app($app->connector, name => 'Paint', seats => 2,
    guard => { count => 1, percent => 0, windowSeconds => 600 });

# Asks for a plan and waits for its end.
sub dry_run {
    my ($body, $of) = @_;
    my $path = '/apps/' . ($of // $id) . '/plan';
    my $answer = $stack->admin('POST', $path, $body);
    die "plan: $answer->{status} $answer->{content}\n"
        if $answer->{status} != 202;
    my $plan;
    TestScim::until_true(sub { $plan = $stack->must('admin', 'GET',
        "$path/$answer->{json}{id}"); $plan->{state} ne 'running' });
    return $plan;
}


sub in_short {
    return join ' ', map { $_->{userName} =~ s/\@.*//r . ":$_->{what}" }
        @{ $_[0]{rows} };
}


# What scimctl says of the same.
sub same_as {
    my ($plan, @words) = @_;
    my ($status, $out) = $stack->scimctl('plan', @words, '--json');
    my $said = eval { JSON::PP::decode_json($out) } // {};
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_deeply({ map { $_ => $plan->{$_} }
        qw(hash app people counts guard rows) }, $said,
        "... as scimctl plan @words says");
}

# ---- a share ------------------------------------------------------------------

my %share = (team => $team, role => 'collaborator', accessRole => 'editor');
my $plan = dry_run(\%share);
is("$plan->{state} $plan->{people}", 'done 3', 'a share is planned');
is(in_short($plan), 'ann:invite bob:invite cid:wait',
    '... with the seats there are');
is_deeply($plan->{counts}, { invite => 2, wait => 1 }, '... and counted');
is_deeply($plan->{rows}[0], { userId => $user{ann}, userName =>
    'ann@example.com', what => 'invite', from => '', to => 'pending',
    accessRole => 'editor', was => '', share => "team:$team",
    why => 'joined' }, '... each person with what and why');
same_as($plan, 'share', 'Paint', 'team:Team', '--role', 'collaborator',
    '--access-role', 'editor');
is(dry_run(\%share)->{hash}, $plan->{hash}, 'the same once more: the same hash');
isnt(dry_run({ %share, accessRole => 'viewer' })->{hash}, $plan->{hash},
    '... another role: another one');
is(in_short(dry_run({ user => $user{dee}, role => 'owner' })), 'dee:invite',
    'one person');
is($stack->states($id) . $app->roles, '', 'nothing was done');
my $path = "/apps/$id/plan/$plan->{id}";
my (@rows, $cursor);
do {
    my $page = $stack->must('admin', 'GET', "$path?limit=1"
        . (defined $cursor ? "&cursor=$cursor" : ''));
    push @rows, @{ $page->{rows} };
    $cursor = $page->{nextCursor};
} while (defined $cursor && @rows < 9);
is_deeply(\@rows, $plan->{rows}, 'its rows come in pages');

# ---- what takes away, what changes -------------------------------------------------

$stack->share($id, "teams/$team", 'editor');
$stack->wait_is(sub { $stack->states($id) },
    'ann:invited bob:invited cid:waitlisted', 'done');
$plan = dry_run({ team => $team, remove => JSON::PP::true });
is(in_short($plan), 'ann:hold bob:hold cid:forget', 'a share taken away');
ok($plan->{guard}{held}, '... the guard would hold that');
same_as($plan, 'unshare', 'Paint', 'team:Team');
$plan = dry_run({ user => $user{ann}, remove => JSON::PP::true });
is(in_short($plan), '', 'one that there is not: nothing');
my $definition = $stack->must('admin', 'GET', "/apps/$id");
delete @$definition{qw(id seatUse delivery revoke)};
$definition->{seats} = 3;
$plan = dry_run({ definition => $definition });
is(in_short($plan), 'cid:invite', 'another seat');
my $file = "$stack->{base_dir}/app.json";
TestScim::write_file($file, JSON::PP::encode_json($definition));
same_as($plan, 'app', 'update', 'Paint', '-f', $file);
$plan = dry_run({ delete => JSON::PP::true });
is_deeply($plan->{counts}, { forget => 3 }, 'without the app');
same_as($plan, 'app', 'delete', 'Paint');
is($stack->states($id), 'ann:invited bob:invited cid:waitlisted',
    'nothing was done');

# ---- what is wrong --------------------------------------------------------------------

for ([ 400, 'role', { team => $team } ],
    [ 400, 'role', { team => $team, role => 'king' } ],
    [ 400, 'accessRole', { team => $team, role => 'owner',
        accessRole => 7 } ],
    [ 400, 'accessRole', { team => $team, role => 'owner',
        accessRole => 'nothing' } ],
    [ 400, 'remove', { team => $team, role => 'owner', remove => 'yes' } ],
    [ 400, 'team', { team => 'a b', role => 'owner' } ],
    [ 400, 'user', { team => $team, user => $user{ann}, role => 'owner' } ],
    [ 400, 'accessRoles', { definition => { name => 'x' } } ],
    [ 400, undef, { delete => JSON::PP::false } ], [ 400, undef, {} ],
    [ 404, undef, { team => 'none', role => 'owner' } ])
{
    my ($status, $field, $body) = @$_;
    my $answer = $stack->admin('POST', "/apps/$id/plan", $body);
    is("$answer->{status} " . ($answer->{json}{error}{field} // ''),
        "$status " . ($field // ''), 'refused: '
        . JSON::PP->new->canonical->encode($body));
}
is($stack->admin('POST', '/apps/none/plan', \%share)->{status}, 404,
    'an unknown app');
is($stack->admin('GET', "/apps/$id/plan/none")->{status}, 404,
    'an unknown plan');
my $other = $stack->app($app->connector, name => 'Other');
is($stack->admin('GET', "/apps/$other/plan/$plan->{id}")->{status}, 404,
    "another app's plan");
is($stack->admin('GET', "$path?cursor=x")->{status}, 400, 'a wrong cursor');
my $viewer = $stack->must('admin', 'POST', '/tokens', {
    role => 'viewer', name => 'v' })->{secret};
is($stack->admin('POST', "/apps/$id/plan", \%share, token => $viewer)
    ->{status}, 403, 'a viewer asks for none');
is($stack->admin('GET', $path, undef, token => $viewer)->{status}, 200,
    '... and looks at what there is');

# ---- sidecars that are away, and one that dies -------------------------------------------

my @big = map { $stack->user("p$_") } 1 .. 300;
my $big = $stack->group('Big', @big);
TestScim::until_true(sub { $stack->team($big) =~ /p300/ });
$stack->signal_part($_, 'STOP') for qw(sidecar-1 sidecar-2);
my $begun = $stack->must('admin', 'POST', "/apps/$other/plan",
    { team => $big, role => 'collaborator' })->{id};
is($stack->must('admin', 'GET', "/apps/$other/plan/$begun")->{state},
    'running', 'without a sidecar it waits');
$stack->signal_part($_, 'CONT') for qw(sidecar-1 sidecar-2);
$stack->wait_is(sub { $stack->must('admin', 'GET',
    "/apps/$other/plan/$begun")->{state} }, 'done', '... until there is one');
$plan = $stack->must('admin', 'GET', "/apps/$other/plan/$begun?limit=1000");
is_deeply($plan->{counts}, { invite => 300 }, '... for everybody');
is(scalar @{ $plan->{rows} }, 300, '... in rows');
unlike($stack->logs, qr/user_function|nonexistent global|unknown op/,
    'no function of the store failed');
$app->stop;
$stack->done;
