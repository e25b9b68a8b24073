#!/usr/bin/perl
# Asynchronous requests (RFC 9967): accepted, executed once by a sidecar, even
# one that is killed meanwhile, and what came of them.
use strict;
use warnings;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TestScim;

my $badge = 'urn:example:extension:badge:1.0:User';
my $folder = tempdir(CLEANUP => 1);
TestScim::write_file("$folder/badge.json", <<"END");
{ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": "$badge",
  "name": "Badge", "attributes": [ {"name": "number", "type": "integer"} ] }
END
my $stack = TestScim->start(workers => 2, sidecars => 2,
    http => "scim_schemas $folder;");
my $uri = 'urn:ietf:params:scim:event:misc:asyncresp';

# Asks for a later answer; where it will be.
sub later {
    my ($method, $path, $body, %headers) = @_;
    my $answer = $stack->scim($method, $path, $body, headers => {
        Prefer => 'respond-async', %headers });
    die "$method $path: $answer->{status} $answer->{content}\n"
        if $answer->{status} != 202;
    return $answer->{headers}{location} =~ s{^.*/scim/v2}{}r;
}


# The claims once it is done.
sub claims {
    my ($place) = @_;
    my $answer;
    TestScim::until_true(sub { $answer = $stack->scim('GET', $place);
        $answer->{status} != 202 });
    die "$place: $answer->{status} $answer->{content}\n"
        if $answer->{status} != 200;
    return $answer->{json};
}


sub outcome { return claims(later(@_))->{events}{$uri} }

my $config = $stack->must('scim', 'GET', '/ServiceProviderConfig');
is_deeply($config->{securityEvents}, { asyncRequest => 'request',
    eventUris => [ $uri ] }, 'discovery offers it');
ok((grep { $_->{name} eq 'securityEvents' } @{ $stack->must('scim', 'GET',
    '/Schemas/urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig')
    ->{attributes} }), '... and the schema has it');

# a create, from its acceptance to the user
my $answer = $stack->scim('POST', '/Users', TestScim::person('ann', $badge =>
    { number => 7 }), headers => { Prefer => 'respond-async' });
is($answer->{status}, 202, 'a create is accepted');
is($answer->{content}, '', '... without a body');
is($answer->{headers}{'preference-applied'}, 'respond-async',
    '... as was preferred');
like($answer->{headers}{'set-txn'}, qr/^[0-9a-f-]{36}$/, '... with an id');
is($answer->{headers}{location}, "$stack->{base}/scim/v2/AsyncResponses/"
    . $answer->{headers}{'set-txn'}, '... and a place');
my $place = $answer->{headers}{location} =~ s{^.*/scim/v2}{}r;
my $claims = claims($place);
my $ann = $claims->{sub_id}{uri} =~ s{^/Users/}{}r;
is_deeply($claims->{events}{$uri}, { method => 'POST', status => '201',
    version => 'W/"1"', location => "$stack->{base}/scim/v2/Users/$ann" },
    'the outcome is a bulk response');
is($claims->{txn}, $answer->{headers}{'set-txn'}, '... of that request');
my $user = $stack->must('scim', 'GET', "/Users/$ann");
is($user->{userName}, 'ann@example.com', 'the user is there');
is($user->{$badge}{number}, 7, '... with the schemas of the edge');
ok((grep { $_->{actor} eq 'scim-token' && $_->{txn} eq $claims->{txn} }
    events()), '... by the one who asked, under that id');

# the other methods
my $team = $stack->group('Team');
is_deeply(outcome('PATCH', "/Groups/$team", TestScim::patch_body({
    op => 'add', path => 'members', value => [ { value => $ann } ] })),
    { method => 'PATCH', status => '204', version => 'W/"2"',
    location => "$stack->{base}/scim/v2/Groups/$team" }, 'a PATCH');
is($stack->must('scim', 'GET', "/Groups/$team")->{members}[0]{value}, $ann,
    '... is done');
is(outcome('PUT', "/Users/$ann", TestScim::person('ann', title => 'Boss'))
    ->{status}, '200', 'a PUT');
is($stack->must('scim', 'GET', "/Users/$ann")->{title}, 'Boss',
    '... is done');
is_deeply(outcome('DELETE', "/Groups/$team"), { method => 'DELETE',
    status => '204' }, 'a DELETE');
is($stack->scim('GET', "/Groups/$team")->{status}, 404, '... is done');

# failures
my $failed = claims(later('POST', '/Users', TestScim::person('ann')));
is($failed->{sub_id}{uri}, '/Users', 'a create that fails made nothing');
$failed = $failed->{events}{$uri};
is("$failed->{status} $failed->{response}{scimType} "
    . "$failed->{response}{status}", '409 uniqueness 409',
    '... and says why as a usual answer would');
is(outcome('PATCH', "/Users/$ann", TestScim::patch_body({ op => 'move' }))
    ->{status}, '400', 'a request that makes no sense');
is(outcome('DELETE', '/Users/0190dada-0000-7000-8000-000000000001')
    ->{status}, '404', 'a user who is not there');
is(outcome('DELETE', "/Users/$ann", undef, 'If-Match' => 'W/"1"')->{status},
    '412', 'another version');
is($stack->must('scim', 'GET', "/Users/$ann")->{title}, 'Boss',
    '... and nothing was done');
$stack->answers('no JSON is refused at once', 400, ['invalidSyntax'],
    'POST', '/Users', '{', headers => { Prefer => 'respond-async' });

# who may not ask, and what is no write
is($stack->request('GET', "/scim/v2$place")->{status}, 401,
    'an outcome is for those with a token');
my (undef, $other) = $stack->scimctl(qw(token create --workspace other
    --role scim));
$other =~ s/\s+//g;
is($stack->scim('GET', $place, undef, token => $other)->{status}, 404,
    '... of the same workspace');
is($stack->scim('GET', $place)->{status}, 200, '... as often as they like');
$answer = $stack->scim('GET', "/Users/$ann", undef, headers => {
    Prefer => 'respond-async' });
is("$answer->{status} " . ($answer->{headers}{'preference-applied'} // ''),
    '200 ', 'a read is answered');
$answer = $stack->scim('PATCH', "/Users/$ann", TestScim::patch_body({
    op => 'replace', value => { title => 'Chief' } }), headers => {
    Prefer => 'respond-async, wait=30' });
is($answer->{json}{title}, 'Chief', 'who would rather wait is answered, too');

# wait: how long the client would rather wait for the usual answer.  It takes
# no longer than scim_redis_timeout (2 s), so who waits that long has it
my %waits = ('respond-async, wait=1' => 202, 'respond-async,wait=2' => 200,
    'wait=60, Respond-Async' => 200, 'respond-async; wait=60' => 202,
    'respond-async, wait=soon' => 202, 'wait=1' => 200, 'respond-sync' => 200,
    'return=minimal, respond-async' => 202);
is($stack->scim('PATCH', "/Users/$ann", TestScim::patch_body({ op =>
    'replace', path => 'nickName', value => $_ }), headers => {
    Prefer => $_ })->{status}, $waits{$_}, "Prefer: $_")
    for sort keys %waits;
is($stack->scim('PATCH', "/Users/$ann", TestScim::patch_body({ op =>
    'replace', path => 'nickName', value => 'two' }), headers => {
    Prefer => [ 'respond-async', 'wait=30' ] })->{json}{nickName}, 'two',
    'Prefer in two headers');
is($stack->scim('PATCH', "/Users/$ann", TestScim::patch_body({ op =>
    'replace', path => 'nickName', value => 'three' }), headers => {
    Prefer => [ 'return=minimal', 'respond-async' ] })->{status}, 202,
    '... the second one counts, too');
kill 'STOP', $stack->pids('redis');
$answer = $stack->scim('PATCH', "/Users/$ann", TestScim::patch_body({ op =>
    'replace', path => 'nickName', value => 'late' }), headers => {
    Prefer => 'respond-async, wait=30' });
is("$answer->{status} " . ($answer->{headers}{'set-txn'} // ''), '503 ',
    'no answer in time is no acceptance');
kill 'CONT', $stack->pids('redis');
ok(TestScim::until_true(sub { $stack->request('GET', '/healthz')->{status}
    == 200 }), '... and all goes on');

# while no sidecar works, and when it is killed over it
$stack->signal_part("sidecar-$_", 'STOP') for 1, 2;
my @places = map { later('POST', '/Users', TestScim::person("w$_")) } 1 .. 100;
is($stack->scim('GET', $places[0])->{status}, 202,
    'what nobody executed yet is under way');
is($stack->scim('GET', $places[0])->{headers}{'retry-after'}, 1,
    '... and may be asked for again');
$stack->signal_part("sidecar-$_", 'KILL') for 1, 2;
is(join(' ', map { claims($_)->{events}{$uri}{status} } @places),
    join(' ', ('201') x 100), 'the next sidecars do it');
my @killed;
for my $i (1 .. 120) {
    push @killed, later('POST', '/Users', TestScim::person("k$i"));
    next if $i % 15;
    kill 'KILL', map { $stack->pids("sidecar-$_") } 1 + ($i / 15) % 2;
}
my %status;
$status{ claims($_)->{events}{$uri}{status} }++ for @killed;
is_deeply(\%status, { 201 => 120 }, 'sidecars killed at work do each once');
is($stack->must('scim', 'GET', '/Users?filter=' . TestScim::escape(
    'userName sw "k"'))->{totalResults}, 120, '... and lose none');
my @done = grep { $_->{op} eq 'async.completed' } events();
my %seen;
$seen{ $_->{txn} }++ for @done;
is(scalar(grep { $_ > 1 } values %seen), 0, '... with one completion each');
$stack->done;


# Entries of the workspace's stream that were not trimmed yet.
sub events {
    my @found;
    for my $key (@{ $stack->redis('KEYS', '*:events') }) {
        for my $entry (@{ $stack->redis('XRANGE', $key, '-', '+') }) {
            push @found, { @{ $entry->[1] } };
        }
    }
    return @found;
}
