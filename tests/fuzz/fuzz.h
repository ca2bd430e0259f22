/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <dbus/dbus.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the fuzz targets share. A target is one LLVMFuzzerTestOneInput in tests/fuzz/NAME.c; it is
 * linked with libFuzzer (`make fuzz`), or with replay.c, which runs the committed corpus through
 * it.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input: says what did not, and ends the process. */
void fuzz_broken(const char *file, int line, const char *what) __attribute__((noreturn));
#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fuzz_broken(__FILE__, __LINE__, #condition);                               \
		}                                                                                  \
	} while (0)

/* An input that is used up from the front; when it is at its end it gives zeros. */
struct source {
	const uint8_t *at;
	size_t left;
};

uint8_t source_byte(struct source *source);
uint32_t source_uint32(struct source *source);
uint64_t source_uint64(struct source *source);
/* Copies up to `size` - 1 bytes, as many as the next byte says, up to the first NUL. */
size_t source_text(struct source *source, char *ret_text, size_t size);

/* The next part: a byte that is half its length, and it. So inputs can be put behind each other. */
struct source source_part(struct source *source);

/* `size` bytes and nothing behind them, or one NUL, so that reading past the end is noticed. */
uint8_t *copy_bytes(const uint8_t *data, size_t size);
char *copy_text(const uint8_t *data, size_t size);

/* The code point at `text` and its bytes, read without utf8proc; -1 and 1 where it is not UTF-8, 0
 * bytes at the end. */
size_t point_at(const char *text, int32_t *ret_point);
bool is_utf8(const char *text);
/* Whether a terminal could be moved, turned round or deceived by it; an independent list. */
bool is_harmful(int32_t point);
/* Valid UTF-8 in which nothing is harmful. */
bool is_harmless(const char *text);

/*
 * Failures, seeded at link time (--wrap): each byte of the plan is the distance to the next call of
 * the module under test that fails, 0 ends it. Calls counted: malloc, calloc, realloc, strdup,
 * getrandom, read, preadv2, pipe2, and what can run out of memory in libdbus.
 */
#define FAULTS_MOST 4u
struct faults {
	uint8_t plan[FAULTS_MOST];
	unsigned int count;
};

/* The first byte says how many bytes of plan follow. */
void faults_read(struct source *source, struct faults *ret_faults);
/* On in this thread, from the plan's beginning. */
void faults_begin(const struct faults *faults);
void faults_pause(void);
void faults_resume(void);
/* How many calls have failed since faults_begin. */
unsigned int faults_happened(void);

/* Appends values of a complete signature, taken from the source: strings out of `words` (ended by
 * NULL) or the source itself, variants of any type. A word may end in ":SIGNATURE": that of the
 * variant it is the key of, most times. `fd` gives a descriptor, which stays the caller's; without
 * one there are none. */
struct composer {
	struct source *source;
	const char *const *words;
	int (*fd)(struct source *source);
	unsigned int values;   /* still to be made */
	const char *signature; /* of the variant that follows; NULL: any */
};
void compose(struct composer *composer, DBusMessage *message, const char *signature);

#endif
