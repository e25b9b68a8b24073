#!/usr/bin/perl
# Discovery is true: whatever /ResourceTypes and /Schemas advertise can be
# written by its full name, filtered by, sorted by, and chosen for answers; an
# extension that was dropped into a folder like the built-in ones.
use strict;
use warnings;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use TestScim;

my $schemas = tempdir('scim-schemas-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $badge = 'urn:example:extension:badge:1.+0:User';
TestScim::write_file("$schemas/badge.json", <<"END");
{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Schema"],
 "id":"$badge","name":"Badge","attributes":[
  {"name":"plain"},{"name":"level","type":"integer"},{"name":"weight","type":"decimal"},
  {"name":"valid","type":"boolean"},{"name":"since","type":"dateTime"},
  {"name":"serial","type":"string","caseExact":true,"mutability":"immutable"},
  {"name":"issuer","type":"string","mutability":"readOnly"},
  {"name":"pin","type":"string","returned":"never"},
  {"name":"photo","type":"string","returned":"request","uniqueness":"server"},
  {"name":"nickName","type":"string","returned":"request"},
  {"name":"scan","type":"binary"},{"name":"page","type":"reference"},
  {"name":"doors","type":"string","multiValued":true},
  {"name":"desk","type":"complex","subAttributes":[
   {"name":"room","type":"string"},
   {"name":"tags","type":"string","multiValued":true},{"name":"seat","type":"integer"}]}]}
END
my $stack = TestScim->start(sidecars => 0, http => "scim_schemas $schemas;");
my $json = JSON::PP->new->canonical->utf8->allow_nonref;
my $n = 0;
my ($path, $id, $endpoint, %required);

# A value of the attribute's type, another one each time.
sub value_of {
    my ($attribute) = @_;
    my $type = $attribute->{type};
    $n++;
    return $type eq 'boolean' ? JSON::PP::true : $type eq 'integer' ? $n
        : $type eq 'decimal' ? $n + 0.5 : $type eq 'dateTime'
        ? sprintf '2026-01-02T03:04:05.%03dZ', $n % 1000
        : $type eq 'binary' ? sprintf('AAA%05d', $n) : $type eq 'reference'
        ? "https://example.com/$n" : "value $n";
}


# What PATCH can set: [ name, attribute, sub-attribute ] of each leaf.
sub leaves {
    my ($schema) = @_;
    return map { my $attribute = $_; $attribute->{subAttributes}
        ? map({ [ "$attribute->{name}.$_->{name}", $attribute, $_ ] }
            @{ $attribute->{subAttributes} })
        : [ $attribute->{name}, $attribute ] } @{ $schema->{attributes} };
}


# Where the attribute is in a resource.
sub container {
    my ($resource, $schema) = @_;
    return $required{ $schema->{id} } ? $resource
        : $resource->{ $schema->{id} } // {};
}


sub find {
    my ($filter, $status) = @_;
    my $answer = $stack->answers("filter $filter", $status // 200, 'GET',
        "$endpoint?filter=" . TestScim::escape($filter));
    return scalar grep { $_->{id} eq $id }
        @{ $answer->{json}{Resources} // [] };
}


sub literal {
    my ($value) = @_;
    return $json->encode($value);
}


sub patch {
    my ($name, $status, @operation) = @_;
    return $stack->answers($name, $status, 'PATCH', "$path?attributes=id",
        TestScim::patch_body({ @operation }));
}


sub check_write {
    my ($schema, $attribute) = @_;
    my $full = "$schema->{id}:$attribute->{name}";
    my $single = { map { ($_->{name} => value_of($_)) }
        grep { $_->{mutability} eq 'readWrite' && $_->{type} ne 'boolean'
            && !$_->{multiValued} }
        @{ $attribute->{subAttributes} // [] } };
    my $value = $attribute->{subAttributes} ? $single : value_of($attribute);
    my $one = $value;
    $value = [$value] if $attribute->{multiValued};
    if ($attribute->{mutability} eq 'readOnly') {
        patch("add $full", 400, op => 'add', path => $full, value => $value);
        return;
    }
    patch("add $full", 200, op => 'add', path => $full, value => $value);
    my $get = sub { container($stack->must('scim', 'GET',
        "$path?attributes=" . TestScim::escape($full)), $schema)
        ->{ $attribute->{name} } };
    if ($attribute->{returned} eq 'never') {
        is($get->(), undef, '... is never shown');
        return;
    }
    is(literal($get->()), literal($value), '... is there');
    for my $leaf (grep { $_->[1]{name} eq $attribute->{name} }
        leaves($schema))
    {
        my $is = $leaf->[2] ? $one->{ $leaf->[2]{name} } : $one;
        next unless defined $is;
        ok(find("$schema->{id}:$leaf->[0] eq " . literal($is)),
            '... is found by its value');
    }
    if ($attribute->{mutability} eq 'immutable') {
        patch("replace $full", 400, op => 'replace', path => $full,
            value => value_of($attribute));
        return;
    }
    if ($attribute->{required}) {
        patch("remove $full", 400, op => 'remove', path => $full);
        return;
    }
    my $other = $attribute->{subAttributes} ? { map { ($_ => ref $single->{$_}
        || $single->{$_} !~ /^value/ ? $single->{$_} : "other $n") }
        keys %$single } : $attribute->{type} eq 'boolean' ? JSON::PP::false
        : value_of($attribute);
    $other = [$other] if $attribute->{multiValued};
    patch("replace $full", 200, op => 'replace', path => $full,
        value => $other);
    is(literal($get->()), literal($other), '... is replaced');
    if ($attribute->{name} eq 'active') { # nobody comes back by a gap
        patch("remove $full", 400, op => 'remove', path => $full);
        return;
    }
    patch("remove $full", 200, op => 'remove', path => $full);
    is($get->(), undef, '... is gone');
    patch("add $full", 200, op => 'add', path => $full, value => $value);
}


sub check_read {
    my ($schema, $name, $attribute, $sub) = @_;
    my $full = "$schema->{id}:$name";
    my $leaf = $sub // $attribute;
    if ($attribute->{returned} eq 'never') {
        find("$full pr", 400);
        return;
    }
    return if $attribute->{returned} eq 'request'; # below
    my $there = container($stack->must('scim', 'GET', $path), $schema)
        ->{ $attribute->{name} };
    $there = $there && $sub ? ref $there eq 'ARRAY'
        ? $there->[0]{ $sub->{name} } : $there->{ $sub->{name} } : $there;
    is(find("$full pr"), defined $there ? 1 : 0, '... finds by presence');
    my $order = $stack->answers("sortBy $full", 200, 'GET',
        "$endpoint?count=200&sortOrder=descending&sortBy="
        . TestScim::escape($full));
    is(scalar @{ $order->{json}{Resources} }, 3, '... has all');
    my $shown = $stack->must('scim', 'GET', "$path?attributes="
        . TestScim::escape($full));
    my %keys = map { $_ => 1 } keys %$shown;
    delete @keys{ qw(schemas id), $required{ $schema->{id} }
        ? $attribute->{name} : $schema->{id} };
    is(join(' ', sort keys %keys), '', '... alone is shown');
    return if $attribute->{returned} eq 'always';
    my $hidden = container($stack->must('scim', 'GET',
        "$path?excludedAttributes=" . TestScim::escape($full)), $schema)
        ->{ $attribute->{name} };
    $hidden = $sub && $hidden ? ref $hidden eq 'ARRAY'
        ? $hidden->[0]{ $sub->{name} } : $hidden->{ $sub->{name} } : $hidden;
    is($hidden, undef, '... or left out');
}


my %schema = map { $_->{id} => $_ } @{ $stack->must('scim', 'GET', '/Schemas')
    ->{Resources} };
for my $type (@{ $stack->must('scim', 'GET', '/ResourceTypes')->{Resources} })
{
    $endpoint = $type->{endpoint};
    %required = ($type->{schema} => 1);
    my ($name) = $endpoint =~ /Users/ ? 'userName' : 'displayName';
    my @made = map { $stack->must('scim', 'POST', $endpoint, { schemas =>
        [ $type->{schema} ], $name => "made $_" })->{id} } 1 .. 3;
    $id = $made[0];
    $path = "$endpoint/$id";
    for my $urn ($type->{schema}, map { $_->{schema} }
        @{ $type->{schemaExtensions} // [] })
    {
        my $schema = $schema{$urn};
        ok($schema, "$type->{name}: $urn is there") or next;
        is(join(' ', map { my $leaf = $_->[2] // $_->[1]; map { defined
            $leaf->{$_} ? () : "$leaf->{name}: $_" } qw(type multiValued
            required caseExact mutability returned uniqueness) }
            leaves($schema)), '', '... each attribute says what it is');
        for my $attribute (@{ $schema->{attributes} }) {
            next if $attribute->{name} eq 'members'
                || $attribute->{mutability} eq 'writeOnly';
            check_write($schema, $attribute);
        }
        check_read($schema, @$_) for grep { $_->[1]{mutability} ne 'writeOnly'
            && !($_->[2] && $_->[2]{type} eq 'complex') } leaves($schema);
    }
    is(scalar(grep { $_->{schema} eq $badge }
        @{ $type->{schemaExtensions} // [] }), $endpoint =~ /Users/ ? 1 : 0,
        "$type->{name}: the extension of one's own");
    for my $common (qw(id externalId schemas meta.created meta.lastModified
        meta.resourceType meta.location meta.version))
    {
        $stack->must('scim', 'PATCH', $path, TestScim::patch_body({
            op => 'add', path => 'externalId', value => 'e' }))
            if $common eq 'externalId';
        is(find("$common pr"), 1, '... finds by presence');
        next if $common eq 'schemas';
        $stack->answers("sortBy $common", 200, 'GET',
            "$endpoint?sortBy=$common");
    }
}
my $answer = $stack->answers('a search at the root for an own attribute', 200,
    'GET', '/?filter=' . TestScim::escape("$badge:level pr"));
is($answer->{json}{totalResults}, 1, '... finds who has it');

# what a schema leaves out, and values of each type
my ($plain) = grep { $_->{name} eq 'plain' } @{ $schema{$badge}{attributes} };
is_deeply($plain, { name => 'plain', type => 'string', mutability =>
    'readWrite', returned => 'default', uniqueness => 'none', map { ($_ =>
    JSON::PP::false) } qw(multiValued required caseExact) },
    'the defaults of an attribute');
sub badge_of {
    my ($status, $name, $text) = @_;
    my $made = $stack->answers("$name: $text", $status, $status == 400
        ? ['invalidValue'] : (), 'POST', '/Users', sprintf
        '{"userName":"typed %d","%s":{"%s":%s}}', ++$n, $badge, $name, $text);
    return $made->{json}{$badge}{$name};
}
badge_of(400, @$_) for [ level => '1.5' ], [ level => '2.0' ],
    [ level => '1e2' ], [ level => '"1e2"' ], [ weight => '"x"' ],
    [ valid => '1' ], [ since => '"2026-01-02"' ],
    [ since => '"2026-01-02T03:04:05"' ], [ since => '7' ],
    [ since => '"2026-02-30T03:04:05Z"' ], [ desk => '"x"' ];
is(badge_of(201, @$_), $_->[1] =~ s/"//gr, '... comes back') for
    [ level => '-7' ], [ since => '"2026-01-02T03:04:05.1234567+02:00"' ],
    [ page => '"../x"' ], [ page => '"urn:example:x"' ];
is_deeply(badge_of(201, desk => '{"tags":["a","b"]}'), { tags => [qw(a b)] },
    'several simple values in a complex one');

# returned on request: of a read by its query, of a write by its body, too
my ($photo) = grep { $_->{name} eq 'photo' } @{ $schema{$badge}{attributes} };
is($photo->{uniqueness}, 'none', 'uniqueness is not promised in vain');
sub photo {
    my ($method, $place, $body) = @_;
    return $stack->must('scim', $method, $place, $body)->{$badge}{photo};
}
my $made = $stack->must('scim', 'POST', '/Users', { userName => 'photo',
    $badge => { photo => 'a', level => 1 } });
is($made->{$badge}{photo}, 'a', 'a POST that names it shows it');
$path = "/Users/$made->{id}";
is(photo('GET', $path), undef, '... a GET does not');
is(photo('GET', "$path?attributes=" . TestScim::escape("$badge:photo")), 'a',
    '... unless it asks');
is(photo('PATCH', $path, TestScim::patch_body({ op => 'replace',
    path => 'title', value => 'x' })), undef, 'a PATCH of something else');
is(photo('PATCH', $path, TestScim::patch_body({ op => 'replace',
    path => "$badge:photo", value => 'b' })), 'b', '... of itself');
is(photo('PATCH', $path, TestScim::patch_body({ op => 'replace', value => {
    "$badge:photo" => 'c' } })), 'c', '... without a path');
is(photo('PUT', $path, { userName => 'photo', $badge => { level => 2,
    photo => 'd' } }), 'd', 'a PUT that names it');

# what the core calls the same is another attribute
sub nick {
    my ($method, $body) = @_;
    return $stack->must('scim', $method, $path, $body)->{$badge}{nickName};
}
is(nick('PUT', { userName => 'photo', $badge => { nickName => 'n' },
    nickName => 'core' }), 'n', 'a nickName of two schemas');
is(nick('PATCH', TestScim::patch_body({ op => 'replace', path => $_,
    value => 'x' })), undef, "PATCH of $_ names the core's")
    for 'nickName', TestScim::core_schema('User') . ':nickName';
is(nick('PATCH', TestScim::patch_body({ op => 'replace', value =>
    { nickName => 'y' } })), undef, '... without a path, too');
is(nick('PATCH', TestScim::patch_body({ op => 'replace', path => $badge,
    value => { nickName => 'm' } })), 'm', 'the extension\'s by its schema');
is(nick('PATCH', TestScim::patch_body({ op => 'replace', value => { $badge =>
    { nickName => 'k' } } })), 'k', '... without a path');
is(nick('PUT', { userName => 'photo', $badge => { level => 3 },
    nickName => 'core' }), undef, 'PUT of the core\'s alone');
$stack->done;
