#!/usr/bin/perl
# Who leaves loses everything, and has it back when they return in time; what
# operators granted does not wait for ever.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use MockApp;
use Test::More;
use TestScim;

my $app = MockApp->start;
my $other = MockApp->start;
my $stack = TestScim->start;
my $ann = $stack->user('ann');
my $bob = $stack->user('bob');
my $id = $stack->app($app->connector);
my $short = $stack->app($other->connector, name => 'Short',
    restoreDays => 0.00002); # 1.7 s
my $partners = $stack->must('admin', 'POST', '/teams',
    { name => 'Partners' })->{id};
$stack->share($id, "users/$ann", 'editor');
$stack->share($short, "users/$ann", 'editor');
$stack->share($id, "teams/$partners", 'viewer');
is($stack->admin('PUT', "/teams/$partners/members/$bob")->{status}, 204,
    'a place in a manual team');
$stack->wait_is(sub { $app->roles }, 'ann:editor bob:viewer', 'all are in');
$stack->wait_is(sub { $other->roles }, 'ann:editor', 'in both apps');

sub shares {
    my ($app_id) = @_;
    return join ' ', sort map { "$_->{type}:$_->{id}" }
        @{ $stack->must('admin', 'GET', "/apps/$app_id/shares")->{shares} };
}


sub why {
    my ($app_id, $pattern) = @_;
    return scalar grep { $_->{app} eq $app_id && $_->{why} =~ $pattern } @{
        $stack->must('admin', 'GET', '/audit?limit=1000')->{entries} };
}


# within the window: as before, by the identity provider's word alone
$stack->set_active($_, 0) for $ann, $bob;
$stack->wait_is(sub { $app->roles . $other->roles }, '', 'both leave');
is(shares($id), join(' ', "team:$partners", "user:$ann"),
    'the shares wait for them');

# beyond it: gone for good, and audited
ok(TestScim::until_true(sub { why($short, qr/not back within/) }),
    'the other app waits for a moment only');
is(shares($short), '', '... its share is gone');
$stack->set_active($_, 1) for $ann, $bob;
$stack->wait_is(sub { $app->roles }, 'ann:editor bob:viewer',
    'back in time: the same again');
$stack->wait_is(sub { why($id, qr/back in time/) }, 1, '... which is audited');
my $cid = $stack->user('cid'); # planned after ann, whatever that takes
$stack->share($short, "users/$cid", 'viewer');
$stack->wait_is(sub { $other->roles }, 'cid:viewer',
    'back too late: nothing of before');

# nothing that the identity provider does touches the shares of who stays
my $team = $stack->group('Editors', $ann);
$stack->share($id, "teams/$team", 'admin');
$stack->wait_is(sub { $app->roles }, 'ann:admin bob:viewer', 'a team on top');
$stack->must('scim', 'DELETE', "/Groups/$team");
$stack->must('scim', 'PATCH', "/Users/$ann", TestScim::patch_body({
    op => 'replace', value => { title => 'Boss' } }));
$stack->wait_is(sub { $app->roles }, 'ann:editor bob:viewer',
    'the individual share is what is left');
is(shares($id), join(' ', "team:$partners", "user:$ann"),
    '... as the operator made it');

# deleted, and made anew: the same person by the externalId
$stack->must('scim', 'DELETE', "/Users/$_") for $ann, $bob;
$stack->wait_is(sub { $app->roles }, '', 'deleted: out');
$stack->wait_is(sub { $stack->team($partners) }, '', '... of the team, too');
my $again = $stack->user('ann');
my $bobby = $stack->user('bobby', externalId => '00ubob');
my $thief = $stack->user('bob', externalId => '00uanother');
$stack->wait_is(sub { $app->roles }, 'ann:editor bobby:viewer',
    'made anew with the same externalId: the same again');
is(shares($id), join(' ', "team:$partners", "user:$again"),
    '... as shares of the new id');
is($stack->team($partners), 'bobby', '... and not by the name');
$_->stop for $app, $other;
$stack->done;
