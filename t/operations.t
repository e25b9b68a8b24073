#!/usr/bin/perl
# What an operator does when something looks wrong: scimctl resync, replay,
# top, doctor.
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
my %user = map { $_ => $stack->user($_) } qw(ann bob cid dan);
my $inner = $stack->group('Inner', @user{qw(cid)});
my $team = $stack->group('Outer', @user{qw(ann bob)}, $inner);
my $id = $stack->app($app->connector, name => 'Ads', seats => 3);
$stack->share($id, "teams/$team", 'editor');
$stack->wait_is(sub { $stack->states($id) },
    'ann:invited bob:invited cid:invited', 'three are in');
$stack->share($id, "users/$user{dan}", 'admin', 'owner');
$stack->wait_is(sub { $stack->states($id) =~ /dan:(\w+)/ && $1 },
    'waitlisted', '... one waits');

sub ctl {
    my ($status, $out, $error) = $stack->scimctl(@_, '--json');
    is("$status$error", '0', "scimctl @_");
    return $json->decode($out);
}


# Everything but the log and what counts it: key -> contents.
sub data_set {
    return { map { $_ => $stack->redis('DUMP', $_) } grep {
        !/:(?:events|dataset|dirty|causes)$/ } @{ $stack->redis('KEYS', '*') } };
}


# The keys that differ.
sub differences {
    my ($before, $after) = @_;
    my %keys = (%$before, %$after);
    return join ' ', sort grep { ($before->{$_} // '') ne ($after->{$_} // '') }
        keys %keys;
}


sub resync {
    my $done = () = $stack->logs =~ /looked at once more/g;
    ctl('resync');
    ok(TestScim::until_true(sub {
        $done < (() = $stack->logs =~ /looked at once more/g)
            && !grep { $stack->redis('EXISTS', sprintf 'scim:{%03d}:dirty', $_)
            } 0 .. 127 }), '... is done');
}


# where all is right nothing changes
my $before = data_set();
my $calls = () = $app->calls;
resync();
is(differences($before, data_set()), '', 'nothing changed');
is(scalar(() = $app->calls), $calls, '... and the app heard nothing');

# a damaged one is repaired
my ($shard) = map { /^(scim:\{\d+\}:demo:)/ ? $1 : () } keys %$before;
$stack->redis('DEL', "${shard}user:$user{ann}:groups");
$stack->redis('ZREM', "${shard}team:$team:members", @user{qw(bob cid)});
$stack->redis('ZREM', "${shard}user:$user{ann}:teams", $team);
$stack->redis('ZADD', "${shard}team:$team:members", 0, $user{dan});
$stack->redis('DEL', "${shard}team:$inner");
$stack->redis('ZREM', "${shard}teams", $inner);
$stack->redis('ZREM', "${shard}app:$id:seated", $user{ann});
$stack->redis('ZREM', "${shard}app:$id:grants", $user{bob});
$stack->redis('ZADD', "${shard}app:$id:seated", 0, $user{dan});
isnt(differences($before, data_set()), '', 'damage was done');
resync();
my %ignored = map { ("${shard}$_" => 1) } "team:$inner", 'audit',
    "app:$id:suspects", "app:$id:limits";
is(join(' ', grep { !$ignored{$_} } split / /, differences($before,
    data_set())), '', '... and repaired');
is($app->roles, 'ann:editor bob:editor cid:editor',
    '... and the app has the same people');

# replay: events that are still kept, dead ones, failed tasks
is(ctl('replay', '--from', '0')->{replayed} >= 0, 1, 'events once more');
$stack->redis('XADD', $shard =~ s/demo:$/dead/r, '*', 'id', '1-1', 'ws',
    'demo', 'op', 'user.patched', 'type', 'user', 'v', 1, 'data', '{}',
    'about', $user{ann});
is(ctl('replay', '--dead')->{replayed}, 1, 'an event that was set aside');
is($stack->redis('XLEN', $shard =~ s/demo:$/dead/r), 0, '... is no longer');
$app->rule({ method => 'PATCH', status => 400, body => '{}' });
$stack->share($id, "users/$user{ann}", 'admin');
ok(TestScim::until_true(sub { $stack->must('admin', 'GET', '/stats')
    ->{tasks}{failed} }), 'a task fails');
my $top = ctl('top');
is_deeply([ map { "$_->{app} $_->{failed}" } @{ $top->{troubles} } ],
    ['Ads 1'], 'top names the app that has trouble');
is($top->{seats}{waiting}, 1, '... and who waits');
$app->forget_rules;
is(ctl('replay', '--failed', '--app', 'Ads')->{retried}, 1,
    'failed tasks once more');
$stack->wait_is(sub { $app->roles =~ /ann:(\w+)/ && $1 }, 'admin',
    '... and done');
my ($status, $text) = $stack->scimctl('top');
like($text, qr/^workspace demo: 4 users/, 'top is for people, too');
is(($stack->scimctl('replay'))[0], 2, 'replay of nothing');
is($stack->admin('POST', '/replay', { from => 'yesterday' })->{status}, 400,
    'an id that is none');

# doctor
my ($healthy, $out) = $stack->scimctl('doctor', '--json');
my $report = $json->decode($out);
is_deeply([ map { "$_->{about}: $_->{found}" } grep { $_->{state} eq 'wrong' }
    @{ $report->{checks} } ], [], 'doctor finds nothing wrong');
is($healthy, 0, '... and says so');
ok((grep { $_->{about} eq 'app Ads' && $_->{state} eq 'ok' }
    @{ $report->{checks} }), '... it reached the app');
$stack->redis(qw(CONFIG SET maxmemory-policy allkeys-lru));
$app->rule({ method => 'GET', status => 401, body => '{}' });
($status, $out) = $stack->scimctl('doctor', '--json');
is($status, 1, 'a setting that loses data, an app that refuses: status 1');
my @wrong = grep { $_->{state} eq 'wrong' } @{ $json->decode($out)
    ->{checks} };
is(join(', ', sort map { $_->{about} } @wrong), 'app Ads, redis settings',
    '... both are named');
like((grep { $_->{about} eq 'redis settings' } @wrong)[0]{advice},
    qr/noeviction/, '... with what to do');
$app->stop;
$stack->done;
