#!/usr/bin/perl
# Checks for updates: the app's own list beside the grants, and making it
# right.  What cannot be believed, or must not be touched, is left alone.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MockApp;
use Test::More;
use TestScim;

my $app = MockApp->start(page => 3);
my $stack = TestScim->start(sidecars => 2);
my %user = map { $_ => $stack->user($_) } qw(ann bob cid dee eve);
my $team = $stack->group('Social', map { $user{$_} } qw(ann bob cid dee));
my $id = $stack->app($app->connector, account => 'Bot@Example.com');
$stack->share($id, "teams/$team", 'editor');
$stack->wait_is(sub { $app->roles }, 'ann:editor bob:editor cid:editor '
    . 'dee:editor', 'four people are in');
$stack->wait_is(sub { scalar grep { $_->{state} eq 'invited' }
    $stack->grants($id) }, 4, '... and known to be');
$app->put('bot@example.com', 'admin');

# Asks for a check and waits for its end; the report.
sub check {
    my ($of) = @_;
    my $answer = $stack->admin('POST', '/apps/' . ($of // $id) . '/checks');
    die "check: $answer->{status} $answer->{content}\n"
        if $answer->{status} != 202;
    my $path = '/apps/' . ($of // $id) . "/checks/$answer->{json}{id}";
    my $report;
    TestScim::until_true(sub {
        $report = $stack->must('admin', 'GET', $path);
        $report->{state} ne 'running' });
    $report->{path} = $path;
    return $report;
}


# "missing bob invite; role ann role editor<admin": findings in short
sub in_short {
    my ($report) = @_;
    return join '; ', map { "$_->{kind} " . $_->{email} =~ s/\@.*//r
        . " $_->{action}" . ($_->{kind} eq 'role'
            ? " $_->{expected}<$_->{actual}" : '') }
        @{ $report->{findings} };
}


sub apply {
    my ($report, $body) = @_;
    return $stack->admin('POST', "$report->{path}/apply", $body);
}


# nothing to say
my $report = check();
is($report->{state}, 'done', 'a check is done');
is(in_short($report), '', '... without findings');
is($report->{members}, 5, '... all pages of the list were read');
is_deeply(apply($report)->{json}, { applied => [], skipped => [] },
    '... and nothing to apply');

# somebody who is there under another id, which a removal needs
$app->put('dee@example.com');
$app->put('dee@example.com', 'editor');
is(in_short(check()), '', 'a person with another id in the app');
$stack->remove_member($team, $user{dee});
$stack->wait_is(sub { $app->roles }, 'ann:editor bob:editor bot:admin '
    . 'cid:editor', '... is found when it comes to removing them');
$stack->add_members($team, $user{dee});
$stack->wait_is(sub { $stack->states($id) }, 'ann:invited bob:invited '
    . 'cid:invited dee:invited', '... and is invited again');

# every kind of drift, both directions
$app->put('bob@example.com');
$app->put('ANN@example.com', 'admin');
$app->put('ann@example.com');
$app->put('zoe@elsewhere.org', 'viewer');
$app->put('eve@example.com', 'viewer');
$report = check();
is(in_short($report), 'role ANN role editor<admin; missing bob invite; '
    . 'unknown zoe remove; unknown eve remove', 'drift of each kind');
my ($role, $missing, $zoe, $eve) = @{ $report->{findings} };
is($role->{userId}, $user{ann}, '... found by address in any case');
is($missing->{userId}, $user{bob}, '... names the person');
is($eve->{userId}, $user{eve}, '... also one who is only in the directory');
ok(!exists $zoe->{userId}, '... a stranger is nobody');
is($app->roles, 'ANN:admin bot:admin cid:editor dee:editor eve:viewer '
    . 'zoe:viewer', 'a report changes nothing');

# chosen rows, then the rest
my $answer = apply($report, { actions => [ $missing->{id} ],
    hash => $report->{hash} });
is($answer->{status}, 200, 'one row is applied');
is_deeply($answer->{json}, { applied => [ $missing->{id} ], skipped => [] },
    '... that one');
$stack->wait_is(sub { $app->members->{'bob@example.com'} }, 'editor',
    '... the missing person is invited');
$stack->wait_is(sub { $stack->states($id) }, 'ann:invited bob:invited '
    . 'cid:invited dee:invited', '... and known to be');
is($app->members->{'zoe@elsewhere.org'}, 'viewer', '... others are not');
$answer = apply($report);
is_deeply($answer->{json}, { applied => [ map { $_->{id} } $role, $zoe, $eve ],
    skipped => [ $missing->{id} ] }, 'the rest is applied, once');
$stack->wait_is(sub { $app->roles }, 'ANN:editor bob:editor bot:admin '
    . 'cid:editor dee:editor', '... roles are right, strangers are gone');
is(scalar(grep { $_->{method} eq 'POST' && $_->{email} eq 'bob@example.com' }
    $app->calls), 2, '... bob was invited twice in all');
ok((grep { $_->{to} eq 'removing' && $_->{why} =~ /no share explains/
    && $_->{actor} eq 'admin-token' }
    @{ $stack->must('admin', 'GET', '/audit?limit=1000')->{entries} }),
    '... the audit says who had it done, and why');
$stack->wait_is(sub { scalar grep { $_->{email} =~ /^(?:zoe|eve)/ }
    $stack->grants($id, '&state=removed') }, 2, '... as any removal');
$report = check();
is(in_short($report), '', 'checked again: all is right');
is_deeply([ map { $_->{status} } apply($report, { actions => ['1'] }) ],
    [400], 'an unknown finding');

# what became true meanwhile is left alone
$app->put('eve@example.com', 'viewer');
$app->put('cid@example.com');
$report = check();
is(in_short($report), 'missing cid invite; unknown eve remove',
    'drift again');
$stack->add_members($team, $user{eve});
$stack->wait_is(sub { $app->members->{'eve@example.com'} }, 'editor',
    'the stranger gets a share');
$stack->remove_member($team, $user{cid});
$stack->wait_is(sub { $stack->states($id) =~ /cid/ ? 1 : 0 }, 0,
    'the missing person loses it');
is_deeply($report->{counts}, { missing => 1, unknown => 1, role => 0 },
    'a report counts its kinds');
is(apply($report, { hash => $report->{hash} })->{status}, 409,
    'who names the hash is refused when the report is stale');
is(apply($report, { hash => '0' })->{status}, 409, '... or another one');
is(apply($report, { hash => 0 })->{status}, 400, '... a hash is a text');
is_deeply(apply($report)->{json}, { applied => [], skipped => [ '1', '2' ] },
    'neither finding is true any more');
my @history = @{ $stack->must('admin', 'GET', "/apps/$id/checks")->{checks} };
cmp_ok(scalar @history, '>=', 3, 'the reports of an app are listed');
is_deeply([ map { $history[-1]{$_} } qw(id hash count) ],
    [ map { $report->{$_} } qw(id hash count) ], '... the newest last');
is(scalar @{ $stack->must('admin', 'GET', "/apps/$id/checks?limit=1")
    ->{checks} }, 1, '... in pages');
is($app->roles, 'ANN:editor bob:editor bot:admin dee:editor eve:editor',
    '... nothing happens');

# who accepted, as the app's list says
$stack->must('admin', 'PATCH', "/apps/$id", { connector => { list => {
    pendingStates => [ 'waits' ] } } });
is(in_short(check()), '', 'a list that tells members from invites');
is($stack->states($id), 'ann:accepted bob:accepted dee:accepted eve:accepted',
    '... says who accepted');
$stack->must('admin', 'PATCH', "/apps/$id", { connector => { list => {
    pendingStates => undef } } });

# sidecars that die over a check: another one makes it
$app->rule({ method => 'GET', times => 1, then => 'hang' });
my $begun = $stack->must('admin', 'POST', "/apps/$id/checks")->{id};
TestScim::until_true(sub { grep { $_->{status} == 0 } $app->calls });
$stack->signal_part($_, 'KILL') for qw(sidecar-1 sidecar-2);
$stack->wait_is(sub { $stack->must('admin', 'GET',
    "/apps/$id/checks/$begun")->{state} }, 'done',
    'a check that sidecars died over is made by the next one');

# a page that fails fails the check
$app->rule({ method => 'GET', path => 'cursor=3', times => 1,
    status => 500 });
$report = check();
is($report->{state}, 'failed', 'a page that fails');
like($report->{reason}, qr/list: the app failed \(500\)/, '... says why');
is_deeply($report->{findings}, [], '... and finds nothing');
is(apply($report)->{status}, 409, '... and cannot be applied');

# a list that shows nobody
$app->rule({ method => 'GET', times => 1, status => 200,
    body => '{"members":[]}' });
$report = check();
is($report->{state}, 'done', 'a list without anybody');
like($report->{suspicious}, qr/nobody/, '... is suspicious');
is(scalar @{ $report->{findings} }, 4, '... everybody is missing');
is(apply($report)->{status}, 409, '... which is not applied as a whole');
is($stack->states($id), 'ann:accepted bob:accepted dee:accepted '
    . 'eve:accepted', '... nobody is touched');
($missing) = grep { $_->{email} eq 'dee@example.com' }
    @{ $report->{findings} };
is(apply($report, { actions => [ $missing->{id} ] })->{status}, 200,
    '... only who is named');
$stack->wait_is(sub { $stack->states($id) },
    'ann:accepted bob:accepted dee:invited eve:accepted',
    '... is looked after');
is((check())->{suspicious}, undef, 'a whole list is believed again');

# the last one with the strongest role, and a second account
my $other = MockApp->start;
my $second = $stack->app($other->connector, name => 'Second');
$stack->share($second, "users/$user{ann}", 'editor');
$stack->wait_is(sub { $stack->states($second) }, 'ann:invited', 'one is in');
$other->put('root@elsewhere.org', 'admin');
$other->put('Ann@Example.com', 'viewer');
$report = check($second);
is(in_short($report), 'unknown root none; unknown Ann none',
    'the last admin and a second account are for a person');
is_deeply(apply($report)->{json}, { applied => [], skipped => [ 1, 2 ] },
    '... and are not removed');
is($other->roles, 'Ann:viewer ann:editor root:admin', '... at all');

# by the clock: reported, or made right where the app's policy says so
$other->put('zoe@elsewhere.org', 'viewer');
$stack->must('admin', 'PATCH', "/apps/$second",
    { checks => { everySeconds => 1, apply => JSON::PP::true } });
$stack->wait_is(sub { $other->roles }, 'Ann:viewer ann:editor root:admin',
    'a scheduled check removes a stranger by itself');
ok((grep { $_->{to} eq 'removing' && $_->{actor} eq 'schedule' }
    @{ $stack->must('admin', 'GET', '/audit?limit=1000')->{entries} }),
    '... as the audit says');
$stack->must('admin', 'PATCH', "/apps/$second",
    { guard => { count => 1, percent => 0 } });
$other->put("x$_\@elsewhere.org", 'viewer') for 1 .. 2;
ok(TestScim::until_true(sub { $stack->logs =~ /would remove 2 people/ }),
    '... but not more people than the guard lets go');
is(scalar keys %{ $other->members }, 5, '... who all stay');
$other->put("x$_\@elsewhere.org") for 1 .. 2;
$stack->must('admin', 'PATCH', "/apps/$second", { checks => undef });

# exemptions, with an end
$other->put('partner@elsewhere.org', 'viewer');
$stack->must('admin', 'PATCH', "/apps/$second", { exemptions => [ map { {
    member => $_->[0], until => $_->[1], reason => 'a partner',
    owner => 'ann@example.com' } }
    [ 'Partner@Elsewhere.org', '2999-12-31' ],
    [ 'root@elsewhere.org', '2001-12-31' ] ] });
is(in_short(check($second)), 'unknown root none; unknown Ann none',
    'an exemption counts until it ends');
$other->put('partner@elsewhere.org');
$stack->must('admin', 'PATCH', "/apps/$second", { exemptions => undef });

# requests that are wrong
my $manual = $stack->app({ type => 'manual' }, name => 'Manual');
is($stack->admin('POST', "/apps/$manual/checks")->{status}, 409,
    'an app without a list');
is($stack->admin('POST', '/apps/none/checks')->{status}, 404,
    'an unknown app');
is($stack->admin('GET', "/apps/$id/checks/none")->{status}, 404,
    'an unknown check');
is($stack->admin('POST', "/apps/$id/checks/none/apply")->{status}, 404,
    '... cannot be applied');
my $elsewhere = $report->{path} =~ s/\Q$second\E/$id/r;
is($stack->admin('GET', $elsewhere)->{status}, 404, "another app's check");
is($stack->admin('POST', "$elsewhere/apply")->{status}, 404,
    '... cannot be applied');
is(apply($report, { actions => $_ })->{status}, 400, "actions $_") for 'all',
    [ 1 ], [ 'x' ], { };

# scimctl
my ($status, $out) = $stack->scimctl('check', 'Second');
is($status, 0, 'scimctl check waits for the report');
like($out, qr/unknown\s+none\s+root\@elsewhere\.org/, '... and prints it');
$other->put('zoe@elsewhere.org', 'viewer');
($status, $out) = $stack->scimctl('check', 'Second', '--json');
like($out, qr/"action":\s*"remove"/, '... as JSON, too');
my ($check) = $out =~ /^\s*[{\s]*"id":\s*"([\w-]+)"/m;
($status, $out) = $stack->scimctl('apply', 'Second', $check);
is($status, 0, 'scimctl apply');
$stack->wait_is(sub { $other->roles }, 'Ann:viewer ann:editor root:admin',
    '... removes the stranger');
($status) = $stack->scimctl('apply', 'Second', $check, '999');
is($status, 1, '... refuses an unknown finding');
($status) = $stack->scimctl('check', 'Manual');
is($status, 1, 'scimctl check of an app without a list');

# scimctl app test: tries the connector and explains what is wrong
($status, $out) = $stack->scimctl('app', 'test', 'Second');
is($status, 0, 'scimctl app test');
like($out, qr/^  remove  yes$/m, '... says what the connector can');
like($out, qr/^ok: 3 members are listed/m, '... and what it sees');
my @before = $other->calls;
sub tested {
    my ($what, $expected, %change) = @_;
    $stack->must('admin', 'PATCH', "/apps/$second",
        { connector => \%change });
    ($status, $out) = $stack->scimctl('app', 'test', 'Second');
    is($status, 1, "$what: fails");
    like($out, qr/^FAILED: .*$expected/ms, '... and says why');
}
tested('a wrong path', 'is baseUrl with list.path right', list => {
    path => '/nothing?cursor=${page.cursor}' });
tested('a wrong pointer', 'list.items does not point', list => {
    path => '/members?cursor=${page.cursor}', items => '/people' });
tested('a wrong id', 'list.map.id', list => { items => '/members',
    map => { id => '/number' } });
tested('no secret', 'environment of the sidecar', list => {
    map => { id => '/id' } }, auth => { bearer => 'env:CHECKS_NO_SUCH' });
tested('nobody there', 'the host or port', auth => undef,
    baseUrl => 'http://127.0.0.1:1');
is(scalar(grep { $_->{method} ne 'GET' } $other->calls),
    scalar(grep { $_->{method} ne 'GET' } @before),
    '... and nothing is changed');
($status, $out) = $stack->scimctl('app', 'test', 'Manual');
like($out, qr/^  invite  no: a task for a person$/m, 'an app without verbs');

$app->stop;
$other->stop;
$stack->done;
