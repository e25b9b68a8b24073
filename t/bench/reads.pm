# GET by id beside a bare nginx.  Part of t/bench/run.
use strict;
use warnings;


sub bench_reads {
    my ($stack, $o) = @_;
    my $list = scim($stack, 'GET', '/Users?count=200');
    if (@{ $list->{Resources} } < 200) {
        wrk($stack, 'create.lua', 'reads', $o);
        $list = scim($stack, 'GET', '/Users?count=200');
    }
    my $file = "$stack->{dir}/ids";
    open my $ids, '>', $file or die "$file: $!\n";
    print $ids map { "$_->{id}\n" } @{ $list->{Resources} };
    close $ids;
    local $ENV{SCIM_BENCH_IDS} = $file;
    my (%rate, %cpu);
    for my $round (1 .. $o->{rounds}) {
        progress("reads, round $round of $o->{rounds}");
        push @{ $rate{bare} }, wrk($stack->{bare}, 'get.lua', 0, $o)->{rate};
        my $r = wrk($stack, 'get.lua', 0, $o, @{$stack}{qw(worker redis)});
        push @{ $rate{edge} }, $r->{rate};
        push @{ $cpu{edge} }, $r->{cpu}[0];
        push @{ $cpu{redis} }, $r->{cpu}[1];
    }
    row('GET by id: edge / bare nginx', ratios($rate{edge}, $rate{bare}), 'x',
        '>= 0.55');
    row('GET by id: through the edge', $rate{edge}, '/s');
    row('bare nginx, return 200 with the same body', $rate{bare}, '/s');
    row('GET by id: CPU of the edge', $cpu{edge}, 'us/request');
    row('GET by id: CPU of Redis', $cpu{redis}, 'us/request');
}

1;
