# Invites to an app that answers at once, beside curl doing nothing but the
# same requests.  Part of t/bench/run.
use strict;
use warnings;
use JSON::PP;
use Time::HiRes qw(time);


sub bench_invites {
    my ($stack, $o) = @_;
    my ($redis, $sidecar) = @{$stack}{qw(redis sidecar)};
    my (%rate, %cpu);
    for my $round (1 .. $o->{rounds}) {
        my (undef, $group) = make_share($stack, $stack->{bare}{app_port},
            concurrency => 64);
        my @users = make_people($stack, $o->{people});
        progress("a team of $o->{people} joins an app, round $round of "
            . $o->{rounds});
        my $done = redis($stack, 'ZCARD', key($stack, 'tasks:done'));
        my @cpu = map { cpu($_) } $sidecar, $redis;
        my $from = time;
        add_members($stack, $group, @users);
        wait_for(600, 'every invite', sub {
            redis($stack, 'ZCARD', key($stack, 'tasks:done'))
                >= $done + $o->{people};
        });
        push @{ $rate{sidecar} }, $o->{people} / (time - $from);
        push @{ $cpu{sidecar} }, (cpu($sidecar) - $cpu[0]) / $o->{people};
        push @{ $cpu{redis} }, (cpu($redis) - $cpu[1]) / $o->{people};
        my $curl = curl_limit($stack, 20 * $o->{people});
        push @{ $rate{curl} }, $curl->{calls} / $curl->{seconds};
        push @{ $cpu{curl} }, $curl->{cpu_us} / $curl->{calls};
    }
    row('invites per second per core: sidecar / curl alone',
        ratios($cpu{curl}, $cpu{sidecar}), 'x', '>= 0.5');
    row('invites per second: the whole path / curl alone',
        ratios($rate{sidecar}, $rate{curl}), 'x');
    row('invites: from the push to the last one recorded', $rate{sidecar},
        '/s');
    row('invites: curl alone', $rate{curl}, '/s');
    row('invites: CPU of the sidecar', $cpu{sidecar}, 'us/invite');
    row('invites: CPU of curl alone', $cpu{curl}, 'us/invite');
    row('invites: CPU of Redis', $cpu{redis}, 'us/invite');
}


sub curl_limit {
    my ($stack, $count) = @_;
    my $text = `build/bench/curl_limit http://127.0.0.1:$stack->{bare}{app_port}/members $count 64`;
    my $answer = JSON::PP->new->decode($text || '{}');
    $answer->{calls} && !$answer->{errors} or die "curl_limit: $text\n";
    return $answer;
}

1;
