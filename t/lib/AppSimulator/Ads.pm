package AppSimulator::Ads;

# Meta Business: errors are 400 with a code, a cursor even on the last page,
# invites in a list of their own with ids of their own, and no word about who
# was invited already.  TikTok Business Center: always 200, the code says what
# it means; pages by number; an invite has no id, only an address.
use strict;
use warnings;
use JSON::PP;

my $true = JSON::PP::true;

sub graph_page {
    my ($sim, $after, @all) = @_;
    my $from = AppSimulator::number_of($after);
    my ($more, @page) = $sim->slice($from, @all);
    return [ 200, { data => [ map { { id => $_->{id}, email => $_->{email},
        role => $_->{role} } } @page ], @page ? (paging => { cursors => {
        after => 'c' . ($from + @page) } }) : () } ];
}


sub meta {
    my $unknown = [ 400, { error => { code => 100,
        message => 'Unsupported request' } } ];
    return {
        token => { authorization => 'Bearer the-secret' },
        limited => [ 400, { error => { code => 80004 } } ],
        denied => [ 400, { error => { code => 100,
            message => 'Invalid parameter' } } ],
        accept => sub {
            my ($sim, $member) = @_;
            delete $sim->{member}{ $member->{id} };
            $member->{id} = "u$member->{order}";
            $sim->{member}{ $member->{id} } = $member;
        },
        routes => [
            [ POST => qr{^/v25.0/BUSINESS/business_users$}, sub {
                my ($sim, $request) = @_;
                my $in = $request->{json};
                return $unknown if $sim->by_email($in->{email});
                my $member = $sim->add(@$in{qw(email role)}, pending => 1);
                return [ 200, { id => $member->{id} } ];
            } ],
            [ GET => qr{^/v25.0/BUSINESS/(business|pending)_users\?
                fields=id,email,role&limit=100&after=(\w*)$}x, sub {
                my ($sim, $request, $which, $after) = @_;
                return graph_page($sim, $after, grep { $which
                    eq ($_->{pending} ? 'pending' : 'business') } $sim->all);
            } ],
            [ POST => qr{^/v25.0/(\w+)$}, sub {
                my ($sim, $request, $id) = @_;
                return $sim->set_role($id, $request->{json}{role})
                    ? [ 200, { success => $true } ] : $unknown;
            } ],
            [ DELETE => qr{^/v25.0/(\w+)$}, sub {
                my ($sim, $request, $id) = @_;
                return $sim->remove($id) ? [ 200, { success => $true } ]
                    : [ 404, { error => { code => 100 } } ];
            } ] ] };
}


sub said { return [ 200, { code => $_[0], message => $_[1] // 'OK' } ] }

sub tiktok {
    my $base = '/open_api/v1.3/bc/member';
    my $filter = 'filtering=%7B%22relation_status%22%3A%22';
    return {
        token => { 'access-token' => 'the-secret' },
        limited => said(40100, 'too many requests'),
        denied => said(40001, 'no permission'),
        routes => [
            [ POST => qr{^$base/invite/$}, sub {
                my ($sim, $request) = @_;
                my $in = $request->{json};
                return said(40002, 'invited already')
                    if $in->{bc_id} ne 'BUSINESS'
                    || $sim->by_email($in->{emails}[0]);
                $sim->add($in->{emails}[0], $in->{user_role}, pending => 1);
                return said(0);
            } ],
            [ GET => qr{^$base/get/\?bc_id=BUSINESS&\Q$filter\E(BOUND|PENDING)
                %22%7D&page_size=20&page=(\d+)$}x, sub {
                my ($sim, $request, $status, $page) = @_;
                my @all = grep { $status eq ($_->{pending} ? 'PENDING'
                    : 'BOUND') } $sim->all;
                my ($more, @page) = $sim->slice(($page - 1) * $sim->{page},
                    @all);
                return [ 200, { code => 0, data => { page_info => {
                    total_number => scalar @all }, list => [ map { {
                    $_->{pending} ? () : (user_id => $_->{id}),
                    user_email => $_->{email}, user_role => $_->{role},
                    relation_status => $status } } @page ] } } ];
            } ],
            [ POST => qr{^$base/update/$}, sub {
                my ($sim, $request) = @_;
                return said($sim->set_role(@{ $request->{json} }{
                    qw(user_id user_role)}) ? 0 : 40002);
            } ],
            [ POST => qr{^$base/delete/$}, sub {
                my ($sim, $request) = @_;
                my $in = $request->{json};
                my $member = defined $in->{user_id}
                    ? $sim->{member}{ $in->{user_id} }
                    : $sim->by_email($in->{user_email} // '');
                return said(40002, 'no such member') if !$member
                    || !$member->{pending} == !defined $in->{user_id};
                $sim->remove($member->{id});
                return said(0);
            } ] ] };
}


sub apps { return ('meta-business' => meta(), 'tiktok-business' => tiktok()) }

1;
