#!/usr/bin/perl
# Invites that the app's list does not show: reported, or made right by policy,
# and never sent again without end.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MockApp;
use Test::More;
use TestScim;

my $stack = TestScim->start;
my %user = map { $_ => $stack->user($_) } qw(ann bob);
my @apps;

# An app that takes every invite and lists bob alone.
sub forgetful {
    my ($name, %more) = @_;
    my $app = MockApp->start;
    push @apps, $app;
    $app->rule({ method => 'GET', body => JSON::PP->new->encode({ members =>
        [ { id => 'm1', email => 'bob@example.com', role => 'editor' } ] }) });
    $app->rule({ method => 'POST', status => 201, body => '{"id":"m2"}',
        email => 'ann@example.com' });
    $app->rule({ method => 'DELETE', status => 404 });
    my $id = $stack->app($app->connector, name => $name, %more);
    for my $person (qw(bob ann)) {
        $stack->share($id, "users/$user{$person}", 'editor');
        $stack->wait_is(sub { $stack->states($id)
            =~ /$person:invited/ ? 1 : 0 }, 1, "$name: $person is invited");
    }
    return ($app, $id);
}


sub invites { return scalar grep { $_->{method} eq 'POST'
    && $_->{email} eq 'ann@example.com' } $_[0]->calls }

# Waits for so many more checks; the last report.
sub checks_later {
    my ($id, $count) = @_;
    my $path = "/apps/$id/checks";
    my $ended = sub { grep { $_->{state} ne 'running' }
        @{ $stack->must('admin', 'GET', "$path?limit=1000")->{checks} } };
    my $then = () = $ended->();
    TestScim::until_true(sub { $ended->() >= $then + $count });
    my @ended = $ended->();
    return $stack->must('admin', 'GET', "$path/$ended[-1]{id}");
}


sub findings { return join ' ', map { "$_->{kind}:$_->{email}" }
    @{ $_[0]->{findings} } }

my $by_clock = { everySeconds => 1, apply => JSON::PP::true };

# ---- reported only -----------------------------------------------------------

my ($app, $id) = forgetful('Reported', checks => { everySeconds => 1 });
my $report = checks_later($id, 2);
is(findings($report), 'missing:ann@example.com',
    'a check reports who is not listed');
is($stack->states($id), 'ann:invited bob:invited', '... and changes nothing');
is(invites($app), 1, '... at all');
$stack->must('admin', 'POST', "/apps/$id/checks/$report->{id}/apply");
$stack->wait_is(sub { invites($app) }, 2, 'a person has it made right');
$stack->must('admin', 'PATCH', "/apps/$id", { checks => undef });

# ---- by the clock, without a life of invites -------------------------------------

($app, $id) = forgetful('Applied', checks => $by_clock);
$stack->wait_is(sub { invites($app) }, 2, 'a scheduled check invites again');
$report = checks_later($id, 2);
is(invites($app), 2, '... once, however many checks follow');
is(findings($report), 'missing:ann@example.com', '... which still report it');
$stack->must('admin', 'PATCH', "/apps/$id", { checks => undef });
$stack->wait_is(sub { $stack->states($id) }, 'ann:invited bob:invited',
    '... the person stays invited');
$report = $stack->must('admin', 'POST', "/apps/$id/checks");
$stack->wait_is(sub { $stack->must('admin', 'GET',
    "/apps/$id/checks/$report->{id}")->{state} }, 'done', 'by hand');
$stack->must('admin', 'POST', "/apps/$id/checks/$report->{id}/apply");
$stack->wait_is(sub { invites($app) }, 3, '... it is sent again');

# ---- by the clock, with one -----------------------------------------------------

($app, $id) = forgetful('Policy', seats => 2, checks => $by_clock, invites => {
    expireSeconds => 3600, onExpiry => 'reinvite', reinviteMax => 1 });
$stack->wait_is(sub { $stack->states($id) }, 'ann:expired bob:invited',
    'with a policy a missing invite is one that ran out');
is(invites($app), 2, '... after as many as the policy says');
checks_later($id, 2);
is(invites($app), 2, '... and no more');
is($stack->must('admin', 'GET', "/apps/$id")->{seatUse}{inUse}, 1,
    '... the seat is free');

# ---- scimctl: sent again, and revoked ------------------------------------------------

$stack->must('admin', 'PATCH', "/apps/$id", { checks => undef });
my ($status, $out) = $stack->scimctl('invite', 'resend', 'Policy',
    'ann@example.com');
is($status, 0, 'scimctl invite resend of one that is over');
my ($link) = $out =~ m{(\Q$stack->{base}\E/join/\S+)};
ok($link, '... prints a link');
$stack->wait_is(sub { $stack->states($id) }, 'ann:invited bob:invited',
    '... and the person is invited');
is(invites($app), 3, '... by one more call');
my $path = $link =~ s/^\Q$stack->{base}\E//r;
is($stack->request('GET', $path)->{status}, 200, '... the link works');
($status, $out) = $stack->scimctl('invite', 'resend', 'Policy',
    'ann@example.com', '--json');
my $second = JSON::PP::decode_json($out)->{joinUrl};
isnt($second, $link, '--json has another one');
is($stack->request('GET', $path)->{status}, 404, '... instead of the first');
$stack->wait_is(sub { $stack->states($id) }, 'ann:invited bob:invited',
    '... still invited');
($status) = $stack->scimctl('invite', 'revoke', 'Policy', 'ann@example.com');
is($status, 0, 'scimctl invite revoke');
is($stack->request('GET', $second =~ s/^\Q$stack->{base}\E//r)->{status}, 404,
    '... the link leads nowhere');
is($stack->states($id), 'ann:invited bob:invited',
    '... the invite in the app stays');
for ([ 'revoke', 'Policy', 'ann@example.com' ],
    [ 'revoke', 'Policy', 'nobody@example.com' ],
    [ 'resend', 'None', 'ann@example.com' ], [ 'resend', 'Policy' ],
    [ 'forget', 'Policy', 'ann@example.com' ])
{
    isnt(($stack->scimctl('invite', @$_))[0], 0, "refused: invite @$_");
}

$_->stop for @apps;
$stack->done;
