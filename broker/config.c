/* SPDX-License-Identifier: MIT */
/*
 * Settings files, sparekey.conf(5). Main thread, at start. libinih reads each line; lines are
 * divided here, since its handler learns no line number and cuts long lines silently. A file
 * another user could have written is refused.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/label.h"

#define FILE_BYTES 65536u
#define LINE_BYTES 190u
#define PATH_BYTES 4096u

enum value_kind { VALUE_NUMBER, VALUE_SPAN, VALUE_SCOPES, VALUE_ALLOW, VALUE_PROOF };

struct setting {
	const char *name;
	enum value_kind kind;
	size_t offset; /* in struct settings */
	uint64_t least;
	uint64_t most;
};

#define OWNER_MEMORY_KIB_WISE 7168u /* OWASP's least for one pass more than ours */
#define FIELD(field) offsetof(struct settings, field)

static const struct setting table[] = {
	{ "create-requires", VALUE_PROOF, FIELD(create_requires), 0, 0 },
	{ "proof-seconds", VALUE_NUMBER, FIELD(proof_seconds), 1, 3600 },
	{ "default-scopes", VALUE_SCOPES, FIELD(default_scopes), 0, 0 },
	{ "max-passwords", VALUE_NUMBER, FIELD(max_passwords), 1, 1000000 },
	{ "max-lifetime", VALUE_SPAN, FIELD(max_lifetime_s), 0, UINT64_C(100) * 366 * 86400 },
	{ "cache-seconds", VALUE_NUMBER, FIELD(cache_seconds), 0, 86400 },
	{ "inline-secrets", VALUE_ALLOW, FIELD(inline_secrets), 0, 0 },
	{ "idle-exit-seconds", VALUE_NUMBER, FIELD(idle_exit_seconds), 0, 86400 },
	{ "argon2-memory-kib", VALUE_NUMBER, FIELD(argon2_memory_kib), 1024, 1048576 },
	{ "argon2-passes", VALUE_NUMBER, FIELD(argon2_passes), 1, 16 },
	{ "owner-argon2-memory-kib", VALUE_NUMBER, FIELD(owner_argon2_memory_kib), 1024, 4194304 },
	{ "owner-argon2-passes", VALUE_NUMBER, FIELD(owner_argon2_passes), 1, 16 },
	{ "workers", VALUE_NUMBER, FIELD(workers), 1, 16 },
};

#define SETTINGS (sizeof(table) / sizeof(table[0]))

/* One file being read. */
struct file {
	const char *path;
	config_report *report;
	void *data;
	struct settings *settings;
	unsigned int line;
	uint32_t seen; /* a bit a setting */
	bool has_entry;
	bool has_error;
};

static void say(struct file *file, bool is_error, const char *what)
{
	char line[PATH_BYTES + 256];

	if (file->line > 0) {
		snprintf(line, sizeof(line), "%s:%u: %s", file->path, file->line, what);
	} else {
		snprintf(line, sizeof(line), "%s: %s", file->path, what);
	}
	file->has_error = file->has_error || is_error;
	file->report(file->data, is_error, line);
}

static bool read_digits(const char *text, uint64_t *ret_number, const char **ret_end)
{
	char *end = NULL;

	if (text[0] < '0' || text[0] > '9') {
		return false;
	}
	errno = 0;
	*ret_number = strtoull(text, &end, 10);
	*ret_end = end;
	return errno == 0;
}

static bool read_number(const struct setting *setting, const char *text, struct settings *settings)
{
	uint64_t number = 0;
	const char *end = NULL;

	if (!read_digits(text, &number, &end) || *end != '\0' || number < setting->least ||
	    number > setting->most) {
		return false;
	}
	*(uint32_t *)(void *)((char *)settings + setting->offset) = (uint32_t)number;
	return true;
}

static uint64_t unit_seconds(const char *unit)
{
	static const char letters[] = "smhdwy";
	static const uint64_t seconds[] = { 1, 60, 3600, 86400, 604800, 31536000 };
	const char *at = unit[0] != '\0' && unit[1] == '\0' ? strchr(letters, unit[0]) : NULL;

	return at != NULL ? seconds[at - letters] : 0;
}

static bool read_span(const struct setting *setting, const char *text, struct settings *settings)
{
	uint64_t number = 0;
	const char *end = NULL;

	if (!read_digits(text, &number, &end)) {
		return false;
	}
	uint64_t unit = number == 0 && *end == '\0' ? 1 : unit_seconds(end);

	if (unit == 0 || number > setting->most / unit) {
		return false;
	}
	*(uint64_t *)(void *)((char *)settings + setting->offset) = number * unit;
	return true;
}

static bool read_allow(const struct setting *setting, const char *text, struct settings *settings)
{
	if (strcmp(text, "allow") != 0 && strcmp(text, "refuse") != 0) {
		return false;
	}
	*((bool *)(void *)((char *)settings + setting->offset)) = strcmp(text, "allow") == 0;
	return true;
}

/* "any" as the tool says it, which is none in particular. */
static bool read_scopes(const char *text, struct settings *settings)
{
	return scope_set_parse(strcmp(text, "any") == 0 ? "" : text, ',',
	                       &settings->default_scopes) == 0;
}

static bool read_proof(const char *text, struct settings *settings)
{
	for (unsigned int i = 0; i < REQUIREMENTS; i++) {
		if (strcmp(text, requirement_name((enum requirement)i)) == 0) {
			settings->create_requires = (enum requirement)i;
			return true;
		}
	}
	return false;
}

static bool read_value(const struct setting *setting, const char *text, struct settings *settings)
{
	switch (setting->kind) {
	case VALUE_NUMBER:
		return read_number(setting, text, settings);
	case VALUE_SPAN:
		return read_span(setting, text, settings);
	case VALUE_SCOPES:
		return read_scopes(text, settings);
	case VALUE_ALLOW:
		return read_allow(setting, text, settings);
	case VALUE_PROOF:
		return read_proof(text, settings);
	}
	return false;
}

static void say_allowed(struct file *file, const struct setting *setting)
{
	char what[200] = "";

	switch (setting->kind) {
	case VALUE_NUMBER:
		snprintf(what, sizeof(what), "%s: a number from %llu to %llu", setting->name,
		         (unsigned long long)setting->least, (unsigned long long)setting->most);
		break;
	case VALUE_SPAN:
		snprintf(what, sizeof(what),
		         "%s: 0, or a number followed by s, m, h, d, w or y, up to 100 years",
		         setting->name);
		break;
	case VALUE_SCOPES:
		snprintf(what, sizeof(what), "%s: names of [a-z0-9-], divided by commas",
		         setting->name);
		break;
	case VALUE_ALLOW:
		snprintf(what, sizeof(what), "%s: allow or refuse", setting->name);
		break;
	case VALUE_PROOF:
		snprintf(what, sizeof(what), "%s: password+code, password or nothing",
		         setting->name);
		break;
	}
	say(file, true, what);
}

static void take(struct file *file, size_t index, const char *value)
{
	if ((file->seen >> index & 1u) != 0) {
		char what[80];

		snprintf(what, sizeof(what), "%s: set twice in this file", table[index].name);
		say(file, true, what);
		return;
	}
	file->seen |= 1u << index;
	if (!read_value(&table[index], value, file->settings)) {
		say_allowed(file, &table[index]);
	} else if (file->settings->owner_argon2_memory_kib < OWNER_MEMORY_KIB_WISE &&
	           table[index].offset == FIELD(owner_argon2_memory_kib)) {
		say(file, false,
		    "owner-argon2-memory-kib: below 7168 a stolen store is guessed at fast");
	}
}

static int ini_entry(void *data, const char *section, const char *name, const char *value)
{
	struct file *file = data;
	char what[LINE_BYTES + 40];
	char shown[64];

	(void)section;
	file->has_entry = true;
	for (size_t i = 0; i < SETTINGS; i++) {
		if (strcmp(table[i].name, name) == 0) {
			take(file, i, value);
			return 1;
		}
	}
	text_escape(name, shown, sizeof(shown));
	snprintf(what, sizeof(what), "unknown setting \"%s\" is left out", shown);
	say(file, false, what);
	return 1;
}

static void read_line(struct file *file, char *line)
{
	size_t length = strlen(line);

	if (length > 0 && line[length - 1] == '\r') {
		line[--length] = '\0';
	}
	line += strspn(line, " \t");
	if (line[0] == '\0' || line[0] == '#') {
		return;
	}
	if (length > LINE_BYTES) {
		say(file, true, "a line is over 190 bytes");
		return;
	}
	file->has_entry = false;
	if (strchr(line, '=') == NULL || line[0] == '[' || line[0] == ';' || line[0] == '=' ||
	    ini_parse_string(line, ini_entry, file) != 0 || !file->has_entry) {
		say(file, true, "not a line of the form: name = value");
	}
}

static void read_lines(struct file *file, char *text, size_t length)
{
	if (memchr(text, '\0', length) != NULL) {
		say(file, true, "holds a NUL byte: not a text file");
		return;
	}
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
	}
	while (text != NULL) {
		char *line = strsep(&text, "\n");

		file->line++;
		read_line(file, line);
	}
	file->line = 0;
}

/* Bounded, regular files only, and only those nobody else could have written. */
static void read_open(struct file *file, int fd)
{
	struct stat status;

	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
		say(file, true, "not a regular file");
		return;
	}
	if ((status.st_uid != 0 && status.st_uid != geteuid()) || (status.st_mode & 022) != 0) {
		say(file, true,
		    "others could have written it: give it to yourself or root, and chmod go-w");
		return;
	}
	char *text = malloc(FILE_BYTES + 2);
	ssize_t length = text != NULL ? read(fd, text, FILE_BYTES + 1) : -1;

	if (length < 0) {
		say(file, true, text != NULL ? strerror(errno) : strerror(ENOMEM));
	} else if (length > (ssize_t)FILE_BYTES) {
		say(file, true, "over 64 KiB");
	} else {
		text[length] = '\0';
		read_lines(file, text, (size_t)length);
	}
	free(text);
}

static int read_file(const char *path, bool must_exist, config_report *report, void *data,
                     struct settings *settings)
{
	struct file file = { .path = path, .report = report, .data = data, .settings = settings };
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd < 0) {
		if (must_exist || (errno != ENOENT && errno != ENOTDIR)) {
			say(&file, true, strerror(errno));
		}
	} else {
		read_open(&file, fd);
		close(fd);
	}
	return file.has_error ? -EINVAL : 0;
}

/* A path too long for the buffer is too long for the system, so nothing is there. */
static void join_path(const char *directory, const char *rest, char *ret_path, size_t size)
{
	int length = snprintf(ret_path, size, "%s%s", directory, rest);

	if (length < 0 || (size_t)length >= size) {
		ret_path[0] = '\0';
	}
}

/* The user's file; "" if nobody says where. */
static void user_path(char *ret_path, size_t size)
{
	const char *base = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");

	ret_path[0] = '\0';
	if (base != NULL && base[0] == '/') {
		join_path(base, "/sparekey/sparekey.conf", ret_path, size);
		return;
	}
	if (home == NULL || home[0] != '/') {
		const struct passwd *user = getpwuid(geteuid());

		home = user != NULL ? user->pw_dir : NULL;
	}
	if (home != NULL && home[0] == '/') {
		join_path(home, "/.config/sparekey/sparekey.conf", ret_path, size);
	}
}

int config_load(const char *only, config_report *report, void *data, struct settings *ret_settings)
{
	struct settings settings = *ret_settings;
	char path[PATH_BYTES];
	int result = 0;

	if (only != NULL) {
		result = read_file(only, true, report, data, &settings);
	} else {
		user_path(path, sizeof(path));
		if (path[0] != '\0') {
			result = read_file(path, false, report, data, &settings);
		}
		if (read_file(SYSCONFDIR "/sparekey/sparekey.conf", false, report, data,
		              &settings) < 0) {
			result = -EINVAL;
		}
	}
	if (result == 0) {
		*ret_settings = settings;
	}
	return result;
}
