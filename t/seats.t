#!/usr/bin/perl
# Seats: never more people in the app than it has seats, however many sidecars
# work; who waits gets the next one in the order of arrival.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use List::Util qw(max);
use MockApp;
use Test::More;
use TestScim;

my $app = MockApp->start;
my $stack = TestScim->start(sidecars => 2);
my @names = map { sprintf 'u%02d', $_ } 1 .. 50;
my %user = map { $_ => $stack->user($_) } @names;
my $team = $stack->group('Everybody', @user{@names});
my $id = $stack->app($app->connector, seats => 10,
    guard => { count => 100, percent => 100 });

# The most people that the app ever had, by its own count.
sub most {
    my ($now, $most) = (0, 0);
    for my $call ($app->calls) {
        $now += $call->{method} eq 'POST' ? 1 : $call->{method} eq 'DELETE'
            ? -1 : 0 if $call->{effect};
        $most = max($most, $now);
    }
    return $most;
}


sub in_state {
    my ($state) = @_;
    return map { $_->{userId} } grep { $_->{state} eq $state }
        $stack->grants($id);
}


sub in_line {
    my %place = map { $_ => $stack->must('admin', 'GET',
        "/apps/$id/members/$_")->{seat}{place} } in_state('waitlisted');
    return sort { $place{$a} <=> $place{$b} } keys %place;
}


$stack->share($id, "teams/$team", 'viewer');
$stack->wait_is(sub { in_state('invited') . ' ' . in_state('waitlisted') },
    '10 40', 'fifty people, ten seats');
is(most(), 10, 'never more than ten in the app');
is_deeply($stack->must('admin', 'GET', "/apps/$id")->{seatUse},
    { inUse => 10, waiting => 40, free => 0 }, 'the use of seats is shown');

# those who were first in line get the seats of those who go
my @waiting = in_line();
is(scalar @waiting, 40, 'forty places in line');
my @out = (in_state('invited'))[0 .. 4];
$stack->remove_member($team, $_) for @out;
my %seated;
$stack->wait_is(sub { %seated = map { $_ => 1 } in_state('invited');
    join ' ', map { $seated{$_} ? 1 : 0 } @waiting[0 .. 5] },
    '1 1 1 1 1 0', 'the next five, and not the sixth');
is(most(), 10, 'never more than ten in the app');

# all at once: seats given back and asked for
$stack->remove_member($team, $_) for grep { !$seated{$_} } @waiting[10 .. 20];
$stack->set_active($_, 0) for (in_state('invited'))[0 .. 5];
$stack->add_members($team, @out);
$stack->wait_is(sub { scalar(() = in_state('invited')) . ' '
    . in_state('waitlisted') }, '10 ' . (50 - 11 - 6 - 10),
    'people come and go');
is(scalar keys %{ $app->members }, 10, '... ten are in');
is(most(), 10, 'never more than ten in the app');
$app->stop;
$stack->done;
