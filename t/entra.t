#!/usr/bin/perl
# A provisioning cycle as Entra ID plays it, once in its default dialect and
# once with the aadOptscim062020 flag: both must leave the same directory and
# the same people in the app.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use EntraStory;
use Test::More;
use TestScim;

my $stack = TestScim->start;
my $default = EntraStory::play($stack, 'entra');
is(EntraStory::play($stack, 'entra-flag', flag => 1), $default,
    'both dialects end in the same state');
like($default, qr/"department":"E"/, '... which is what was asked for');
like($default, qr/"phoneNumbers":\[\{"type":"mobile","value":"\+49 1"\}\]/,
    '... with the new phone number');
like($default, qr/"roles":\[\{"primary":true,"value":"r1"\}\]/,
    '... and role');
unlike($default, qr/manager|nickName/, '... and without what was cleared');
$stack->done;
