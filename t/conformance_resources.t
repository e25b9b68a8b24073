#!/usr/bin/perl
# Create, read, replace, delete: RFC 7644 sections 3.3, 3.4.1, 3.5.1, 3.6 and
# 3.14, as a client sees them.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use TestScim;

my $stack = TestScim->start;
my $user_schema = TestScim::core_schema('User');
my $enterprise =
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
my $json = JSON::PP->new->canonical->utf8;

sub answers { return $stack->answers(@_) }


# Version and lastModified, to tell whether anything changed.
sub state_of {
    my ($path) = @_;
    my $meta = $stack->must('scim', 'GET', $path)->{meta};
    return "$meta->{version} $meta->{lastModified}";
}


# create
my $ann = answers('a user is created', 201, 'POST', '/Users', {
    schemas => [$user_schema], userName => 'Ann@x', title => 'Lead',
    name => { givenName => 'Ann', familyName => 'N' },
    emails => [ { value => 'ann@x', type => 'work', primary =>
        JSON::PP::true } ] });
my $user = $ann->{json};
my $path = "/Users/$user->{id}";
is($ann->{headers}{location}, $user->{meta}{location}, 'Location');
is($user->{meta}{location}, "$stack->{base}/scim/v2$path",
    '... is absolute and permanent');
is($ann->{headers}{etag}, $user->{meta}{version}, 'ETag');
like($user->{meta}{version}, qr{^W/"[^"]+"$}, '... is weak');
is($user->{active}, JSON::PP::true, 'active is true by default');
is($user->{userName}, 'Ann@x', 'userName as it was sent');
is($user->{meta}{created}, $user->{meta}{lastModified},
    'created = lastModified');
like($user->{meta}{created}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
    'in UTC with milliseconds');
is($user->{meta}{resourceType}, 'User', 'resourceType');
ok($ann->{headers}{'x-request-id'}, 'the transaction has an id');
for my $name ('Ann@x', 'ANN@X') {
    answers("userName $name is taken", 409, ['uniqueness'], 'POST', '/Users',
        { schemas => [$user_schema], userName => $name });
}
for my $missing ({}, { userName => '' }, { userName => undef }) {
    my $answer = answers('userName is required: ' . $json->encode($missing),
        400, ['invalidValue'], 'POST', '/Users',
        { schemas => [$user_schema], %$missing });
    like($answer->{json}{detail}, qr/userName/, '... and named');
}
my $odd = answers('what is read-only, unknown or empty is left out', 201,
    'POST', '/Users', { schemas => [$user_schema], userName => 'odd', id =>
    'mine', meta => { version => 'x' }, groups => [ { value => 'g' } ],
    shoeSize => 44, nickName => undef, phoneNumbers => [] })->{json};
isnt($odd->{id}, 'mine', '... the id is ours');
is_deeply([ sort keys %$odd ], [qw(active id meta schemas userName)],
    '... and nothing else came back');
my $cased = answers('names in any case', 201, 'POST', '/Users',
    { SCHEMAS => [$user_schema], UserName => 'cased',
    NAME => { GIVENNAME => 'C' } })->{json};
is_deeply([ @$cased{qw(userName name)} ], [ 'cased', { givenName => 'C' } ],
    '... come back in the schema\'s spelling');
for my $case ([ "Caf\x{e9}", "Cafe\x{301}" ], [ 'STRASSE', "stra\x{df}e" ],
    [ "\x{ff21}da", 'ada' ])
{
    my ($name, $other) = @$case;
    is(answers('a userName beyond ASCII', 201, 'POST', '/Users',
        { schemas => [$user_schema], userName => $name })->{json}{userName},
        $name, '... as it was sent');
    answers('... and the same in other characters', 409, ['uniqueness'],
        'POST', '/Users', { schemas => [$user_schema], userName => $other });
}
answers('a user who is inactive', 201, 'POST', '/Users', { schemas =>
    [$user_schema], userName => 'inactive', active => JSON::PP::false });
answers('... has the userName, too', 409, ['uniqueness'], 'POST', '/Users',
    { schemas => [$user_schema], userName => 'Inactive' });
my $as_sent = { emails => [ { value => 'A.B@X.ORG', type => 'strange' } ],
    phoneNumbers => [ { value => 'call me', type => 'pigeon' } ],
    addresses => [ { country => 'de', primary => JSON::PP::true } ],
    profileUrl => '../me', locale => 'de_DE', preferredLanguage =>
    'da, en-gb;q=0.8', timezone => 'Mars/Phobos' };
my $given = answers('values of any form and type', 201, 'POST', '/Users',
    { schemas => [$user_schema], userName => 'forms', %$as_sent })->{json};
is_deeply({ map { ($_ => $given->{$_}) } keys %$as_sent }, $as_sent,
    '... come back as they were');
is_deeply(answers('the same value and type twice', 201, 'POST', '/Users',
    { schemas => [$user_schema], userName => 'twice', emails => [ map { {
    value => 'a@x', type => $_ } } qw(work work home) ] })->{json}{emails},
    [ map { { value => 'a@x', type => $_ } } qw(work home) ],
    '... is kept once');
is(scalar(grep { $_->{primary} } @{ answers('two that are primary', 201,
    'POST', '/Users', { schemas => [$user_schema], userName => 'primaries',
    emails => [ map { { value => "$_\@x", primary => JSON::PP::true } }
    qw(a b) ] })->{json}{emails} }), 1, '... are one');
for my $case ([ 'listed, not there', [ $user_schema, $enterprise ], {}, 1 ],
    [ 'there, not listed', [$user_schema], { uc $enterprise =>
        { DEPARTMENT => 'D' } }, 2 ],
    [ 'there, without any value', [$user_schema], { $enterprise =>
        { department => undef, manager => {} } }, 1 ])
{
    my ($name, $schemas, $more, $count) = @$case;
    my $made = answers("an extension that is $name", 201, 'POST', '/Users',
        { schemas => $schemas, userName => $name, %$more })->{json};
    is(scalar @{ $made->{schemas} }, $count, '... and schemas say so');
    is_deeply($made->{$enterprise}, $count == 2 ? { department => 'D' }
        : undef, '... as does the user');
}
my $secret = 'Pass-word-7f3a';
my $okta = answers('a user as Okta sends it', 201, 'POST', '/Users',
    TestScim::person('okta', password => $secret, groups => []));
unlike($okta->{content}, qr/\Q$secret\E/, 'no password comes back');
unlike($stack->logs, qr/\Q$secret\E/, '... nor is it in a log');
ok(!grep({ grep { defined && /\Q$secret\E/ } @{ $_->[1] } }
    map { @{ $stack->redis('XRANGE', $_, '-', '+') } }
    grep { /events$/ } @{ $stack->redis('KEYS', 'scim:*') }),
    '... nor in an event');
answers("a password by $_->[0]", 200, @$_) for [ PATCH =>
    "/Users/$okta->{json}{id}", TestScim::patch_body({ op => 'replace',
    path => 'password', value => $secret }) ],
    [ PUT => "/Users/$okta->{json}{id}", TestScim::person('okta', password =>
    $secret) ];
unlike($stack->redis_dump, qr/\Q$secret\E/, '... is not stored');
unlike(answers('a password that is none', $_->[0], 'POST', '/Users',
    { schemas => [$user_schema], userName => [$secret], password => $secret
    })->{content}, qr/\Q$secret\E/, '... nor said in an error') for [400];

my @binary = ('QUJD', 'QUJDRA==', 'QUJDRA', 'QUJDREU=', '+/8=', '-_8', '-_8=');
is_deeply([ map { $_->{value} } @{ answers('base64 with and without padding',
    201, 'POST', '/Users', { schemas => [$user_schema], userName => 'binary',
    x509Certificates => [ map { { value => $_ } } @binary ] })
    ->{json}{x509Certificates} } ], \@binary, '... comes back as it was');

# read
answers('a user is read', 200, 'GET', $path);
my $etag = $user->{meta}{version};
for my $match ($etag, '*', $etag =~ s{^W/}{}r, qq{"x", $etag}) {
    my $answer = answers("If-None-Match: $match", 304, 'GET', $path, undef,
        headers => { 'If-None-Match' => $match });
    is($answer->{content}, '', '... without a body');
}
for my $method (qw(GET PATCH PUT)) {
    my $answer = answers("$method of a user", 200, $method, $path,
        $method eq 'PATCH' ? TestScim::patch_body({ op => 'replace',
        path => 'title', value => 'Lead' }) : $method eq 'PUT' ? $user
        : undef);
    is_deeply([ @{ $answer->{headers} }{qw(location etag)} ],
        [ @{ $answer->{json}{meta} }{qw(location version)} ],
        '... Location and ETag are those of meta');
}
my $renamed = $stack->group('before');
my $no_body = answers('PATCH of a group', 204, 'PATCH', "/Groups/$renamed",
    TestScim::patch_body({ op => 'replace', path => 'displayName',
    value => 'after' }));
is($no_body->{headers}{etag}, (split ' ', state_of("/Groups/$renamed"))[0],
    '... has the new ETag');
answers('If-None-Match with another version', 200, 'GET', $path, undef,
    headers => { 'If-None-Match' => 'W/"0"' });
my ($other) = ($stack->scimctl('token', 'create', '--workspace', 'other',
    '--role', 'scim'))[1] =~ /(\S+)/;
my $foreign = $stack->must('scim', 'POST', '/Users',
    { schemas => [$user_schema], userName => 'f' }, token => $other)->{id};
my %bodies;
for my $id ('unknown', '00919288221112222', $foreign,
    '01a20df6-43a5-7845-9449-1c6da36e1397')
{
    my $answer = answers("no user $id here", 404, 'GET', "/Users/$id");
    $bodies{ $answer->{content} =~ s/\Q$id\E/ID/gr }++;
}
is(scalar keys %bodies, 1, 'another workspace\'s id looks like an unknown one');

# replace
$stack->patch($path, { op => 'replace', value => { nickName => 'Annie',
    active => JSON::PP::false } });
my $put = answers('a user is replaced', 200, 'PUT', $path,
    { schemas => [$user_schema], userName => 'Ann@x', title => 'Chief' })
    ->{json};
ok(!exists $put->{nickName} && !exists $put->{emails},
    'what the body has not is gone');
is($put->{active}, JSON::PP::false, 'a leaver stays one unless told otherwise');
is_deeply([ $put->{id}, $put->{meta}{created} ], [ $user->{id},
    $user->{meta}{created} ], 'id and created stay');
$put = answers('id and meta of the body are ignored', 200, 'PUT', $path,
    { schemas => [$user_schema], id => 'other', meta => { created => 'x' },
    userName => 'Ann@x', title => 'Chief' })->{json};
is($put->{id}, $user->{id}, '... the id stays');
answers('an unknown user is not made by PUT', 404, 'PUT',
    '/Users/01a20df6-43a5-7845-9449-1c6da36e1397',
    { schemas => [$user_schema], userName => 'new' });
is($stack->must('scim', 'GET', '/Users?filter=userName%20eq%20%22new%22')
    ->{totalResults}, 0, '... indeed');
answers('PUT needs userName', 400, ['invalidValue'], 'PUT', $path,
    { schemas => [$user_schema], title => 'x' });
answers('PUT cannot take another\'s userName', 409, ['uniqueness'], 'PUT',
    $path, { schemas => [$user_schema], userName => 'ODD' });
is(answers('PUT can change the case of one\'s own', 200, 'PUT', $path,
    { schemas => [$user_schema], userName => 'ANN@x' })->{json}{userName},
    'ANN@x', '... which is kept');
my $before = state_of("/Users/$okta->{json}{id}");
answers('PUT of what GET gave', 200, 'PUT', "/Users/$okta->{json}{id}",
    $stack->must('scim', 'GET', "/Users/$okta->{json}{id}"));
is(state_of("/Users/$okta->{json}{id}"), $before, '... changes nothing');

# versions
for my $method (qw(PUT PATCH DELETE)) {
    my $body = $method eq 'PUT' ? { schemas => [$user_schema],
        userName => 'ANN@x', title => 'Stale' } : $method eq 'PATCH'
        ? TestScim::patch_body({ op => 'replace', path => 'title',
            value => 'Stale' }) : undef;
    my $before = state_of($path);
    answers("$method with a stale If-Match", 412, $method, $path, $body,
        headers => { 'If-Match' => 'W/"9999"' });
    is(state_of($path), $before, '... changes nothing');
    answers("$method with If-Match on nobody", 404, $method, '/Users/unknown',
        $body, headers => { 'If-Match' => '*' });
}
for my $match (sub { '*' }, sub { (split ' ', state_of($path))[0] },
    sub { (split ' ', state_of($path))[0] =~ s{^W/}{}r })
{
    my $tag = $match->();
    answers("PUT with If-Match: $tag", 200, 'PUT', $path,
        { schemas => [$user_schema], userName => 'ANN@x',
        title => "T $tag" }, headers => { 'If-Match' => $tag });
}

# two at once with the same version: one wins
my $tag = (split ' ', state_of($path))[0];
my @sockets = map { $stack->connection } 1 .. 2;
for my $i (0 .. 1) {
    my $body = $json->encode(TestScim::patch_body({ op => 'replace',
        path => 'title', value => "Race $i" }));
    print { $sockets[$i] } "PATCH /scim/v2$path HTTP/1.1\r\nHost: a\r\n"
        . "Authorization: Bearer $stack->{token}{scim}\r\nIf-Match: $tag\r\n"
        . "Content-Type: application/scim+json\r\nContent-Length: "
        . length($body) . "\r\n\r\n$body";
}
is(join(' ', sort map { TestScim::read_answer($_)->{status} } @sockets),
    '200 412', 'of two PATCHes with the same If-Match one wins');

$tag = (split ' ', state_of("/Groups/$renamed"))[0];
answers('DELETE with the right If-Match', 204, 'DELETE', "/Groups/$renamed",
    undef, headers => { 'If-Match' => $tag });

# delete
my $group = $stack->group('G', $user->{id}, $odd->{id});
is(answers('a user is deleted', 204, 'DELETE', $path)->{content}, '',
    '... with an empty answer');
answers("$_ after DELETE", 404, $_, $path, $_ eq 'PUT'
    ? { schemas => [$user_schema], userName => 'ANN@x' } : $_ eq 'PATCH'
    ? TestScim::patch_body({ op => 'replace', path => 'title', value => 'x' })
    : undef) for qw(GET PUT PATCH DELETE);
is($stack->must('scim', 'GET', '/Users?filter=userName%20eq%20%22ann@x%22')
    ->{totalResults}, 0, 'gone from filters');
ok(!grep({ $_->{id} eq $user->{id} } @{ $stack->must('scim', 'GET',
    '/Users?count=200')->{Resources} }), 'gone from lists');
is_deeply([ map { $_->{value} } @{ $stack->must('scim', 'GET',
    "/Groups/$group")->{members} } ], [ $odd->{id} ], 'gone from groups');
ok(!grep({ $stack->redis('HEXISTS', $_, $user->{id}) }
    grep { /-names$/ } @{ $stack->redis('KEYS', 'scim:*') }),
    'gone from the names of members');
isnt(answers('the userName is free again', 201, 'POST', '/Users',
    { schemas => [$user_schema], userName => 'Ann@x' })->{json}{id},
    $user->{id}, '... for another id');
answers('a group is deleted', 204, 'DELETE', "/Groups/$group");
ok(!exists $stack->must('scim', 'GET', "/Users/$odd->{id}")->{groups},
    'its members stay and do not show it');
$stack->done;
