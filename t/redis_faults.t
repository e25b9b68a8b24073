#!/usr/bin/perl
# An nginx whose Redis answers late, halves a reply, talks nonsense or hangs
# up: each request gets an answer, none is a false success, and the next ones
# work.  A proxy between nginx and Redis misbehaves.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use Test::More;
use TestScim;

my $stack = TestScim->start;
my ($proxy, $control) = start_proxy();
my $edge = $stack->second_nginx(sub { s/unix:redis\.sock;/
    127.0.0.1:$proxy->{port}; scim_redis_timeout 400ms;/ });

sub start_proxy {
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16,
        ReuseAddr => 1) or die "listen: $!\n";
    my ($mine, $its) = IO::Socket->socketpair(AF_UNIX, SOCK_STREAM,
        PF_UNSPEC) or die "socketpair: $!\n";
    my $pid = fork // die "fork: $!\n";
    if ($pid == 0) {
        close $mine;
        eval { relay($listen, $its) };
        POSIX::_exit(1);
    }
    push @TestScim::helpers, $pid;
    $mine->autoflush(1);
    return ({ pid => $pid, port => $listen->sockport }, $mine);
}


# Passes bytes on, both ways.  A word on the control socket says what to do
# with the next reply of Redis: pass, half, nonsense, close, or hold (it and
# all later ones, until pass).
sub relay {
    my ($listen, $control) = @_;
    my $proxy = { mode => 'pass', other => {}, is_redis => {}, held => {},
        select => IO::Select->new($listen, $control) };
    while (my @ready = $proxy->{select}->can_read) {
        for my $from (grep { defined fileno $_ } @ready) {
            if ($from == $listen) {
                accept_client($proxy, $listen->accept);
            }
            elsif ($from == $control) {
                steer($proxy, $control);
            }
            elsif (sysread $from, my $bytes, 65536) {
                pass_on($proxy, $from, $bytes);
            }
            else {
                hang_up($proxy, $from);
            }
        }
    }
}


sub accept_client {
    my ($proxy, $client) = @_;
    my $redis = IO::Socket::UNIX->new(Peer => "$stack->{dir}/redis.sock");
    $proxy->{is_redis}{$redis} = 1;
    $proxy->{other}{$client} = $redis;
    $proxy->{other}{$redis} = $client;
    $proxy->{select}->add($client, $redis);
}


sub hang_up {
    my ($proxy, $socket) = @_;
    for my $one ($socket, delete $proxy->{other}{$socket}) {
        $proxy->{select}->remove($one);
        delete $proxy->{$_}{$one} for qw(other held);
        close $one;
    }
}


sub steer {
    my ($proxy, $control) = @_;
    sysread $control, my $word, 64 or POSIX::_exit(0);
    $proxy->{mode} = $word =~ s/\s+//gr;
    if ($proxy->{mode} eq 'pass') {
        syswrite $_->[0], $_->[1] for values %{ $proxy->{held} };
        $proxy->{held} = {};
    }
    syswrite $control, "ok\n";
}


sub pass_on {
    my ($proxy, $from, $bytes) = @_;
    my $to = $proxy->{other}{$from};
    if (!$proxy->{is_redis}{$from} || $proxy->{mode} eq 'pass') {
        syswrite $to, $bytes;
        return;
    }
    if ($proxy->{mode} eq 'hold') {
        $proxy->{held}{$from} //= [ $to, '' ];
        $proxy->{held}{$from}[1] .= $bytes;
        return;
    }
    syswrite $to, substr $bytes, 0, length($bytes) / 2
        if $proxy->{mode} eq 'half';
    syswrite $to, "*1\r\nnonsense\r\n" if $proxy->{mode} eq 'nonsense';
    hang_up($proxy, $from);
    $proxy->{mode} = 'pass';
}


sub misbehave {
    print $control "$_[0]\n";
    <$control>;
}


sub exists_user {
    my ($name) = @_;
    return $stack->must('scim', 'GET', '/Users?count=0&filter='
        . TestScim::escape(qq{userName eq "$name\@example.com"}))
        ->{totalResults};
}


my $ann = $edge->user('ann');
ok(exists_user('ann'), 'through the proxy all is as without');
for my $fault (qw(close half nonsense)) {
    misbehave($fault);
    my $answer = $edge->answers("$fault: a read", 503, 'GET',
        "/Users/$ann");
    like($answer->{headers}{'retry-after'}, qr/^\d+$/, '... Retry-After');
    ok(TestScim::until_true(sub { $edge->scim('GET', "/Users/$ann")
        ->{status} == 200 }), '... the next ones work');
    misbehave($fault);
    is($edge->answers("$fault: a write", 503, 'POST', '/Users',
        TestScim::person("w$fault"))->{status}, 503,
        '... is no success');
    ok(exists_user("w$fault"), '... though it may have happened');
    ok(TestScim::until_true(sub { $edge->scim('GET', "/Users/$ann")
        ->{status} == 200 }), '... the next ones work');
    is($edge->scim('POST', '/Users', TestScim::person("w$fault"))->{status},
        409, '... and see it');
}

# late: the request is over, its reply comes afterwards and hurts nobody
misbehave('hold');
$edge->answers('a reply that is late', 503, 'GET', "/Users/$ann");
my @sockets = map { $edge->connection } 1 .. 20;
print $_ "GET /scim/v2/Users/$ann HTTP/1.1\r\nHost: a\r\nAuthorization: "
    . "Bearer $edge->{token}{scim}\r\n\r\n" for @sockets;
close $_ for splice @sockets, 0, 10;
is(join(' ', map { TestScim::read_answer($_)->{status} } @sockets),
    join(' ', (503) x 10), 'all that wait get 503');
misbehave('pass');
ok(TestScim::until_true(sub { $edge->scim('GET', "/Users/$ann")
    ->{status} == 200 }), 'after the late replies requests work');
for my $i (1 .. 30) {
    my $id = $edge->user("late$i");
    $edge->must('scim', 'GET', "/Users/$id")->{userName} eq
        "late$i\@example.com" or fail("user $i has another's answer");
}
pass('every request has its own answer');

# the store is away for the proxy's side only
misbehave('close');
my @statuses = map { $edge->scim('GET', "/Users/$ann")->{status} } 1 .. 50;
is(scalar(grep { $_ != 200 && $_ != 503 } @statuses), 0,
    'nothing but success and 503');
is($edge->quit_nginx, 0, 'the second nginx ends cleanly');
close $control;
waitpid $proxy->{pid}, 0;
@TestScim::helpers = ();
$stack->done;
