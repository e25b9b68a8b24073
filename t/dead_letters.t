#!/usr/bin/perl
# What an app refuses for good: named, counted, told, and tried again by hand;
# what an outage only holds up.
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

my $secret = 'whsec_' . encode_base64('d' x 32, '');
my $stack = TestScim->start;
my $receiver = WebhookReceiver->start($secret);
TestScim::write_file("$stack->{dir}/webhook", "$secret\n");
$stack->must('admin', 'POST', '/webhooks', { url => $receiver->url,
    secret => "file:$stack->{dir}/webhook",
    events => [ 'task.failed', 'grant.failed', 'revoke.late' ] });
my %user = map { $_ => $stack->user($_) } qw(ann bob cid);
my @apps;

sub started {
    my ($name, %more) = @_;
    my $app = MockApp->start;
    push @apps, $app;
    return ($app, $stack->app($app->connector, name => $name, %more));
}


sub tasks { return @{ $stack->must('admin', 'GET',
    "/tasks?app=$_[0]&state=$_[1]")->{tasks} } }

sub stats { return $stack->must('admin', 'GET', '/stats') }
sub revoke { return $stack->must('admin', 'GET', "/apps/$_[0]")->{revoke} }

sub metric {
    my ($name, $id) = @_;
    return $stack->request('GET', '/metrics')->{content}
        =~ /^scim_$name\{workspace="demo",app="$id"\} (\d+)/m ? $1 : '';
}


# "task.failed:remove grant.failed:": what was told of this app
sub told {
    my ($id) = @_;
    return join ' ', sort map { "$_->{type}:" . ($_->{data}{kind} // '') }
        grep { ($_->{data}{app} // '') eq $id } $receiver->messages;
}


# The doctor's row about something; the state and what was found.
sub doctor {
    my ($what) = @_;
    my (undef, $out) = $stack->scimctl('doctor', '--json');
    return map { "$_->{state}: $_->{found}" } grep { $_->{found} =~ $what }
        @{ JSON::PP::decode_json($out)->{checks} };
}

# ---- a removal that the app refuses ---------------------------------------------

my ($app, $id) = started('Refuses', revokeTargetSeconds => 1);
$stack->share($id, "users/$user{$_}", 'editor') for qw(ann bob);
$stack->wait_is(sub { $stack->states($id) }, 'ann:invited bob:invited', 'in');
is(stats()->{removalsFailed}, 0, 'nothing is refused so far');
$app->rule({ method => 'DELETE', status => 422,
    body => '{"error":"owns a file"}' });
$stack->set_active($user{ann}, 0);
$stack->wait_is(sub { $stack->states($id) }, 'ann:failed bob:invited',
    'a removal that the app refuses');
my ($task) = tasks($id, 'failed');
is("$task->{kind} $task->{answer}{status} $task->{answer}{body}",
    'remove 422 {"error":"owns a file"}', '... a dead letter with the answer');
is($task->{reason}, 'the app refused (422)', '... and the reason');
is($app->roles, 'ann:editor bob:editor', '... who is still in the app');
is(stats()->{removalsFailed}, 1, '... counted in /stats');
is(revoke($id)->{failed}, 1, '... and at the app');
$stack->wait_is(sub { metric('app_removals_failed', $id) }, 1,
    '... in the metrics');
is(metric('app_tasks_failed', $id), 1, '... twice');
like($stack->logs, qr/\[error\] workspace demo, app $id, task $task->{id}: the app refuses the removal/,
    '... in the log, named');
$stack->wait_is(sub { revoke($id)->{overdue} . revoke($id)->{missed} }, '11',
    '... and missed, as time goes by');
$stack->wait_is(sub { told($id) },
    'grant.failed: revoke.late: task.failed:remove', '... webhooks are told');
is_deeply([ doctor(qr/refused/) ], [ 'wrong: 1 removals were refused: these '
    . 'people are still in the app' ], '... and scimctl doctor says so');
isnt(($stack->scimctl('doctor'))[0], 0, '... with its status');
like(($stack->scimctl('tasks', '--state', 'failed'))[1],
    qr/\Q$task->{id}\E.*remove.*422/, '... scimctl tasks shows it');

# by hand, without success and with
is(($stack->scimctl('task', 'retry', $task->{id}))[0], 0, 'retried by hand');
$stack->wait_is(sub { scalar grep { $_->{method} eq 'DELETE' } $app->calls },
    2, '... asks the app again');
$stack->wait_is(sub { $stack->states($id) }, 'ann:failed bob:invited',
    '... which still refuses');
is(stats()->{removalsFailed}, 1, '... counted once');
$app->forget_rules;
$stack->must('admin', 'POST', "/tasks/$task->{id}/retry");
$stack->wait_is(sub { $stack->states($id) }, 'bob:invited', '... or not');
is($app->roles, 'bob:editor', '... out');
is(stats()->{removalsFailed}, 0, '... counted no more');
is(revoke($id)->{count} . revoke($id)->{missed} . revoke($id)->{overdue},
    '110', '... and timed, as missed');
is_deeply([ doctor(qr/refused/) ], [ 'ok: 0 removals were refused: these '
    . 'people are still in the app' ], '... the doctor is content');
$stack->set_active($user{ann}, 1);

# done by a person
$app->rule({ method => 'DELETE', status => 400 });
$stack->set_active($user{bob}, 0);
$stack->wait_is(sub { $stack->states($id) =~ /bob:failed/ ? 1 : 0 }, 1,
    'another one');
($task) = tasks($id, 'failed');
$stack->must('admin', 'POST', "/tasks/$task->{id}/done");
$stack->wait_is(sub { $stack->states($id) =~ /bob/ ? 1 : 0 }, 0,
    '... done by hand');
is(stats()->{removalsFailed}, 0, '... counted no more');

# ---- an app that never worked ----------------------------------------------------

my ($never, $second) = started('Never', limits => { maxAttempts => 2 });
$never->rule({ status => 500, body => 'no such workspace' });
$stack->share($second, "users/$user{cid}", 'editor');
$stack->wait_is(sub { $stack->states($second) }, 'cid:failed',
    'an app that only ever fails: a dead letter');
($task) = tasks($second, 'failed');
is("$task->{answer}{status} $task->{answer}{body}", '500 no such workspace',
    '... with the answer');
cmp_ok($task->{attempts}, '>=', 2, '... after its attempts');
$stack->wait_is(sub { metric('app_tasks_failed', $second) . metric(
    'app_removals_failed', $second) }, '10', '... counted, as no removal');
like(join(' ', doctor(qr/given up/)), qr/^warning: 1 tasks were given up/,
    '... and scimctl doctor says so');
$never->forget_rules;
$stack->must('admin', 'POST', "/tasks/$task->{id}/retry");
$stack->wait_is(sub { $stack->states($second) }, 'cid:invited',
    '... retried when it works');

# ---- one that did, and is out ------------------------------------------------------

my @people = map { $stack->user("p$_") } 1 .. 5;
my $team = $stack->group('Team', @people);
$never->rule({ status => 500 });
$stack->share($second, "teams/$team", 'viewer');
$stack->wait_is(sub { $stack->must('admin', 'GET', "/apps/$second")
    ->{delivery}{state} }, 'down', 'an app that worked is out');
is(scalar(tasks($second, 'failed')), 0,
    '... which makes no dead letter');
like(join(' ', doctor(qr/the app failed \(500\)/)), qr/^wrong/,
    '... the doctor says that it is down');
$never->forget_rules;
$stack->must('admin', 'PATCH', "/apps/$second", { name => 'Back' });
$stack->wait_is(sub { scalar grep { $_->{state} eq 'invited' }
    $stack->grants($second) }, 6, '... and everybody is in afterwards');


# ---- one that cannot be reached ------------------------------------------------------

my $away = $stack->app($never->connector(baseUrl => 'http://127.0.0.1:1'),
    name => 'Away');
$stack->share($away, "users/$user{cid}", 'editor');
$stack->wait_is(sub { my ($waits) = tasks($away, 'waiting');
    ($waits->{reason} // '') =~ /connect/i ? 1 : 0 }, 1,
    'a task that waits says why') or diag(explain(tasks($away, '')));
$stack->must('admin', 'PATCH', "/apps/$away", { connector => {
    baseUrl => $never->url } });
$stack->wait_is(sub { $stack->states($away) }, 'cid:invited', '... and goes on');
($task) = tasks($away, 'done');
is($task->{reason} // '', 'the app has this person already',
    '... with another reason');

$_->stop for @apps, $receiver;
$stack->done;
