#!/usr/bin/perl
# The module's directives: Redis by every kind of address, with user and
# password; and what is wrong in a configuration stops `nginx -t`, with the
# place.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TestScim;

my $stack = TestScim->start;
my $dir = $stack->{dir};
my $conf = TestScim::slurp("$dir/nginx.conf");
my $ann = $stack->user('ann');

# What nginx -t says of a changed configuration, "" when all is well.
sub faults {
    my ($change) = @_;
    local $_ = $conf;
    s/nginx-error\.log/tested.err/;
    $change->();
    TestScim::write_file("$dir/tested.conf", $_);
    my $said = qx(cd '$dir' && nginx -t -p '$dir/' -c tested.conf \\
        -e tested.err 2>&1);
    return $? == 0 ? '' : $said;
}


is(faults(sub { }), '', 'the configuration as it is');
my $redis = qr/scim_redis unix:redis\.sock;/;
for my $case (
    [ 'no Redis', sub { s/$redis// }, qr{"/scim/v2/" needs "scim_redis"} ],
    [ 'two', sub { s/$redis/$& $&/ }, qr/"scim_redis" directive is duplicate/ ],
    [ 'a port that is none', sub { s/$redis/scim_redis 127.0.0.1:x;/ },
        qr/invalid port in scim_redis "127\.0\.0\.1:x" in .*tested\.conf:\d/ ],
    [ 'a host that is none', sub { s/$redis/scim_redis no.such.invalid;/ },
        qr/host not found in scim_redis "no\.such\.invalid"/ ],
    [ 'a socket with too long a name', sub {
        s/$redis/'scim_redis unix:' . 'x' x 200 . ';'/e }, qr/too long path/ ],
    [ 'an unknown parameter', sub { s/redis\.sock/$& colour=blue/ },
        qr/unknown parameter "colour=blue"/ ],
    [ 'no connections', sub { s/redis\.sock/$& connections=0/ },
        qr/connections outside 1 to 64/ ],
    [ 'a user without password', sub { s/redis\.sock/$& user=edge/ },
        qr/has a user but no password_file/ ],
    [ 'a password file that is not there', sub {
        s/redis\.sock/$& password_file=nothing/ },
        qr/open\(\) "\S+nothing" failed/ ],
    [ 'an empty one', sub { s{redis\.sock}{$& password_file=/dev/null} },
        qr/first line is the password/ ],
    [ 'a timeout of 0', sub { s/$redis/$& scim_redis_timeout 0;/ },
        qr/scim_redis_timeout must not be 0/ ],
    [ 'no waits', sub { s/$redis/$& scim_redis_waits 0;/ },
        qr/value must be between 1 and 1000000/ ],
    [ 'a policy that is none', sub { s/loopback/everything/ },
        qr/unknown scim_connector_policy "everything"/ ],
    [ 'a base URL without scheme', sub { s{scim http://}{scim } },
        qr/needs the public base URL/ ],
    [ 'two in a location', sub { s/scim_admin;/$& scim_health;/ },
        qr/conflicts with another scim directive/ ],
    [ 'a regular expression', sub { s{location /admin/v1}{location ~ ^/a} },
        qr/location given by regular expression/ ],
    [ 'schemas that are none', sub { s/$redis/$& scim_schemas bad;/ },
        qr{scim schemas: .*bad/x\.json} ])
{
    my ($name, $change, $expected) = @$case;
    mkdir "$dir/bad";
    TestScim::write_file("$dir/bad/x.json", '{"id": 7}');
    like(faults($change), $expected, "refused: $name");
}

# addresses
my $port = TestScim::free_port();
$stack->redis('CONFIG', 'SET', 'bind', '127.0.0.1 ::1');
$stack->redis('CONFIG', 'SET', 'port', $port);
sub serves {
    my ($name, $address) = @_;
    my $edge = eval { $stack->second_nginx(sub {
        s/$redis/scim_redis $address;/ }) };
    is($edge ? $edge->scim('GET', "/Users/$ann")->{status} : $@, 200, $name);
    is($edge->quit_nginx, 0, '... and ends cleanly') if $edge;
}

serves('Redis by its IPv4 address', "127.0.0.1:$port");
serves('... by its name', "localhost:$port connections=2");
SKIP: {
    skip 'no IPv6 here', 2 unless TestScim::slurp('/proc/net/if_inet6') =~ /\blo$/m;
    serves('... by its IPv6 address', "[::1]:$port");
}

# user and password
$stack->redis('ACL', 'SETUSER', 'edge', 'on', '>a pass word', '~*', '+@all');
TestScim::write_file("$dir/password", "a pass word\nnot this\n");
serves('a user of Redis', 'unix:redis.sock user=edge password_file=password');

# a refused one is nobody, even where Redis asks nobody for a password
TestScim::write_file("$dir/password", "wrong\n");
my $edge = $stack->second_nginx(sub {
    s/redis\.sock/$& user=edge password_file=password/ }, 503);
ok(TestScim::until_true(sub { TestScim::slurp("$dir/second-error.log")
    =~ /the store refuses this server: user or password of scim_redis/ }),
    'a wrong password is said');
$edge->answers('... and serves nothing', 503, 'GET', "/Users/$ann");
$stack->redis('ACL', 'SETUSER', 'edge', '>wrong');
ok(TestScim::until_true(sub { $edge->scim('GET', "/Users/$ann")->{status}
    == 200 }), '... until Redis knows it');
is($edge->quit_nginx, 0, '... and ends cleanly');
unlike($stack->logs, qr/a pass word/, 'no log holds a password');
$stack->done;
