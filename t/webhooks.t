#!/usr/bin/perl
# Outgoing webhooks: signed, filtered, tried again, by one sidecar at a time,
# lost by no crash, replayed by cursor.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use MockApp;
use Test::More;
use TestScim;
use WebhookReceiver;

my @secret = map { 'whsec_' . encode_base64($_ x 32, '') } qw(a b);
my $app = MockApp->start;
my $stack = TestScim->start(sidecars => 2);
my @file = map { "$stack->{dir}/webhook-$_" } 1, 2;
TestScim::write_file($file[$_], "$secret[$_]\n") for 0, 1;
my $receiver = WebhookReceiver->start(@secret);
my $other = WebhookReceiver->start($secret[0]);
my %user = map { $_ => $stack->user($_) } qw(ann bob cid dee eve fay);
my $id = $stack->app($app->connector);
my $second = $stack->app($app->connector, name => 'Second');

sub webhook {
    my ($url, %more) = @_;
    return $stack->must('admin', 'POST', '/webhooks', { url => $url,
        secret => "file:$file[0]", %more })->{id};
}


sub shown { return $stack->must('admin', 'GET', "/webhooks/$_[0]") }

sub patch {
    my ($hook, %change) = @_;
    return $stack->must('admin', 'PATCH', "/webhooks/$hook", \%change);
}


# Who is invited is told by three messages.
sub invite {
    my ($name) = @_;
    $stack->share($id, "users/$user{$name}");
    TestScim::until_true(sub { $stack->states($id) =~ /$name:invited/ });
}


sub remove {
    my ($name) = @_;
    $stack->must('admin', 'DELETE', "/apps/$id/shares/users/$user{$name}");
    TestScim::until_true(sub { $stack->states($id) !~ /$name:/ });
}


# how many messages came more than once; of this status, if given
sub repeated {
    my ($from, $status) = @_;
    my %count;
    $count{ $_->{id} }++ for grep { !$status || $_->{status} == $status }
        $from->messages;
    return scalar grep { $count{$_} > 1 } keys %count;
}

# what is told, to whom
my $hook = webhook($receiver->url);
my $filtered = webhook($other->url, events => [ 'grant.removed', 'hold.*' ],
    apps => [$id]);
invite('ann');
my $invited = 'grant.invited:1 grant.pending:1 task.done:1';
$stack->wait_is(sub { $receiver->types }, $invited, 'an invite is told');
my %by_type = map { $_->{type} => $_ } $receiver->messages;
my $message = $by_type{'grant.invited'};
is_deeply({ %{ $message->{data} }, cursor => '', why => '', txn => '' }, {
    workspace => 'demo', app => $id, user => $user{ann}, from => 'pending',
    to => 'invited', actor => 'sidecar', why => '', cursor => '', txn => '',
    share => "user:$user{ann}" },
    '... by ids and states');
is($message->{id}, "evt_demo_$message->{data}{cursor}",
    '... under the id of the entry');
like($message->{timestamp}, qr/^\d{4}-\d\d-\d\dT[\d:.]+Z$/, '... and a time');
is_deeply([ map { $_->{data}{kind} // '' } @by_type{qw(task.done)} ],
    ['invite'], '... the task, too');
is(join(' ', map { "$_->{signed}/$_->{signatures}" } $receiver->messages),
    '1/1 1/1 1/1', '... each signed');
ok(!(grep { abs($_->{age}) > 60 } $receiver->messages),
    '... with the time of the call');
unlike(join('', map { $_->{body} } $receiver->messages), qr/\@/,
    '... without an address');
is($other->types, '', 'who asked for something else is told nothing');
remove('ann');
$stack->wait_is(sub { $other->types }, 'grant.removed:1', '... but that');
$stack->share($second, "users/$user{ann}");
$stack->wait_is(sub { $stack->states($second) }, 'ann:invited',
    'another app');
$stack->must('admin', 'DELETE', "/apps/$second/shares/users/$user{ann}");
$stack->wait_is(sub { $receiver->types =~ /grant.removed:(\d)/ ? $1 : 0 }, 2,
    '... is told to who asked for all apps');
is($other->types, 'grant.removed:1', '... and to nobody else');
is(repeated($receiver), 0, 'two sidecars tell each thing once');

# a new secret, while the old one still counts
patch($hook, secret => "file:$file[1]", previousSecret => "file:$file[0]");
$receiver->forget;
invite('bob');
$stack->wait_is(sub { $receiver->types }, $invited, 'with two secrets');
is(join(' ', map { "$_->{signed}/$_->{signatures}" } $receiver->messages),
    '1 2/2 1 2/2 1 2/2', '... there are two signatures');
patch($hook, previousSecret => undef);

# a receiver that fails, asks to wait, or says nothing
$receiver->forget;
$receiver->rule({ times => 2, status => 500 });
$receiver->rule({ times => 1, status => 429,
    headers => { 'Retry-After' => 1 } });
invite('cid');
$stack->wait_is(sub { $receiver->types }, $invited,
    'what was not accepted is sent again');
my @tries = map { $_->{reason} // 'accepted' } grep { $_->{attempt} > 0 }
    @{ $stack->must('admin', 'GET', "/webhooks/$hook/deliveries?limit=6")
        ->{deliveries} };
is(join(' ', sort @tries), 'accepted accepted accepted answered 429 answered '
    . '500 answered 500', '... as its deliveries say');
$stack->wait_is(sub { shown($hook)->{retries} }, 0, '... nothing is left');

# a receiver that is not there, and one that never answers, delay nobody
my $dead = webhook('http://127.0.0.1:1/');
my $silent = WebhookReceiver->start($secret[0]);
$silent->rule({ times => 1000 });
my $hanging = webhook($silent->url);
$receiver->forget;
invite('dee');
$stack->wait_is(sub { $receiver->types }, $invited,
    'others are told while one is dead and one hangs');
TestScim::until_true(sub { shown($dead)->{failingSince} });
ok(shown($dead)->{enabled}, 'who is dead stays subscribed');
ok(shown($dead)->{retries} > 0, '... what is meant for it waits');
$stack->must('admin', 'DELETE', "/webhooks/$_") for $dead, $hanging;
is($stack->admin('GET', "/webhooks/$dead")->{status}, 404, 'deleted');

# a receiver that refuses one kind of message, for good, is told the others
my $picky = WebhookReceiver->start($secret[0]);
$picky->rule({ times => 1000, type => 'task.done', status => 400 });
my $pickier = webhook($picky->url);
my @some = map { $stack->user("s$_") } 1 .. 25;
my $some = $stack->group('Some', @some);
$stack->share($id, "teams/$some");
$stack->wait_is(sub { $picky->types }, 'grant.invited:25 grant.pending:25',
    'what is refused holds up nothing else');
ok(shown($pickier)->{retries} > 16, '... and waits');
is(repeated($picky, 204), 0, '... nor is anything told twice');
$stack->must('admin', 'DELETE', "/webhooks/$pickier");

# a receiver that is gone
$other->rule({ times => 1, status => 410 });
remove('dee');
$stack->wait_is(sub { shown($filtered)->{enabled} ? 1 : 0 }, 0,
    '410 switches it off');
like(shown($filtered)->{offReason}, qr/gone/, '... and says why');
$stack->wait_is(sub { $receiver->types =~ /webhook.disabled:1/ ? 1 : 0 }, 1,
    '... which others are told');
ok((grep { $_->{to} eq 'disabled' && $_->{why} =~ /$filtered.*410/ }
    @{ $stack->must('admin', 'GET', '/audit?limit=1000')->{entries} }),
    '... and the audit says');
is($stack->admin('POST', "/webhooks/$filtered/test")->{status}, 409,
    'it cannot be tested');
remove('cid');
$other->forget;
patch($filtered, enabled => JSON::PP::true);
$stack->wait_is(sub { $other->types }, 'grant.removed:2',
    'switched on again it is told what it missed');

# sidecars that die while they deliver
$receiver->forget;
$receiver->rule({ times => 1, type => 'grant.invited' });
invite('dee');
TestScim::until_true(sub { grep { $_->{status} == 0 } $receiver->messages });
$stack->signal_part($_, 'KILL') for qw(sidecar-1 sidecar-2);
$stack->wait_is(sub { $receiver->types }, $invited,
    'what a sidecar died over is told by the next one');
my @same = grep { $_->{type} eq 'grant.invited' } $receiver->messages;
is($same[0]{id}, $same[1]{id}, '... under the same id');
is($same[0]{body}, $same[1]{body}, '... and with the same words');

# many, over a crash: none is lost, repeated ones have their id
$receiver->forget;
my @many = map { $stack->user("m$_") } 1 .. 40;
my $team = $stack->group('Many', @many);
$stack->share($id, "teams/$team");
TestScim::until_true(sub { $receiver->messages >= 10 });
$stack->signal_part('sidecar-1', 'KILL');
my $told = sub {
    my %seen;
    $seen{"$_->{type} $_->{data}{user}"} = 1 for $receiver->messages;
    return scalar grep { $seen{"grant.invited $_"} } @many;
};
$stack->wait_is($told, 40, 'forty invites are told over a crash');
my %order;
for my $one (grep { $_->{type} =~ /^grant/ } $receiver->messages) {
    push @{ $order{ $one->{data}{user} } }, $one->{data}{to}
        unless grep { $_ eq $one->{data}{to} }
        @{ $order{ $one->{data}{user} } };
}
is(scalar(grep { "@$_" ne 'pending invited' } values %order), 0,
    '... to each person in their order');

# replay
my @entries = @{ $stack->must('admin', 'GET', '/audit?limit=1000')
    ->{entries} };
$receiver->forget;
my $answer = $stack->admin('POST', "/webhooks/$hook/replay",
    { after => '0-0' });
is($answer->{status}, 202, 'a replay');
is_deeply($answer->{json}, { after => '0-0', complete => JSON::PP::true },
    '... of everything');
my $again = sub { my %seen = map { $_->{data}{cursor} => 1 }
    grep { $_->{type} =~ /^grant/ } $receiver->messages;
    return scalar keys %seen };
my $changes = grep { $_->{user} ne '' } @entries;
$stack->wait_is($again, $changes, '... tells each change again');
$receiver->forget;
$stack->must('admin', 'POST', "/webhooks/$hook/replay",
    { after => $entries[-3]{id} });
$stack->wait_is($again, 2, '... or those behind an entry');
for my $bad (undef, {}, { after => 17 }, { after => 'x' }, { after => '17' },
    { after => '1-1-1' })
{
    is($stack->admin('POST', "/webhooks/$hook/replay", $bad)->{json}{error}
        {field}, 'after', 'not an entry');
}

# what is trimmed before it was delivered is said to be
patch($filtered, enabled => JSON::PP::false);
remove('bob');
remove('dee');
$stack->wait_is(sub { shown($hook)->{cursor} },
    $stack->redis('XREVRANGE', my $audit = audit_key(), '+', '-', 'COUNT',
        1)->[0][0], 'the other one is told');
$stack->redis('XTRIM', $audit, 'MAXLEN', 1);
patch($filtered, enabled => JSON::PP::true);
$stack->wait_is(sub { shown($filtered)->{gap} ? 1 : 0 }, 1,
    'entries that were trimmed too early');
like($stack->logs, qr/webhook $filtered: entries .* were trimmed/,
    '... are in the log');
is(shown($hook)->{gap}, undef, 'who had them has no gap');
is($stack->must('admin', 'POST', "/webhooks/$hook/replay", { after => '0-0' })
    ->{complete}, JSON::PP::false, 'a replay of what is not kept says so');

sub audit_key {
    my ($key) = grep { /:demo:audit$/ } @{ $stack->redis('KEYS',
        '*:demo:audit') };
    return $key;
}

# a removal that misses its target
$receiver->forget;
$stack->must('admin', 'PATCH', "/apps/$second", { revokeTargetSeconds => 1 });
$stack->share($second, "users/$user{fay}");
$stack->wait_is(sub { $stack->states($second) }, 'fay:invited', 'one more');
$app->rule({ method => 'DELETE', times => 3, status => 503 });
$stack->must('admin', 'DELETE', "/apps/$second/shares/users/$user{fay}");
$stack->wait_is(sub { $receiver->types =~ /revoke.late:(\d)/ ? $1 : 0 }, 1,
    'a removal that is late is told, once');
my ($late) = grep { $_->{type} eq 'revoke.late' } $receiver->messages;
is("$late->{data}{app} $late->{data}{user}", "$second $user{fay}",
    '... which one');

# by hand
my ($status, $out) = $stack->scimctl('webhook', 'test', $hook);
is($status, 0, 'scimctl webhook test');
like($out, qr/^ok: the receiver accepted it \(204\)/, '... says so');
$receiver->rule({ times => 1, status => 503 });
($status, $out) = $stack->scimctl('webhook', 'test', $hook);
is($status, 1, '... of one that fails');
like($out, qr/^FAILED: answered 503/, '... says why');
is($other->types !~ /webhook.test/, 1, '... is for one alone');
($status, $out) = $stack->scimctl('webhook', 'add', '--url', $other->url,
    '--secret', "file:$file[0]", '--events', 'task.failed,grant.*', '--app',
    'Second', '--json');
is($status, 0, 'scimctl webhook add');
my $made = decode_json($out);
is_deeply([ @$made{qw(events apps enabled)} ], [ [ 'task.failed', 'grant.*' ],
    [$second], JSON::PP::true ], '... as it was told to');
($status, $out) = $stack->scimctl('webhook', 'update', $made->{id},
    '--events', '*', '--json');
is_deeply(decode_json($out)->{events}, ['*'], 'scimctl webhook update');
($status, $out) = $stack->scimctl('webhook', 'disable', $made->{id}, '--json');
is(decode_json($out)->{offReason}, 'by an operator', '... disable');
($status, $out) = $stack->scimctl('webhook', 'list');
like($out, qr/$made->{id}/, '... list');
($status, $out) = $stack->scimctl('webhook', 'deliveries', $hook);
like($out, qr/webhook\.test\s+1\s+503\s+retry/, '... deliveries');
($status) = $stack->scimctl('webhook', 'replay', $hook, '--after', '0-0');
is($status, 0, '... replay');
($status) = $stack->scimctl('webhook', 'delete', $made->{id});
is($status, 0, '... delete');

# what is refused
for my $case (
    [ url => url => undef ], [ url => url => 'ftp://example.com' ],
    [ url => url => 'http://example.com/' ],
    [ url => url => 'https://example.com/?key=1' ],
    [ url => url => 'https://user@example.com/' ],
    [ url => url => 'https://169.254.169.254/' ],
    [ url => url => 'https://0xa9fea9fe/' ],
    [ url => url => 'https://[::ffff:169.254.169.254]/' ],
    [ url => url => 'https://10.0.0.1/' ],
    [ secret => secret => undef ], [ secret => secret => $secret[0] ],
    [ secret => secret => 'file:/etc/../etc/passwd' ],
    [ previousSecret => previousSecret => 'literal' ],
    [ 'events[1]' => events => [ 'grant.*', 'grant.nothing' ] ],
    [ 'events[0]' => events => [ 'g*' ] ], [ events => events => 'grant.*' ],
    [ events => events => [] ], [ 'apps[0]' => apps => [ 'no app' ] ],
    [ apps => apps => [ $user{ann} ] ], [ enabled => enabled => 'yes' ],
    [ nothing => nothing => 1 ])
{
    my ($field, $name, $value) = @$case;
    $answer = $stack->admin('POST', '/webhooks', { url => $other->url,
        secret => "file:$file[0]", $name => $value });
    is("$answer->{status} " . ($answer->{json}{error}{field} // ''),
        "400 $field", "$name => " . encode_json([ $value ]));
}
unlike($stack->admin('POST', '/webhooks', { url => $other->url, secret =>
    $secret[0] })->{content}, qr/$secret[0]/, 'a literal is not repeated');
is($stack->admin($_->[0], "/webhooks/$user{ann}$_->[1]", $_->[2])->{status},
    404, "$_->[0] $_->[1] of an unknown one") for [ GET => '' ],
    [ PATCH => '', {} ], [ DELETE => '' ], [ POST => '/test' ],
    [ POST => '/replay', { after => '0-0' } ], [ GET => '/deliveries' ];
my ($viewer) = ($stack->scimctl(qw(token create --role viewer)))[1] =~ /(\S+)/;
is($stack->admin('GET', '/webhooks', undef, token => $viewer)->{status}, 403,
    'a viewer sees none');
my $page = $stack->must('admin', 'GET', '/webhooks?limit=1');
is(scalar @{ $page->{webhooks} }, 1, 'a page');
$page = $stack->must('admin', 'GET', "/webhooks?cursor=$page->{nextCursor}");
is($page->{webhooks}[0]{id}, $filtered, '... and the next one');
$stack->admin('POST', '/webhooks', { url => $other->url, secret =>
    "file:$file[0]" }) for 1 .. 18;
is($stack->admin('POST', '/webhooks', { url => $other->url, secret =>
    "file:$file[0]" })->{status}, 409, 'more than twenty are refused');

unlike($stack->redis_dump . $stack->logs, qr/\Q$secret[0]\E|\Q$secret[1]\E/,
    'the secrets are neither in Redis nor in the logs');

$_->stop for $app, $receiver, $other, $silent, $picky;
$stack->done;
