#!/usr/bin/perl
# The module lives in another's process: it shows no names but its own.
use strict;
use warnings;
use FindBin;
use Test::More;

my $module = ($ENV{SCIM_BUILD_DIR} // "$FindBin::Bin/../build")
    . '/ngx_http_scim_module.so';
my @names = map { (split)[2] } qx(nm -D --defined-only '$module');
ok(scalar(grep { $_ eq 'ngx_http_scim_module' } @names),
    'nginx finds the module');
# linkers add marks of their own to every library
is(join(' ', grep { !/^(?:ngx_|scim_|__bss_start$|_edata$|_end$)/ } @names), '',
    'every symbol has our prefix or nginx\'');
done_testing();
