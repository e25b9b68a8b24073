#!/usr/bin/perl
# Events that cannot be understood are set aside, whole, and the others flow;
# what cannot be set aside is not acknowledged either.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use MockApp;
use Test::More;
use TestScim;

my $app = MockApp->start;
my $stack = TestScim->start;
my $ann = $stack->user('ann');
my ($events) = grep { $stack->redis('XLEN', $_) }
    grep { /:events$/ } @{ $stack->redis('KEYS', '*') };
my $dead = $events =~ s/events$/dead/r;
my $id = $stack->app($app->connector);

sub pending {
    return $stack->redis('XPENDING', $events, 'sidecar')->[0];
}


# How many events.  As all work on events, setting one aside may happen twice:
# a sidecar that is killed before it acknowledges finds it again.
sub set_aside {
    my %seen;
    for my $entry (@{ $stack->redis('XRANGE', $dead, '-', '+') }) {
        my %field = @{ $entry->[1] };
        $seen{ $field{id} } = 1;
    }
    return scalar keys %seen;
}

# who is it about, of which op, with what
my @bad = ([ y => 'no field that we know' ],
    [ qw(ws demo op user.patched type user id), $ann, qw(v 1 data {) ],
    [ qw(ws demo op user.patched type user v 1 data {}) ],
    [ qw(ws No/Slug op user.patched type user id), $ann, qw(v 1 data {}) ],
    [ qw(ws demo op user.patched type user id), $ann, qw(v 1 data []) ],
    [ qw(ws demo type user id), $ann, qw(v 1 data {}) ]);
my @ids = map { $stack->redis('XADD', $events, '*', @$_) } @bad;
$stack->share($id, "users/$ann");
$stack->wait_is(sub { $app->roles }, 'ann:viewer', 'what follows them flows');
$stack->wait_is(\&set_aside, scalar @bad, 'they are set aside');
$stack->wait_is(\&pending, 0, '... and acknowledged');
my @kept = map { my %of = @{ $_->[1] }; \%of }
    @{ $stack->redis('XRANGE', $dead, '-', '+') };
is(join(' ', map { $_->{id} } @kept), "@ids", '... under their ids');
is($kept[1]{data}, '{', '... with what they held');
is($kept[1]{about}, $ann, '... and whom they are about');

# an op of a newer version is left for it
$stack->redis('XADD', $events, '*', qw(ws demo op new.thing type user id),
    $ann, qw(v 1 data {}));
$stack->wait_is(\&pending, 1, 'an op that we do not know stays pending');
is(set_aside(), scalar @bad, '... and is not set aside');

# Redis refuses what shall be set aside: by a key that is no stream
$stack->redis('DEL', $dead);
$stack->redis('SET', $dead, 'in the way');
$stack->redis('XADD', $events, '*', y => 1);
ok(TestScim::until_true(sub { $stack->logs =~ /could not be set aside/ }),
    'what cannot be set aside is in the log');
$stack->must('scim', 'PATCH', "/Users/$ann", TestScim::patch_body({
    op => 'replace', path => 'active', value => 'false' }));
$stack->wait_is(sub { $app->roles }, '', 'others flow all the same');
is(pending(), 2, '... and it is not acknowledged');
$stack->redis('DEL', $dead);
$stack->signal_part('sidecar-1', 'KILL'); # reads what it left, at its start
$stack->wait_is(\&set_aside, 1, 'it is set aside once that is possible');
$stack->wait_is(\&pending, 1, '... and acknowledged then');
$app->stop;
$stack->done;
