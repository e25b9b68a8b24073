package MockApp;

# An app with a members API that keeps score: who is a member with which role,
# and each call it got.  It can be told to misbehave.  A process of its own;
# the test steers it over the app's own port, below /_control.
#
#   POST   /members           {email, role}    201 {id}; 409 who is there
#   PATCH  /members/{id}      {role}           200
#   DELETE /members/{id}                       204; 404 who is not
#   GET    /members?cursor=&email=             {members: [...], next}
#   DELETE /invites/{id}                       as DELETE /members/{id}; with
#                                              `pending` 404 for who accepted
#
# A rule makes the next `times` calls that match misbehave:
#   { method => 'POST', path => '^/members', times => 2, status => 503,
#     headers => { 'Retry-After' => 1 }, body => '...',
#     effect => 1 (what was asked happens all the same),
#     then => 'hang' (never answers) | 'close' (hangs up without an answer),
#     raw => bytes instead of an answer, drip => the same, one a second,
#     delay => seconds before it, or before the usual answer }
# control('accept', { email }): with `pending`, people are `invited` until then.
# control('lag', { seconds }): who was removed is listed so much longer.
# control('token', { token }): calls without this bearer token get 401.
# control('window', { limit, seconds }): so many calls in so many seconds, which
# the headers of each answer tell; more get 429.
# control('slow', { seconds }): each answer comes so much later, those to others
# meanwhile; control('load'): how many calls it had at a time, at most (most),
# and of each method.
use strict;
use warnings;
use parent 'TestServer';
use JSON::PP;
use Time::HiRes ();

my $json = JSON::PP->new->canonical->utf8;

# start(page => members a page of the list, pending => invites are open ones
# until they are accepted)
sub start {
    my ($class, %option) = @_;
    return $class->launch(page => 100, member => {}, id_of => {}, next => 0,
        rules => [], log => [], %option);
}


# The definition of a connector for this app; verbs can be replaced or, with
# undef, left out.
sub connector {
    my ($self, %change) = @_;
    my %connector = (type => 'http', baseUrl => $self->url,
        invite => { method => 'POST', path => '/members', memberId => '/id',
            body => { email => '${user.email}',
                role => '${grant.accessRole}' } },
        role => { method => 'PATCH', path => '/members/${member.id}',
            body => { role => '${grant.accessRole}' } },
        remove => { method => 'DELETE', path => '/members/${member.id}' },
        list => { method => 'GET', path => '/members?cursor=${page.cursor}',
            items => '/members', next => '/next', map => { id => '/id',
                email => '/email', accessRole => '/role',
                state => '/state' } }, %change);
    delete $connector{$_} for grep { !defined $connector{$_} } keys %connector;
    return \%connector;
}


# Every call so far, oldest first: { method, path, email, role, key, status,
# effect, at (seconds, of this machine) }; status 0 = not answered.
sub calls { return @{ $_[0]->control('calls')->{calls} } }

# Who is a member: { email => role }
sub members { return $_[0]->control('members')->{members} }

sub rule { $_[0]->control('rule', $_[1]) }
sub forget_rules { $_[0]->control('forget') }

# Puts somebody in, or (without a role) out, behind everybody's back; the id.
sub put {
    my ($self, $email, $role) = @_;
    return $self->control('put', { email => $email, role => $role })->{id};
}


# "ann:editor bob:viewer", the part before the @, sorted
sub roles {
    my ($self) = @_;
    my $members = $self->members;
    return join ' ', sort map { s/\@.*//r . ":$members->{$_}" } keys %$members;
}


# Calls as "POST ann:editor", in their order; only those with effect if asked
sub story {
    my ($self, $effect) = @_;
    return map { "$_->{method} " . ($_->{email} // '') =~ s/\@.*//r
        . ($_->{method} ne 'DELETE' && defined $_->{role} ? ":$_->{role}"
            : '') } grep { $_->{method} ne 'GET' && (!$effect || $_->{effect}) }
        $self->calls;
}


# ---- the app's process -------------------------------------------------------

sub respond {
    my ($self, $request) = @_;
    my $answer = answer($self, $request);
    return $answer unless $self->{slow} && ref $answer eq 'ARRAY';
    my $load = 1 + grep { $_->[0] > $request->{at} }
        @{ $self->{later} // [] };
    $self->{most} = $load if $load > ($self->{most} // 0);
    return { later => $self->{slow}, answer => $answer };
}


sub answer {
    my ($self, $request) = @_;
    $request->{in} = $request->{json} // {};
    $request->{key} = $request->{headers}{'idempotency-key'};
    ($request->{token}) = ($request->{headers}{authorization} // '')
        =~ /^Bearer (\S+)/;
    my $rule = find_rule($self, $request);
    my ($refused, $headers) = refuse($self, $request);
    $rule = { status => $refused } if $refused;
    my ($status, $out) = (0, undef);
    if ($rule && $rule->{delay}) {
        Time::HiRes::sleep($rule->{delay});
        $rule = undef if !defined $rule->{status} && !$rule->{then};
    }
    if (!$rule || $rule->{effect}) {
        ($status, $out) = act($self, $request);
    }
    elsif ($request->{path} =~ m{/(\w+)$} && $self->{member}{$1}) {
        $request->{email} = $self->{member}{$1}{email};
    }
    my %entry = (map({ $_ => $request->{$_} } qw(method path key at)),
        email => $request->{email} // $request->{in}{email},
        role => $request->{in}{role},
        effect => $status =~ /^2/ && $request->{method} ne 'GET' ? 1 : 0,
        status => $rule ? $rule->{then} || defined $rule->{raw}
            || defined $rule->{drip} ? 0 : $rule->{status} // 200
            : $status);
    push @{ $self->{log} }, \%entry;
    $self->{count}{ $request->{method} }++;
    return [ $status, $out, $headers ] unless $rule;
    return $rule->{then} eq 'hang' ? undef : 0 if $rule->{then};
    return $rule if defined $rule->{raw} || defined $rule->{drip};
    return [ $entry{status}, $rule->{body} // '{}', $rule->{headers}
        // $headers ];
}


# 401 or 429, undef = let in; and the headers that tell the limit.
sub refuse {
    my ($self, $request) = @_;
    return 401 if defined $self->{token} && ($request->{token}
        // '') ne $self->{token};
    my $window = $self->{window} or return;
    @{$window}{qw(until used)} = ($request->{at} + $window->{seconds}, 0)
        if $request->{at} >= ($window->{until} // 0);
    my $left = $window->{limit} - ++$window->{used};
    return ($left < 0 ? 429 : undef, { 'X-RateLimit-Limit' =>
        $window->{limit}, 'X-RateLimit-Remaining' => $left < 0 ? 0 : $left,
        'X-RateLimit-Reset' => sprintf '%.3f', $window->{until}
            - $request->{at} });
}


sub find_rule {
    my ($self, $request) = @_;
    for my $rule (@{ $self->{rules} }) {
        next if defined $rule->{method}
            && $rule->{method} ne $request->{method};
        next if defined $rule->{path} && $request->{path} !~ $rule->{path};
        next if defined $rule->{email}
            && ($request->{in}{email} // '') ne $rule->{email};
        next if defined $rule->{times} && $rule->{times}-- <= 0;
        return $rule;
    }
    return undef;
}


sub act {
    my ($self, $request) = @_;
    my ($method, $path) = @$request{qw(method path)};
    return list($self, $1 // '') if $method eq 'GET'
        && $path =~ m{^/members(?:\?(.*))?$};
    return invite($self, $request) if $method eq 'POST'
        && $path eq '/members';
    if ($path =~ m{^/(?:members|(invites))/(\w+)$}) {
        my ($invite, $id) = ($1, $2);
        my $member = $self->{member}{$id} or return (404, '{}');
        $request->{email} = $member->{email};
        return (404, '{}') if $invite && $self->{pending}
            && $member->{state} eq 'active';
        if ($method eq 'DELETE') {
            delete $self->{id_of}{ $member->{email} };
            delete $self->{member}{$id};
            push @{ $self->{gone} }, { member => $member,
                until => $request->{at} + $self->{lag} } if $self->{lag};
            return (204, '');
        }
        if ($method eq 'PATCH') {
            $member->{role} = $request->{in}{role};
            return (200, $json->encode($member));
        }
    }
    return (404, '{}');
}


sub invite {
    my ($self, $request) = @_;
    my $in = $request->{in};
    return (400, '{"error":"no email"}') unless $in->{email};
    return (409, '{"error":"is a member"}') if $self->{id_of}{ $in->{email} };
    my $id = add_member($self, @$in{qw(email role)});
    $self->{member}{$id}{state} = 'invited' if $self->{pending};
    return (201, qq({"id":"$id"}));
}


sub add_member {
    my ($self, $email, $role) = @_;
    my $id = 'm' . ++$self->{next};
    $self->{id_of}{$email} = $id;
    $self->{member}{$id} = { id => $id, email => $email, role => $role,
        state => 'active' };
    return $id;
}


sub list {
    my ($self, $query) = @_;
    my %query = map { my ($name, $value) = split /=/, $_, 2;
        $value =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge if defined $value;
        ($name => $value // '') } split /&/, $query;
    my ($from) = ($query{cursor} // '') =~ /^(\d+)$/;
    $from //= 0;
    my @all = map { $self->{member}{$_} } sort { substr($a, 1)
        <=> substr($b, 1) } keys %{ $self->{member} };
    push @all, map { $_->{member} } grep { $_->{until} > Time::HiRes::time() }
        @{ $self->{gone} // [] };
    @all = grep { $_->{email} eq $query{email} } @all
        if defined $query{email};
    my $to = $from + $self->{page};
    my %out = (members => [ grep { defined } @all[$from .. ($to < @all ? $to
        : scalar @all) - 1] ]);
    $out{next} = "$to" if $to < @all;
    return (200, $json->encode(\%out));
}


sub steer {
    my ($self, $what, $in) = @_;
    if ($what eq 'rule') { push @{ $self->{rules} }, $in }
    elsif ($what eq 'forget') { $self->{rules} = [] }
    elsif ($what eq 'lag') { $self->{lag} = $in->{seconds} }
    elsif ($what eq 'token') { $self->{token} = $in->{token} }
    elsif ($what eq 'accept') {
        $self->{member}{ $self->{id_of}{ $in->{email} } }{state} = 'active';
    }
    elsif ($what eq 'slow') { $self->{slow} = $in->{seconds} }
    elsif ($what eq 'load') {
        return { most => $self->{most} // 0, %{ $self->{count} // {} } };
    }
    elsif ($what eq 'window') { $self->{window} = $in }
    elsif ($what eq 'calls') { return { calls => $self->{log} } }
    elsif ($what eq 'members') {
        return { members => { map { $_->{email} => $_->{role} }
            values %{ $self->{member} } } };
    }
    elsif ($what eq 'put') {
        my $id = delete $self->{id_of}{ $in->{email} };
        delete $self->{member}{$id} if defined $id;
        return { id => add_member($self, @$in{qw(email role)}) }
            if defined $in->{role};
    }
    return {};
}

1;
