#!/usr/bin/perl
# Entra ID does not send again what was acknowledged: nginx, Redis or a sidecar
# is killed after each 2xx of its cycle, and the end is the same.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use EntraStory;
use Test::More;
use TestScim;

my $stack = TestScim->start(sidecars => 2);
$stack->expect_alert(qr/exited on signal 9/);
my $quiet = EntraStory::play($stack, 'quiet');
my @victims = qw(redis worker sidecar-1 nginx sidecar-2);
my %kills;

# The next one that runs: one that was killed is back when its turn comes, or
# another one goes.
sub end_a_part {
    my ($name) = @_;
    for (1 .. @victims) {
        push @victims, my $victim = shift @victims;
        next unless $stack->pids($victim);
        $stack->signal_part($victim, 'KILL');
        $kills{$victim}++;
        return;
    }
    fail("nothing runs after $name");
}


is(EntraStory::play($stack, 'killed', after => \&end_a_part), $quiet,
    'the directory and the app end as without any of that');
cmp_ok($kills{$_} // 0, '>', 1, "$_ was killed") for @victims;
$stack->done;
