#!/usr/bin/perl
# Answers that are cut, garbled, huge, slow, or lead elsewhere, each once with
# and once without having done what was asked: nobody is lost, nobody is
# invited twice by effect, and every repetition has the same key.  An app each,
# since several in a row would be one that is down.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use MockApp;
use POSIX qw(strftime);
use Test::More;
use TestScim;

my $app = MockApp->start(page => 1000);
my $other = MockApp->start;
my $stack = TestScim->start;

# The state of a person's grant in an app.
sub state_of {
    my ($id) = @_;
    return join ' ', map { $_->{state} } $stack->grants($id);
}
my $head = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n";
my %raw = (
    short_length => "${head}Content-Length: 100\r\n\r\n{\"id\":\"m1\"",
    no_length => "$head\r\n{\"id\":",
    garbage_chunk => "${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    cut_chunk => "${head}Transfer-Encoding: chunked\r\n\r\nff\r\n{\"id\":",
    empty => "${head}Content-Length: 0\r\n\r\n",
    html => "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
        . "Content-Length: 19\r\n\r\n<html>hello!</html>",
    no_json => "${head}Content-Length: 8\r\n\r\n{\"id\":nu",
    deep => "${head}Content-Length: 60000\r\n\r\n" . '[' x 60000,
    huge => "${head}Content-Length: 1000000000\r\n\r\n" . ' ' x 1000000,
    many_headers => $head . "X-Header: value\r\n" x 10000
        . "Content-Length: 2\r\n\r\n{}",
    no_http => "SSH-2.0-OpenSSH\r\n",
    interim => "HTTP/1.1 100 Continue\r\n\r\n",
    head_alone => $head,
    nothing => '',
    bad_gateway => "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
    gateway_timeout => "HTTP/1.1 504 Late\r\nContent-Length: 0\r\n\r\n",
    map({ ("redirect_$_" => "HTTP/1.1 $_ Moved\r\nLocation: "
        . $other->url . "/members\r\nContent-Length: 0\r\n\r\n") }
        301, 302, 303, 307, 308)
);
my (%user, %id_of);
for my $case (sort keys %raw) {
    for my $effect (0, 1) {
        my $name = "$case.$effect";
        $app->rule({ method => 'POST', email => "$name\@example.com",
            times => 1, raw => $raw{$case}, effect => $effect });
        $user{$name} = $stack->user($name);
    }
}
$app->rule({ method => 'POST', email => 'drip.1@example.com', times => 1,
    drip => "${head}Content-Length: 30\r\n\r\n", effect => 1 });
$user{'drip.1'} = $stack->user('drip.1');
for my $name (sort keys %user) {
    $id_of{$name} = $stack->app($app->connector, name => $name,
        limits => { timeoutMs => 20000 });
    $stack->share($id_of{$name}, "users/$user{$name}", 'viewer');
}
for my $name (sort keys %user) {
    $stack->wait_is(sub { state_of($id_of{$name}) }, 'invited',
        "$name: invited in the end");
}
is(scalar(keys %{ $app->members }), scalar(keys %user),
    '... everybody is a member');
my (%effects, %keys, %posts);
for my $call (grep { $_->{method} eq 'POST' } $app->calls) {
    $effects{ $call->{email} }++ if $call->{effect};
    $keys{ $call->{email} }{ $call->{key} } = 1;
    $posts{ $call->{email} }++;
}
for my $name (sort keys %user) {
    my $email = "$name\@example.com";
    is(join(' ', $effects{$email}, scalar(keys %{ $keys{$email} }),
        $posts{$email} > 1 ? 'repeated' : 'once'), '1 1 '
        . ($name =~ /1$/ ? 'once' : 'repeated'), $name);
}
is(scalar($other->calls), 0, 'no redirect was followed');

# every form of Retry-After is waited for, and none makes a dead letter
my %wait = (zero => 0, one => 1, negative => -5, fraction => 1.5,
    past => 'Wed, 21 Oct 2015 07:28:00 GMT', epoch => time + 2,
    epoch_ms => (time + 2) * 1000, words => 'soon', nothing => '',
    date => strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime time + 2));
my $id = $stack->app($app->connector, name => 'Wait');
my @people;
for my $name (sort keys %wait) {
    $app->rule({ method => 'POST', email => "wait.$name\@example.com",
        times => 1, status => 429, headers => {
        'Retry-After' => $wait{$name} } });
    push @people, $stack->user("wait.$name");
}
my $team = $stack->group('Team', @people);
$stack->share($id, "teams/$team", 'viewer');
ok(TestScim::until_true(sub { @people == grep { $_->{state} eq 'invited' }
    $stack->grants($id) }, 120), 'each Retry-After is heeded');
is(scalar(@{ $stack->must('admin', 'GET', "/tasks?app=$id&state=failed")
    ->{tasks} }), 0, '... no dead letter');
my %doubled;
$doubled{"$_->{method} $_->{email}"}++ for grep { $_->{effect} } $app->calls;
is_deeply([ grep { $doubled{$_} > 1 } keys %doubled ], [],
    'nothing was done twice');
$_->stop for $app, $other;
$stack->done;
