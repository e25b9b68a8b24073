package AppSimulator::Zoom;

# A token for an account; pages by token; who has not accepted is in a list of
# its own, without an id; 409 with a code; Retry-After as a date.
use strict;
use warnings;
use POSIX ();

my @role = qw(- basic licensed);

sub find {
    my ($sim, $word) = @_;
    $word =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    return $sim->{member}{$word} // $sim->by_email($word);
}


sub apps {
    return (zoom => {
        token => { authorization => 'Bearer the-token' },
        oauth => { path => '/oauth/token', basic => 'CLIENT:the-secret',
            form => 'account_id=ACCOUNT&grant_type=account_credentials' },
        limited => [ 429, { code => 429 }, sub { ('Retry-After' =>
            POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 1))) } ],
        denied => [ 400, { code => 2034, message => 'not enough seats' } ],
        routes => [
            [ POST => qr{^/v2/users$}, sub {
                my ($sim, $request) = @_;
                my $in = $request->{json}{user_info};
                return [ 400, { code => 300 } ]
                    if $request->{json}{action} ne 'create'
                    || $in->{type} !~ /^[12]$/
                    || $request->{body} !~ /"type":\d/;
                return [ 409, { code => 1005 } ]
                    if $sim->by_email($in->{email});
                my $member = $sim->add($in->{email}, $role[$in->{type}],
                    pending => 1);
                return [ 201, { id => $member->{id}, type => $in->{type} } ];
            } ],
            [ GET => qr{^/v2/users\?status=(active|pending)&page_size=300
                &next_page_token=(\w*)$}x, sub {
                my ($sim, $request, $status, $token) = @_;
                my $from = AppSimulator::number_of($token);
                my ($more, @page) = $sim->slice($from, grep { $status
                    eq ($_->{pending} ? 'pending' : 'active') } $sim->all);
                return [ 200, { next_page_token => $more ? 't'
                    . ($from + @page) : '', users => [ map { {
                    $_->{pending} ? () : (id => $_->{id}),
                    email => $_->{email}, status => $status,
                    type => $_->{role} eq 'basic' ? 1 : 2 } } @page ] } ];
            } ],
            [ PATCH => qr{^/v2/users/([^/?]+)$}, sub {
                my ($sim, $request, $word) = @_;
                my $member = find($sim, $word) or return [ 404, {} ];
                $sim->set_role($member->{id}, $role[$request->{json}{type}]);
                return [ 204 ];
            } ],
            [ DELETE => qr{^/v2/users/([^/?]+)\?action=disassociate$}, sub {
                my ($sim, $request, $word) = @_;
                my $member = find($sim, $word)
                    or return [ 404, { code => 1001 } ];
                $sim->remove($member->{id});
                return [ 204 ];
            } ] ] });
}

1;
