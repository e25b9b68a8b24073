# From the answer to the identity provider until the app hears of it: idle,
# beside many requests, beside an app that hangs.  Part of t/bench/run.
use strict;
use warnings;
use JSON::PP;


sub bench_access {
    my ($stack, $o) = @_;
    my $app = make_listener();
    my (undef, $group) = make_share($stack, $app->{port});
    bench_idle($stack, $o, $app, $group);
    bench_hanging($stack, $o, $app, $group);
    bench_loaded($stack, $o, $app, $group);
}


sub bench_idle {
    my ($stack, $o, $app, $group) = @_;
    my @users = make_people($stack, $o->{samples});
    progress("end to end, $o->{samples} invites one at a time");
    my @times = times_to_receipt($stack, $app, $group, @users);
    row('end to end, idle: 2xx to the app\'s receipt, p50',
        [ percentile(50, @times) ], 'ms');
    row('end to end, idle: 2xx to the app\'s receipt, p99',
        [ percentile(99, @times) ], 'ms', '<= 20');
}


# The other app answers once, so that it gets all the calls that it may, then
# takes connections, reads nothing and says nothing.
sub bench_hanging {
    my ($stack, $o, $app, $group) = @_;
    my (@alone, @beside);
    for my $round (1 .. $o->{rounds}) {
        my @users = make_people($stack, 2 * $o->{samples} + 101);
        progress("beside an app that hangs, round $round of $o->{rounds}");
        my $hanging = make_listener();
        my ($id, $others) = make_share($stack, $hanging->{port},
            concurrency => 64);
        times_to_receipt($stack, $hanging, $others, pop @users);
        my @some = splice @users, 0, $o->{samples};
        push @alone, [ times_to_receipt($stack, $app, $group, @some) ];
        @some = splice @users, 0, 100;
        add_members($stack, $others, @some);
        wait_for(20, '64 calls that hang', sub {
            redis($stack, 'ZCARD', key($stack, 'tasks:running')) >= 64;
        });
        push @beside, [ times_to_receipt($stack, $app, $group, @users) ];
        admin($stack, 'DELETE', "/apps/$id");
        close $_ for $hanging->{select}->handles;
        wait_for(60, 'the hanging calls to be given up', sub {
            redis($stack, 'ZCARD', key($stack, 'tasks:running')) == 0;
        });
    }
    for my $percent (99, 50) {
        my @with = map { percentile($percent, @$_) } @beside;
        my @without = map { percentile($percent, @$_) } @alone;
        row("end to end beside a hanging app / without, p$percent",
            ratios(\@with, \@without), 'x', $percent == 99 ? '<= 1.2' : undef);
    }
}


# A quarter each: look-ups by userName, reads, replaced titles, new users.
sub bench_loaded {
    my ($stack, $o, $app, $group) = @_;
    my $seconds = 3 * $o->{seconds};
    my @users = make_people($stack, 3000);
    my @known = splice @users, 0, 1000;
    my $file = "$stack->{dir}/paced-ids";
    open my $out, '>', $file or die "$file: $!\n";
    print $out map { "$_\n" } @known;
    close $out;
    progress("end to end beside $o->{rate} requests per second");
    local $ENV{SCIM_TOKEN} = $stack->{token};
    my $log = "$stack->{dir}/paced.json";
    my $pid = spawn($log, 'build/bench/paced', $stack->{port}, $file,
        'paced' . int(time), $o->{rate}, $seconds, 256);
    my @times;
    while (@users && waitpid($pid, POSIX::WNOHANG()) == 0) {
        push @times, times_to_receipt($stack, $app, $group, shift @users);
    }
    waitpid $pid, 0;
    my $load = JSON::PP->new->decode(slurp($log) || '{}');
    $load->{answered} && !$load->{errors} or die 'paced: ' . slurp($log);
    row('end to end under load: requests per second offered',
        [ $o->{rate} ], '/s');
    row('end to end under load: requests per second answered',
        [ $load->{answered} / $load->{seconds} ], '/s');
    row('end to end under load: 2xx to the app\'s receipt, p50',
        [ percentile(50, @times) ], 'ms');
    row('end to end under load: 2xx to the app\'s receipt, p99',
        [ percentile(99, @times) ], 'ms');
    row('end to end under load: SCIM answer after its time, p99',
        [ $load->{p99_ms} ], 'ms');
}

1;
