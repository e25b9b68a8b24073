#!/usr/bin/perl
# Okta from end to end: a catalog integration (PATCH) and a custom app (PUT
# only), which must leave the same directory and the same people in the app;
# then Okta's own SPEC test and CRUD test, assertion by assertion.
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
my $user_schema = TestScim::core_schema('User');
my $group_schema = TestScim::core_schema('Group');
my %headers = ('User-Agent' => 'Okta SCIM Client 1.0.0',
    Accept => 'application/scim+json', 'Accept-Charset' => 'utf-8',
    'Content-Type' => 'application/scim+json; charset=utf-8');
my ($kind, $token, $admin, $app, $app_id);

sub ask {
    my ($name, $status, $method, $path, $body) = @_;
    return $stack->answers("$kind: $name", $status, $method, $path, $body,
        token => $token, headers => \%headers)->{json};
}


sub secret {
    my ($role) = @_;
    return ($stack->scimctl('token', 'create', '--workspace', $kind,
        '--role', $role))[1] =~ s/\s+//gr;
}


sub lookup {
    my ($type, $attribute, $value) = @_;
    return ask("look up $value", 200, 'GET', "/$type?filter=$attribute%20eq"
        . '%20%22' . TestScim::escape($value) . '%22&startIndex=1&count=100');
}


sub profile {
    my ($name, %more) = @_;
    return { schemas => [$user_schema], userName => "$name\@example.com",
        name => { givenName => ucfirst $name, familyName => 'Example' },
        emails => [ { primary => $true, value => "$name\@example.com",
        type => 'work' } ], displayName => ucfirst $name, locale => 'en-US',
        externalId => "00u$name", groups => [], active => $true, %more };
}


sub assign {
    my ($name) = @_;
    is(lookup('Users', 'userName', "$name\@example.com")->{totalResults}, 0,
        "$kind: $name is not there");
    my $user = ask("create $name", 201, 'POST', '/Users',
        profile($name, password => "Random-$name-1"));
    ok($user->{id} && $user->{emails}[0]{value} && $user->{active},
        "$kind: all of $name comes back");
    return $user->{id};
}


# GET, merge, PUT of the whole
sub put_changed {
    my ($name, $id, %change) = @_;
    my $user = ask("read for $name", 200, 'GET', "/Users/$id");
    return ask($name, 200, 'PUT', "/Users/$id", { %$user, %change });
}


sub set_active {
    my ($name, $id, $active) = @_;
    return $kind eq 'oin' ? ask($name, 200, 'PATCH', "/Users/$id",
        TestScim::patch_body({ op => 'replace', value => { active =>
        $active } })) : put_changed($name, $id, active => $active);
}


# Members after, with who goes and who comes: one PATCH or a PUT; a catalog
# integration also says id and name after each change.
sub set_members {
    my ($name, $id, $group_name, $now, $out, $in) = @_;
    if ($kind eq 'aiw') {
        return ask($name, 200, 'PUT', "/Groups/$id", { schemas =>
            [$group_schema], displayName => $group_name, members =>
            [ map { { value => $_, display => 'x' } } @$now ] });
    }
    ask($name, 204, 'PATCH', "/Groups/$id", TestScim::patch_body(
        map({ { op => 'remove', path => qq{members[value eq "$_"]} } } @$out),
        @$in ? { op => 'add', path => 'members', value =>
        [ map { { value => $_, display => 'x' } } @$in ] } : ()));
    ask("$name, then the name", 204, 'PATCH', "/Groups/$id",
        TestScim::patch_body({ op => 'replace', value => { id => $id,
        displayName => $group_name } }));
}


sub invited {
    my ($expected, $name) = @_;
    $stack->wait_is(sub { $app->roles }, join(' ', map { "$_:editor" }
        @$expected), "$kind: $name");
}


sub begin {
    ($kind) = @_;
    $token = secret('scim');
    $admin = secret('owner');
    $app = MockApp->start;
    $app_id = $stack->admin('POST', '/apps', { name => 'App',
        accessRoles => ['editor'], defaultAccessRole => 'editor',
        settleSeconds => 0, connector => $app->connector },
        token => $admin)->{json}{id};
}


# A group that is there is found and linked: its members stay until the first
# push; one that is empty in Okta is pushed as such.
sub link_group {
    my ($id, @members) = @_;
    my $found = lookup('Groups', 'displayName', 'OLD')->{Resources}[0];
    is($found->{id}, $id, "$kind: a group is found by its name");
    ask('linked', $kind eq 'oin' ? 204 : 200, $kind eq 'oin' ? 'PATCH' : 'PUT',
        "/Groups/$id", $kind eq 'oin' ? TestScim::patch_body({ op =>
        'replace', value => { id => $id, displayName => 'Old' } })
        : { schemas => [$group_schema], displayName => 'Old' });
    is(scalar @{ ask('read', 200, 'GET', "/Groups/$id")->{members} }, 1,
        "$kind: who was in it still is");
    set_members('pushed', $id, 'Old', \@members, [], \@members);
    ask('pushed while it is empty', $kind eq 'oin' ? 204 : 200,
        $kind eq 'oin' ? ('PATCH', "/Groups/$id", TestScim::patch_body({ op =>
        'replace', path => 'members', value => [] })) : ('PUT',
        "/Groups/$id", { schemas => [$group_schema], displayName => 'Old',
        members => [] }));
    ok(!ask('read', 200, 'GET', "/Groups/$id")->{members},
        "$kind: nobody is in it");
}


# From the test of the connection to an unlinked group; what is there in the end
sub story {
    begin(@_);
    is(ask('test the connection', 200, 'GET', "/$_")->{totalResults}, 0,
        "$kind: an empty workspace") for 'Users?startIndex=1&count=2',
        'Groups?startIndex=1&count=100';
    my ($ann, $bob, $cid) = map { assign($_) } qw(ann bob cid);
    is(lookup('Groups', 'displayName', 'Ads')->{totalResults}, 0,
        "$kind: no such group");
    my $group = ask('push the group', 201, 'POST', '/Groups', { schemas =>
        [$group_schema], displayName => 'Ads', members => [] })->{id};
    $stack->admin('PUT', "/apps/$app_id/shares/teams/$group",
        { role => 'collaborator' }, token => $admin);
    set_members('two come', $group, 'Ads', [ $ann, $bob ], [],
        [ $ann, $bob ]);
    invited([qw(ann bob)], 'two are invited');
    set_members('one goes, one comes', $group, 'Ads', [ $ann, $cid ], [$bob],
        [$cid]);
    invited([qw(ann cid)], 'one is out, the new one in');
    set_members('renamed', $group, 'Ads EMEA', [ $ann, $cid ], [], []);
    put_changed('a new name', $ann, displayName => 'Ann B',
        title => '', nickName => 'A');
    put_changed('a new login', $cid, userName => 'cid.b@example.com');
    is(lookup('Users', 'userName', 'cid.b@example.com')->{Resources}[0]{id},
        $cid, "$kind: found by the new login");
    is(lookup('Users', 'userName', 'cid@example.com')->{totalResults}, 0,
        "$kind: and not by the old one");
    set_active('unassigned', $ann, $false);
    invited([qw(cid)], 'a leaver is out');
    my $found = lookup('Users', 'userName', 'ann@example.com');
    is_deeply([ $found->{totalResults}, $found->{Resources}[0]{active} ],
        [ 1, $false ], "$kind: still found");
    set_active('assigned again', $ann, $true);
    invited([qw(ann cid)], 'back in the app, without a new push');
    set_members('push now', $group, 'Ads EMEA', [ $bob, $cid ], [$ann],
        [$bob]);
    invited([qw(bob cid)], 'as pushed');
    my $other = ask('a group to be unlinked', 201, 'POST', '/Groups',
        { schemas => [$group_schema], displayName => 'Old', members =>
        [ { value => $ann } ] })->{id};
    link_group($other, $ann, $bob);
    ask('unlinked and deleted', 204, 'DELETE', "/Groups/$other");
    ask('... and not there', 404, 'GET', "/Groups/$other");
    return the_end($group, ann => $ann, bob => $bob, cid => $cid);
}


sub the_end {
    my ($group, %user) = @_;
    my $text = $json->encode([ map { my $one = $_; delete $one->{meta}; $one }
        map({ ask($_, 200, 'GET', "/Users/$user{$_}") } sort keys %user),
        ask('group', 200, 'GET', "/Groups/$group") ]);
    $text =~ s/$user{$_}/\U$_/g for keys %user;
    $text =~ s/$group/GROUP/g;
    my $roles = $app->roles;
    $app->stop;
    return "$text\n$roles";
}


my $oin = story('oin');
is(story('aiw'), $oin, 'both integrations end in the same state');
like($oin, qr/"displayName":"Ann B"/, '... which is what was asked for');
unlike($oin, qr/"title"|password/, '... without what was empty or secret');

# the SPEC test, in its numbering
begin('spec');
my $there = assign('there');
my $list = ask('step 1', 200, 'GET', '/Users?count=1&startIndex=1');
ok(@{ $list->{Resources} }, '1: Resources are not empty');
is($list->{schemas}[0], 'urn:ietf:params:scim:api:messages:2.0:ListResponse',
    '1: a ListResponse');
like($json->encode($list), qr/"$_":\d/, "1: $_ is a number")
    for qw(itemsPerPage startIndex totalResults);
sub complete {
    my ($step, $user) = @_;
    ok(length $user->{id} && length $user->{name}{familyName}
        && length $user->{name}{givenName} && length $user->{userName}
        && defined $user->{active} && length $user->{emails}[0]{value},
        "$step: everything that the test reads is there");
}
complete(1, $list->{Resources}[0]);
my $one = ask('step 2', 200, 'GET', "/Users/$list->{Resources}[0]{id}");
is($one->{id}, $list->{Resources}[0]{id}, '2: the same id');
complete(2, $one);
for my $nobody ('abcdefgh@', 'runscope300lxtlifb7@atko.com') {
    my $none = lookup('Users', 'userName', $nobody);
    is_deeply([ @$none{qw(totalResults schemas)} ], [ 0, $list->{schemas} ],
        "3, 5: nobody is $nobody, in a ListResponse");
}
ok(length ask('step 4', 404, 'GET', '/Users/00u1unknown')->{detail},
    '4: a detail');
my $new = { schemas => [$user_schema], userName => 'Runscope1@ATKO.com',
    name => { givenName => 'Runscope', familyName => 'One' },
    emails => [ { primary => $true, value => 'Runscope1@ATKO.com',
    type => 'work' } ], displayName => 'Runscope One', active => $true };
$headers{'Content-Type'} = 'application/json';
my $made = ask('step 6', 201, 'POST', '/Users', $new);
is_deeply([ @$made{qw(active userName)}, @{ $made->{name} }{qw(familyName
    givenName)}, $made->{schemas}[0] ], [ $true, 'Runscope1@ATKO.com', 'One',
    'Runscope', $user_schema ], '6: what was sent comes back');
complete(6, $made);
is(ask('step 7', 200, 'GET', "/Users/$made->{id}")->{userName},
    'Runscope1@ATKO.com', '7: not in lower case');
ask('step 8', 409, 'POST', '/Users', $new);
is(lookup('Users', 'userName', 'RUNSCOPE1@ATKO.COM')->{totalResults}, 1,
    '9: found in upper case');
is(ref ask('step 10', 200, 'GET', '/Groups')->{Resources}, 'ARRAY',
    '10: a list');
my $refused = $stack->answers('step 11', 401, 'GET', '/Users?count=1', undef,
    token => undef, headers => { %headers, Authorization => 'non-token' });
is($refused->{json}{status}, '401', '11: status is text');
is(ask('step 12', 404, 'GET', '/Users/00919288221112222')->{status}, '404',
    '12: no such user');

# the CRUD test: Okta drives, the suite reads this side
$kind = 'crud';
my $id = assign('crud');
my $seen = lookup('Users', 'userName', 'crud@example.com')->{Resources}[0];
is_deeply([ $seen->{userName}, $seen->{emails}[0]{value}, $seen->{name} ],
    [ ('crud@example.com') x 2, { givenName => 'Crud', familyName =>
    'Example' } ], 'crud 4: as it was assigned');
put_changed('another first name', $id, name => { givenName => 'Other',
    familyName => 'Example' });
is(ask('step 6', 200, 'GET', "/Users/$id")->{name}{givenName}, 'Other',
    'crud 6: changed');
for my $step ([ 8, $false ], [ 11, $true ], [ 13, $false ]) {
    set_active("step $step->[0]", $id, $step->[1]);
    is(ask("step $step->[0]", 200, 'GET', "/Users/$id")->{active}, $step->[1],
        "crud $step->[0]: active is as it was set, and can be read");
}
$app->stop;
$stack->done;
