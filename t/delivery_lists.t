#!/usr/bin/perl
# Lists that are read, and whatever else a task needs, count towards the places
# and the rate that an app allows, with two sidecars; neither holds up the other
# for good.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use MockApp;
use Test::More;
use TestScim;

my $stack = TestScim->start(sidecars => 2);
my @apps;

# A mock app with so many members that nobody here knows, and its id.
sub app_with {
    my ($name, $members, %more) = @_;
    my $app = MockApp->start(page => 5);
    push @apps, $app;
    my $id = $stack->app($app->connector, name => $name, %more);
    $app->put("$name.$_\@elsewhere.com", 'viewer') for 1 .. $members;
    return ($app, $id);
}


sub people {
    my ($name, $count) = @_;
    return map { $stack->user("$name$_") } 1 .. $count;
}


sub start_check { return $stack->must('admin', 'POST', "/apps/$_[0]/checks")
    ->{id} }

sub check_state { return $stack->must('admin', 'GET',
    "/apps/$_[0]/checks/$_[1]")->{state} }

sub invited { return scalar grep { $_->{state} eq 'invited' }
    $stack->grants($_[0]) }


# places: three lists and a team at once
my ($app, $id) = app_with('places', 60, limits => { concurrency => 2 });
$app->control('slow', { seconds => 0.02 });
my @people = people('a', 60);
my $team = $stack->group('A', @people);
my @leavers = people('b', 8);
my $leaving = $stack->group('B', @leavers);
$stack->share($id, "teams/$leaving");
$stack->wait_is(sub { invited($id) }, 8, 'some are in');
$stack->share($id, "teams/$team");
my @checks = map { start_check($id) } 1 .. 3;
$stack->must('scim', 'DELETE', "/Groups/$leaving");
$stack->wait_is(sub { join ' ', map { check_state($id, $_) } @checks },
    'done done done', 'lists are read while tasks run');
$stack->wait_is(sub { invited($id) }, 60, '... and these are done');
$stack->wait_is(sub { scalar $stack->grants($id, '&state=removed') }, 8,
    '... removals, too, and verified');
cmp_ok($app->control('load')->{most}, '<=', 2, 'never more calls at a time '
    . 'than the app takes');
my @verbs = map { $_->{method} } $app->calls;
my ($first_page) = grep { $verbs[$_] eq 'GET' } 0 .. $#verbs;
my ($last_page) = grep { $verbs[$_] eq 'GET' } reverse 0 .. $#verbs;
cmp_ok(scalar(grep { $_ ne 'GET' } @verbs[$first_page .. $last_page]), '>',
    10, '... by turns');

# one place: by turns all the same
($app, $id) = app_with('one', 30, limits => { concurrency => 1 });
$app->control('slow', { seconds => 0.005 });
@people = people('c', 40);
$team = $stack->group('C', @people);
$stack->share($id, "teams/$team");
my $check = start_check($id);
$stack->wait_is(sub { check_state($id, $check) }, 'done',
    'one place is enough for a list');
$stack->wait_is(sub { invited($id) }, 40, '... and for tasks');
is($app->control('load')->{most}, 1, '... one after the other');

# a rate: lists, look-ups and tasks together
($app, $id) = app_with('rate', 40, limits => { ratePerSecond => 25,
    burst => 3, concurrency => 10 });
@people = people('d', 15);
$app->put("d$_\@example.com", 'admin') for 1 .. 3; # these take three calls
$team = $stack->group('D', @people);
$stack->share($id, "teams/$team", 'viewer');
@checks = map { start_check($id) } 1 .. 2;
$stack->wait_is(sub { invited($id) }, 15, 'with a rate');
$stack->wait_is(sub { join ' ', map { check_state($id, $_) } @checks },
    'done done', '... lists are read');
my @at = sort { $a <=> $b } map { $_->{at} } $app->calls;
my $over = 0;
for my $i (0 .. $#at) {
    for my $j ($i + 1 .. $#at) {
        my $calls = $j - $i + 1 - 3 - 25 * ($at[$j] - $at[$i]);
        $over = $calls if $calls > $over;
    }
}
cmp_ok($over, '<=', 4, '... that all calls together hold to');

# an app that asks for a pause while its list is read gets it
($app, $id) = app_with('pause', 12);
@people = people('e', 1);
$app->rule({ method => 'GET', times => 1, status => 429,
    headers => { 'Retry-After' => 2 } });
$check = start_check($id);
$stack->wait_is(sub { check_state($id, $check) }, 'failed',
    'a list that is refused');
$stack->share($id, "users/$people[0]");
$stack->wait_is(sub { invited($id) }, 1, '... a task waits with it');
my ($refused, $invite) = map { my $verb = $_; (grep { $_->{method} eq $verb }
    $app->calls)[0]{at} } qw(GET POST);
cmp_ok($invite - $refused, '>=', 1.9, '... as long as the app asked for');
$_->stop for @apps;
$stack->done;
