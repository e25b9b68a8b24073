#!/usr/bin/perl
# What Microsoft's SCIM validator and the gallery's tests check: mandatory and
# preview tests of users and groups, discovery of the schema, nulls, paging.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use TestScim;

my $stack = TestScim->start(sidecars => 0);
my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $user_schema = TestScim::core_schema('User');
my $group_schema = TestScim::core_schema('Group');
my $enterprise =
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';

sub ask { return $stack->answers(@_)->{json} }


sub found {
    my ($type, $attribute, $value, $more) = @_;
    return ask("filter $attribute", 200, 'GET', "/$type?" . ($more // '')
        . "filter=$attribute+eq+%22" . TestScim::escape($value) . '%22');
}


sub change {
    my ($name, $status, $path, @operations) = @_;
    return ask($name, $status, 'PATCH', $path,
        TestScim::patch_body(@operations));
}


sub user_body {
    my ($name, %more) = @_;
    return { schemas => [ $user_schema, $enterprise ], userName => $name,
        active => $true, displayName => "D $name", emails => [ { primary =>
        'True', type => 'work', value => "$name\@x.com" } ],
        name => { givenName => 'G', familyName => 'F' }, %more };
}


sub group_body { return { schemas => [$group_schema], displayName => $_[0],
    externalId => "e-$_[0]" } }


# users, mandatory
my $ann = ask('create', 201, 'POST', '/Users', user_body('ann'));
is($ann->{emails}[0]{primary}, $true, 'a boolean comes back as one');
ask('duplicate', 409, ['uniqueness'], 'POST', '/Users', user_body('ANN'));
is(found('Users', 'userName', 'ann')->{totalResults}, 1, 'existing');
is(found('Users', 'userName', 'nobody')->{totalResults}, 0, 'not existing');
is(found('Users', 'userName', 'AnN')->{totalResults}, 1, 'in other case');
my $path = "/Users/$ann->{id}";

# every attribute of the advertised schema is replaced, the old dialect's way
my ($schema) = grep { $_->{id} eq $user_schema } @{ ask('schemas', 200, 'GET',
    '/Schemas')->{Resources} };
my (@operations, %expected);
for my $attribute (@{ $schema->{attributes} }) {
    next if $attribute->{mutability} ne 'readWrite';
    my $name = $attribute->{name};
    if ($attribute->{type} eq 'complex' && !$attribute->{multiValued}) {
        for my $sub (@{ $attribute->{subAttributes} }) {
            push @operations, [ "$name.$sub->{name}", "v$sub->{name}" ];
            $expected{$name}{ $sub->{name} } = "v$sub->{name}";
        }
    } elsif ($attribute->{multiValued}) {
        my ($type) = grep { $_->{name} eq 'type' }
            @{ $attribute->{subAttributes} };
        my $word = $type->{canonicalValues}[0];
        my $selected = $name eq 'roles' || !defined $word
            ? "$name\[primary eq \"True\"]" : "$name\[type eq \"$word\"]";
        my %element = $name eq 'roles' || !defined $word
            ? (primary => $true) : (type => $word);
        for my $sub (@{ $attribute->{subAttributes} }) {
            next if $sub->{name} =~ /^(?:type|primary|\$ref)$/
                || $sub->{mutability} ne 'readWrite';
            push @operations, [ "$selected.$sub->{name}",
                "v$sub->{name}" ];
            $element{ $sub->{name} } = "v$sub->{name}";
        }
        $expected{$name} = [ \%element ];
    } elsif ($attribute->{type} eq 'boolean') {
        push @operations, [ $name, 'False' ];
        $expected{$name} = $false;
    } else {
        push @operations, [ $name, "v$name" ];
        $expected{$name} = "v$name";
    }
}
cmp_ok(scalar @operations, '>', 30, scalar(@operations) . ' attributes');
my $min = ask('a minimal user', 201, 'POST', '/Users', {
    schemas => [$user_schema], userName => 'min' });
my $full = change('add all of them to a minimal user', 200,
    "/Users/$min->{id}", map { { op => 'Add', path => $_->[0],
    value => $_->[1] } } @operations);
delete @$full{qw(id meta schemas)};
is_deeply($full, \%expected, '... and all come back as they were sent')
    or diag(explain($full));
$_->[1] .= 'x' for grep { $_->[1] ne 'False' } @operations;
$full = change('replace all of them', 200, "/Users/$min->{id}",
    map { { op => 'Replace', path => $_->[0], value => $_->[1] } }
    grep { $_->[0] ne 'userName' } @operations);
is($full->{addresses}[0]{postalCode}, 'vpostalCodex', '... and so they are');

is(change('userName without path', 200, $path, { op => 'replace',
    value => { userName => 'Ann2' } })->{userName}, 'Ann2', '... is new');
change('disable', 200, $path, { op => 'Replace', path => 'active',
    value => 'False' });
is(ask('get', 200, 'GET', $path)->{active}, $false, '... by id');
is(found('Users', 'userName', 'ann2')->{Resources}[0]{active}, $false,
    '... and by filter');
my $boss = $stack->user('boss');
my $m = "$enterprise:manager";
for my $step ([ 'Add', $boss, { value => $boss } ],
    [ 'Replace', { value => 'other' }, { value => 'other' } ],
    [ 'Replace', '', undef ], [ 'Add', $boss, { value => $boss } ])
{
    my ($op, $value, $expected) = @$step;
    is_deeply(change("manager: $op", 200, $path, { op => $op, path => $m,
        value => $value })->{$enterprise}{manager}, $expected, '... is so');
}
is(change('manager: Remove', 200, $path, { op => 'Remove', path => $m })
    ->{$enterprise}, undef, '... is gone');

# Null_Update, several operations, nothing at all
change('a title', 200, $path, { op => 'Add', path => 'title', value => 'x' });
for my $empty ('', undef) {
    change('a title', 200, $path, { op => 'Add', path => 'title',
        value => 'x' });
    ok(!exists change('no title', 200, $path, { op => 'Replace',
        path => 'title', value => $empty })->{title}, '... is not there');
}
is(change('remove, add, replace', 200, $path, { op => 'Remove',
    path => 'displayName' }, { op => 'Add', path => 'displayName',
    value => '1' }, { op => 'Replace', path => 'displayName', value => '2' })
    ->{displayName}, '2', '... the last one wins');
change('no operations', 200, $path);
ask('delete', 204, 'DELETE', $path);
ask("$_ after it", 404, $_, $path) for qw(GET DELETE);
ask('delete what never was', 404, 'DELETE', "/Users/$ann->{id}x");

# groups, mandatory
my $group = ask('create', 201, 'POST', '/Groups', group_body('Ads'));
my $at = "/Groups/$group->{id}";
ask('duplicate', 409, ['uniqueness'], 'POST', '/Groups', group_body('ADS'));
ok(!exists ask('without members', 200, 'GET', "$at?excludedAttributes=members")
    ->{members}, '... has none');
is(found('Groups', 'displayName', 'aDs', 'excludedAttributes=members&')
    ->{totalResults}, 1, 'filter, without members, in other case');
is(found('Groups', 'displayName', 'none')->{totalResults}, 0, 'no such one');
is(found('Groups', 'externalId', 'e-Ads')->{totalResults}, 1, 'externalId');
change('another externalId', 204, $at, { op => 'Replace',
    path => 'externalId', value => 'e2' });
change('another name', 204, $at, { op => 'Replace', path => 'displayName',
    value => 'Ads 2' });
my @user = map { $stack->user("m$_") } 1 .. 3;
sub members { return join ' ', map { my $id = $_; grep { $user[$_ - 1] eq $id }
    1 .. 3 } sort map { $_->{value} } @{ ask('get', 200, 'GET', $at)
    ->{members} // [] } }
change('add a member', 204, $at, { op => 'Add', path => 'members',
    value => [ { '$ref' => undef, value => $user[0] } ] });
is(members(), '1', '... is in');
change('add and remove', 204, $at, { op => 'Add', path => 'members',
    value => [ map { { value => $_ } } @user[1, 2] ] }, { op => 'Remove',
    path => 'members', value => [ { value => $user[0] } ] });
is(members(), '2 3', '... are done');
change('remove', 204, $at, { op => 'Remove', path => 'members',
    value => [ { '$ref' => undef, value => $user[1] } ] });
is(members(), '3', '... this one alone');
ask('delete', 204, 'DELETE', $at);
ask('delete twice', 404, 'DELETE', $at);

# paging: startIndex comes back as it was asked for, on two pages and more
$stack->user("page$_") for 1 .. 12;
my $total = ask('count', 200, 'GET', '/Users?count=0')->{totalResults};
my %seen;
for (my $at = 1; $at <= $total; $at += 5) {
    my $page = ask("from $at", 200, 'GET', "/Users?startIndex=$at&count=5");
    is($page->{startIndex}, $at, '... startIndex is echoed');
    $seen{ $_->{id} }++ for @{ $page->{Resources} };
}
is(join(' ', scalar keys %seen, grep { $_ > 1 } values %seen), $total,
    'each on one page');

# discovery: what a mapping is made of
my %type = map { $_->{id} => $_ } @{ ask('schemas', 200, 'GET', '/Schemas')
    ->{Resources} };
ok($type{$_}, "schema $_") for $user_schema, $group_schema, $enterprise;
for my $name (qw(emails phoneNumbers addresses)) {
    my ($attribute) = grep { $_->{name} eq $name }
        @{ $type{$user_schema}{attributes} };
    my ($sub) = grep { $_->{name} eq 'type' }
        @{ $attribute->{subAttributes} };
    ok(grep({ $_ eq 'work' } @{ $sub->{canonicalValues} // [] }),
        "$name of type work can be mapped");
}
$stack->done;
