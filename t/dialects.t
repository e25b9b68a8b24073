#!/usr/bin/perl
# What identity providers send, exactly as they send it, beside the request
# that means the same by the RFC: both must leave the same resources, give the
# same answer and make as many events, and the deviation is counted by its
# rule.  Writes are sent once more as operations of a Bulk request, where they
# must come to the same.  The cases are files, t/dialects/<client>/<case>;
# t/dialects/README.md says what is in one, so that a further case needs no code.
use strict;
use warnings;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use TestScim;

# an extension of one's own, for what the built-in schemas have no type for
my $schemas = tempdir('scim-schemas-XXXXXX', TMPDIR => 1, CLEANUP => 1);
TestScim::write_file("$schemas/badge.json", <<'END');
{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Schema"],
 "id":"urn:example:extension:badge:1.0:User","name":"Badge","attributes":[
  {"name":"level","type":"integer"},{"name":"weight","type":"decimal"},
  {"name":"colour","type":"string"},{"name":"since","type":"dateTime"},
  {"name":"doors","type":"string","multiValued":true}]}
END
my $stack = TestScim->start(sidecars => 0, http => "scim_schemas $schemas;");
my $json = JSON::PP->new->canonical->utf8->allow_nonref;
my %workspace = map { $_ => workspace($_) } qw(sent means bulk);
my %moved;


# A workspace with a token of its own.
sub workspace {
    my ($name) = @_;
    my ($status, $token) = $stack->scimctl('token', 'create', '--workspace',
        "dialect-$name", '--role', 'scim');
    $token =~ s/\s+//g;
    return { token => $token, socket => $stack->connection,
        events => 'scim:{' . ($token =~ /^scim_(\d+)/)[0] . '}:events' };
}


# ---- case files --------------------------------------------------------------

# { title, steps => [ [ kind, text ] ... ], rules => [...] }
sub read_case {
    my ($file) = @_;
    my ($title, @sections) = split /^--- */m, TestScim::slurp($file);
    my %case = (title => $title =~ s/\s+/ /gr =~ s/ $//r, rules => []);
    for my $section (@sections) {
        my ($kind, $text) = $section =~ /^(\w+)[ \t]*\n?(.*)/s
            or die "$file: a section without a name\n";
        $text =~ s/\s+\z//;
        if ($kind eq 'rules') {
            $case{rules} = [ split ' ', $text ];
        } else {
            $kind =~ /^(?:given|sent|means|answer|result)$/
                or die "$file: unknown section $kind\n";
            push @{ $case{steps} }, [ $kind, $text ];
        }
    }
    return \%case;
}


# "METHOD path", headers, an empty line, the body
sub read_request {
    my ($text, $workspace) = @_;
    my ($head, $body) = split /\n[ \t]*\n/, $text, 2;
    my ($line, @headers) = split /\n/, $head;
    my ($method, $path) = split ' ', $line, 2;
    my $fill = sub {
        my ($in) = @_;
        return undef unless defined $in;
        $in =~ s/\{(\d+)\}/$workspace->{ids}[$1 - 1] \/\/ "no-$1"/ge;
        $in =~ s/\{token\}/$workspace->{token}/g;
        $in =~ s/\\x([0-9a-f]{2})/chr hex $1/ge;
        return $in;
    };
    return { method => $method, path => $fill->($path),
        headers => [ map { $fill->($_) } @headers ], body => $fill->($body) };
}


# ---- HTTP --------------------------------------------------------------------

# Sends a request as it is, on the workspace's own connection.
sub ask {
    my ($workspace, $request, $plain) = @_;
    my @headers = @{ $request->{headers} };
    push @headers, "Authorization: Bearer $workspace->{token}"
        unless grep { /^Authorization:/i } @headers;
    push @headers, 'Content-Type: application/scim+json'
        if $plain && defined $request->{body}
        && !grep { /^Content-Type:/i } @headers;
    my $body = $request->{body} // '';
    push @headers, 'Content-Length: ' . length $body
        if defined $request->{body};
    my $socket = $workspace->{socket};
    print $socket join("\r\n", "$request->{method} /scim/v2$request->{path} "
        . 'HTTP/1.1', 'Host: scim.example.com', @headers), "\r\n\r\n", $body;
    $socket->flush;
    my $answer = TestScim::read_answer($socket)
        or die "$request->{method} $request->{path}: no answer\n";
    $answer->{json} = eval { $json->decode($answer->{content}) }
        if length $answer->{content};
    push @{ $workspace->{ids} }, $answer->{json}{id}
        if $answer->{status} == 201;
    return $answer;
}


# The same request as the one operation of a Bulk request; undef when it cannot
# be one: it reads, or what is odd is the request itself and not its body.
sub ask_in_bulk {
    my ($workspace, $request) = @_;
    my ($method, $path, $body) = @$request{qw(method path body)};
    my $media = qr{application/(?:scim\+)?json};
    return undef if $method eq 'GET'
        || $path !~ m{^/(?:Users|Groups)(?:/[^./?][^/?]*)?$}
        || (defined $body && $body !~ /^\{/)
        || (defined $body && !grep { /^Content-Type: $media/ }
        @{ $request->{headers} })
        || grep { !/^(?:Accept|User-Agent|Content-Type: $media)/ }
        @{ $request->{headers} };
    my $answer = ask($workspace, { method => 'POST', path => '/Bulk',
        headers => [], body => '{"schemas":["urn:ietf:params:scim:api:messages:'
        . '2.0:BulkRequest"],"Operations":[{"method":"' . $method
        . '","bulkId":"1","path":"' . $path . '"' . (defined $body
        ? ",\"data\":$body" : '') . '}]}' }, 1);
    my $done = $answer->{json}{Operations}[0] // return $answer;
    push @{ $workspace->{ids} }, $done->{location} =~ m{([^/]+)$}
        if $done->{status} == 201;
    return { status => $done->{status}, json => $done->{response} };
}


sub counters {
    my %count = $stack->request('GET', '/metrics')->{content}
        =~ /^scim_lenient_total\{rule="([^"]+)"\} (\d+)/mg;
    return \%count;
}


sub rules_moved {
    my ($before) = @_;
    my $after = counters();
    return join ' ', sort grep { $after->{$_} > $before->{$_} } keys %$after;
}


sub events {
    my ($workspace) = @_;
    my %stream = eval { @{ $stack->redis('XINFO', 'STREAM',
        $workspace->{events}) } };
    return $stream{'entries-added'} // 0;
}


# ---- comparing ---------------------------------------------------------------

# The same text for both workspaces when they hold the same: ids by number, and
# without times.
sub canonical {
    my ($workspace, $value) = @_;
    my $text = $json->encode($value);
    my $n = 0;
    for my $id (@{ $workspace->{ids} }) {
        $n++;
        $text =~ s/\Q$id\E/{$n}/g;
    }
    $text =~ s/"(?:created|lastModified)":"[^"]*",?//g;
    return $text;
}


sub everything {
    my ($workspace) = @_;
    return [ map { @{ ask($workspace, { method => 'GET', headers => [],
        path => "/$_?count=200" })->{json}{Resources} } } qw(Users Groups) ];
}


# Is all that is expected there, with the same values?
sub holds {
    my ($is, $expected) = @_;
    if (ref $expected eq 'HASH') {
        return ref $is eq 'HASH' && !grep { defined $expected->{$_}
            ? !holds($is->{$_}, $expected->{$_}) : exists $is->{$_} }
            keys %$expected;
    }
    if (ref $expected eq 'ARRAY') {
        return ref $is eq 'ARRAY' && @$is == @$expected
            && !grep { !holds($is->[$_], $expected->[$_]) } 0 .. $#$expected;
    }
    return defined $is && $json->encode($is) eq $json->encode($expected);
}


sub clear {
    for my $workspace (values %workspace) {
        for my $resource (@{ everything($workspace) }) {
            my $kind = "$resource->{meta}{resourceType}s";
            ask($workspace, { method => 'DELETE', headers => [],
                path => "/$kind/$resource->{id}" });
        }
        $workspace->{ids} = [];
    }
}


# ---- one case ----------------------------------------------------------------

# "201", "400 invalidValue"; an operation of a Bulk request says 200 for 204
sub outcome {
    my ($answer) = @_;
    return $answer->{status} == 204 ? 200 : $answer->{status}
        if $answer->{status} < 400;
    return "$answer->{status} " . ($answer->{json}{scimType} // 'no scimType');
}


# What `sent` came to, in a Bulk request as well?
sub check_bulk {
    my ($request, $answer, $moved) = @_;
    my ($bulk, $before) = ($workspace{bulk}, counters());
    my $same = ask_in_bulk($bulk, $request);
    if (!$same) {
        ask($bulk, $request);
        return;
    }
    is(outcome($same), outcome($answer), '... in a Bulk request, too');
    is(rules_moved($before), $moved, '... counted by the same rules');
}



# "409 uniqueness" and JSON that the answer holds
sub check_answer {
    my ($workspace, $answer, $text) = @_;
    my ($line, $body) = split /\n/, $text, 2;
    my ($status, $type) = split ' ', $line;
    my @wrong;
    push @wrong, "status $answer->{status}" if $answer->{status} != $status;
    push @wrong, "scimType " . ($answer->{json}{scimType} // 'absent')
        if defined $type && ($answer->{json}{scimType} // '') ne $type;
    push @wrong, 'media type' if length $answer->{content}
        && $answer->{headers}{'content-type'} !~ m{^application/(?:scim\+)?json};
    push @wrong, 'error shape' if $status >= 400
        && ($answer->{json}{status} // '') ne $status;
    push @wrong, 'content' if defined $body && $body =~ /\S/
        && !holds($json->decode(canonical($workspace, $answer->{json})),
        $json->decode($body));
    ok(!@wrong, "... is answered $line")
        or diag("@wrong: $answer->{content}");
}


sub check_result {
    my ($workspace, $text) = @_;
    my ($path, $body) = split /\n/, $text, 2;
    my $is = ask($workspace, read_request("GET $path", $workspace))->{json};
    my $shown = canonical($workspace, $is);
    ok(holds($json->decode($shown), $json->decode($body)),
        "... $path is as expected") or diag($shown);
}


sub run_case {
    my ($case) = @_;
    my ($sent, $means, $bulk) = @workspace{qw(sent means bulk)};
    my ($before, %events, $answer, $twin, $moved);
    for my $step (@{ $case->{steps} }) {
        my ($kind, $text) = @$step;
        if ($kind eq 'given') {
            for my $workspace ($sent, $means, $bulk) {
                my $made = ask($workspace, read_request($text, $workspace), 1);
                die "given: $made->{status} $made->{content}\n"
                    if $made->{status} >= 300;
            }
        } elsif ($kind eq 'sent') {
            $before = counters();
            $events{sent} -= events($sent);
            $answer = ask($sent, read_request($text, $sent));
            $events{sent} += events($sent);
            my $rules = rules_moved($before);
            $moved .= "$rules ";
            undef $twin;
            $events{bulk} -= events($bulk);
            check_bulk(read_request($text, $bulk), $answer, $rules);
            $events{bulk} += events($bulk);
        } elsif ($kind eq 'means') {
            $before = counters();
            $events{means} -= events($means);
            $twin = ask($means, read_request($text, $means), 1);
            $events{means} += events($means);
            is(rules_moved($before), '', '... the twin is canonical');
            is("$answer->{status} " . canonical($sent, $answer->{json}),
                "$twin->{status} " . canonical($means, $twin->{json}),
                '... and the answers are the same');
        } elsif ($kind eq 'answer') {
            check_answer($sent, $answer, $text);
        } else {
            check_result($sent, $text);
        }
    }
    is(canonical($sent, everything($sent)),
        canonical($means, everything($means)), '... the same is stored');
    is(canonical($bulk, everything($bulk)),
        canonical($means, everything($means)), '... by Bulk, too');
    is("$events{sent} $events{bulk}", join(' ', ($events{means} // 0) x 2),
        '... with as many events');
    my %seen = map { $_ => 1 } split ' ', $moved;
    is(join(' ', sort keys %seen), join(' ', sort @{ $case->{rules} }),
        '... counted by these rules');
    $moved{$_}++ for keys %seen;
}


my @files = @ARGV ? @ARGV : sort glob "$FindBin::Bin/dialects/*/*";
for my $file (@files) {
    my ($name) = $file =~ m{([^/]+/[^/]+)$};
    my $case = read_case($file);
    subtest "$name: $case->{title}" => sub {
        clear();
        eval { run_case($case); 1 } or fail("$name: $@");
    };
}
unless (@ARGV) {
    is(join(' ', grep { !$moved{$_} } sort keys %{ counters() }), '',
        'every rule that is counted has a case');
    my @documented = TestScim::slurp("$TestScim::top/conf/DIALECTS.md")
        =~ /^\| (L-\w+)/mg;
    is(join(' ', sort keys %{ counters() }), join(' ', sort @documented),
        '... and a row in conf/DIALECTS.md');
}
$stack->done;
