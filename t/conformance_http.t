#!/usr/bin/perl
# Discovery, and how requests may come over HTTP: RFC 7644 sections 3.8, 3.11,
# 3.13 and 4.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use TestScim;

my $stack = TestScim->start(http => 'gzip on; gzip_types '
    . 'application/scim+json application/json; '
    . 'gzip_min_length 1; gzip_proxied any;');
my $json = JSON::PP->new->canonical->utf8;
my $user_schema = TestScim::core_schema('User');
my $ann = $stack->user('ann');
my $auth = "Host: a\r\nAuthorization: Bearer $stack->{token}{scim}\r\n";

sub answers { return $stack->answers(@_) }


sub raw {
    my ($text) = @_;
    my $socket = $stack->connection;
    print $socket $text;
    return TestScim::read_answer($socket);
}


# discovery
my $config = answers('ServiceProviderConfig', 200, 'GET',
    '/ServiceProviderConfig')->{json};
is($config->{schemas}[0], TestScim::core_schema('ServiceProviderConfig'),
    '... is one');
is($config->{patch}{supported}, JSON::PP::true, 'patch is supported');
is($config->{etag}{supported}, JSON::PP::true, 'etag is supported');
is($config->{changePassword}{supported}, JSON::PP::false,
    'changePassword is not');
ok($config->{filter}{maxResults} > 0, 'filter.maxResults');
is($config->{authenticationSchemes}[0]{type}, 'oauthbearertoken',
    'authenticationSchemes');
is($config->{meta}{location}, "$stack->{base}/scim/v2/ServiceProviderConfig",
    'meta.location');

is(join(' ', map { my $part = $config->{$_}; map { ref $part eq 'HASH'
    && defined $part->{$_} ? () : "$_" } $_ eq 'bulk' ? qw(supported
    maxOperations maxPayloadSize) : $_ eq 'filter' ? qw(supported maxResults)
    : 'supported' } qw(patch bulk filter changePassword sort etag)), '',
    'every required part is there');
ok(!grep({ !length($_->{name}) || !length($_->{description}) }
    @{ $config->{authenticationSchemes} }), '... and of each scheme');
is_deeply(answers('ServiceProviderConfig without a token', 200, 'GET',
    '/ServiceProviderConfig', undef, token => undef)->{json}, $config,
    '... is the same');
answers("$_->[0] $_->[1] without one", 401, @$_, undef, token => undef)
    for [ GET => '/Schemas' ], [ GET => '/ResourceTypes' ],
    [ GET => '/ServiceProviderConfig/x' ], [ GET => '/' ];
answers('POST there without one', 401, 'POST', '/ServiceProviderConfig', {},
    token => undef);
answers('... or with a wrong one', 401, 'GET', '/ServiceProviderConfig',
    undef, token => 'wrong');
like(raw("GET /scim/v2/ServiceProviderConfig HTTP/1.1\r\nHost: evil.example"
    . "\r\nX-Forwarded-Host: evil.example\r\n\r\n")->{content},
    qr{"location":"\Q$stack->{base}\E/scim/v2/ServiceProviderConfig"},
    'a location is built from what is configured, not from Host');
is_deeply(answers("ServiceProviderConfig?$_", 200, 'GET',
    "/ServiceProviderConfig?$_")->{json}, $config, '... is not projected')
    for 'attributes=patch', 'excludedAttributes=patch';

my $types = answers('ResourceTypes', 200, 'GET', '/ResourceTypes')->{json};
is_deeply([ sort map { $_->{id} } @{ $types->{Resources} } ],
    [qw(Group User)], '... are User and Group');
my %schema_of;
is(join(' ', map { $_->{schemas}[0], $_->{name}, $_->{endpoint}, $_->{schema},
    $_->{meta}{resourceType} } @{ $types->{Resources} }), join(' ', map {
    (TestScim::core_schema('ResourceType'), $_, "/${_}s",
    TestScim::core_schema($_), 'ResourceType') } qw(User Group)),
    '... as required');
for my $type (@{ $types->{Resources} }) {
    my $one = answers("ResourceTypes/$type->{id}", 200, 'GET',
        "/ResourceTypes/$type->{id}")->{json};
    is_deeply($one, $type, '... is the same as in the list');
    $schema_of{$_} = 1 for $type->{schema},
        map { $_->{schema} } @{ $type->{schemaExtensions} // [] };
    answers("$type->{endpoint} is there", 200, 'GET', $type->{endpoint});
}
my $schemas = answers('Schemas', 200, 'GET', '/Schemas')->{json};
is($schemas->{totalResults}, scalar @{ $schemas->{Resources} },
    '... all on one page');
my %schema = map { $_->{id} => $_ } @{ $schemas->{Resources} };
ok($schema{$_}, "... with $_") for sort(keys %schema_of),
    map { TestScim::core_schema($_) } qw(ServiceProviderConfig ResourceType
    Schema);
for my $id ($user_schema, lc $user_schema, TestScim::escape($user_schema)) {
    is(answers("Schemas/$id", 200, 'GET', "/Schemas/$id")->{json}{id},
        $user_schema, '... is that schema');
}
ok(!grep({ !/core:2\.0|:extension:/ } keys %schema), 'no messages in Schemas');
answers('Schemas/Error', 404, 'GET',
    '/Schemas/urn:ietf:params:scim:api:messages:2.0:Error');
is(join(' ', map { "$_->{meta}{resourceType} " . ($_->{meta}{location} eq
    "$stack->{base}/scim/v2/Schemas/$_->{id}" ? 'here' : $_->{id}) }
    values %schema), join(' ', ('Schema here') x keys %schema),
    'each schema says what and where it is');

# An attribute, or a sub-attribute, of a schema: "a", "a.b".
sub attribute {
    my ($urn, $name) = @_;
    my $list = $schema{$urn}{attributes};
    my $found;
    for my $part (split /\./, $name) {
        ($found) = grep { $_->{name} eq $part } @$list;
        $list = $found->{subAttributes};
    }
    return $found;
}

my %words = (emails => 'home other work', addresses => 'home other work',
    phoneNumbers => 'fax home mobile other pager work', photos =>
    'photo thumbnail', ims => 'aim gtalk icq msn qq skype xmpp yahoo',
    groups => 'direct indirect');
is(join(' ', sort @{ attribute($user_schema, "$_.type")->{canonicalValues} }),
    $words{$_}, "canonicalValues of $_.type") for sort keys %words;
my $group_schema = TestScim::core_schema('Group');
my $enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
for my $case ([ $user_schema, 'userName', uniqueness => 'server' ],
    [ $user_schema, 'userName', required => JSON::PP::true ],
    [ $user_schema, 'userName', caseExact => JSON::PP::false ],
    [ $user_schema, 'password', mutability => 'writeOnly' ],
    [ $user_schema, 'password', returned => 'never' ],
    [ $user_schema, 'groups', mutability => 'readOnly' ],
    [ $user_schema, 'groups.$ref', referenceTypes => ['Group'] ],
    [ $user_schema, 'addresses.primary', type => 'boolean' ],
    [ $user_schema, 'x509Certificates.value', type => 'binary' ],
    [ $user_schema, 'profileUrl', referenceTypes => ['external'] ],
    [ $group_schema, 'displayName', required => JSON::PP::true ],
    [ $group_schema, 'members.value', mutability => 'immutable' ],
    [ $group_schema, 'members.type', mutability => 'immutable' ],
    [ $group_schema, 'members.$ref', mutability => 'immutable' ],
    [ $group_schema, 'members.display', mutability => 'readOnly' ],
    [ $enterprise, 'manager', multiValued => JSON::PP::false ],
    [ $enterprise, 'manager.value', caseExact => JSON::PP::true ],
    [ $enterprise, 'manager.displayName', mutability => 'readOnly' ])
{
    my ($urn, $name, $what, $expected) = @$case;
    is_deeply(attribute($urn, $name)->{$what}, $expected, "$what of $name");
}
my @faults;
sub check_attribute {
    my ($where, $attribute) = @_;
    for my $name (qw(name type multiValued mutability returned)) {
        push @faults, "$where.$attribute->{name}: $name"
            unless defined $attribute->{$name};
    }
    check_attribute("$where.$attribute->{name}", $_)
        for @{ $attribute->{subAttributes} // [] };
}
for my $id (sort keys %schema) {
    check_attribute($id, $_) for @{ $schema{$id}{attributes} };
}
is("@faults", '', 'every attribute has its characteristics');
answers("no such $_", 404, 'GET', "/$_") for 'Schemas/urn:nothing',
    'ResourceTypes/Nothing';
answers("a filter on $_", 403, 'GET', "/$_?filter=id%20pr")
    for qw(Schemas ResourceTypes ServiceProviderConfig);
is_deeply(answers('paging of Schemas', 200, 'GET',
    '/Schemas?startIndex=2&count=1')->{json}, $schemas, '... is ignored');
for my $path (qw(Schemas ResourceTypes ServiceProviderConfig)) {
    for my $method (qw(POST PUT PATCH DELETE)) {
        my $answer = answers("$method /$path", 405, $method, "/$path",
            $method eq 'DELETE' ? undef : {});
        like($answer->{headers}{allow}, qr/GET/, '... with Allow');
    }
}

# routes
answers('/Me without a user of the token', 501, 'GET', '/Me');
answers('trailing and doubled slashes', 200, 'GET', $_) for '/Users/',
    "/Users/$ann/", "//Users//$ann", '/ServiceProviderConfig/';
answers('a flag of Entra', 200, 'GET', '/Users?aadOptscim062020');

answers('this version in front', 200, 'GET', $_) for "/v2/Users/$ann",
    '/v2/ServiceProviderConfig';
answers("another one: $_", 400, ['invalidVers'], 'GET', $_) for '/v1/Users',
    '/v3/ServiceProviderConfig', '/v22/Users';
answers('none at all', 404, 'GET', $_) for '/v2x/Users', '/v/Users',
    '/v2/v2/Users';

# HTTP
my $head = $stack->scim('HEAD', "/Users/$ann");
is($head->{status}, 200, 'HEAD');
is($head->{content}, '', '... has no body');
is($head->{headers}{etag}, $stack->scim('GET', "/Users/$ann")
    ->{headers}{etag}, '... and the headers of GET');
my $options = $stack->scim('OPTIONS', '/Users');
like($options->{status}, qr/^20[04]$/, 'OPTIONS');
like($options->{headers}{allow} // '', qr/POST/, '... with Allow');
answers("Accept: $_", 200, 'GET', '/Users', undef, headers =>
    { Accept => $_ }) for '*/*', 'application/scim+json', 'text/html',
    'application/scim+json;q=0.9, application/json';
my $plain = $stack->scim('GET', '/Users', undef, headers =>
    { Accept => 'application/json' });
like($plain->{headers}{'content-type'}, qr{^application/(?:scim\+)?json},
    'Accept: application/json');
for my $case ([ 401, token => 'wrong' ], [ 404 ], [ 413 ]) {
    my ($status, @option) = @$case;
    my $answer = $stack->scim($status == 413 ? ('POST', '/Users',
        ' ' x 1_100_000) : ('GET', '/Users/nobody', undef), @option,
        headers => { Accept => 'application/json' });
    is("$answer->{status} $answer->{headers}{'content-type'}",
        "$status application/json", "... holds for $status");
}
my $zipped = raw("GET /scim/v2/Users HTTP/1.1\r\n$auth"
    . "Accept-Encoding: gzip\r\nConnection: close\r\n\r\n");
is($zipped->{headers}{'content-encoding'}, 'gzip', 'gzip by nginx');
my $old = $stack->connection;
print $old "GET /scim/v2/Users/$ann HTTP/1.0\r\n$auth\r\n";
my $text = do { local $/; <$old> };
like($text, qr/^HTTP\/1\.1 200.*"userName":"ann\@example.com"/s, 'HTTP/1.0');
my $body = $json->encode({ schemas => [$user_schema],
    userName => 'chunked' });
is(raw("POST /scim/v2/Users HTTP/1.1\r\n$auth"
    . "Content-Type: application/scim+json\r\nTransfer-Encoding: chunked\r\n"
    . "\r\n" . join('', map { sprintf "%x\r\n%s\r\n", length, $_ }
    unpack '(a7)*', $body) . "0\r\n\r\n")->{status}, 201, 'a chunked body');
my $socket = $stack->connection;
$body = $json->encode({ schemas => [$user_schema], userName => 'expect' });
print $socket "POST /scim/v2/Users HTTP/1.1\r\n$auth"
    . "Content-Type: application/scim+json\r\nExpect: 100-continue\r\n"
    . 'Content-Length: ' . length($body) . "\r\n\r\n";
my $line = <$socket>;
like($line, qr{^HTTP/1.1 100}, 'Expect: 100-continue');
<$socket>;
print $socket $body;
is(TestScim::read_answer($socket)->{status}, 201, '... and the body');
answers('a request id of the client', 200, 'GET', '/Users', undef,
    headers => { 'X-Request-Id' => 'my-request-1' });
is($stack->scim('GET', '/Users', undef, headers => { 'X-Request-Id' =>
    'my-request-1' })->{headers}{'x-request-id'}, 'my-request-1',
    '... comes back');

# dialects are counted
$stack->patch("/Users/$ann", { op => 'Replace', path => 'active',
    value => 'True' });
like($stack->request('GET', '/metrics')->{content},
    qr/^scim_lenient_total\{rule="L-06"\} [1-9]/m,
    'what was normalized is counted by rule');
sub twice {
    return $stack->request('GET', '/metrics')->{content}
        =~ /^scim_lenient_total\{rule="L-55"\} (\d+)/m ? $1 : undef;
}
$stack->user('first', externalId => 'same');
is(twice(), 0, 'an externalId of one');
my $second = $stack->user('second', externalId => 'same');
is(twice(), 1, 'an externalId that another user has is taken, and counted');
is($stack->must('scim', 'GET', '/Users?filter=externalId%20eq%20%22same%22')
    ->{totalResults}, 2, '... and finds both');
$stack->patch("/Users/$second", { op => 'replace', path => 'title',
    value => 'x' });
is(twice(), 1, '... once');
$stack->must('scim', 'PUT', "/Users/$second", TestScim::person('second'));
$stack->patch("/Users/$second", { op => 'add', path => 'externalId',
    value => 'same' });
is(twice(), 2, '... or whenever it becomes so');
$stack->done;
