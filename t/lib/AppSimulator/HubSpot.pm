package AppSimulator::HubSpot;

# Roles by id, pages by `after`.
use strict;
use warnings;
use JSON::PP;

my ($true, $false) = (JSON::PP::true, JSON::PP::false);

sub apps {
    return (
    hubspot => {
        token => { authorization => 'Bearer the-secret' },
        limited => [ 429, { errorType => 'RATE_LIMIT' },
            { 'X-HubSpot-RateLimit-Remaining' => 0 } ],
        denied => [ 400, { category => 'VALIDATION_ERROR', message =>
            'no paid seat is left' } ],
        routes => [
            [ POST => qr{^/settings/v3/users$}, sub {
                my ($sim, $request) = @_;
                my $in = $request->{json};
                return [ 409, { category => 'CONFLICT' } ]
                    if $sim->by_email($in->{email});
                my $member = $sim->add($in->{email}, $in->{roleId} eq '200'
                    ? 'admin' : 'member');
                return [ 201, { id => $member->{id} } ];
            } ],
            [ GET => qr{^/settings/v3/users\?limit=100&after=(\w*)$}, sub {
                my ($sim, $request, $after) = @_;
                my @all = $sim->all;
                my $to = ($after || 0) + $sim->{page};
                return [ 200, { results => [ map { { id => $_->{id}, email =>
                    $_->{email}, roleId => $_->{role} eq 'admin' ? '200'
                        : '100' } } grep { defined }
                    @all[($after || 0) .. $to - 1] ], $to < @all
                    ? (paging => { next => { after => "$to" } }) : () } ];
            } ],
            [ PUT => qr{^/settings/v3/users/(\w+)$}, sub {
                my ($sim, $request, $id) = @_;
                return $sim->set_role($id, $request->{json}{roleId} eq '200'
                    ? 'admin' : 'member') ? [ 200, {} ] : [ 404, {} ];
            } ],
            [ DELETE => qr{^/settings/v3/users/(\w+)$}, sub {
                my ($sim, $request, $id) = @_;
                return $sim->remove($id) ? [ 204 ] : [ 404, {} ];
            } ] ] });
}

1;
