package AppSimulator;

# Apps that behave as their APIs are documented: how they page, what their
# limits and errors look like, what is pending, what a removal leaves behind.
# One server; each app is a table in a file below AppSimulator/.
#
#   my $sim = AppSimulator->start('zoom', page => 2);
#   $sim->url                  where it listens
#   $sim->people               { address => role }, those switched off with !
#   $sim->put(address, role)   somebody behind everybody's back
#   $sim->limit(n)             the next n calls are over the app's limit
#   $sim->deny(n)              the next n writes are refused for good
#   $sim->pending              addresses of open invites, sorted
#   $sim->accept_all           who was invited follows the link
#   $sim->control('revoke')    the access token given out is worth no more;
#                  'refuse'    nor is there another one, until 'grant'
#   $sim->calls                "POST /users 201", in their order
use strict;
use warnings;
use parent 'TestServer';
use JSON::PP;

use AppSimulator::Ads;
use AppSimulator::Google;
use AppSimulator::HubSpot;
use AppSimulator::Salesforce;
use AppSimulator::Scim;
use AppSimulator::Zoom;

my $json = JSON::PP->new->canonical->utf8->allow_nonref;

# ---- the apps ----------------------------------------------------------------
#
# token      the credential that is asked for: header => value; an `oauth`
#            table has the grant type, how the client says who it is
# limited    the answer to a call over the limit: [status, body, headers]
# denied     the answer to a write that the app refuses: [status, body]
# accept     sub(sim, member): what following the link changes
# routes     [method, pattern, sub(sim, request, matches...)] → [status, body]
my %app = (AppSimulator::Ads::apps(), AppSimulator::Google::apps(),
    AppSimulator::HubSpot::apps(), AppSimulator::Salesforce::apps(),
    AppSimulator::Scim::apps(), AppSimulator::Zoom::apps());

sub names { return sort keys %app }

# the number in a page's token, 0 for the first page
sub number_of { return $_[0] =~ /(\d+)$/ ? $1 : 0 }

# a page of these members: from (counted from 0), and whether more follow
sub slice {
    my ($sim, $from, @all) = @_;
    my $to = $from + $sim->{page};
    return ($to < @all, grep { defined } @all[$from .. $to - 1]);
}

# ---- members -----------------------------------------------------------------

sub all {
    my ($sim) = @_;
    return sort { $a->{order} <=> $b->{order} } values %{ $sim->{member} };
}


sub by_email {
    my ($sim, $email) = @_;
    return (grep { lc $_->{email} eq lc $email } $sim->all)[0];
}


sub add {
    my ($sim, $email, $role, %more) = @_;
    my $order = ++$sim->{next};
    my $member = { id => "m$order", email => $email, role => $role,
        active => 1, order => $order, %more };
    return $sim->{member}{ $member->{id} } = $member;
}


sub remove { return delete $_[0]{member}{ $_[1] } }

sub set_role {
    my ($sim, $id, $role) = @_;
    my $member = $sim->{member}{$id} or return 0;
    $member->{role} = $role;
    return 1;
}

# ---- for the test ------------------------------------------------------------

sub start {
    my ($class, $name, %option) = @_;
    return $class->launch(app => $app{$name} // die("no app $name\n"),
        page => 2, member => {}, calls => [], limited => 0, denied => 0,
        issue => '', %option);
}


sub people { return $_[0]->control('people') }
sub put {
    my ($self, $email, $role, %more) = @_;
    $self->control('put', { email => $email, role => $role, more => \%more });
}


sub limit { $_[0]->control('limit', { count => $_[1] }) }
sub deny { $_[0]->control('deny', { count => $_[1] }) }
sub calls { return @{ $_[0]->control('calls') } }
sub pending { return join ' ', @{ $_[0]->control('pending') } }
sub accept_all { $_[0]->control('accept') }

# "ann:editor bob:viewer!", the part before the @, sorted
sub roles {
    my ($self) = @_;
    my $people = $self->people;
    return join ' ', sort map { s/\@.*//r . ":$people->{$_}" } keys %$people;
}


# ---- the app's process -------------------------------------------------------

sub respond {
    my ($self, $request) = @_;
    my ($status, $body, $headers) = @{ $self->act($request) };
    push @{ $self->{calls} }, "$request->{method} $request->{path} $status";
    return [ $status, defined $body ? $json->encode($body) : '', $headers ];
}


sub act {
    my ($self, $request) = @_;
    my $app = $self->{app};
    my ($method, $path) = @$request{qw(method path)};
    return $self->give_token($request) if $app->{oauth} && $method eq 'POST'
        && $path eq $app->{oauth}{path};
    for my $name (keys %{ $app->{token} }) {
        return [ 401, {} ] if ($request->{headers}{$name} // '')
            ne $app->{token}{$name} . $self->{issue};
    }
    if ($self->{limited} > 0) {
        $self->{limited}--;
        my ($status, $body, $headers) = @{ $app->{limited} };
        my %headers = ref $headers eq 'CODE' ? $headers->()
            : %{ $headers // {} };
        return [ $status, $body, \%headers ];
    }
    if ($self->{denied} > 0 && $method ne 'GET') {
        $self->{denied}--;
        return $app->{denied};
    }
    for my $route (@{ $app->{routes} }) {
        next if $route->[0] ne $method;
        my @found = $path =~ $route->[1] or next;
        return $route->[2]->($self, $request, @found);
    }
    return [ 404, { message => 'no such endpoint' } ];
}


sub give_token {
    my ($self, $request) = @_;
    my $oauth = $self->{app}{oauth};
    my $form = join '&', sort split /&/, $request->{body};
    my ($basic) = ($request->{headers}{authorization} // '')
        =~ /^Basic (\S+)$/;
    my $expected = $oauth->{basic} // '';
    return [ 401, { error => 'invalid_client' } ] if $form ne $oauth->{form}
        || (defined $basic ? unpack('u', pack_base64($basic)) : '')
        ne $expected;
    return [ 401, { error => 'invalid_client' } ] if $self->{refuse};
    return [ 200, { access_token => "the-token$self->{issue}", expires_in => 3600,
        token_type => 'bearer' } ];
}


# base64 as uuencoded text, which unpack() can read
sub pack_base64 {
    my ($text) = @_;
    $text =~ tr{A-Za-z0-9+/=}{}cd;
    my $bytes = int(length($text) * 3 / 4) - ($text =~ tr/=//);
    $text =~ s/=+$//;
    $text =~ tr{A-Za-z0-9+/}{ -_};
    return chr(32 + $bytes) . $text;
}


sub steer {
    my ($self, $what, $in) = @_;
    if ($what eq 'people') {
        return { map { $_->{email} => $_->{role} . ($_->{active} ? ''
            : '!') } $self->all };
    }
    elsif ($what eq 'put') { $self->add(@$in{qw(email role)},
        %{ $in->{more} }) }
    elsif ($what eq 'limit') { $self->{limited} = $in->{count} }
    elsif ($what eq 'deny') { $self->{denied} = $in->{count} }
    elsif ($what eq 'pending') { return [ sort map { $_->{email} }
        grep { $_->{pending} } $self->all ] }
    elsif ($what eq 'calls') { return $self->{calls} }
    elsif ($what eq 'revoke') { $self->{issue} .= 'x' }
    elsif ($what eq 'refuse') { $self->{refuse} = 1 }
    elsif ($what eq 'grant') { $self->{refuse} = 0 }
    elsif ($what eq 'accept') {
        for my $member (grep { $_->{pending} } $self->all) {
            delete $member->{pending};
            $self->{app}{accept}->($self, $member) if $self->{app}{accept};
        }
    }
    return {};
}

1;
