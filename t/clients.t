#!/usr/bin/perl
# Sessions of clients that do more than push users: JumpCloud's activation with
# a test user and a test group, SailPoint's aggregation, authentik's full
# synchronization; and requests that are repeated or come at the same time.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MockApp;
use Test::More;
use TestScim;

my $stack = TestScim->start;
my $json = JSON::PP->new->canonical->utf8;
my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $group_schema = TestScim::core_schema('Group');
my $app = MockApp->start;
my $id = $stack->app($app->connector);
my ($stream) = map { "scim:{$_}:events" } $stack->{token}{scim}
    =~ /^scim_(\d+)/;

sub ask { return $stack->answers(@_)->{json} }


sub events {
    my %stream = @{ $stack->redis('XINFO', 'STREAM', $stream) };
    return $stream{'entries-added'};
}


sub group_body { return { schemas => [$group_schema], displayName => shift,
    members => [ map { { value => $_ } } @_ ] } }


# JumpCloud activates: everybody of the workspace is shared with an app, and
# the test user of the activation is gone before anybody can be invited
my $real = $stack->user('real');
my $team = $stack->group('Real', $real);
$stack->share($id, "teams/$team", 'editor');
$stack->wait_is(sub { $app->roles }, 'real:editor', 'an app with one member');
my $user = ask('test user', 201, 'POST', '/Users', TestScim::person('jctest',
    externalId => undef))->{id};
my $test = ask('test group', 201, 'POST', '/Groups', group_body('JC test'))
    ->{id};
ask('test membership', 204, 'PATCH', "/Groups/$test", TestScim::patch_body({
    op => 'add', path => 'members', value => [ { value => $user } ] }));
ask('test membership removed', 204, 'PATCH', "/Groups/$test",
    TestScim::patch_body({ op => 'remove', path => 'members',
    value => [ { value => $user } ] }));
ask('test group gone', 204, 'DELETE', "/Groups/$test");
ask('test user deactivated', 200, 'PUT', "/Users/$user",
    TestScim::person('jctest', active => $false, externalId => undef));
ask('test user gone', 204, 'DELETE', "/Users/$user");
my $later = $stack->user('later');
$stack->add_members($team, $later);
$stack->wait_is(sub { $app->roles }, 'later:editor real:editor',
    'who comes later is invited');
ok(!grep({ /jctest/ } map { $json->encode($_) } $app->calls),
    'the test user never was');
is($stack->must('scim', 'GET', '/Users?count=0')->{totalResults}, 2,
    '... and is not left behind');

# SailPoint aggregates: discovery, then pages of users, of groups with members
for my $path ('ServiceProviderConfig', 'ResourceTypes', 'Schemas',
    'ResourceTypes/User', 'ResourceTypes/Group', map { "Schemas/$_" }
    map({ TestScim::core_schema($_) } qw(User Group)),
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User')
{
    my $answer = ask($path, 200, 'GET', "/$path");
    ok($answer->{schemas} && ($answer->{meta} || $answer->{Resources}),
        '... is one');
}
my @many = map { $stack->user(sprintf 'agg%03d', $_) } 1 .. 248;
my @groups = map { $stack->group("Agg $_", @many[ 10 * $_ .. 10 * $_ + 9 ]) }
    0 .. 20;
sub aggregate {
    my ($type, $size, $between) = @_;
    my ($at, $total, %found) = (1, 1);
    while ($at <= $total) {
        my $page = ask("$type from $at", 200, 'GET',
            "/$type?startIndex=$at&count=$size");
        $total = $page->{totalResults};
        is($page->{startIndex} . ' ' . $page->{itemsPerPage}, "$at "
            . @{ $page->{Resources} }, '... a page as it says');
        is($page->{itemsPerPage}, $at + $size > $total ? $total - $at + 1
            : $size, '... and full, but for the last one');
        push @{ $found{ $_->{id} } }, $_ for @{ $page->{Resources} };
        $at += $size;
        $between->() if $between;
    }
    return \%found;
}
my $n = 0;
my $found = aggregate('Users', 100, sub { $stack->user('new' . ++$n) });
is(scalar(grep { @{ $found->{$_} // [] } == 1 } $real, $later, @many), 250,
    'each old user once, while new ones are created');
my $groups = aggregate('Groups', 10);
is(join(' ', map { scalar @{ $groups->{$_}[0]{members} } } @groups),
    join(' ', (10) x 21), 'each group with its members');

# authentik: config first, groups without members, then one add a member, the
# removals from what the group says
my $most = ask('config', 200, 'GET', '/ServiceProviderConfig')
    ->{bulk}{maxOperations};
my $large = ask('create', 201, 'POST', '/Groups', { displayName => 'Large' })
    ->{id};
ask('as many at once as it says', 204, 'PATCH', "/Groups/$large",
    { Operations => [ map { { op => 'add', path => 'members', value =>
    [ { value => $_ } ] } } @many[ 0 .. ($most < 44 ? $most - 1 : 44) ] ] });
is(scalar @{ ask('read back', 200, 'GET', "/Groups/$large")->{members} }, 45,
    'one request is enough for 45');
my $synced = ask('create', 201, 'POST', '/Groups', { displayName => 'Synced',
    externalId => 'ak1' })->{id};
my @chunks = map { [ @many[ 20 * $_ .. 20 * $_ + ($_ == 2 ? 4 : 19) ] ] }
    0 .. 2;
ask('a chunk of ' . @$_, 204, 'PATCH', "/Groups/$synced", { Operations =>
    [ map { { op => 'add', path => 'members', value => [ { value => $_ } ] } }
    @$_ ] }) for @chunks;
my $is = ask('read back', 200, 'GET', "/Groups/$synced");
is(scalar @{ $is->{members} }, 45, 'the members are complete');
my %keep = map { $_ => 1 } @many[ 0 .. 9 ];
ask('removals', 204, 'PATCH', "/Groups/$synced", { Operations => [ map { {
    op => 'remove', path => 'members', value => [ { value => $_->{value} } ] } }
    grep { !$keep{ $_->{value} } } @{ $is->{members} } ] });
is(join(' ', sort map { $_->{value} } @{ ask('again', 200, 'GET',
    "/Groups/$synced")->{members} }), join(' ', sort keys %keep),
    'the others are gone');
ask('409 on create', 409, ['uniqueness'], 'POST', '/Groups',
    { displayName => 'Synced' });
is(ask('look-up', 200, 'GET', '/Groups?filter=displayName%20eq%20%22Synced%22')
    ->{Resources}[0]{id}, $synced, 'the one that is there');
ask('whole group without path', 204, 'PATCH', "/Groups/$synced", { Operations
    => [ { op => 'replace', value => { id => $synced, displayName => 'Synced',
    externalId => 'ak2', schemas => [$group_schema] } } ] });
is(scalar @{ ask('again', 200, 'GET', "/Groups/$synced")->{members} }, 10,
    'touches no membership');

# one event for one request, whatever is in it; none for what changes nothing
my $count = events();
ask('five thousand at once, most of them nobody here', 204, 'PATCH',
    "/Groups/$synced", TestScim::patch_body({ op => 'add', path => 'members',
    value => [ map { { value => $_ } } @many, map { sprintf
    '01a20df6-43a5-7845-9449-%012x', $_ } 249 .. 5000 ] }));
is(events() - $count, 1, 'one event');
is(scalar @{ ask('again', 200, 'GET', "/Groups/$synced")->{members} }, 248,
    '... and all who are here are in');
for my $nothing ([ PATCH => "/Users/$real", TestScim::patch_body({
    op => 'replace', path => 'active', value => $true }) ],
    [ PUT => "/Users/$real", TestScim::person('real') ],
    [ PATCH => "/Groups/$synced", TestScim::patch_body({ op => 'add',
    path => 'members', value => [ { value => $later } ] }, { op => 'remove',
    path => qq{members[value eq "$later"]} }) ],
    [ PATCH => "/Groups/$synced", TestScim::patch_body({ op => 'add',
    path => 'members', value => [ { value => $many[0] } ] }) ])
{
    my ($method, $path, $body) = @$nothing;
    my ($events, $meta) = (events(), $stack->must('scim', 'GET', $path)
        ->{meta});
    ask("$method that changes nothing", $path =~ /Groups/ ? 204 : 200,
        $method, $path, $body);
    is(events(), $events, '... makes no event');
    is_deeply($stack->must('scim', 'GET', $path)->{meta}, $meta,
        '... and no version');
}

# the same request, many times at once
$count = events();
my $body = $json->encode(TestScim::patch_body({ op => 'add',
    path => 'members', value => [ { value => $later } ] }));
my @sockets = map { $stack->connection } 1 .. 20;
print { $_ } "PATCH /scim/v2/Groups/$synced HTTP/1.1\r\nHost: a\r\n"
    . "Authorization: Bearer $stack->{token}{scim}\r\n"
    . "Content-Type: application/scim+json\r\nContent-Length: "
    . length($body) . "\r\n\r\n$body" for @sockets;
is(join(' ', map { TestScim::read_answer($_)->{status} } @sockets),
    join(' ', (204) x 20), 'one add, twenty times at once');
is(events() - $count, 1, '... is one event');
is(scalar(grep { $_->{value} eq $later } @{ $stack->must('scim', 'GET',
    "/Groups/$synced")->{members} }), 1, '... and one membership');

# nobody who calls itself nothing
my $socket = $stack->connection;
print $socket "GET /scim/v2/Users/$real HTTP/1.1\r\nHost: a\r\n"
    . "Authorization: Bearer $stack->{token}{scim}\r\n\r\n";
is(TestScim::read_answer($socket)->{status}, 200,
    'neither User-Agent nor Accept');
$app->stop;
$stack->done;
