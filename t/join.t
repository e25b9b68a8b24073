#!/usr/bin/perl
# The invited person's page: its steps, its codes, and who may see them.
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

my $app = MockApp->start;
my $stack = TestScim->start;
my %user = map { $_ => $stack->user($_) } qw(ann bob cid);
$user{eve} = $stack->user('eve',
    displayName => q(<script>alert("1")</script> & 'co'));
my $id = $stack->app($app->connector, name => 'Paint & <b>Draw</b>');
$stack->share($id, "users/$user{$_}", 'editor') for qw(ann bob);
$stack->share($id, "users/$user{eve}", 'admin', 'owner');
$stack->wait_is(sub { $stack->states($id) },
    'ann:invited bob:invited eve:invited', 'three people are invited');

sub members {
    my (%option) = @_;
    return map { ($_->{email} =~ s/\@.*//r => $_) }
        @{ $stack->must('admin', 'GET', "/apps/$id/members?limit=1000",
            undef, %option)->{members} };
}


# The path of a person's link, or undef.
sub link_of {
    my ($name) = @_;
    my %member = members();
    my $url = $member{$name}{joinUrl} // return undef;
    return $url =~ s/^\Q$stack->{base}\E//r;
}


sub get { return $stack->request('GET', @_) }

# Presses a button; what the redirect leads to is not followed.
sub step {
    my ($path, $step, %option) = @_;
    my $http = HTTP::Tiny->new(timeout => 60, max_redirect => 0);
    return $http->request($option{method} // 'POST', "$stack->{base}$path", {
        headers => { 'Content-Type' => 'application/x-www-form-urlencoded' },
        content => $option{body} // "step=$step" });
}


sub state_of {
    my ($name) = @_;
    my %member = members();
    return $member{$name}{state};
}


sub audited {
    my ($name, $pattern) = @_;
    return grep { ($_->{user} // '') eq $user{$name}
        && $_->{why} =~ $pattern }
        @{ $stack->must('admin', 'GET', '/audit?limit=1000')->{entries} };
}


# ---- who sees the links --------------------------------------------------------

my $ann = link_of('ann');
like($ann, qr{^/join/\d{3}[\w-]{32}$}, 'a link of 192 random bits');
isnt(link_of('bob'), $ann, '... each person has their own');
for my $role (qw(owner admin viewer)) {
    my $token = $stack->must('admin', 'POST', '/tokens', {
        role => $role, name => $role })->{secret};
    my %member = members(token => $token);
    is(exists $member{ann}{joinUrl} ? 1 : 0, $role eq 'viewer' ? 0 : 1,
        "the role $role sees links, or not");
}

# ---- the page --------------------------------------------------------------------

my $page = get($ann);
is($page->{status}, 200, 'the page');
is($page->{headers}{'content-type'}, 'text/html; charset=utf-8', '... HTML');
for my $header (['cache-control', qr/^no-store$/],
    ['referrer-policy', qr/^no-referrer$/], ['x-frame-options', qr/^DENY$/],
    ['content-security-policy', qr/default-src 'none'.*form-action 'self'/])
{
    like($page->{headers}{ $header->[0] } // '', $header->[1],
        "... $header->[0]");
}
like($page->{content}, qr/Paint &amp; &lt;b&gt;Draw&lt;\/b&gt;/,
    '... names the app');
like($page->{content}, qr/Ann Example/, '... the person');
like($page->{content}, qr/ann\@example\.com/, '... the address');
like($page->{content}, qr/<strong>editor</, '... the role');
like($page->{content}, qr/value="accept"/, '... and what to do next');
unlike($page->{content}, qr/<script|<b>|src=|href=/,
    '... without script and without anything from elsewhere');
my $eve = get(link_of('eve'))->{content};
unlike($eve, qr/<script/, 'a name that is markup');
like($eve, qr/&lt;script&gt;alert\(&quot;1&quot;\)&lt;\/script&gt; &amp; &#39;co/,
    '... is shown as it is');
like($eve, qr/as one of its owners/, 'an owner is told so');
is($stack->request('HEAD', $ann)->{status}, 200, 'HEAD');

# ---- the steps --------------------------------------------------------------------

my $answer = step($ann, 'connect');
is($answer->{status}, 303, 'a step out of turn');
is(state_of('ann'), 'invited', '... changes nothing');
$answer = step($ann, 'accept');
is($answer->{status}, 303, 'accept');
is($answer->{headers}{location}, "$stack->{base}$ann", '... back to the page');
is(state_of('ann'), 'accepted', '... accepted');
step($ann, 'accept');
is(scalar(my @once = audited('ann', qr/accepted the invite/)), 1,
    '... once, however often');
is($once[0]{actor}, "user:$user{ann}", '... by the person');
is("$once[0]{from} $once[0]{to}", 'invited accepted', '... from, to');
like(get($ann)->{content}, qr/value="account"/, 'the next step');
step($ann, 'account') for 1 .. 2;
is(state_of('ann'), 'accepted', 'an account is no connection yet');
is(scalar(audited('ann', qr/account exists/)), 1, '... but it is noted');
like(get($ann)->{content}, qr/value="connect"/, '... and remembered');
step($ann, 'connect') for 1 .. 2;
is(state_of('ann'), 'connected', 'connected');
is(link_of('ann'), undef, '... the link is shown no more');
like(get($ann)->{content}, qr/You are in Paint/, '... but it says so');
unlike(get($ann)->{content}, qr/<form/, '... and there is nothing to press');
is(step($ann, 'accept')->{status}, 303, '... nor to undo');
is(state_of('ann'), 'connected', '... at all');
is(scalar(grep { $_->{method} eq 'POST' && $_->{email} =~ /^ann/ }
    $app->calls), 1, 'the app was asked once');

# ---- what is wrong -----------------------------------------------------------------

my $bob = link_of('bob');
is(get("/join/$_")->{status}, 404, "unknown: $_") for 'x', '000' . 'A' x 32,
    '999' . 'A' x 32, substr($bob, 6) . '/', uc substr($bob, 6), '';
is(get('/join/000' . 'A' x 32)->{headers}{'content-type'},
    'text/html; charset=utf-8', '... as a page');
is(step('/join/000' . 'A' x 32, 'accept')->{status}, 404, '... to press, too');
$answer = step($bob, 'accept', method => 'PUT');
is($answer->{status}, 405, 'another method');
is($answer->{headers}{allow}, 'GET, HEAD, POST', '... says which ones');
is(step($bob, '', body => $_)->{status}, 400, "a form with $_")
    for 'step=remove', 'x=accept', 'step=acceptance', '';
is(step($bob, '', body => 'step=accept&x=' . 'y' x 5000)->{status}, 413,
    'a form that is too large');
is(state_of('bob'), 'invited', '... nothing happened');

# ---- sent again, revoked ----------------------------------------------------------------

$answer = $stack->admin('POST', "/apps/$id/members/$user{bob}/resend");
is($answer->{status}, 200, 'sent again');
my $again = link_of('bob');
is($answer->{json}{joinUrl}, "$stack->{base}$again", '... with a new link');
isnt($again, $bob, '... another one');
is(get($bob)->{status}, 404, '... the old one leads nowhere');
is(get($again)->{status}, 200, '... the new one does');
$stack->wait_is(sub { scalar grep { $_->{method} eq 'POST'
    && $_->{email} =~ /^bob/ } $app->calls }, 2, '... and the app is asked');
$stack->wait_is(sub { state_of('bob') }, 'invited', '... again');
is(link_of('bob'), $again, '... which keeps the link');
is($stack->admin('POST', "/apps/$id/members/$user{ann}/resend")->{status}, 409,
    'nothing to send to who is in');
is($stack->admin('POST', "/apps/$id/members/$user{cid}/$_")->{status}, 404,
    "$_: not a member") for qw(resend revoke);
is($stack->admin('POST', "/apps/none/members/$user{bob}/$_")->{status}, 404,
    "$_: no app") for qw(resend revoke);
my $viewer = $stack->must('admin', 'POST', '/tokens', {
    role => 'viewer', name => 'v' })->{secret};
is($stack->admin('POST', "/apps/$id/members/$user{bob}/$_", undef,
    token => $viewer)->{status}, 403, "$_: not for viewers")
    for qw(resend revoke);
is($stack->admin('POST', "/apps/$id/members/$user{bob}/revoke")->{status},
    204, 'revoked');
is(get($again)->{status}, 404, '... the link leads nowhere');
is(link_of('bob'), undef, '... and is shown nowhere');
is(state_of('bob'), 'invited', '... the invite in the app stays');
is($stack->admin('POST', "/apps/$id/members/$user{bob}/revoke")->{status},
    404, '... once');
my ($status, $out) = $stack->scimctl('invite', 'resend', $id,
    'bob@example.com');
is($status, 0, 'scimctl invite resend');
like($out, qr/\Q$stack->{base}\E\/join\//, '... prints the link');
$stack->wait_is(sub { state_of('bob') }, 'invited', '... invited again');

# ---- acceptance after the removal is undone --------------------------------------------

$bob = link_of('bob');
$app->rule({ method => 'DELETE', times => 1, then => 'hang' });
$stack->set_active($user{bob}, 0);
ok(TestScim::until_true(sub { get($bob)->{status} == 410 }),
    'a leaver: the link is over');
is(step($bob, 'accept')->{status}, 410, '... also to press');
like(get($bob)->{content}, qr/This invitation is over/, '... says the page');
is(scalar(audited('bob', qr/accepted the invite/)), 0,
    '... and nothing is accepted');

# ---- ${join.url}, before the invite is through --------------------------------------------

my $sink = MailSink->start("$stack->{base_dir}/mails");
my $mail = $stack->app({ type => 'email',
    server => "smtp://127.0.0.1:$sink->{port}", from => 'it@example.com',
    subject => 'Join', text => "Follow \${join.url}\n" }, name => 'Mail');
$stack->share($mail, "users/$user{cid}", 'editor');
ok(TestScim::until_true(sub { $sink->mails }), 'an invite by mail');
my ($letter) = $sink->mails;
my $text = decode_base64($letter->{data} =~ s/^.*?\r?\n\r?\n//sr);
my ($cid) = $text =~ m{Follow \Q$stack->{base}\E(/join/\S+)};
ok(defined $cid, '... has the link') or diag($text);
is(step($cid, 'accept')->{status}, 303, '... which works at once');
$stack->wait_is(sub { $stack->states($mail) }, 'cid:accepted',
    '... whoever was faster');

# ---- nothing of a link in the logs ---------------------------------------------------------

my $logs = $stack->logs;
ok(index($logs, substr $_, 6) < 0, 'a link is in no log')
    for $ann, $again, $bob, $cid;

$app->stop;
$stack->done;
