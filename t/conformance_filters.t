#!/usr/bin/perl
# Filters, pages and projection: RFC 7644 sections 3.4.2 and 3.9, and the
# spellings that clients use.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use QueryPeople;
use Test::More;
use TestScim;

my ($ann, $bob, $cid, $dee, $group) = start_people();

# equality and the spellings of it
finds('userName eq "ANN"', 'ann');
finds('externalId eq "abc"', 'ann');
finds('externalId eq "ABC"', 'cid');
finds('userName eq "nobody"', '');
finds("id eq \"$ann\"", 'ann');
for my $raw ('userName+eq+%22ann%22', 'userName%20eq%20"ann"',
    'userName%20Eq%20%22ann%22', 'userName%20eq%20ann',
    'userName%20eq%22ann%22', 'userName%20eq%20%27ann%27',
    '%20userName%20%20eq%20%22ann%22%20', 'USERNAME%20EQ%20%22ann%22',
    "$user_schema:userName%20eq%20%22ann%22")
{
    is(names("filter=$raw"), 'ann', '... finds ann');
}
my $empty = $stack->must('scim', 'GET', '/Groups?filter='
    . TestScim::escape('displayName eq "none"'));
is_deeply([ @$empty{qw(totalResults Resources)} ], [ 0, [] ],
    'a list of none is one, with Resources');

# the grammar
finds('title pr', 'ann cid dee');
finds($_, 'Bob') for 'not (title pr)', 'not(title pr)', 'NOT (title pr)';
finds('title eq "lead"', 'ann dee');
finds('title ne "lead"', 'Bob cid');
finds('userName co "N"', 'ann');
finds('userName sw "B"', 'Bob');
finds('userName ew "d"', 'cid');
finds('userName gt "bob"', 'cid dee');
finds('userName ge "bob" and userName lt "d"', 'Bob cid');
finds('userName le "bob"', 'Bob ann');
finds('title eq "Chief" or title eq "Lead" and userName eq "dee"', 'cid');
finds('(title eq "Chief" or title eq "Lead") and userName eq "ann"', 'ann');
finds('not (title eq "Chief" or title eq "Lead")', 'Bob');
finds('emails[type eq "work" and value co "@x"]', 'Bob');
finds('emails.type eq "work" and emails.value co "@x"', 'Bob ann');
finds('emails co "@x"', 'Bob ann');
finds('emails.value co "@x"', 'Bob ann');
finds('emails[type eq "work"].value eq "bob@x"', 'Bob');
finds('emails[primary eq true]', 'ann');
finds("$enterprise:department eq \"D\"", 'ann');
finds("\U$enterprise\E:manager.value eq \"boss\"", 'ann');
finds("$user_schema:userName sw \"A\"", 'ann');
finds('name.familyName eq "adams"', 'Bob');
finds('active eq true', 'ann cid dee');
finds('active eq "True"', 'ann cid dee');
finds('active eq False', 'Bob');
finds('phoneNumbers pr', 'cid');
finds("schemas eq \"$enterprise\"", 'ann');
finds('nickName eq null', 'ann cid dee');
finds('meta.resourceType eq "User"', 'Bob ann cid dee');
finds('meta.created gt "2020-01-01T00:00:00Z"', 'Bob ann cid dee');
finds('meta.lastModified lt "2020-01-01T00:00:00Z"', '');
finds('meta.created gt 2020-01-01', 'Bob ann cid dee');
my $created = $stack->must('scim', 'GET', "/Users/$ann")->{meta}{created};
finds("meta.created eq \"$created\"", 'ann');
(my $shifted = $created) =~ s/Z$/+00:00/;
finds("meta.created eq \"$shifted\"", 'ann');
($shifted = $created) =~ s/T(\d\d)/sprintf 'T%02d', ($1 + 2) % 24/e;
$shifted =~ s/Z$/+02:00/;
finds("meta.created eq \"$shifted\"", 'ann') if $created !~ /T2[23]/;
finds("groups.value eq \"$group\"", 'Bob ann');
finds("groups[value eq \"$group\"] and active eq true", 'ann');
finds("userName eq \"d\x{c9}E \\\"q\\\" \\\\ \x{1f600}\"", 'dee');
finds('userName co "\u00e9e"', 'dee');
my $sz = make("Stra\x{df}e", name => { familyName => "\x{130}zmir" },
    nickName => "\x{fb01}sh");
$name_of{$sz} = 'sz';
finds($_, 'sz') for 'userName eq "STRASSE"', 'userName co "ASSE"',
    'userName sw "strass"', 'userName ew "\u00dfE"',
    "name.familyName eq \"i\x{307}zmir\"", "name.familyName sw \"\x{130}\"",
    'nickName eq "FISH"', "userName eq \"STRA\x{1e9e}E\"";
$stack->answers('the same name in other letters', 409, ['uniqueness'], 'POST',
    '/Users', { schemas => [$user_schema], userName => 'STRASSE' });
$stack->must('scim', 'DELETE', "/Users/$sz");
is(names('filter=' . TestScim::escape("members.value eq \"$ann\""),
    '/Groups'), $group, '... finds the group');
is(names('filter=' . TestScim::escape("members[value eq \"$cid\"]"),
    '/Groups'), '', '... finds none');
is(names('filter=' . TestScim::escape('displayName sw "te"'), '/Groups'),
    $group, '... finds the group');

# what is refused
bad_filter($_) for 'userName regex "x"', 'userName eq', '(userName eq "a"',
    'userName eq "a" garbage', '', 'shoeSize eq 44', 'password eq "x"',
    'active gt true', 'active eq "yes"', 'userName eq "a" and', 'and',
    'emails[type eq "work"', 'userName eq "a', 'not userName eq "a"',
    'userName eq "\x"', 'meta.created gt "yesterday"', '((((',
    '(' x 900 . 'title pr' . ')' x 900, 'userName%20eq%20"a"';
$stack->answers('a filter too deep', 400, ['invalidFilter'], 'POST',
    '/Users/.search', { schemas =>
    ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'], filter => $_ })
    for '(' x 10000 . 'title pr' . ')' x 10000, 'title eq "a" or ' x 3000
    . 'title pr', 'not (' x 5000 . 'title pr' . ')' x 5000;
like(bad_filter('userName eq "a" nonsense')->{json}{detail},
    qr/(?:position|offset|character|at) ?\d+/, 'the position is said');

# pages
sub page {
    my ($query) = @_;
    my $list = $stack->answers("?$query", 200, 'GET', "/Users?$query")
        ->{json};
    return join ' ', map { $_ // '-' } @$list{qw(totalResults startIndex
        itemsPerPage)}, scalar @{ $list->{Resources} // [] };
}
is(page('count=2'), '4 1 2 2', '... a page');
is(page('startIndex=4&count=2'), '4 4 1 1', '... the last one, short');
is(page('count=0'), '4 1 0 0', '... the total alone');
is(page('count=-1'), '4 1 0 0', '... the same');
is(page("startIndex=$_&count=1"), '4 1 1 1', '... from the first')
    for 0, -5;
is(page('startIndex=99'), '4 99 0 0', '... beyond the end');
like(page('count=999999'), qr/^4 1 4 4$/, '... capped');
like(page('count='), qr/^4 1 4 4$/, '... the default');
is(page('unknown=1'), '4 1 4 4', '... ignored');
is(names('count=100'), 'ann Bob cid dee', 'in the order of creation');
$stack->answers($_, 400, ['invalidValue'], 'GET', "/Users?$_")
    for 'count=abc', 'startIndex=x', 'count=1&count=2',
    'filter=title%20pr&filter=userName%20pr';
like($stack->scim('GET', '/Users?count=1')->{content},
    qr/"totalResults":4,/, 'numbers are numbers');

# projection
sub keys_of {
    my ($query) = @_;
    my $user = $stack->answers("?$query", 200, 'GET', "/Users/$ann?$query")
        ->{json};
    return join ' ', sort keys %$user;
}
is(keys_of('attributes=userName'), 'id schemas userName', '... just these');
is(keys_of('attributes=USERNAME'), 'id schemas userName', '... in any case');
is(keys_of('attributes=name.givenName'), 'id name schemas', '... a part');
is_deeply($stack->must('scim', 'GET', "/Users/$ann?attributes=name.givenName")
    ->{name}, { givenName => 'Ann' }, '... and no more of it');
is(keys_of("attributes=$enterprise:department"), "id schemas $enterprise",
    '... of an extension');
is_deeply($stack->must('scim', 'GET', "/Users/$ann?attributes="
    . "$enterprise:department")->{$enterprise}, { department => 'D' },
    '... and no more of it');
is(keys_of('attributes=password'), 'id schemas', '... never a password');
is(keys_of('excludedAttributes=id,emails,meta'),
    "active externalId groups id name schemas title $enterprise userName",
    '... without these');
unlike(keys_of('excludedAttributes=emails'), qr/emails/, '... gone');
like(keys_of('excludedAttributes=id'), qr/\bid\b/, '... id always');
$stack->answers('both at once', 400, ['invalidValue'], 'GET',
    "/Users/$ann?attributes=userName&excludedAttributes=name");
is_deeply([ map { join ' ', sort keys %$_ } @{ $stack->must('scim', 'GET',
    '/Users?attributes=userName&count=2')->{Resources} } ],
    [ ('id schemas userName') x 2 ], 'in lists, too');
is(join(' ', sort keys %{ $stack->must('scim', 'POST',
    '/Users?attributes=userName', { schemas => [$user_schema],
    userName => 'eve', title => 'x' }) }), 'id schemas userName',
    'in the answer to POST, too');
my ($eve) = map { $_->{id} } @{ $stack->must('scim', 'GET',
    '/Users?filter=userName%20eq%20eve')->{Resources} };
is(join(' ', sort keys %{ $stack->must('scim', 'PATCH',
    "/Users/$eve?attributes=title", TestScim::patch_body({ op => 'replace',
    path => 'title', value => 'y' })) }), 'id schemas title',
    '... and to PATCH');
is(join(' ', sort keys %{ $stack->must('scim', 'PUT',
    "/Users/$eve?excludedAttributes=meta,title", { schemas => [$user_schema],
    userName => 'eve', title => 'z' }) }), 'active id schemas userName',
    '... and to PUT');
$stack->must('scim', 'DELETE', "/Users/$eve");

# schemas lists what is shown, RFC 7643 section 3
$eve = $stack->must('scim', 'POST', '/Users', { schemas => [$user_schema,
    $enterprise], userName => 'eve', $enterprise => { department => 'D' } })
    ->{id};
for my $case ([ '' => 2 ], [ 'attributes=userName' => 1 ],
    [ "attributes=$enterprise:department" => 2 ],
    [ "attributes=$enterprise:division" => 1 ],
    [ "excludedAttributes=$enterprise" => 1 ],
    [ "excludedAttributes=$enterprise:department" => 1 ],
    [ 'excludedAttributes=name' => 2 ])
{
    is(scalar @{ $stack->must('scim', 'GET', "/Users/$eve?$case->[0]")
        ->{schemas} }, $case->[1], "schemas of '$case->[0]'");
}
$stack->must('scim', 'DELETE', "/Users/$eve");

# null compares with what has no value, complex or not
make('bare');
finds('userName eq "bare" and name eq null and addresses eq null', 'bare');
finds('userName eq "bare" and (name ne null or emails ne null)', '');
finds('userName eq "bare" and not (name pr) and title eq null', 'bare');
$stack->answers('a complex value is compared with null alone', 400,
    ['invalidFilter'], 'GET', '/Users?filter=name%20eq%20%22a%22');
$stack->must('scim', 'DELETE', '/Users/' . (map { $_->{id} } @{ $stack->must(
    'scim', 'GET', '/Users?filter=userName%20eq%20bare')->{Resources} })[0]);

# a query of one resource: a list all the same, RFC 7644 section 3.4.2
my $gia = make('gia', title => 'One', emails => [ { value => 'gia@x' } ]);
my $hal = make('hal', title => 'One');
is(names('filter=title%20eq%20%22one%22', "/Users/$gia"), 'gia',
    'a filter on one that matches');
is(names('filter=title%20eq%20%22Two%22', "/Users/$gia"), '',
    '... and on one that does not');
is(names("filter=title%20eq%20%22Two%22%20or%20id%20eq%20%22$hal%22",
    "/Users/$gia"), '', '... is about nobody else');
my $one = $stack->must('scim', 'GET', "/Users/$gia?filter=emails%20pr"
    . '&attributes=userName');
is_deeply($one, { schemas =>
    [ 'urn:ietf:params:scim:api:messages:2.0:ListResponse' ], totalResults => 1,
    startIndex => 1, itemsPerPage => 1, Resources => [ { id => $gia,
    schemas => [$user_schema], userName => 'gia' } ] }, 'the list, projected');
$stack->answers('a bad filter', 400, ['invalidFilter'], 'GET',
    "/Users/$gia?filter=$_") for '', 'x', 'title%20eq%20%22a%22)%20or%20(id%20pr';
$stack->answers('a filter on nobody', 404, 'GET',
    '/Users/01a20df6-43a5-7845-9449-1c6da36e1397?filter=title%20pr');
my $ads = $stack->group('Ads', $gia);
for my $match ([ Ads => 1 ], [ Other => 0 ]) {
    my $list = $stack->answers('a group, as Entra asks', 200, 'GET',
        "/Groups/$ads?excludedAttributes=members&filter="
        . "displayName+eq+%22$match->[0]%22")->{json};
    is($list->{totalResults}, $match->[1], '... is found by its name');
    ok(!$list->{Resources}[0]{members}, '... without members');
}
is($stack->must('scim', 'GET', "/Groups/$ads?filter="
    . TestScim::escape("members.value eq \"$gia\""))->{Resources}[0]{members}
    [0]{value}, $gia, 'a group, by its member');
is($stack->must('scim', 'GET', "/Groups/$ads?filter="
    . TestScim::escape("members.value eq \"$hal\""))->{totalResults}, 0,
    '... and not by another');

# memberships: direct and through groups, of who is inactive, not of ids that
# are nobody here
my $outer = $stack->group('Outer', $group, $cid,
    '01980000-0000-7000-8000-000000000001');
my $alone = $stack->group('Alone', '01980000-0000-7000-8000-000000000002');
@name_of{$group, $outer, $alone, $ads} = qw(Team Outer Alone Ads);
$name_of{$dee} = 'dee';
sub finds_groups {
    my ($filter, $expected) = @_;
    is(join(' ', sort split ' ', names('filter=' . TestScim::escape($filter),
        '/Groups')), $expected, "... finds $expected");
}
finds(@$_) for [ "groups.value eq \"$outer\"", 'Bob ann cid' ],
    [ "groups eq \"$outer\" and active eq false", 'Bob' ],
    [ "groups[type eq \"direct\" and value eq \"$outer\"]", 'cid' ],
    [ "groups[type eq \"indirect\"].value eq \"$outer\"", 'Bob ann' ],
    [ 'groups.type eq "indirect"', 'Bob ann' ],
    [ 'groups.display co "OUT"', 'Bob ann cid' ],
    [ "groups.\$ref ew \"/Groups/$group\"", 'Bob ann' ],
    [ "not (groups.value eq \"$outer\")", 'dee gia hal' ],
    [ 'not (groups pr)', 'dee hal' ], [ 'groups eq null', 'dee hal' ],
    [ 'groups.value eq "01980000-0000-7000-8000-000000000001"', '' ];
finds_groups(@$_) for [ "members.value eq \"$group\"", 'Outer' ],
    [ "members[type eq \"Group\" and value eq \"$group\"]", 'Outer' ],
    [ "members[type eq \"User\" and value eq \"$group\"]", '' ],
    [ 'members.type eq "Group"', 'Outer' ],
    [ 'members[type eq "Group" and display eq "team"]', 'Outer' ],
    [ 'members.display eq "ADAMS"', 'Team' ],
    [ "members.value eq \"$bob\"", 'Team' ],
    [ "members.value eq \"$bob\" or members eq \"$cid\"", 'Outer Team' ],
    [ 'members.value eq "01980000-0000-7000-8000-000000000001"', '' ],
    [ 'members pr', 'Ads Outer Team' ], [ 'not (members pr)', 'Alone' ];

# meta, extensions as a whole, attributes of other types
finds(@$_) for [ "meta.location ew \"/Users/$ann\"", 'ann' ],
    [ 'meta.version eq "W/\"1\"" and userName sw "b"', 'Bob' ],
    [ 'meta[resourceType eq "User"] and userName eq "cid"', 'cid' ],
    [ "$enterprise pr", 'ann' ], [ "not ($enterprise pr) and title pr",
    'cid dee gia hal' ], [ 'manager eq "boss"', 'ann' ],
    [ 'department eq "d"', 'ann' ],
    [ 'urn:example:none:1.0:User:x pr', '' ],
    [ 'urn:example:none:1.0:User:x ne "a" and userName eq "ann"', 'ann' ];
is(names('count=100&filter=' . TestScim::escape($_->[0]), '/'), $_->[1],
    "... of all types: $_->[1]") for
    [ 'displayName eq "team" or userName eq "ann"', 'ann Team' ],
    [ 'members.type eq "Group" or groups.type eq "indirect"',
        'ann Bob Outer' ],
    [ 'not (meta.resourceType eq "User") and not (displayName sw "A")',
        'Team Outer' ],
    [ 'userName eq null', 'Team Ads Outer Alone' ],
    [ "$enterprise:manager[value eq \"boss\"]", 'ann' ],
    [ "manager.value eq \"boss\" or displayName eq \"Outer\"", 'ann Outer' ],
    [ "$user_schema:emails[type eq \"home\"]", 'ann' ],
    [ "$user_schema:displayName pr", '' ],
    [ TestScim::core_schema('Group') . ' pr', 'Team Ads Outer Alone' ],
    [ 'urn:example:none:1.0:User:x[y eq "z"]', '' ];

$stack->done;
