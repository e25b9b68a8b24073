#!/usr/bin/perl
# POST /Bulk over a real nginx and Redis: references, order, errors of one
# operation and of all, limits, events, requests beside it, clients and stores
# that leave in the middle.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use JSON::PP;
use Test::More;
use TestScim;

my $stack = TestScim->start(http => 'scim_redis_waits 200;', server =>
    'location /small { scim http://a/small; }');
my $json = JSON::PP->new->canonical->utf8;
my $message = 'urn:ietf:params:scim:api:messages:2.0';
my $enterprise =
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
my $n = 0;

sub bulk_body {
    my ($more, @operations) = @_;
    return { schemas => ["$message:BulkRequest"], %$more,
        Operations => \@operations };
}

# bulk({ failOnErrors => 1 }, operations...): the answers' Operations
sub bulk {
    my $more = ref $_[0] eq 'HASH' && !$_[0]{method} ? shift : {};
    my $answer = $stack->scim('POST', '/Bulk', bulk_body($more, @_));
    is($answer->{status}, 200, 'Bulk is answered') or diag $answer->{content};
    is($answer->{json}{schemas}[0], "$message:BulkResponse",
        '... by a BulkResponse');
    return @{ $answer->{json}{Operations} // [] };
}

sub statuses { return join ' ', map { $_->{status} } @_ }

sub post_user {
    my ($bulk_id, %more) = @_;
    return { method => 'POST', path => '/Users', bulkId => $bulk_id,
        data => { schemas => [ TestScim::core_schema('User') ],
            userName => 'bulk' . ++$n, %more } };
}

sub post_group {
    my ($bulk_id, @members) = @_;
    return { method => 'POST', path => '/Groups', bulkId => $bulk_id,
        data => { schemas => [ TestScim::core_schema('Group') ],
            displayName => 'group' . ++$n,
            members => [ map { { value => $_ } } @members ] } };
}

sub id_of { return $_[0]{location} =~ s{.*/}{}r }

sub members {
    my ($group) = @_;
    return join ' ', sort map { $_->{value} } @{ $stack->must('scim', 'GET',
        '/Groups/' . id_of($group))->{members} // [] };
}

sub get { return $stack->must('scim', 'GET', $_[0]{location} =~ s{.*/v2}{}r) }

sub total {
    return $stack->must('scim', 'GET', '/Users?count=0')->{totalResults};
}


# references, both ways
for my $order ('backward', 'forward') {
    my @operations = (post_user('a'), post_group('g', 'bulkId:a'));
    @operations = reverse @operations if $order eq 'forward';
    my @answers = bulk(@operations);
    is(statuses(@answers), '201 201', "a reference $order");
    my ($user, $group) = $order eq 'forward' ? reverse @answers : @answers;
    is(members($group), id_of($user), '... is the real id');
    is($user->{bulkId} . $group->{bulkId}, 'ag', '... bulkIds come back');
    is($user->{version}, get($user)->{meta}{version}, '... and versions');
    is($group->{method}, 'POST', '... and methods');
    is($user->{location}, get($user)->{meta}{location}, '... and locations');
    ok(!exists $user->{response}, '... and no body of what went well');
}

# in extensions, $ref, paths of PATCH and of the operation
my @answers = bulk(post_user('boss'), post_user('worker',
    schemas => [ TestScim::core_schema('User'), $enterprise ],
    $enterprise => { manager => { value => 'bulkId:boss',
        '$ref' => '../Users/bulkId:boss' } }),
    { method => 'PATCH', path => '/Users/bulkId:worker', data => {
        schemas => ["$message:PatchOp"], Operations => [ { op => 'add',
        path => 'title', value => 'Lead' } ] } },
    post_group('g', 'bulkId:boss', 'bulkId:worker'),
    { method => 'PATCH', path => 'Groups/bulkId:g', data => [ { op =>
        'remove', path => 'members[value eq "bulkId:boss"]' } ] });
is(statuses(@answers), '201 201 200 201 200', 'references anywhere');
my $worker = get($answers[1]);
is($worker->{$enterprise}{manager}{value}, id_of($answers[0]),
    '... in an extension');
is($worker->{title}, 'Lead', '... in an operation\'s path');
is(members($answers[3]), id_of($answers[1]), '... in the path of a PATCH');
is($answers[2]{location}, $answers[1]{location}, '... and in locations');

# circles
@answers = bulk(map { post_user($_->[0], schemas => [
    TestScim::core_schema('User'), $enterprise ], $enterprise => {
    manager => { value => "bulkId:$_->[1]" } }) } [qw(x y)], [qw(y z)],
    [qw(z x)]);
is(statuses(@answers), '201 201 201', 'users in a circle');
is(join(' ', map { get($_)->{$enterprise}{manager}{value} } @answers),
    join(' ', map { id_of($_) } @answers[1, 2, 0]), '... are linked');
@answers = bulk(post_group('a', 'bulkId:b'), post_group('b', 'bulkId:a'));
is(statuses(@answers), '201 409', 'groups in a circle are refused');
@answers = bulk(post_group('self', 'bulkId:u'), post_group('in',
    'bulkId:self'), post_user('u'));
is(statuses(@answers), '201 201 201', 'groups in groups');
is(members($answers[1]), id_of($answers[0]), '... are linked');

# failOnErrors
my @failing = ({ method => 'POST', path => '/Users', bulkId => 'bad',
    data => { displayName => 'nobody' } }, post_user('b'), post_user('c'));
@answers = bulk({ failOnErrors => 1 }, @failing);
is(statuses(@answers), '400', 'failOnErrors 1: one result');
is($answers[0]{response}{scimType}, 'invalidValue', '... which says why');
is($answers[0]{response}{schemas}[0], "$message:Error", '... as an Error');
ok(!exists $answers[0]{location}, '... and no location');
@answers = bulk({ failOnErrors => 2 }, @failing);
is(statuses(@answers), '400 201 201', 'failOnErrors 2: all results');
@failing[1, 2] = (post_user('b'), post_user('c'));
is(statuses(bulk(@failing)), '400 201 201', 'without it: all results');

# versions
my $ann = $stack->must('scim', 'POST', '/Users', TestScim::person('ann'));
my $path = "/Users/$ann->{id}";
$stack->patch($path, { op => 'add', path => 'title', value => 'new' });
@answers = bulk({ method => 'DELETE', path => $path,
    version => $ann->{meta}{version} });
is(statuses(@answers), '412', 'an old version');
is($answers[0]{response}{status}, '412', '... with the error');
like($answers[0]{location}, qr/\Q$path\E$/, '... and the location');
@answers = bulk({ method => 'PUT', path => $path, version => get($answers[0])
    ->{meta}{version}, data => TestScim::person('ann', title => 'put') },
    { method => 'PATCH', path => $path, data => TestScim::patch_body(
    { op => 'replace', path => 'title', value => 'patched' }) });
is(statuses(@answers), '200 200', 'the present version');
my $now = get($answers[0]);
is($now->{title}, 'patched', '... one resource is changed in order');
is($now->{meta}{version}, $answers[1]{version}, '... the version too');
is(statuses(bulk({ method => 'DELETE', path => $path }, { method => 'POST',
    path => '/Users', bulkId => 'ann', data => TestScim::person('ann') },
    { method => 'DELETE', path => '/Users/bulkId:ann' })), '204 201 204',
    'a name is free again behind a DELETE');
is(statuses(bulk({ method => 'DELETE', path => $path })), '404',
    'what is not there');

# one resource again and again: each operation sees the one before
@answers = bulk(post_user('again'), (map { { method => 'PATCH', path =>
    '/Users/bulkId:again', version => $_, data => TestScim::patch_body({ op =>
    'add', path => 'title', value => "title $_" }) } } 'W/"1"', 'W/"1"', '"2"',
    '*', 'W/"9", W/"4"'), { method => 'PUT', path => '/Users/bulkId:again',
    version => 'W/"5"', data => { userName => 'again' } });
is(statuses(@answers), '201 200 412 200 200 200 200', 'versions in a Bulk');
is(join(' ', map { $_->{version} // '-' } @answers), 'W/"1" W/"2" - W/"3" '
    . 'W/"4" W/"5" W/"6"', '... go up one by one');
is(get($answers[0])->{meta}{version}, 'W/"6"', '... to the last one');
is(statuses(bulk(post_user('gone'), { method => 'DELETE', path =>
    '/Users/bulkId:gone' }, { method => 'PATCH', path => '/Users/bulkId:gone',
    data => TestScim::patch_body() }, { method => 'DELETE', path =>
    '/Users/bulkId:gone' })), '201 204 404 404', 'made and deleted in one');

# failOnErrors counts what depends on a failure, too, in the order of requests
sub chain {
    return ({ method => 'POST', path => '/Users', bulkId => 'f', data => {} },
        post_user('d1', $enterprise => { manager => { value => 'bulkId:f' } }),
        post_user('d2', $enterprise => { manager => { value => 'bulkId:d1' } }),
        { method => 'DELETE', path => '/Users/bulkId:d2' }, post_user('ok'));
}
is(statuses(bulk(chain())), '400 409 409 409 201',
    'what hangs on a failure fails');
is(statuses(bulk({ failOnErrors => 3 }, chain())), '400 409 409',
    '... and counts');
is(statuses(bulk({ failOnErrors => 1 }, post_group('g', 'bulkId:f'),
    chain())), '400', 'a failure ahead ends it before who waits for it');

# limits and broken requests
my $config = $stack->must('scim', 'GET', '/ServiceProviderConfig');
is($json->encode($config->{bulk}), '{"maxOperations":1000,"maxPayloadSize":'
    . '1048576,"supported":true}', 'ServiceProviderConfig says what is');
my $answer = $stack->answers('too many operations', 413, 'POST', '/Bulk',
    bulk_body({}, map { { method => 'DELETE', path => "/Users/$_" } }
    1 .. 1001));
like($answer->{json}{detail}, qr/maxOperations.*1000/, '... names the limit');
$answer = $stack->answers('too many bytes', 413, 'POST', '/Bulk', bulk_body(
    {}, post_user('a', displayName => 'x' x 1_048_576)));
like($answer->{json}{detail}, qr/1048576.*maxPayloadSize/,
    '... names the limit');
is(scalar(() = bulk(map { { method => 'DELETE', path => "/Users/$_" } }
    1 .. 1000)), 1000, 'as many operations as are allowed');
my $full = '{"Operations":[' . $json->encode(post_user('full')) . ']}';
$full .= ' ' x (1_048_576 - length $full);
is(statuses(@{ $stack->answers('as many bytes', 200, 'POST', '/Bulk', $full)
    ->{json}{Operations} }), '201', '... are done');
$stack->answers('one byte more', 413, 'POST', '/Bulk', "$full ");
my $before = total();
$answer = $stack->answers('a bulkId twice', 400, ['invalidSyntax'], 'POST',
    '/Bulk', bulk_body({}, post_user('a'), post_user('a')));
is(total(), $before, '... does nothing');
for my $case (
    [ 'no JSON', '{"Operations":[{"method":"POST"' ],
    [ 'no JSON in the last operation', '{"Operations":[{"method":"POST",'
        . '"path":"/Users","bulkId":"a","data":{"userName":"q"}},{nonsense}]}' ],
    [ 'no Operations', '{}' ], [ 'an array', '[]' ], [ 'no body', '' ],
    [ 'Operations as object', '{"Operations":{}}' ],
    [ 'Operations twice', '{"Operations":[],"operations":[]}' ],
    [ 'something behind it', '{"Operations":[]}x' ],
    [ 'another message', "{\"schemas\":[\"$message:PatchOp\"],"
        . '"Operations":[]}' ])
{
    $stack->answers($case->[0], 400, ['invalidSyntax'], 'POST', '/Bulk',
        $case->[1]);
}
$stack->answers('failOnErrors 0', 400, ['invalidValue'], 'POST', '/Bulk',
    bulk_body({ failOnErrors => 0 }));
is(total(), $before, '... and nothing of these does anything');
is(statuses(bulk()), '', 'no operations');

# one that is wrong harms no neighbour
my @wrong = (
    [ 400 => { %{ post_user('x') }, bulkId => undef }, 'a POST without' ],
    [ 400 => { method => 'GET', path => '/Users' }, 'another method' ],
    [ 400 => { path => '/Users' }, 'no method' ],
    [ 400 => { method => 'PUT', path => $path }, 'no data' ],
    [ 400 => { %{ post_user('x2') }, path => '/Bulk' }, 'Bulk' ],
    [ 400 => { %{ post_user('x3') }, path => '/Me' }, 'Me' ],
    [ 400 => { %{ post_user('x4') }, path => '/Users/.search' }, '.search' ],
    [ 400 => { %{ post_user('x5') }, path => '' }, 'no path' ],
    [ 404 => { %{ post_user('x6') }, path => '/Robots' }, 'no such type' ],
    [ 405 => { method => 'PUT', path => '/Users', data => {} }, 'PUT' ],
    [ 404 => { method => 'DELETE', path => '/Users/1' }, 'no id of ours' ],
    [ 400 => post_group('x7', 'bulkId:nobody'), 'an unknown reference' ],
    [ 409 => post_group('x8', 'bulkId:x9'), 'a failed reference' ],
    [ 400 => { %{ post_user('x9') }, data => { userName => 1.5e300 } },
        'a user that is none' ],
    [ 400 => 'text', 'no object' ],
);
$wrong[13][1]{data} = { userName => '' };
@answers = bulk(map { ($_->[1], post_user('n' . ++$n)) } @wrong);
for my $i (0 .. $#wrong) {
    is($answers[2 * $i]{status}, $wrong[$i][0], "wrong: $wrong[$i][2]");
    is($answers[2 * $i + 1]{status}, 201, '... its neighbour is fine');
}
is($answers[22]{response}{scimType}, 'invalidValue',
    '... an unknown reference is an invalid value');

# the endpoint itself
is($stack->scim('GET', '/Bulk')->{headers}{allow}, 'POST, OPTIONS',
    'Allow of Bulk');
is($stack->scim('OPTIONS', '/Bulk')->{status}, 204, 'OPTIONS');
is($stack->scim('POST', '/Bulk', '{"Operations":[]}', type =>
    'text/plain')->{status}, 415, 'another media type');
is($stack->scim('POST', '/Bulk', bulk_body({}), token => 'scim_000_x')
    ->{status}, 401, 'without a token');

# events: the request's txn and the operation's place
$stack->scim('POST', '/Bulk', bulk_body({}, post_user('a'), post_user('b')),
    headers => { 'X-Request-Id' => 'from-afar' });
my ($shard) = $stack->{token}{scim} =~ /^scim_(\d+)_/;
my $events = $stack->redis('XREVRANGE', "scim:{$shard}:events", '+', '-',
    'COUNT', 2);
is(join(' ', sort map { my %field = @{ $_->[1] }; $field{txn} } @$events),
    'from-afar:0 from-afar:1', 'each operation has an event of its own');

# 1000 creates, and other requests meanwhile
$before = total();
my $socket = $stack->connection;
my $body = $json->encode(bulk_body({}, map { post_user("u$_") } 1 .. 1000));
my $head = "Host: a\r\nAuthorization: Bearer $stack->{token}{scim}\r\n";
sub post_bulk {
    my ($to, $text) = @_;
    print $to "POST /scim/v2/Bulk HTTP/1.1\r\n${head}Content-Type: "
        . "application/scim+json\r\nContent-Length: " . length($text)
        . "\r\n\r\n$text";
    $to->flush;
}
post_bulk($socket, $body);
my ($beside, $waiting) = (0, IO::Select->new($socket));
until ($waiting->can_read(0)) {
    $stack->scim('GET', '/Users?count=1')->{status} == 200 or last;
    $beside++;
}
ok($beside > 1, "other requests are answered while it runs ($beside)");
$answer = TestScim::read_answer($socket);
@answers = @{ $json->decode($answer->{content})->{Operations} };
is(scalar(grep { $_->{status} eq '201' } @answers), 1000, '1000 creates');
is(total(), $before + 1000, '... are all there');
is(join(' ', map { $_->{bulkId} } @answers),
    join(' ', map { "u$_" } 1 .. 1000), '... answered in their order');
my @ids = map { id_of($_) } @answers;
is_deeply([ sort @ids ], \@ids, '... and with ids in their order');
post_bulk($socket, $body);
@answers = @{ $json->decode(TestScim::read_answer($socket)->{content})
    ->{Operations} };
is(scalar(grep { $_->{status} eq '409' } @answers), 1000,
    '... and once more: all are there already');

# a group of all of them, forward
@answers = bulk(post_group('all', map { "bulkId:m$_" } 1 .. 400),
    map { post_user("m$_") } 1 .. 400);
is(scalar(grep { $_->{status} eq '201' } @answers), 401,
    'a group and its 400 members');
is(scalar(split / /, members($answers[0])), 400, '... who are all in it');

# more at once than Redis' queue takes: what has no place is 503
my @bodies = map { $json->encode(bulk_body({}, map { post_user("u$_") }
    1 .. 200)) } 1 .. 8;
$before = total();
my ($done, $round) = (0, 0);
while (@bodies && ++$round <= 100) {
    my @sockets = map { my $one = $stack->connection;
        post_bulk($one, $_); $one } @bodies;
    my (%count, @again);
    for my $body (@bodies) {
        my $one = TestScim::read_answer(shift @sockets);
        my @told = $one->{status} == 200
            ? map { $_->{status} } @{ $json->decode($one->{content})
                ->{Operations} } : ($one->{status}) x 200;
        $count{$_}++ for @told;
        push @again, $body if grep { $_ == 503 } @told;
    }
    $done += $count{201} // 0;
    is(total() - $before, $done, 'eight at once: what is told is true')
        if $round == 1;
    ok(!grep({ !/^(?:201|409|503)$/ } keys %count),
        '... and no other answer: ' . $json->encode(\%count));
    @bodies = @again;
}
is(total() - $before, 1600, '... and repeated, all is done');

# the client leaves in the middle
my ($redis) = $stack->pids('redis');
for my $when ('before', 'after') {
    my @gone = map { my $one = $stack->connection;
        kill 'STOP', $redis if $when eq 'after';
        post_bulk($one, $json->encode(bulk_body({},
            map { post_user("u$_") } 1 .. 300)));
        $one } 1 .. 4;
    close $_ for @gone;
    kill 'CONT', $redis;
    ok(TestScim::until_true(sub { $stack->scim('GET', '/Users?count=0')
        ->{status} == 200 && $stack->request('GET', '/metrics')->{content}
        =~ /^scim_redis_waiting 0$/m }),
        "clients that leave do no harm, $when Redis works");
}

# Redis hangs: what it gets to too late is not done
$before = total();
$socket = $stack->connection;
kill 'STOP', $redis;
post_bulk($socket, $json->encode(bulk_body({}, map { post_user("u$_") }
    1 .. 200)));
$answer = TestScim::read_answer($socket);
kill 'CONT', $redis;
is($answer->{status}, 503, 'a store that hangs: 503 for all');
ok($answer->{headers}{'retry-after'}, '... with Retry-After');
ok(TestScim::until_true(sub { $stack->scim('GET', '/Users?count=0')
    ->{status} == 200 }), '... it goes on');
is(total(), $before, '... and nothing was done behind the answer');

# Redis leaves in the middle
$body = $json->encode(bulk_body({}, map { post_user("u$_") } 1 .. 1000));
$before = total();
$socket = $stack->connection;
post_bulk($socket, $body);
TestScim::until_true(sub { $stack->redis('ZCARD',
    "scim:{$shard}:demo:users") > $before });
kill 'KILL', $redis;
$answer = TestScim::read_answer($socket);
my %told = (201 => 0);
if ($answer->{status} == 503) {
    ok($answer->{headers}{'retry-after'}, 'nothing was done: 503');
} else {
    $told{ $_->{status} }++
        for @{ $json->decode($answer->{content})->{Operations} };
    ok(!grep({ !/^(?:201|503)$/ } keys %told),
        'what was done is told, the rest is 503: ' . $json->encode(\%told));
}
ok(TestScim::until_true(sub { $stack->scim('GET', '/Users?count=0')
    ->{status} == 200 }), '... the store comes back');
cmp_ok(total() - $before, '>=', $told{201}, '... with what was told');
$socket = $stack->connection;
post_bulk($socket, $body);
@answers = @{ $json->decode(TestScim::read_answer($socket)->{content})
    ->{Operations} };
is(scalar(grep { $_->{status} =~ /^(?:201|409)$/ } @answers), 1000,
    '... and the request, repeated, is answered');
is(total(), $before + 1000, '... everybody is there once');
$stack->expect_alert(qr/redis/i);
# what a POST creates has an id of ours
my $former = $stack->user('former');
$stack->must('scim', 'DELETE', "/Users/$former");
my $odd = $stack->must('scim', 'POST', '/Bulk', { Operations => [
    { method => 'POST', path => "/Users/$former", bulkId => 'again',
    data => { userName => 'again' } }, 7, { method => 8 } ] })->{Operations};
is(join(' ', map { $_->{status} } @$odd), '405 400 400',
    'a POST with an id, and what is no operation');
ok(!exists $odd->[$_]{location}, '... are nowhere') for 0 .. 2;
is($stack->scim('GET', "/Users/$former")->{status}, 404,
    '... and nobody comes back so');
$stack->done;
