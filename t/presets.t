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
my %user = map { $_ => $stack->user($_) } qw(ann bob cid dee eve fay);

# The preset as it is, but calling the simulator.
sub preset {
    my ($name, $sim) = @_;
    my $text = TestScim::slurp("$FindBin::Bin/../conf/apps/$name.json");
    $text =~ s/"env:\w+"/"file:$secret"/g;
    my $url = $sim->url;
    $text =~ s{"https://[^/"]+}{"$url}g;
    my $preset = decode_json($text);
    $preset->{settleSeconds} = 0;
    $preset->{limits}{ratePerSecond} = 1000;
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


sub unshare {
    my ($id, $name) = @_;
    $stack->must('admin', 'DELETE', "/apps/$id/shares/users/$user{$name}");
}


# what is the same for all; what differs says the table: `exists` who is there
# gets no second invite, `off` a removal switches off, `tells` the app tells
# members from invites, `denied` a word of its refusals
sub runs {
    my ($name, %app) = @_;
    my $sim = AppSimulator->start($name);
    my $preset = preset($name, $sim);
    my ($weak, $strong) = @{ $preset->{accessRoles} }[0, -1];
    $preset->{defaultAccessRole} = $weak;
    my $id = $stack->must('admin', 'POST', '/apps', $preset)->{id};
    my $person = sub { $sim->people->{"$_[0]\@example.com"} // '' };
    my $gone = $app{off} ? "$weak!" : '';
    $sim->put('x1@elsewhere.org', $weak);
    $sim->put('Ann@Example.com', $weak) if $app{exists};
    $sim->limit(1);
    $stack->share($id, "users/$user{ann}");
    $stack->wait_is(sub { in_app($id) }, 'ann:invited',
        "$name: one who is " . ($app{exists} ? 'there already' : 'new')
        . ', over the limit at first');
    is((() = $sim->roles =~ /ann:/ig), 1, '... is there once');
    $stack->share($id, "users/$user{$_}") for qw(bob cid dee);
    $stack->wait_is(sub { in_app($id) },
        'ann:invited bob:invited cid:invited dee:invited', '... three more');
    is(check($id), 'unknown x1@elsewhere.org', '... all pages are read, '
        . 'who is pending is not missed');
    cmp_ok(scalar(grep { /^GET / } $sim->calls), '>', 2, '... several');
    like($stack->states($id), qr/bob:invited/, '... nor taken for a member');
    unshare($id, 'dee');
    $stack->wait_is(sub { in_app($id) },
        'ann:invited bob:invited cid:invited', '... an open invite ends');
    is($person->('dee'), $gone, '... in the app');
    $sim->accept_all;
    $stack->share($id, "users/$user{dee}");
    $stack->wait_is(sub { $person->('dee') }, $weak, '... and begins again');
    $stack->wait_is(sub { in_app($id) },
        'ann:invited bob:invited cid:invited dee:invited', '... known');
    $sim->accept_all;
    unshare($id, 'dee');
    $stack->wait_is(sub { $person->('dee') }, $gone,
        '... accepted, and gone before we knew of it');
    $stack->wait_is(sub { in_app($id) },
        'ann:invited bob:invited cid:invited', '... all of it');
    is(check($id), 'unknown x1@elsewhere.org', '... the lists agree');
    like($stack->states($id), $app{tells} ? qr/bob:accepted cid:accepted/
        : qr/bob:invited cid:invited/, '... and tell who accepted'
        . ($app{tells} ? '' : ': this one does not'));
    if ($strong ne $weak) {
        $stack->share($id, "users/$user{bob}", $strong);
        $stack->wait_is(sub { $person->('bob') }, $strong,
            '... another role');
        is(check($id), 'unknown x1@elsewhere.org', '... as the app lists it');
    }
    $sim->limit(1);
    unshare($id, 'cid');
    $stack->wait_is(sub { $person->('cid') }, $gone,
        '... one who goes, over the limit at first');
    $stack->wait_is(sub { in_app($id) }, 'ann:invited bob:invited',
        '... and is known to be gone');
    $stack->share($id, "users/$user{cid}");
    $stack->wait_is(sub { $person->('cid') }, $weak, '... and comes back');
    $sim->deny(1);
    $stack->share($id, "users/$user{eve}");
    $stack->wait_is(sub { in_app($id) }, 'ann:invited bob:invited '
        . 'cid:invited eve:failed', '... what the app refuses is a dead letter');
    my ($task) = @{ $stack->must('admin', 'GET',
        "/tasks?app=$id&state=failed")->{tasks} };
    like($task->{answer}{body}, qr/$app{denied}/, '... with what it said');
    $stack->must('admin', 'POST', "/tasks/$task->{id}/retry");
    $stack->wait_is(sub { in_app($id) }, 'ann:invited bob:invited '
        . 'cid:invited eve:invited', '... and can be tried again');
    is(scalar(grep { / 401$/ } $sim->calls), 0, '... never without its token');
    unlike($stack->logs, qr/the-(?:secret|token)/, '... which stays secret');
    $stack->must('admin', 'DELETE', "/apps/$id");
    $sim->stop;
}

runs('slack', off => 1, exists => 1, denied => 'invalid_email');
runs('github-organization', exists => 1, denied => 'admin rights');
runs('figma', off => 1, exists => 1, denied => 'not here');
runs('figma-enterprise', off => 1, exists => 1, denied => 'not here');
runs('notion', exists => 1, denied => 'not here');
runs('atlassian', off => 1, exists => 1, denied => 'not here');
runs('canva', off => 1, exists => 1, denied => 'not here');
runs('zoom', exists => 1, tells => 1, denied => 'not enough seats');
runs('google-workspace', exists => 1, denied => 'conditionNotMet');
runs('meta-business', exists => 1, tells => 1, denied => 'Invalid parameter');
runs('hubspot', exists => 1, denied => 'no paid seat');
runs('salesforce', off => 1, exists => 1, denied => 'LICENSE_LIMIT_EXCEEDED');
runs('tiktok-business', exists => 1, tells => 1, denied => 'no permission');

# an invite that is open in the app already, with another role
for my $case ([ 'zoom', qw(basic licensed) ],
    [ 'meta-business', qw(EMPLOYEE ADMIN) ],
    [ 'tiktok-business', qw(STANDARD ADMIN) ])
{
    my ($name, $weak, $strong) = @$case;
    my $sim = AppSimulator->start($name);
    my $id = $stack->must('admin', 'POST', '/apps', preset($name, $sim))
        ->{id};
    $sim->put('ann@example.com', $strong, pending => 1);
    $stack->share($id, "users/$user{ann}", $weak);
    $stack->wait_is(sub { $stack->states($id) }, 'ann:invited',
        "$name: who was invited by hand");
    is($sim->people->{'ann@example.com'}, $weak, '... gets the right role');
    is($sim->pending, 'ann@example.com', '... in one invite');
    $sim->put('bob@example.com', $weak, pending => 1);
    my @before = $sim->calls;
    $stack->share($id, "users/$user{bob}", $weak);
    $stack->wait_is(sub { $stack->states($id) }, 'ann:invited bob:invited',
        '... one with the right role');
    is(scalar(grep { /^DELETE / } $sim->calls), scalar(grep { /^DELETE / }
        @before), '... keeps the invite');
    $stack->must('admin', 'DELETE', "/apps/$id");
    $sim->stop;
}

# a token that the app does not take any more is asked for anew
my $force = AppSimulator->start('salesforce');
my $id = $stack->must('admin', 'POST', '/apps', preset('salesforce', $force))
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

# secrets, and the tokens that they were given for, are nowhere
unlike($stack->redis_dump . $stack->logs, qr/the-(?:secret|token)/,
    'no secret is in Redis or in the logs');
unlike($stack->admin('GET', $_)->{content}, qr/the-(?:secret|token)/,
    "... nor in $_") for '/apps', '/tasks?limit=1000', '/audit?limit=1000';

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
