#!/usr/bin/perl
# An edge and its sidecar, or another edge, that read other schemas: nothing
# is executed by the wrong ones, nothing stored is lost, and it is said.
use strict;
use warnings;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TestScim;

my $badge = 'urn:example:extension:badge:1.0:User';
my $uri = 'urn:ietf:params:scim:event:misc:asyncresp';
my $folder = tempdir(CLEANUP => 1);
TestScim::write_file("$folder/badge.json", <<"END");
{ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": "$badge",
  "name": "Badge", "attributes": [
  {"name": "number", "type": "integer", "required": true} ] }
END
my $stack = TestScim->start; # the sidecar knows no badge
$stack->expect_alert(qr/was accepted with other schemas/);
my $edge = $stack->second_nginx(sub {
    s/scim_redis unix/scim_schemas $folder;\n$&/ });
my %async = (headers => { Prefer => 'respond-async' });

# What came of a request that the other edge accepts.
sub outcome {
    my ($method, $path, $body) = @_;
    my $answer = $edge->scim($method, $path, $body, %async);
    die "$answer->{status} $answer->{content}\n" if $answer->{status} != 202;
    my $id = $answer->{headers}{'set-txn'};
    TestScim::until_true(sub { $answer = $edge->scim('GET',
        "/AsyncResponses/$id"); $answer->{status} != 202 });
    return $answer->{json};
}


my $ann = $edge->user('ann', $badge => { number => 7 });
my $claims = outcome('PATCH', "/Users/$ann", TestScim::patch_body({
    op => 'replace', path => "$badge:number", value => 8 }));
is($claims->{events}{$uri}{status}, 500, 'a sidecar without the schemas');
like($claims->{events}{$uri}{response}{detail}, qr/schemas .* differ/,
    '... says so');
is($edge->must('scim', 'GET', "/Users/$ann")->{$badge}{number}, 7,
    '... and did nothing');
$claims = outcome('POST', '/Bulk', { Operations => [ { method => 'POST',
    bulkId => 'b', path => '/Users', data => TestScim::person('bob') } ] });
is($claims->{events}{$uri}{status}, 500, 'a Bulk request, as a whole');
is($claims->{sub_id}{uri}, '/Bulk', '... is one outcome');
is($edge->must('scim', 'GET', '/Users?count=0')->{totalResults}, 1,
    '... and nothing was done');
like(TestScim::slurp("$stack->{dir}/sidecar-1.log"),
    qr/scim_schemas of nginx and of sidecar.conf differ/, 'the log says it');

# an edge that does not know the extension
my $shown = $stack->must('scim', 'GET', "/Users/$ann");
ok(!$shown->{$badge}, 'an edge without the schemas does not show it');
my $badged = '/Users?filter=' . TestScim::escape("schemas eq \"$badge\"");
is($stack->must('scim', 'GET', $badged)->{totalResults}, 0,
    '... nor does a filter find it there');
is($edge->must('scim', 'GET', $badged)->{totalResults}, 1,
    '... as it does elsewhere');
$stack->patch("/Users/$ann", { op => 'replace', path => 'title',
    value => 'Boss' });
is($edge->must('scim', 'GET', "/Users/$ann")->{$badge}{number}, 7,
    '... and a PATCH there leaves it');
$stack->must('scim', 'PUT', "/Users/$ann", TestScim::person('ann'));
is($edge->must('scim', 'GET', "/Users/$ann")->{$badge}{number}, 7,
    '... as a PUT does');
$edge->quit_nginx;
$stack->done;
