# ngx_scim: see README.md.  Everything that is built goes below build/.
CC       ?= cc
CFLAGS   ?= -O2 -g
WARNINGS  = -std=c11 -Wall -Wextra -Werror
B         = build
CPPFLAGS += -D_GNU_SOURCE -Ingx_module/scim -Isidecar -I$(B)/generated
CORE_PKG  = jansson libutf8proc libcrypto
SIDE_PKG  = $(CORE_PKG) hiredis libcurl

CORE_SRC  = $(wildcard ngx_module/scim/*.c) $(B)/generated/scim_embedded.c
CORE_OBJ  = $(CORE_SRC:%.c=$(B)/obj/%.o)
# sidecar/ holds two programs: scimctl*.c, and the daemon
CTL_SRC   = $(wildcard sidecar/scimctl*.c)
CTL_OBJ   = $(CTL_SRC:%.c=$(B)/obj/%.o)
SIDE_SRC  = $(filter-out sidecar/main.c $(CTL_SRC),$(wildcard sidecar/*.c))
SIDE_OBJ  = $(SIDE_SRC:%.c=$(B)/obj/%.o)
TESTS     = $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/test_*.c))
# what is in tests/ beside tests and fuzz targets is linked into every test
HELP_SRC  = $(filter-out tests/test_% tests/fuzz_%,$(wildcard tests/*.c))
HELP_OBJ  = $(HELP_SRC:%.c=$(B)/obj/%.o)

MODULE    = $(B)/ngx_http_scim_module.so
# the sources that the distribution's nginx was built from (nginx-dev)
NGINX_SRC ?= /usr/share/nginx/src

PACKAGES  = build-essential pkg-config nginx nginx-dev redis-server \
            libhiredis-dev libjansson-dev libcurl4-openssl-dev \
            libutf8proc-dev libssl-dev libpcre2-dev zlib1g-dev
TEST_PACKAGES = libcmocka-dev perl openssl curl redis-tools
FUZZ_PACKAGES = clang libclang-rt-14-dev
BENCH_PACKAGES = wrk perl

all: packages
	@$(MAKE) --no-print-directory programs

programs: $(MODULE) $(B)/scim-sidecar $(B)/scimctl

packages:
	@conf/install-packages $(PACKAGES)

run: all
	@exec conf/run

demo: all
	@exec t/demo

# both at once; who includes the header is compiled again when it changes
$(B)/generated/scim_embedded.c $(B)/generated/scim_embedded.h &: \
    conf/embed.sh $(wildcard conf/redis/*.lua) $(wildcard conf/schemas/*.json)
	@conf/embed.sh $(B)/generated
	@touch $(B)/generated/scim_embedded.c $(B)/generated/scim_embedded.h

$(B)/obj/%.o: %.c | $(B)/generated/scim_embedded.h
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(WARNINGS) -fPIC -MMD -MP -c -o $@ $<

$(B)/scim-sidecar: $(B)/obj/sidecar/main.o $(SIDE_OBJ) $(CORE_OBJ)
	@echo "  LD $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $$(pkg-config --libs $(SIDE_PKG)) -lm

$(B)/scimctl: $(CTL_OBJ) $(SIDE_OBJ) $(CORE_OBJ)
	@echo "  LD $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $$(pkg-config --libs $(SIDE_PKG)) -lm

# The module: the distribution's configure says with which flags nginx' parts
# are compiled (it writes nothing outside $(B)/nginx); the core is the one that
# the sidecar has.  Nginx sources of one's own build it by `config` alone.
# CFLAGS and LDFLAGS come on top, for sanitizers: make B=build/asan
# CFLAGS='-O1 -g -fsanitize=address'
$(B)/nginx/settings: FORCE
	@mkdir -p $(@D)
	@echo '$(NGINX_SRC) $(CFLAGS) $(LDFLAGS)' | cmp -s - $@ \
	    || echo '$(NGINX_SRC) $(CFLAGS) $(LDFLAGS)' > $@

$(B)/nginx/Makefile: config $(B)/nginx/settings | $(B)/generated/scim_embedded.h
	@test -x $(NGINX_SRC)/configure \
	    || { echo '$(NGINX_SRC)/configure is missing: install nginx-dev'; exit 1; }
	@echo "configuring nginx"
	@cd $(NGINX_SRC) && bash -c '. ./conf_flags; exec ./configure \
	    "$${NGX_CONF_FLAGS[@]}" --with-cc-opt="$$2" --with-ld-opt="$$3" \
	    --builddir="$$0/nginx" --add-dynamic-module="$$1"' \
	    $(abspath $(B)) $(CURDIR) '$(CFLAGS)' '$(LDFLAGS)' \
	    > $(abspath $(B))/nginx/configure.log \
	    || { tail -n 5 $(abspath $(B))/nginx/configure.log; exit 1; }

$(B)/nginx/flags: $(B)/nginx/Makefile
	@printf 'include $<\nflags:\n\t@echo $$(CFLAGS) $$(ALL_INCS)\n' \
	    | MAKEFLAGS= $(MAKE) -s -f - flags \
	    | sed 's#-I src/#-I $(NGINX_SRC)/src/#g' > $@

GLUE_OBJ  = $(patsubst %.c,$(B)/obj/%.o,$(wildcard ngx_module/ngx_http_scim_*.c))
$(GLUE_OBJ): $(B)/obj/%.o: %.c $(B)/nginx/flags
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(CC) $$(cat $(B)/nginx/flags) -fPIC -MMD -MP -c -o $@ $<

# which modules the file holds, as nginx' configure wrote it
$(B)/obj/ngx_module/modules.o: $(B)/nginx/flags
	@mkdir -p $(@D)
	@$(CC) $$(cat $<) -fPIC -c -o $@ $(B)/nginx/ngx_http_scim_module_modules.c

$(MODULE): $(GLUE_OBJ) $(B)/obj/ngx_module/modules.o $(CORE_OBJ)
	@echo "  LD $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -shared -o $@ $^ \
	    $$(pkg-config --libs $(CORE_PKG) hiredis) -lm

module: $(MODULE)

# unit tests: one program a file, linked with the core and the sidecar's parts
$(B)/tests/test_%: tests/test_%.c $(HELP_OBJ) $(CORE_OBJ) $(SIDE_OBJ)
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(CC) $(CPPFLAGS) -Itests $(CFLAGS) $(WARNINGS) $(LDFLAGS) -MMD -MP -o $@ $< \
	    $(HELP_OBJ) $(SIDE_OBJ) $(CORE_OBJ) \
	    $$(pkg-config --libs $(SIDE_PKG)) -lcmocka -lm

unit: $(TESTS)
	CMOCKA_MESSAGE_OUTPUT=TAP prove -e '' $(TESTS)

test-packages: packages
	@conf/install-packages $(TEST_PACKAGES)

style:
	@tests/check-style

# everything: style, unit tests, then the whole stack; its tests mostly wait,
# and each has a stack of its own
JOBS ?= 3
test: test-packages
	@$(MAKE) --no-print-directory programs style $(TESTS)
	@CMOCKA_MESSAGE_OUTPUT=TAP prove -It/lib -e '' $(TESTS)
	@prove -j$(JOBS) -It/lib t

# the unit tests under AddressSanitizer and UndefinedBehaviorSanitizer; gcc
# warns of what these add, so that warnings are left to the usual build
sanitize: test-packages
	@$(MAKE) --no-print-directory B=build/sanitize unit \
	    WARNINGS='-std=c11 -w' \
	    CFLAGS='-O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer'

# the whole stack under the same, nginx and its module included: all of t/, or
# what T names.  nginx keeps its configuration until it ends: no leak reports
T ?= t
SANITIZERS = $(shell for library in asan ubsan; do \
    $(CC) -print-file-name=lib$$library.so; done)
sanitize-stack: test-packages
	@$(MAKE) --no-print-directory B=build/asan programs \
	    WARNINGS='-std=c11 -w' LDFLAGS='-fsanitize=address,undefined' \
	    CFLAGS='-O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer'
	@SCIM_BUILD_DIR=$(CURDIR)/build/asan \
	    ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	    LD_PRELOAD='$(SANITIZERS)' prove -It/lib $(T)

# every fuzz target for SECONDS; new finds go to build/fuzz
SECONDS  ?= 10
FUZZ      = $(patsubst tests/fuzz_%.c,%,$(wildcard tests/fuzz_*.c))
$(B)/fuzz/fuzz_%: tests/fuzz_%.c tests/fuzz_core.h $(CORE_SRC) \
    $(wildcard ngx_module/scim/*.h sidecar/*.h) $(B)/generated/scim_embedded.h
	@mkdir -p $(@D)
	@echo "  LD $@"
	@clang $(CPPFLAGS) -std=c11 -O1 -g -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=undefined -o $@ $< $(CORE_SRC) $(SIDE_SRC) \
	    $$(pkg-config --libs $(SIDE_PKG)) -lm

fuzz: packages
	@conf/install-packages $(FUZZ_PACKAGES)
	@for target in $(FUZZ); do \
	    $(MAKE) --no-print-directory $(B)/fuzz/fuzz_$$target || exit 1; \
	    mkdir -p $(B)/fuzz/$$target tests/corpus/fuzz_$$target; \
	    echo "fuzz $$target for $(SECONDS) s"; \
	    $(B)/fuzz/fuzz_$$target -max_total_time=$(SECONDS) -timeout=10 \
	        -print_final_stats=0 -verbosity=0 \
	        -artifact_prefix=$(B)/fuzz/$$target- \
	        $(B)/fuzz/$$target tests/corpus/fuzz_$$target || exit 1; \
	done

# options of t/bench/run, as in: make bench BENCH='--only invites,access'
BENCH    ?=
LIMITS    = $(patsubst t/bench/%.c,$(B)/bench/%,$(wildcard t/bench/*.c))
$(B)/bench/%: t/bench/%.c $(CORE_OBJ)
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(WARNINGS) $(LDFLAGS) -o $@ $< $(CORE_OBJ) \
	    $$(pkg-config --libs $(SIDE_PKG)) -lm

bench: all
	@conf/install-packages $(BENCH_PACKAGES)
	@$(MAKE) --no-print-directory $(LIMITS)
	@exec t/bench/run $(BENCH)

# for packages: DESTDIR; a file of settings that is there already stays
DESTDIR    ?=
bindir     ?= /usr/bin
modulesdir ?= /usr/lib/nginx/modules
sysconfdir ?= /etc/scim
unitdir    ?= /lib/systemd/system
datadir    ?= /usr/share/ngx_scim
install: programs
	install -D -m 644 $(MODULE) $(DESTDIR)$(modulesdir)/ngx_http_scim_module.so
	install -D -m 755 -t $(DESTDIR)$(bindir) $(B)/scim-sidecar $(B)/scimctl
	install -D -m 644 -t $(DESTDIR)$(unitdir) conf/scim-sidecar@.service
	install -D -m 644 -t $(DESTDIR)$(datadir) conf/nginx.conf conf/redis.conf \
	    conf/sidecar.conf
	install -D -m 644 -t $(DESTDIR)$(datadir)/apps conf/apps/*
	test -e $(DESTDIR)$(sysconfdir)/sidecar.conf \
	    || install -D -m 640 -t $(DESTDIR)$(sysconfdir) conf/sidecar.conf

clean:
	rm -rf $(B)

FORCE:

.SECONDARY: $(HELP_OBJ)

.PHONY: all programs packages run demo module unit test-packages style test \
    sanitize sanitize-stack fuzz bench install clean FORCE
-include $(shell find $(B) -name '*.d' 2>/dev/null)
