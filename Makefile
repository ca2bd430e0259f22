# SPDX-License-Identifier: MIT
# One non-recursive Makefile. Everything it makes lies below build/; build/release is what is installed.
VERSION := 0.1.0

prefix ?= /usr/local
bindir ?= $(prefix)/bin
libdir ?= $(prefix)/lib
datadir ?= $(prefix)/share
mandir ?= $(datadir)/man
sysconfdir ?= $(if $(filter /usr,$(prefix)),/etc,$(prefix)/etc)

CC ?= cc
BUILD ?= build/release
PKGS_BROKER := libargon2 libsodium dbus-1 sqlite3 inih libutf8proc
PKGS_CLI := libsodium dbus-1 jansson libutf8proc

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual -Wstrict-prototypes \
	-Wmissing-prototypes -Wswitch-enum -Wvla -Wformat=2 -Wnull-dereference
INCLUDES := -I. -Iinclude -Ibroker -I$(BUILD)
DEFINES := -D_GNU_SOURCE -DSPAREKEY_VERSION='"$(VERSION)"' -DSYSCONFDIR='"$(sysconfdir)"' -DBINDIR='"$(bindir)"'
CFLAGS ?= -O2 -g
HARDENING := -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE
LINKING := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
ALL_CFLAGS = -std=c17 $(WARNINGS) $(INCLUDES) $(DEFINES) -fvisibility=hidden -pthread \
	$(shell pkg-config --cflags $(PKGS_BROKER) $(PKGS_CLI)) $(HARDENING) $(CFLAGS) $(EXTRA_CFLAGS)

PROTOCOL := $(wildcard protocol/*.c)
BROKER := $(wildcard broker/*.c broker/*/*.c)
CLIENT := $(wildcard client/*.c)
CLI := $(wildcard cli/*.c)

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

all: $(BUILD)/sparekeyd $(BUILD)/sparekey

# The interface XML, embedded for Introspect.
INTERFACES := Manager Verifier Password
XML := $(INTERFACES:%=dbus/org.sparekey.Broker1.%.xml)

$(BUILD)/gen/introspect_xml.h: Makefile
	@mkdir -p $(@D)
	@for name in manager verifier password; do echo "extern const char introspect_$$name[];"; done > $@

$(BUILD)/gen/introspect_xml.c: $(XML) dbus/embed.awk $(BUILD)/gen/introspect_xml.h
	@mkdir -p $(@D)
	awk -f dbus/embed.awk $(XML) > $@

$(BUILD)/obj/gen/introspect_xml.o: $(BUILD)/gen/introspect_xml.c
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) $(ALL_CFLAGS) -c -o $@ $<

$(call objects,$(BROKER)): | $(BUILD)/gen/introspect_xml.h

$(BUILD)/sparekeyd: $(call objects,$(BROKER) $(PROTOCOL)) $(BUILD)/obj/gen/introspect_xml.o
	@echo "  CC $@"; $(CC) $(ALL_CFLAGS) $(LINKING) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(PKGS_BROKER))

$(BUILD)/sparekey: $(call objects,$(CLI) $(CLIENT) $(PROTOCOL))
	@echo "  CC $@"; $(CC) $(ALL_CFLAGS) $(LINKING) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(PKGS_CLI))

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Unit tests: tests/unit/test_X.c and the objects units.mk names for it, nothing more.
include tests/unit/units.mk
UNITS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))

units: $(UNITS)

.SECONDEXPANSION:
$(BUILD)/unit/test_%: $(BUILD)/obj/tests/unit/test_%.o $$(call objects,$$(unit_$$*))
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) $(ALL_CFLAGS) $(LINKING) $(LDFLAGS) $(UNIT_LDFLAGS_$*) -o $@ $^ $(shell pkg-config --libs cmocka $(PKGS_BROKER))

# Tests. The last line of each is "N passed, N failed", true over all suites it ran.
TOTALS := $(BUILD)/totals.json
RUN := tests/support/run-tests --totals $(TOTALS) --label $(notdir $(BUILD))
INTEGRATION := $(filter-out tests/integration/support.py,$(wildcard tests/integration/test_*.py))

run-units: units
	@$(RUN) --unit $(UNITS) || true

run-integration: all
	@SPAREKEY_BUILD=$(BUILD) $(if $(SANITIZER),SPAREKEY_SANITIZER=1) $(RUN) --timeout 600 --python $(INTEGRATION) || true

MAN := $(wildcard man/*.[1-9])
run-checks: all
	@$(RUN) --check tests/checks/layers $(if $(MAN),"mandoc -Tlint -W warning $(MAN)") \
		"SPAREKEY_BUILD=$(BUILD) tests/checks/readme-tour" || true

check:
	@rm -f $(TOTALS)
	@$(MAKE) --no-print-directory all units
	@$(MAKE) --no-print-directory run-units
	@$(MAKE) --no-print-directory run-integration
	@$(MAKE) --no-print-directory run-checks
	@tests/support/run-tests --summary $(TOTALS)

# ASan and UBSan over all tests; the worker pool and the loop under TSan.
ASAN := CC=$(CC) BUILD=build/asan CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer" \
	HARDENING="-fPIE" SANITIZER=1
TSAN := CC=$(CC) BUILD=build/tsan CFLAGS="-O1 -g -fsanitize=thread" HARDENING="-fPIE"

asan:
	@$(MAKE) --no-print-directory $(ASAN) check
tsan:
	@rm -f build/tsan/totals.json
	@$(MAKE) --no-print-directory $(TSAN) $(addprefix build/tsan/unit/,test_loop test_workers)
	@$(MAKE) --no-print-directory $(TSAN) UNITS="$(addprefix build/tsan/unit/,test_loop test_workers)" run-units
	@tests/support/run-tests --summary build/tsan/totals.json

# Everything CI runs: gcc with all suites, clang's units, ASan and UBSan over all, TSan for loop and workers.
check-all:
	@rm -f build/totals.json
	@$(MAKE) --no-print-directory TOTALS=build/totals.json run-units
	@$(MAKE) --no-print-directory TOTALS=build/totals.json run-integration
	@$(MAKE) --no-print-directory TOTALS=build/totals.json run-checks
	@$(MAKE) --no-print-directory CC=clang BUILD=build/clang TOTALS=build/totals.json run-units
	@$(MAKE) --no-print-directory -j2 $(ASAN) TOTALS=build/totals.json all units
	@$(MAKE) --no-print-directory $(ASAN) TOTALS=build/totals.json run-units
	@$(MAKE) --no-print-directory $(ASAN) TOTALS=build/totals.json run-integration
	@$(MAKE) --no-print-directory $(TSAN) $(addprefix build/tsan/unit/,test_loop test_workers)
	@$(MAKE) --no-print-directory $(TSAN) TOTALS=build/totals.json UNITS="$(addprefix build/tsan/unit/,test_loop test_workers)" run-units
	@tests/support/run-tests --summary build/totals.json

layers:
	tests/checks/layers

SOURCES := $(shell git ls-files '*.c' '*.h' 2>/dev/null)
format:
	clang-format -i $(SOURCES)

tidy: $(BUILD)/gen/introspect_xml.h
	clang-tidy --quiet $(BROKER) $(PROTOCOL) $(CLIENT) $(CLI) -- -std=c17 $(INCLUDES) $(DEFINES) \
		$(shell pkg-config --cflags $(PKGS_BROKER) $(PKGS_CLI))

# Installation. DESTDIR is put before every path, and stands in none.
dbusdir ?= $(datadir)/dbus-1
systemduserunitdir ?= $(prefix)/lib/systemd/user
docdir ?= $(datadir)/doc/sparekey
pamdir ?= $(libdir)/security

$(BUILD)/%: dbus/%.in Makefile
	@mkdir -p $(@D)
	sed 's|@bindir@|$(bindir)|g' $< > $@

UNITFILES := $(BUILD)/org.sparekey.Broker1.service $(BUILD)/sparekeyd.service

install: all $(UNITFILES)
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(dbusdir)/interfaces $(DESTDIR)$(dbusdir)/services \
		$(DESTDIR)$(systemduserunitdir) $(DESTDIR)$(docdir) $(DESTDIR)$(mandir)/man1 $(DESTDIR)$(mandir)/man8
	install -m 755 $(BUILD)/sparekey $(BUILD)/sparekeyd $(DESTDIR)$(bindir)
	install -m 644 $(XML) $(DESTDIR)$(dbusdir)/interfaces
	install -m 644 $(BUILD)/org.sparekey.Broker1.service $(DESTDIR)$(dbusdir)/services
	install -m 644 $(BUILD)/sparekeyd.service $(DESTDIR)$(systemduserunitdir)
	install -m 644 man/sparekey.1 $(DESTDIR)$(mandir)/man1
	install -m 644 man/sparekeyd.8 $(DESTDIR)$(mandir)/man8
	install -m 644 README.md LICENSE docs/THREATS.md $(DESTDIR)$(docdir)

uninstall:
	rm -f $(DESTDIR)$(bindir)/sparekey $(DESTDIR)$(bindir)/sparekeyd \
		$(XML:dbus/%=$(DESTDIR)$(dbusdir)/interfaces/%) \
		$(DESTDIR)$(dbusdir)/services/org.sparekey.Broker1.service \
		$(DESTDIR)$(systemduserunitdir)/sparekeyd.service \
		$(DESTDIR)$(mandir)/man1/sparekey.1 $(DESTDIR)$(mandir)/man8/sparekeyd.8
	rm -rf $(DESTDIR)$(docdir)

clean:
	rm -rf build

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
.PHONY: all units check check-all run-units run-integration run-checks asan tsan layers format tidy install uninstall clean
.DELETE_ON_ERROR:
