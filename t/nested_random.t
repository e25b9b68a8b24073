#!/usr/bin/perl
# Groups in groups under random changes, with sidecars that are killed at work:
# at the end every team is what the groups say, in whatever order and how often
# events were looked at.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TestScim;

my $stack = TestScim->start(sidecars => 3);
srand 11;
my @user = map { $stack->user("u$_") } 1 .. 12;
my $made = 0;
my @group = map { $stack->group('G' . ++$made) } 1 .. 8;
my %active = map { $_ => 1 } @user;
my $refused = 0;

sub members {
    my ($group) = @_;
    return @{ $stack->must('scim', 'GET', "/Groups/$group")->{members} // [] };
}


# Who is in the group, directly or by others, and active.
sub people {
    my ($group, $members) = @_;
    my (%seen, %in);
    my @todo = ($group);
    while (defined(my $one = shift @todo)) {
        next if $seen{$one}++;
        for my $member (@{ $members->{$one} // [] }) {
            if ($member->{type} eq 'Group') {
                push @todo, $member->{value};
            }
            else {
                $in{ $member->{value} } = 1 if $active{ $member->{value} };
            }
        }
    }
    return join ' ', sort keys %in;
}


sub patch_members {
    my ($group, @operations) = @_;
    my $answer = $stack->scim('PATCH', "/Groups/$group",
        TestScim::patch_body(@operations));
    $refused++ if $answer->{status} == 400;
    die "$answer->{status} $answer->{content}\n"
        if !$answer->{success} && $answer->{status} != 400;
}


sub add {
    return { op => 'add', path => 'members',
        value => [ map { { value => $_ } } @_ ] };
}


sub take {
    return map { { op => 'remove', path => qq{members[value eq "$_"]} } } @_;
}


sub change {
    my $group = $group[rand @group];
    my $what = int rand 14;
    if ($what < 4) {
        patch_members($group, add(map { $user[rand @user] } 1 .. 3));
    }
    elsif ($what < 6) {
        patch_members($group, take(map { $user[rand @user] } 1 .. 4));
    }
    elsif ($what < 9) {
        patch_members($group, add($group[rand @group]));
    }
    elsif ($what < 11) {
        my @inner = grep { $_->{type} eq 'Group' } members($group);
        patch_members($group, take($inner[rand @inner]{value})) if @inner;
    }
    elsif ($what < 12) {
        my $user = $user[rand @user];
        $active{$user} = !$active{$user};
        $stack->set_active($user, $active{$user});
    }
    elsif ($what < 13) {
        patch_members($group, { op => 'replace', path => 'members', value =>
            [ map { { value => $user[rand @user] } } 1 .. 2 ] });
    }
    else {
        $stack->must('scim', 'DELETE', "/Groups/$group");
        @group = ((grep { $_ ne $group } @group), $stack->group('G' . ++$made));
    }
}


my $kills = 0;
for my $round (1 .. 240) {
    change();
    next if $round % 30;
    my @pids = $stack->pids('sidecar-' . (1 + int rand 3));
    $kills += kill 'KILL', @pids;
}
cmp_ok($kills, '>', 3, "$kills sidecars were killed at work");
cmp_ok($refused, '>', 3, "$refused changes were refused");
my %members = map { $_ => [ members($_) ] } @group;
ok((grep { grep { $_->{type} eq 'Group' } @$_ } values %members) > 2,
    'groups are in groups');

sub team {
    my ($group) = @_;
    my $answer = $stack->admin('GET', "/teams/$group?limit=1000");
    return join ' ', sort map { $_->{userId} }
        @{ $answer->{json}{members} // [] };
}


$stack->wait_is(sub { join ' | ', map { team($_) } @group },
    join(' | ', map { people($_, \%members) } @group),
    'every team is what the groups say');
for my $user (@user[0 .. 3]) {
    my %in = map { $_->{value} => 1 } @{ $stack->must('scim', 'GET',
        "/Users/$user")->{groups} // [] };
    local $active{$user} = 1;
    is(join(' ', sort keys %in), join(' ', sort grep {
        " @{[ people($_, \%members) ]} " =~ / \Q$user\E / } @group),
        'a user shows all of their groups');
}
$stack->wait_is(sub { my $sum = 0; for my $key (@{ $stack->redis('KEYS',
    '*:events') }) { my $reply = eval { $stack->redis('XPENDING', $key,
    'sidecar') } or next; $sum += $reply->[0] } $sum }, 0,
    'every event is acknowledged');
$stack->done;
