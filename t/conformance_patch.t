#!/usr/bin/perl
# PATCH of users, RFC 7644 section 3.5.2 and the dialects of identity
# providers: what is stored afterwards, and what is refused with nothing
# changed.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use TestScim;

my $stack = TestScim->start;
my $json = JSON::PP->new->canonical->utf8;
my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $enterprise =
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
my $count = 0;
my ($path, $before);

# A new user with these attributes for what follows.
sub with {
    my (%attributes) = @_;
    my $user = $stack->must('scim', 'POST', '/Users', {
        schemas => [ TestScim::core_schema('User') ],
        userName => 'user' . ++$count, %attributes });
    $path = "/Users/$user->{id}";
    $before = $user;
}


sub version { return ($_[0]{meta}{version} =~ /(\d+)/)[0] }


# What the user has now in the attributes named, as JSON.
sub now {
    my $user = $stack->must('scim', 'GET', $path);
    return $json->encode({ map { exists $user->{$_} ? ($_ => $user->{$_})
        : () } @_ });
}


# A PATCH that works; what is there afterwards.
sub works {
    my ($name, $operations, $attributes) = @_;
    $stack->answers($name, 200, 'PATCH', $path,
        TestScim::patch_body(@$operations));
    my %expected = map { defined $attributes->{$_} ? ($_ => $attributes->{$_})
        : () } keys %$attributes;
    is(now(keys %$attributes), $json->encode(\%expected), '... as meant');
}


# A PATCH that is refused and changes nothing.
sub refused {
    my ($name, $type, @operations) = @_;
    my $version = $stack->must('scim', 'GET', $path)->{meta};
    my $answer = $stack->answers("$name: refused", 400, [$type], 'PATCH',
        $path, TestScim::patch_body(@operations));
    is_deeply($stack->must('scim', 'GET', $path)->{meta}, $version,
        '... and nothing changed');
    return $answer;
}


# A PATCH that is fine and changes nothing.
sub changes_nothing {
    my ($name, @operations) = @_;
    my $version = $stack->must('scim', 'GET', $path)->{meta};
    $stack->answers($name, 200, 'PATCH', $path,
        TestScim::patch_body(@operations));
    is_deeply($stack->must('scim', 'GET', $path)->{meta}, $version,
        '... changes nothing');
}


with();
works('Okta deactivates', [ { op => 'replace', value =>
    { active => $false } } ], { active => $false });
is($stack->must('scim', 'GET', "/Users?filter=userName%20eq%20%22user$count"
    . '%22')->{totalResults}, 1, 'a leaver is still found');
works('Entra activates', [ { op => 'Replace', path => 'active',
    value => 'True' } ], { active => $true });
works('Entra deactivates', [ { op => 'Replace', path => 'active',
    value => 'False' } ], { active => $false });

my %result = (displayName => 'Ann N', title => 'Lead', name => {
    givenName => 'Ann', familyName => 'N' }, emails => [ { type => 'work',
    value => 'a@x' } ], $enterprise => { department => 'D',
    manager => { value => 'boss' } });
with(name => { givenName => 'Old' });
works('Entra, an operation an attribute', [
    { op => 'Replace', path => 'displayName', value => 'Ann N' },
    { op => 'Add', path => 'title', value => 'Lead' },
    { op => 'Replace', path => 'name.givenName', value => 'Ann' },
    { op => 'Add', path => 'name.familyName', value => 'N' },
    { op => 'Add', path => 'emails[type eq "work"].value', value => 'a@x' },
    { op => 'Add', path => "$enterprise:department", value => 'D' },
    { op => 'Add', path => "$enterprise:manager", value => 'boss' } ],
    \%result);
is(version($stack->must('scim', 'GET', $path)), version($before) + 1,
    '... in one version');
with(name => { givenName => 'Old' });
works('Entra, dotted and URN keys without path', [ { op => 'Replace',
    value => { displayName => 'Ann N', title => 'Lead',
    'name.givenName' => 'Ann', 'name.familyName' => 'N',
    "$enterprise:department" => 'D', "$enterprise:manager" => 'boss' } },
    { op => 'Add', value => { 'emails[type eq "work"].value' => 'a@x' } } ],
    \%result);

with();
works('value, primary and type build one element', [
    { op => 'Add', path => 'emails[type eq "work"].value', value => 'a@x' },
    { op => 'Add', path => 'emails[type eq "work"].primary',
        value => 'true' },
    { op => 'Add', path => 'emails[type eq "work"].type', value => 'work' } ],
    { emails => [ { primary => $true, type => 'work', value => 'a@x' } ] });
works('add to what is there replaces the sub-attribute', [ { op => 'add',
    path => 'emails[type eq "work"].value', value => 'b@x' } ],
    { emails => [ { primary => $true, type => 'work', value => 'b@x' } ] });
with();
works('replace makes an element of a canonical type', [ { op => 'Replace',
    path => 'emails[type eq "work"].value', value => 'a@x' } ],
    { emails => [ { type => 'work', value => 'a@x' } ] });
refused('replace of an element of no known type', 'noTarget',
    { op => 'replace', path => 'emails[type eq "nope"].value',
        value => 'a@x' });
works('roles by primary', [
    { op => 'Add', path => 'roles[primary eq "True"].value', value => 'r' },
    { op => 'Add', path => 'roles[primary eq "True"].display',
        value => 'R' } ],
    { roles => [ { display => 'R', primary => $true, value => 'r' } ] });
works('a manager as a string', [ { op => 'Add', path =>
    "$enterprise:manager", value => 'm1' } ],
    { $enterprise => { manager => { value => 'm1' } } });
works('a manager as an object', [ { op => 'Replace', path =>
    "$enterprise:manager", value => { value => 'm2' } } ],
    { $enterprise => { manager => { value => 'm2' } } });
works('no manager', [ { op => 'Replace', path => "$enterprise:manager",
    value => '' } ], { $enterprise => undef });
is_deeply($stack->must('scim', 'GET', $path)->{schemas},
    [ TestScim::core_schema('User') ], '... nor the extension any more');

with(title => 'Lead', nickName => 'A');
works('"" unassigns', [ { op => 'replace', path => 'title', value => '' } ],
    { title => undef });
works('null unassigns', [ { op => 'replace', path => 'nickName',
    value => undef } ], { nickName => undef });
refused('userName ""', 'invalidValue', { op => 'replace',
    path => 'userName', value => '' });
refused('remove userName', 'mutability', { op => 'remove',
    path => 'userName' });
with(name => { givenName => 'Ann', familyName => 'N' });
works('replace of a complex attribute keeps what it does not name', [ {
    op => 'replace', path => 'name', value => { familyName => 'M' } } ],
    { name => { givenName => 'Ann', familyName => 'M' } });
works('remove clears it', [ { op => 'remove', path => 'name' } ],
    { name => undef });
works('an extension appears', [ { op => 'add', path =>
    "$enterprise:department", value => 'D' } ],
    { $enterprise => { department => 'D' } });
is_deeply($stack->must('scim', 'GET', $path)->{schemas},
    [ TestScim::core_schema('User'), $enterprise ], '... in schemas');
works('and goes', [ { op => 'remove', path => "$enterprise:department" } ],
    { $enterprise => undef, schemas => [ TestScim::core_schema('User') ] });

with(emails => [ { value => 'a@x', type => 'work', primary => $true } ]);
works('one primary', [ { op => 'add', path => 'emails', value => [ {
    value => 'b@x', type => 'home', primary => $true } ] } ],
    { emails => [ { primary => $false, type => 'work', value => 'a@x' },
    { primary => $true, type => 'home', value => 'b@x' } ] });
changes_nothing('add of what is there', { op => 'add', path => 'emails',
    value => [ { value => 'b@x', type => 'home', primary => $true } ] });
works('remove by a value path', [ { op => 'remove', path =>
    'emails[type eq "work"]' } ], { emails => [ { primary => $true,
    type => 'home', value => 'b@x' } ] });
works('remove of a sub-attribute', [ { op => 'remove', path =>
    'emails[type eq "home"].primary' } ], { emails => [ { type => 'home',
    value => 'b@x' } ] });
works('an element left without a value goes', [ { op => 'replace', path =>
    'emails[type eq "home"].value', value => '' } ], { emails => undef });

refused('remove without path', 'noTarget', { op => 'remove' });
refused('a path that does not end', 'invalidPath', { op => 'add',
    path => 'emails[', value => 'x' });
refused('an unknown operation', 'invalidSyntax', { op => 'move',
    path => 'title', value => 'x' });
refused('add without value', 'invalidValue', { op => 'add',
    path => 'title' });
refused($_, 'mutability', { op => 'replace', path => $_, value => 'x' })
    for qw(id meta meta.version groups groups.value);
refused('an unknown attribute', 'invalidPath', { op => 'replace',
    path => 'shoeSize', value => 44 });
refused('a JSON Pointer', 'invalidPath', { op => 'add',
    path => '/members/-', value => 'x' });
like(refused('a good operation before a bad one', 'invalidPath',
    { op => 'replace', path => 'title', value => 'x' },
    { op => 'replace', path => 'shoeSize', value => 44 })->{json}{detail},
    qr/shoeSize/, '... and the bad one is named');
refused('a wrong type', 'invalidValue', { op => 'replace', path => 'active',
    value => 'maybe' });
works('the last operation counts', [ { op => 'replace', path => 'title',
    value => '1' }, { op => 'replace', path => 'title', value => '2' } ],
    { title => '2' });
with(emails => [ { value => 'a@x' } ]);
works('remove, then add', [ { op => 'remove', path => 'emails' },
    { op => 'add', path => 'emails', value => [ { value => 'z@x' } ] } ],
    { emails => [ { value => 'z@x' } ] });
works('a value that is JSON text', [ { op => 'replace',
    value => '{"title":"Text"}' } ], { title => 'Text' });
$stack->answers('operations in lower case', 200, 'PATCH', $path, {
    schemas => [ 'urn:ietf:params:scim:api:messages:2.0:PatchOp' ],
    operations => [ { op => 'ADD', path => 'title', value => 'Lower' } ] });
is(now('title'), '{"title":"Lower"}', '... are done');
changes_nothing('no operations');
works('an unknown extension does not hold up a leaver', [
    { op => 'replace', path => 'urn:example:custom:2.0:User:badge',
        value => '7' },
    { op => 'replace', path => 'active', value => $false } ],
    { active => $false });
$stack->answers('an unknown user', 404, 'PATCH', '/Users/unknown',
    TestScim::patch_body({ op => 'replace', path => 'title',
        value => 'x' }));
with();
my $first = $count - 1;
$stack->answers('another\'s userName', 409, ['uniqueness'], 'PATCH', $path,
    TestScim::patch_body({ op => 'replace', path => 'userName',
        value => "USER$first" }));

# the example of RFC 7644 section 3.5.2.3: the entire address, nothing else
with(addresses => [ { type => 'work', country => 'DE', formatted => 'old' },
    { type => 'home', country => 'AT' } ]);
my $plaza = { type => 'work', streetAddress => '911 Universal City Plaza',
    locality => 'Hollywood', country => 'US', primary => $true };
works('a chosen value is replaced', [ { op => 'replace', path =>
    'addresses[type eq "work"]', value => $plaza } ],
    { addresses => [ $plaza, { type => 'home', country => 'AT' } ] });
changes_nothing('by itself', { op => 'replace', path =>
    'addresses[type eq "work"]', value => $plaza });

# as many operations as there are: one step
with();
works('a thousand operations', [ map { ({ op => 'replace', path => 'title',
    value => "t$_" }, { op => 'add', path => 'emails', value => { value =>
    "e$_\@x" } }, { op => 'replace', path => "emails[value eq \"e$_\@x\"]"
    . '.type', value => 'work' }, { op => 'remove', path =>
    "emails[value eq \"e$_\@x\"]" }) } 1 .. 250 ],
    { title => 't250', emails => undef });
is(version($stack->must('scim', 'GET', $path)), version($before) + 1,
    '... in one version');

# all of them take effect
with();
my @sockets = map { $stack->connection } 1 .. 60;
for my $i (1 .. 60) {
    my $body = $json->encode(TestScim::patch_body({ op => 'add',
        path => 'emails', value => [ { value => "m$i\@x" } ] }));
    print { $sockets[$i - 1] } "PATCH /scim/v2$path HTTP/1.1\r\nHost: a\r\n"
        . "Authorization: Bearer $stack->{token}{scim}\r\n"
        . "Content-Type: application/scim+json\r\nContent-Length: "
        . length($body) . "\r\n\r\n$body";
}
is(join(' ', map { TestScim::read_answer($_)->{status} } @sockets),
    join(' ', (200) x 60), '60 PATCHes at once are all answered');
is(join(' ', sort map { $_->{value} } @{ $stack->must('scim', 'GET', $path)
    ->{emails} }), join(' ', sort map { "m$_\@x" } 1 .. 60),
    '... and all take effect');
$stack->done;
