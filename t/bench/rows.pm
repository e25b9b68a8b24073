# What the benchmarks found: rows, medians, the report.  Part of t/bench/run.
use strict;
use warnings;
use JSON::PP;
use List::Util qw(max min);

my @rows;


sub median {
    my @sorted = sort { $a <=> $b } @_;
    return @sorted % 2 ? $sorted[ $#sorted / 2 ]
        : ($sorted[ @sorted / 2 - 1 ] + $sorted[ @sorted / 2 ]) / 2;
}


sub ratios { # round by round, so that noise hits both alike
    my ($a, $b) = @_;
    return [ map { $a->[$_] / $b->[$_] } 0 .. min($#$a, $#$b) ];
}


# `aim`, if there is one: '>= 0.45' or '<= 1.3', for the median.
sub row {
    my ($name, $values, $unit, $aim) = @_;
    my %row = (name => $name, unit => $unit, median => median(@$values),
        min => min(@$values), max => max(@$values), runs => scalar @$values);
    if (defined $aim) {
        my ($than, $bound) = $aim =~ /^([<>]=) ([\d.]+)$/
            or die "$name: aim $aim\n";
        my $met = $than eq '>=' ? $row{median} >= $bound
            : $row{median} <= $bound;
        @row{qw(aim met)} = ($aim, $met ? JSON::PP::true : JSON::PP::false);
    }
    push @rows, \%row;
}


sub progress { print STDERR "bench: $_[0]\n" }


# Ratios first, then what else has an aim, then the rest.
sub in_order {
    my %rank = map { $_ => $rows[$_]{unit} eq 'x' ? 0
        : defined $rows[$_]{aim} ? 1 : 2 } 0 .. $#rows;
    return @rows[ sort { $rank{$a} <=> $rank{$b} || $a <=> $b } keys %rank ];
}


sub report {
    my ($o) = @_;
    if ($o->{json}) {
        print JSON::PP->new->canonical->pretty->encode({ rows =>
            [ in_order() ] });
        return;
    }
    my $width = max map { length $_->{name} } @rows;
    printf "%-${width}s %10s %10s %10s  %-10s  %s\n", 'figure', 'median',
        'min', 'max', 'unit', 'aim';
    for my $r (in_order()) {
        my $format = $r->{median} >= 1000 ? '%10.0f' : '%10.2f';
        printf "%-${width}s $format $format $format  %-10s  %s\n",
            @{$r}{qw(name median min max unit)}, !defined $r->{aim} ? ''
            : $r->{aim} . ($r->{met} ? ' met' : ' not met');
    }
    printf "medians of %d interleaved rounds of %d s; 1 nginx worker, wrk -t1 "
        . "-c32, Redis on a unix socket\n", $o->{rounds}, $o->{seconds};
}

1;
