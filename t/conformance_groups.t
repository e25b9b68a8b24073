#!/usr/bin/perl
# Groups and their members: every way in which identity providers say who is
# in and who is out, and never an unclear one that reads as "everyone out".
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use TestScim;

my $stack = TestScim->start;
my $json = JSON::PP->new->canonical->utf8->allow_nonref;
my @user = map { $stack->user("u$_") } 1 .. 5;
my %name_of = map { $user[$_] => 'u' . ($_ + 1) } 0 .. $#user;
my ($count, $group, $before) = (0);

# A new group with the users of these numbers.
sub with { $group = $stack->group('G' . ++$count, map { $user[$_ - 1] } @_) }


sub members {
    my $answer = $stack->must('scim', 'GET', "/Groups/$group");
    return join ' ', sort map { $name_of{ $_->{value} } // $_->{value} }
        @{ $answer->{members} // [] };
}


sub state_of {
    return $json->encode($stack->must('scim', 'GET', "/Groups/$group")
        ->{meta});
}


sub works {
    my ($name, $expected, @operations) = @_;
    my $answer = $stack->answers($name, 204, 'PATCH', "/Groups/$group",
        TestScim::patch_body(@operations));
    is($answer->{content}, '', '... with an empty answer');
    is(members(), $expected, '... as meant');
}


sub changes_nothing {
    my ($name, @operations) = @_;
    my $before = state_of();
    $stack->answers($name, 204, 'PATCH', "/Groups/$group",
        TestScim::patch_body(@operations));
    is(state_of(), $before, '... changes nothing');
}


sub refused {
    my ($name, $type, @operations) = @_;
    my ($before, $members) = (state_of(), members());
    $stack->answers("$name: refused", 400, [$type], 'PATCH',
        "/Groups/$group", TestScim::patch_body(@operations));
    is(state_of() . members(), $before . $members, '... and nothing changed');
}


sub add { return { op => 'add', path => 'members', value => $_[0] } }
sub ids { return [ map { { value => $user[$_ - 1] } } @_ ] }


# create
with(1, 2);
my $made = $stack->must('scim', 'GET', "/Groups/$group");
is_deeply($made->{members}, [ map { { value => $user[$_ - 1], '$ref' =>
    "$stack->{base}/scim/v2/Users/$user[$_ - 1]", type => 'User', display =>
    "U$_ Example" } } sort { $user[$a - 1] cmp $user[$b - 1] } 1, 2 ],
    'a member has value, $ref, type and display') or diag(explain($made));
is_deeply($stack->must('scim', 'GET', "/Users/$user[0]")->{groups},
    [ { value => $group, '$ref' => "$stack->{base}/scim/v2/Groups/$group",
    display => 'G1', type => 'direct' } ], 'the user shows the group');
$stack->answers('a second group of that name', 409, ['uniqueness'], 'POST',
    '/Groups', { schemas => [ TestScim::core_schema('Group') ],
    displayName => 'g1' });
$stack->answers('a group without members', 201, 'POST', '/Groups',
    { schemas => [ TestScim::core_schema('Group') ],
    displayName => 'Empty' });
$stack->answers('a group without a name', 400, ['invalidValue'], 'POST',
    '/Groups', { schemas => [ TestScim::core_schema('Group') ] });

# what members are called
sub called {
    my ($query) = @_;
    return join ', ', map { $_->{display} // 'nobody' } @{ $stack->must(
        'scim', 'GET', "/Groups/$group" . ($query // ''))->{members} };
}

sub rename_user {
    my ($name, $expected, %more) = @_;
    $stack->must('scim', 'PUT', "/Users/$user[0]", { schemas =>
        [ TestScim::core_schema('User') ], userName => 'u1@example.com',
        %more });
    is(called(), $expected, "a member is shown by $name");
}

with(1);
$before = state_of();
rename_user('displayName', 'Änn "A"', displayName => "\x{c4}nn \"A\"",
    name => { formatted => 'Ann F' });
rename_user('name.formatted', 'Ann F', name => { formatted => 'Ann F',
    givenName => 'Ann', familyName => 'N' });
rename_user('givenName and familyName', 'Ann N', name => { givenName => 'Ann',
    familyName => 'N' });
rename_user('familyName alone', 'N', name => { familyName => 'N' });
rename_user('userName', 'u1@example.com', displayName => 'x' x 300);
is(state_of(), $before, 'a member\'s new name is no change of the group');
is(called("?attributes=$_"), $_ =~ /value/ ? 'nobody' : 'u1@example.com',
    "... with attributes=$_") for 'members', 'members.display',
    'members.value';
is(called('?excludedAttributes=members.display'), 'nobody',
    '... or without display');
my $outer = $stack->group('Outer', $group, $user[1]);
is(join(', ', map { "$_->{type} $_->{display}" } sort { $a->{type} cmp
    $b->{type} } @{ $stack->must('scim', 'GET', "/Groups/$outer")
    ->{members} }), "Group G$count, User U2 Example",
    'a member that is a group, too');
is($stack->must('scim', 'GET', '/Groups?filter=' . TestScim::escape(
    qq{members[display eq "G$count"]}))->{Resources}[0]{id}, $outer,
    '... and found by it');
$stack->must('scim', 'DELETE', "/Groups/$outer");

# add
my $shape = 0;
for my $value ([ { value => $user[2] } ], { value => $user[2] }, $user[2],
    [ $user[2] ], [ { value => $user[2], type => 'User', display => 'x',
    '$ref' => undef } ], { members => [ { value => $user[2] } ] })
{
    with(1, 2);
    works('add, shape ' . ++$shape, 'u1 u2 u3', add($value));
    changes_nothing('the same again', add($value));
}
works('add without path', 'u1 u2 u3 u4', { op => 'Add',
    value => { members => ids(4) } });

# remove
works('Okta removes one', 'u2 u3 u4', { op => 'remove',
    path => qq{members[value eq "$user[0]"]} });
changes_nothing('who is not there', { op => 'remove',
    path => qq{members[value eq "$user[0]"]} });
works('Entra removes one', 'u3 u4', { op => 'Remove', path => 'members',
    value => [ { '$ref' => undef, value => $user[1] } ] });
with(1 .. 4);
works('a filter names two', 'u3 u4', { op => 'remove', path =>
    qq{members[value eq "$user[0]" or value eq "$user[1]"]} });
refused('remove of ' . $json->encode($_), 'invalidValue', { op => 'Remove',
    path => 'members', value => $_ }) for [], undef, '', {}, [ {} ],
    [ { value => $user[2] }, {} ];
refused('remove without path', 'noTarget', { op => 'remove', value =>
    { members => ids(3) } });
works('remove without a value empties it', '', { op => 'Remove',
    path => 'members' });
with(1, 2);
changes_nothing('all out and in again', { op => 'Remove',
    path => 'members' }, add(ids(1, 2)));

# replace
works('replace', 'u2 u3', { op => 'replace', path => 'members',
    value => ids(2, 3) });
works('replace without path', 'u1', { op => 'replace',
    value => { members => ids(1) } });
works('replace with none', '', { op => 'replace', path => 'members',
    value => [] });
works('replace with the path named twice', 'u1', { op => 'replace',
    path => 'members', value => { members => ids(1) } });
refused('replace with ' . $json->encode($_), 'invalidValue', { op =>
    'replace', path => 'members', value => $_ }) for undef, '';
works('the name alone', 'u1', { op => 'replace', value => { id => $group,
    displayName => "New $group" } });
is($stack->must('scim', 'GET', "/Groups/$group")->{displayName},
    "New $group", '... is changed');
works('another id is ignored', 'u1', { op => 'replace', value => {
    id => 'other', displayName => "Newer $group" } });
my $put = { schemas => [ TestScim::core_schema('Group') ],
    displayName => "Put $group" };
$stack->answers('PUT without members', 200, 'PUT', "/Groups/$group", $put);
is(members(), 'u1', '... keeps them');
$stack->answers('PUT with null', 200, 'PUT', "/Groups/$group",
    { %$put, members => undef });
is(members(), 'u1', '... keeps them, too');
$stack->answers('PUT with members', 200, 'PUT', "/Groups/$group",
    { %$put, members => ids(2, 3) });
is(members(), 'u2 u3', '... sets them');
$stack->answers('PUT with none', 200, 'PUT', "/Groups/$group",
    { %$put, members => [] });
is(members(), '', '... empties it');

# several at once
with(1);
works('one out, one in', 'u4', { op => 'remove',
    path => qq{members[value eq "$user[0]"]} }, add(ids(4)));
changes_nothing('in and out again', add(ids(5)), { op => 'remove',
    path => qq{members[value eq "$user[4]"]} });
my $unknown = '01a20df6-43a5-7845-9449-1c6da36e1397';
works('an id that is nobody here is parked', 'u4',
    add([ { value => $unknown } ]));
works('... and can be removed', 'u4', { op => 'remove',
    path => qq{members[value eq "$unknown"]} });
is($stack->answers('PATCH that asks for attributes', 200, 'PATCH',
    "/Groups/$group?attributes=displayName", TestScim::patch_body(
    add(ids(1))))->{json}{displayName}, "G$count",
    '... is answered with them');
$stack->answers('PATCH of an unknown group', 404, 'PATCH', '/Groups/unknown',
    TestScim::patch_body(add(ids(1))));

# inactive members stay members
with(1, 2);
$stack->set_active($user[0], 0);
is(members(), 'u1 u2', 'who is deactivated stays a member');
$stack->set_active($user[0], 1);
is(members(), 'u1 u2', '... and who is activated again');

# without members
ok(!exists $stack->must('scim', 'GET',
    "/Groups/$group?excludedAttributes=members")->{members},
    'members can be left out');
ok(!grep({ exists $_->{members} } @{ $stack->must('scim', 'GET',
    '/Groups?excludedAttributes=members&count=100')->{Resources} }),
    '... of a list, too');

# many at once
with();
my @many = map { $stack->user("many$_") } 1 .. 100;
my @sockets = map { $stack->connection } @many;
for my $i (0 .. $#many) {
    my $body = $json->encode(TestScim::patch_body(add([ { value =>
        $many[$i] } ])));
    print { $sockets[$i] } "PATCH /scim/v2/Groups/$group HTTP/1.1\r\n"
        . "Host: a\r\nAuthorization: Bearer $stack->{token}{scim}\r\n"
        . "Content-Type: application/scim+json\r\nContent-Length: "
        . length($body) . "\r\n\r\n$body";
}
is(join(' ', map { TestScim::read_answer($_)->{status} } @sockets),
    join(' ', (204) x @many), '100 PATCHes at once are all answered');
is(scalar(split ' ', members()), 100, '... and all take effect');
works('5000 ids in one PATCH', members(), add([ map { { value => sprintf
    '01a20df6-43a5-7845-9449-%012x', $_ } } 1 .. 5000 ]));
$stack->answers('more than a request may hold', 413, 'PATCH',
    "/Groups/$group", TestScim::patch_body(add([ map { { value => sprintf
    '01a20df6-43a5-7845-9449-%012x', $_ } } 1 .. 25000 ])));
$stack->done;
