#!/usr/bin/perl
# The mass-removal guard: many removals wait for a person, one leaver never.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MockApp;
use Test::More;
use TestScim;

my $app = MockApp->start;
my $stack = TestScim->start(sidecars => 2);
my %user = map { $_ => $stack->user($_) } map { sprintf 'u%02d', $_ } 1 .. 40;
my @names = sort keys %user;
my $id; # of the app of a case
my $team;

sub begin_case {
    my ($name, %more) = @_;
    $id = $stack->app($app->connector, name => $name, %more);
    $team = $stack->group($name, @user{@names});
    $stack->share($id, "teams/$team", 'editor');
    $stack->wait_is(sub { in_app() }, 40, "$name: 40 people are in");
}


sub end_case {
    $stack->must('admin', 'DELETE', "/apps/$id");
    $stack->must('scim', 'DELETE', "/Groups/$team");
    $app->put($_) for keys %{ $app->members };
}


sub in_app { return scalar keys %{ $app->members } }

sub count_of {
    my ($state) = @_;
    return scalar grep { $_->{state} eq $state } $stack->grants($id);
}


sub holds {
    my ($query) = @_;
    return @{ $stack->must('admin', 'GET', "/holds?app=$id" . ($query // ''))
        ->{holds} };
}


sub keep_members {
    my (@keep) = @_;
    my $group = $stack->must('scim', 'GET', "/Groups/$team");
    $stack->must('scim', 'PUT', "/Groups/$team", { %$group,
        members => [ map { { value => $user{$_} } } @keep ] });
}


# one request that empties a group, for an app that settles nothing
begin_case('Empty');
keep_members();
$stack->wait_is(sub { count_of('held') }, 40, 'an emptied group: all held');
is(in_app(), 40, '... and nobody was removed');
my @holds = holds();
is(scalar @holds, 1, '... in one hold');
is("$holds[0]{state} $holds[0]{count} $holds[0]{app}", "open 40 $id",
    '... that is open and counts them');
is_deeply([ sort @{ $holds[0]{users} } ], [ sort values %user ],
    '... and names them');
like($stack->logs, qr/more than 10 removals within 600 s/, '... in the log');
ok((grep { $_->{to} eq 'held' && $_->{why} =~ /more than 10 removals/ }
    @{ $stack->must('admin', 'GET', '/audit?limit=1000')->{entries} }),
    '... and in the audit');
is($stack->must('admin', 'GET', '/stats')->{holds}, 1, '... and counted');
$stack->wait_is(sub { join ' ', $stack->request('GET', '/metrics')->{content}
    =~ /^scim_app_(?:holds_open|people_held)\{[^}]*app="$id"\} (\d+)/mg },
    '1 40', '... in the metrics, too');

# people who are wanted again leave the hold
$stack->add_members($team, $user{u01}, $user{u02});
$stack->wait_is(sub { count_of('held') }, 38, 'two are wanted again');
is((holds())[0]{count}, 38, '... and leave the hold');
is(in_app(), 40, '... without a call');

# one who leaves the company waits for nobody
$stack->set_active($user{u03}, 0);
$stack->wait_is(sub { exists $app->members->{'u03@example.com'} ? 0 : 1 }, 1,
    'a single leaver goes, held or not');
$stack->set_active($user{u01}, 0);
$stack->wait_is(sub { in_app() }, 38, '... and one that was not held');
$stack->set_active($user{$_}, 1) for qw(u01 u03);

# the decision acts on the directory as it is then
my $hold = (holds())[0]{id};
$stack->add_members($team, $user{u04});
is($stack->admin('POST', "/holds/$hold/approve", {})->{status}, 204,
    'the hold is approved');
$stack->wait_is(sub { join ' ', sort map { s/\@.*//r } keys
    %{ $app->members } }, 'u01 u02 u04', '... all go but who is wanted');
is($stack->admin('POST', "/holds/$hold/reject", {})->{status}, 409,
    'a second decision is refused');
is($stack->admin('POST', "/holds/$hold/approve")->{status}, 409,
    '... the same one, too');
is((holds('&state=approved'))[0]{decidedBy}, 'admin-token',
    'who decided is known');
is($stack->admin('POST', '/holds/none/approve')->{status}, 404,
    'an unknown hold');
end_case();

# reject: people stay until the directory changes for them
begin_case('Rejected');
keep_members(@names[0 .. 9]);
$stack->wait_is(sub { count_of('held') }, 30, '30 of 40 are held');
$hold = (holds())[0]{id};
is($stack->admin('POST', "/holds/$hold/reject",
    { reason => 'a wrong filter' })->{status}, 204, 'the hold is rejected');
$stack->wait_is(sub { count_of('invited') }, 40, '... and all stay');
is((holds())[0]{reason}, 'a wrong filter', '... for a reason');
is(in_app(), 40, '... without a call');
$stack->must('scim', 'PATCH', "/Users/$user{u20}", TestScim::patch_body({
    op => 'replace', value => { title => 'Boss' } }));
$stack->add_members($team, $user{u21});
$stack->set_active($user{u22}, 0);
$stack->wait_is(sub { in_app() }, 39, '... until one leaves the company');
$stack->remove_member($team, $user{u21});
$stack->wait_is(sub { in_app() }, 38, '... or was in and is out again');
$stack->set_active($user{u22}, 1);
is(count_of('held'), 0, 'nobody waits');
end_case();

# one by one: as many as the limit go, the others are held
begin_case('Single', guard => { count => 5, percent => 0 });
$stack->remove_member($team, $user{$_}) for @names[0 .. 8];
$stack->wait_is(sub { count_of('held') + count_of('removing')
    + 40 - in_app() }, 9, 'nine leave the group, one after the other');
$stack->wait_is(sub { count_of('removing') }, 0, 'nothing is under way');
cmp_ok(in_app(), '>=', 35, '... at most five are out');
is(scalar holds(), 1, '... the others wait in one hold');
end_case();

# leavers: a mass of them counts
begin_case('Leavers', guard => { count => 5, percent => 0 });
$stack->set_active($user{$_}, 0) for @names[0 .. 8];
$stack->wait_is(sub { count_of('held') + 40 - in_app() }, 9,
    'nine leave the company');
cmp_ok(in_app(), '>=', 35, '... at most five are out');
cmp_ok(count_of('held'), '>=', 4, '... the others are held');
$hold = (holds())[0]{id};
$stack->must('admin', 'POST', "/holds/$hold/approve");
$stack->wait_is(sub { in_app() }, 31, '... until that is approved');
$stack->set_active($user{$_}, 1) for @names[0 .. 8];
end_case();

# below the limit nothing waits; a share that is taken away counts as well
begin_case('Share');
$stack->remove_member($team, $user{$_}) for @names[0 .. 4];
$stack->wait_is(sub { in_app() }, 35, 'five go without a question');
is(scalar holds(), 0, '... and without a hold');
$stack->must('admin', 'DELETE', "/apps/$id/shares/teams/$team");
$stack->wait_is(sub { count_of('held') }, 35, 'the share itself: all held');
is(in_app(), 35, '... nobody is removed');
end_case();

# the last owner is never removed by a rule
begin_case('Owner');
$stack->share($id, "users/$user{u01}", 'admin', 'owner');
$stack->share($id, "users/$user{u02}", 'admin', 'owner');
$stack->wait_is(sub { $app->members->{'u02@example.com'} }, 'admin',
    'two owners');
$stack->set_active($user{$_}, 0) for qw(u01 u02);
$stack->wait_is(sub { count_of('manual') }, 1, 'one of them waits');
$stack->wait_is(sub { in_app() }, 39, '... the other one goes');
my ($task) = @{ $stack->must('admin', 'GET', "/tasks?app=$id&state=manual")
    ->{tasks} };
is($task->{kind}, 'remove', '... by a task for a person');
$stack->must('admin', 'POST', "/tasks/$task->{id}/retry");
$stack->wait_is(sub { in_app() }, 38, '... who may have it done');
end_case();

$app->stop;
$stack->done;
