# SPDX-License-Identifier: MIT
# What each unit test links, besides itself: only the module it tests and what that module stands on.

# protocol
unit_secret := protocol/secret.c
UNIT_LDFLAGS_secret := -Wl,--wrap=calloc,--wrap=sodium_malloc,--wrap=preadv2
unit_password := protocol/password.c protocol/secret.c
unit_label := protocol/label.c
unit_main_password := protocol/main_password.c protocol/secret.c tests/support/own_stack.c
unit_scope := protocol/scope.c
unit_error := protocol/error.c
unit_codec := protocol/codec.c protocol/label.c protocol/scope.c

# broker/bus
unit_dispatch := broker/bus/dispatch.c broker/base/loop.c broker/base/clock.c
unit_refusal := broker/bus/error.c protocol/error.c broker/base/log.c broker/base/loop.c broker/base/clock.c
UNIT_LDFLAGS_refusal := -Wl,--wrap=dbus_message_new_error,--wrap=dbus_connection_send,--wrap=dbus_connection_close

# broker/service
unit_penalty := broker/service/penalty.c
UNIT_LDFLAGS_penalty := -Wl,--wrap=reallocarray

# the whole room, and the rooms it stands on
unit_sweep := $(filter broker/service/% broker/store/% broker/crypto/% broker/base/%,$(BROKER)) \
	$(filter-out protocol/codec.c,$(PROTOCOL)) tests/support/store_files.c
UNIT_LDFLAGS_sweep := -Wl,--wrap=statvfs

# broker/base
unit_loop := broker/base/loop.c broker/base/clock.c
unit_workers := broker/base/workers.c broker/base/loop.c broker/base/clock.c
unit_log := broker/base/log.c

# broker/crypto
unit_phc := broker/crypto/phc.c
unit_argon2id := broker/crypto/argon2id.c broker/crypto/phc.c protocol/secret.c
UNIT_LDFLAGS_argon2id := -Wl,--wrap=mmap,--wrap=munmap,--wrap=madvise
unit_random := broker/crypto/random.c protocol/password.c protocol/secret.c
UNIT_LDFLAGS_random := -Wl,--wrap=getrandom
unit_totp := broker/crypto/totp.c protocol/secret.c tests/support/own_stack.c
UNIT_LDFLAGS_totp := -Wl,--wrap=oath_init,--wrap=oath_totp_generate,--wrap=getpwuid
unit_seal := broker/crypto/seal.c broker/crypto/argon2id.c broker/crypto/phc.c broker/crypto/random.c protocol/secret.c
UNIT_LDFLAGS_seal := -Wl,--wrap=argon2id_hash,--wrap=getrandom
unit_recovery := broker/crypto/recovery.c broker/crypto/argon2id.c broker/crypto/phc.c broker/crypto/random.c \
	protocol/password.c protocol/secret.c
UNIT_LDFLAGS_recovery := -Wl,--wrap=argon2id_hash,--wrap=random_symbols,--wrap=random_bytes,--wrap=sodium_malloc
unit_warm := broker/crypto/warm.c broker/crypto/random.c protocol/secret.c
UNIT_LDFLAGS_warm := -Wl,--wrap=sodium_malloc,--wrap=getrandom

# broker
unit_config := broker/config.c broker/service/settings.c protocol/scope.c protocol/label.c
UNIT_LDFLAGS_config := -Wl,--wrap=open

# broker/store: each test takes the whole room, on real files
unit_store := $(wildcard broker/store/*.c) protocol/label.c protocol/scope.c protocol/password.c protocol/secret.c \
	tests/support/store_files.c
unit_store_refusal := $(unit_store)
unit_store_damage := $(unit_store)
unit_store_fault := $(unit_store) tests/support/store_shim.c
unit_store_hostile := $(unit_store)
unit_store_power := $(unit_store_fault) tests/support/store_power.c tests/support/store_power_log.c
unit_store_kill := $(unit_store)
unit_store_plan := $(unit_store)
unit_store_race := $(unit_store)
unit_store_recent := $(unit_store)
unit_store_owner := $(unit_store)
UNIT_LDFLAGS_store_recent := -Wl,--wrap=statfs
UNIT_LDFLAGS_store_race := -Wl,--wrap=fstatat,--wrap=realpath,--wrap=__realpath_chk,--wrap=lstat,--wrap=fsync
UNIT_LDFLAGS_store_fault := -Wl,--wrap=malloc,--wrap=calloc,--wrap=fsync
UNIT_LDFLAGS_store_power := $(UNIT_LDFLAGS_store_fault),--wrap=mkdir,--wrap=mkostemp,--wrap=linkat,--wrap=unlink,--wrap=unlinkat

# cli
unit_when := cli/when.c
unit_passphrase := cli/passphrase.c gen/wordlist.c client/secret.c protocol/secret.c tests/support/own_stack.c
UNIT_LDFLAGS_passphrase := -Wl,--wrap=getrandom

# broker/bus: the room, and what it stands on
unit_reply := $(filter-out broker/main.c broker/broker.c broker/harden.c,$(BROKER)) $(PROTOCOL) gen/introspect_xml.c
UNIT_LDFLAGS_reply := -Wl,--wrap=dbus_message_new_error,--wrap=dbus_connection_send

# client
unit_answer := $(CLIENT) $(PROTOCOL)
unit_call := $(CLIENT) $(PROTOCOL)
