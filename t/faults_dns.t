#!/usr/bin/perl
# Names of apps that are not found, that nobody answers for, or that lead
# elsewhere than when the app was defined: nothing is sent where it must not go,
# nobody else waits, and nothing is lost.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp qw(tempdir);
use MockApp;
use Test::More;
use TestScim;

my $dir = tempdir('scim-dns-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my ($hosts, $connects) = map { "$dir/$_" } qw(hosts connects);
system($ENV{CC} // 'cc', qw(-shared -fPIC -O1 -o), "$dir/resolver.so",
    "$FindBin::Bin/lib/resolver.c", '-ldl') == 0 or die "cc: $?\n";

# names('host:port' => addresses): these are looked up as it says from now on
my %host;
sub names {
    %host = (%host, @_);
    TestScim::write_file("$hosts.new", join '', map { "$_ $host{$_}\n" }
        sort keys %host);
    rename "$hosts.new", $hosts or die "$hosts: $!\n";
}


# Where somebody tried to connect to, this machine aside.
sub connected { return TestScim::slurp($connects) }

names();
my $stack = TestScim->start(env => { SCIM_TEST_HOSTS => $hosts,
    SCIM_TEST_CONNECTS => $connects, LD_PRELOAD => join ' ',
    "$dir/resolver.so", grep { defined } $ENV{LD_PRELOAD} });
my $other = MockApp->start;
my $other_id = $stack->app($other->connector, name => 'Other');

# what each app's name leads to, and what its tasks wait for
my $forbidden = qr/address is not allowed/;
my %case = (map({ ("to $_" => [ $_, $forbidden ]) } qw(10.1.2.3
        169.254.169.254 192.168.1.1 100.100.100.200 0.0.0.0 ::ffff:10.1.2.3
        fd00:ec2::254 fe80::1 64:ff9b::a01:203)),
    'to two of them' => [ '10.1.2.3 169.254.169.254', $forbidden ],
    'to nothing' => [ 'nxdomain', qr/resolve/i ],
    'nowhere, its server fails' => [ 'servfail', qr/resolve/i ],
    'nowhere, nobody answers' => [ 'hang', qr/timed out|resolv/i ]);
my (%app, %id, %name, %user);
for my $case (sort keys %case) {
    $app{$case} = MockApp->start;
    # http is for names of this machine; curl looks up this one
    $name{$case} = "ip6-localhost:$app{$case}{port}";
    names($name{$case} => '127.0.0.1');
    $id{$case} = $stack->app($app{$case}->connector(baseUrl =>
        "http://$name{$case}"), name => "$case", limits => {
        maxAttempts => 2, timeoutMs => 2000 });
    names($name{$case} => $case{$case}[0]);
    $user{$case} = $stack->user('p' . keys %user);
}


sub state_in {
    my ($id, $user) = @_;
    my ($grant) = grep { $_->{userId} eq $user } $stack->grants($id);
    return $grant ? $grant->{state} : '';
}


sub tasks_of {
    my ($id, $state) = @_;
    return @{ $stack->must('admin', 'GET', "/tasks?app=$id&state=$state")
        ->{tasks} };
}

for my $case (sort keys %case) {
    $stack->share($id{$case}, "users/$user{$case}");
}
for my $case (sort keys %case) {
    ok(TestScim::until_true(sub { grep { $_->{attempts} > 0 }
        tasks_of($id{$case}, 'waiting') }), "an app whose name leads $case: "
        . 'its task waits');
    is(state_in($id{$case}, $user{$case}), 'pending', '... and is not over');
}
# one look-up hangs still, and the time for it is over
for my $case (sort keys %case) {
    $stack->share($other_id, "users/$user{$case}");
    $stack->wait_is(sub { state_in($other_id, $user{$case}) }, 'invited',
        'another app is called as ever');
}
for my $case ('to 10.1.2.3', 'to nothing') {
    TestScim::until_true(sub { $stack->must('admin', 'GET',
        "/apps/$id{$case}")->{delivery}{state} eq 'down' });
    like($stack->must('admin', 'GET', "/apps/$id{$case}")->{delivery}{why},
        $case{$case}[1], "$case: it is said why");
}
is(scalar(map { $_->calls } values %app), 0, 'nothing was sent');
is(connected(), '', 'no connection was tried');

# by https a name may lead to any public address, and to no other
my ($ann, $bob) = map { $stack->user($_) } qw(ann bob);
my $web = $stack->app($other->connector(baseUrl => 'https://app.example'),
    name => 'Web');
names('app.example:443' => '10.1.2.3');
$stack->share($web, "users/$ann");
TestScim::until_true(sub { tasks_of($web, 'waiting') });
is(connected(), '', 'https does not open a private network');
names('app.example:443' => '93.184.216.34');
TestScim::until_true(sub { connected() ne '' });
like(connected(), qr/^(?:93\.184\.216\.34\n)+$/, '... a public address is '
    . 'called');

# a webhook's receiver that moved
my $secret = "$dir/secret";
TestScim::write_file($secret, 'whsec_' . 'A' x 44 . "\n");
names('hook.example:443' => '169.254.169.254');
my $hook = $stack->must('admin', 'POST', '/webhooks', { url =>
    'https://hook.example/', secret => "file:$secret" })->{id};
my $test = $stack->must('admin', 'POST', "/webhooks/$hook/test")->{event};
ok(TestScim::until_true(sub { grep { $_->{event} eq $test && ($_->{reason}
    // '') =~ $forbidden } @{ $stack->must('admin', 'GET',
        "/webhooks/$hook/deliveries")->{deliveries} } }),
    'a receiver that moved is not told');
$stack->must('admin', 'DELETE', "/webhooks/$hook");

# one look-up hangs on: the sidecar can be ended all the same
$stack->signal_part('sidecar-1', 'TERM');
names(map { $name{$_} => '10.1.2.3 127.0.0.1' } keys %case);
for my $case (sort keys %case) {
    $stack->admin('POST', "/tasks/$_->{id}/retry")
        for tasks_of($id{$case}, 'waiting');
}
TestScim::until_true(sub { $stack->logs =~ /stopped.*data set/s });
$stack->signal_part('sidecar-1', 'HUP');
for my $case (sort keys %case) {
    $stack->wait_is(sub { state_in($id{$case}, $user{$case}) }, 'invited',
        "$case: invited when it leads to the app again");
    is(scalar(grep { $_->{effect} } $app{$case}->calls), 1, '... once');
}
is(scalar(@{ $stack->must('admin', 'GET', '/tasks?state=failed')->{tasks} }),
    0, 'nobody was given up');
unlike(connected(), qr/10\.1|169|192/, 'nothing went elsewhere');
$_->stop for $other, values %app;
$stack->done;
