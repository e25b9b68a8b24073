# Requests, one by one and by wrk.  Part of t/bench/run.
use strict;
use warnings;
use IO::Socket::INET;
use JSON::PP;
use Time::HiRes qw(time);

my $json = JSON::PP->new->canonical;


sub connect_to {
    my ($port) = @_;
    return IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port")
        // die "port $port: $!\n";
}


sub send_request {
    my ($socket, $stack, $method, $path, $body, $token, $prefix) = @_;
    my $text = defined $body ? $json->encode($body) : '';
    syswrite $socket, "$method " . ($prefix // '/scim/v2') . "$path HTTP/1.1"
        . "\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "
        . ($token // $stack->{token}) . "\r\nContent-Type: application/json"
        . "\r\nContent-Length: " . length($text) . "\r\n\r\n$text";
}


sub read_answer { # status, body
    my ($socket) = @_;
    my $head = '';
    while (my $line = <$socket>) {
        last if $line eq "\r\n";
        $head .= $line;
    }
    my ($status) = $head =~ m{^HTTP/1.1 (\d+)};
    my $answer = '';
    if (my ($length) = $head =~ /content-length:\s*(\d+)/i) {
        read $socket, $answer, $length;
    }
    elsif ($head =~ /transfer-encoding:\s*chunked/i) {
        while (my $n = hex(<$socket> =~ /^([0-9a-f]+)/i ? $1 : 0)) {
            read $socket, my $chunk, $n + 2;
            $answer .= substr $chunk, 0, $n;
        }
        <$socket>;
    }
    return ($status // 0, $answer);
}


sub exchange { # one request on a kept connection: status, body
    send_request(@_);
    return read_answer($_[0]);
}


sub call {
    my ($stack, $method, $path, $body, $token, $prefix) = @_;
    my ($status, $text) = exchange(connect_to($stack->{port}), $stack, $method,
        $path, $body, $token, $prefix);
    $status =~ /^2/ or die "$method $path answered $status $text\n";
    return $text eq '' ? undef : $json->decode($text);
}


sub scim { return call(@_[ 0 .. 3 ]) }
sub admin { return call(@_[ 0 .. 3 ], $_[0]{admin}, '/admin/v1') }


# Rate, and the CPU microseconds a request took of each process.
sub wrk {
    my ($stack, $script, $run, $o, @pids) = @_;
    local $ENV{SCIM_TOKEN} = $stack->{token};
    local $ENV{SCIM_BENCH_RUN} = $run . '-' . int(time);
    my @before = map { cpu($_) } @pids;
    my $text = `wrk -t1 -c32 -d$o->{seconds}s -s t/bench/$script http://127.0.0.1:$stack->{port} 2>&1`;
    my @after = map { cpu($_) } @pids;
    my ($rate) = $text =~ m{Requests/sec:\s*([\d.]+)};
    my ($requests) = $text =~ /(\d+) requests in/;
    $rate && $requests or die "wrk: $text\n";
    $text =~ /Non-2xx[^\n]*/ and die "wrk against $stack->{port}: $&\n";
    return { rate => $rate, cpu => [ map { ($after[$_] - $before[$_])
        / $requests } 0 .. $#pids ] };
}

1;
