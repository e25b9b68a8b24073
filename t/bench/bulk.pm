# A Bulk request of creates beside as many single ones.  Part of t/bench/run.
use strict;
use warnings;
use JSON::PP;
use Time::HiRes qw(time);

my $bulk_size = 1000;


sub bench_bulk {
    my ($stack, $o) = @_;
    my (%rate, %cpu);
    for my $round (1 .. $o->{rounds}) {
        progress("Bulk and single creates, round $round of $o->{rounds}");
        my $name = "bulk$round-" . int time;
        for my $kind ('single', 'bulk') {
            my @users = map { bulk_user("$name-$kind-$_") } 1 .. $bulk_size;
            my $before = cpu($stack->{worker});
            my $from = time;
            $kind eq 'bulk' ? create_at_once($stack, @users)
                            : create_one_by_one($stack, @users);
            push @{ $rate{$kind} }, $bulk_size / (time - $from);
            push @{ $cpu{$kind} }, (cpu($stack->{worker}) - $before)
                / $bulk_size;
        }
        push @{ $rate{many} }, wrk($stack, 'create.lua', $name, $o)->{rate};
    }
    row("Bulk of $bulk_size creates / $bulk_size single ones on a connection",
        ratios($rate{bulk}, $rate{single}), 'x', '>= 2');
    row('Bulk / single creates on many connections',
        ratios($rate{bulk}, $rate{many}), 'x');
    row('Bulk: creates', $rate{bulk}, '/s');
    row('single creates on a connection', $rate{single}, '/s');
    row('Bulk: CPU of the edge', $cpu{bulk}, 'us/create');
    row('single creates: CPU of the edge', $cpu{single}, 'us/create');
}


sub bulk_user {
    my ($name) = @_;
    return { schemas => ['urn:ietf:params:scim:schemas:core:2.0:User'],
        userName => "$name\@example.com", externalId => $name,
        name => { givenName => 'Isabella', familyName => 'Lindqvist-Okonkwo' },
        emails => [ { primary => JSON::PP::true, value =>
            "$name\@example.com", type => 'work' } ],
        displayName => 'Isabella Lindqvist-Okonkwo', locale => 'en-US' };
}


sub create_one_by_one {
    my ($stack, @users) = @_;
    my $socket = connect_to($stack->{port});
    for my $user (@users) {
        my ($status, $text) = exchange($socket, $stack, 'POST', '/Users',
            $user, $stack->{token});
        $status == 201 or die "POST /Users answered $status $text\n";
    }
}


sub create_at_once {
    my ($stack, @users) = @_;
    my ($status, $text) = exchange(connect_to($stack->{port}), $stack, 'POST',
        '/Bulk', { schemas =>
            ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
            Operations => [ map { { method => 'POST', path => '/Users',
                bulkId => "u$_", data => $users[$_] } } 0 .. $#users ] },
        $stack->{token});
    my $made = () = $text =~ /"status":"201"/g;
    $status == 200 && $made == @users or die "POST /Bulk answered $status "
        . substr($text, 0, 500) . "\n";
}

1;
