/* SPDX-License-Identifier: MIT */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include "config.h"

/* Exit codes (sysexits.h). */
enum broker_exit {
	BROKER_DONE = 0,
	BROKER_USAGE = 64,
	BROKER_NO_BUS = 69,
	BROKER_FAULT = 70,
	BROKER_STORE = 74,
	BROKER_CONFIG = 78
};

#define BROKER_LISTENS 8u

struct broker_options {
	const char *address; /* a bus, "none", or NULL for the session's */
	const char *listens[BROKER_LISTENS];
	unsigned int listens_count;
	const char *data_dir; /* NULL: $XDG_DATA_HOME/sparekey */
	struct settings settings;
};

/* Runs a broker until a signal, the loss of its bus, or idleness ends it. Returns an exit code; the
 * reason is logged. */
int broker_run(const struct broker_options *options);

#endif
