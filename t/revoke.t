#!/usr/bin/perl
# How soon people are out: for people by the API, for Prometheus by /metrics.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use MockApp;
use Test::More;
use TestScim;

my $stack = TestScim->start;
my $app = MockApp->start;
my $id = $stack->app($app->connector, revokeTargetSeconds => 1);
my @people = map { $stack->user("p$_") } 1 .. 3;
my $team = $stack->group('Team', @people);
$stack->share($id, "teams/$team", 'viewer');
$stack->wait_is(sub { scalar grep { $_->{state} eq 'invited' }
    $stack->grants($id) }, 3, 'three people are in');


sub revoke { return $stack->must('admin', 'GET', "/apps/$id")->{revoke} }


sub metrics { return $stack->request('GET', '/metrics')->{content} }

is(revoke()->{count}, 0, 'nobody was removed so far');
is(revoke()->{targetSeconds}, 1, 'the target is shown');

# a removal that does not get through is raised while it is open
$app->rule({ method => 'DELETE', status => 503 });
$stack->set_active($people[0], 0);
$stack->wait_is(sub { revoke()->{overdue} }, 1, 'one that is late: overdue');
is(revoke()->{missed}, 1, '... counted as missed');
like($stack->logs, qr/app $id, task \S+: the removal misses its target/,
    '... and in the log');
is($stack->must('admin', 'GET', '/stats')->{revokes}{overdue}, 1,
    '... and in /stats');
is(scalar(grep { $_->{overdue} } @{ $stack->must('admin', 'GET',
    "/tasks?app=$id")->{tasks} }), 1, '... and named');
$stack->wait_is(sub { metrics() =~
    /^scim_app_revokes_overdue\{workspace="demo",app="$id"\} (\d)/m
    ? $1 : '' }, 1, '... and in the metrics');
$app->forget_rules;
$stack->wait_is(sub { revoke()->{count} }, 1, 'in the end it is done');
is(revoke()->{overdue}, 0, '... and overdue no more');
is(revoke()->{missed}, 1, '... it was missed once');
$stack->set_active($_, 0) for @people[1, 2];
$stack->wait_is(sub { revoke()->{count} }, 3, 'two more');
cmp_ok(revoke()->{p99}, '>', 0, '... quantiles');
$stack->wait_is(sub { metrics() =~ /^scim_app_revoke_seconds_count\{
    workspace="demo",app="$id"\}\ (\d+)/mx ? $1 : '' }, 3,
    'the histogram has all of them');
like(metrics(), qr/^scim_app_revoke_seconds_bucket\{
    workspace="demo",app="$id",le="\+Inf"\}\ 3$/mx,
    '... in its last bucket, too');
like(metrics(), qr/^scim_app_up\{workspace="demo",app="$id"\} 1$/m,
    '... the app is up');
like(metrics(), qr/^scim_apps_known 1$/m, '... and known');

# without Redis the page is there, and says what it lacks
$stack->signal_part('redis', 'STOP');
$stack->wait_is(sub { my ($known) = metrics() =~ /^scim_apps_known (\d)/m;
    $known // '' }, 0, 'without Redis the page has the rest');
$stack->signal_part('redis', 'CONT');
$stack->wait_is(sub { my ($known) = metrics() =~ /^scim_apps_known (\d)/m;
    $known // '' }, 1, '... and with it, all');
$app->stop;
$stack->done;
