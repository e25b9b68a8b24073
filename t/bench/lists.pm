# Lists over many users: look-ups, scans, pages, memory.  Part of t/bench/run,
# whose tools it uses.
use strict;
use warnings;
use IO::Socket::UNIX;
use JSON::PP;
use List::Util qw(max min);
use Time::HiRes qw(time);

my $directory; # { token, shard, prefix } of the workspace that is filled


sub bench_lists {
    my ($stack, $o) = @_;
    fill_directory($stack, $o->{users});
    bench_lookups($stack, $o);
    bench_pages($stack, $o);
    bench_scan($stack, $o);
    bench_beside_scan($stack, $o);
}


sub lists { # GET in the filled workspace
    my ($socket, $stack, $path) = @_;
    my ($status, $text) = exchange($socket, $stack, 'GET', $path, undef,
        $directory->{token});
    $status == 200 or die "GET $path answered $status $text\n";
    return $text;
}


# A user is made by the edge, and multiplied inside of Redis.
sub fill_directory {
    my ($stack, $users) = @_;
    progress("filling a directory of $users users");
    my $token = `build/scimctl --redis unix:$stack->{dir}/redis.sock token create --workspace lists --role scim`;
    $token =~ /^(scim_(\d{3})_\S+)/ or die "no token: $token\n";
    $directory = { token => $1, prefix => "scim:{$2}:lists:" };
    my $name = 'nameTEMPLATE@example.com';
    my $user = call($stack, 'POST', '/Users', {
        schemas => ['urn:ietf:params:scim:schemas:core:2.0:User',
            'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'],
        userName => $name, externalId => 'externalTEMPLATE',
        displayName => 'displayTEMPLATE', title => 'Paid Social Lead',
        name => { givenName => 'Isabella', familyName => 'Lindqvist-Okonkwo' },
        emails => [ { primary => JSON::PP::true, value => $name,
            type => 'work' } ], phoneNumbers => [ { type => 'mobile',
            value => '+46 70 123 45 67' } ], locale => 'en-US',
        'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User' => {
            employeeNumber => '701984', department => 'Marketing',
            costCenter => '4130' } }, $directory->{token});
    my $record = redis($stack, 'GET', "$directory->{prefix}user:$user->{id}");
    exchange(connect_to($stack->{port}), $stack, 'DELETE',
        "/Users/$user->{id}", undef, $directory->{token});
    redis_aof($stack, 'off');
    my $before = memory($stack);
    my $script = slurp('t/bench/fill.lua');
    for (my $i = 0; $i < $users; $i += 2000) {
        redis($stack, 'EVAL', $script, 1, $directory->{prefix}, $record,
            $user->{id}, $i, min($i + 2000, $users) - 1);
    }
    row('memory of a user in Redis, four indexes',
        [ (memory($stack) - $before) / $users ], 'bytes');
    row('the same user as a document', [ length $record ], 'bytes');
}


sub memory {
    my ($stack) = @_;
    my ($used) = redis($stack, 'INFO', 'memory') =~ /used_memory:(\d+)/;
    return $used;
}


sub paths_file {
    my ($stack, $name, @paths) = @_;
    my $file = "$stack->{dir}/$name";
    open my $out, '>', $file or die "$file: $!\n";
    print $out map { "$_\n" } @paths;
    close $out;
    return $file;
}


sub bench_lookups {
    my ($stack, $o) = @_;
    my @some = map { int rand $o->{users} } 1 .. 5000;
    my %file = (
        id => paths_file($stack, 'by-id', map {
            sprintf '/Users/01900000-0000-7000-8000-%012x', $_ } @some),
        filter => paths_file($stack, 'by-filter', map {
            "/Users?filter=userName%20eq%20%22name$_%40example.com%22" }
            @some),
    );
    my (%rate, %cpu);
    for my $round (1 .. $o->{rounds}) {
        progress("look-ups, round $round of $o->{rounds}");
        for my $kind (sort keys %file) {
            local $ENV{SCIM_BENCH_PATHS} = $file{$kind};
            local $stack->{token} = $directory->{token};
            my $r = wrk($stack, 'paths.lua', 0, $o,
                @{$stack}{qw(worker redis)});
            push @{ $rate{$kind} }, $r->{rate};
            push @{ $cpu{$kind}[$_] }, $r->{cpu}[$_] for 0, 1;
        }
    }
    row('filter by userName / GET by id', ratios($rate{filter}, $rate{id}),
        'x', '>= 0.6');
    row('filter by userName', $rate{filter}, '/s');
    for my $kind ([ filter => 'filter by userName' ], [ id => 'GET by id' ]) {
        row("$kind->[1]: CPU of the edge", $cpu{ $kind->[0] }[0],
            'us/request');
        row("$kind->[1]: CPU of Redis", $cpu{ $kind->[0] }[1], 'us/request');
    }
}


sub took { # microseconds
    my ($socket, $stack, $path) = @_;
    my $from = time;
    lists($socket, $stack, $path);
    return (time - $from) * 1e6;
}


sub bench_pages {
    my ($stack, $o) = @_;
    my $last = $o->{users} - 99;
    my $socket = connect_to($stack->{port});
    my (%times, %page);
    for my $round (1 .. $o->{rounds}) {
        progress("pages, round $round of $o->{rounds}");
        my %seen;
        for (1 .. 200) {
            push @{ $seen{first} }, took($socket, $stack, '/Users?count=100');
            push @{ $seen{last} }, took($socket, $stack,
                "/Users?count=100&startIndex=$last");
        }
        push @{ $times{$_} }, median(@{ $seen{$_} }) for keys %seen;
    }
    row('page of 100 by startIndex: last / first', ratios($times{last},
        $times{first}), 'x', '<= 2');
    row('page of 100, the first', $times{first}, 'us');
    my ($first, $end) = cursors_at_both_ends($stack);
    for my $round (1 .. $o->{rounds}) {
        my %seen;
        for (1 .. 200) {
            push @{ $seen{first} }, took($socket, $stack,
                "/Users?count=100&cursor=$first");
            push @{ $seen{last} }, took($socket, $stack,
                "/Users?count=100&cursor=$end");
        }
        push @{ $page{$_} }, median(@{ $seen{$_} }) for keys %seen;
    }
    row('page of 100 by cursor: last / second', ratios($page{last},
        $page{first}), 'x', '<= 1.2');
}


# Walks to the end: the cursors of the second and the last whole page.
sub cursors_at_both_ends {
    my ($stack) = @_;
    my $socket = connect_to($stack->{port});
    my ($cursor, $first, $end) = ('');
    progress('a walk with a cursor to the end');
    while (1) {
        my ($next) = lists($socket, $stack, '/Users?attributes=id&count=100'
            . "&cursor=$cursor") =~ /"nextCursor":"([^"]+)"/;
        last unless defined $next;
        $first //= $next;
        $end = $next;
        $cursor = $next;
    }
    $end or die "the directory has one page\n";
    return ($first, $end);
}


# Each page of this walk reads as many documents as one request may.
sub scan {
    my ($socket, $stack, $from) = @_;
    my $text = lists($socket, $stack, '/Users?count=1&cursor=' . ($from // '')
        . '&filter=title%20co%20%22nobody%22');
    my ($next) = $text =~ /"nextCursor":"([^"]+)"/;
    return $next;
}


sub bench_scan {
    my ($stack, $o) = @_;
    my $documents = min($o->{users}, 100_000);
    my $socket = connect_to($stack->{port});
    my (%rate, %each);
    for my $round (1 .. $o->{rounds}) {
        progress("scans, round $round of $o->{rounds}");
        my @cpu = map { cpu($_) } @{$stack}{qw(worker redis)};
        my $from = time;
        scan($socket, $stack);
        push @{ $rate{scan} }, $documents / (time - $from);
        push @{ $each{worker} }, (cpu($stack->{worker}) - $cpu[0])
            / $documents;
        push @{ $each{redis} }, (cpu($stack->{redis}) - $cpu[1]) / $documents;
        $from = time;
        mget($stack, $documents);
        push @{ $rate{mget} }, $documents / (time - $from);
    }
    row('scan: documents / MGET alone', ratios($rate{scan}, $rate{mget}), 'x',
        '>= 0.25');
    row('scan: documents', $rate{scan}, '/s');
    row('scan: documents of a core', [ map {
        1e6 / ($each{worker}[$_] + $each{redis}[$_]) }
        0 .. $#{ $each{worker} } ], '/s');
    row('MGET alone: documents', $rate{mget}, '/s');
}


# The same keys in the same chunks; the answers are read and thrown away.
sub mget {
    my ($stack, $documents) = @_;
    my $socket = IO::Socket::UNIX->new(Peer => "$stack->{dir}/redis.sock")
        or die "redis: $!\n";
    for (my $i = 0; $i < $documents; $i += 200) {
        my $n = min(200, $documents - $i);
        syswrite $socket, resp('MGET', map {
            sprintf "%suser:01900000-0000-7000-8000-%012x",
            $directory->{prefix}, $_ } $i .. $i + $n - 1);
        my ($head, $left) = ('', undef);
        until ($head =~ /^\*\d+\r\n\$(\d+)\r\n/) {
            sysread $socket, $head, 65536, length $head or die "MGET\n";
        }
        # records differ in length: read until as many have come
        my $seen = 0;
        my $buffer = substr $head, index($head, "\r\n") + 2;
        while ($seen < $n) {
            while ($buffer =~ /^\$(\d+)\r\n/
                && length($buffer) >= $+[0] + $1 + 2)
            {
                substr $buffer, 0, $+[0] + $1 + 2, '';
                $seen++;
            }
            last if $seen == $n;
            sysread $socket, $buffer, 262144, length $buffer
                or die "MGET\n";
        }
    }
}


sub p99 {
    my ($stack, $seconds) = @_;
    my $socket = connect_to($stack->{port});
    my @times;
    my $until = time + $seconds;
    while (time < $until) {
        push @times, took($socket, $stack, sprintf
            '/Users/01900000-0000-7000-8000-%012x', int rand 1000);
    }
    @times = sort { $a <=> $b } @times;
    return $times[ int(@times * 0.99) ];
}


sub bench_beside_scan {
    my ($stack, $o) = @_;
    my (@idle, @beside);
    for my $round (1 .. $o->{rounds}) {
        progress("requests beside a scan, round $round of $o->{rounds}");
        push @idle, p99($stack, $o->{seconds});
        my $pid = fork // die "fork: $!\n";
        if ($pid == 0) {
            my $other = connect_to($stack->{port});
            my $at;
            $SIG{TERM} = sub { POSIX::_exit(0) };
            $at = scan($other, $stack, $at) while 1;
        }
        push @beside, p99($stack, $o->{seconds});
        kill 'TERM', $pid;
        waitpid $pid, 0;
    }
    row('GET by id, p99: beside a scan / idle', ratios(\@beside, \@idle),
        'x', '<= 3');
    row('GET by id, p99, idle', \@idle, 'us');
    row('GET by id, p99, beside a scan', \@beside, 'us');
}

1;
