/* SPDX-License-Identifier: MIT */
#ifndef SERVICE_SETTINGS_H
#define SERVICE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/scope.h"

/* The settings in force, by their names in sparekey.conf(5). */
struct settings {
	struct scope_set default_scopes;
	uint32_t max_passwords;
	uint64_t max_lifetime_s; /* 0: no limit */
	uint32_t cache_seconds;
	bool inline_secrets;
	uint32_t idle_exit_seconds;
	uint32_t argon2_memory_kib;
	uint32_t argon2_passes;
	uint32_t workers;
};

#endif
