#!/usr/bin/perl
# What becomes of invites that nobody accepts: reminders, expiry, another one,
# and acceptance that comes too late.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MIME::Base64;
use MailSink;
use MockApp;
use Test::More;
use TestScim;

my $stack = TestScim->start;
my %user = map { $_ => $stack->user($_) } qw(ann bob cid dee);

# An app whose list tells members from invites by `state`.
sub started {
    my (%option) = @_;
    my $app = MockApp->start;
    $app->rule({ method => 'PUT', path => '^/remind/', status => 204 });
    my $id = $stack->app($app->connector(
        remind => { method => 'PUT', path => '/remind/${member.id}' },
        cancel => { method => 'DELETE', path => '/invites/${member.id}' }),
        %option);
    return ($app, $id);
}


sub called {
    my ($app, $method, $path) = @_;
    return grep { $_->{method} eq $method && $_->{path} =~ $path }
        $app->calls;
}


sub audit_of {
    my ($id, $name) = @_;
    return join ' ', map { $_->{to} } grep { $_->{app} eq $id
        && $_->{user} eq $user{$name} && $_->{from} ne $_->{to} }
        @{ $stack->must('admin', 'GET', '/audit?limit=1000')->{entries} };
}


# ---- reminders, then the end ------------------------------------------------------------

my ($app, $id) = started(seats => 1, invites => { remindEverySeconds => 1,
    remindMax => 2, expireSeconds => 4 });
$stack->share($id, "users/$user{ann}", 'editor');
$stack->wait_is(sub { $stack->states($id) }, 'ann:invited', 'invited');
my ($member) = $stack->grants($id);
my $link = $member->{joinUrl} =~ s/^\Q$stack->{base}\E//r;
$stack->share($id, "users/$user{bob}", 'editor');
$stack->wait_is(sub { $stack->states($id) }, 'ann:invited bob:waitlisted',
    '... on the only seat');
ok(TestScim::until_true(sub { called($app, 'PUT', qr{^/remind/}) == 2 }),
    'reminded as often as the policy says');
is($stack->states($id), 'ann:invited bob:waitlisted', '... still invited');
$stack->wait_is(sub { $stack->states($id) =~ /ann:expired/ ? 1 : 0 }, 1,
    'the invite runs out');
is(scalar(called($app, 'DELETE', qr{^/invites/})), 1,
    '... and is withdrawn in the app');
is(scalar(called($app, 'PUT', qr{^/remind/})), 2, '... no further reminder');
is(audit_of($id, 'ann'), 'pending invited removing expired',
    '... each step in the audit');
is($stack->request('GET', $link)->{status}, 410, '... the link is over');
$stack->wait_is(sub { $stack->states($id) }, 'ann:expired bob:invited',
    '... and the seat is free for the next one');

# ---- sent again from there -----------------------------------------------------------

my $again = $stack->admin('POST', "/apps/$id/members/$user{ann}/resend");
is($again->{status}, 200, 'sent again');
$stack->wait_is(sub { $stack->states($id) =~ /ann:waitlisted/ ? 1 : 0 }, 1,
    '... which takes a seat: none is free');
$stack->must('admin', 'PATCH', "/apps/$id", { seats => 5, invites => undef });
$stack->wait_is(sub { $stack->states($id) =~ /ann:invited/ ? 1 : 0 }, 1,
    '... until there is one');
my $path = $again->{json}{joinUrl} =~ s/^\Q$stack->{base}\E//r;
is($stack->request('GET', $path)->{status}, 200, '... with a good link');

# ---- another one, as often as the policy says ------------------------------------------

my ($other, $second) = started(name => 'Second', invites => {
    expireSeconds => 1, onExpiry => 'reinvite', reinviteMax => 1 });
$stack->share($second, "users/$user{cid}", 'editor');
$stack->wait_is(sub { $stack->states($second) }, 'cid:expired',
    'two invites run out');
is(audit_of($second, 'cid'),
    'pending invited removing pending invited removing expired',
    '... one after the other');
is(scalar(called($other, 'POST', qr{^/members})), 2, '... and that is all');

# ---- accepted in time -------------------------------------------------------------------

$stack->share($second, "users/$user{dee}", 'editor');
$stack->wait_is(sub { $stack->states($second) =~ /dee:invited/ ? 1 : 0 }, 1,
    'invited');
($member) = grep { $_->{email} =~ /^dee/ } $stack->grants($second);
HTTP::Tiny->new(max_redirect => 0)->post_form($member->{joinUrl},
    { step => 'accept' });
$stack->wait_is(sub { $stack->states($second) }, 'cid:expired dee:accepted',
    'who accepts is in');
my ($third, $clock) = started(name => 'Clock', invites => {
    expireSeconds => 1 });
$stack->share($clock, "users/$user{dee}", 'editor');
$stack->wait_is(sub { $stack->states($clock) }, 'dee:expired',
    'when another invite of the same person ran out');
is($stack->states($second), 'cid:expired dee:accepted', '... still in');

# ---- the invite was withdrawn too late ---------------------------------------------------

$stack->must('admin', 'PATCH', "/apps/$second", { connector => { list => {
    pendingStates => ['waits'] } } });
$other->put('cid@example.com', 'editor');
my $check = $stack->must('admin', 'POST', "/apps/$second/checks")->{id};
$stack->wait_is(sub { $stack->must('admin', 'GET',
    "/apps/$second/checks/$check")->{state} }, 'done', 'a check');
$stack->wait_is(sub { $stack->states($second) },
    'cid:accepted dee:accepted', '... finds who accepted all the same');

# a leaver who accepts in the app: removed again
$stack->set_active($user{cid}, 0);
$stack->wait_is(sub { $stack->states($second) }, 'dee:accepted', 'a leaver');
$other->put('cid@example.com', 'editor');
$stack->must('admin', 'PATCH', "/apps/$second", { checks => {
    everySeconds => 1, apply => JSON::PP::true } });
ok(TestScim::until_true(sub { !$other->members->{'cid@example.com'} }),
    '... who turns up again is removed again');
$stack->must('admin', 'PATCH', "/apps/$second", { checks => undef });

# ---- by mail -----------------------------------------------------------------------------

my $sink = MailSink->start("$stack->{base_dir}/mails");
my $mail = $stack->app({ type => 'email',
    server => "smtp://127.0.0.1:$sink->{port}", from => 'it@example.com',
    subject => 'Join', text => "Follow \${join.url}\n", remind => {
        subject => 'Again', text => "Still: \${join.url}\n" } },
    name => 'Mail', invites => { remindEverySeconds => 1, remindMax => 1,
        expireSeconds => 2 });
$stack->share($mail, "users/$user{dee}", 'editor');
$stack->wait_is(sub { $stack->states($mail) }, 'dee:expired',
    'an invite by mail runs out');
my @mails = map { $_->{data} } $sink->mails;
is(scalar @mails, 2, '... after one reminder');
like(decode_base64($mails[1] =~ s/^.*?\r?\n\r?\n//sr),
    qr{^Still: \Q$stack->{base}\E/join/}, '... with the link');
is(scalar @{ $stack->must('admin', 'GET', "/tasks?app=$mail&state=manual")
    ->{tasks} }, 0, '... and leaves no work for a person');

unlike($stack->logs, qr/user_function|nonexistent global/,
    'no function of the store failed');

$_->stop for $app, $other, $third, $sink;
$stack->done;
