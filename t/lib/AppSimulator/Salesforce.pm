package AppSimulator::Salesforce;

# No delete; a duplicate is 400; the next page is a path.
use strict;
use warnings;
use JSON::PP;

my ($true, $false) = (JSON::PP::true, JSON::PP::false);

sub apps {
    return (
    salesforce => {
        token => { authorization => 'Bearer the-token' },
        oauth => { path => '/services/oauth2/token', form =>
            'client_id=CLIENT&client_secret=the-secret'
            . '&grant_type=client_credentials' },
        limited => [ 403, [ { errorCode => 'REQUEST_LIMIT_EXCEEDED' } ] ],
        denied => [ 400, [ { errorCode => 'LICENSE_LIMIT_EXCEEDED' } ] ],
        routes => [
            [ POST => qr{^/services/data/v59.0/sobjects/User$}, sub {
                my ($sim, $request) = @_;
                my $in = $request->{json};
                return [ 400, [ { errorCode => 'DUPLICATE_USERNAME' } ] ]
                    if $sim->by_email($in->{Email});
                return [ 400, [ { errorCode => 'REQUIRED_FIELD_MISSING' } ] ]
                    if grep { !defined $in->{$_} || $in->{$_} eq '' }
                        qw(Username LastName Alias ProfileId TimeZoneSidKey
                        LocaleSidKey EmailEncodingKey LanguageLocaleKey);
                my $member = $sim->add($in->{Email}, $in->{ProfileId}
                    eq '00eADMIN' ? 'admin' : 'standard');
                return [ 201, { id => $member->{id}, success => $true } ];
            } ],
            [ GET => qr{^/services/data/v59.0/query(?:\?q=SELECT\+Id,Email,
                IsActive,ProfileId\+FROM\+User|/01g-(\d+))$}x, sub {
                my ($sim, $request, $from) = @_;
                my @all = $sim->all;
                my $to = ($from //= 0) + $sim->{page};
                return [ 200, { totalSize => scalar @all, $to < @all
                    ? (nextRecordsUrl =>
                        "/services/data/v59.0/query/01g-$to") : (),
                    records => [ map { { Id => $_->{id}, Email =>
                        $_->{email}, IsActive => $_->{active} ? $true
                        : $false, ProfileId => $_->{role} eq 'admin'
                        ? '00eADMIN' : '00eSTANDARD' } } grep { defined }
                        @all[$from .. $to - 1] ] } ];
            } ],
            [ PATCH => qr{^/services/data/v59.0/sobjects/User/(\w+)$}, sub {
                my ($sim, $request, $id) = @_;
                my $in = $request->{json};
                my $member = $sim->{member}{$id}
                    or return [ 404, [ { errorCode => 'NOT_FOUND' } ] ];
                $member->{active} = $in->{IsActive} ? 1 : 0
                    if exists $in->{IsActive};
                $member->{role} = $in->{ProfileId} eq '00eADMIN' ? 'admin'
                    : 'standard' if exists $in->{ProfileId};
                return [ 204 ];
            } ] ] });
}

1;
