/* SPDX-License-Identifier: MIT */
/*
 * Power loss (P19): a store is made and changed by two connections in turn, as the broker does it,
 * on a disk that is recorded; then power fails after every single write, sync and name, and the
 * store is opened from what the disk may hold. What was acknowledged is there, what was revoked is
 * not, of what was under way there is all or nothing, and no store is refused. So it is again when
 * power fails a second time, while the first loss is mended. SPAREKEY_LOSSES: how many (300).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sparekey.h"
#include "tests/support/store_files.h"
#include "tests/support/store_power.h"

#define LOSSES 300u
#define STEPS 60u
#define IDS 24u
#define DATA "/data"

/* What the store must hold. */
struct model {
	bool made; /* the store itself */
	bool there[IDS];
	unsigned int label[IDS];
	bool frozen[IDS];
	uint64_t uses[IDS];
};

/* The record of one run: the model after each step, and when the step began and was acknowledged.
 */
struct run {
	struct power *power;
	struct model models[STEPS + 1];
	size_t begun[STEPS];
	size_t acknowledged[STEPS];
};

enum deed { MAKE, CREATE, REVOKE, RENAME, FREEZE, USE };

struct step {
	enum deed deed;
	unsigned int id;
};

static char top[64]; /* everything lies below */

static void name_id(unsigned int number, char ret_id[static 24])
{
	(void)snprintf(ret_id, 24, "%05u", number);
}

static void fill(const struct model *model, unsigned int number, struct store_password *ret)
{
	char label[300];
	char id[24];

	name_id(number, id);
	/* Long ones, so that rows fill pages and trees are balanced. */
	(void)snprintf(label, sizeof(label), "%u-%u%0150u", number, model->label[number], number);
	*ret = store_files_record(id, label);
	ret->state = model->frozen[number] ? STORE_STATE_FROZEN : STORE_STATE_ACTIVE;
}

static int in_transaction(struct store *store, const struct model *after, const struct step *step)
{
	struct store_event event = { .kind = "changed", .time = 1 };
	struct store_use use = { .scope = "imap", .at = 1, .count = 1 };
	struct store_password password;

	fill(after, step->id, &password);
	memcpy(event.id, password.id, sizeof(event.id));
	(void)memcpy(use.id, password.id, sizeof(use.id));
	int result = store_event_append(store, &event, NULL);

	if (result != 0) {
		return result;
	}
	switch (step->deed) {
	case CREATE:
		return store_password_insert(store, &password);
	case REVOKE:
		return store_password_delete(store, password.id);
	case RENAME:
	case FREEZE:
		return store_password_update(store, &password);
	case USE:
		return store_use_add(store, &use);
	case MAKE:
		break;
	}
	return 0;
}

static void act(struct store *store, const struct model *after, const struct step *step)
{
	if (step->deed == MAKE) {
		assert_int_equal(store_make(store), 0);
		return;
	}
	assert_int_equal(step->deed == REVOKE ? store_begin_revocation(store) : store_begin(store),
	                 0);
	assert_int_equal(in_transaction(store, after, step), 0);
	assert_int_equal(store_commit(store), 0);
}

/* Something that can be done, different every time and the same in every run. */
static struct step choose(const struct model *model, unsigned int number)
{
	static const enum deed deeds[] = {
		CREATE, USE, CREATE, RENAME, FREEZE, CREATE, REVOKE, USE
	};
	struct step step = { deeds[number % 8], (number * 7) % IDS };

	if (number == 0) {
		step.deed = MAKE;
		return step;
	}
	for (unsigned int i = 0; i < IDS; i++) {
		if (model->there[step.id] != (step.deed == CREATE)) {
			return step;
		}
		step.id = (step.id + 1) % IDS;
	}
	step.deed = step.deed == CREATE ? REVOKE : CREATE;
	return step;
}

static struct model after_step(struct model model, const struct step *step)
{
	switch (step->deed) {
	case MAKE:
		model.made = true;
		break;
	case CREATE:
		model.there[step->id] = true;
		model.frozen[step->id] = false;
		model.uses[step->id] = 0;
		break;
	case REVOKE:
		model.there[step->id] = false;
		break;
	case RENAME:
		model.label[step->id]++;
		break;
	case FREEZE:
		model.frozen[step->id] = !model.frozen[step->id];
		break;
	case USE:
		model.uses[step->id]++;
		break;
	}
	return model;
}

static void live(const char *root, struct run *run)
{
	char directory[128];
	struct store *stores[2] = { NULL, NULL };

	(void)snprintf(directory, sizeof(directory), "%s" DATA, root);
	run->power = power_record(root);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(store_new(directory, &stores[i]), 0);
	}
	for (unsigned int i = 0; i < STEPS; i++) {
		struct step step = choose(&run->models[i], i);

		run->models[i + 1] = after_step(run->models[i], &step);
		run->begun[i] = power_length(run->power);
		act(stores[i / 3 % 2], &run->models[i + 1], &step);
		run->acknowledged[i] = power_length(run->power);
	}
	power_stop();
	store_free(stores[0]);
	store_free(stores[1]);
}

struct seen {
	const struct model *model;
	unsigned int count;
	bool equal;
};

static int compare_row(void *data, const struct store_password *password)
{
	struct seen *seen = data;
	unsigned int number = (unsigned int)strtoul(password->id, NULL, 10);
	struct store_password wanted;

	seen->count++;
	if (number >= IDS || !seen->model->there[number]) {
		seen->equal = false;
		return 0;
	}
	fill(seen->model, number, &wanted);
	seen->equal = seen->equal && strcmp(password->label, wanted.label) == 0 &&
	              password->state == wanted.state &&
	              password->use_count == seen->model->uses[number];
	return 0;
}

static bool holds(struct store *store, const struct model *model)
{
	struct seen seen = { model, 0, true };
	unsigned int wanted = 0;
	int result = store_files_each(store, "", 0, 0, compare_row, &seen);

	for (unsigned int i = 0; i < IDS; i++) {
		wanted += model->there[i] ? 1 : 0;
	}
	if (!model->made) {
		return result == SPAREKEY_NOT_INITIALIZED;
	}
	return result == 0 && seen.equal && seen.count == wanted;
}

static void assert_sound(const char *directory)
{
	char path[160];
	sqlite3 *db = NULL;
	sqlite3_stmt *row = NULL;

	(void)snprintf(path, sizeof(path), "%s/sparekey.db", directory);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &row, NULL),
	                 SQLITE_OK);
	assert_int_equal(sqlite3_step(row), SQLITE_ROW);
	assert_string_equal(sqlite3_column_text(row, 0), "ok");
	(void)sqlite3_finalize(row);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* What was acknowledged by then, and what may have come to be. */
static void find_models(const struct run *run, size_t length, const struct model **ret_old,
                        const struct model **ret_new)
{
	unsigned int done = 0;

	while (done < STEPS && run->acknowledged[done] <= length) {
		done++;
	}
	*ret_old = &run->models[done];
	*ret_new = &run->models[done < STEPS && run->begun[done] < length ? done + 1 : done];
}

/* Opens what is in `root`, and goes on with it. */
static void assert_survived(const char *root, const struct run *run, size_t length, uint64_t seed)
{
	struct store *store = NULL;
	const struct model *old = NULL;
	const struct model *new = NULL;
	char directory[128];

	(void)snprintf(directory, sizeof(directory), "%s" DATA, root);
	find_models(run, length, &old, &new);
	assert_int_equal(store_new(directory, &store), 0);
	if (!holds(store, old) && !holds(store, new)) {
		fail_msg("after %zu of %zu, seed %llu: neither old nor new; open says %d '%s'",
		         length, power_length(run->power), (unsigned long long)seed,
		         store_open(store), store_refusal(store));
	}
	if (seed % 8 == 0 || !old->made) {
		assert_int_equal(store_make(store), 0);
		assert_int_equal(store_files_insert(store, "zzzzz", "later"), 0);
		assert_sound(directory);
	}
	store_free(store);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

static void clear(const char *root)
{
	(void)nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Power fails again while the store is opened for the first time after the loss. */
static void lose_again(const char *root, const struct run *run, size_t length, uint64_t seed)
{
	struct power *mending = power_record(root);
	struct store *store = NULL;
	char directory[128];
	char again[96];

	(void)snprintf(directory, sizeof(directory), "%s" DATA, root);
	(void)snprintf(again, sizeof(again), "%s/again", top);
	assert_int_equal(store_new(directory, &store), 0);
	(void)store_open(store);
	power_stop();
	store_free(store);
	power_lose(mending, power_length(mending) > 0 ? seed % power_length(mending) : 0, seed,
	           again);
	power_free(mending);
	assert_survived(again, run, length, seed);
	clear(again);
}

static unsigned int losses(void)
{
	const char *text = getenv("SPAREKEY_LOSSES");

	return text != NULL ? (unsigned int)strtoul(text, NULL, 10) : LOSSES;
}

static void nothing_acknowledged_is_lost_with_the_power(void **state)
{
	struct run *run = calloc(1, sizeof(*run));
	char root[96];

	(void)state;
	assert_non_null(run);
	(void)snprintf(root, sizeof(root), "%s/live", top);
	assert_int_equal(mkdir(root, 0700), 0);
	live(root, run);
	size_t length = power_length(run->power);
	size_t times = losses();

	assert_in_range(length, 500, 20000);
	(void)snprintf(root, sizeof(root), "%s/lost", top);
	for (size_t i = 0; i < times; i++) {
		/* Through the whole record, evenly, and over again. */
		size_t at = times > length ? i % (length + 1) : i * (length + 1) / times;
		uint64_t seed = i * 2654435761u + 1;

		power_lose(run->power, at, seed, root);
		if (i % 4 == 3) {
			lose_again(root, run, at, seed);
		} else {
			assert_survived(root, run, at, seed);
		}
		clear(root);
	}
	run->power = power_free(run->power);
	free(run);
}

/* The disk of these tests loses what was not synced: else they would show nothing. */
static void what_is_not_synced_can_be_lost(void **state)
{
	struct run *run = calloc(1, sizeof(*run));
	unsigned int lost = 0;
	char root[96];

	(void)state;
	assert_non_null(run);
	(void)snprintf(root, sizeof(root), "%s/live", top);
	assert_int_equal(mkdir(root, 0700), 0);
	live(root, run);
	(void)snprintf(root, sizeof(root), "%s/lost", top);
	for (unsigned int i = 0; i + 1 < STEPS; i++) {
		/* Just before a step is acknowledged its last sync is still missing. */
		struct store *store = NULL;
		char directory[128];

		power_lose(run->power, run->acknowledged[i] - 2, i, root);
		(void)snprintf(directory, sizeof(directory), "%s" DATA, root);
		assert_int_equal(store_new(directory, &store), 0);
		lost += holds(store, &run->models[i + 1]) ? 0 : 1;
		store_free(store);
		clear(root);
	}
	assert_in_range(lost, STEPS / 8, STEPS);
	run->power = power_free(run->power);
	free(run);
}

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(top, sizeof(top), "%s/sparekey-power-XXXXXX",
	               access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	return mkdtemp(top) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	clear(top);
	return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(nothing_acknowledged_is_lost_with_the_power),
		TEST(what_is_not_synced_can_be_lost),
	};

	return power_start() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
