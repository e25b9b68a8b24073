# One member in groups of three sizes.  Part of t/bench/run.
use strict;
use warnings;
use IO::Socket::UNIX;
use List::Util qw(min);
use Time::HiRes qw(time);


# One member in, the same member out, in groups of three sizes in turn.
sub bench_patch {
    my ($stack, $o) = @_;
    my @sizes = (10, 10_000, $o->{members});
    my ($user) = make_people($stack, 1);
    my (%group, %times);
    for my $size (@sizes) {
        progress("filling a group of $size");
        my $id = make_group($stack, "bench $size");
        fill_group($stack, $id, $size);
        $group{$size} = $id;
    }
    my $socket = connect_to($stack->{port});
    for my $round (1 .. $o->{rounds}) {
        progress("group PATCH, round $round of $o->{rounds}");
        my %seen;
        for my $i (1 .. 200) {
            for my $size (@sizes) {
                for my $op (
                    { op => 'add', path => 'members',
                        value => [ { value => $user } ] },
                    { op => 'remove', path => qq{members[value eq "$user"]} })
                {
                    my $from = time;
                    my ($status) = exchange($socket, $stack, 'PATCH',
                        "/Groups/$group{$size}", patch_op($op));
                    push @{ $seen{$size} }, (time - $from) * 1e6;
                    $status == 204 or die "PATCH answered $status\n";
                }
            }
        }
        push @{ $times{$_} }, median(@{ $seen{$_} }) for @sizes;
    }
    row("PATCH one member: group of $o->{members} / group of 10",
        ratios($times{ $sizes[2] }, $times{10}), 'x', '<= 1.3');
    row("PATCH one member, group of $_", $times{$_}, 'us') for @sizes;
}


# The members are written as the directory function writes them.
sub fill_group {
    my ($stack, $group, $size) = @_;
    my $key = key($stack, "group:$group:members");
    my $socket = IO::Socket::UNIX->new(Peer => "$stack->{dir}/redis.sock")
        or die "redis: $!\n";
    redis_aof($stack, 'off') if $size > 100_000;
    for (my $i = 0; $i < $size; $i += 1000) {
        my $n = min(1000, $size - $i);
        my @member = map { sprintf 'U01900000-0000-7000-8000-%012x', $i + $_ }
            1 .. $n;
        syswrite $socket, resp('ZADD', $key, map { (0, $_) } @member);
        my $line = <$socket>;
        $line =~ /^:/ or die "ZADD: $line";
    }
    redis_aof($stack, 'always') if $size > 100_000;
}

1;
