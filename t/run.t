#!/usr/bin/perl
# make run, as the contract has it: what it writes, that a part that dies comes
# back, that state survives, that everything ends.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use MockApp;
use Test::More;
use TestScim;

my $app = MockApp->start;
my $stack = TestScim->start(workers => 2, sidecars => 2,
    env => { APP_TOKEN => 'from the environment' });
my $dir = $stack->{dir};

for my $name (qw(scim admin)) {
    my $file = "$dir/$name-token";
    is(sprintf('%o', (stat $file)[2] & 0777), '600', "$name-token is private");
    like(TestScim::slurp($file), qr/^\S{20,}\n?\z/, "$name-token is a token");
}
is(scalar(my @workers = $stack->pids('worker')), 2, 'SCIM_WORKERS workers');
is(scalar(my @sidecars = map { $stack->pids("sidecar-$_") } 1 .. 2), 2,
    'SCIM_SIDECARS sidecars');
my $health = $stack->request('GET', '/healthz');
is($health->{status}, 200, 'healthy once it is ready');
is($stack->request('GET', '/metrics')->{status}, 200, 'metrics are served');

my $ann = $stack->user('ann');
my $team = $stack->group('Team', $ann);
my $id = $stack->app($app->connector(auth => { bearer => 'env:APP_TOKEN' }));
$stack->share($id, "teams/$team", 'editor');
$stack->wait_is(sub { $app->roles }, 'ann:editor',
    'the environment reaches the sidecar');

for my $part (qw(sidecar-1 sidecar-2 nginx redis)) {
    my ($old) = $stack->pids($part);
    $stack->signal_part($part, 'KILL');
    ok(TestScim::until_true(sub {
        my ($new) = $stack->pids($part);
        return $new && $new != $old }), "$part is started again");
}
# nginx must find the port free and Redis must have read its log
ok(TestScim::until_true(sub {
    $stack->request('GET', '/healthz')->{status} == 200 }),
    'the stack serves again');
is($stack->scim('GET', "/Users/$ann")->{status}, 200,
    'what was acknowledged is still there');
my $bob = $stack->user('bob');
$stack->add_members($team, $bob);
$stack->wait_is(sub { $app->roles }, 'ann:editor bob:editor',
    'events are worked on again');

my %token = %{ $stack->{token} };
is($stack->stop, 0, 'SIGTERM ends it with status 0');
ok(!-e "$dir/ready", 'ready is gone');
ok(!IO::Socket::INET->new(PeerAddr => '127.0.0.1',
    PeerPort => $stack->{port}), 'nothing listens any more');
$stack->run;
is_deeply($stack->{token}, \%token, 'the tokens are the same after a restart');
is($stack->scim('GET', "/Users/$ann")->{status}, 200, 'so is the directory');
is($stack->states($id), 'ann:invited bob:invited', 'so are the grants');
is_deeply([ $app->story ], [ 'POST ann:editor', 'POST bob:editor' ],
    'and nobody was invited twice');

my @parts = $stack->parts;
kill 'KILL', $stack->{pid};
waitpid delete $stack->{pid}, 0;
ok(TestScim::until_true(sub { !grep { kill 0, $_->{pid} } @parts }),
    'nothing is left when make run itself is killed');
$stack->run;
is($stack->scim('GET', "/Users/$ann")->{status}, 200,
    'and it starts again from what is there');

my ($status, $text) = (system("SCIM_PORT=99999999 $TestScim::top/conf/run "
    . "> $stack->{base_dir}/refused 2>&1") >> 8,
    TestScim::slurp("$stack->{base_dir}/refused"));
isnt($status, 0, 'an impossible port is refused');
like($text, qr/SCIM_PORT/, 'by name');
$stack->done;
