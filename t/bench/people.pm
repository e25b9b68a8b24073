# People, groups, apps that the sidecar calls.  Part of t/bench/run.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use Time::HiRes qw(time);

my $people = 0;


# By 32 connections at once; their ids, in any order.
sub make_people {
    my ($stack, $count) = @_;
    progress("provisioning $count people");
    my @sockets = map { connect_to($stack->{port}) } 1 .. 32;
    my @ids;
    while (@ids < $count) {
        my @some = grep { defined } @sockets[ 0 .. $count - @ids - 1 ];
        @some = @some[ 0 .. 31 ] if @some > 32;
        for my $socket (@some) {
            my $name = 'p' . ++$people . '@example.com';
            send_request($socket, $stack, 'POST', '/Users', { schemas =>
                ['urn:ietf:params:scim:schemas:core:2.0:User'],
                userName => $name, active => JSON::PP::true,
                emails => [ { value => $name, type => 'work',
                    primary => JSON::PP::true } ] });
        }
        for my $socket (@some) {
            my ($status, $body) = read_answer($socket);
            $status == 201 or die "POST /Users answered $status $body\n";
            push @ids, JSON::PP->new->decode($body)->{id};
        }
    }
    if ($stack->{sidecar}) {
        wait_for(60, 'the sidecar to be idle', sub { waiting($stack) == 0 });
    }
    return @ids;
}


sub make_group {
    my ($stack, $name) = @_;
    return scim($stack, 'POST', '/Groups', { schemas =>
        ['urn:ietf:params:scim:schemas:core:2.0:Group'],
        displayName => $name })->{id};
}


sub add_members {
    my ($stack, $group, @users) = @_;
    while (my @some = splice @users, 0, 1000) {
        scim($stack, 'PATCH', "/Groups/$group", patch_op({ op => 'add',
            path => 'members', value => [ map { { value => $_ } } @some ] }));
    }
}


sub patch_op {
    return { schemas => ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
        Operations => [@_] };
}


# An app on a port of this machine: its id.
sub make_app {
    my ($stack, $port, %limits) = @_;
    return admin($stack, 'POST', '/apps', {
        name => "bench $port", accessRoles => ['member'],
        defaultAccessRole => 'member', limits => \%limits,
        connector => { type => 'http', baseUrl => "http://127.0.0.1:$port",
            invite => { method => 'POST', path => '/members', body => {
                email => '${user.email}', role => '${grant.accessRole}' },
                memberId => '/id' },
            remove => { method => 'DELETE',
                path => '/members/${member.id}' } } })->{id};
}


# The app, and an empty group whose team shares it.
sub make_share {
    my ($stack, $port, %limits) = @_;
    my $app = make_app($stack, $port, %limits);
    my $group = make_group($stack, "bench $app");
    wait_for(10, 'the team', sub {
        redis($stack, 'EXISTS', key($stack, "team:$group"));
    });
    admin($stack, 'PUT', "/apps/$app/shares/teams/$group",
        { role => 'collaborator' });
    return ($app, $group);
}


# ---- an app that notes when it was called ---------------------------------

sub make_listener {
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        Listen => 256, ReuseAddr => 1) or die "listen: $!\n";
    return { listen => $listen, port => $listen->sockport,
        select => IO::Select->new($listen), text => {} };
}


# Accepts and answers the sidecar's next call; returns when it was received.
sub receive {
    my ($app) = @_;
    my $until = time + 20;
    while (time < $until) {
        for my $ready ($app->{select}->can_read(1)) {
            if ($ready == $app->{listen}) {
                $app->{select}->add($ready->accept);
                next;
            }
            my $text = \($app->{text}{$ready} //= '');
            if (!sysread $ready, $$text, 65536, length $$text) {
                $app->{select}->remove($ready);
                delete $app->{text}{$ready};
                close $ready;
                next;
            }
            next unless $$text =~ /\r\n\r\n/;
            my $head = $+[0];
            my ($length) = $$text =~ /content-length:\s*(\d+)/i;
            next if length $$text < $head + ($length // 0);
            my $received = time;
            $$text = '';
            answer($ready, '{"id":"m' . int($received * 1e6) . '"}');
            return $received;
        }
    }
    die "the app heard nothing within 20 s\n";
}


sub answer {
    my ($socket, $body) = @_;
    syswrite $socket, "HTTP/1.1 201 Created\r\nContent-Type: "
        . "application/json\r\nContent-Length: " . length($body)
        . "\r\n\r\n$body";
}


# Adds the users one by one: milliseconds from the 2xx to the app's receipt.
sub times_to_receipt {
    my ($stack, $app, $group, @users) = @_;
    my $socket = connect_to($stack->{port});
    my @times;
    for my $user (@users) {
        my ($status) = exchange($socket, $stack, 'PATCH', "/Groups/$group",
            patch_op({ op => 'add', path => 'members',
                value => [ { value => $user } ] }));
        my $answered = time;
        $status == 204 or die "PATCH answered $status\n";
        my $after = receive($app) - $answered;
        push @times, $after > 0 ? 1000 * $after : 0;
    }
    return @times;
}


sub percentile {
    my ($percent, @values) = @_;
    @values = sort { $a <=> $b } @values;
    return $values[ int(@values * $percent / 100) ];
}

1;
