package EntraStory;

# A provisioning cycle as Entra ID plays it, in its default dialect or with the
# aadOptscim062020 flag, in a workspace of its own with an app of its own.
use strict;
use warnings;
use JSON::PP;
use MockApp;
use Test::More;
use TestScim;

my $json = JSON::PP->new->canonical->utf8;
my $user_schema = TestScim::core_schema('User');
my $enterprise =
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
my ($stack, $flag, $after, $token, $app);

# What cannot be answered is asked again; what was is not.
sub ask {
    my ($name, $status, $method, $path, $body) = @_;
    my $answer;
    $path .= ($path =~ /\?/ ? '&' : '?') . 'aadOptscim062020' if $flag;
    if ($after) {
        TestScim::until_true(sub { $answer = $stack->scim($method, $path,
            $body, token => $token); $answer->{status} < 500 })
            or die "$method $path: $answer->{status} $answer->{content}\n";
        is($answer->{status}, $status, $name)
            or diag("$method $path: $answer->{content}");
        $after->($name) if $answer->{success} && $method ne 'GET';
        return $answer->{json};
    }
    return $stack->answers(($flag ? 'flag: ' : 'default: ') . $name, $status,
        $method, $path, $body, token => $token)->{json};
}


sub found {
    my ($type, $attribute, $value, $more) = @_;
    return ask("filter $attribute", 200, 'GET', "/$type?" . ($more // '')
        . "filter=$attribute+eq+%22" . TestScim::escape($value) . '%22');
}


sub change {
    my ($name, $path, @operations) = @_;
    ask($name, $path =~ /Users/ ? 200 : 204, 'PATCH', $path,
        TestScim::patch_body(@operations));
}


sub create {
    my ($name) = @_;
    is(found('Users', 'userName', "$name\@example.com")->{totalResults}, 0,
        "$name is not known");
    return ask("create $name", 201, 'POST', '/Users', {
        schemas => [ $user_schema, $enterprise ], externalId => $name,
        userName => "$name\@example.com", active => JSON::PP::true,
        displayName => ucfirst $name, emails => [ { primary =>
        JSON::PP::true, type => 'work', value => "$name\@example.com" } ],
        meta => { resourceType => 'User' }, name => { formatted =>
        ucfirst $name, familyName => 'E', givenName => ucfirst $name },
        roles => [], $flag ? () : (addresses => undef,
        phoneNumbers => undef, title => undef), $enterprise => {
        employeeNumber => '1', department => 'D' } })->{id};
}


sub add { return { op => $flag ? 'add' : 'Add', path => 'members',
    value => [ map { { '$ref' => undef, value => $_ } } @_ ] } }


sub remove {
    my ($id) = @_;
    return $flag ? { op => 'remove', path => qq{members[value eq "$id"]} }
        : { op => 'Remove', path => 'members', value => [ { '$ref' => undef,
        value => $id } ] };
}


sub active {
    my ($is) = @_;
    return $flag ? { op => 'replace', value => { active => $is
        ? JSON::PP::true : JSON::PP::false } }
        : { op => 'Replace', path => 'active', value => $is ? 'True'
        : 'False' };
}


sub update {
    my ($boss) = @_;
    return (
        { op => 'replace', value => { displayName => 'Ann B', nickName => 'B',
            'name.familyName' => 'B', "$enterprise:department" => 'E',
            "$enterprise:manager" => $boss } },
        { op => 'add', path => 'phoneNumbers[type eq "mobile"].value',
            value => '+49 1' },
        { op => 'replace', path => 'emails[type eq "work"].value',
            value => 'ann.b@example.com' },
        { op => 'add', path => 'roles[primary eq true].value',
            value => 'r1' }) if $flag;
    return (
        { op => 'Replace', path => 'displayName', value => 'Ann B' },
        { op => 'Add', path => 'nickName', value => 'B' },
        { op => 'Replace', path => 'name.familyName', value => 'B' },
        { op => 'Add', path => "$enterprise:department", value => 'E' },
        { op => 'Add', path => "$enterprise:manager", value => $boss },
        { op => 'Add', path => 'phoneNumbers[type eq "mobile"].value',
            value => '+49 1' },
        { op => 'Replace', path => 'emails[type eq "work"].value',
            value => 'ann.b@example.com' },
        { op => 'Add', path => 'roles[primary eq "True"].value',
            value => 'r1' });
}


# play($stack, $workspace, flag => 0, after => sub { name of the request }):
# the whole cycle; what is there in the end, as text.  `after` is called when a
# write was acknowledged, and may end parts of the stack.
sub play {
    my ($workspace, %option, %admin);
    ($stack, $workspace, %option) = @_;
    ($flag, $after) = @option{qw(flag after)};
    for my $role (qw(scim owner)) {
        my ($secret) = ($stack->scimctl('token', 'create', '--workspace',
            $workspace, '--role', $role))[1] =~ /(\S+)/;
        $role eq 'scim' ? $token = $secret : ($admin{token} = $secret);
    }
    $app = MockApp->start;
    my $app_id = $stack->admin('POST', '/apps', { name => 'App',
        accessRoles => ['editor'], defaultAccessRole => 'editor',
        settleSeconds => 0, connector => $app->connector }, %admin)
        ->{json}{id};

    is(found('Users', 'userName', '7d3f2c5e-no-such-user')->{totalResults}, 0,
        'test connection');
    my ($boss, $ann, $bob) = map { create($_) } qw(boss ann bob);
    ask('a duplicate', 409, 'POST', '/Users', { schemas => [$user_schema],
        userName => 'ANN@example.com' });
    is(found('Groups', 'displayName', 'Ads', 'excludedAttributes=members&')
        ->{totalResults}, 0, 'the group is not known');
    my $group = ask('create a group', 201, 'POST', '/Groups', { schemas => [
        TestScim::core_schema('Group'), 'http://schemas.microsoft.com/2006/11/'
        . 'ResourceManagement/ADSCIM/2.0/Group' ], externalId => 'g1',
        displayName => 'Ads', meta => { resourceType => 'Group' } })->{id};
    ask('the same group', 409, 'POST', '/Groups', { schemas =>
        [ TestScim::core_schema('Group') ], displayName => 'ads' });
    TestScim::until_true(sub { $stack->admin('PUT',
        "/apps/$app_id/shares/teams/$group", { role => 'collaborator' },
        %admin)->{success} }) or die "the share cannot be made\n";
    change('add members', "/Groups/$group", add($ann, $bob), add($boss));
    $stack->wait_is(sub { $app->roles },
        'ann:editor bob:editor boss:editor', 'all are invited');
    change('update', "/Users/$ann", update($boss));
    change('rename', "/Groups/$group", $flag ? { op => 'replace',
        value => { displayName => 'Ads EMEA' } } : { op => 'Replace',
        path => 'displayName', value => 'Ads EMEA' });
    change('one out', "/Groups/$group", remove($bob));
    $stack->wait_is(sub { $app->roles }, 'ann:editor boss:editor',
        'one is out, the others are not');
    change('out again', "/Groups/$group", remove($bob));
    change('no operations', "/Groups/$group");
    change('disable', "/Users/$ann", active(0));
    $stack->wait_is(sub { $app->roles }, 'boss:editor', 'a leaver is out');
    my $is = found('Users', 'userName', 'ann@example.com')->{Resources}[0];
    is($is->{active}, JSON::PP::false, 'and is still found');
    change('restore', "/Users/$ann", active(1));
    $stack->wait_is(sub { $app->roles }, 'ann.b:editor boss:editor',
        'back again, at the address of today');
    ask('hard delete', 204, 'DELETE', "/Users/$bob");
    ask('... twice', 404, 'DELETE', "/Users/$bob");
    change('clear', "/Users/$ann", { op => 'Replace', path => 'nickName',
        value => '' }, { op => 'Replace', path => "$enterprise:manager",
        value => '' });

    my $text = $json->encode([ map { my $one = $_; delete $one->{meta}; $one }
        ask('ann', 200, 'GET', "/Users/$ann"),
        ask('group', 200, 'GET', "/Groups/$group") ]);
    $text =~ s/$ann/ANN/g;
    $text =~ s/$boss/BOSS/g;
    $text =~ s/$group/GROUP/g;
    my $roles = $app->roles;
    $app->stop;
    return "$text\n$roles";
}


1;
