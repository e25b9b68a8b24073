#!/usr/bin/perl
# Sorting, searching and walking with a cursor: RFC 7644 sections 3.4.2.3 and
# 3.4.3, RFC 9865.
use strict;
use warnings;
use Digest::SHA ();
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MIME::Base64 ();
use QueryPeople;
use Test::More;
use TestScim;

my ($ann, $bob, $cid, $dee, $group) = start_people();

# sorting
is(names('sortBy=userName'), 'ann Bob cid dee', '... in any case of letters');
is(names('sortBy=userName&sortOrder=descending'), 'dee cid Bob ann',
    '... the other way round');
is(names('sortBy=name.familyName'), 'Bob cid ann dee',
    '... who has none comes last');
is(names('sortBy=name.familyName&sortOrder=descending'), 'dee ann cid Bob',
    '... and first');
is(names('sortBy=emails'), 'ann Bob cid dee', '... by the primary one');
my $eva = make('eva', emails => [ { value => 'zz@x' }, { value => 'aa@x',
    primary => JSON::PP::true } ]);
is(names('sortBy=emails'), 'eva ann Bob cid dee', '... not by the first');
is(names('sortBy=emails&sortOrder=descending&count=3'), 'cid dee Bob',
    '... backwards, who has none first');
$stack->must('scim', 'DELETE', "/Users/$eva");
is(names("sortBy=$enterprise:department&count=1"), 'ann',
    '... by an extension');
is(names('sortBy=userName&startIndex=2&count=2'), 'Bob cid', '... in pages');
is(names('sortBy=userName&filter=title%20pr'), 'ann cid dee', '... filtered');
is(names('sortBy=meta.created&sortOrder=descending&count=1'), 'dee',
    '... by meta');
$stack->answers('sortBy of nothing', 400, 'GET', '/Users?sortBy=shoeSize');
$stack->answers('sortOrder of nothing', 400, ['invalidValue'], 'GET',
    '/Users?sortBy=userName&sortOrder=up');

# searching
my $search = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest';
sub search {
    my ($path, %body) = @_;
    my $list = $stack->answers("POST $path", 200, 'POST', $path,
        { schemas => [$search], %body })->{json};
    return join ' ', map { $name_of{ $_->{id} } // $_->{displayName} // '?' }
        @{ $list->{Resources} // [] };
}
is(search('/Users/.search', filter => 'title pr', sortBy => 'userName',
    sortOrder => 'descending'), 'dee cid ann', '... with a filter');
is(search('/Users/.search', filter => 'title pr', startIndex => 2,
    count => 1), 'cid', '... a page');
is(search('/Groups/.search', filter => 'displayName eq "team"'), 'Team',
    '... groups');
is(search('/.search', filter => 'meta.resourceType eq "Group"'), 'Team',
    '... at the root');
is(join(' ', sort split ' ', search('/.search')), 'Bob Team ann cid dee',
    '... both types');
is_deeply([ map { join ' ', sort keys %$_ } @{ $stack->must('scim', 'POST',
    '/Users/.search', { schemas => [$search], attributes => ['userName'],
    count => 1 })->{Resources} } ], ['id schemas userName'],
    '... with attributes');
is(names('filter=' . TestScim::escape('meta.resourceType eq "Group"'), '/'),
    $group, 'GET of the root, too');
$stack->answers("GET $_", 405, 'GET', $_) for '/.search', '/Users/.search';
$stack->answers('a search with a bad filter', 400, ['invalidFilter'], 'POST',
    '/Users/.search', { schemas => [$search], filter => 'x y z' });

# cursors
$stack->user("walk$_") for 1 .. 31;
my (@seen, $cursor, @pages);
do {
    my $list = $stack->must('scim', 'GET', '/Users?count=10&cursor='
        . ($cursor // ''));
    push @seen, map { $_->{id} } @{ $list->{Resources} };
    push @pages, scalar @{ $list->{Resources} };
    $cursor = $list->{nextCursor};
    $stack->user('late' . @pages) if @pages < 3;
} while (defined $cursor && @pages < 10);
my %seen = map { $_ => 1 } @seen;
is(scalar keys %seen, scalar @seen, 'a cursor shows nobody twice');
ok(@seen >= 35, '... and everybody who was there');
ok(!exists $stack->must('scim', 'GET', '/Users?count=10')->{nextCursor},
    'without one pages go by index');
my $first = $stack->must('scim', 'GET', '/Users?count=10&cursor=');
like($first->{nextCursor}, qr/^[A-Za-z0-9._~-]+$/, 'a cursor is opaque');
is_deeply([ map { $_->{id} } @{ $stack->must('scim', 'GET',
    '/Users?cursor&count=10')->{Resources} } ],
    [ map { $_->{id} } @{ $first->{Resources} } ],
    'a walk begins without "=", as the RFC shows it');
ok(exists $stack->must('scim', 'GET', '/Users?cursor&count=10')->{nextCursor},
    '... and goes on');
ok(!exists $first->{startIndex}, '... and there is no startIndex');
my $next = $first->{nextCursor};
(my $forged = $next) =~ tr/a-yA-Y0-8/b-zB-Z1-9/;
$stack->answers('a forged cursor', 400, ['invalidCursor'], 'GET',
    "/Users?count=10&cursor=$forged");
$stack->answers('a cursor for another filter', 400, ['invalidCursor'], 'GET',
    "/Users?count=10&filter=title%20pr&cursor=$next");
$stack->answers('a cursor with another count', 400, ['invalidCount'], 'GET',
    "/Users?count=11&cursor=$next");
$stack->answers('a cursor for another type', 400, ['invalidCursor'], 'GET',
    "/Groups?count=10&cursor=$next");
$stack->answers('a cursor and startIndex', 400, ['invalidValue'], 'GET',
    "/Users?count=10&startIndex=2&cursor=$next");
my ($other) = ($stack->scimctl('token', 'create', '--workspace', 'other',
    '--role', 'scim'))[1] =~ /(\S+)/;
$stack->answers('another workspace\'s cursor', 400, ['invalidCursor'], 'GET',
    "/Users?count=10&cursor=$next", undef, token => $other);
$stack->answers('a cursor of two hours ago', 400, ['expiredCursor'], 'GET',
    "/Users?count=10&cursor=" . aged($next, 7200));
is(scalar @{ $stack->must('scim', 'GET', '/Users?count=10&cursor='
    . aged($next, 3500))->{Resources} }, 10, '... of an hour ago it works');
my $sorted = $stack->must('scim', 'GET',
    '/Users?count=2&sortBy=userName&cursor=');
is(join(' ', map { $name_of{ $_->{id} } } @{ $sorted->{Resources} }),
    'ann Bob', 'a sorted walk');
is(join(' ', map { $name_of{ $_->{id} } } @{ $stack->must('scim', 'GET',
    "/Users?count=2&sortBy=userName&cursor=$sorted->{nextCursor}")
    ->{Resources} }), 'cid dee', '... goes on in order');
# while others come, go and are renamed: pages by index as Okta reads them, and
# walks in any order, of one type and of all
my @there = map { $stack->user("there$_", title => sprintf 'T%02d', $_ % 7) }
    1 .. 60;
my $made = 0;
sub disturb {
    $stack->user('new' . ++$made, title => sprintf 'T%02d', $made % 9);
    my $gone = splice @there, $made % @there, 1;
    $stack->must('scim', 'DELETE', "/Users/$gone");
    $stack->patch("/Users/$there[$made % @there]", { op => 'replace',
        path => 'nickName', value => "n$made" });
}
sub meets_all {
    my ($name, @ids) = @_;
    my %count;
    $count{$_}++ for @ids;
    is(join(' ', grep { $count{$_} > 1 } keys %count), '',
        "$name: nobody twice");
    is(join(' ', grep { !$count{$_} } @there), '', '... and nobody missing');
}
for my $query ('/Users?count=13', '/Users?count=13&filter=title%20pr',
    '/Users?count=13&sortBy=title', '/Users?count=13&sortBy=userName',
    '/?count=13', '/?count=13&sortBy=title&sortOrder=descending',
    '/?count=13&sortBy=meta.created&sortOrder=descending',
    '/?count=13&filter=title%20pr%20or%20displayName%20pr')
{
    my (@met, $page);
    my $at = '';
    do {
        my $list = $stack->must('scim', 'GET', "$query&cursor=$at");
        push @met, map { $_->{id} } @{ $list->{Resources} };
        $at = $list->{nextCursor};
        disturb() if ++$page <= 4;
    } while (defined $at && @met < 500);
    meets_all("a walk of $query", @met);
}
my ($index, @met) = (1);
while (1) {
    my $list = $stack->must('scim', 'GET', "/Users?count=10&startIndex="
        . $index);
    is($list->{startIndex}, $index, 'startIndex comes back') if $index < 30;
    last unless @{ $list->{Resources} };
    push @met, map { $_->{id} } @{ $list->{Resources} };
    $index += 10;
    $stack->user("more$index") if $index < 60;
}
meets_all('pages by index while users are made', @met);

# a count of 0 is no page of a walk; attributes may change from page to page
$first = $stack->must('scim', 'GET', '/Users?count=2&cursor=');
$stack->answers('count=0 goes on with nothing', 400, ['invalidCount'], 'GET',
    "/Users?count=0&cursor=$first->{nextCursor}");
is_deeply([ map { join ' ', sort keys %$_ } @{ $stack->must('scim', 'GET',
    "/Users?attributes=userName&cursor=$first->{nextCursor}")->{Resources} } ],
    [ ('id schemas userName') x 2 ], 'a walk may be shown in another way');
is_deeply([ @{ $stack->must('scim', 'GET', '/ServiceProviderConfig')
    ->{pagination} }{qw(cursor index defaultPaginationMethod)} ],
    [ JSON::PP::true, JSON::PP::true, 'index' ],
    'which is what ServiceProviderConfig says');
$stack->done;


# The cursor as it would be had it been made so many seconds earlier
# (scim_list_cursor.c), sealed with the key of the data set.
sub aged {
    my ($cursor, $seconds) = @_;
    my $plain = MIME::Base64::decode_base64url($cursor);
    my ($key) = @{ $stack->redis('KEYS', '*:dataset') };
    my $dataset = $stack->redis('HGET', $key, 'id');
    substr($plain, -16) = '';
    substr($plain, 2, 4) = pack 'N', unpack('N', substr $plain, 2, 4)
        - $seconds;
    return MIME::Base64::encode_base64url($plain . substr(
        Digest::SHA::hmac_sha256($plain, "cursor of $dataset"), 0, 16));
}
