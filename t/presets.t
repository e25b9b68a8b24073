#!/usr/bin/perl
# Each preset against a simulator of its app: people come, get another role
# and go; pages, limits, duplicates and pending invites as that app has them.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AppSimulator;
use JSON::PP;
use Test::More;
use TestScim;

my $stack = TestScim->start;
my $secret = "$stack->{dir}/app-secret";
TestScim::write_file($secret, "the-secret\n");
my %user = map { $_ => $stack->user($_) } qw(ann bob cid);

# The preset as it is, but calling the simulator.
sub preset {
    my ($name, $sim) = @_;
    my $text = TestScim::slurp("$FindBin::Bin/../conf/apps/$name.json");
    $text =~ s/"env:\w+"/"file:$secret"/g;
    my $url = $sim->url;
    $text =~ s{"https://[^/"]+}{"$url}g;
    my $preset = decode_json($text);
    $preset->{settleSeconds} = 0;
    delete $preset->{limits}{ratePerSecond};
    return $preset;
}


sub check {
    my ($id) = @_;
    my $check = $stack->must('admin', 'POST', "/apps/$id/checks")->{id};
    my $report;
    TestScim::until_true(sub {
        $report = $stack->must('admin', 'GET', "/apps/$id/checks/$check");
        $report->{state} ne 'running' });
    return $report->{reason} // join ' ', map { "$_->{kind} $_->{email}" }
        @{ $report->{findings} };
}


# Who is in, whether they accepted already or not.
sub in_app {
    my ($id) = @_;
    return $stack->states($id) =~ s/:accepted/:invited/gr;
}


# what is the same for all; what differs says the table
sub runs {
    my ($name, %app) = @_;
    my $sim = AppSimulator->start($name);
    my $preset = preset($name, $sim);
    my ($weak, $strong) = @{ $preset->{accessRoles} }[0, -1];
    my $gone = $app{off} ? ":$weak!" : '';
    my $id = $stack->must('admin', 'POST', '/apps', $preset)->{id};
    my $people = sub { $sim->roles };
    $sim->put('x1@elsewhere.org', $weak);
    $sim->put('Ann@Example.com', $weak) if $app{exists};
    $sim->limit(1);
    $stack->share($id, "users/$user{ann}");
    $stack->wait_is(sub { in_app($id) }, 'ann:invited',
        "$name: one who is " . ($app{exists} ? 'there already' : 'new')
        . ', over the limit at first');
    is((() = $sim->roles =~ /ann:/ig), 1, '... is there once');
    $stack->share($id, "users/$user{$_}") for qw(bob cid);
    $stack->wait_is(sub { in_app($id) },
        'ann:invited bob:invited cid:invited', '... two more');
    is(check($id), 'unknown x1@elsewhere.org', '... all pages are read, '
        . 'who is pending is not missed');
    $sim->accept_all;
    if ($strong ne $weak) {
        $stack->share($id, "users/$user{bob}", $strong);
        $stack->wait_is(sub { $sim->people->{'bob@example.com'} }, $strong,
            '... another role');
        is(check($id), 'unknown x1@elsewhere.org', '... as the app lists it');
    }
    $stack->must('admin', 'DELETE', "/apps/$id/shares/users/$user{cid}");
    $stack->wait_is(sub { $sim->people->{'cid@example.com'} // '' },
        $app{off} ? "$weak!" : '', '... one who goes');
    $stack->wait_is(sub { in_app($id) }, 'ann:invited bob:invited',
        '... and is known to be gone');
    $stack->share($id, "users/$user{cid}");
    $stack->wait_is(sub { $sim->people->{'cid@example.com'} // '' }, $weak,
        '... and comes back');
    $stack->wait_is(sub { in_app($id) },
        'ann:invited bob:invited cid:invited', '... known');
    is(scalar(grep { / 401$/ } $sim->calls), 0, '... never without its token');
    unlike($stack->logs, qr/the-(?:secret|token)/, '... which stays secret');
    $stack->must('admin', 'DELETE', "/apps/$id");
    $sim->stop;
}

runs('slack', off => 1, exists => 1);
runs('github-organization', exists => 1);
runs('figma', off => 1, exists => 1);
runs('notion', exists => 1);
runs('atlassian', off => 1, exists => 1);
runs('canva', off => 1, exists => 1);
runs('zoom', exists => 1);
runs('google-workspace', exists => 1);
runs('meta-business');
runs('hubspot', exists => 1);
runs('salesforce', off => 1, exists => 1);
runs('tiktok-business');

# an invite that waits in the app, where its list does not show invites
my $zoom = AppSimulator->start('zoom');
my $id = $stack->must('admin', 'POST', '/apps', preset('zoom', $zoom))->{id};
$zoom->put('ann@example.com', 'basic', pending => 1);
$stack->share($id, "users/$user{ann}");
$stack->wait_is(sub { $stack->states($id) }, 'ann:invited',
    'who was invited already is');
$stack->must('admin', 'DELETE', "/apps/$id/shares/users/$user{ann}");
$stack->wait_is(sub { $stack->states($id) }, 'ann:manual',
    '... and not just believed to be gone');
$stack->must('admin', 'DELETE', "/apps/$id");
$zoom->stop;

# a token that the app does not take any more is asked for anew
my $force = AppSimulator->start('salesforce');
$id = $stack->must('admin', 'POST', '/apps', preset('salesforce', $force))
    ->{id};
$stack->share($id, "users/$user{ann}");
$stack->wait_is(sub { $stack->states($id) }, 'ann:invited', 'with a token');
$force->control('revoke');
$stack->share($id, "users/$user{bob}");
$stack->wait_is(sub { $stack->states($id) }, 'ann:invited bob:invited',
    '... and with another one when it was revoked');
is(scalar(grep { m{^POST /services/oauth2/token } } $force->calls), 2,
    '... asked for twice in all');
$force->control('refuse');
$force->control('revoke');
$stack->must('admin', 'DELETE', "/apps/$id/shares/users/$user{bob}");
$stack->wait_is(sub { my ($task) = grep { $_->{kind} eq 'remove' } @{
    $stack->must('admin', 'GET', "/tasks?app=$id&state=waiting")->{tasks} };
    $task && $task->{attempts} > 1 ? 1 : 0 }, 1,
    'without a token the removal waits');
$force->control('grant');
$stack->wait_is(sub { $force->people->{'bob@example.com'} }, 'standard!',
    '... until there is one');
$stack->must('admin', 'DELETE', "/apps/$id");
$force->stop;

# apps without a call are for people
for my $name (qw(x-ads linkedin-ads)) {
    my $preset = decode_json(TestScim::slurp(
        "$FindBin::Bin/../conf/apps/$name.json"));
    my $id = $stack->must('admin', 'POST', '/apps', $preset)->{id};
    $stack->share($id, "users/$user{ann}");
    $stack->wait_is(sub { $stack->states($id) }, 'ann:manual',
        "$name: a task for a person");
    my ($task) = @{ $stack->must('admin', 'GET', "/tasks?app=$id")
        ->{tasks} };
    $stack->must('admin', 'POST', "/tasks/$task->{id}/done");
    is($stack->states($id), 'ann:invited', '... who says when it is done');
    $stack->must('admin', 'DELETE', "/apps/$id");
}

$stack->done;
