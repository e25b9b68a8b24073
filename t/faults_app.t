#!/usr/bin/perl
# Apps that are away, slow, over their limit or wrong: nothing is lost, and
# nothing is done twice by effect.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use MockApp;
use Test::More;
use TestScim;

my $app = MockApp->start;
my $stack = TestScim->start;
my $id = $stack->app($app->connector,
    limits => { timeoutMs => 1000, maxAttempts => 20 });
my %id_of;

# A new person who shares the app.
sub invite {
    my ($name) = @_;
    $id_of{$name} = $stack->user($name);
    $stack->share($id, "users/$id_of{$name}", 'editor');
}


sub remove { $stack->must('admin', 'DELETE',
    "/apps/$id/shares/users/$id_of{$_[0]}") }


# Calls about a person, those with effect marked: "POST! POST"
sub calls_of {
    my ($name) = @_;
    return join ' ', map { $_->{method} . ($_->{effect} ? '!' : '') }
        grep { ($_->{email} // '') eq "$name\@example.com" } $app->calls;
}


sub state_of {
    my ($name) = @_;
    my ($grant) = grep { $_->{userId} eq $id_of{$name} } $stack->grants($id);
    return $grant ? $grant->{state} : '';
}


# The app misbehaves once for an invite: it must still come to one member.
sub invited_in_spite_of {
    my ($name, $what, $expected, %rule) = @_;
    $app->rule({ method => 'POST', email => "$name\@example.com", times => 1,
        %rule });
    invite($name);
    $stack->wait_is(sub { state_of($name) }, 'invited', $what);
    is($app->members->{"$name\@example.com"}, 'editor', '... and a member');
    is(calls_of($name), $expected, '... by these calls');
    my %keys = map { $_->{key} => 1 } grep { $_->{method} eq 'POST'
        && ($_->{email} // '') eq "$name\@example.com" } $app->calls;
    is(scalar keys %keys, 1, '... with one idempotency key');
}


invited_in_spite_of('ann', 'too many requests', 'POST POST!', status => 429,
    headers => { 'Retry-After' => 1 });
invited_in_spite_of('bob', 'unavailable', 'POST POST!', status => 503);
invited_in_spite_of('cid', 'an error of the app', 'POST POST!',
    status => 500);
invited_in_spite_of('dee', 'an error after it was done', 'POST!',
    status => 500, effect => 1);
invited_in_spite_of('eve', 'no answer after it was done', 'POST!',
    then => 'hang', effect => 1);
invited_in_spite_of('fay', 'no answer and not done', 'POST POST!',
    then => 'hang');
invited_in_spite_of('gus', 'hung up after it was done', 'POST!',
    then => 'close', effect => 1);
invited_in_spite_of('hal', 'hung up', 'POST POST!', then => 'close');
invited_in_spite_of('ida', 'an answer that is no JSON', 'POST!',
    status => 201, body => '<html>', effect => 1);
invited_in_spite_of('jon', 'a redirect', 'POST POST!', status => 302,
    headers => { Location => 'http://127.0.0.1:1/' });
$app->put('kim@example.com', 'viewer');
invite('kim');
$stack->wait_is(sub { state_of('kim') }, 'invited', 'who is there already');
is($app->members->{'kim@example.com'}, 'editor', '... gets the role');

# an unknown outcome while the list fails, too: looked up until it answers
$app->rule({ method => 'GET', times => 2, status => 500 });
invited_in_spite_of('lea', 'no answer, and then no list', 'POST!',
    then => 'close', effect => 1);

# no: kept, visible, can be tried again
$app->rule({ method => 'POST', email => 'mia@example.com', times => 1,
    status => 422, body => '{"error":"no such domain"}' });
invite('mia');
$stack->wait_is(sub { state_of('mia') }, 'failed', 'the app says no');
my ($task) = @{ $stack->must('admin', 'GET', "/tasks?app=$id&state=failed")
    ->{tasks} };
is_deeply($task->{answer}, { status => 422,
    body => '{"error":"no such domain"}' }, '... the answer is kept');
is($task->{attempts}, 1, '... and not tried again');
$stack->must('admin', 'POST', "/tasks/$task->{id}/retry");
$stack->wait_is(sub { state_of('mia') }, 'invited', '... until told to');
is($stack->admin('POST', "/tasks/$task->{id}/retry")->{status}, 409,
    'what is done cannot be tried again');

# removals
sub removed_in_spite_of {
    my ($name, $what, $expected, %rule) = @_;
    my $before = calls_of($name);
    $app->rule({ method => 'DELETE', times => 1, %rule });
    remove($name);
    $stack->wait_is(sub { state_of($name) }, '', $what);
    is($app->members->{"$name\@example.com"}, undef, '... no member');
    is(substr(calls_of($name), 1 + length $before), $expected,
        '... by these calls');
}
removed_in_spite_of('ann', 'removed though unavailable', 'DELETE DELETE!',
    status => 503);
removed_in_spite_of('bob', 'removed, but the answer is lost', 'DELETE!',
    then => 'close', effect => 1);
removed_in_spite_of('cid', 'removed though it hangs', 'DELETE DELETE!',
    then => 'hang');
$app->put('dee@example.com');
remove('dee');
$stack->wait_is(sub { state_of('dee') }, '',
    'who is not there any more is removed');

# one app that hangs does not hold up another
my $slow = MockApp->start;
my $slow_id = $stack->app($slow->connector, name => 'Slow',
    limits => { timeoutMs => 60000 });
$slow->rule({ then => 'hang' });
my @people = map { $stack->user("p$_") } 1 .. 20;
my $team = $stack->group('All', @people);
$stack->share($slow_id, "teams/$team", 'viewer');
TestScim::until_true(sub { scalar $slow->calls });
$stack->share($id, "teams/$team", 'viewer');
ok(TestScim::until_true(sub { 20 == grep { $_->{state} eq 'invited'
    && $_->{userName} =~ /^p/ } $stack->grants($id) }),
    'an app that hangs holds up no other');
my %effects;
$effects{"$_->{method} $_->{email}"}++ for grep { $_->{effect} } $app->calls;
is_deeply([ grep { $effects{$_} > 1 } keys %effects ], [],
    'nothing was done twice');
$_->stop for $app, $slow;
$stack->done;
