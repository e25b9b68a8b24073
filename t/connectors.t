#!/usr/bin/perl
# Connectors beside plain JSON: an app that is a SCIM server itself (our own
# edge with another workspace), and one that is asked by mail.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MailSink;
use MIME::Base64 qw(decode_base64 encode_base64);
use Test::More;
use TestScim;

my $stack = TestScim->start;
my ($status, $token) = $stack->scimctl(qw(--workspace target token create
    --role scim));
is($status, 0, 'the app has a token for us');
my $secret = "$stack->{dir}/target-token";
TestScim::write_file($secret, $token);
my %as_app = (token => $token =~ s/\s+//r);
my %user = map { $_ => $stack->user($_) } qw(ann bob cid);

# The app's people: "ann bob!", those switched off with a mark.
sub people {
    my $list = $stack->must('scim', 'GET', '/Users', undef, %as_app);
    return join ' ', sort map { $_->{userName} =~ s/\@.*//r
        . ($_->{active} ? '' : '!') } @{ $list->{Resources} };
}


# "ann:admin": who is in which of the app's groups
sub people_in_groups {
    my %name_of = map { $_->{id} => $_->{userName} =~ s/\@.*//r }
        @{ $stack->must('scim', 'GET', '/Users', undef, %as_app)
            ->{Resources} };
    my $list = $stack->must('scim', 'GET', '/Groups', undef, %as_app);
    return join ' ', sort map { my $group = $_; map {
        "$name_of{$_->{value}}:$group->{displayName}" }
        @{ $group->{members} // [] } } @{ $list->{Resources} };
}


sub empty_the_app {
    my $list = $stack->must('scim', 'GET', '/Users', undef, %as_app);
    $stack->must('scim', 'DELETE', "/Users/$_->{id}", undef, %as_app)
        for @{ $list->{Resources} };
}


sub connector {
    return { type => 'scim', baseUrl => "$stack->{base}/scim/v2",
        auth => { bearer => "file:$secret" }, @_ };
}


# people come and go
my $plain = $stack->app(connector(), name => 'Plain',
    accessRoles => ['member'], defaultAccessRole => 'member');
$stack->share($plain, "users/$user{$_}") for qw(ann bob);
$stack->wait_is(\&people, 'ann bob', 'people are created in the app');
my ($ann) = @{ $stack->must('scim', 'GET', '/Users?filter='
    . TestScim::escape('userName eq "ann@example.com"'), undef, %as_app)
    ->{Resources} };
is($ann->{name}{givenName}, 'Ann', '... with their names');
is($ann->{emails}[0]{value}, 'ann@example.com', '... and addresses');
$stack->set_active($user{ann}, 0);
$stack->wait_is(\&people, 'bob', 'a leaver is deleted');
$stack->set_active($user{ann}, 1);
$stack->wait_is(\&people, 'ann bob', 'who is back is created again');
$stack->wait_is(sub { $stack->states($plain) }, 'ann:invited bob:invited',
    '... and known to be');

# a check reads the app's own list
my $check = $stack->must('admin', 'POST', "/apps/$plain/checks")->{id};
my $report;
$stack->wait_is(sub { $report = $stack->must('admin', 'GET',
    "/apps/$plain/checks/$check"); $report->{state} }, 'done',
    'the app is checked');
is("$report->{members} @{$report->{findings}}", '2 ', '... and agrees');
$stack->must('admin', 'DELETE', "/apps/$plain");
empty_the_app();

# switched off instead of deleted, and on again
my $off = $stack->app(connector(removal => 'deactivate', roles =>
    'attribute'), name => 'Off');
$stack->share($off, "users/$user{ann}", 'viewer');
$stack->wait_is(\&people, 'ann', 'a person');
$stack->wait_is(sub { $stack->states($off) }, 'ann:invited', 'is invited');
$stack->must('admin', 'DELETE', "/apps/$off/shares/users/$user{ann}");
$stack->wait_is(\&people, 'ann!', '... is switched off');
$stack->wait_is(sub { $stack->states($off, '&state=removed') },
    'ann:removed', '... and known to be');
$stack->share($off, "users/$user{ann}", 'editor');
$stack->wait_is(\&people, 'ann', '... and on again');
$stack->wait_is(sub { $stack->states($off) }, 'ann:invited', '... known');
sub role_of_ann {
    my ($one) = @{ $stack->must('scim', 'GET', '/Users', undef, %as_app)
        ->{Resources} };
    return join ' ', map { $_->{value} } @{ $one->{roles} };
}
$stack->wait_is(\&role_of_ann, 'editor', '... with the role of now');
$stack->share($off, "users/$user{ann}", 'admin');
$stack->wait_is(\&role_of_ann, 'admin', 'roles as an attribute');
$stack->must('admin', 'DELETE', "/apps/$off");
empty_the_app();

# roles by groups
my %group = map { my $name = $_; $name => $stack->must('scim', 'POST',
    '/Groups', { schemas => [ TestScim::core_schema('Group') ],
        displayName => $name }, %as_app)->{id} } qw(viewer editor admin);
my $groups = $stack->app(connector(roles => 'groups', roleIds => \%group),
    name => 'Groups');
$stack->share($groups, "users/$user{ann}", 'admin');
$stack->share($groups, "users/$user{bob}", 'viewer');
$stack->wait_is(\&people_in_groups, 'ann:admin bob:viewer',
    'roles are groups of the app');
$stack->wait_is(sub { $stack->states($groups) }, 'ann:invited bob:invited',
    '... known');
$stack->share($groups, "users/$user{ann}", 'editor');
$stack->wait_is(\&people_in_groups, 'ann:editor bob:viewer',
    'another role is another group, and that alone');
# somebody who is there already, in a group
my $cid = $stack->must('scim', 'POST', '/Users', TestScim::person('cid'),
    %as_app)->{id};
$stack->must('scim', 'PATCH', "/Groups/$group{admin}", TestScim::patch_body({
    op => 'add', path => 'members', value => [ { value => $cid } ] }),
    %as_app);
$stack->share($groups, "users/$user{cid}", 'viewer');
$stack->wait_is(\&people_in_groups, 'ann:editor bob:viewer cid:viewer',
    'who is there already gets the role');
is(people(), 'ann bob cid', '... once');
$stack->must('admin', 'DELETE', "/apps/$groups/shares/users/$user{bob}");
$stack->wait_is(\&people, 'ann cid', 'and goes');

# definitions that are wrong
for my $case (
    [ 'connector.removal', removal => 'shoot' ],
    [ 'connector.roles', roles => 'magic' ],
    [ 'connector.roles' ],
    [ 'connector.roleIds', roles => 'groups' ],
    [ 'connector.roleIds', roles => 'attribute', roleIds => \%group ],
    [ 'connector.roleIds', roles => 'groups',
        roleIds => { viewer => '1', editor => '2' } ],
    [ 'connector.baseUrl', roles => 'attribute', baseUrl => 'ftp://x' ],
    [ 'connector.baseUrl', roles => 'attribute',
        baseUrl => 'http://169.254.169.254/' ],
    [ 'connector.auth.bearer', roles => 'attribute',
        auth => { bearer => 'literal' } ],
    [ 'connector.roleType', roles => 'groups', roleIds => \%group,
        roleType => 'seatType' ],
    [ 'connector.roleType', roles => 'attribute', roleType => 'seatType',
        roleAttribute => 'urn:x:User:role' ],
    [ 'connector.roleAttribute', roles => 'attribute',
        roleAttribute => 'role' ],
    [ 'connector.roleAttribute', roles => 'attribute',
        roleAttribute => 'urn:x:User:' ],
    [ 'connector.roleAttribute', roles => 'attribute',
        roleAttribute => 'urn:x/y:User:role' ],
    [ 'connector.invite', roles => 'attribute', invite => {} ])
{
    my ($field, @change) = @$case;
    my $answer = $stack->admin('POST', '/apps', { name => 'Wrong',
        accessRoles => [qw(viewer editor admin)],
        defaultAccessRole => 'viewer', connector => connector(@change) });
    is("$answer->{status} " . ($answer->{json}{error}{field} // ''),
        "400 $field", "@change[0 .. ($#change > 0 ? 1 : -1)] is refused");
}

# an app that is asked by mail
my $sink = MailSink->start("$stack->{base_dir}/mails", refuse => {
    'bob@example.com' => '451 try again', 'cid@example.com' => '550 nobody' });
TestScim::write_file("$stack->{dir}/mail-secret", 'pass word');

sub mail_connector {
    return { type => 'email', server => "smtp://127.0.0.1:$sink->{port}",
        from => 'access@example.com', subject => "Willkommen zu Bl\x{fc}te, "
            . '${user.givenName}: dein Zugang als ${grant.accessRole}',
        text => "Hallo \${user.displayName},\n.\nfolge dem Link.\n",
        auth => { user => 'access', password =>
            "file:$stack->{dir}/mail-secret" }, @_ };
}

my $mail = $stack->app(mail_connector(), name => 'Mail');
$stack->share($mail, "users/$user{ann}", 'editor');
$stack->wait_is(sub { $stack->states($mail) }, 'ann:invited', 'a mail');
my ($sent) = $sink->mails;
is("$sent->{from} $sent->{to}", 'access@example.com ann@example.com',
    '... to the person');
is($sent->{user}, encode_base64("\0access\0pass word", ''), '... by a login');
my ($head, $text) = split /\r\n\r\n/, $sent->{data}, 2;
is(decode_base64($text), "Hallo Ann Example,\n.\nfolge dem Link.\n",
    '... with the text');
is(join('', map { decode_base64($_) } $head =~ /=\?UTF-8\?B\?(\S+)\?=/g),
    "Willkommen zu Bl\xc3\xbcte, Ann: dein Zugang als editor",
    '... and the subject');
my ($task) = @{ $stack->must('admin', 'GET', "/tasks?app=$mail")->{tasks} };
like($head, qr/^Message-ID: <\Q$task->{id}\E\@/m, '... that has one name');
ok(!(grep { length($_) > 78 } split /\r\n/, $sent->{data}), '... in short lines');
$stack->share($mail, "users/$user{bob}");
$stack->wait_is(sub { $stack->states($mail) }, 'ann:invited bob:invited',
    'a mail that the server takes later');
$stack->share($mail, "users/$user{cid}");
$stack->wait_is(sub { $stack->states($mail) },
    'ann:invited bob:invited cid:failed', 'a mail that it does not take');
is(scalar(() = $sink->mails), 2, '... two mails in all');
$stack->must('admin', 'DELETE', "/apps/$mail/shares/users/$user{ann}");
$stack->wait_is(sub { $stack->states($mail) =~ /ann:(\w+)/ ? $1 : '' },
    'manual', 'a removal is for a person');
unlike($stack->logs, qr/pass word/, 'the password stays secret');
for my $case (
    [ 'connector.server', server => 'http://127.0.0.1' ],
    [ 'connector.server', server => 'smtp://169.254.169.254' ],
    [ 'connector.server', server => 'smtp://mail.example.com/x' ],
    [ 'connector.from', from => 'Access <a@example.com>' ],
    [ 'connector.from', from => "a\@b\r\nBcc: c\@d" ],
    [ 'connector.subject', subject => '${member.id}' ],
    [ 'connector.text', text => '${user.mail}' ],
    [ 'connector.text', text => '' ],
    [ 'connector.auth.password', auth => { user => 'a', password => 'b' } ],
    [ 'connector.invite', invite => {} ])
{
    my ($field, @change) = @$case;
    my $answer = $stack->admin('POST', '/apps', { name => 'Wrong',
        accessRoles => ['member'], defaultAccessRole => 'member',
        connector => mail_connector(@change) });
    is("$answer->{status} " . ($answer->{json}{error}{field} // ''),
        "400 $field", "mail: $field is refused");
}

$sink->stop;
$stack->done;
