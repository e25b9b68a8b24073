#!/usr/bin/perl
# How calls get through to apps: those that are down, that refuse a credential
# or a person, that have a limit; the order for one person.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use MockApp;
use Test::More;
use TestScim;

my $stack = TestScim->start(sidecars => 2);
my @apps;

# A mock app and its id, with a team of so many people who share it.
sub team_app {
    my ($name, $count, %more) = @_;
    my $app = MockApp->start;
    push @apps, $app;
    my $connector = $app->connector(%{ delete $more{connector} // {} });
    my $id = $stack->app($connector, name => $name, %more);
    my @people = map { $stack->user("$name$_") } 1 .. $count;
    my $team = $stack->group($name, @people);
    return ($app, $id, $team, @people);
}


sub delivery { return $stack->must('admin', 'GET', "/apps/$_[0]")->{delivery} }

sub count_states {
    my ($id, $state) = @_;
    return scalar grep { $_->{state} eq $state } $stack->grants($id);
}


sub tasks {
    my ($id, $state) = @_;
    return @{ $stack->must('admin', 'GET', "/tasks?app=$id&state=$state")
        ->{tasks} };
}


sub nothing_twice {
    my ($app, $name) = @_;
    my %effects;
    $effects{"$_->{method} $_->{email}"}++ for grep { $_->{effect} }
        $app->calls;
    is_deeply([ grep { $effects{$_} > 1 } keys %effects ], [], $name);
}

# an app that worked and is down: a few calls find out, all others wait
my ($app, $id, $team) = team_app('down', 40,
    limits => { maxAttempts => 2, concurrency => 4 });
$stack->share($id, 'users/' . $stack->user('first'), 'viewer');
$stack->wait_is(sub { count_states($id, 'invited') }, 1, 'an app that works');
$app->rule({ status => 500 });
$stack->share($id, "teams/$team", 'viewer');
$stack->wait_is(sub { delivery($id)->{state} }, 'down', 'an app that fails');
like(delivery($id)->{why}, qr/500/, '... it is said why');
my ($down) = grep { $_->{app} eq $id } @{ $stack->must('admin', 'GET',
    '/stats')->{appsDown} };
ok($down && $down->{downSince} > 1e12, '... and since when, in /stats');
# two probes later: they are further apart each time
my $before = () = $app->calls;
TestScim::until_true(sub { $app->calls >= $before + 2 }, 30);
cmp_ok(scalar($app->calls), '<=', 16, '... few calls for 40 people');
is(count_states($id, 'pending'), 40, '... everybody waits');
is(scalar(tasks($id, 'failed')), 0, '... nobody is given up');
is(scalar(grep { /app $id is down/ } split /\n/, $stack->logs), 1,
    '... the log says so once');
$app->forget_rules;
$stack->wait_is(sub { count_states($id, 'invited') }, 41,
    '... and when it is back, everybody is in');
is(scalar(keys %{ $app->members }), 41, '... really');
is(delivery($id)->{state}, 'up', '... it is up');
nothing_twice($app, '... nobody was invited twice');

# one that refuses the credential, until that is replaced
my $secret = "$stack->{base_dir}/secret";
TestScim::write_file($secret, "wrong\n");
chmod 0600, $secret;
($app, $id, $team) = team_app('key', 20, limits => { maxAttempts => 1 },
    connector => { auth => { bearer => "file:$secret" } });
$app->control('token', { token => 'right' });
$stack->share($id, "teams/$team", 'viewer');
$stack->wait_is(sub { delivery($id)->{state} }, 'down',
    'an app that refuses the credential');
like(delivery($id)->{why}, qr/credential/, '... and why');
is(scalar(tasks($id, 'failed')), 0, '... no dead letters');
TestScim::write_file($secret, "right\n");
$stack->signal_part($_, 'HUP') for qw(sidecar-1 sidecar-2);
$stack->wait_is(sub { count_states($id, 'invited') }, 20,
    '... with another secret, and SIGHUP, everybody is in');
nothing_twice($app, '... once');

# one person is refused, others are not: that is an answer
($app, $id, $team) = team_app('one', 10);
$app->rule({ method => 'POST', email => 'one3@example.com', status => 403,
    body => '{"error":"guests only"}' });
$stack->share($id, "teams/$team", 'viewer');
$stack->wait_is(sub { count_states($id, 'invited') }, 9,
    'where one person is refused, the others are in');
my $more = $stack->user('one11');
$stack->add_members($team, $more);
$stack->wait_is(sub { count_states($id, 'failed') }, 1,
    '... and the one is a dead letter');
is((tasks($id, 'failed'))[0]{answer}{body}, '{"error":"guests only"}',
    '... with the answer');
is(delivery($id)->{state}, 'up', '... of an app that is up');

# a limit, with two sidecars
($app, $id, $team) = team_app('rate', 30,
    limits => { ratePerSecond => 10, burst => 5, concurrency => 20 });
$stack->share($id, "teams/$team", 'viewer');
$stack->wait_is(sub { count_states($id, 'invited') }, 30,
    'an app with a limit');
my @at = sort { $a <=> $b } map { $_->{at} } $app->calls;
my $over = 0;
for my $i (0 .. $#at) {
    for my $j ($i + 1 .. $#at) {
        my $calls = $j - $i + 1 - 5 - 10 * ($at[$j] - $at[$i]);
        $over = $calls if $calls > $over;
    }
}
cmp_ok($over, '<=', 4, '... that all sidecars together hold to');

# what an app says of its limit is heeded without a refusal
($app, $id, $team) = team_app('told', 30);
$app->control('window', { limit => 10, seconds => 2 });
$stack->share($id, "teams/$team", 'viewer');
$stack->wait_is(sub { count_states($id, 'invited') }, 30,
    'an app that says its limit in headers');
cmp_ok(scalar(grep { $_->{status} == 429 } $app->calls), '<=', 16,
    '... refuses few calls');
is(scalar(tasks($id, 'failed')), 0, '... and nobody for good');
nothing_twice($app, '... nothing twice');

# a task is claimed by the call that made it or that ended the one before
my $people = 40;
($app, $id, $team) = team_app('many', $people, limits => { concurrency => 4 });
$stack->redis(qw(CONFIG SET slowlog-max-len 100000));
$stack->redis(qw(CONFIG SET slowlog-log-slower-than 0));
$stack->share($id, "teams/$team", 'viewer');
$stack->wait_is(sub { count_states($id, 'invited') }, $people,
    'a team at once');
$stack->redis(qw(CONFIG SET slowlog-log-slower-than -1));
my %count;
$count{ $_->[3][1] =~ /^scim_[0-9a-f]+_(\w+)$/ ? $1 : '' }++
    for grep { @{ $_->[3] } > 1 } @{ $stack->redis('SLOWLOG', 'GET', 100000) };
cmp_ok($count{task_finish}, '>=', $people, '... each ends');
cmp_ok($count{task_claim} // 0, '<', $people / 2,
    '... and few are claimed by calls of their own');
nothing_twice($app, '... nothing twice');

# in, out, in: what is wanted last is what is there
($app, $id, $team, my $person) = team_app('flip', 1);
$app->rule({ delay => 0.02 });
$stack->share($id, "teams/$team", 'viewer');
for (1 .. 30) {
    $stack->remove_member($team, $person);
    $stack->add_members($team, $person);
}
$stack->remove_member($team, $person);
$stack->wait_is(sub { $stack->states($id) }, '', 'in and out, at last out');
is($app->roles, '', '... really');
my @story = map { $_->{method} } grep { $_->{effect} } $app->calls;
is(scalar(grep { $story[$_] eq $story[$_ - 1] } 1 .. $#story), 0,
    '... never twice the same in a row');
$_->stop for @apps;
$stack->done;
