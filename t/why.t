#!/usr/bin/perl
# One person in one app, explained in one screen; and what a change of shares
# would do, before it is done.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MockApp;
use Test::More;
use TestScim;

my $json = JSON::PP->new->utf8;
my $app = MockApp->start;
my $stack = TestScim->start;
my %user = map { $_ => $stack->user($_) } qw(ann bob cid dan eve);
my $inner = $stack->group('Inner', @user{qw(ann bob)});
my $team = $stack->group('Outer', $inner);
my $id = $stack->app($app->connector, name => 'Ads', seats => 3);
$stack->share($id, "teams/$team", 'editor');
$stack->share($id, "users/$user{ann}", 'viewer', 'owner');
$stack->wait_is(sub { $stack->states($id) }, 'ann:invited bob:invited',
    'two are in');

sub why {
    my ($name) = @_;
    return $stack->must('admin', 'GET', "/apps/$id/members/$user{$name}");
}


sub ctl {
    my ($status, $out, $error) = $stack->scimctl(@_, '--json');
    is("$status$error", '0', "scimctl @_");
    return $json->decode($out);
}


# ---- why ----
my $why = why('ann');
is_deeply({ map { $_ => $why->{$_} } qw(userName state role accessRole
    appliedRole appName) }, { userName => 'ann@example.com',
    state => 'invited', role => 'owner', accessRole => 'editor',
    appliedRole => 'editor', appName => 'Ads' }, 'what somebody has');
my ($gives) = grep { $_->{gives} } @{ $why->{sources} };
is_deeply({ map { $_ => $gives->{$_} } qw(type id name membership path by) },
    { type => 'team', id => $team, name => 'Outer', membership => 'nested',
        path => [qw(Inner Outer)], by => 'admin-token' },
    '... by which share, and how they are in its team');
is(scalar @{ $why->{sources} }, 2, '... and what else would give it');
is_deeply($why->{seat}, { held => JSON::PP::true, inUse => 2, waiting => 0,
    limit => 3 }, '... the seat');
is(join(' ', map { "$_->{from}>$_->{to}" } @{ $why->{history} }),
    '>pending pending>invited', '... and the history');
is_deeply(ctl('why', 'ann@example.com', 'Ads'), $why, 'scimctl says the same');
my ($status, $text) = $stack->scimctl('why', 'ann@example.com', 'Ads');
like($text, qr/^because of  the share with team "Outer": collaborator, editor, in it by "Inner" > "Outer"; shared by admin-token/m,
    '... in words for people');
like($text, qr/pending +invited/, '... with the history');
is($stack->admin('GET', "/apps/$id/members/$user{eve}")->{status}, 404,
    'who never had it');
is($stack->admin('GET', "/apps/$user{eve}/members/$user{ann}")->{status}, 404,
    'an app that is not there');

# in line for a seat
$stack->share($id, "users/$user{cid}", 'viewer');
$stack->wait_is(sub { $stack->states($id) =~ /cid:(\w+)/ && $1 }, 'invited',
    'the last seat');
$stack->share($id, "users/$user{dan}", 'viewer');
$stack->wait_is(sub { $stack->states($id) =~ /dan:(\w+)/ && $1 },
    'waitlisted', 'one waits');
is(why('dan')->{seat}{place}, 1, '... as number one in line');

# a task that fails is in it, with the answer
$app->rule({ method => 'PATCH', status => 400, body => '{"no":"role"}' });
$stack->share($id, "users/$user{cid}", 'admin');
ok(TestScim::until_true(sub { (why('cid')->{task} // {})->{state}
    && why('cid')->{task}{state} eq 'failed' }), 'a call that was refused');
is_deeply(why('cid')->{task}{answer}, { status => 400,
    body => '{"no":"role"}' }, '... with what the app answered');
$app->forget_rules;

# ---- plan ----
sub before_and_after {
    my ($do) = @_;
    my @keys = sort grep { !/:dirty$|:dataset$/ } @{ $stack->redis('KEYS',
        '*') };
    my $before = join "\n", map { $_ . $stack->redis('DUMP', $_) } @keys;
    my $answer = $do->();
    my @after = sort grep { !/:dirty$|:dataset$/ } @{ $stack->redis('KEYS',
        '*') };
    ok($before eq join("\n", map { $_ . $stack->redis('DUMP', $_) } @after),
        '... and nothing was written');
    return $answer;
}


my $plan = before_and_after(sub { ctl('plan', 'share', 'Ads', 'team:Inner',
    '--role', 'collaborator', '--access-role', 'admin') });
is_deeply([ map { "$_->{userName} $_->{what} $_->{accessRole}" }
    @{ $plan->{rows} } ], [ 'ann@example.com role admin',
    'bob@example.com role admin' ], 'a share would change two roles');
is_deeply($plan->{counts}, { role => 2 }, '... and counts them');
is(scalar(grep { /PATCH (?:ann|bob)/ } $app->story), 0,
    '... the app heard nothing');

# as planned, unless something changed
my @share = ('share', 'Ads', 'team:Inner', '--role', 'collaborator',
    '--access-role', 'admin');
($status, undef, my $error) = $stack->scimctl('plan', @share, '--apply',
    'f' x 64);
is($status, 1, 'another hash');
like($error, qr/nothing was done/, '... does nothing');
$stack->scimctl('plan', @share, '--apply', $plan->{hash});
$stack->wait_is(sub { join ' ', grep { /ann|bob/ } split / /, $app->roles },
    'ann:admin bob:admin', 'applied, it does what it said');
$plan = ctl('plan', 'unshare', 'Ads', 'team:Outer');
$stack->add_members($inner, $user{eve});
$stack->wait_is(sub { $stack->states($id) =~ /eve:(\w+)/ && $1 },
    'waitlisted', 'the facts change');
($status) = $stack->scimctl('plan', 'unshare', 'Ads', 'team:Outer',
    '--apply', $plan->{hash});
is($status, 1, 'a stale plan is refused');
is(scalar(grep { $_->{type} eq 'team' } @{ ctl('shares', 'Ads')->{shares} }),
    2, '... and the share is still there');

# seats, the guard, the end of an app
my $definition = $stack->must('admin', 'GET', "/apps/$id");
my $file = "$stack->{base_dir}/app.json";
sub definition {
    my (%change) = @_;
    my %new = (%$definition, %change);
    delete @new{grep { !defined $new{$_} } keys %new};
    TestScim::write_file($file, $json->encode(\%new));
    return ('plan', 'app', 'update', 'Ads', '-f', $file);
}


is_deeply([ map { "$_->{userName} $_->{what}" } @{ ctl(definition(
    seats => 4))->{rows} } ], ['dan@example.com invite'],
    'one seat more: the first in line');
is(scalar @{ ctl(definition(seats => 5))->{rows} }, 2, 'two: both');
is_deeply(ctl(definition(seats => undef, guard => { count => 0,
    percent => 0 }))->{counts}, { invite => 2 }, 'no limit');
$stack->must('admin', 'PATCH', "/apps/$id", { guard => { count => 1,
    percent => 0 } });
$plan = ctl('plan', 'unshare', 'Ads', 'team:Inner');
ok(!$plan->{guard}{held}, 'one share of two: nobody loses it');
is_deeply(ctl('plan', 'app', 'delete', 'Ads')->{counts}, { forget => 5 },
    'an app that is deleted: nothing is called');
my $big = $stack->app($app->connector, name => 'Big', guard => { count => 1,
    percent => 0 });
$stack->share($big, "teams/$inner", 'viewer');
$stack->wait_is(sub { $stack->states($big) },
    'ann:invited bob:invited eve:invited', 'three in another app');
$plan = ctl('plan', 'unshare', 'Big', 'team:Inner');
ok($plan->{guard}{held}, 'three of them at once');
is_deeply($plan->{counts}, { hold => 3 }, '... would be held');
my ($fails) = $stack->scimctl('plan', 'share', 'Ads', 'team:Inner', '--role',
    'owner', '--access-role', 'emperor');
is($fails, 1, 'an access role that the app does not have');
$app->stop;
$stack->done;
