#!/usr/bin/perl
# Every error that nginx itself makes below the SCIM location has a SCIM body:
# RFC 7644 section 3.12.
use strict;
use warnings;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use TestScim;

my $stack = TestScim->start;
my $json = JSON::PP->new->canonical->utf8;
my $auth = "Host: a\r\nAuthorization: Bearer $stack->{token}{scim}\r\n";
my $post = "POST /scim/v2/Users HTTP/1.1\r\n$auth"
    . "Content-Type: application/scim+json\r\n";
my ($worker) = $stack->pids('worker');

# The answer to bytes on a connection of their own, a SCIM error of this status.
sub error_of {
    my ($edge, $name, $status, $text) = @_;
    my $socket = $edge->connection;
    print $socket $text;
    my $answer = TestScim::read_answer($socket);
    my $error = eval { $json->decode($answer->{content}) };
    is_deeply([ $answer->{status}, $error->{status}, $error->{schemas}[0],
        $answer->{headers}{'content-type'} =~ s/;.*//r ],
        [ $status, "$status", 'urn:ietf:params:scim:api:messages:2.0:Error',
        'application/scim+json' ], $name)
        or diag($answer->{content} // 'no answer');
    $answer->{json} = $error;
    return $answer;
}


# What a POST whose body does not come is answered over HTTP/2 (RFC 9113).
sub h2_answer {
    my ($port, $path, %more) = @_;
    my ($got, $content) = ('', '');
    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") // die;
    my %header = (authorization => "Bearer $stack->{token}{scim}", %more);
    my $block = join '', map { pack 'x C/a C/a', @$_ } [ ':method', 'POST' ],
        [ ':scheme', 'http' ], [ ':authority', 'a' ], [ ':path', $path ],
        map { [ $_, $header{$_} ] } keys %header;
    syswrite $socket, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        . pack('x3 C C x4', 4, 0)
        . pack('x n C C N a*', length $block, 1, 4, 1, $block);
    while (IO::Select->new($socket)->can_read(60)
        && sysread $socket, $got, 65536, length $got)
    {
        while (length $got >= 9) {
            my ($length, $type, $flags) = (unpack('N', "\0$got"),
                unpack 'x3 C C', $got);
            last if length $got < 9 + $length;
            my $frame = substr substr($got, 0, 9 + $length, ''), 9;
            $content .= $frame if $type == 0;
            return $content if $type < 2 && $flags & 1;
        }
    }
    return $content;
}


# of the request as such
error_of($stack, 'a broken header', 400, "GET /scim/v2/Users HTTP/1.1\r\n"
    . "Host: a\r\nContent-Length: many\r\n\r\n");
error_of($stack, 'no Host', 400, "GET /scim/v2/Users HTTP/1.1\r\n\r\n");
error_of($stack, 'a method that nginx forbids', 405,
    "TRACE /scim/v2/Users HTTP/1.1\r\n$auth\r\n");
error_of($stack, 'headers that are too large', 431,
    "GET /scim/v2/Users HTTP/1.1\r\n$auth" . 'X: ' . 'x' x 40000
    . "\r\n\r\n");
error_of($stack, 'a URI that is too long', 414, 'GET /scim/v2/Users?filter='
    . 'x' x 40000 . " HTTP/1.1\r\n$auth\r\n");
error_of($stack, 'a transfer encoding that nobody knows', 501, $post
    . "Transfer-Encoding: gzip\r\n\r\n");
error_of($stack, 'a version that is not HTTP/1', 505,
    "GET /scim/v2/Users HTTP/3.1\r\n$auth\r\n");
error_of($stack, 'a request line that is none', 400,
    "GET /scim/v2/Users HTP/1.1\r\n$auth\r\n");

# in the only media type that the client admits: RFC 7644 section 3.8
for my $case ([ 414, 'GET /scim/v2/Users?filter=' . 'x' x 40000 ],
    [ 501, 'POST /scim/v2/Users', 'Transfer-Encoding: gzip' ],
    [ 400, 'GET /scim/v2/Users', 'Content-Length: many' ],
    [ 431, 'GET /scim/v2/Users', 'X: ' . 'x' x 40000 ])
{
    my ($status, $line, $header) = @$case;
    my $socket = $stack->connection;
    print $socket "$line HTTP/1.1\r\nAccept: application/json\r\n$auth"
        . ($header ? "$header\r\n" : '') . "\r\n";
    my $answer = TestScim::read_answer($socket);
    is("$answer->{status} $answer->{headers}{'content-type'}", "$status "
        . ($status == 414 ? 'application/scim+json' : 'application/json'),
        "$status with Accept: application/json");
}

# of its body
my $edge = $stack->second_nginx(sub {
    s/scim http:[^;]*;/$& client_body_timeout 300ms;/ });
for my $part ('', '{"userName":', "half\r\n") {
    my $slow = error_of($edge, 'a body that does not come', 408,
        "${post}Content-Length: 50\r\n\r\n$part");
    is($slow->{headers}{connection}, 'close', '... ends the connection');
}
error_of($edge, 'nor its chunks', 408,
    "${post}Transfer-Encoding: chunked\r\n\r\n5\r\n{\"us");
is($edge->scim('POST', '/Users', '{"userName":"quick"}')->{status}, 201,
    'what comes in time is taken');
is($edge->quit_nginx, 0, 'nothing of it is left behind');
$edge = $stack->second_nginx(sub {
    s/client_max_body_size[^;]*;//g;
    s/scim http:[^;]*;/$& client_max_body_size 100;/ });
error_of($edge, 'a body that nginx does not take', 413,
    "${post}Content-Length: 500\r\n\r\n");
error_of($edge, 'nor in chunks', 413, "${post}Transfer-Encoding: chunked\r\n"
    . "\r\n200\r\n" . ' ' x 0x200 . "\r\n0\r\n\r\n");
$edge->quit_nginx;

# of the server
my $gone = tempdir(CLEANUP => 1);
$edge = $stack->second_nginx(sub {
    s/scim http:[^;]*;/$& client_body_buffer_size 1k;
        client_body_temp_path $gone\/bodies;/ });
rmdir "$gone/bodies";
error_of($edge, 'a disk that takes no body', 500, "${post}Content-Length: 4000"
    . "\r\n\r\n" . ' ' x 4000);
$edge->quit_nginx;
my $port = TestScim::free_port();
$edge = $stack->second_nginx(sub {
    s/scim http:[^;]*;/$& auth_request \/ask; limit_req zone=rate burst=20 nodelay;/;
    s/http \{/$&\nlimit_req_zone \$http_x_zone zone=rate:1m rate=1r\/m;/;
    s/location = \/healthz/location = \/ask { internal;
        if (\$http_x_ask = 401) { return 401; }
        if (\$http_x_ask = 403) { return 403; }
        proxy_pass http:\/\/127.0.0.1:$port; }\n$&/ });
my $get = "GET /scim/v2/Users HTTP/1.1\r\n$auth";
error_of($edge, "$_, as auth_request says", $_, "${get}X-Ask: $_\r\n\r\n")
    for 401, 403;
error_of($edge, 'a service behind auth_request that is not there', 500,
    "$get\r\n");
my @many = map { $edge->connection } 1 .. 25;
print $_ "${get}X-Zone: a\r\nX-Ask: 403\r\n\r\n" for @many;
my %status;
for my $socket (@many) {
    my $answer = TestScim::read_answer($socket);
    $status{ $json->decode($answer->{content})->{status} }++;
}
is_deeply(\%status, { 403 => 21, 503 => 4 }, 'a rate that is exceeded');
$edge->quit_nginx;

# of a gateway: what the location's configuration says, and a location in it
# that hands on to another server
$edge = $stack->second_nginx(sub {
    s/scim http:[^;]*;/$& if (\$http_x_say = 502) { return 502; }
        if (\$http_x_say = 504) { return 504; }
        location \/scim\/v2\/handed\/ { proxy_read_timeout 300ms;
            proxy_pass http:\/\/127.0.0.1:\$http_x_port; }/ });
error_of($edge, "$_, as the configuration says", $_, "${get}X-Say: $_\r\n\r\n")
    for 502, 504;
my $silent = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1')
    // die;
for ([ 502, $port, 'is not there' ], [ 504, $silent->sockport, 'is silent' ])
{
    error_of($edge, "a server that $_->[2]", $_->[0],
        "GET /scim/v2/handed/x HTTP/1.1\r\n$auth" . "X-Port: $_->[1]\r\n\r\n");
}
$edge->quit_nginx;

# over HTTP/2
my $h2 = TestScim::free_port();
$edge = $stack->second_nginx(sub {
    s/listen [^;]*;/$& listen 127.0.0.1:$h2 http2;/ });
for ([ 'a body that is too large', 413, '/scim/v2/Users',
        'content-length' => 5_000_000 ],
    [ 'a path that is none', 400, '/scim/v2/%zz' ])
{
    my ($name, $status, @request) = @$_;
    my $error = eval { $json->decode(h2_answer($h2, @request)) };
    is($error->{status}, $status, "$name, over HTTP/2");
}
$edge->quit_nginx;

# of TLS
system('openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=a '
    . "-keyout $gone/key.pem -out $gone/certificate.pem 2>$gone/openssl.log")
    == 0 or die TestScim::slurp("$gone/openssl.log");
my $tls = TestScim::free_port();
$edge = $stack->second_nginx(sub {
    s/listen [^;]*;/$& listen 127.0.0.1:$tls ssl;
        ssl_certificate $gone\/certificate.pem;
        ssl_certificate_key $gone\/key.pem;/ });
like(error_of(bless({ %$edge, port => $tls, nginx => undef, pid => undef },
    ref $edge), 'HTTP at a port of HTTPS', 400, "$get\r\n")->{json}{detail},
    qr/HTTPS/, '... which is said');
$edge->quit_nginx;

is($stack->scim('GET', '/Users')->{status}, 200, 'the first nginx goes on');
is(join(' ', $stack->pids('worker')), $worker, '... by the same worker');
$stack->done;
