package WebhookReceiver;

# Who is told by webhooks: verifies each message as Standard Webhooks says, by
# code of its own, keeps it, and answers as it is told to.
#
#   my $receiver = WebhookReceiver->start('whsec_...', 'whsec_...');
#   $receiver->url
#   $receiver->messages        { id, type, data, status, signed, age, body }:
#                              signed: which of the secrets it is signed with,
#                              "1 2"; age: seconds by its timestamp
#   $receiver->rule({ times => 2, status => 500, headers => {}, then =>
#       'hang', type => 'grant.invited' })   for the next calls of that type
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256);
use HTTP::Tiny;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use MIME::Base64 qw(decode_base64 encode_base64);
use MockApp;
use POSIX ();

my $json = JSON::PP->new->canonical->utf8;

sub start {
    my ($class, @secrets) = @_;
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 512,
        ReuseAddr => 1) or die "listen: $!\n";
    my $self = bless { port => $listen->sockport, owner => $$,
        http => HTTP::Tiny->new(timeout => 30), secrets => \@secrets,
        rules => [], messages => [] }, $class;
    $self->{pid} = fork // die "fork: $!\n";
    if ($self->{pid} == 0) {
        eval { $self->serve($listen); 1 } or print STDERR "receiver: $@";
        POSIX::_exit(1);
    }
    return $self;
}


sub url { return "http://127.0.0.1:$_[0]{port}/hook" }

sub control {
    my ($self, $what, $body) = @_;
    my $answer = $self->{http}->post($self->url . "/_control/$what",
        { content => $json->encode($body // {}) });
    die "receiver: $answer->{status} $answer->{content}\n"
        unless $answer->{success};
    return $json->decode($answer->{content})->{is};
}


sub messages { return @{ $_[0]->control('messages') } }
sub rule { $_[0]->control('rule', $_[1]) }
sub forget { $_[0]->control('forget') }

# "grant.pending:1 task.done:2": how many of which type were accepted
sub types {
    my ($self) = @_;
    my %count;
    $count{ $_->{type} }++ for grep { $_->{status} == 204 } $self->messages;
    return join ' ', map { "$_:$count{$_}" } sort keys %count;
}


sub stop {
    my ($self) = @_;
    return unless $self->{pid} && $self->{owner} == $$;
    kill 'KILL', $self->{pid};
    waitpid delete $self->{pid}, 0;
}


sub DESTROY {
    my ($self) = @_;
    local $?;
    $self->stop;
}

# ---- the receiver's process ----------------------------------------------------

sub serve {
    my ($self, $listen) = @_;
    my $parent = getppid;
    my $select = IO::Select->new($listen);
    my %text;
    $SIG{PIPE} = 'IGNORE';
    while (getppid == $parent) {
        for my $client ($select->can_read(1)) {
            if ($client == $listen) {
                $select->add($listen->accept // next);
                next;
            }
            if (!sysread $client, $text{$client}, 65536,
                length($text{$client} // ''))
            {
                $select->remove($client);
                delete $text{$client};
                close $client;
                next;
            }
            my ($head, $body) = split /\r\n\r\n/, $text{$client}, 2;
            my ($length) = $head =~ /^content-length:\s*(\d+)/mi;
            next if !defined $body || length $body < ($length // 0);
            $text{$client} = '';
            my $answer = $self->answer($head, $body);
            MockApp::send_answer($client, @$answer) if $answer;
        }
    }
    POSIX::_exit(0);
}


# [status, body, headers], or nothing: the sender waits
sub answer {
    my ($self, $head, $body) = @_;
    return [ 200, $json->encode({ is => $self->steer($1,
        $json->decode($body)) }) ] if $head =~ m{ /hook/_control/(\w+) };
    my $message = $self->verify($head, $body);
    my ($rule) = grep { $_->{times} > 0 && (!defined $_->{type}
        || $_->{type} eq $message->{type}) } @{ $self->{rules} };
    $rule->{times}-- if $rule;
    $message->{status} = $rule ? $rule->{status} // 0 : 204;
    push @{ $self->{messages} }, $message;
    return $message->{status} == 0 ? undef
        : [ $message->{status}, '', $rule ? $rule->{headers} : {} ];
}


sub verify {
    my ($self, $head, $body) = @_;
    my %header = map { /^(webhook-[^:]+):\s*(.*?)\s*$/i ? (lc $1, $2) : () }
        split /\r\n/, $head;
    my %given = map { $_ => 1 } split ' ', $header{'webhook-signature'} // '';
    my @signed = grep { $given{'v1,' . encode_base64(hmac_sha256(
        "$header{'webhook-id'}.$header{'webhook-timestamp'}.$body",
        decode_base64($self->{secrets}[ $_ - 1 ] =~ s/^whsec_//r)), '')} }
        1 .. @{ $self->{secrets} };
    my $in = eval { $json->decode($body) } // {};
    return { id => $header{'webhook-id'}, type => $in->{type} // '',
        timestamp => $in->{timestamp}, data => $in->{data}, body => $body,
        age => time - ($header{'webhook-timestamp'} // 0),
        signed => "@signed", signatures => scalar keys %given };
}


sub steer {
    my ($self, $what, $in) = @_;
    return $self->{messages} if $what eq 'messages';
    push @{ $self->{rules} }, $in if $what eq 'rule';
    @$self{qw(messages rules)} = ([], []) if $what eq 'forget';
    return {};
}

1;
