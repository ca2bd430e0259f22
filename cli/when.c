/* SPDX-License-Identifier: MIT */
/*
 * Times and spans as people write and read them. Dates are the user's local ones: "2027-01-31"
 * lasts until that day ends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"

#define LATEST 253402300799LL /* 9999-12-31T23:59:59Z */

struct unit {
	char letter;
	long long seconds;
};

static const struct unit units[] = { { 's', 1 },     { 'm', 60 },        { 'h', 3600 },
	                             { 'd', 86400 }, { 'w', 7 * 86400 }, { 'y', 365LL * 86400 } };

bool span_read(const char *text, long long *ret_seconds)
{
	char *end = NULL;

	if (text[0] < '0' || text[0] > '9') {
		return false;
	}
	errno = 0;
	long long number = strtoll(text, &end, 10);

	if (errno != 0 || end[0] == '\0' || end[1] != '\0') {
		return false;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].letter == end[0] && number <= LATEST / units[i].seconds) {
			*ret_seconds = number * units[i].seconds;
			return true;
		}
	}
	return false;
}

/* The last second of a local day that exists in the calendar. */
static bool date_read(const char *text, long long *ret_at)
{
	struct tm day = { .tm_isdst = -1, .tm_hour = 23, .tm_min = 59, .tm_sec = 59 };
	int year = 0;
	int month = 0;
	int length = 0;

	if (strlen(text) != 10 || strspn(text, "0123456789-") != 10 ||
	    sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day.tm_mday, &length) != 3 ||
	    length != 10) {
		return false;
	}
	day.tm_year = year - 1900;
	day.tm_mon = month - 1;
	int wanted = day.tm_mday;
	time_t at = mktime(&day);

	if (at == (time_t)-1 || day.tm_mday != wanted || day.tm_mon != month - 1) {
		return false;
	}
	*ret_at = (long long)at;
	return true;
}

bool when_read(const char *text, long long now, long long *ret_at)
{
	long long span = 0;

	if (strcmp(text, "never") == 0) {
		*ret_at = 0;
		return true;
	}
	if (span_read(text, &span)) {
		if (span <= 0 || span > LATEST - now) {
			return false;
		}
		*ret_at = now + span;
		return true;
	}
	return date_read(text, ret_at);
}

void when_rfc3339(long long at, char ret_text[static 32])
{
	time_t time = (time_t)at;
	struct tm utc;

	if (gmtime_r(&time, &utc) == NULL ||
	    strftime(ret_text, 32, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0) {
		snprintf(ret_text, 32, "?");
	}
}

void when_local(long long at, char ret_text[static 48])
{
	time_t time = (time_t)at;
	struct tm local;

	if (at == 0) {
		snprintf(ret_text, 48, "never");
	} else if (localtime_r(&time, &local) == NULL ||
	           strftime(ret_text, 48, "%Y-%m-%d %H:%M %Z", &local) == 0) {
		snprintf(ret_text, 48, "?");
	}
}

void when_relative(long long at, long long now, char ret_text[static 32])
{
	static const struct {
		long long seconds;
		const char *one;
		const char *many;
	} steps[] = { { 365LL * 86400, "year", "years" }, { 30LL * 86400, "month", "months" },
		      { 7 * 86400, "week", "weeks" },     { 86400, "day", "days" },
		      { 3600, "hour", "hours" },          { 60, "min", "min" } };
	long long apart = at > now ? at - now : now - at;

	if (at == 0) {
		snprintf(ret_text, 32, "never");
		return;
	}
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		/* Months begin at two, weeks at two: "9 days ago" says more than "1 week ago". */
		long long least = i == 1 || i == 2 || i == 0 ? 2 * steps[i].seconds
		                                             : steps[i].seconds;

		if (apart >= least) {
			long long count = apart / steps[i].seconds;

			snprintf(ret_text, 32, "%s%lld %s%s", at > now ? "in " : "", count,
			         count == 1 ? steps[i].one : steps[i].many, at > now ? "" : " ago");
			return;
		}
	}
	if (at > now) {
		snprintf(ret_text, 32, "in %lld s", apart);
	} else {
		snprintf(ret_text, 32, "just now");
	}
}
