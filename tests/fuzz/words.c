/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: what people type: the password's text, scopes, spans and dates. The password is read
 * a second time here by a slow reference of its own: multiplication as polynomials are multiplied
 * on paper, and the wrong symbol found by trying each other symbol at each place.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "protocol/password.h"
#include "protocol/scope.h"
#include "tests/fuzz/fuzz.h"

#define NOW 1800000000LL
#define LAST_SECOND 253402300799LL

/* Guarding memory afresh for each input would be most of the work. */
static struct secret_pool *pool;

static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* Product in GF(32): all partial products, then division by x^5 + x^2 + 1 from the top. */
static unsigned int product(unsigned int a, unsigned int b)
{
	unsigned int long_product = 0;

	for (unsigned int bit = 0; bit < 5; bit++) {
		long_product ^= (b >> bit & 1u) != 0 ? a << bit : 0;
	}
	for (unsigned int bit = 9; bit >= 5; bit--) {
		long_product ^= (long_product >> bit & 1u) != 0 ? 0x25u << (bit - 5) : 0;
	}
	return long_product;
}

static bool is_codeword(const uint8_t values[PASSWORD_SYMBOLS])
{
	unsigned int plain = 0;
	unsigned int weighted = 0;
	unsigned int power = 1;

	for (unsigned int i = 0; i < PASSWORD_SYMBOLS; i++) {
		plain ^= values[i];
	}
	for (unsigned int i = 0; i < PASSWORD_SYMBOLS && plain == 0; i++) {
		weighted ^= product(values[i], power);
		power = product(power, 2);
	}
	return plain == 0 && weighted == 0;
}

/* Tries every other symbol at every place; the group of the one that mends it, 0 if none does. */
static unsigned int mend(uint8_t values[PASSWORD_SYMBOLS])
{
	for (unsigned int i = 0; i < PASSWORD_SYMBOLS; i++) {
		uint8_t before = values[i];

		for (uint8_t value = 0; value < 32; value++) {
			values[i] = value;
			if (is_codeword(values)) {
				return i / PASSWORD_GROUP + 1;
			}
		}
		values[i] = before;
	}
	return 0;
}

static int value_of(uint8_t byte)
{
	const char *at = NULL;

	if (byte == 'o' || byte == 'O') {
		return 0;
	}
	if (byte == 'i' || byte == 'I' || byte == 'l' || byte == 'L') {
		return 1;
	}
	if (byte == '\0') {
		return -1;
	}
	at = strchr(letters, byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte);
	return at != NULL ? (int)(at - letters) : -1;
}

/* How many symbols the text holds; -1: something else too. */
static int symbols_of(const uint8_t *bytes, size_t size, uint8_t ret_values[PASSWORD_SYMBOLS])
{
	int count = 0;

	for (size_t i = 0; i < size; i++) {
		int value = value_of(bytes[i]);

		if (bytes[i] == 0xc2 && i + 1 < size && bytes[i + 1] == 0xa0) {
			i++;
		} else if (value >= 0 && count < (int)PASSWORD_SYMBOLS) {
			ret_values[count++] = (uint8_t)value;
		} else if (bytes[i] == '\0' || strchr("- \t\r\n", bytes[i]) == NULL) {
			return -1;
		}
	}
	return count;
}

static void check_id(const uint8_t *values, const char *id)
{
	for (unsigned int i = 0; i < PASSWORD_ID; i++) {
		MUST(id[i] == letters[values[i]]);
	}
	MUST(password_id_valid(id));
}

static void check_canonical(const uint8_t *values, const struct secret *text)
{
	const unsigned char *at = secret_bytes(text);

	MUST(secret_length(text) == PASSWORD_TEXT);
	for (unsigned int i = 0; i < PASSWORD_SYMBOLS; i++) {
		if (i > 0 && i % PASSWORD_GROUP == 0) {
			MUST(*at++ == '-');
		}
		MUST(*at++ == (unsigned char)letters[values[i]]);
	}
}

/* What was read, against the reference. `values` are those of the text, if it has 25. */
static void check_reading(const struct password_reading *reading, const struct secret *text,
                          int count, uint8_t values[PASSWORD_SYMBOLS])
{
	if (count != (int)PASSWORD_SYMBOLS) {
		MUST(reading->form == PASSWORD_MALFORMED && reading->group == 0);
		MUST(reading->id[0] == '\0' && secret_length(text) == 0);
	} else if (is_codeword(values)) {
		MUST(reading->form == PASSWORD_WELL_FORMED && reading->group == 0);
		check_id(values, reading->id);
		check_canonical(values, text);
	} else {
		MUST(reading->form == PASSWORD_MISTYPED && secret_length(text) == 0);
		MUST(reading->group == mend(values));
		if (reading->group == 0) {
			MUST(reading->id[0] == '\0');
		} else {
			check_id(values, reading->id);
		}
	}
}

static bool same_secret(const struct secret *a, const struct secret *b)
{
	return secret_length(a) == secret_length(b) &&
	       memcmp(secret_bytes(a), secret_bytes(b), secret_length(a)) == 0;
}

static void read_typed(const uint8_t *data, size_t size)
{
	SECRET_AUTO typed = NULL;
	SECRET_AUTO text = NULL;
	struct password_reading reading;
	struct password_reading again;
	uint8_t values[PASSWORD_SYMBOLS] = { 0 };

	size = size < SECRET_CAPACITY ? size : SECRET_CAPACITY;
	MUST(secret_new(pool, &typed) == 0 && secret_new(pool, &text) == 0);
	MUST(secret_set(typed, data, size) == 0);
	password_read(typed, text, &reading);
	check_reading(&reading, text, symbols_of(data, size, values), values);
	/* In place, and once more from what came out. */
	password_read(typed, typed, &again);
	MUST(again.form == reading.form && same_secret(typed, text));
	password_read(text, text, &again);
	MUST(again.form == reading.form || reading.form != PASSWORD_WELL_FORMED);
	MUST(same_secret(typed, text));
}

/* Where symbol `i` stands in the text. */
static size_t place(unsigned int i)
{
	return i + i / PASSWORD_GROUP;
}

/* A password composed of the input; one error is found, two are noticed, a swap is none of one. */
static void compose_and_err(struct source source)
{
	SECRET_AUTO text = NULL;
	SECRET_AUTO read = NULL;
	struct password_reading reading;
	uint8_t values[PASSWORD_SYMBOLS];
	char id[PASSWORD_ID + 1];

	MUST(secret_new(pool, &text) == 0 && secret_new(pool, &read) == 0);
	for (unsigned int i = 0; i < PASSWORD_SYMBOLS; i++) {
		values[i] = source_byte(&source) % 32;
	}
	password_compose(values, text);
	password_read(text, read, &reading);
	MUST(reading.form == PASSWORD_WELL_FORMED && same_secret(text, read));
	memcpy(id, reading.id, sizeof(id));

	unsigned int first = source_byte(&source) % PASSWORD_SYMBOLS;
	unsigned int second = (first + 1 + source_byte(&source) % (PASSWORD_SYMBOLS - 1)) %
	                      PASSWORD_SYMBOLS;
	unsigned char *one = secret_buffer(text) + place(first);
	unsigned char *other = secret_buffer(text) + place(second);
	unsigned char before = *one;

	*one = (unsigned char)
		letters[(unsigned int)(value_of(before) + 1 + source_byte(&source) % 31) % 32];
	password_read(text, read, &reading);
	MUST(reading.form == PASSWORD_MISTYPED && reading.group == first / PASSWORD_GROUP + 1);
	MUST(strcmp(reading.id, id) == 0);
	*other = (unsigned char)
		letters[(unsigned int)(value_of(*other) + 1 + source_byte(&source) % 31) % 32];
	password_read(text, read, &reading);
	MUST(reading.form == PASSWORD_MISTYPED);

	password_compose(values, text);
	before = *one;
	*one = *other;
	*other = before;
	password_read(text, read, &reading);
	MUST(*one == *other ? reading.form == PASSWORD_WELL_FORMED
	                    : reading.form == PASSWORD_MISTYPED && reading.group == 0);
}

static bool is_scope(const char *text)
{
	return text[0] != '\0' && text[0] != '-' && strlen(text) <= LIMIT_SCOPE_BYTES &&
	       text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static void try_scope(const char *text)
{
	char name[LIMIT_SCOPE_BYTES + 1] = "?";
	char again[LIMIT_SCOPE_BYTES + 1];
	struct scope_set set = { .count = 0 };

	MUST((scope_read(text, name) == 0) == is_scope(text));
	if (!is_scope(text)) {
		MUST(strcmp(name, "?") == 0);
		MUST(scope_set_add(&set, text) != 0 && set.count == 0);
		return;
	}
	MUST(scope_read(name, again) == 0 && strcmp(name, again) == 0);
	MUST(scope_set_add(&set, text) == 0 && scope_set_add(&set, name) == 0);
	MUST(set.count == 1 && scope_set_has(&set, name) && scope_set_allows(&set, name));
	scope_set_remove(&set, name);
	MUST(set.count == 0 && !scope_set_has(&set, name) && scope_set_allows(&set, name));
}

static void read_scopes(const char *text, char separator)
{
	static struct scope_set set, again, less;
	char line[SCOPE_SET_TEXT];

	again.count = 1000;
	if (scope_set_parse(text, separator, &set) != 0) {
		MUST(scope_set_parse(text, separator, &again) != 0 && again.count == 1000);
		return;
	}
	MUST(set.count <= LIMIT_SCOPES);
	for (unsigned int i = 0; i < set.count; i++) {
		MUST(is_scope(set.names[i]));
		MUST(i == 0 || strcmp(set.names[i - 1], set.names[i]) < 0);
	}
	scope_set_format(&set, separator, line);
	MUST(scope_set_parse(line, separator, &again) == 0 && scope_set_equal(&set, &again));
	MUST(scope_set_within(&again, &set));
	if (set.count > 1) {
		less = set;
		scope_set_remove(&less, set.names[set.count / 2]);
		MUST(less.count == set.count - 1 && scope_set_within(&less, &set));
		MUST(!scope_set_within(&set, &less) && !scope_set_equal(&set, &less));
	}
}

static void read_when(const char *text, struct source source)
{
	long long seconds = -1;
	long long at = -1;
	char room[48];

	if (span_read(text, &seconds)) {
		MUST(seconds >= 0 && seconds <= LAST_SECOND);
	}
	if (when_read(text, NOW, &at)) {
		MUST(at <= LAST_SECOND);
		MUST(at == 0 || seconds <= 0 || at == NOW + seconds);
		when_rfc3339(at, room);
		MUST(at < 0 || strlen(room) == strlen("2027-01-31T23:59:59Z"));
	} else {
		MUST(at == -1);
	}
	/* Whatever a broker says: it gives no time before 1970. */
	at = (long long)(source_uint64(&source) >> 1);
	when_rfc3339(at, room);
	MUST(is_harmless(room));
	when_local(at, room);
	MUST(is_harmless(room));
	when_relative(at, NOW, room);
	MUST(is_harmless(room) && room[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source source = { data, size };
	char *text = copy_text(data, size);

	if (pool == NULL) {
		MUST(secret_start() == 0 && secret_pool_new(2, &pool) == 0);
	}
	read_typed(data, size);
	compose_and_err(source);
	try_scope(text);
	read_scopes(text, ',');
	read_scopes(text, ' ');
	read_when(text, source);
	free(text);
	return 0;
}
