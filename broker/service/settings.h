/* SPDX-License-Identifier: MIT */
#ifndef SERVICE_SETTINGS_H
#define SERVICE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/scope.h"

/* What the owner must have proved to give access. */
enum requirement {
	REQUIRES_PASSWORD_AND_CODE = 0,
	REQUIRES_PASSWORD,
	REQUIRES_NOTHING,
	REQUIREMENTS
};

/* As the setting create-requires has it. Static. */
const char *requirement_name(enum requirement requirement);

/* The settings in force, by their names in sparekey.conf(5). */
struct settings {
	enum requirement create_requires;
	uint32_t proof_seconds;
	struct scope_set default_scopes;
	uint32_t max_passwords;
	uint64_t max_lifetime_s; /* 0: no limit */
	uint32_t cache_seconds;
	bool inline_secrets;
	uint32_t idle_exit_seconds;
	uint32_t argon2_memory_kib;
	uint32_t argon2_passes;
	uint32_t owner_argon2_memory_kib;
	uint32_t owner_argon2_passes;
	uint32_t workers;
};

/* The defaults (workers: min(2, cores)). */
void settings_default(struct settings *ret_settings);

#endif
