#!/usr/bin/perl
# Which of a person's addresses an app is given: the primary one, else the one
# at work, else the first; without any the user name.  What the identity
# provider sent is shown as it was.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MockApp;
use Test::More;
use TestScim;

my $app = MockApp->start;
my $stack = TestScim->start;
my $true = JSON::PP::true;
my %case = (
    primary => [ { value => 'no@x', type => 'work' },
        { value => 'primary@x', type => 'home', primary => $true } ],
    work => [ { value => 'no@x', type => 'home' },
        { value => 'work@x', type => 'work' } ],
    capital => [ { value => 'no@x' }, { value => 'capital@x',
        type => 'Work' } ],
    first => [ { value => 'first@x', type => 'home' }, { value => 'no@x' } ],
    valued => [ { type => 'work', display => 'x' }, { display => 'y',
        primary => $true }, { value => 'valued@x' } ],
    none => undef);
my @user = map { $stack->user($_, userName => "$_\@x",
    emails => $case{$_}) } sort keys %case;
my $id = $stack->app($app->connector);
$stack->share($id, 'teams/' . $stack->group('Team', @user), 'editor');
$stack->wait_is(sub { join ' ', sort keys %{ $app->members } },
    join(' ', map { "$_\@x" } sort keys %case), 'each by the right address');
is_deeply($stack->must('scim', 'GET', "/Users/$user[0]")->{emails},
    $case{capital}, 'a type is shown as it was sent');
$app->stop;
$stack->done;
