#!/usr/bin/perl
# /Me, the alias of the user whom a token belongs to (RFC 7644 section 3.11),
# and versions named in the headers of every method (section 3.14).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use TestScim;

my $stack = TestScim->start;
my $user_schema = TestScim::core_schema('User');
my $ann = $stack->user('ann');
my $bob = $stack->user('bob');

sub answers { return $stack->answers(@_) }


sub title_patch {
    return TestScim::patch_body({ op => 'replace', path => 'title',
        value => $_[0] });
}


# a token that belongs to nobody
answers("$_ /Me without a user of the token", 501, $_, '/Me',
    /^P/ ? {} : undef) for qw(GET POST PUT PATCH DELETE);

# tokens that belong to a user
sub token_for {
    my ($user, %more) = @_;
    return $stack->admin('POST', '/tokens', { role => 'scim', name => 'mine',
        user => $user, %more });
}

for my $case ([ 'of no id', 'ann' ], [ 'of a number', 7 ],
    [ 'of nobody', '01a20df6-43a5-7845-9449-1c6da36e1397' ],
    [ 'of a user, but an admin\'s', $ann, role => 'admin' ])
{
    my ($name, @of) = @$case;
    my $answer = token_for(@of);
    is($answer->{status}, 400, "a token $name is refused");
    like($answer->{json}{error}{message}, qr/^user: /, '... with the place');
}
my $made = token_for($ann)->{json};
is($made->{user}, $ann, 'a token of a user');
my @token = (token => $made->{secret});
my ($status, $secret) = $stack->scimctl(qw(token create --role scim --user),
    'bob@example.com');
is($status, 0, '... and another, by scimctl') or diag($secret);

my $me = answers('GET /Me', 200, 'GET', '/Me', undef, @token);
my $permanent = "$stack->{base}/scim/v2/Users/$ann";
is($me->{json}{id}, $ann, '... is its user');
is($me->{json}{meta}{location}, $permanent, '... with the permanent place');
is($me->{headers}{location}, $permanent, '... in Location, too');
is(answers('HEAD /Me', 200, 'HEAD', '/Me', undef, @token)->{headers}{etag},
    $me->{headers}{etag}, '... the same ETag');
is(answers('GET /Me of the other one', 200, 'GET', '/Me', undef,
    token => $secret =~ s/\s+//r)->{json}{id}, $bob, '... is the other one');
is_deeply([ sort keys %{ answers('GET /Me with attributes', 200, 'GET',
    '/Me?attributes=userName', undef, @token)->{json} } ],
    [qw(id schemas userName)], '... shows these');
is(answers('PATCH /Me', 200, 'PATCH', '/Me', title_patch('Chief'), @token)
    ->{json}{title}, 'Chief', '... changes');
is(answers('PUT /Me', 200, 'PUT', '/Me', { schemas => [$user_schema],
    userName => 'ann@example.com' }, @token)->{json}{title}, undef,
    '... replaces');
my $post = answers('POST /Me', 405, 'POST', '/Me', {}, @token);
is($post->{headers}{allow}, 'GET, HEAD, PUT, PATCH, DELETE, OPTIONS',
    '... Allow');
is($stack->scim('OPTIONS', '/Me', undef, @token)->{headers}{allow},
    $post->{headers}{allow}, 'OPTIONS /Me says the same');
answers('what is below /Me', 404, 'GET', '/Me/groups', undef, @token);

# versions
sub state_of {
    my $meta = $stack->must('scim', 'GET', "/Users/$ann")->{meta};
    return wantarray ? ($meta->{version}, "$meta->{version} "
        . $meta->{lastModified}) : $meta->{version};
}

my %body = (GET => undef, HEAD => undef, DELETE => undef, PATCH =>
    title_patch('Stale'), PUT => { schemas => [$user_schema],
    userName => 'ann@example.com', title => 'Stale' });
my $wrong = 'W/"9999"';
for my $method (qw(GET HEAD PUT PATCH DELETE)) {
    my ($tag, $before) = state_of();
    answers("$method with If-Match of another version", 412, $method,
        "/Users/$ann", $body{$method}, headers => { 'If-Match' => $wrong });
    my $answer = answers("$method with If-None-Match of this version",
        $method =~ /^(?:GET|HEAD)$/ ? 304 : 412, $method, "/Users/$ann",
        $body{$method}, headers => { 'If-None-Match' => "$wrong, $tag" });
    is($answer->{headers}{etag}, $tag, '... with ETag')
        if $answer->{status} == 304;
    is((state_of())[1], $before, '... and nothing changed');
}
for my $method (qw(GET PATCH PUT)) {
    my $tag = state_of();
    my $answer = answers("$method with If-Match of this version", 200,
        $method, "/Users/$ann", $method eq 'PATCH' ? title_patch("via $tag")
        : $body{$method}, headers => { 'If-Match' => "$wrong, $tag" });
    is($answer->{headers}{etag}, $answer->{json}{meta}{version},
        '... ETag is meta.version');
    answers("$method with If-None-Match of another version", 200, $method,
        "/Users/$ann", $body{$method}, headers =>
        { 'If-None-Match' => $wrong });
}
answers('DELETE /Me with If-Match of this version', 204, 'DELETE', '/Me',
    undef, @token, headers => { 'If-Match' => scalar state_of() });
answers('/Me of a user who is gone', 404, 'GET', '/Me', undef, @token);
$stack->done;
