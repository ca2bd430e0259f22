# SPDX-License-Identifier: MIT
# One non-recursive Makefile. Everything it makes lies below build/; build/release is what is installed.
VERSION := 0.1.0

prefix ?= /usr/local
bindir ?= $(prefix)/bin
libdir ?= $(prefix)/lib
includedir ?= $(prefix)/include
pkgconfigdir ?= $(libdir)/pkgconfig
datadir ?= $(prefix)/share
mandir ?= $(datadir)/man
sysconfdir ?= $(if $(filter /usr,$(prefix)),/etc,$(prefix)/etc)
dbusdir ?= $(datadir)/dbus-1
systemduserunitdir ?= $(prefix)/lib/systemd/user
docdir ?= $(datadir)/doc/sparekey
pamdir ?= $(libdir)/security

# These end up in programs, unit files and shell words, each with a quoting of its own: plain ones only.
DIRECTORIES := prefix bindir libdir includedir pkgconfigdir datadir mandir sysconfdir dbusdir systemduserunitdir docdir pamdir
ODD := ' " ` \ | & ; < > ( ) * ? [ ] { } % @ ! ~ $$ \#
plain = $(and $(filter 1,$(words $(1))),$(filter /%,$(1)),$(if $(strip $(foreach c,$(ODD),$(findstring $(c),$(1)))),,yes))
$(foreach d,$(DIRECTORIES),$(if $(call plain,$($(d))),,$(error $(d)="$($(d))": an absolute path without blanks and \
	special characters is needed. DESTDIR may hold any)))

CC ?= cc
BUILD ?= build/release
PKGS_BROKER := libargon2 libsodium liboath dbus-1 sqlite3 inih libutf8proc
PKGS_CLI := libsodium dbus-1 jansson libutf8proc libqrencode
PKGS_CLIENT := libsodium dbus-1 libutf8proc

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual -Wstrict-prototypes \
	-Wmissing-prototypes -Wswitch-enum -Wvla -Wformat=2 -Wnull-dereference
INCLUDES := -I. -Iinclude -Ibroker -I$(BUILD)
DEFINES := -D_GNU_SOURCE -DSPAREKEY_VERSION='"$(VERSION)"' -DSYSCONFDIR='"$(sysconfdir)"' -DBINDIR='"$(bindir)"'
CFLAGS ?= -O2 -g
HARDENING := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE
LINKING := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
FOREIGN := $(shell pkg-config --cflags $(PKGS_BROKER) $(PKGS_CLI))
ALL_CFLAGS = -std=c17 $(WARNINGS) $(INCLUDES) $(DEFINES) -fvisibility=hidden -pthread $(FOREIGN) $(CPPFLAGS) $(HARDENING) \
	$(CFLAGS) $(EXTRA_CFLAGS)

PROTOCOL := $(wildcard protocol/*.c)
BROKER := $(wildcard broker/*.c broker/*/*.c)
CLIENT := $(wildcard client/*.c)
CLI := $(wildcard cli/*.c)

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

# Installed as they are once the directories stand in them.
GENERATED := $(addprefix $(BUILD)/,libsparekey.pc org.sparekey.Broker1.service sparekeyd.service sparekeyd.8 sparekey.conf)

all: $(BUILD)/sparekeyd $(BUILD)/sparekey $(BUILD)/libsparekey.so $(GENERATED)

# What everything was built with. Another prefix, compiler or flag makes all of it anew, so that no `make install` can put
# programs in place that look for each other somewhere else.
quoted = '$(subst ','\'',$(1))'
CONFIGURATION = $(strip $(CC) $(ALL_CFLAGS) $(LINKING) $(LDFLAGS))
# The same for the directories that stand in no program.
PLACES = $(strip $(foreach d,$(DIRECTORIES),$($(d))))
unlike = $(subst $(1),,$(2))$(subst $(2),,$(1))
$(BUILD)/configuration: $(if $(call unlike,$(CONFIGURATION),$(file <$(BUILD)/configuration)),FORCE)
	@mkdir -p $(@D)
	@printf '%s\n' $(call quoted,$(CONFIGURATION)) > $@
$(BUILD)/places: $(if $(call unlike,$(PLACES),$(file <$(BUILD)/places)),FORCE)
	@mkdir -p $(@D)
	@printf '%s\n' $(call quoted,$(PLACES)) > $@
FORCE:

# The interface XML, embedded for Introspect.
INTERFACES := Manager Verifier Owner Password
XML := $(INTERFACES:%=dbus/org.sparekey.Broker1.%.xml)

$(BUILD)/gen/introspect_xml.h: Makefile
	@mkdir -p $(@D)
	@for name in manager verifier owner password; do echo "extern const char introspect_$$name[];"; done > $@

$(BUILD)/gen/introspect_xml.c: $(XML) dbus/embed.awk $(BUILD)/gen/introspect_xml.h
	@mkdir -p $(@D)
	awk -f dbus/embed.awk $(XML) > $@

# The words of a passphrase.
$(BUILD)/gen/wordlist.h: Makefile
	@mkdir -p $(@D)
	@echo 'enum { WORDLIST_WORDS = 7776, WORDLIST_LETTERS = 9 };' > $@
	@echo 'extern const char wordlist[WORDLIST_WORDS][WORDLIST_LETTERS + 1];' >> $@

$(BUILD)/gen/wordlist.c: data/eff-long.txt data/words.awk $(BUILD)/gen/wordlist.h
	@mkdir -p $(@D)
	LC_ALL=C awk -f data/words.awk data/eff-long.txt > $@

GENERATED_C := introspect_xml wordlist
$(GENERATED_C:%=$(BUILD)/obj/gen/%.o): $(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c $(BUILD)/configuration
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(call objects,$(BROKER)): | $(BUILD)/gen/introspect_xml.h
$(call objects,$(CLI) tests/unit/test_passphrase.c): | $(BUILD)/gen/wordlist.h

$(BUILD)/sparekeyd: $(call objects,$(BROKER) $(PROTOCOL)) $(BUILD)/obj/gen/introspect_xml.o
	@echo "  CC $@"; $(CC) $(ALL_CFLAGS) $(LINKING) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(PKGS_BROKER))

$(BUILD)/sparekey: $(call objects,$(CLI) $(CLIENT) $(PROTOCOL)) $(BUILD)/obj/gen/wordlist.o
	@echo "  CC $@"; $(CC) $(ALL_CFLAGS) $(LINKING) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(PKGS_CLI))

# The library. The tool holds the same objects in itself, so that it needs no path to find one.
SONAME := libsparekey.so.0
$(call objects,$(CLIENT) $(PROTOCOL)): PIC := -fPIC
$(BUILD)/$(SONAME): $(call objects,$(CLIENT) $(PROTOCOL)) client/libsparekey.map
	@echo "  CC $@"; $(CC) $(ALL_CFLAGS) -fPIC -shared -Wl,-soname,$(SONAME) -Wl,--version-script=client/libsparekey.map \
		-Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS) -o $@ $(filter %.o,$^) $(shell pkg-config --libs $(PKGS_CLIENT))
$(BUILD)/libsparekey.so: $(BUILD)/$(SONAME)
	@ln -sf $(SONAME) $@

# A program on the library alone, for the tests of it.
$(BUILD)/probe: $(BUILD)/obj/tests/support/probe.o $(BUILD)/libsparekey.so
	@echo "  CC $@"; $(CC) $(ALL_CFLAGS) $(LINKING) $(LDFLAGS) -Wl,-rpath,'$$ORIGIN' -o $@ $< -L$(BUILD) -lsparekey

# Shims that make the n-th allocation or system call of a whole process fail, for tests/integration/test_faults.py. They
# are no code of ours under sanitizers: a shim stands before the sanitizer's own.
FAILING := $(addprefix $(BUILD)/,fail-alloc.so fail-call.so)
$(BUILD)/fail-%.so: tests/support/fail-%.c tests/support/fail.c tests/support/fail.h $(BUILD)/configuration
	@echo "  CC $@"; $(CC) -std=c17 -D_GNU_SOURCE -I. -O2 -g -Wall -Wextra -fPIC -shared -fvisibility=hidden -pthread \
		-o $@ $(filter %.c,$^)

$(BUILD)/obj/%.o: %.c $(BUILD)/configuration
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) $(ALL_CFLAGS) $(PIC) -MMD -MP -c -o $@ $<

# Unit tests: tests/unit/test_X.c and the objects units.mk names for it, nothing more.
include tests/unit/units.mk
UNITS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))

units: $(UNITS)

# Kept, or make would take them away as steps between.
TEST_SOURCES := $(wildcard tests/unit/*.c tests/support/*.c)
.SECONDARY: $(call objects,$(TEST_SOURCES))

.SECONDEXPANSION:
$(BUILD)/unit/test_%: $(BUILD)/obj/tests/unit/test_%.o $$(call objects,$$(unit_$$*)) tests/unit/units.mk
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) $(ALL_CFLAGS) $(LINKING) $(LDFLAGS) $(UNIT_LDFLAGS_$*) -o $@ $(filter %.o,$^) $(shell pkg-config --libs cmocka $(PKGS_BROKER))

include tests/fuzz/fuzz.mk
# Figures: `make bench`, BENCH_JSON=FILE, BENCH_ROUNDS=N (docs/HACKING.md). Programs that are timed, and libraries preloaded
# into a broker that is only looked at.
bench_hasher := broker/crypto/argon2id.c broker/crypto/phc.c protocol/secret.c
BENCHES := $(addprefix $(BUILD)/bench/,caller committer hasher service starter)
PRELOADS := $(addprefix $(BUILD)/bench/,watched.so count-argon2.so)
BENCH_SOURCES := $(wildcard bench/*.c)
.SECONDARY: $(call objects,$(BENCH_SOURCES))

$(BENCHES): $(BUILD)/bench/%: $(BUILD)/obj/bench/%.o $$(call objects,$$(bench_$$*))
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) $(ALL_CFLAGS) $(LINKING) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(PKGS_BROKER))
$(BUILD)/bench/watched.so: bench/watched.c
$(BUILD)/bench/count-argon2.so: tests/support/count-argon2.c
$(PRELOADS):
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) -std=gnu17 -Wall -Wextra -O2 -fPIC -shared -o $@ $<

bench-programs: all $(BENCHES) $(PRELOADS)
bench: bench-programs
	@bench/run $(BUILD)

# Tests. The last line of each is "N passed, N failed", true over all suites it ran: what fails is counted by run-tests,
# which then says 3; anything else that goes wrong is one more failure.
TOTALS := $(BUILD)/totals.json
LABEL := $(notdir $(BUILD))
JOBS := $(shell nproc)
RUN = tests/support/run-tests --totals $(TOTALS) --label $(LABEL) --jobs $(JOBS)
or_failed = || [ $$? -eq 3 ] || $(RUN) --failed $(1)
SUMMARY = tests/support/run-tests --summary
SUBMAKE = $(MAKE) --no-print-directory
INTEGRATION := $(wildcard tests/integration/test_*.py)

run-units: units
	@$(RUN) --unit $(UNITS) $(call or_failed,"units: run-tests")

run-integration: all $(BUILD)/probe $(FAILING)
	@SPAREKEY_BUILD=$(BUILD) $(if $(SANITIZER),SPAREKEY_SANITIZER=1) $(RUN) --timeout 600 --python $(INTEGRATION) \
		$(call or_failed,"integration: run-tests")

MAN := $(wildcard man/*.[1-9])
SCRIPTS := bootstrap .ci/run examples/demo examples/shell.sh tests/support/fuzz-one
# These look at what was built, so they are told where that is.
BUILT_CHECKS := readme-tour library
run-checks: bench-programs
	@$(RUN) --check $(filter-out $(addprefix tests/checks/,$(BUILT_CHECKS) bench),$(wildcard tests/checks/*)) \
		"mandoc -Tlint -W warning $(MAN)" "shellcheck $(SCRIPTS)" \
		$(foreach check,$(BUILT_CHECKS),"SPAREKEY_BUILD=$(BUILD) tests/checks/$(check)") $(call or_failed,"checks: run-tests")
	@$(RUN) --jobs 1 --check "$(SUBMAKE) tidy" "$(SUBMAKE) analyze" \
		$(if $(SANITIZER),,"SPAREKEY_BUILD=$(BUILD) tests/checks/bench") $(call or_failed,"tidy: run-tests")

# Unit suites under memcheck, leaks included. Left out: store_kill, whose processes die in the middle by design. The check
# also leaves out the long loops of the store (fail the n-th call for n = 1, 2, ...; flip every bit; lose power at every
# write): they take minutes here, and run under ASan.
UNDER_VALGRIND = $(filter-out $(addprefix $(BUILD)/unit/test_,store_kill $(TOO_SLOW)),$(UNITS))
MEMCHECK := valgrind -q --leak-check=full --error-exitcode=99
run-valgrind: units
	@$(RUN) --label valgrind --timeout 900 --under "$(MEMCHECK)" --unit $(UNDER_VALGRIND) \
		$(call or_failed,"valgrind: run-tests")

valgrind:
	@rm -f $(TOTALS)
	@$(SUBMAKE) run-valgrind $(call or_failed,build)
	@$(SUMMARY) $(TOTALS)

# The large figures of what the check does in small (docs/HACKING.md names them): a day, most of it for the fuzz targets and
# the kills. What fails ends it.
LONG_FUZZ_SECONDS ?= 10000
LONG = SPAREKEY_BUILD=$(BUILD) $(1) /usr/bin/python3 -B tests/integration/$(2) -v
check-long: all units $(BUILD)/probe $(FAILING)
	SPAREKEY_LOSSES=100000 $(BUILD)/unit/test_store_power
	SPAREKEY_HOSTILE=all $(BUILD)/unit/test_store_hostile
	$(call LONG,SPAREKEY_FAULTS=all,test_faults.py)
	$(call LONG,SPAREKEY_LONG=1,test_limits.py)
	$(call LONG,SPAREKEY_KILLS=20000 SPAREKEY_RACES=1000000,test_promises.py Durability)
	$(SUBMAKE) fuzz FUZZ_SECONDS=$(LONG_FUZZ_SECONDS)

# One build's suites; where it does not build, that is the one failure.
suites:
	@if $(SUBMAKE) -j$(JOBS) all units replays; then \
		$(SUBMAKE) run-units && $(SUBMAKE) run-corpus && $(SUBMAKE) run-integration; \
		else $(RUN) --failed build; false; fi

check:
	@rm -f $(TOTALS)
	-@$(SUBMAKE) suites && $(SUBMAKE) run-checks
	@$(SUMMARY) $(TOTALS)

# ASan and UBSan over all tests; the worker pool and the loop under TSan.
ASAN := CC=$(CC) BUILD=build/asan CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer" \
	HARDENING="-fPIE" SANITIZER=1
TSAN := CC=$(CC) BUILD=build/tsan CFLAGS="-O1 -g -fsanitize=thread" HARDENING="-fPIE" \
	UNITS="$(addprefix build/tsan/unit/,test_loop test_workers)"

asan:
	@$(SUBMAKE) $(ASAN) check
tsan:
	@rm -f build/tsan/totals.json
	@$(SUBMAKE) $(TSAN) TOTALS=build/tsan/totals.json run-units $(call or_failed,build)
	@$(SUMMARY) build/tsan/totals.json

# Everything CI runs: gcc with all suites and checks, memcheck, clang's units, ASan and UBSan over all, the fuzz targets, TSan for
# loop and workers. With nothing that builds nothing else is tried.
ALL := TOTALS=build/totals.json
WERROR := EXTRA_CFLAGS="-Werror $(EXTRA_CFLAGS)"
check-all:
	@rm -f build/totals.json
	-@$(SUBMAKE) $(ALL) $(WERROR) suites && { \
		$(SUBMAKE) $(ALL) $(WERROR) run-checks $(call or_failed,checks); \
		$(SUBMAKE) $(ALL) $(WERROR) TOO_SLOW="random store_fault store_damage store_power store_hostile" run-valgrind \
			$(call or_failed,valgrind); \
		$(SUBMAKE) $(ALL) $(WERROR) CC=clang BUILD=build/clang -j$(JOBS) all units && \
			$(SUBMAKE) $(ALL) $(WERROR) CC=clang BUILD=build/clang run-units $(call or_failed,clang); \
		$(SUBMAKE) $(ALL) $(ASAN) suites; \
		$(SUBMAKE) $(ALL) $(WERROR) $(FUZZ) -j$(JOBS) run-fuzz $(call or_failed,fuzz); \
		$(SUBMAKE) $(ALL) $(TSAN) -j$(JOBS) run-units $(call or_failed,tsan); }
	@$(SUMMARY) build/totals.json

layers:
	tests/checks/layers

SOURCES := $(wildcard include/*.h protocol/*.[ch] broker/*.[ch] broker/*/*.[ch] client/*.[ch] cli/*.[ch] tests/unit/*.[ch] \
	tests/support/*.[ch] tests/fuzz/*.[ch] bench/*.[ch])
format:
	clang-format -i $(SOURCES)

# clang-tidy and gcc's analyzer, file by file and only what has changed since: an object is as new as all it includes.
# clang's analyzer gives a function up after so many nodes: its default doubles the time and has found nothing more.
JUDGED := $(PROTOCOL) $(BROKER) $(CLIENT) $(CLI)
tidy:
	@$(MAKE) --no-print-directory -j$(JOBS) tidied
tidied: $(JUDGED:%.c=$(BUILD)/tidy/%.ok)
$(BUILD)/tidy/%.ok: %.c $(BUILD)/obj/%.o .clang-tidy
	@mkdir -p $(@D)
	@echo "  TIDY $<"; clang-tidy --quiet $< -- -std=c17 $(INCLUDES) $(DEFINES) $(FOREIGN:-I%=-isystem%) \
		-Xclang -analyzer-config -Xclang max-nodes=50000 2>$@.log || { cat $@.log; exit 1; }
	@mv $@.log $@

# The leak gate: clang 14 does not follow cleanup attributes.
ANALYZE := CC=gcc BUILD=build/analyze CFLAGS="-O2 -fanalyzer -Werror"
analyze:
	@$(MAKE) --no-print-directory -j$(JOBS) $(ANALYZE) judged
judged: $(call objects,$(JUDGED))

# Installation. DESTDIR is put before every path, and stands in none. What the installer's umask hides others could not run;
# directories that exist keep their modes.
$(BUILD)/%: dbus/%.in $(BUILD)/places
	@echo "  GEN $@"; sed 's|@bindir@|$(bindir)|g' $< > $@
$(BUILD)/libsparekey.pc: client/libsparekey.pc.in $(BUILD)/places
	@echo "  GEN $@"; sed 's|@prefix@|$(prefix)|g; s|@libdir@|$(libdir)|g; s|@includedir@|$(includedir)|g; s|@version@|$(VERSION)|g' $< > $@
$(BUILD)/sparekeyd.8: man/sparekeyd.8 $(BUILD)/places
	@echo "  GEN $@"; sed 's|/etc/sparekey/|$(sysconfdir)/sparekey/|g' $< > $@
$(BUILD)/sparekey.conf: docs/sparekey.conf $(BUILD)/places
	@echo "  GEN $@"; sed 's|/etc/sparekey/|$(sysconfdir)/sparekey/|g' $< > $@

DOCS := README.md LICENSE docs/THREATS.md $(BUILD)/sparekey.conf
to = $(call quoted,$(DESTDIR)$(1))

install: all
	umask 022 && mkdir -p $(call to,$(bindir)) $(call to,$(libdir)) $(call to,$(includedir)) $(call to,$(pkgconfigdir)) $(call to,$(dbusdir)/interfaces) $(call to,$(dbusdir)/services) \
		$(call to,$(systemduserunitdir)) $(call to,$(docdir)) $(call to,$(mandir)/man1) $(call to,$(mandir)/man3) \
		$(call to,$(mandir)/man8)
	install -m 755 $(BUILD)/sparekey $(BUILD)/sparekeyd $(call to,$(bindir))
	install -m 644 $(BUILD)/$(SONAME) $(call to,$(libdir))
	ln -sf $(SONAME) $(call to,$(libdir)/libsparekey.so)
	install -m 644 include/sparekey.h $(call to,$(includedir))
	install -m 644 $(BUILD)/libsparekey.pc $(call to,$(pkgconfigdir))
	install -m 644 $(XML) $(call to,$(dbusdir)/interfaces)
	install -m 644 $(BUILD)/org.sparekey.Broker1.service $(call to,$(dbusdir)/services)
	install -m 644 $(BUILD)/sparekeyd.service $(call to,$(systemduserunitdir))
	install -m 644 man/sparekey.1 $(call to,$(mandir)/man1)
	install -m 644 man/sparekey.3 $(call to,$(mandir)/man3)
	install -m 644 $(BUILD)/sparekeyd.8 $(call to,$(mandir)/man8)
	install -m 644 $(DOCS) $(call to,$(docdir))

# Takes away what install puts there and no more; settings and passwords stay.
uninstall:
	rm -f $(call to,$(bindir)/sparekey) $(call to,$(bindir)/sparekeyd) \
		$(call to,$(libdir)/$(SONAME)) $(call to,$(libdir)/libsparekey.so) $(call to,$(includedir)/sparekey.h) \
		$(call to,$(pkgconfigdir)/libsparekey.pc) $(call to,$(mandir)/man3/sparekey.3) \
		$(foreach file,$(notdir $(XML)),$(call to,$(dbusdir)/interfaces/$(file))) \
		$(call to,$(dbusdir)/services/org.sparekey.Broker1.service) $(call to,$(systemduserunitdir)/sparekeyd.service) \
		$(call to,$(mandir)/man1/sparekey.1) $(call to,$(mandir)/man8/sparekeyd.8) \
		$(foreach file,$(notdir $(DOCS)),$(call to,$(docdir)/$(file)))
	[ ! -d $(call to,$(docdir)) ] || rmdir --ignore-fail-on-non-empty $(call to,$(docdir))

clean:
	rm -rf build

-include $(patsubst %.c,$(BUILD)/obj/%.d,$(PROTOCOL) $(BROKER) $(CLIENT) $(CLI) $(TEST_SOURCES) $(BENCH_SOURCES)) \
	$(GENERATED_C:%=$(BUILD)/obj/gen/%.d)
.PHONY: all units bench bench-programs check check-all check-long suites run-units run-integration run-checks run-valgrind \
	valgrind asan tsan layers format tidy tidied analyze judged install uninstall \
	clean
.DELETE_ON_ERROR:
