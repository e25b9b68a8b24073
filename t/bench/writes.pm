# Creates beside the function alone and a bare nginx.  Part of t/bench/run.
use strict;
use warnings;
use JSON::PP;


sub bench_writes {
    my ($stack, $o) = @_;
    my (%rate, %cpu);
    for my $round (1 .. $o->{rounds}) {
        progress("creates, round $round of $o->{rounds}");
        push @{ $rate{bare} }, wrk($stack->{bare}, 'create.lua', "b$round", $o)
            ->{rate};
        for my $aof ('off', 'always') {
            redis_aof($stack, $aof);
            my $r = wrk($stack, 'create.lua', "$aof$round", $o,
                @{$stack}{qw(worker redis)});
            push @{ $rate{"edge $aof"} }, $r->{rate};
            push @{ $cpu{"edge $aof"} }, $r->{cpu}[0];
            push @{ $cpu{"redis $aof"} }, $r->{cpu}[1];
            push @{ $rate{"limit $aof"} }, redis_limit($stack, "$aof$round", $o);
        }
    }
    for my $aof ('off', 'always') {
        row("creates, AOF $aof: edge / Redis function alone",
            ratios($rate{"edge $aof"}, $rate{"limit $aof"}), 'x', '>= 0.45');
        row("creates, AOF $aof: edge / bare nginx",
            ratios($rate{"edge $aof"}, $rate{bare}), 'x');
        row("creates, AOF $aof: through the edge", $rate{"edge $aof"}, '/s');
        row("creates, AOF $aof: function from full pipelines",
            $rate{"limit $aof"}, '/s');
        row("creates, AOF $aof: CPU of the edge", $cpu{"edge $aof"},
            'us/request');
        row("creates, AOF $aof: CPU of Redis", $cpu{"redis $aof"},
            'us/request');
    }
    row('creates: AOF always / AOF off', ratios($rate{'edge always'},
        $rate{'edge off'}), 'x');
    row('bare nginx, return 200 to the same POST', $rate{bare}, '/s');
    redis_aof($stack, 'always');
}


sub redis_limit {
    my ($stack, $run, $o) = @_;
    my $count = 20_000 * $o->{seconds};
    my $text = `build/bench/redis_limit $stack->{dir}/redis.sock demo $stack->{shard} $run-@{[int(time)]} $count 4 16`;
    my $answer = JSON::PP->new->decode($text || '{}');
    $answer->{calls} && !$answer->{errors} or die "redis_limit: $text\n";
    return $answer->{calls} / $answer->{seconds};
}

1;
