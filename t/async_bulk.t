#!/usr/bin/perl
# Bulk requests that are answered later (RFC 9967): one outcome for each of
# their operations, each once, whatever is killed meanwhile.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TestScim;

my $stack = TestScim->start(workers => 2, sidecars => 2);
my $uri = 'urn:ietf:params:scim:event:misc:asyncresp';

sub bulk {
    my ($operations, %more) = @_;
    return { schemas => [
        'urn:ietf:params:scim:api:messages:2.0:BulkRequest' ],
        Operations => $operations, %more };
}


sub create {
    my ($id, %more) = @_;
    return { method => 'POST', path => '/Users', bulkId => $id,
        data => TestScim::person($id, %more) };
}


# Asks for a later answer; its id.
sub later {
    my ($body) = @_;
    my $answer = $stack->scim('POST', '/Bulk', $body, headers => {
        Prefer => 'respond-async' });
    die "$answer->{status} $answer->{content}\n" if $answer->{status} != 202;
    die "a body\n" if $answer->{content} ne '';
    return $answer->{headers}{'set-txn'};
}


# What came of it once it is over.
sub outcome {
    my ($id) = @_;
    my $answer;
    TestScim::until_true(sub { $answer = $stack->scim('GET',
        "/AsyncResponses/$id"); $answer->{status} !~ /^(?:202|503)$/ });
    die "$id: $answer->{status} $answer->{content}\n"
        if $answer->{status} != 200;
    return $answer->{json};
}


sub statuses {
    return join ' ', map { $_->{events}{$uri}{status} } @_;
}


# One of each kind, forward and in a circle
$stack->user('known');
my $answer = $stack->scim('POST', '/Bulk', bulk([
    { method => 'POST', path => '/Groups', bulkId => 'g', data => {
        displayName => 'Team', members => [ { value => 'bulkId:a' } ] } },
    create('a', 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
        => { manager => { value => 'bulkId:b' } }),
    create('b', 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
        => { manager => { value => 'bulkId:a' } }),
    create('known'),
    { method => 'PATCH', path => '/Groups/bulkId:known', data => {} },
    { method => 'DELETE', path => '/Nothing/1' } ]),
    headers => { Prefer => 'respond-async' });
is($answer->{status}, 202, 'a Bulk request is accepted');
is($answer->{content}, '', '... without a body');
is($answer->{headers}{'preference-applied'}, 'respond-async',
    '... as was preferred');
my $id = $answer->{headers}{'set-txn'};
is($answer->{headers}{location}, "$stack->{base}/scim/v2/AsyncResponses/$id",
    '... and a place');
my $claims = outcome($id);
is(statuses(@$claims), '201 201 201 409 409 404',
    'each operation has its outcome');
is(join(' ', map { $_->{txn} } @$claims), join(' ', map { "$id:$_" } 0 .. 5),
    '... under its number in the request');
my %bulk_id = map { $_ => $claims->[$_]{events}{$uri}{bulkId} } 0 .. 3;
is_deeply(\%bulk_id, { 0 => 'g', 1 => 'a', 2 => 'b', 3 => 'known' },
    '... with its bulkId');
my ($group) = $claims->[0]{sub_id}{uri} =~ m{^/Groups/(.+)};
my ($ann, $bob) = map { $_->{sub_id}{uri} =~ m{^/Users/(.+)} }
    @$claims[1, 2];
is($claims->[3]{sub_id}{uri}, '/Users', '... what failed made nothing');
is($claims->[5]{sub_id}{uri}, '/Bulk', '... or was about nothing');
is($claims->[3]{events}{$uri}{response}{scimType}, 'uniqueness',
    '... and says why');
is($stack->must('scim', 'GET', "/Groups/$group")->{members}[0]{value}, $ann,
    'references are resolved');
is($stack->must('scim', 'GET', "/Users/$bob")->{
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'}{manager}
    {value}, $ann, '... in circles, too');
is_deeply([ sort map { $_->{txn} } grep { $_->{op} =~ /created$/
    && $_->{txn} =~ /^$id/ } events() ], [ map { "$id:$_" } 0 .. 2 ],
    'changes and completions have the same txn');

# one by one
is_deeply($stack->must('scim', 'GET', "/AsyncResponses/$id:1"), $claims->[1],
    'the outcome of one operation');
is($stack->scim('GET', "/AsyncResponses/$id$_")->{status}, 404, "... not of $_")
    for ':6', ':999', ':1000', ':', ':x', ':-1', ':00001', '0';
my (undef, $other) = $stack->scimctl(qw(token create --workspace other
    --role scim));
$other =~ s/\s+//g;
is($stack->scim('GET', "/AsyncResponses/$id$_", undef, token => $other)
    ->{status}, 404, 'nor of another workspace') for '', ':1';

# what is said at once, or not at all
my %async = (headers => { Prefer => 'respond-async' });
$stack->answers('no JSON', 400, ['invalidSyntax'], 'POST', '/Bulk',
    '{"Operations":[{]}', %async);
$stack->answers('no body', 400, ['invalidSyntax'], 'POST', '/Bulk', '',
    %async);
$stack->answers('a bulkId twice', 400, ['invalidSyntax'], 'POST', '/Bulk',
    bulk([ create('c'), create('c') ]), %async);
$stack->answers('too many operations', 413, [], 'POST', '/Bulk',
    bulk([ map { create("n$_") } 1 .. 1001 ]), %async);
is($stack->scim('POST', '/Bulk', bulk([ create('w') ]), headers => {
    Prefer => 'respond-async, wait=60' })->{status}, 200,
    'who would rather wait is answered');
is_deeply(outcome(later(bulk([]))), [], 'no operations, no outcomes');
$id = later(bulk([ create('known'), create('d'), create('e') ],
    failOnErrors => 1));
is(statuses(@{ outcome($id) }), '409', 'failOnErrors ends it');
is($stack->scim('GET', "/AsyncResponses/$id:1")->{status}, 404,
    '... what was not begun has no outcome');

# killed over them, again and again
my @ids;
for my $n (1 .. 12) {
    push @ids, later(bulk([
        { method => 'POST', path => '/Groups', bulkId => 'g', data => {
            displayName => "Team $n", members => [
                map { { value => "bulkId:u$n-$_" } } 1 .. 150 ] } },
        map { create("u$n-$_") } 1 .. 150 ]));
    kill 'KILL', map { $stack->pids("sidecar-$_") } 1 + $n % 2;
}
my @claims = map { outcome($_) } @ids;
is(join(' ', map { scalar grep { $_->{events}{$uri}{status} eq '201' } @$_ }
    @claims), join(' ', (151) x 12), 'killed sidecars leave nothing undone');
my %seen;
$seen{"$_->{op} $_->{txn}"}++ for grep { $_->{op} =~ /created$|^async.comp/ }
    events();
is(scalar(grep { $_ > 1 } values %seen), 0, '... and do nothing twice');
is($stack->must('scim', 'GET', '/Users?count=0&filter=' . TestScim::escape(
    'userName sw "u"'))->{totalResults}, 1800, '... each user is there');
is(join(' ', map { scalar @{ $stack->must('scim', 'GET',
    $_->[0]{sub_id}{uri})->{members} } } @claims), join(' ', (150) x 12),
    '... and is in the group that referred to them');

# the store killed under them
@ids = map { my $n = $_; later(bulk([ map { create("r$n-$_") } 1 .. 200 ])) }
    1 .. 5;
kill 'KILL', $stack->pids('redis');
@claims = map { outcome($_) } @ids;
is(join(' ', map { scalar grep { $_->{events}{$uri}{status} eq '201' } @$_ }
    @claims), join(' ', (200) x 5), 'a killed store leaves nothing undone');
is($stack->must('scim', 'GET', '/Users?count=0&filter=' . TestScim::escape(
    'userName sw "r"'))->{totalResults}, 1000, '... and nothing twice');
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
