package TestScim;

# A whole stack for a test: conf/run with a folder and a port of its own, and
# what a test needs to talk to it.  A test ends with $stack->done, which also
# looks for alerts, sanitizer reports and processes that were left behind.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX qw(WNOHANG);
use Test::More;
use Time::HiRes qw(time sleep);

our $top = abs_path(dirname(__FILE__) . '/../..');
my $json = JSON::PP->new->canonical->utf8->allow_nonref;
my @running;

# processes that a test started by itself; ended with it at the latest
our @helpers;

# start(workers => 1, sidecars => 1, port => any, env => {}, http =>
# 'directives of the http block', server => 'locations', sidecar => 'settings
# of sidecar.conf')
sub start {
    my ($class, %option) = @_;
    my $self = bless { owner => $$, port => $option{port} || free_port(),
        base_dir => tempdir('scim-test-XXXXXX', TMPDIR => 1, CLEANUP => 1),
        http => HTTP::Tiny->new(timeout => 60, keep_alive => 1),
        option => { workers => 1, sidecars => 1, %option } }, $class;
    $self->{dir} = "$self->{base_dir}/run";
    $self->{base} = "http://127.0.0.1:$self->{port}";
    mkdir $self->{dir} or die "$self->{dir}: $!\n";
    for my $part (qw(http server sidecar)) {
        write_file("$self->{dir}/$part.local", $option{$part} . "\n")
            if defined $option{$part};
    }
    push @running, $self;
    $self->run;
    return $self;
}


# Starts the stack (again) in its folder and waits until it serves.
sub run {
    my ($self) = @_;
    my $option = $self->{option};
    unlink "$self->{dir}/ready"; # of one that was killed
    $self->{pid} = fork // die "fork: $!\n";
    if ($self->{pid} == 0) {
        @ENV{qw(SCIM_PORT SCIM_RUN_DIR SCIM_WORKERS SCIM_SIDECARS)} = (
            $self->{port}, $self->{dir}, @$option{qw(workers sidecars)});
        @ENV{keys %{ $option->{env} }} = values %{ $option->{env} }
            if $option->{env};
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{base_dir}/stack.log";
        open STDERR, '>&', \*STDOUT;
        exec "$top/conf/run" or POSIX::_exit(127);
    }
    my $until = time + 90;
    until (-e "$self->{dir}/ready") {
        die "the stack does not start:\n" . $self->logs
            if time > $until || waitpid($self->{pid}, WNOHANG) > 0;
        sleep 0.01;
    }
    for my $name (qw(scim admin)) {
        $self->{token}{$name} = slurp("$self->{dir}/$name-token") =~ s/\s+//r;
    }
}


# Ends the stack as Ctrl-C does; its exit status.
sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return 0;
    $self->{pids} = [ $self->parts ];
    kill 'TERM', $pid;
    waitpid $pid, 0;
    return $?;
}


# Stops everything, checks what it left behind, and closes the test.
sub done {
    my ($self) = @_;
    $self->stop_cleanly;
    done_testing();
}


sub stop_cleanly {
    my ($self) = @_;
    is($self->stop, 0, 'the stack stops cleanly') if $self->{pid};
    my @left = grep { kill 0, $_ } map { $_->{pid} } @{ $self->{pids} // [] };
    is("@left", '', 'no process is left behind');
    my @bad = grep { !$self->is_expected($_) } grep {
        /\[(?:alert|emerg)\]|Sanitizer|runtime error:|Assertion/ }
        split /\n/, $self->logs;
    is("@bad[0 .. ($#bad > 4 ? 4 : $#bad)]", '',
        'no alert and no sanitizer report in the logs');
}


# A pattern of a line in the logs that a test provokes on purpose.
sub expect_alert { push @{ $_[0]{expected} }, $_[1] }


sub is_expected {
    my ($self, $line) = @_;
    return scalar grep { $line =~ $_ } @{ $self->{expected} // [] };
}


sub logs {
    my ($self) = @_;
    return join '', map { slurp($_) } "$self->{base_dir}/stack.log",
        glob "$self->{dir}/*.log";
}


# ---- processes ---------------------------------------------------------------

# The parts that run now: { pid, name, command }, workers of nginx included.
sub parts {
    my ($self) = @_;
    return map { descendants($_) } grep { defined } $self->{pid};
}


sub descendants {
    my ($parent) = @_;
    my @found;
    for my $pid (split ' ', slurp("/proc/$parent/task/$parent/children")) {
        my $command = slurp("/proc/$pid/cmdline") =~ tr/\0/ /r;
        push @found, { pid => $pid, command => $command,
            name => $command =~ /--name (\S+)/ ? $1
                : $command =~ /worker process/ ? 'worker'
                : $command =~ /redis-server/ ? 'redis'
                : $command =~ /nginx/ ? 'nginx' : '' }, descendants($pid);
    }
    return @found;
}


# The process ids of a part: redis, nginx, worker, sidecar-1, ...
sub pids {
    my ($self, $name) = @_;
    return map { $_->{pid} } grep { $_->{name} eq $name } $self->parts;
}


# A further nginx on the same directory, its configuration changed by a sub on
# $_, once its health is 200 or what is given; what it returns has a port and
# a {nginx} of its own, and no stack.
sub second_nginx {
    my ($self, $change, $health) = @_;
    my $port = free_port();
    local $_ = slurp("$self->{dir}/nginx.conf");
    s/127\.0\.0\.1:$self->{port}/127.0.0.1:$port/g;
    s/pid nginx\.pid/pid second.pid/;
    s/nginx-error\.log/second-error.log/;
    $change->();
    write_file("$self->{dir}/second.conf", $_);
    my $pid = fork // die "fork: $!\n";
    if ($pid == 0) {
        setpgrp 0, 0;
        chdir $self->{dir}; # sockets are named relative to it
        open STDOUT, '>>', 'second.log';
        open STDERR, '>&', \*STDOUT;
        exec 'nginx', '-p', "$self->{dir}/", '-c', 'second.conf', '-e',
            'second-error.log' or POSIX::_exit(127);
    }
    push @helpers, $pid;
    my $edge = bless { %$self, base => "http://127.0.0.1:$port",
        port => $port, nginx => $pid, pid => undef }, ref $self;
    until_true(sub { $edge->request('GET', '/healthz')->{status}
        == ($health // 200) }) or die "the second nginx does not start\n";
    return $edge;
}


# Ends it as a reload would; its exit status.
sub quit_nginx {
    my ($self) = @_;
    kill 'QUIT', $self->{nginx};
    waitpid $self->{nginx}, 0;
    @helpers = grep { $_ != $self->{nginx} } @helpers;
    return $?;
}


# Sends a signal to a part and, for a deadly one, waits until it is gone.
sub signal_part {
    my ($self, $name, $signal) = @_;
    my @pids = $self->pids($name) or die "no $name runs\n";
    kill $signal, @pids;
    return unless $signal =~ /^(?:KILL|TERM|INT|QUIT)$/;
    until_true(sub { !grep { -e "/proc/$_/exe" && readlink "/proc/$_/exe" }
        @pids }) or die "$name does not end\n";
}


# ---- HTTP --------------------------------------------------------------------

# scim(METHOD, path below /scim/v2, body, token => , headers => {}): the answer
# as HTTP::Tiny gives it, and its JSON as {json}.  A body that is no reference
# is sent as it is.
sub scim {
    my ($self, $method, $path, $body, %option) = @_;
    return $self->request($method, "/scim/v2$path", $body,
        token => $self->{token}{scim}, type => 'application/scim+json',
        %option);
}


sub admin {
    my ($self, $method, $path, $body, %option) = @_;
    return $self->request($method, "/admin/v1$path", $body,
        token => $self->{token}{admin}, type => 'application/json', %option);
}


sub request {
    my ($self, $method, $path, $body, %option) = @_;
    my %headers = (
        defined $option{token}
            ? (Authorization => "Bearer $option{token}") : (),
        defined $body && defined $option{type}
            ? ('Content-Type' => $option{type}) : (),
        %{ $option{headers} // {} });
    my $answer = $self->{http}->request($method, "$self->{base}$path", {
        headers => \%headers, defined $body
            ? (content => ref $body ? $json->encode($body) : $body) : () });
    $answer->{content} //= '';
    $answer->{json} = eval { $json->decode($answer->{content}) }
        if $answer->{content} ne '';
    return $answer;
}


# The same, but anything else than 2xx ends the test; only the JSON.
sub must {
    my ($self, $what, $method, $path, @rest) = @_;
    my $answer = $self->$what($method, $path, @rest);
    die "$method $path: $answer->{status} $answer->{content}\n"
        unless $answer->{success};
    return $answer->{json};
}


# answers(name, status, [scimType], METHOD, path, body, options): asks and tests
# the status, and that a body is SCIM: its media type and, for an error, its
# members (RFC 7644 section 3.12).  The answer.
sub answers {
    my ($self, $name, $status, @rest) = @_;
    my $type = ref $rest[0] ? (shift @rest)->[0] : undef;
    my $answer = $self->scim(@rest);
    my @wrong;
    push @wrong, "status $answer->{status}, not $status"
        if $answer->{status} != $status;
    push @wrong, 'media type ' . ($answer->{headers}{'content-type'} // '')
        if $answer->{content} ne '' && ($answer->{headers}{'content-type'}
        // '') !~ m{^application/scim\+json(?:;|$)};
    push @wrong, error_faults($answer, $type) if $answer->{status} >= 400
        && uc $rest[0] ne 'HEAD';
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok(!@wrong, $name) or diag("$rest[0] ", substr($rest[1], 0, 200), ": @wrong\n",
        substr $answer->{content}, 0, 500);
    return $answer;
}


sub error_faults {
    my ($answer, $type) = @_;
    my $error = $answer->{json};
    return 'no JSON' unless ref $error eq 'HASH';
    my @wrong;
    push @wrong, 'schemas' if ($error->{schemas}[0] // '') ne
        'urn:ietf:params:scim:api:messages:2.0:Error';
    push @wrong, 'status in the body is no string of the status'
        if $answer->{content} !~ /"status":"$answer->{status}"/;
    push @wrong, 'no detail' unless length($error->{detail} // '');
    push @wrong, 'scimType ' . ($error->{scimType} // 'absent')
        . ", not $type" if defined $type && ($error->{scimType} // '')
        ne $type;
    push @wrong, "scimType with $answer->{status}" if $error->{scimType}
        && $answer->{status} !~ /^(?:400|403|409)$/;
    return @wrong;
}


# A connection of its own to nginx, for what HTTP::Tiny would not send.
sub connection {
    my ($self) = @_;
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $self->{port}) // die "connect: $!\n";
}


# Reads one answer with a Content-Length (or without body) from a connection:
# { status, headers, content }, undef when the connection ended before it.
sub read_answer {
    my ($socket, $seconds) = @_;
    my $until = time + ($seconds // 60);
    my $text = ${*$socket}{rest} // '';
    my ($head, $length);
    while (1) {
        if (!defined $head && $text =~ s/^(.*?)\r\n\r\n//s) {
            $head = $1;
            ($length) = $head =~ /^content-length:\s*(\d+)/mi;
            $length = 0 if $head =~ m{^HTTP/1.1 (?:204|304)};
        }
        last if defined $head && length $text >= ($length // 0);
        return undef if time > $until || !IO::Select->new($socket)
            ->can_read($until - time);
        sysread $socket, $text, 65536, length $text or return undef;
    }
    ${*$socket}{rest} = substr $text, $length // 0;
    my ($status) = $head =~ m{^HTTP/1\.1 (\d{3})};
    my %headers = map { /^([^:]+):\s*(.*)$/ ? (lc $1, $2) : () }
        split /\r\n/, $head;
    return { status => $status, headers => \%headers,
        content => substr $text, 0, $length // 0 };
}


# ---- SCIM, in short ----------------------------------------------------------

sub core_schema { return "urn:ietf:params:scim:schemas:core:2.0:$_[0]" }

# A person as Okta sends one; more attributes as pairs.
sub person {
    my ($name, %more) = @_;
    return { schemas => [ core_schema('User') ],
        userName => "$name\@example.com", externalId => "00u$name",
        name => { givenName => ucfirst $name, familyName => 'Example' },
        emails => [ { primary => JSON::PP::true, type => 'work',
            value => "$name\@example.com" } ],
        displayName => ucfirst($name) . ' Example', locale => 'en-US',
        active => JSON::PP::true, %more };
}


# Creates a person; the id.
sub user {
    my ($self, $name, %more) = @_;
    return $self->must('scim', 'POST', '/Users', person($name, %more))->{id};
}


# Creates a group with these members' ids; the id.
sub group {
    my ($self, $name, @members) = @_;
    return $self->must('scim', 'POST', '/Groups', {
        schemas => [ core_schema('Group') ], displayName => $name,
        members => [ map { { value => $_ } } @members ] })->{id};
}


sub patch_body {
    return { schemas => [ 'urn:ietf:params:scim:api:messages:2.0:PatchOp' ],
        Operations => [@_] };
}


sub patch {
    my ($self, $path, @operations) = @_;
    return $self->must('scim', 'PATCH', $path, patch_body(@operations));
}


sub add_members {
    my ($self, $group, @members) = @_;
    return $self->patch("/Groups/$group", { op => 'add', path => 'members',
        value => [ map { { value => $_ } } @members ] });
}


sub remove_member {
    my ($self, $group, $member) = @_;
    return $self->patch("/Groups/$group", { op => 'remove',
        path => qq{members[value eq "$member"]} });
}


sub set_active {
    my ($self, $user, $active) = @_;
    return $self->patch("/Users/$user", { op => 'replace',
        value => { active => $active ? JSON::PP::true : JSON::PP::false } });
}


sub escape {
    my ($text) = @_;
    utf8::encode($text) if utf8::is_utf8($text);
    $text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ge;
    return $text;
}


# ---- access, in short --------------------------------------------------------

# Adds an app with this connector; more members of the definition as pairs.
sub app {
    my ($self, $connector, %more) = @_;
    return $self->must('admin', 'POST', '/apps', { name => 'App',
        accessRoles => [qw(viewer editor admin)],
        defaultAccessRole => 'viewer', settleSeconds => 0,
        connector => $connector, %more })->{id};
}


# share($app, "teams/$id" or "users/$id", $access_role, $role)
sub share {
    my ($self, $app, $subject, $access_role, $role) = @_;
    my $path = "/apps/$app/shares/$subject";
    my $answer = $self->admin('PUT', $path, {
        role => $role // 'collaborator', defined $access_role
            ? (accessRole => $access_role) : () });
    die "PUT $path: $answer->{status} $answer->{content}\n"
        unless $answer->{success};
}


# The grants of an app, all pages; query: '&state=removed'.
sub grants {
    my ($self, $app, $query) = @_;
    my (@members, $cursor);
    do {
        my $page = $self->must('admin', 'GET', "/apps/$app/members?limit=1000"
            . ($query // '') . (defined $cursor ? "&cursor=$cursor" : ''));
        push @members, @{ $page->{members} };
        $cursor = $page->{nextCursor};
    } while (defined $cursor);
    return @members;
}


# Who has what: "ann:invited bob:pending", the part before the @, sorted.
sub states {
    my ($self, $app, $query) = @_;
    return join ' ', sort map { $_->{email} =~ s/\@.*//r . ":$_->{state}" }
        $self->grants($app, $query);
}


# Members of a team: "ann bob"; '' when there is no such team.
sub team {
    my ($self, $team) = @_;
    my $answer = $self->admin('GET', "/teams/$team?limit=1000");
    return '' if $answer->{status} != 200;
    return join ' ', sort map { $_->{userName} =~ s/\@.*//r }
        @{ $answer->{json}{members} };
}


# ---- programs and Redis ------------------------------------------------------

# Runs scimctl against this stack: (exit status, standard output, error).
sub scimctl {
    my ($self, @words) = @_;
    my $error = "$self->{base_dir}/scimctl.err";
    my $pid = open(my $out, '-|') // die "fork: $!\n";
    if ($pid == 0) {
        $ENV{SCIM_RUN_DIR} = $self->{dir};
        open STDERR, '>', $error;
        exec(($ENV{SCIM_BUILD_DIR} // "$top/build") . '/scimctl', @words)
            or POSIX::_exit(127);
    }
    my $text = do { local $/; <$out> } // '';
    close $out;
    return ($? >> 8, $text, slurp($error));
}


# One command to the stack's Redis: its answer; an error reply dies.
sub redis {
    my ($self, @words) = @_;
    my $socket = IO::Socket::UNIX->new(Peer => "$self->{dir}/redis.sock")
        or die "redis: $!\n";
    print $socket '*' . @words . "\r\n",
        map { '$' . length($_) . "\r\n$_\r\n" } @words;
    $socket->flush;
    return read_reply($socket);
}


# Everything that Redis holds under keys like this, as text: keys, values.
sub redis_dump {
    my ($self, $pattern) = @_;
    my %read = (hash => sub { ('HGETALL', $_[0]) },
        string => sub { ('GET', $_[0]) },
        stream => sub { ('XRANGE', $_[0], '-', '+') },
        set => sub { ('SMEMBERS', $_[0]) },
        list => sub { ('LRANGE', $_[0], 0, -1) },
        zset => sub { ('ZRANGE', $_[0], 0, -1, 'WITHSCORES') });
    return join '', map {
        my $read = $read{ $self->redis('TYPE', $_) };
        $read ? "$_ " . $json->encode([ $self->redis($read->($_)) ]) : ''
    } @{ $self->redis('KEYS', $pattern // '*') };
}


sub read_reply {
    my ($socket) = @_;
    defined(my $line = <$socket>) or die "redis: connection lost\n";
    $line =~ s/\r\n\z//;
    my $type = substr $line, 0, 1, '';
    die "redis: $line\n" if $type eq '-';
    return $line if $type eq '+' || $type eq ':';
    return undef if $line < 0;
    return [ map { read_reply($socket) } 1 .. $line ] if $type eq '*';
    read $socket, my $text, $line + 2;
    return substr $text, 0, $line;
}


# ---- waiting and small things ------------------------------------------------

# Asks again until true, for at most so many seconds (60); the last answer.
sub until_true {
    my ($true, $seconds) = @_;
    my $until = time + ($seconds // 60);
    my $is;
    until ($is = $true->()) {
        last if time > $until;
        sleep 0.005;
    }
    return $is;
}


# wait_is(sub { what is }, what should be, name): a test that gives it time.
sub wait_is {
    my ($self, $get, $expected, $name) = @_;
    my $is;
    until_true(sub { $is = $get->(); defined $is && $is eq $expected });
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is($is, $expected, $name);
}


sub free_port {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)
        or die "listen: $!\n";
    return $socket->sockport;
}


sub slurp {
    my ($file) = @_;
    open my $in, '<', $file or return '';
    local $/;
    return scalar(<$in>) // '';
}


sub write_file {
    my ($file, $text) = @_;
    open my $out, '>', $file or die "$file: $!\n";
    print $out $text;
    close $out or die "$file: $!\n";
}


# A test that dies half way ends what it started, and shows why.
END {
    my $status = $?;
    kill 'KILL', map { ($_, -$_) } @helpers
        if @helpers && grep { $_->{owner} == $$ } @running;
    for my $self (grep { $_->{owner} == $$ && $_->{pid} } @running) {
        $self->stop;
        print STDERR map { "# $_\n" } split /\n/, substr $self->logs, -4000
            if $status != 0;
    }
    $? = $status;
}

1;
