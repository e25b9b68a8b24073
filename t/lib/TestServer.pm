package TestServer;

# An HTTP server for a test, in a process of its own, which the test steers
# over the server's port, below /_control.  A subclass has
#
#   respond(request)      [status, body, headers]; undef = no answer ever,
#                         0 = hang up, a hash { raw => bytes } or { drip =>
#                         bytes, one a second } instead of an answer, or
#                         { later => seconds, answer => [...] }
#   steer(what, in)       what a control() answers: a hash or an array
#
# A request is { method, path, headers => { lower case }, body, json (undef if
# it is none), at (seconds) }.
use strict;
use warnings;
use parent 'TestProcess';
use HTTP::Tiny;
use IO::Select;
use JSON::PP;
use POSIX ();
use Time::HiRes ();

my $json = JSON::PP->new->canonical->utf8;

sub launch {
    my ($class, %self) = @_;
    return $class->SUPER::launch(http => HTTP::Tiny->new(timeout => 30),
        %self);
}


sub url { return "http://127.0.0.1:$_[0]{port}" }

sub control {
    my ($self, $what, $body) = @_;
    my $answer = $self->{http}->post(
        "http://127.0.0.1:$self->{port}/_control/$what",
        { content => $json->encode($body // {}) });
    die ref $self, ": $answer->{status} $answer->{content}\n"
        unless $answer->{success};
    return $json->decode($answer->{content});
}

# ---- the server's process ----------------------------------------------------

sub serve {
    my ($self, $listen) = @_;
    my $parent = getppid;
    my $select = IO::Select->new($listen);
    my %text;
    while (getppid == $parent) {
        for my $client ($select->can_read($self->send_due)) {
            if ($client == $listen) {
                $select->add($listen->accept // next);
                next;
            }
            my $stays = sysread $client, $text{$client}, 65536,
                length($text{$client} // '');
            if ($stays) {
                my $request = parse(\$text{$client}) // next;
                $stays = $self->reply($client, $request);
            }
            if (!$stays) {
                $select->remove($client);
                delete $text{$client};
                close $client;
            }
        }
    }
    POSIX::_exit(0);
}


# Sends the answers whose time has come; the seconds until the next one.
sub send_due {
    my ($self) = @_;
    my $now = Time::HiRes::time();
    my @left;
    for my $one (@{ $self->{later} // [] }) {
        push @left, $one and next if $one->[0] > $now;
        send_answer($one->[1], @{ $one->[2] });
    }
    $self->{later} = \@left;
    my ($first) = sort { $a <=> $b } map { $_->[0] } @left;
    return !defined $first || $first > $now + 1 ? 1 : $first - $now;
}


# Takes a whole request off the text; undef when more has to come.
sub parse {
    my ($text) = @_;
    my ($head, $body) = split /\r\n\r\n/, $$text, 2;
    return undef unless defined $body;
    my ($length) = $head =~ /^content-length:\s*(\d+)/mi;
    return undef if length $body < ($length // 0);
    my ($method, $path) = split ' ', $head;
    my %headers = map { /^([^:]+):\s*(.*?)\s*$/ ? (lc $1, $2) : () }
        split /\r\n/, $head;
    $$text = '';
    return { method => $method, path => $path, headers => \%headers,
        body => $body, json => scalar(eval { $json->decode($body) }),
        at => Time::HiRes::time() };
}


# Whether the connection stays.
sub reply {
    my ($self, $client, $request) = @_;
    my $answer = $request->{path} =~ m{^/_control/(\w+)$}
        ? [ 200, $json->encode($self->steer($1, $request->{json})) ]
        : $self->respond($request);
    return 1 if !defined $answer;
    if (ref $answer eq 'HASH' && defined $answer->{later}) {
        push @{ $self->{later} }, [ $request->{at} + $answer->{later},
            $client, $answer->{answer} ];
        return 1;
    }
    send_raw($client, $answer) if ref $answer eq 'HASH';
    return 0 if ref $answer ne 'ARRAY';
    send_answer($client, @$answer);
    return 1;
}


sub send_answer {
    my ($client, $status, $body, $headers) = @_;
    my %headers = ('Content-Type' => 'application/json',
        'Content-Length' => length $body, %{ $headers // {} });
    my $text = "HTTP/1.1 $status Answer\r\n" . join('', map {
        "$_: $headers{$_}\r\n" } sort keys %headers) . "\r\n$body";
    while (length $text) {
        my $sent = syswrite($client, $text) // return;
        substr $text, 0, $sent, '';
    }
}


# Bytes and no more; dripping is a process of its own.  Its pauses are the fault
# that is played, nothing waits for them.
sub send_raw {
    my ($client, $answer) = @_;
    my ($text, $step) = ($answer->{raw} // $answer->{drip}, 65536);
    if (defined $answer->{drip}) {
        return if fork // die "fork: $!\n";
        $step = 1;
    }
    while (length $text) {
        my $sent = syswrite($client, substr $text, 0, $step) // last;
        substr $text, 0, $sent, '';
        sleep 1 if $step == 1;
    }
    POSIX::_exit(0) if $step == 1;
}

1;
