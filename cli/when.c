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

static const struct unit units[] = { { 's', 1 },     { 'm', 60 },          { 'h', 3600 },
	                             { 'd', 86400 }, { 'w', 7LL * 86400 }, { 'y', 365LL * 86400 } };

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

/* So many digits, and nothing else scanf would take for a number; -1 if they are not. */
static int digits_read(const char *text, size_t count)
{
	int number = 0;

	for (size_t i = 0; i < count; i++) {
		if (text[i] < '0' || text[i] > '9') {
			return -1;
		}
		number = number * 10 + (text[i] - '0');
	}
	return number;
}

/* The last second of a local day that exists in the calendar. */
static bool date_read(const char *text, long long *ret_at)
{
	struct tm day = { .tm_isdst = -1, .tm_hour = 23, .tm_min = 59, .tm_sec = 59 };

	if (strlen(text) != 10 || text[4] != '-' || text[7] != '-') {
		return false;
	}
	int year = digits_read(text, 4);
	int month = digits_read(text + 5, 2);

	day.tm_mday = digits_read(text + 8, 2);
	if (year < 0 || month < 0 || day.tm_mday < 0) {
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

struct step {
	long long seconds;
	long long
		least; /* seconds from which it is used: "9 days ago" says more than "1 week ago" */
	const char *one;
	const char *many;
};

static const struct step steps[] = {
	{ 365LL * 86400, 2 * 365LL * 86400, "year", "years" },
	{ 30LL * 86400, 2 * 30LL * 86400, "month", "months" },
	{ 7LL * 86400, 2 * 7LL * 86400, "week", "weeks" },
	{ 86400, 86400, "day", "days" },
	{ 3600, 3600, "hour", "hours" },
	{ 60, 60, "min", "min" },
};

static void say_apart(long long seconds, bool future, char ret_text[static 32])
{
	const char *before = future ? "in " : "";
	const char *after = future ? "" : " ago";

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (seconds >= steps[i].least) {
			long long count = seconds / steps[i].seconds;

			snprintf(ret_text, 32, "%s%lld %s%s", before, count,
			         count == 1 ? steps[i].one : steps[i].many, after);
			return;
		}
	}
	if (future) {
		snprintf(ret_text, 32, "in %lld s", seconds);
	} else {
		snprintf(ret_text, 32, "just now");
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
	if (at == 0) {
		snprintf(ret_text, 32, "never");
	} else if (at > now) {
		say_apart(at - now, true, ret_text);
	} else {
		say_apart(now - at, false, ret_text);
	}
}
