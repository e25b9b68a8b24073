# A whole stack, its processes and its Redis.  Part of t/bench/run.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX qw(WNOHANG);
use Time::HiRes qw(time sleep);

my $clock_tick = POSIX::sysconf(&POSIX::_SC_CLK_TCK);
my $owner = $$;
my @children;

$SIG{INT} = $SIG{TERM} = sub { exit 1 };

END {
    if (defined $owner && $$ == $owner) {
        my $status = $?;
        stop($_) for reverse my @left = @children;
        $? = $status;
    }
}


sub start_stack {
    my (%with) = @_;
    my $dir = tempdir('scim-bench-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $port = free_port();
    local @ENV{qw(SCIM_PORT SCIM_RUN_DIR SCIM_WORKERS SCIM_SIDECARS)} =
        ($port, $dir, 1, $with{sidecars});
    my $pid = spawn("$dir/stack.log", 'conf/run');
    my $stack = { dir => $dir, port => $port, supervisor => $pid };
    wait_for(60, 'the stack', sub {
        waitpid($pid, WNOHANG) == 0 or die "conf/run ended; see "
            . slurp("$dir/stack.log");
        -e "$dir/ready";
    });
    $stack->{token} = slurp("$dir/scim-token");
    $stack->{admin} = slurp("$dir/admin-token");
    chomp @{$stack}{qw(token admin)};
    ($stack->{shard}) = $stack->{token} =~ /^scim_(\d{3})_/;
    ($stack->{worker}) = processes($pid, qr/nginx: worker process/);
    ($stack->{redis}) = processes($pid, qr/redis-server/);
    ($stack->{sidecar}) = processes($pid, qr/scim-sidecar/);
    $stack->{worker} && $stack->{redis} or die "no worker or no Redis\n";
    return $stack;
}


# A plain nginx that answers the reads' own body, and the app for the calls.
sub start_bare {
    my ($stack) = @_;
    my $dir = "$stack->{dir}/bare";
    my ($port, $app_port) = (free_port(), free_port());
    my $user = scim($stack, 'POST', '/Users', {
        schemas => ['urn:ietf:params:scim:schemas:core:2.0:User',
            'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'],
        userName => 'bare@example.com', externalId => 'bare-0-1',
        name => { givenName => 'Isabella', familyName => 'Lindqvist-Okonkwo' },
        emails => [ { primary => JSON::PP::true, value => 'bare@example.com',
            type => 'work' } ], phoneNumbers => [ { type => 'mobile',
            value => '+46 70 123 45 67' } ], title => 'Paid Social Lead',
        displayName => 'Isabella Lindqvist-Okonkwo', locale => 'en-US',
        'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User' => {
            employeeNumber => '701984', department => 'Marketing',
            costCenter => '4130' } });
    my $body = JSON::PP->new->encode($user);
    mkdir $dir or die "$dir: $!\n";
    open my $conf, '>', "$dir/nginx.conf" or die "$dir/nginx.conf: $!\n";
    my $run_as = $> == 0 ? "user root;\n" : '';
    print $conf <<"CONF";
${run_as}worker_processes 1;
daemon off;
pid $dir/nginx.pid;
error_log $dir/error.log warn;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path $dir;
    proxy_temp_path $dir;
    fastcgi_temp_path $dir;
    uwsgi_temp_path $dir;
    scgi_temp_path $dir;
    default_type application/scim+json;
    server {
        listen 127.0.0.1:$port;
        location / { return 200 '$body'; }
    }
    server {
        listen 127.0.0.1:$app_port;
        location / { return 201 '{"id":"\$request_id"}'; }
    }
}
CONF
    close $conf;
    my $pid = spawn("$dir/log", 'nginx', '-p', $dir, '-c', "$dir/nginx.conf",
        '-e', "$dir/error.log");
    wait_for(10, 'the bare nginx', sub {
        IO::Socket::INET->new("127.0.0.1:$port") });
    return { port => $port, app_port => $app_port, pid => $pid,
        token => $stack->{token} };
}


sub stop_stack {
    my ($stack) = @_;
    stop($stack->{supervisor});
    stop($stack->{bare}{pid});
}


sub spawn {
    my ($log, @command) = @_;
    my $pid = fork // die "fork: $!\n";
    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $log or die "$log: $!\n";
        open STDERR, '>&', \*STDOUT;
        exec @command or die "$command[0]: $!\n";
    }
    push @children, $pid;
    return $pid;
}


sub stop {
    my ($pid) = @_;
    kill 'TERM', $pid;
    waitpid $pid, 0;
    @children = grep { $_ != $pid } @children;
}


# Processes below `root` whose command line matches.
sub processes {
    my ($root, $pattern) = @_;
    my (%parent, %command);
    for my $dir (glob '/proc/[0-9]*') {
        my ($pid) = $dir =~ /(\d+)$/;
        my $stat = slurp("$dir/stat") // next;
        $stat =~ /\) \S (\d+)/ or next;
        $parent{$pid} = $1;
        $command{$pid} = slurp("$dir/cmdline") // '';
    }
    return sort { $a <=> $b } grep {
        my $pid = $_;
        $pid = $parent{$pid} while $pid && $pid != $root && $parent{$pid};
        $pid == $root && $_ != $root && $command{$_} =~ $pattern;
    } keys %parent;
}


sub cpu { # microseconds that a process has used
    my ($pid) = @_;
    my $stat = slurp("/proc/$pid/stat") // die "process $pid is gone\n";
    my @field = split ' ', ($stat =~ /\)(.*)/)[0];
    return ($field[11] + $field[12]) * 1e6 / $clock_tick;
}


sub slurp {
    my ($file) = @_;
    open my $in, '<', $file or return;
    local $/;
    return scalar <$in>;
}


sub free_port {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)
        or die "listen: $!\n";
    return $socket->sockport;
}


sub wait_for {
    my ($seconds, $what, $true) = @_;
    my $until = time + $seconds;
    until ($true->()) {
        die "waited $seconds s for $what\n" if time > $until;
        sleep 0.002;
    }
}


sub key {
    my ($stack, $rest) = @_;
    return "scim:{$stack->{shard}}:demo:$rest";
}


sub resp {
    return join '', '*' . @_ . "\r\n", map { '$' . length . "\r\n$_\r\n" } @_;
}


sub redis {
    my ($stack, @command) = @_;
    my $socket = $stack->{redis_socket} //= IO::Socket::UNIX->new(
        Peer => "$stack->{dir}/redis.sock") or die "redis: $!\n";
    syswrite $socket, resp(@command);
    return redis_reply($socket);
}


sub redis_reply {
    my ($socket) = @_;
    my $line = <$socket> // die "Redis closed the connection\n";
    $line =~ s/\r\n$//;
    my ($type, $rest) = $line =~ /^(.)(.*)/;
    die "Redis: $rest\n" if $type eq '-';
    return $rest if $type eq '+' || $type eq ':';
    return [ map { redis_reply($socket) } 1 .. $rest ] if $type eq '*';
    return undef if $rest < 0;
    read $socket, my $text, $rest + 2;
    return substr $text, 0, $rest;
}


sub redis_aof {
    my ($stack, $mode) = @_;
    if ($mode eq 'off') {
        redis($stack, 'CONFIG', 'SET', 'appendonly', 'no');
        return;
    }
    redis($stack, 'CONFIG', 'SET', 'appendfsync', 'always');
    redis($stack, 'CONFIG', 'SET', 'appendonly', 'yes');
    wait_for(120, 'the AOF rewrite', sub {
        redis($stack, 'INFO', 'persistence')
            =~ /aof_rewrite_in_progress:0\r?\naof_rewrite_scheduled:0/;
    });
}


sub waiting { # events that no sidecar has done yet
    my ($stack) = @_;
    my $key = "scim:{$stack->{shard}}:dataset";
    my $counters = redis($stack, 'HMGET', $key, 'appended', 'committed');
    return ($counters->[0] // 0) - ($counters->[1] // 0);
}

1;
