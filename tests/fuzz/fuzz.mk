# SPDX-License-Identifier: MIT
# Fuzz targets: tests/fuzz/NAME.c and the objects named for it. Each is linked with libFuzzer, to find new inputs, and with
# replay.c, to run those of tests/fuzz/corpus/NAME once more in any build.
fuzz_words := protocol/password.c protocol/secret.c protocol/scope.c cli/when.c
fuzz_stored := broker/crypto/phc.c broker/config.c broker/service/settings.c protocol/scope.c protocol/label.c
fuzz_label := protocol/label.c broker/base/log.c cli/fit.c
fuzz_messages := $(CLIENT) $(PROTOCOL)
fuzz_calls := $(filter-out broker/main.c broker/broker.c broker/harden.c,$(BROKER)) $(PROTOCOL) gen/introspect_xml.c
FUZZ_LDFLAGS_calls := -Wl,--wrap=argon2id_hash,--wrap=argon2id_check,--wrap=log_event,--wrap=workers_submit

FUZZ_TARGETS := words stored label messages calls
FUZZ_SHARED := $(addprefix tests/fuzz/,source.c faults.c compose.c)
FUZZ_FAULTS := malloc calloc realloc strdup getrandom read preadv2 pipe2 dbus_message_iter_append_basic \
	dbus_message_iter_open_container dbus_message_new_method_call dbus_message_new_method_return dbus_message_new_error \
	dbus_message_new_signal dbus_connection_send
# What the harness itself does is not worth guiding by, and would be most of the work.
$(call objects,$(wildcard tests/fuzz/*.c)): PIC := $(if $(findstring fuzzer,$(CFLAGS)),-fno-sanitize=fuzzer-no-link)
FUZZ_WRAP := $(FUZZ_FAULTS:%=-Wl,--wrap=%)
FUZZ_LINK = @mkdir -p $(@D); echo "  CC $@"; $(CC) $(ALL_CFLAGS) $(LINKING) $(LDFLAGS) $(FUZZ_WRAP) $(FUZZ_LDFLAGS_$*) -o $@ \
	$(filter %.o,$^) $(shell pkg-config --libs $(PKGS_BROKER))
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $$(call objects,$$(fuzz_$$*) $(FUZZ_SHARED))
	$(FUZZ_LINK) -fsanitize=fuzzer
$(BUILD)/replay/%: $(BUILD)/obj/tests/fuzz/%.o $$(call objects,$$(fuzz_$$*) $(FUZZ_SHARED) tests/fuzz/replay.c)
	$(FUZZ_LINK)

replays: $(FUZZ_TARGETS:%=$(BUILD)/replay/%)
run-corpus: replays
	@$(RUN) --check $(foreach t,$(FUZZ_TARGETS),"$(BUILD)/replay/$t tests/fuzz/corpus/$t") $(call or_failed,"corpus: run-tests")

# `make fuzz`: each target for FUZZ_SECONDS; FUZZ_TARGETS=... chooses. What is worth keeping goes to build/fuzz/found/TARGET,
# what ends a target to build/fuzz/TARGET-*, what it said to build/fuzz/TARGET.log.
FUZZ_SECONDS ?= 60
FUZZ_JOBS ?= 3
FUZZ := CC=clang BUILD=build/fuzz HARDENING="-fPIE" CFLAGS="-O1 -g -fno-omit-frame-pointer \
	-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined"
run-fuzz: $(FUZZ_TARGETS:%=$(BUILD)/fuzz/%)
	@$(RUN) --label fuzz --jobs $(FUZZ_JOBS) --timeout $$(($(FUZZ_SECONDS) + 120)) --check \
		$(foreach t,$(FUZZ_TARGETS),"tests/support/fuzz-one $(BUILD) $t $(FUZZ_SECONDS)") $(call or_failed,"fuzz: run-tests")
	@cd $(BUILD) && grep -H -o '^#.*DONE.*corp' $(FUZZ_TARGETS:%=%.log) || :
fuzz:
	@rm -f build/fuzz/totals.json
	-@$(SUBMAKE) $(FUZZ) TOTALS=build/fuzz/totals.json -j$(JOBS) run-fuzz
	@$(SUMMARY) build/fuzz/totals.json

TEST_SOURCES += $(wildcard tests/fuzz/*.c)
.SECONDARY: $(call objects,$(wildcard tests/fuzz/*.c))
.PHONY: replays run-corpus run-fuzz fuzz

# `make cov`: which lines the unit and integration tests run; the table goes to docs/coverage.txt, what never ran to
# build/cov/lines.txt. Left out: installation, which builds anew for another prefix, and what fails allocations of the program,
# gcov's own among them.
COV = CC=gcc BUILD=build/cov TOTALS=build/cov/totals.json HARDENING="-fPIE" LDFLAGS=--coverage \
	CFLAGS="-O0 -g --coverage -fprofile-update=atomic" INTEGRATION="$(filter-out %/test_install.py %/test_faults.py,$(INTEGRATION))"
cov:
	@[ ! -d build/cov ] || find build/cov -name '*.gcda' -delete
	@rm -f build/cov/totals.json
	-@$(SUBMAKE) $(COV) suites
	@tests/support/coverage build/cov --lines > build/cov/lines.txt || echo "cov: below the goal"
	@sed '/^[a-z].*:[0-9]*$$/d' build/cov/lines.txt | tee docs/coverage.txt
	@$(SUMMARY) build/cov/totals.json
.PHONY: cov
