/* SPDX-License-Identifier: MIT */
#ifndef BROKER_CONFIG_H
#define BROKER_CONFIG_H

#include <stdbool.h>

#include "service/settings.h"

/* Told of each thing found: one line naming file, line and what is allowed. */
typedef void config_report(void *data, bool is_error, const char *line);

/* Reads settings files: `only` alone if it is not NULL (then it must exist), else the user's
 * (`$XDG_CONFIG_HOME/sparekey/sparekey.conf`) and over it the administrator's
 * (SYSCONFDIR/sparekey/sparekey.conf), each if it exists. Every finding is reported; an unknown key
 * is a warning. Returns 0, or -EINVAL after at least one error; then `ret_settings` is untouched.
 */
int config_load(const char *only, config_report *report, void *data, struct settings *ret_settings);

#endif
