#!/usr/bin/perl
# Groups in groups: whoever is in an inner one is in the teams, and so in the
# apps, of all that hold it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use MockApp;
use Test::More;
use TestScim;

my $app = MockApp->start;
my $stack = TestScim->start(workers => 2, sidecars => 2);
my %user = map { $_ => $stack->user($_) } qw(ann bob cid dee);

sub names {
    my ($user) = @_;
    return join ' ', sort map { "$_->{display}:$_->{type}" }
        @{ $stack->must('scim', 'GET', "/Users/$user")->{groups} // [] };
}


sub remove {
    my ($group, $member) = @_;
    $stack->remove_member($group, $member);
}


# three levels, and a second way from the bottom to the top
my $squad = $stack->group('Squad', $user{ann}, $user{bob});
my $tribe = $stack->group('Tribe', $squad, $user{cid});
my $guild = $stack->group('Guild', $squad);
my $all = $stack->group('All', $tribe, $guild);
is(names($user{ann}), 'All:indirect Guild:indirect Squad:direct '
    . 'Tribe:indirect', 'a user shows groups of groups as indirect');
is(names($user{cid}), 'All:indirect Tribe:direct', '... and each once');
$stack->wait_is(sub { $stack->team($all) }, 'ann bob cid',
    'the team has the people of inner groups');
my $id = $stack->app($app->connector, guard => { count => 1000,
    percent => 100 });
$stack->share($id, "teams/$all", 'viewer');
$stack->wait_is(sub { $app->roles }, 'ann:viewer bob:viewer cid:viewer',
    'all of them are invited');

# people come and go at the bottom
$stack->add_members($squad, $user{dee});
$stack->wait_is(sub { $app->roles }, 'ann:viewer bob:viewer cid:viewer '
    . 'dee:viewer', 'in at the bottom is in at the top');
remove($squad, $user{bob});
$stack->wait_is(sub { $app->roles }, 'ann:viewer cid:viewer dee:viewer',
    '... and out is out');
$stack->set_active($user{dee}, 0);
$stack->wait_is(sub { $app->roles }, 'ann:viewer cid:viewer',
    '... and so is who is deactivated');
$stack->set_active($user{dee}, 1);
$stack->wait_is(sub { $app->roles }, 'ann:viewer cid:viewer dee:viewer',
    '... until activated');

# one of two ways goes
remove($all, $guild);
$stack->wait_is(sub { names($user{ann}) }, 'All:indirect Guild:indirect '
    . 'Squad:direct Tribe:indirect', 'one of two ways is gone');
$stack->add_members($all, $user{ann});
is(names($user{ann}), 'All:direct Guild:indirect Squad:direct '
    . 'Tribe:indirect', 'directly and by others: direct');
remove($tribe, $squad); # in the middle
$stack->wait_is(sub { $app->roles }, 'ann:viewer cid:viewer',
    'the middle is taken out: who is in directly stays');
$stack->wait_is(sub { $stack->team($tribe) }, 'cid', '... in each team');
is(scalar(grep { /DELETE (?:ann|cid)/ } $app->story), 0,
    '... and was never removed');
$stack->add_members($tribe, $squad);
$stack->wait_is(sub { $app->roles }, 'ann:viewer cid:viewer dee:viewer',
    'and back');
$stack->must('scim', 'DELETE', "/Groups/$tribe");
$stack->wait_is(sub { $app->roles }, 'ann:viewer',
    'the middle is deleted');
$stack->wait_is(sub { $stack->team($guild) }, 'ann dee',
    '... other ways are untouched');

# circles
my $answer = $stack->answers('a circle is refused', 400, ['invalidValue'],
    'PATCH', "/Groups/$squad", TestScim::patch_body({ op => 'add',
    path => 'members', value => [ { value => $guild } ] }));
like($answer->{json}{detail}, qr/$guild/, '... and named');
$stack->answers('... by PUT, too', 400, ['invalidValue'], 'PUT',
    "/Groups/$squad", { displayName => 'Squad',
    members => [ { value => $guild } ] });
is($stack->team($squad), 'ann dee', '... and nothing changed');

# many at once that would close circles: what is stored has none
my @ring = map { $stack->group("Ring $_") } 1 .. 6;
my @children;
for my $one (0 .. 5) {
    my $pid = fork // die "fork: $!\n";
    if ($pid == 0) {
        my $http = HTTP::Tiny->new(timeout => 60);
        for my $step (1 .. 5) {
            $stack->{http} = $http;
            $stack->scim('PATCH', "/Groups/$ring[$one]", TestScim::patch_body(
                { op => 'add', path => 'members',
                value => [ { value => $ring[($one + $step) % 6] } ] }));
        }
        POSIX::_exit(0);
    }
    push @children, $pid;
}
waitpid $_, 0 for @children;
my %inner = map { my $group = $_; $group => [ map { $_->{value} }
    @{ $stack->must('scim', 'GET', "/Groups/$group")->{members} // [] } ] }
    @ring;
my $edges = 0;
$edges += @$_ for values %inner;
is($edges, 15, 'of each two groups one could be put into the other');
my %level = map { $_ => 0 } @ring;
for my $round (1 .. 6) {
    for my $group (@ring) {
        for my $other (@{ $inner{$group} }) {
            $level{$group} = $level{$other} + 1
                if $level{$group} <= $level{$other};
        }
    }
}
is(join(' ', sort values %level), '0 1 2 3 4 5', '... and none in a circle');

# a filter by an outer group
my @found = map { $_->{userName} =~ s/\@.*//r } @{ $stack->must('scim', 'GET',
    '/Users?filter=' . TestScim::escape(qq{groups.value eq "$guild"}))
    ->{Resources} };
is("@found", 'ann dee', 'groups.value finds who is in by another group');

# the guard: one request that takes a group out is one removal of many, even
# of more people than are looked at at once
$stack->must('admin', 'DELETE', "/apps/$id");
my @many = map { $stack->user(sprintf 'm%03d', $_) } 1 .. 250;
my $outer = $stack->group('Outer', $stack->group('Beside', $user{cid}));
my $inner = $stack->group('Inner', @many);
$stack->add_members($outer, $inner);
$app->put($_) for keys %{ $app->members };
$id = $stack->app($app->connector, name => 'Guarded', guard => {
    count => 230, percent => 0 });
$stack->share($id, "teams/$outer", 'viewer');
$stack->wait_is(sub { scalar keys %{ $app->members } }, 251,
    'everybody is in');

sub count_of {
    my ($state) = @_;
    return scalar grep { $_->{state} eq $state } $stack->grants($id);
}


remove($outer, $inner);
$stack->wait_is(sub { count_of('held') }, 250, 'an inner group taken out: '
    . 'all are held');
is(scalar keys %{ $app->members }, 251, '... and nobody was removed');
is(scalar @{ $stack->must('admin', 'GET', "/holds?app=$id")->{holds} }, 1,
    '... in one hold');
$stack->add_members($outer, $inner);
$stack->wait_is(sub { count_of('invited') }, 251, 'put in again: none waits');
$stack->must('scim', 'PUT', "/Groups/$inner", { displayName => 'Inner',
    members => [] });
$stack->wait_is(sub { count_of('held') }, 250, 'an inner group emptied: all '
    . 'are held');
is(scalar keys %{ $app->members }, 251, '... and nobody was removed');
$app->stop;
$stack->done;
