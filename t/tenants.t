#!/usr/bin/perl
# Workspaces never see each other, a token opens what its role says and nothing
# more, and one that was taken back stops working.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use TestScim;

my $stack = TestScim->start(workers => 2,
    http => 'scim_token_cache 200ms;');
my $json = JSON::PP->new->canonical->utf8;
my $nobody = '01a20df6-43a5-7845-9449-1c6da36e1397';

sub secret {
    my ($workspace, $role, @more) = @_;
    my ($status, $text, $error) = $stack->scimctl('token', 'create',
        '--workspace', $workspace, '--role', $role, @more);
    $status == 0 or die "scimctl: $error\n";
    return $text =~ s/\s+//r;
}


# Everything of a workspace, as its own tokens show it.
sub everything {
    my ($scim, $admin) = @_;
    return $json->encode([
        map({ $stack->must('scim', 'GET', $_, undef, token => $scim) }
            '/Users?count=200', '/Groups?count=200'),
        map({ $stack->must('admin', 'GET', $_, undef, token => $admin) }
            qw(/teams /apps /tasks /holds /tokens)) ]);
}


# demo has a whole little world; other has a user of the same name
my $ann = $stack->user('ann');
my $team = $stack->group('Team', $ann);
my $app = $stack->app({ type => 'manual' });
$stack->share($app, "teams/$team");
$stack->wait_is(sub { $stack->states($app) }, 'ann:manual', 'a world');
my ($task) = map { $_->{id} } @{ $stack->must('admin', 'GET', '/tasks')
    ->{tasks} };
my %other = map { $_ => secret('other', $_) } qw(scim viewer admin owner);
my @as_other = (token => $other{scim});
my $eve = $stack->must('scim', 'POST', '/Users', TestScim::person('ann'),
    @as_other)->{id};
ok($eve, 'another workspace may have a user of the same name');
# the other's tokens, this one's ids
my $empty = $stack->must('scim', 'GET', '/Users', undef, @as_other);
is($empty->{totalResults}, 1, 'its list holds its own user alone');
for my $filter (qq{id eq "$ann"}, 'externalId eq "00uann" and id ne "'
    . $eve . '"', qq{groups.value eq "$team"})
{
    is($stack->must('scim', 'GET', '/Users?filter='
        . TestScim::escape($filter), undef, @as_other)->{totalResults}, 0,
        "a filter finds nobody else: $filter");
}
my $group = $stack->must('scim', 'POST', '/Groups', { schemas =>
    [ TestScim::core_schema('Group') ], displayName => 'Mine', members =>
    [ { value => $ann }, { value => $eve }, { value => $team } ] },
    @as_other);
is_deeply([ map { $_->{value} } @{ $group->{members} } ], [$eve],
    'a group takes no member of another workspace');
$stack->must('scim', 'PATCH', "/Groups/$group->{id}", TestScim::patch_body(
    { op => 'add', path => 'members', value => [ { value => $ann } ] }),
    @as_other);
is_deeply([ map { $_->{value} } @{ $stack->must('scim', 'GET',
    "/Groups/$group->{id}", undef, @as_other)->{members} } ], [$eve],
    '... nor later');
$stack->user('bob');
my $page = $stack->must('scim', 'GET', '/Users?cursor&count=1');
$stack->answers('a cursor of another workspace', 400, 'GET',
    '/Users?count=1&cursor=' . TestScim::escape($page->{nextCursor}), undef,
    @as_other);
my $before = everything(@{ $stack->{token} }{qw(scim admin)});
my $share = { role => 'collaborator' };
for my $case ([ GET => "/teams/$team" ], [ GET => "/apps/$app" ],
    [ PATCH => "/apps/$app", { name => 'x' } ], [ DELETE => "/apps/$app" ],
    [ GET => "/apps/$app/shares" ], [ GET => "/apps/$app/members" ],
    [ PUT => "/apps/$app/shares/users/$eve", $share ],
    [ DELETE => "/apps/$app/shares/teams/$team" ],
    [ POST => "/apps/$app/checks", {} ],
    [ POST => "/tasks/$task/done", {} ], [ POST => "/tasks/$task/retry", {} ])
{
    my ($method, $path, $body) = @$case;
    my $unknown = $path =~ s/\Q$app\E|\Q$task\E|\Q$team\E/$nobody/r;
    my @answer = map { $stack->admin($method, $_, $body,
        token => $other{owner}) } $path, $unknown;
    is($answer[0]{status}, 404, "$method $path of another workspace");
    is($answer[0]{content}, $answer[1]{content}, '... looks unknown');
}
my $mine = $stack->must('admin', 'POST', '/apps', { name => 'Mine',
    accessRoles => ['a'], defaultAccessRole => 'a',
    connector => { type => 'manual' } }, token => $other{owner})->{id};
is($stack->admin('PUT', "/apps/$mine/shares/$_", $share,
    token => $other{owner})->{status}, 404, "a share with another's $_")
    for "users/$ann", "teams/$team";
is(everything(@{ $stack->{token} }{qw(scim admin)}), $before,
    'all that changed nothing here');

# what a role may do: every kind of route, by its least role
my @roles = qw(scim viewer admin owner);
my @routes = (
    [ 'viewer', GET => '/teams' ], [ 'viewer', GET => "/teams/$nobody" ],
    [ 'viewer', GET => '/apps' ], [ 'viewer', GET => "/apps/$mine" ],
    [ 'viewer', GET => "/apps/$mine/shares" ],
    [ 'viewer', GET => "/apps/$mine/members" ],
    [ 'viewer', GET => '/tasks' ], [ 'viewer', GET => '/holds' ],
    [ 'viewer', GET => '/audit' ], [ 'viewer', GET => '/stats' ],
    [ 'admin', POST => '/teams' ], [ 'admin', POST => '/apps' ],
    [ 'admin', PUT => "/teams/$nobody/members/$eve" ],
    [ 'admin', DELETE => "/teams/$nobody/members/$eve" ],
    [ 'admin', PUT => "/apps/$nobody" ], [ 'admin', PATCH => "/apps/$nobody" ],
    [ 'admin', DELETE => "/apps/$nobody" ],
    [ 'admin', PUT => "/apps/$nobody/shares/teams/$nobody" ],
    [ 'admin', DELETE => "/apps/$nobody/shares/users/$nobody" ],
    [ 'admin', POST => "/apps/$nobody/checks" ],
    [ 'admin', POST => "/tasks/$nobody/done" ],
    [ 'admin', POST => "/tasks/$nobody/retry" ],
    [ 'admin', POST => "/holds/$nobody/approve" ],
    [ 'admin', POST => "/holds/$nobody/reject" ],
    [ 'admin', GET => '/tokens' ], [ 'admin', POST => '/tokens' ],
    [ 'admin', DELETE => "/tokens/$nobody" ]);
for my $route (@routes) {
    my ($least, $method, $path) = @$route;
    my $may = join ' ', map {
        my $status = $stack->admin($method, $path, $method =~ /^P/ ? {}
            : undef, token => $other{$_})->{status};
        $status == 403 ? () : $status =~ /^5|401/ ? "$_: $status" : $_ }
        @roles;
    is($may, join(' ', $least eq 'viewer' ? @roles[1 .. 3] : @roles[2 .. 3]),
        "who may $method $path");
}
$stack->answers("a token of role $_ provisions nobody", 403, 'GET', '/Users',
    undef, token => $other{$_}) for qw(viewer admin owner);
is($stack->admin('POST', '/tokens', { role => $_->[0], name => 'x' },
    token => $other{admin})->{status}, $_->[1],
    "an admin makes a token of role $_->[0]: $_->[1]")
    for [ 'owner', 403 ], [ 'admin', 201 ], [ 'scim', 201 ];
my %id_of = map { $_->{name} => $_->{id} } @{ $stack->must('admin', 'GET',
    '/tokens', undef, token => $other{admin})->{tokens} };
is($stack->admin('DELETE', "/tokens/$id_of{owner}", undef,
    token => $other{admin})->{status}, 403, '... and deletes no owner\'s');
is($stack->admin('GET', '/stats', undef, token => $other{owner})->{status},
    200, '... which still works');

# secrets
my $list = $stack->admin('GET', '/tokens', undef, token => $other{owner});
unlike($list->{content}, qr/secret|sha256|scim_\d/,
    'a list of tokens shows no secret and no hash');
my @dump = map { $stack->redis('DUMP', $_) } @{ $stack->redis('KEYS', '*') };
ok(!grep({ my $dump = $_; grep { index($dump, substr $_, 9, 40) >= 0 }
    values %other } @dump), 'Redis holds no secret');
unlike($stack->logs, qr/scim_\d{3}_/, 'nor does a log');

# taken back
my $made = $stack->must('admin', 'POST', '/tokens', { role => 'scim',
    name => 'short' });
is($stack->scim('GET', '/Users', undef, token => $made->{secret})->{status},
    200, 'a token works');
$stack->must('admin', 'DELETE', "/tokens/$made->{id}");
my $start = Time::HiRes::time();
$stack->wait_is(sub { join ' ', map { $stack->request('GET', '/scim/v2/Users',
    undef, token => $made->{secret}, headers => { Connection => 'close' })
    ->{status} } 1 .. 8 }, join(' ', (401) x 8),
    'deleted, it stops working at every worker');
cmp_ok(Time::HiRes::time() - $start, '<', 5, '... soon');
is($stack->scim('GET', '/Users')->{status}, 200, '... others go on');
is($stack->admin('DELETE', "/tokens/$made->{id}")->{status}, 404,
    '... and it cannot be deleted again');
is($stack->admin('DELETE', "/tokens/$id_of{scim}")->{status}, 404,
    'a token of another workspace cannot be deleted');
$stack->done;
