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
PKGS_CLI := libsodium dbus-1 jansson libutf8proc libbsd

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

clean:
	rm -rf build

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
.PHONY: all units clean
