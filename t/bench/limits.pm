# An app that takes so many calls a second: how much of that is used, and that
# it is never more.  Part of t/bench/run.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use List::Util qw(max);
use MockApp;


sub bench_limits {
    my ($stack, $o) = @_;
    my ($rate, $burst, $count) = (200, 20, 1500);
    my (@used, @over);
    for my $round (1 .. $o->{rounds}) {
        progress("an app that takes $rate calls a second, round $round");
        my $mock = MockApp->start;
        my $app = make_app($stack, $mock->{port}, ratePerSecond => $rate,
            burst => $burst);
        my $group = make_group($stack, "limited $round");
        add_members($stack, $group, make_people($stack, $count));
        admin($stack, 'PUT', "/apps/$app/shares/teams/$group",
            { role => 'collaborator' });
        wait_for(120, 'all invites', sub {
            ($mock->control('load')->{POST} // 0) >= $count });
        my @at = sort { $a <=> $b } map { $_->{at} } $mock->calls;
        push @used, ($#at - $burst) / ($at[-1] - $at[0]) / $rate;
        push @over, most_over(\@at, $rate, $burst);
        admin($stack, 'DELETE', "/apps/$app");
        $mock->stop;
    }
    row("an app's rate ($rate calls/s) that is used", \@used, 'x', '>= 0.95');
    row('... calls over it, in any stretch of time', \@over, 'calls',
        '<= 4');
}


# The most calls that any stretch had above the rate and its burst.
sub most_over {
    my ($at, $rate, $burst) = @_;
    my ($over, $lowest) = (0, 1e15);
    for my $j (0 .. $#$at) { # over i <= j: (j - rate*at[j]) - (i - rate*at[i])
        my $height = $j - $rate * $at->[$j];
        $lowest = $height if $height < $lowest;
        $over = max($over, $height - $lowest + 1 - $burst);
    }
    return $over;
}

1;
