/* SPDX-License-Identifier: MIT */
/*
 * What settings are where no file says otherwise, and their words. Pure.
 */
#include "service/settings.h"

#include <unistd.h>

const char *requirement_name(enum requirement requirement)
{
	static const char *const names[REQUIREMENTS] = {
		[REQUIRES_PASSWORD_AND_CODE] = "password+code",
		[REQUIRES_PASSWORD] = "password",
		[REQUIRES_NOTHING] = "nothing",
	};

	return names[requirement];
}

void settings_default(struct settings *ret_settings)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	*ret_settings = (struct settings){
		.create_requires = REQUIRES_PASSWORD_AND_CODE,
		.proof_seconds = 300,
		.max_passwords = 200,
		.cache_seconds = 600,
		.inline_secrets = true,
		.idle_exit_seconds = 600,
		.argon2_memory_kib = 19456,
		.argon2_passes = 2,
		.owner_argon2_memory_kib = 65536,
		.owner_argon2_passes = 3,
		.workers = cores < 2 ? 1 : 2,
	};
}
