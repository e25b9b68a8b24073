# What the sidecar reads without anything to do.  Part of t/bench/run.
use strict;
use warnings;
use Time::HiRes qw(time);


# The events that the creates left: none of them changes a grant.
sub bench_events {
    my ($stack, $o) = @_;
    wrk($stack, 'create.lua', 'events', $o) if waiting($stack) < 10_000;
    my $waiting = waiting($stack);
    progress("sidecar reads $waiting events");
    my $pid = spawn("$stack->{dir}/bench-sidecar.log", 'build/scim-sidecar',
        '--redis', "unix:$stack->{dir}/redis.sock", '--conf',
        "$stack->{dir}/sidecar.conf", '--state-dir', "$stack->{dir}");
    my $from = time;
    my ($cpu, $redis) = (cpu($pid), cpu($stack->{redis}));
    wait_for(600, 'the sidecar to read every event',
        sub { waiting($stack) == 0 });
    my $took = time - $from;
    row('sidecar: events without effect', [ $waiting / $took ], '/s');
    row('sidecar: CPU an event', [ (cpu($pid) - $cpu) / $waiting ], 'us');
    row('Redis: CPU an event read', [ (cpu($stack->{redis}) - $redis)
        / $waiting ], 'us');
    stop($pid);
}

1;
