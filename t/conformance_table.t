#!/usr/bin/perl
# The tests and cases that CONFORMANCE.md names are there.
use strict;
use warnings;
use FindBin;
use Test::More;

chdir "$FindBin::Bin/.." or die "$!\n";


sub is_there {
    my ($path) = @_;
    return grep { -e } glob $path;
}


# Files by path; cases as okta/create, and further ones of the same client
# without it; a * stands for anything.
sub missing {
    my ($tests) = @_;
    my ($client, @missing);
    for my $name ($tests =~ m{(?<![\w/.*])[a-z_]\w*(?:/[\w*]+)?(?:\.\w+)?\*?}g) {
        if ($name =~ m{^tests?/|^t/}) {
            push @missing, $name unless -e $name;
        } elsif ($name =~ m{^(\w+)/} && -d "t/dialects/$1") {
            $client = $1;
            push @missing, $name unless is_there("t/dialects/$name");
        } elsif (defined $client && $name =~ /_/) {
            push @missing, "$client/$name"
                unless is_there("t/dialects/$client/$name");
        }
    }
    return @missing;
}


is_deeply([ missing('t/none.t, okta/create, create_taken, none_such') ],
    [ 't/none.t', 'okta/none_such' ], 'what is not there is noticed');

open my $file, '<', 't/CONFORMANCE.md' or die "t/CONFORMANCE.md: $!\n";
my ($rows, @missing, @odd) = (0);
while (my $line = <$file>) {
    next unless $line =~ /^\| /;
    my @columns = split /\|/, $line;
    push @odd, "line $." if @columns != 6; # what is outside counts
    push @missing, map { "line $.: $_" } missing($columns[4]);
    $rows++;
}
cmp_ok($rows, '>', 300, 'rows are read');
is_deeply(\@odd, [], 'each has four columns');
is_deeply(\@missing, [], 'the tests that it names exist');
done_testing;
