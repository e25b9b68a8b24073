package MailSink;

# A mail server that delivers nothing: it keeps what it takes.
#   start(refuse => { address => 'code text', ... each answered so once })
#   mails  [ { from, to, data, user } ... ]
use strict;
use warnings;
use parent 'TestProcess';
use JSON::PP;
use POSIX ();

sub start {
    my ($class, $file, %option) = @_;
    return $class->launch(file => $file, refuse => {}, %option);
}


sub serve {
    my ($self, $listen) = @_;
    my $parent = getppid;
    $listen->timeout(1);
    while (getppid == $parent) {
        my $client = $listen->accept or next;
        talk($self, $client);
        close $client;
    }
    POSIX::_exit(0);
}


sub talk {
    my ($self, $client) = @_;
    my %mail;
    print $client "220 sink\r\n";
    while (my $line = <$client>) {
        $line =~ s/\r\n\z//;
        if ($line =~ /^EHLO/) { print $client "250-sink\r\n250 AUTH PLAIN\r\n" }
        elsif ($line =~ /^AUTH PLAIN ?(\S*)/) {
            my $text = $1;
            if ($text eq '') {
                print $client "334 \r\n";
                chomp($text = <$client>);
            }
            $mail{user} = $text =~ s/\s+//r;
            print $client "235 ok\r\n";
        }
        elsif ($line =~ /^MAIL FROM:<([^>]*)>/) {
            $mail{from} = $1;
            print $client "250 ok\r\n";
        }
        elsif ($line =~ /^RCPT TO:<([^>]*)>/) {
            $mail{to} = $1;
            my $refusal = delete $self->{refuse}{$1};
            print $client $refusal ? "$refusal\r\n" : "250 ok\r\n";
        }
        elsif ($line eq 'DATA') {
            print $client "354 go on\r\n";
            $mail{data} = '';
            while (my $text = <$client>) {
                last if $text eq ".\r\n";
                $mail{data} .= $text;
            }
            open my $out, '>>', $self->{file} or die "$self->{file}: $!\n";
            print $out encode_json(\%mail), "\n";
            close $out;
            print $client "250 taken\r\n";
        }
        elsif ($line eq 'QUIT') {
            print $client "221 bye\r\n";
            return;
        }
        else { print $client "250 ok\r\n" }
    }
}


sub mails {
    my ($self) = @_;
    open my $in, '<', $self->{file} or return ();
    return map { decode_json($_) } <$in>;
}

1;
