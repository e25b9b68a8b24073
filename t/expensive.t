#!/usr/bin/perl
# Requests that are expensive on purpose are refused, and what is merely large
# is served: operations over long lists, filters with many conditions over
# large resources, resources that many small requests would make too large.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TestScim;

my $stack = TestScim->start(sidecars => 0);
my $schema = TestScim::core_schema('User');
my ($worker) = $stack->pids('worker');

sub emails { return [ map { { value => sprintf('%04d%s', $_, $_[1] // ''),
    type => 'work' } } 1 .. $_[0] ] }


sub make {
    my ($name, $emails) = @_;
    return '/Users/' . $stack->must('scim', 'POST', '/Users', { schemas =>
        [$schema], userName => $name, emails => $emails })->{id};
}


sub version { return $stack->must('scim', 'GET', "$_[0]?attributes=meta")
    ->{meta}{version} }


sub refused {
    my ($name, $path, @operations) = @_;
    my $before = version($path);
    like($stack->answers($name, 413, 'PATCH', $path, TestScim::patch_body(
        @operations))->{json}{detail}, qr/more work than one request/,
        '... says why');
    is(version($path), $before, '... and nothing changed');
}


sub served {
    my ($name, $path, @operations) = @_;
    return $stack->answers($name, 200, 'PATCH', $path,
        TestScim::patch_body(@operations))->{json};
}


my $long = make('long', emails(1000));
my $large = make('large', emails(1000, 'x' x 900));

# operations that each go through a long list
my %by_type = (op => 'remove', path => 'emails[type eq "none"]');
refused('thousands of filters over a thousand values', $long,
    map { { %by_type } } 1 .. 9000);
served('a hundred of them', $long, map { { %by_type } } 1 .. 100);
my $chain = join ' or ', map { qq{value co "z$_"} } 1 .. 90;
refused('filters of many conditions over large values', $large,
    map { { op => 'replace', path =>
    qq{emails[type eq "work" and ($chain)].display}, value => 'x' } } 1 .. 20);
refused('the primary of everybody, again and again', $long,
    map { { op => 'replace', path => 'emails[type eq "work"].primary',
    value => 'true' } } 1 .. 9000);
refused('a value with thousands of names for each of a thousand', $long,
    { op => 'replace', path => 'emails[type eq "work"]', value => {
    map { ("name$_" => 1) } 1 .. 5000 } });
refused('a value that is there is added thousands of times', $long,
    map { { op => 'add', path => 'emails', value => [ { value => '0001',
    type => 'work' } ] } } 1 .. 9000);

# as much at once as a list may hold
my $all = make('all', emails(1000));
served('a list is replaced by as long a one, several times', $all,
    map { { op => 'replace', path => 'emails', value => emails(1000, $_) } }
    1 .. 10);
is(scalar @{ served('half of its values go by a list', $all, { op =>
    'remove', path => 'emails', value => emails(500, 10) })->{emails} }, 500,
    '... and the others stay');
served('all that are there are added', $all, { op => 'add',
    path => 'emails', value => emails(500, 10) });
is(scalar @{ $stack->must('scim', 'GET', $all)->{emails} }, 1000,
    '... each once');
$stack->answers('one more than a list may hold', 400, ['invalidValue'],
    'PATCH', $all, TestScim::patch_body({ op => 'add', path => 'emails',
    value => emails(1, 'more') }));
is(scalar @{ $stack->must('scim', 'POST', '/Users', { schemas => [$schema],
    userName => 'equal', emails => [ map { { value => 'same' } } 1 .. 1000 ]
    })->{emails} }, 1, 'a thousand equal values are one');

# filters
my $many = join ' or ', map { qq{emails co "zzzz$_"} } 1 .. 95;
sub search { return { schemas => [ 'urn:ietf:params:scim:api:messages:2.0:'
    . 'SearchRequest' ], filter => $_[0] } }
$stack->answers('many conditions over large resources', 400, ['tooMany'],
    'POST', '/Users/.search', search("title pr or $many"));
$stack->answers('... over those that an index finds', 400, ['tooMany'],
    'POST', '/Users/.search', search("userName eq \"large\" and ($many)"));
$stack->answers('the same over a small one', 200, 'POST', '/Users/.search',
    search("userName eq \"equal\" and ($many)"));
$stack->answers('one condition over them', 200, 'POST', '/Users/.search',
    search('emails co "zzzz"'));

# size
my $grown = make('grown', emails(1, 'x'));
my $before;
for my $i (1 .. 3) {
    $before = version($grown);
    my $answer = $stack->scim('PATCH', $grown, TestScim::patch_body({ op =>
        'add', path => 'photos', value => [ map { { value =>
        "https://example.com/$i/$_/" . 'x' x 1500 } } 1 .. 300 ] }));
    is($answer->{status}, $i < 3 ? 200 : 413, "growing, step $i")
        or diag($answer->{content});
}
is(version($grown), $before, 'what would grow too large is not changed');
served('... and can shrink', $grown, { op => 'remove', path => 'photos' });

is(join(' ', $stack->pids('worker')), $worker, 'the worker is the same');
$stack->done;
