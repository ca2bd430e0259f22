/* SPDX-License-Identifier: MIT */
/*
 * Stores made by somebody who knows the format (SQLite database file format): a table of what can
 * be wrong with a file whose header still says that it is ours. Whatever it is, reading ends soon
 * and gives records or a clear error, nothing is verified that was not there, revoking takes away
 * what it says it has, and a file that is refused stays as it is. SPAREKEY_HOSTILE=all spoils ten
 * times as many bytes, each in three ways.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sparekey.h"
#include "tests/support/store_files.h"

#define ROWS 600u
#define SECONDS_MOST 5.0
#define PAGE 4096u

/* The file, in memory while it is spoilt. */
struct image {
	unsigned char *bytes;
	size_t size;
};

static void put32(unsigned char *at, uint32_t number)
{
	for (unsigned int i = 0; i < 4; i++) {
		at[i] = (unsigned char)(number >> (24 - 8 * i));
	}
}

static uint32_t get32(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The b-tree header of a page, which on the first one stands behind the file's. */
static unsigned char *page_at(const struct image *image, uint32_t number)
{
	return image->bytes + (size_t)(number - 1) * PAGE + (number == 1 ? 100 : 0);
}

/* The first page of a kind: 2 and 5 are inner, 10 and 13 leaves, of indexes and of tables. */
static uint32_t first_of(const struct image *image, unsigned char kind)
{
	for (uint32_t number = 2; number <= image->size / PAGE; number++) {
		if (page_at(image, number)[0] == kind) {
			return number;
		}
	}
	fail_msg("no page of kind %u", kind);
	return 0;
}

static void freelist_points_at(struct image *image, uint32_t first, uint32_t count)
{
	put32(image->bytes + 32, first);
	put32(image->bytes + 36, count);
}

static void a_freelist_that_is_a_loop(struct image *image)
{
	uint32_t number = (uint32_t)(image->size / PAGE);
	unsigned char *trunk = image->bytes + (size_t)(number - 1) * PAGE;

	freelist_points_at(image, number, 3);
	put32(trunk, number);
	put32(trunk + 4, 0);
}

static void a_freelist_with_pages_in_use(struct image *image)
{
	uint32_t number = (uint32_t)(image->size / PAGE);
	unsigned char *trunk = image->bytes + (size_t)(number - 1) * PAGE;

	freelist_points_at(image, number, 4);
	put32(trunk, 0);
	put32(trunk + 4, 3);
	put32(trunk + 8, 1);
	put32(trunk + 12, 2);
	put32(trunk + 16, 3);
}

static void a_freelist_beyond_the_end(struct image *image)
{
	freelist_points_at(image, 0x7fffffff, 0xffffffff);
}

static void a_freelist_trunk_with_too_many_leaves(struct image *image)
{
	uint32_t number = (uint32_t)(image->size / PAGE);

	freelist_points_at(image, number, 2);
	put32(image->bytes + (size_t)(number - 1) * PAGE, 0);
	put32(image->bytes + (size_t)(number - 1) * PAGE + 4, 0xffffffff);
}

static void a_tree_that_is_its_own_child(struct image *image)
{
	uint32_t number = first_of(image, 5);

	put32(page_at(image, number) + 8, number);
}

static void an_index_that_is_its_own_child(struct image *image)
{
	uint32_t number = first_of(image, 2);

	put32(page_at(image, number) + 8, number);
}

static void a_child_beyond_the_end(struct image *image)
{
	put32(page_at(image, first_of(image, 5)) + 8, 0x00ffffff);
}

static void a_child_that_is_page_one(struct image *image)
{
	put32(page_at(image, first_of(image, 5)) + 8, 1);
}

/* Every left child of an inner page is the same. */
static void children_that_are_all_one(struct image *image)
{
	unsigned char *page = page_at(image, first_of(image, 5));
	unsigned int cells = (unsigned int)page[3] << 8 | page[4];
	uint32_t child = get32(page + 8);

	for (unsigned int i = 0; i < cells; i++) {
		unsigned int at = (unsigned int)page[12 + 2 * i] << 8 | page[13 + 2 * i];

		put32(page + at, child);
	}
}

static void a_leaf_called_inner(struct image *image)
{
	page_at(image, first_of(image, 13))[0] = 5;
}

static void a_table_leaf_called_index(struct image *image)
{
	page_at(image, first_of(image, 13))[0] = 10;
}

static void a_page_of_no_kind(struct image *image)
{
	page_at(image, first_of(image, 13))[0] = 0x33;
}

static void more_cells_than_fit(struct image *image)
{
	memset(page_at(image, first_of(image, 13)) + 3, 0xff, 2);
}

static void cells_outside_their_page(struct image *image)
{
	memset(page_at(image, first_of(image, 13)) + 8, 0xff, 64);
}

static void cells_in_the_page_header(struct image *image)
{
	memset(page_at(image, first_of(image, 13)) + 8, 0, 64);
}

static void free_blocks_that_are_a_loop(struct image *image)
{
	unsigned char *page = page_at(image, first_of(image, 13));

	page[1] = PAGE / 2 >> 8;
	page[2] = 0;
	page[PAGE / 2] = PAGE / 2 >> 8;
	page[PAGE / 2 + 1] = 0;
	page[PAGE / 2 + 2] = 0;
	page[PAGE / 2 + 3] = 8;
}

/* The length of the first cell's payload, as a varint of nine bytes. */
static void a_payload_without_end(struct image *image)
{
	unsigned char *page = page_at(image, first_of(image, 13));
	unsigned int at = (unsigned int)page[8] << 8 | page[9];

	memset(page + at, 0xff, 9);
}

static void an_overflow_chain_that_is_a_loop(struct image *image)
{
	unsigned char *page = page_at(image, first_of(image, 13));
	unsigned int at = (unsigned int)page[8] << 8 | page[9];

	/* 1,000,000 bytes: varint 0xbd 0x84 0x40. The rest of the row is then the chain's first. */
	memcpy(page + at, "\xbd\x84\x40", 3);
	put32(page + PAGE - 4, first_of(image, 13));
}

static void lengths_within_a_record_without_end(struct image *image)
{
	unsigned char *page = page_at(image, first_of(image, 13));
	unsigned int at = (unsigned int)page[8] << 8 | page[9];

	memset(page + at + 4, 0xff, 12);
}

static void a_file_much_longer_than_its_header_says(struct image *image)
{
	put32(image->bytes + 28, 3);
}

static void a_file_much_shorter_than_its_header_says(struct image *image)
{
	put32(image->bytes + 28, 0x7fffffff);
}

static void a_file_cut_at_a_page(struct image *image)
{
	image->size = PAGE * 4;
}

static void a_file_of_zeros_behind_its_first_page(struct image *image)
{
	memset(image->bytes + PAGE, 0, image->size - PAGE);
}

static void a_file_of_copies_of_its_first_page(struct image *image)
{
	for (size_t at = PAGE; at + PAGE <= image->size; at += PAGE) {
		memcpy(image->bytes + at, image->bytes, PAGE);
	}
}

static void pages_in_another_order(struct image *image)
{
	unsigned char kept[PAGE];

	memcpy(kept, image->bytes + PAGE, PAGE);
	memmove(image->bytes + PAGE, image->bytes + (size_t)2 * PAGE,
	        image->size - (size_t)2 * PAGE);
	memcpy(image->bytes + image->size - PAGE, kept, PAGE);
}

static void another_page_size(struct image *image)
{
	image->bytes[16] = 2;
	image->bytes[17] = 0;
}

static void reserved_bytes_in_every_page(struct image *image)
{
	image->bytes[20] = 255;
}

static void incremental_vacuum_without_its_map(struct image *image)
{
	put32(image->bytes + 52, 3);
	put32(image->bytes + 64, 1);
}

static const struct spoiling {
	const char *name;
	void (*spoil)(struct image *image);
} spoilings[] = {
#define SPOILING(name)                                                                             \
	{                                                                                          \
#name, name                                                                        \
	}
	SPOILING(a_freelist_that_is_a_loop),
	SPOILING(a_freelist_with_pages_in_use),
	SPOILING(a_freelist_beyond_the_end),
	SPOILING(a_freelist_trunk_with_too_many_leaves),
	SPOILING(a_tree_that_is_its_own_child),
	SPOILING(an_index_that_is_its_own_child),
	SPOILING(a_child_beyond_the_end),
	SPOILING(a_child_that_is_page_one),
	SPOILING(children_that_are_all_one),
	SPOILING(a_leaf_called_inner),
	SPOILING(a_table_leaf_called_index),
	SPOILING(a_page_of_no_kind),
	SPOILING(more_cells_than_fit),
	SPOILING(cells_outside_their_page),
	SPOILING(cells_in_the_page_header),
	SPOILING(free_blocks_that_are_a_loop),
	SPOILING(a_payload_without_end),
	SPOILING(an_overflow_chain_that_is_a_loop),
	SPOILING(lengths_within_a_record_without_end),
	SPOILING(a_file_much_longer_than_its_header_says),
	SPOILING(a_file_much_shorter_than_its_header_says),
	SPOILING(a_file_cut_at_a_page),
	SPOILING(a_file_of_zeros_behind_its_first_page),
	SPOILING(a_file_of_copies_of_its_first_page),
	SPOILING(pages_in_another_order),
	SPOILING(another_page_size),
	SPOILING(reserved_bytes_in_every_page),
	SPOILING(incremental_vacuum_without_its_map),
};

/* What is done with a spoilt store. */
struct use {
	const char *name;
	unsigned int rows;
	double start;
	bool whole; /* no text was spoilt */
};

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool is_clear(int result)
{
	return result == 0 || result == -EUCLEAN || result == -EPERM || result == -EIO ||
	       result == -EEXIST || result == -ENOSPC || result == SPAREKEY_UNKNOWN_OBJECT ||
	       result == SPAREKEY_NOT_INITIALIZED;
}

static void assert_clear(const struct use *use, const char *what, int result)
{
	if (!is_clear(result)) {
		fail_msg("%s: %s says %d", use->name, what, result);
	}
	if (now_s() - use->start > SECONDS_MOST) {
		fail_msg("%s: %s takes too long", use->name, what);
	}
}

/* Each row has a hash of its own, which names it twice: no single byte makes it another's. */
static void hash_of(const char *id, char ret_hash[static STORE_HASH_BYTES + 1])
{
	(void)snprintf(ret_hash, STORE_HASH_BYTES + 1,
	               "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$%.5s%.5s", id, id);
}

/* Whose hash it is, by `ret_id`; false: nobody's. */
static bool owner_of(const char *hash, char ret_id[static 24])
{
	char whole[STORE_HASH_BYTES + 1];
	size_t length = strlen(hash);

	if (length < 10) {
		return false;
	}
	(void)snprintf(ret_id, 24, "%.5s", hash + length - 5);
	hash_of(ret_id, whole);
	return strcmp(hash, whole) == 0;
}

static int look(void *data, const struct store_password *password)
{
	struct use *use = data;
	char owner[24];

	use->rows++;
	if (use->whole && password->state != STORE_STATE_DAMAGED &&
	    !owner_of(password->hash, owner)) {
		fail_msg("%s: %s has a hash nobody made", use->name, password->id);
	}
	return use->rows > 100 * ROWS ? -EUCLEAN : 0;
}

/* A password is what it was, is damaged, or has a hash that is nobody's: never another's. */
static void assert_own(const struct use *use, const char *id, const struct store_password *password)
{
	char owner[24];

	if (strcmp(password->id, id) != 0) {
		fail_msg("%s: asked for %s, got %s", use->name, id, password->id);
	}
	if (password->state != STORE_STATE_DAMAGED && owner_of(password->hash, owner) &&
	    strcmp(owner, id) != 0) {
		fail_msg("%s: %s would verify by the secret of %s", use->name, id, owner);
	}
}

static int look_at_event(void *data, const struct store_event *event)
{
	struct use *use = data;

	(void)event;
	use->rows++;
	return use->rows > 100 * ROWS ? -EUCLEAN : 0;
}

static void read_all(struct store *store, struct use *use)
{
	struct store_password password;
	uint32_t count = 0;
	int64_t at = 0;
	char id[24];

	assert_clear(use, "each", store_files_each(store, "", 0, 0, look, use));
	assert_clear(use, "count", store_password_count(store, 0, &count));
	assert_clear(use, "find", store_password_find(store, "l7", NULL, 0, id));
	assert_clear(use, "next", store_next_expiry(store, 0, &at));
	use->rows = 0;
	assert_clear(use, "events", store_files_events(store, 0, 0, "", 1000, look_at_event, use));
	for (unsigned int i = 0; i < ROWS; i += 17) {
		(void)snprintf(id, sizeof(id), "%05u", i);
		int result = store_password_get(store, id, &password);

		assert_clear(use, "get", result);
		if (result == 0) {
			assert_own(use, id, &password);
		}
	}
}

/* What revoking says it has done holds for whoever opens the store next. */
static void take_away(const struct store_files *files, struct use *use)
{
	struct store *store = NULL;
	struct store_password password;
	int result;

	assert_int_equal(store_new(files->directory, &store), 0);
	result = store_files_delete(store, "00007");
	assert_clear(use, "delete", result);
	assert_clear(use, "insert", store_files_insert(store, "zzzzz", "later"));
	store_free(store);
	if (result != 0) {
		return;
	}
	assert_int_equal(store_new(files->directory, &store), 0);
	result = store_password_get(store, "00007", &password);
	if (result == 0) {
		fail_msg("%s: revoked, and back", use->name);
	}
	store_free(store);
}

static void use_spoilt(const struct store_files *files, const char *name, const struct image *image,
                       bool whole)
{
	struct use use = { .name = name, .start = now_s(), .whole = whole };
	struct store *store = NULL;
	unsigned char *after;
	size_t size = 0;
	int result;

	(void)unlink(store_files_name(files, "sparekey.db-journal"));
	store_files_write(files->path, image->bytes, image->size);
	assert_int_equal(store_new(files->directory, &store), 0);
	result = store_open(store);
	assert_clear(&use, "open", result);
	read_all(store, &use);
	store_free(store);
	/* Reading changes nothing, and so does a refusal. */
	after = store_files_read(files->path, &size);
	assert_int_equal(size, image->size);
	assert_memory_equal(after, image->bytes, size);
	free(after);
	take_away(files, &use);
	if (result == -EPERM || (result == -EUCLEAN)) {
		after = store_files_read(files->path, &size);
		assert_int_equal(size, image->size);
		assert_memory_equal(after, image->bytes, size);
		free(after);
	}
}

/* Enough rows for trees of two levels, and some uses and lines of the journal. */
static struct image make_image(const struct store_files *files)
{
	struct store *store = store_files_make(files);
	struct store_event event = { .kind = "created", .time = 1 };
	struct image image = { NULL, 0 };

	assert_int_equal(store_begin(store), 0);
	for (unsigned int i = 0; i < ROWS; i++) {
		struct store_use use = { .scope = "imap", .at = 1, .count = 1 };
		struct store_password password;
		char label[24];
		char id[24];

		(void)snprintf(id, sizeof(id), "%05u", i);
		(void)snprintf(label, sizeof(label), "L%u", i);
		password = store_files_record(id, label);
		hash_of(id, password.hash);
		memcpy(use.id, id, sizeof(use.id));
		assert_int_equal(store_password_insert(store, &password), 0);
		assert_int_equal(store_use_add(store, &use), 0);
		assert_int_equal(store_event_append(store, &event, NULL), 0);
	}
	assert_int_equal(store_commit(store), 0);
	store_free(store);
	image.bytes = store_files_read(files->path, &image.size);
	assert_true(image.size > (size_t)8 * PAGE);
	return image;
}

static void what_somebody_who_knows_the_format_has_made(void **state)
{
	struct image sound = make_image(*state);

	for (size_t i = 0; i < sizeof(spoilings) / sizeof(spoilings[0]); i++) {
		struct image image = { malloc(sound.size), sound.size };

		assert_non_null(image.bytes);
		memcpy(image.bytes, sound.bytes, sound.size);
		spoilings[i].spoil(&image);
		use_spoilt(*state, spoilings[i].name, &image, true);
		free(image.bytes);
	}
	free(sound.bytes);
}

static void any_spoilt_byte_of_any_page(void **state)
{
	static const unsigned char ways[] = { 0xff, 0x80, 0x01 };
	bool all = getenv("SPAREKEY_HOSTILE") != NULL;
	struct image image = make_image(*state);
	char name[64];

	/* Bytes at the beginning of a page say most: every one of those, and few of the others. */
	for (size_t at = 100; at < image.size; at += at % PAGE < 24 ? 1 : all ? 29 : 331) {
		for (size_t way = 0; way < (all ? sizeof(ways) : 1); way++) {
			image.bytes[at] ^= ways[way];
			(void)snprintf(name, sizeof(name), "byte %zu ^ %02x", at, ways[way]);
			use_spoilt(*state, name, &image, false);
			image.bytes[at] ^= ways[way];
		}
	}
	free(image.bytes);
}

static void a_gigabyte_of_nothing(void **state)
{
	const struct store_files *files = *state;
	struct image sound = make_image(files);
	struct use use = { .name = "a gigabyte", .start = now_s() };
	struct store *store = NULL;

	put32(sound.bytes + 28, (1u << 30) / PAGE);
	store_files_write(files->path, sound.bytes, sound.size);
	assert_int_equal(truncate(files->path, (off_t)1 << 30), 0);
	assert_int_equal(store_new(files->directory, &store), 0);
	read_all(store, &use);
	store_free(store);
	take_away(files, &use);
	free(sound.bytes);
}

/* Edits that leave the text of the schema as it is. */
static void schemas_that_say_one_thing_and_are_another(void **state)
{
	static const char *const edits[] = {
		"UPDATE sqlite_schema SET rootpage = 1 WHERE name = 'password'",
		"UPDATE sqlite_schema SET rootpage = 999999 WHERE name = 'password'",
		"UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE "
		"name = 'event') WHERE name = 'password'",
		"UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE "
		"name = 'password') WHERE name = 'password_id'",
		"UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE "
		"name = 'password_label') WHERE name = 'password_id'",
		"UPDATE sqlite_schema SET tbl_name = 'event' WHERE name = 'password_id'",
		"UPDATE sqlite_schema SET type = 'view' WHERE name = 'password'",
		"UPDATE sqlite_schema SET type = 'trigger' WHERE name = 'password_id'",
		"UPDATE sqlite_schema SET name = 'password' WHERE name = 'event'",
		"INSERT INTO sqlite_schema SELECT * FROM sqlite_schema WHERE name = 'password'",
		"DELETE FROM sqlite_schema WHERE name = 'sqlite_autoindex_password_use_1'",
		"UPDATE sqlite_schema SET rootpage = NULL WHERE name = 'password_id'",
		"UPDATE sqlite_schema SET rootpage = 'x' WHERE name = 'event'",
		"UPDATE sqlite_schema SET rootpage = -3 WHERE name = 'event'",
	};

	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		const struct store_files *files = *state;
		struct image image = make_image(files);
		char sql[512];

		free(image.bytes);
		(void)snprintf(sql, sizeof(sql), "PRAGMA writable_schema = ON; %s", edits[i]);
		store_files_sql(files, sql);
		image.bytes = store_files_read(files->path, &image.size);
		use_spoilt(files, edits[i], &image, true);
		free(image.bytes);
		(void)unlink(files->path);
		(void)unlink(store_files_name(files, "sparekey.db-journal"));
	}
}

/* An id that two rows have, which the index, emptied by an edit, did not keep out: a wrong one
 * never verifies for the other, and a revocation that was told to be done leaves neither. */
static void an_id_that_two_rows_have(void **state)
{
	const struct store_files *files = *state;
	struct image image = make_image(files);
	struct store *store = NULL;
	struct store_password password;

	free(image.bytes);
	store_files_sql(
		files,
		"PRAGMA writable_schema = ON;"
		"CREATE TABLE kept AS SELECT * FROM sqlite_schema WHERE name = 'password_id';"
		"DELETE FROM sqlite_schema WHERE name = 'password_id'");
	store_files_sql(files, "UPDATE password SET id = '00007' WHERE id = '00008'");
	store_files_sql(files, "PRAGMA writable_schema = ON;"
	                       "INSERT INTO sqlite_schema SELECT * FROM kept; DROP TABLE kept");
	assert_int_equal(store_new(files->directory, &store), 0);
	/* The index leads to a row that is called otherwise. */
	assert_int_equal(store_password_get(store, "00008", &password), -EUCLEAN);
	assert_int_equal(store_files_delete(store, "00008"), -EUCLEAN);
	assert_int_equal(store_files_delete(store, "00007"), 0);
	store_free(store);
	assert_int_equal(store_new(files->directory, &store), 0);
	assert_int_equal(store_password_get(store, "00007", &password), SPAREKEY_UNKNOWN_OBJECT);
	assert_int_equal(store_password_get(store, "00008", &password), -EUCLEAN);
	store_free(store);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_files_setup, store_files_teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_somebody_who_knows_the_format_has_made),
		TEST(any_spoilt_byte_of_any_page),
		TEST(a_gigabyte_of_nothing),
		TEST(schemas_that_say_one_thing_and_are_another),
		TEST(an_id_that_two_rows_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
