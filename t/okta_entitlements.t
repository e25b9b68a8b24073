#!/usr/bin/perl
# Okta's SCIM 2.0 with entitlements: types of resources that are found by
# discovery, read page by page, and given to users.
use strict;
use warnings;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use TestScim;

my $okta = 'urn:okta:scim:schemas:core:1.0';
my $schemas = tempdir('scim-schemas-XXXXXX', TMPDIR => 1, CLEANUP => 1);
TestScim::write_file("$schemas/okta.json", JSON::PP->new->encode([ map {
    my ($name, @more) = @$_;
    ({ schemas => [ TestScim::core_schema('Schema') ], id => "$okta:$name",
        name => $name, attributes => [ { name => 'displayName',
        type => 'string', required => JSON::PP::true }, map { { name => $_,
        type => 'string' } } @more ] },
    { schemas => [ TestScim::core_schema('ResourceType') ], id => $name,
        name => $name, endpoint => "/${name}s", schema => "$okta:$name" })
    } [qw(Entitlement type description)], [qw(Role)] ]));
my $stack = TestScim->start(sidecars => 0, http => "scim_schemas $schemas;");
my %headers = ('User-Agent' => 'Okta SCIM Client 1.0.0',
    Accept => 'application/scim+json');

sub ask { return $stack->answers(@_, headers => \%headers)->{json} }


# what the app offers, as its operator puts it in
my %made = map { my $type = $_; $type => [ map { $stack->must('scim', 'POST',
    "/${type}s", { schemas => ["$okta:$type"], displayName => "$type $_",
    $type eq 'Role' ? () : (type => 'License', description => 'd') })->{id} }
    1 .. 3 ] } qw(Entitlement Role);

# types, their schemas, then a page of one on each endpoint
my %type = map { $_->{schema} => $_ } @{ ask('types', 200, 'GET',
    '/ResourceTypes', undef)->{Resources} };
for my $name (qw(Entitlement Role)) {
    my $type = $type{"$okta:$name"};
    ok($type, "$name is a type") or next;
    is(ask('its schema', 200, 'GET', "/Schemas/$type->{schema}", undef)->{id},
        $type->{schema}, '... whose schema is there');
    my @seen;
    for my $at (1 .. 3) {
        my $page = ask("page $at", 200, 'GET',
            "$type->{endpoint}?count=1&startIndex=$at", undef);
        is_deeply([ @$page{qw(itemsPerPage startIndex totalResults)} ],
            [ 1, $at, 3 ], '... says what it is');
        push @seen, $page->{Resources}[0]{id};
        ok(length $page->{Resources}[0]{displayName}, '... has a name');
    }
    is("@seen", "@{ $made{$name} }", "each $name is on one page");
}

# given to a user, and read back
my $user = $stack->user('ann');
my $given = [ { value => $made{Entitlement}[1], display => 'Entitlement 2',
    type => 'License' } ];
my $role = [ { value => $made{Role}[0], display => 'Role 1',
    primary => JSON::PP::true } ];
my $put = ask('given', 200, 'PUT', "/Users/$user", TestScim::person('ann',
    entitlements => $given, roles => $role));
is_deeply([ @$put{qw(entitlements roles)} ], [ $given, $role ],
    '... and they come back');
is(ask('who has it', 200, 'GET', '/Users?filter=' . TestScim::escape(
    qq{entitlements.value eq "$made{Entitlement}[1]"}), undef)
    ->{totalResults}, 1, '... and find the user');
$put = ask('taken away', 200, 'PUT', "/Users/$user", TestScim::person('ann',
    entitlements => [], roles => []));
ok(!exists $put->{entitlements} && !exists $put->{roles}, '... are gone');
$stack->done;
