/* SPDX-License-Identifier: MIT */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>

/*
 * The log: one event one line on stderr, `sparekeyd: event key=value ...`; under systemd
 * (JOURNAL_STREAM names stderr) with the priority prefix of sd-daemon(3). Never a secret. What a
 * peer said goes through log_quote first. Loop thread only.
 */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6
};

/* Writes "event" and then the formatted keys and values ("" for none). Lines over 1,000 bytes are
 * cut. */
void log_event(enum log_level level, const char *event, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Copies what a peer said as a quoted string of printable ASCII, everything else as \xNN; cut to
 * fit. Returns ret_text. */
const char *log_quote(const char *text, char *ret_text, size_t size);

#endif
