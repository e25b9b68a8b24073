package AppSimulator::Scim;

# Apps that are SCIM servers, each with what it does differently.
use strict;
use warnings;
use JSON::PP;

my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $notion = 'urn:ietf:params:scim:schemas:extension:notion:2.0:User';

sub error {
    my ($status, $type, $detail) = @_;
    return [ $status, { schemas =>
        ['urn:ietf:params:scim:api:messages:2.0:Error'], status => "$status",
        defined $type ? (scimType => $type) : (),
        defined $detail ? (detail => $detail) : () } ];
}


# role: where the app keeps it (undef: nowhere)
my %role = (
    seat => { of => sub { $_[0]{roles}[0]{value} },
        asked => sub { ($_[0]{roles}[0]{type} // '') eq 'seatType' },
        show => sub { (roles => [ { type => 'seatType',
            value => $_[0] } ]) } },
    notion => { of => sub { $_[0]{$notion}{role} },
        asked => sub { grep { $_ eq $notion } @{ $_[0]{schemas} } },
        show => sub { ($notion => { role => $_[0] }) } });

sub user {
    my ($member, $role) = @_;
    return { schemas => ['urn:ietf:params:scim:schemas:core:2.0:User'],
        id => $member->{id}, userName => $member->{email},
        emails => [ { value => $member->{email}, primary => $true } ],
        active => $member->{active} ? $true : $false,
        $role ? $role->{show}->($member->{role}) : () };
}


sub patched {
    my ($member, $role, $operation) = @_;
    my ($path, $value) = @$operation{qw(path value)};
    return error(400, 'invalidValue') if lc $operation->{op} ne 'replace';
    if (!defined $path && $role && $role->{of}->($value)) {
        $member->{role} = $role->{of}->($value);
    }
    elsif (($path // '') eq 'active') {
        $member->{active} = $value ? 1 : 0;
    }
    elsif (($path // '') eq 'roles' && $role) {
        $member->{role} = $role->{of}->({ roles => $value });
    }
    else {
        return error(400, 'invalidPath');
    }
    return [ 200, user($member, $role) ];
}


# app(path, no_delete =>, role =>, limited =>, denied =>)
sub app {
    my ($base, %more) = @_;
    my $role = $role{ $more{role} // '' };
    return { token => { authorization => 'Bearer the-secret' },
        limited => $more{limited} // [ 429, {}, { 'Retry-After' => 1 } ],
        denied => $more{denied} // error(400, 'invalidValue', 'not here'),
        routes => [
            [ POST => qr{^$base/Users$}, sub {
                my ($sim, $request) = @_;
                my $in = $request->{json};
                my $email = $in->{emails}[0]{value};
                return error(409, 'uniqueness') if $sim->by_email($email);
                return error(400, 'invalidValue')
                    if $role && !$role->{asked}->($in);
                return [ 201, user($sim->add($email, $role
                    ? $role->{of}->($in) : 'member', pending => 1),
                    $role) ];
            } ],
            [ GET => qr{^$base/Users\?startIndex=(\d+)&count=100$}, sub {
                my ($sim, $request, $start) = @_;
                my @all = $sim->all;
                my ($more, @page) = $sim->slice($start - 1, @all);
                return [ 200, { totalResults => scalar @all, startIndex =>
                    $start + 0, itemsPerPage => scalar @page, Resources =>
                    [ map { user($_, $role) } @page ] } ];
            } ],
            [ PATCH => qr{^$base/Users/(\w+)$}, sub {
                my ($sim, $request, $id) = @_;
                my $member = $sim->{member}{$id} or return error(404);
                return patched($member, $role,
                    $request->{json}{Operations}[0]);
            } ],
            [ DELETE => qr{^$base/Users/(\w+)$}, sub {
                my ($sim, $request, $id) = @_;
                return error(501) if $more{no_delete};
                return $sim->remove($id) ? [ 204 ] : error(404);
            } ] ] };
}


sub apps {
    return (
        # a limit of writes is 403, with when to come back
        'github-organization' => app('/scim/v2/organizations/ORGANIZATION',
            limited => [ 403, { message => 'You have exceeded a secondary '
                . 'rate limit.' }, { 'Retry-After' => 1 } ],
            denied => [ 400, { detail => 'Must have admin rights' } ]),
        slack => app('/scim/v2', no_delete => 1,
            limited => [ 429, { Errors => { code => 429, description =>
                'ratelimited' } }, { 'Retry-After' => 1 } ],
            # an app that repeats what it was sent
            denied => [ 400, { Errors => { code => 400, description =>
                'invalid_email; Bearer the-secret' } } ]),
        figma => app('/scim/v2/TENANT', no_delete => 1,
            limited => [ 429, {} ]),
        'figma-enterprise' => app('/scim/v2/TENANT', no_delete => 1,
            role => 'seat', limited => [ 429, {} ]),
        notion => app('/scim/v2', role => 'notion'),
        atlassian => app('/scim/directory/DIRECTORY', no_delete => 1,
            limited => [ 429, {}, { 'X-RateLimit-Remaining' => 0 } ]),
        canva => app('/_scim/v2', no_delete => 1));
}

1;
