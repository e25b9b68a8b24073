package AppSimulator::Google;

# A licence, by address; 403 for too many calls.
use strict;
use warnings;
use JSON::PP;

my ($true, $false) = (JSON::PP::true, JSON::PP::false);

sub number_of { return AppSimulator::number_of(@_) }

sub apps {
    return (
    'google-workspace' => {
        token => { authorization => 'Bearer the-token' },
        oauth => { path => '/token', form => 'client_id=CLIENT'
            . '&client_secret=the-secret&grant_type=refresh_token'
            . '&refresh_token=the-secret' },
        limited => [ 403, { error => { code => 403, errors => [ { reason =>
            'userRateLimitExceeded' } ] } } ],
        denied => [ 412, { error => { code => 412, errors => [ { reason =>
            'conditionNotMet' } ] } } ],
        routes => [
            [ POST => qr{^/apps/licensing/v1/product/PRODUCT/sku/SKU/user$},
                sub {
                my ($sim, $request) = @_;
                my $email = $request->{json}{userId};
                return [ 409, { error => { errors => [ { reason =>
                    'duplicate' } ] } } ] if $sim->by_email($email);
                $sim->add($email, 'licensed', id => $email);
                return [ 200, { userId => $email, skuId => 'SKU' } ];
            } ],
            [ GET => qr{^/apps/licensing/v1/product/PRODUCT/sku/SKU/users\?
                customerId=DOMAIN&maxResults=100&pageToken=(\w*)$}x, sub {
                my ($sim, $request, $token) = @_;
                my $from = number_of($token);
                my ($more, @page) = $sim->slice($from, $sim->all);
                return [ 200, { $more ? (nextPageToken => 'p'
                    . ($from + @page)) : (), items => [ map { {
                    userId => $_->{email} } } @page ] } ];
            } ],
            [ DELETE => qr{^/apps/licensing/v1/product/PRODUCT/sku/SKU/user/
                ([^/?]+)$}x, sub {
                my ($sim, $request, $id) = @_;
                $id =~ s/%([0-9A-F]{2})/chr hex $1/ge;
                return $sim->remove($id) ? [ 200, {} ] : [ 404, {} ];
            } ] ] });
}

1;
