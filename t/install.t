#!/usr/bin/perl
# What `make install` puts in place and the example configurations are enough
# for an edge in production: TLS, a Redis with a user of its own who may do no
# more than needed, an app that gets its invite.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use IO::Socket::UNIX;
use JSON::PP;
use MockApp;
use Test::More;
use TestScim;

my $top = $TestScim::top;
my $dir = tempdir('scim-install-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my ($port, $health) = map { TestScim::free_port() } 1 .. 2;
my $json = JSON::PP->new->canonical->utf8;
my @pids;

sub run_quietly {
    my $said = qx(@_ 2>&1);
    $? == 0 or die "@_: $said\n";
    return $said;
}


sub begin {
    my ($name, @command) = @_;
    my $pid = fork // die "fork: $!\n";
    if ($pid == 0) {
        chdir $dir;
        open STDOUT, '>>', "$dir/$name.log";
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }
    push @pids, $pid;
}


# An installed file, changed by a sub on $_, as a file to start with.
sub settings {
    my ($from, $to, $change) = @_;
    local $_ = TestScim::slurp("$dir/root$from") || die "$from is missing\n";
    $change->();
    TestScim::write_file("$dir/$to", $_);
}


sub scimctl {
    return run_quietly("$dir/root/usr/bin/scimctl", '--redis',
        "unix:$dir/redis.sock", qw(--redis-user scim --redis-password-file),
        "$dir/password", @_) =~ s/\s+\z//r;
}


sub ask {
    my ($token, $method, $path, $body) = @_;
    my @body = $body ? ('-H', "'Content-Type: application/json'",
        '-d', "'" . $json->encode($body) . "'") : ();
    return eval { $json->decode(run_quietly('curl', '-s', '--cacert',
        "$dir/idp.pem", '--resolve', "idp.example.com:$port:127.0.0.1",
        '-X', $method, '-H', "'Authorization: Bearer $token'", @body,
        "https://idp.example.com:$port$path")) };
}


run_quietly("make -s -C $top install DESTDIR=$dir/root");
for my $file (qw(/usr/lib/nginx/modules/ngx_http_scim_module.so
    /usr/bin/scim-sidecar /usr/bin/scimctl /etc/scim/sidecar.conf
    /lib/systemd/system/scim-sidecar@.service /usr/share/ngx_scim/redis.conf
    /usr/share/ngx_scim/nginx.conf /usr/share/ngx_scim/apps/slack.json))
{
    ok(-s "$dir/root$file", "$file is installed");
}
TestScim::write_file("$dir/root/etc/scim/sidecar.conf", "log_level debug\n");
run_quietly("make -s -C $top install DESTDIR=$dir/root");
is(TestScim::slurp("$dir/root/etc/scim/sidecar.conf"), "log_level debug\n",
    'settings that are there already stay');

# Redis: the user that the file shows, and nobody without a password
make_path("$dir/data");
TestScim::write_file("$dir/password", "a-password\n");
settings('/usr/share/ngx_scim/redis.conf', 'redis.conf', sub {
    s/^#(user scim on >)CHANGE-ME/$1a-password/m or die;
    $_ .= "user default off\nport 0\nunixsocket $dir/redis.sock\n"
        . "unixsocketperm 777\ndir $dir/data\n" });
begin('redis', 'redis-server', "$dir/redis.conf");
TestScim::until_true(sub { IO::Socket::UNIX->new(Peer =>
    "$dir/redis.sock") }) or die 'Redis does not start: '
    . TestScim::slurp("$dir/redis.log");
scimctl('dataset', 'create');
my %token = map { $_ => scimctl(qw(token create --workspace acme --role), $_) }
    qw(scim owner);

# nginx: the example, other names and places
run_quietly('openssl', qw(req -x509 -newkey rsa:2048 -nodes -days 2 -subj
    /CN=idp.example.com -addext subjectAltName=DNS:idp.example.com),
    '-keyout', "$dir/idp.key", '-out', "$dir/idp.pem");
chmod 0755, $dir;
settings('/usr/share/ngx_scim/nginx.conf', 'nginx.conf', sub {
    s{modules/(ngx_http_scim)}{$dir/root/usr/lib/nginx/modules/$1};
    s{/run/nginx\.pid}{$dir/nginx.pid};
    s{/var/log/nginx/}{$dir/}g;
    s{/etc/ssl/\w+/idp\.example\.com\.(\w+)}{$dir/idp.$1}g;
    s/worker_rlimit_nofile 65536;//; # needs privileges here
    s/listen 443 ssl/listen 127.0.0.1:$port ssl/;
    s/127\.0\.0\.1:9145/127.0.0.1:$health/;
    s{unix:/run/redis/redis\.sock connections=1}
        {unix:$dir/redis.sock user=scim password_file=$dir/password};
    s/allow 10\.0\.0\.0\/8/allow 127.0.0.1/;
    s/scim_connector_policy /$& loopback /;
    s/^user www-data;// if $> != 0;
    s/^http \{/$& client_body_temp_path $dir\/body;/m if $> != 0;
    $_ = "daemon off;\n$_" });
begin('nginx', 'nginx', '-p', "$dir/", '-c', "$dir/nginx.conf", '-e',
    "$dir/error.log");
my $http = HTTP::Tiny->new;
ok(TestScim::until_true(sub { $http->get("http://127.0.0.1:$health/healthz")
    ->{status} == 200 }), 'nginx serves with the example configuration')
    or diag(map { TestScim::slurp("$dir/$_.log") } qw(nginx error));

# the sidecar
my $app = MockApp->start;
settings('/usr/share/ngx_scim/sidecar.conf', 'sidecar.conf', sub {
    s{^#(redis_user) sidecar}{$1 scim}m or die;
    s{^#(redis_password_file).*}{$1 $dir/password}m or die;
    s{^#(redis) .*}{$1 unix:$dir/redis.sock}m or die;
    s{^#(state_dir) .*}{$1 $dir}m or die;
    s{^(allow_loopback) off}{$1 on}m or die });
begin('sidecar', "$dir/root/usr/bin/scim-sidecar", '--conf',
    "$dir/sidecar.conf", '--name', 'host-1');

my $id = ask($token{owner}, 'POST', '/admin/v1/apps', { name => 'App',
    accessRoles => ['viewer'], defaultAccessRole => 'viewer',
    settleSeconds => 0, connector => $app->connector })->{id};
ok($id, 'an app by the operators\' API over TLS');
my $ann = ask($token{scim}, 'POST', '/scim/v2/Users', TestScim::person('ann'));
like($ann->{meta}{location},
    qr{^https://idp\.example\.com/scim/v2/Users/$ann->{id}$},
    'locations are those that identity providers see');
my $team = ask($token{scim}, 'POST', '/scim/v2/Groups', { schemas =>
    [ TestScim::core_schema('Group') ], displayName => 'Team', members =>
    [ { value => $ann->{id} } ] })->{id};
is(ask($token{scim}, 'GET', "/scim/v2/Groups/$team")->{members}[0]{display},
    'Ann Example', 'the user of Redis may read what a group shows');
is(ask($token{scim}, 'GET', '/scim/v2/Users?filter=userName%20eq%20%22ann%40'
    . 'example.com%22')->{totalResults}, 1, 'a filter with personal data');
ok(TestScim::until_true(sub { TestScim::slurp("$dir/access.log")
    =~ m{"GET /scim/v2/Users" 200} }), '... is logged as a path');
unlike(TestScim::slurp("$dir/access.log"), qr/filter|ann|example/,
    '... without the data');
ask($token{owner}, 'PUT', "/admin/v1/apps/$id/shares/teams/$team",
    { role => 'collaborator' });
ok(TestScim::until_true(sub { $app->roles eq 'ann:viewer' }),
    'the app gets the invite')
    or diag(map { TestScim::slurp("$dir/$_.log") } qw(sidecar error));
ask($token{scim}, 'PATCH', "/scim/v2/Users/$ann->{id}", TestScim::patch_body(
    { op => 'replace', value => { active => JSON::PP::false } }));
ok(TestScim::until_true(sub { $app->roles eq '' }), '... and the removal');
is(run_quietly('redis-cli', '-s', "$dir/redis.sock", qw(--user scim --pass
    a-password --no-auth-warning), $_->[0], "; true") =~ /NOPERM/ ? 1 : 0, 1,
    "the user of Redis may not: $_->[0]")
    for map { [$_] } 'FLUSHALL', 'CONFIG GET dir', 'KEYS x', 'ACL LIST',
    'EVAL "return 1" 0', 'GET other';

END {
    my $status = $?;
    kill 'TERM', reverse @pids;
    waitpid $_, 0 for @pids;
    $? = $status;
}
$app->stop;
unlike(join('', map { TestScim::slurp($_) } glob "$dir/*.log"),
    qr/\[(?:alert|emerg)\]|Sanitizer|NOPERM/, 'nothing alarming in the logs');
done_testing();
