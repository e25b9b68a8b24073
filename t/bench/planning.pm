# A large team gets an app: how fast everybody is planned, and what a grant
# weighs.  Part of t/bench/run.
use strict;
use warnings;
use List::Util qw(min);
use Time::HiRes qw(time);


sub bench_planning {
    my ($stack, $o) = @_;
    my $group = make_group($stack, 'everybody');
    wait_for(10, 'the team', sub {
        redis($stack, 'EXISTS', key($stack, "team:$group"));
    });
    fill_team($stack, $group, $o->{team});
    # one call a minute: what is measured is the planning
    my $app = make_app($stack, $stack->{bare}{app_port},
        ratePerSecond => 0.02);
    my $grants = key($stack, "app:$app:grants");
    my ($redis, $sidecar) = @{$stack}{qw(redis sidecar)};
    my $before = memory($stack);
    progress("a team of $o->{team} gets an app");
    my @cpu = map { cpu($_) } $sidecar, $redis;
    my $from = time;
    admin($stack, 'PUT', "/apps/$app/shares/teams/$group",
        { role => 'collaborator' });
    wait_for(900, 'everybody to be planned', sub {
        redis($stack, 'ZCARD', $grants) >= $o->{team};
    });
    my $took = time - $from;
    row("planning a share with a team of $o->{team}", [ $o->{team} / $took ],
        'users/s');
    row('planning: CPU of the sidecar', [ (cpu($sidecar) - $cpu[0])
        / $o->{team} ], 'us/user');
    row('planning: CPU of Redis', [ (cpu($redis) - $cpu[1]) / $o->{team} ],
        'us/user');
    row("memory of 1000000 grants with their tasks, from $o->{team}",
        [ (memory($stack) - $before) / $o->{team} * 1e6 / 2 ** 20 ], 'MB');
}


# A user is made by the edge, and multiplied inside of Redis with what group,
# team and user know of each other.
sub fill_team {
    my ($stack, $group, $size) = @_;
    progress("filling a team of $size");
    my ($id) = make_people($stack, 1);
    my $prefix = key($stack, '');
    my $record = redis($stack, 'GET', "${prefix}user:$id");
    $record =~ s/"p\d+\@/"teamTEMPLATE\@/g;
    my $script = slurp('t/bench/fill_team.lua');
    for (my $i = 0; $i < $size; $i += 2000) {
        redis($stack, 'EVAL', $script, 1, $prefix, $record, $id, $group, $i,
            min($i + 2000, $size) - 1);
    }
}

1;
