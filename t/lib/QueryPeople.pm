package QueryPeople;

# A stack with four people and a team that queries can tell apart, and short
# ways to ask for them:
#   my ($ann, $bob, $cid, $dee, $group) = start_people();    their ids
#   names(query, path)        who is found, by name, in the order of the answer
#   finds(filter, expected)   a test: these names, sorted
#   bad_filter(filter)        a test: 400 invalidFilter; the answer
#   make(name, attributes)    one more person
use strict;
use warnings;
use Exporter 'import';
use JSON::PP;
use Test::More;
use TestScim;

our @EXPORT = qw($stack %name_of $user_schema $enterprise start_people make
    names finds bad_filter);
our ($stack, %name_of);
our $user_schema = TestScim::core_schema('User');
our $enterprise =
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';

sub make {
    my ($name, %attributes) = @_;
    my $id = $stack->must('scim', 'POST', '/Users', { schemas =>
        [$user_schema], userName => $name, %attributes })->{id};
    $name_of{$id} = $name;
    return $id;
}


# Who a query finds, in the order of the answer.
sub names {
    my ($query, $path) = @_;
    my $answer = $stack->answers($query, 200, 'GET', ($path // '/Users')
        . "?$query");
    return join ' ', map { $name_of{ $_->{id} } // $_->{id} }
        @{ $answer->{json}{Resources} // [] };
}


sub finds {
    my ($filter, $expected) = @_;
    is(join(' ', sort split ' ', names('count=100&filter='
        . TestScim::escape($filter))), $expected, "... finds $expected");
}


sub bad_filter {
    my ($filter) = @_;
    return $stack->answers('refused: ' . substr($filter, 0, 60), 400,
        ['invalidFilter'], 'GET', '/Users?filter='
        . TestScim::escape($filter));
}


sub start_people {
    $stack = TestScim->start;
    my $ann = make('ann', title => 'Lead', externalId => 'abc', name => {
        familyName => 'Zimmer', givenName => 'Ann' }, emails => [
        { value => 'ann@x', type => 'home' }, { value => 'ann@work',
        type => 'work', primary => JSON::PP::true } ], $enterprise => {
        department => 'D', manager => { value => 'boss' } });
    my $bob = make('Bob', name => { familyName => 'adams' },
        active => JSON::PP::false, emails => [
        { value => 'bob@x', type => 'work' } ], nickName => 'B');
    my $cid = make('cid', title => 'Chief', externalId => 'ABC',
        name => { familyName => 'Miller' }, phoneNumbers => [ { value =>
        '+49 1', type => 'mobile' } ]);
    my $dee = make("d\x{e9}e \"q\" \\ \x{1f600}", title => 'lead');
    $name_of{$dee} = 'dee';
    return ($ann, $bob, $cid, $dee, $stack->group('Team', $ann, $bob));
}

1;
