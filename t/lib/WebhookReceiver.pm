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
use parent 'TestServer';
use Digest::SHA qw(hmac_sha256);
use JSON::PP;
use MIME::Base64 qw(decode_base64 encode_base64);

my $json = JSON::PP->new->canonical->utf8;

sub start {
    my ($class, @secrets) = @_;
    return $class->launch(secrets => \@secrets, rules => [], messages => []);
}


sub url { return "http://127.0.0.1:$_[0]{port}/hook" }

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


# ---- the receiver's process ----------------------------------------------------

sub respond {
    my ($self, $request) = @_;
    my $message = $self->verify($request->{headers}, $request->{body});
    my ($rule) = grep { $_->{times} > 0 && (!defined $_->{type}
        || $_->{type} eq $message->{type}) } @{ $self->{rules} };
    $rule->{times}-- if $rule;
    $message->{status} = $rule ? $rule->{status} // 0 : 204;
    push @{ $self->{messages} }, $message;
    return $message->{status} == 0 ? undef
        : [ $message->{status}, '', $rule ? $rule->{headers} : {} ];
}


sub verify {
    my ($self, $header, $body) = @_;
    my %given = map { $_ => 1 } split ' ',
        $header->{'webhook-signature'} // '';
    my @signed = grep { $given{'v1,' . encode_base64(hmac_sha256(
        "$header->{'webhook-id'}.$header->{'webhook-timestamp'}.$body",
        decode_base64($self->{secrets}[ $_ - 1 ] =~ s/^whsec_//r)), '')} }
        1 .. @{ $self->{secrets} };
    my $in = eval { $json->decode($body) } // {};
    return { id => $header->{'webhook-id'}, type => $in->{type} // '',
        timestamp => $in->{timestamp}, data => $in->{data}, body => $body,
        age => time - ($header->{'webhook-timestamp'} // 0),
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
