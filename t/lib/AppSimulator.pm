package AppSimulator;

# Apps that behave as their APIs are documented: how they page, what their
# limits and errors look like, what is pending, what a removal leaves behind.
# One server; an app is a table in %app below.
#
#   my $sim = AppSimulator->start('zoom', page => 2);
#   $sim->url                  where it listens
#   $sim->people               { address => role }, those switched off with !
#   $sim->put(address, role)   somebody behind everybody's back
#   $sim->limit(n)             the next n calls are over the app's limit
#   $sim->control('revoke')    the access token given out is worth no more;
#                  'refuse'    nor is there another one, until 'grant'
#   $sim->calls                "POST /users 201", in their order
use strict;
use warnings;
use HTTP::Tiny;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use MockApp;
use POSIX ();

my $json = JSON::PP->new->canonical->utf8->allow_nonref;
my ($true, $false) = (JSON::PP::true, JSON::PP::false);

# ---- the apps ----------------------------------------------------------------
#
# token      the credential that is asked for: header => value; an `oauth`
#            table has the grant type, how the client says who it is
# limited    the answer to a call over the limit: [status, body, headers]
# routes     [method, pattern, sub(sim, request, matches...)] → [status, body]

my $scim_error = sub {
    my ($status, $type) = @_;
    return [ $status, { schemas =>
        ['urn:ietf:params:scim:api:messages:2.0:Error'], status => "$status",
        defined $type ? (scimType => $type) : () } ];
};

sub scim_user {
    my ($member) = @_;
    return { schemas => ['urn:ietf:params:scim:schemas:core:2.0:User'],
        id => $member->{id}, userName => $member->{email},
        emails => [ { value => $member->{email}, primary => $true } ],
        active => $member->{active} ? $true : $false };
}


sub scim_app {
    my ($base, %more) = @_;
    return { token => { authorization => 'Bearer the-secret' },
        limited => [ 429, {}, { 'Retry-After' => 1 } ],
        routes => [
            [ POST => qr{^$base/Users$}, sub {
                my ($sim, $request) = @_;
                my $email = $request->{json}{emails}[0]{value};
                return $scim_error->(409, 'uniqueness')
                    if $sim->by_email($email);
                return [ 201, scim_user($sim->add($email, 'member')) ];
            } ],
            [ GET => qr{^$base/Users\?startIndex=(\d+)&count=\d+$}, sub {
                my ($sim, $request, $start) = @_;
                my @all = $sim->all;
                my $total = @all; # a slice in grep makes the array longer
                my @page = grep { defined } @all[$start - 1 .. $start - 2
                    + $sim->{page}];
                return [ 200, { totalResults => $total, startIndex =>
                    $start + 0, Resources => [ map { scim_user($_) }
                        @page ] } ];
            } ],
            [ PATCH => qr{^$base/Users/(\w+)$}, sub {
                my ($sim, $request, $id) = @_;
                my $member = $sim->{member}{$id}
                    or return $scim_error->(404);
                my ($operation) = @{ $request->{json}{Operations} };
                return $scim_error->(400, 'invalidPath')
                    if $operation->{path} ne 'active';
                $member->{active} = $operation->{value} ? 1 : 0;
                return [ 200, scim_user($member) ];
            } ],
            [ DELETE => qr{^$base/Users/(\w+)$}, sub {
                my ($sim, $request, $id) = @_;
                return $scim_error->(501) if $more{no_delete};
                return $sim->remove($id) ? [ 204 ] : $scim_error->(404);
            } ] ] };
}

my %app = (
    'github-organization' => scim_app('/scim/v2/organizations/ORGANIZATION'),
    slack => scim_app('/scim/v2', no_delete => 1),
    figma => scim_app('/scim/v2/TENANT', no_delete => 1),
    notion => scim_app('/scim/v2'),
    atlassian => scim_app('/scim/directory/DIRECTORY', no_delete => 1),
    canva => scim_app('/_scim/v2', no_delete => 1),

    # a token for an account; pages by token; invites that were not accepted
    # are in another list; 409 with a code; Retry-After as a date
    zoom => {
        token => { authorization => 'Bearer the-token' },
        oauth => { path => '/oauth/token', basic => 'CLIENT:the-secret',
            form => 'account_id=ACCOUNT&grant_type=account_credentials' },
        limited => [ 429, { code => 429 }, sub { ('Retry-After' =>
            POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 1))) } ],
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
                my $member = $sim->add($in->{email},
                    (qw(- basic licensed))[$in->{type}], pending => 1);
                return [ 201, { id => $member->{id}, type => $in->{type} } ];
            } ],
            [ GET => qr{^/v2/users\?page_size=300&next_page_token=(\w*)$},
                sub {
                my ($sim, $request, $token) = @_;
                my @all = grep { !$_->{pending} } $sim->all;
                my $from = number_of($token);
                my $to = $from + $sim->{page};
                return [ 200, { next_page_token => $to < @all ? "t$to" : '',
                    users => [ map { { id => $_->{id}, email => $_->{email},
                        type => $_->{role} eq 'basic' ? 1 : 2,
                        status => 'active' } } grep { defined }
                        @all[$from .. $to - 1] ] } ];
            } ],
            [ PATCH => qr{^/v2/users/(\w+)$}, sub {
                my ($sim, $request, $id) = @_;
                return $sim->set_role($id, (qw(- basic licensed))[
                    $request->{json}{type}]) ? [ 204 ] : [ 404, {} ];
            } ],
            [ DELETE => qr{^/v2/users/(\w+)\?action=disassociate$}, sub {
                my ($sim, $request, $id) = @_;
                return $sim->remove($id) ? [ 204 ]
                    : [ 404, { code => 1001 } ];
            } ] ] },

    # a licence, by address; 403 for too many calls
    'google-workspace' => {
        token => { authorization => 'Bearer the-token' },
        oauth => { path => '/token', form => 'client_id=CLIENT'
            . '&client_secret=the-secret&grant_type=refresh_token'
            . '&refresh_token=the-secret' },
        limited => [ 403, { error => { code => 403, errors => [ { reason =>
            'userRateLimitExceeded' } ] } } ],
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
                my @all = $sim->all;
                my $from = number_of($token);
                my $to = $from + $sim->{page};
                return [ 200, { $to < @all ? (nextPageToken => "p$to") : (),
                    items => [ map { { userId => $_->{email} } }
                        grep { defined } @all[$from .. $to - 1] ] } ];
            } ],
            [ DELETE => qr{^/apps/licensing/v1/product/PRODUCT/sku/SKU/user/
                ([^/?]+)$}x, sub {
                my ($sim, $request, $id) = @_;
                $id =~ s/%([0-9A-F]{2})/chr hex $1/ge;
                return $sim->remove($id) ? [ 200, {} ] : [ 404, {} ];
            } ] ] },

    # errors are 400 with a code; a cursor even on the last page
    'meta-business' => {
        token => { authorization => 'Bearer the-secret' },
        limited => [ 400, { error => { code => 80004 } } ],
        routes => [
            [ POST => qr{^/v19.0/BUSINESS/business_users$}, sub {
                my ($sim, $request) = @_;
                my $member = $sim->add(@{ $request->{json} }{qw(email role)},
                    pending => 1);
                return [ 200, { id => $member->{id} } ];
            } ],
            [ GET => qr{^/v19.0/BUSINESS/business_users\?
                fields=id,email,role&limit=100&after=(\w*)$}x, sub {
                my ($sim, $request, $after) = @_;
                my @all = grep { !$_->{pending} } $sim->all;
                my $from = number_of($after);
                my @page = grep { defined } @all[$from .. $from
                    + $sim->{page} - 1];
                return [ 200, { data => [ map { { id => $_->{id}, email =>
                    $_->{email}, role => $_->{role} } } @page ], @page
                    ? (paging => { cursors => { after => 'c' . ($from
                        + @page) } }) : () } ];
            } ],
            [ POST => qr{^/v19.0/(m\d+)$}, sub {
                my ($sim, $request, $id) = @_;
                return $sim->set_role($id, $request->{json}{role})
                    ? [ 200, { success => $true } ]
                    : [ 400, { error => { code => 100 } } ];
            } ],
            [ DELETE => qr{^/v19.0/(m\d+)$}, sub {
                my ($sim, $request, $id) = @_;
                return $sim->remove($id) ? [ 200, { success => $true } ]
                    : [ 404, { error => { code => 100 } } ];
            } ] ] },

    # roles by id, pages by `after`
    hubspot => {
        token => { authorization => 'Bearer the-secret' },
        limited => [ 429, { errorType => 'RATE_LIMIT' },
            { 'X-HubSpot-RateLimit-Remaining' => 0 } ],
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
            } ] ] },

    # no delete; a duplicate is 400; the next page is a path
    salesforce => {
        token => { authorization => 'Bearer the-token' },
        oauth => { path => '/services/oauth2/token', form =>
            'client_id=CLIENT&client_secret=the-secret'
            . '&grant_type=client_credentials' },
        limited => [ 403, [ { errorCode => 'REQUEST_LIMIT_EXCEEDED' } ] ],
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
            } ] ] },

    # always 200, the code says what it means; pages by number
    'tiktok-business' => {
        token => { 'access-token' => 'the-secret' },
        limited => [ 200, { code => 40100, message => 'too many requests' } ],
        routes => [
            [ POST => qr{^/open_api/v1.3/bc/member/invite/$}, sub {
                my ($sim, $request) = @_;
                my $in = $request->{json};
                return [ 200, { code => 40002 } ] if $in->{bc_id}
                    ne 'BUSINESS' || $sim->by_email($in->{emails}[0]);
                $sim->add($in->{emails}[0], $in->{user_role});
                return [ 200, { code => 0, message => 'OK' } ];
            } ],
            [ GET => qr{^/open_api/v1.3/bc/member/get/\?bc_id=BUSINESS
                &page_size=50&page=(\d+)$}x, sub {
                my ($sim, $request, $page) = @_;
                my @all = $sim->all;
                my $from = ($page - 1) * $sim->{page};
                return [ 200, { code => 0, data => { page_info => {
                    total_number => scalar @all }, list => [ map { {
                    user_id => $_->{id}, user_email => $_->{email},
                    user_role => $_->{role}, relation_status => 'BOUND' } }
                    grep { defined } @all[$from .. $from + $sim->{page}
                        - 1] ] } } ];
            } ],
            [ POST => qr{^/open_api/v1.3/bc/member/update/$}, sub {
                my ($sim, $request) = @_;
                return [ 200, { code => $sim->set_role(@{ $request->{json} }{
                    qw(user_id user_role)}) ? 0 : 40002 } ];
            } ],
            [ POST => qr{^/open_api/v1.3/bc/member/delete/$}, sub {
                my ($sim, $request) = @_;
                my $id = $request->{json}{user_id};
                return [ 200, { code => $sim->remove($id) ? 0 : 40002 } ];
            } ] ] },
);

sub names { return sort keys %app }

# the number in a page's token, 0 for the first page
sub number_of { return $_[0] =~ /(\d+)$/ ? $1 : 0 }

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
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 512,
        ReuseAddr => 1) or die "listen: $!\n";
    my $self = bless { app => $app{$name} // die("no app $name\n"), page => 2,
        port => $listen->sockport, owner => $$, member => {}, calls => [],
        limited => 0, issue => '', http => HTTP::Tiny->new(timeout => 30), %option },
        $class;
    $self->{pid} = fork // die "fork: $!\n";
    if ($self->{pid} == 0) {
        eval { $self->serve($listen); 1 } or print STDERR "simulator: $@";
        POSIX::_exit(1);
    }
    return $self;
}


sub url { return "http://127.0.0.1:$_[0]{port}" }

sub control {
    my ($self, $what, $body) = @_;
    my $answer = $self->{http}->request('POST', $self->url
        . "/_control/$what", { content => $json->encode($body // {}) });
    die "simulator: $answer->{status} $answer->{content}\n"
        unless $answer->{success};
    return $json->decode($answer->{content});
}


sub people { return $_[0]->control('people') }
sub put {
    my ($self, $email, $role, %more) = @_;
    $self->control('put', { email => $email, role => $role, more => \%more });
}


sub limit { $_[0]->control('limit', { count => $_[1] }) }
sub calls { return @{ $_[0]->control('calls') } }
# who was invited follows the link
sub accept_all { $_[0]->control('accept') }

# "ann:editor bob:viewer!", the part before the @, sorted
sub roles {
    my ($self) = @_;
    my $people = $self->people;
    return join ' ', sort map { s/\@.*//r . ":$people->{$_}" } keys %$people;
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

# ---- the app's process -------------------------------------------------------

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
            my $request = parse(\$text{$client}) // next;
            my ($status, $body, $headers) = @{ $self->answer($request) };
            MockApp::send_answer($client, $status, defined $body
                ? $json->encode($body) : '', $headers);
        }
    }
    POSIX::_exit(0);
}


sub parse {
    my ($text) = @_;
    my ($head, $body) = split /\r\n\r\n/, $$text, 2;
    return undef unless defined $body;
    my ($length) = $head =~ /^content-length:\s*(\d+)/mi;
    return undef if length $body < ($length // 0);
    my ($method, $path) = split ' ', $head;
    my %headers = map { /^([^:]+):\s*(.*?)\s*$/ ? (lc $1, $2) : () }
        split /\r\n/, $head;
    $$text = '';
    return { method => $method, path => $path, headers => \%headers,
        body => $body, json => scalar eval { $json->decode($body) } };
}


sub answer {
    my ($self, $request) = @_;
    my ($method, $path) = @$request{qw(method path)};
    return [ 200, $self->steer($1, $request->{json}) ]
        if $path =~ m{^/_control/(\w+)$};
    my $answer = $self->act($request);
    push @{ $self->{calls} }, "$method $path $answer->[0]";
    return $answer;
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
    elsif ($what eq 'calls') { return $self->{calls} }
    elsif ($what eq 'revoke') { $self->{issue} .= 'x' }
    elsif ($what eq 'refuse') { $self->{refuse} = 1 }
    elsif ($what eq 'grant') { $self->{refuse} = 0 }
    elsif ($what eq 'accept') { delete $_->{pending} for $self->all }
    return {};
}

1;
