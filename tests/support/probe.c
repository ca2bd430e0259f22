/* SPDX-License-Identifier: MIT */
/*
 * A program that uses the library alone, as a stranger's would: for test_library.py. ADDRESS may be
 * "-": the usual ways. Times are milliseconds. What failed is told by its number and text.
 *
 *   probe version ADDRESS TIMEOUT        result, time, way or text
 *   probe twice ADDRESS TIMEOUT          the same before and after a line on stdin
 *   probe reach ADDRESS TIMEOUT TIMEOUT  reaches a broker twice: result, time, way or text
 *   probe do ADDRESS TIMEOUT WHAT        one call: result, time, memory it took at most (KiB), what
 *                                        came, text. WHAT: create, verify, list, list-all, events,
 *                                        get, find, identify, settings, revoke-all
 *   probe verify ADDRESS SCOPE COUNT     verifies stdin: how many times it was right
 *   probe async ADDRESS COUNT            that many passwords made, verified, revoked at once beside
 *                                        a ticking timer: done, failed, longest time between ticks
 *   probe tick ADDRESS TIMEOUT [TIMEOUT] one request, or two, likewise: result, time, longest time
 *   probe cancel ADDRESS COUNT           requests made and cancelled: how many called back
 *   probe cancel-other ADDRESS TIMEOUT   two; the one that fails cancels the other: calls
 *   probe again ADDRESS COUNT            each callback asks anew: how often not, longest time
 *   probe again-reach ADDRESS COUNT      the same of what is answered at once
 *   probe threads ADDRESS SCOPE COUNT    two threads, a handle each, verify stdin: right ones
 *   probe handles ADDRESS COUNT          so many handles at once: how many were answered, how many
 *                                        by the bus
 *   probe owner ADDRESS                  lines of stdin, obeyed: initialize WORD, authenticate WORD
 *                                        [CODE], enroll, confirm CODE, codes, change WORD
 *                                        [revoke], remove, erase, lock, owner, create: result,
 *                                        what came
 *   probe news ADDRESS                   prints news until stdin ends; asks anew after a line
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <sparekey.h>

#define TICK_MS 5

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void print_version(struct sparekey *sparekey)
{
	char version[64] = "";
	long long start = now_ms();
	int result = sparekey_version(sparekey, version);

	printf("%d %lld %s\n", result, now_ms() - start,
	       result == 0 ? sparekey_way(sparekey) : sparekey_error_text(sparekey));
	fflush(stdout);
}

static int verify_times(struct sparekey *sparekey, const struct sparekey_secret *secret,
                        const char *scope, int count)
{
	int right = 0;

	for (int i = 0; i < count; i++) {
		right += sparekey_verify(sparekey, secret, scope, NULL, NULL) == 0 ? 1 : 0;
	}
	return right;
}

static struct sparekey_secret *secret_from_stdin(void)
{
	struct sparekey_secret *secret = NULL;

	if (sparekey_secret_new(&secret) != 0 || sparekey_secret_read(secret, STDIN_FILENO) != 0) {
		exit(1);
	}
	return secret;
}

static int run_verify(struct sparekey *sparekey, const char *scope, const char *count)
{
	struct sparekey_secret *secret = secret_from_stdin();

	printf("%d\n", verify_times(sparekey, secret, scope, atoi(count)));
	sparekey_secret_free(secret);
	return 0;
}

/* Single calls: each prints what came. */

static void setting(void *data, const char *name, const char *value)
{
	(void)name;
	(void)value;
	++*(int *)data;
}

static int do_secret(struct sparekey *sparekey, const char *what)
{
	struct sparekey_secret *secret = NULL;
	struct sparekey_wish wish = { .label = "Made by the probe" };
	struct sparekey_verification right = { .id = "" };
	struct sparekey_identity identity = { .result = "" };
	char id[SPAREKEY_ID_SIZE] = "";
	int result = sparekey_secret_new(&secret);

	if (result == 0 && strcmp(what, "create") != 0) {
		result = sparekey_secret_set(secret, "hello", 5);
	}
	if (result == 0 && strcmp(what, "create") == 0) {
		result = sparekey_create(sparekey, &wish, id, secret);
		printf("%s/%zu ", id, sparekey_secret_length(secret));
	} else if (result == 0 && strcmp(what, "verify") == 0) {
		result = sparekey_verify(sparekey, secret, "imap", NULL, &right);
		printf("%s/%s ", right.id, right.label);
	} else if (result == 0) {
		result = sparekey_identify(sparekey, secret, &identity);
		printf("%s ", identity.result);
	}
	sparekey_secret_free(secret);
	return result;
}

static int do_rows(struct sparekey *sparekey, const char *what)
{
	struct sparekey_list list = { NULL, 0 };
	struct sparekey_events events = { NULL, 0 };
	int result = 0;

	if (strcmp(what, "list") == 0) {
		result = sparekey_list_page(sparekey, "", 1000, &list);
	} else if (strcmp(what, "list-all") == 0) {
		result = sparekey_list(sparekey, &list);
	} else {
		result = sparekey_list_events(sparekey, 0, 0, NULL, 1000, &events);
	}
	printf("%u ", list.count + events.count);
	sparekey_list_free(&list);
	sparekey_events_free(&events);
	return result;
}

static int do_one(struct sparekey *sparekey, const char *what)
{
	struct sparekey_password password = { .id = "" };
	struct sparekey_filter filter = { .scope = "nothing" };
	char id[SPAREKEY_ID_SIZE] = "";
	unsigned int count = 0;
	int settings = 0;
	int result = 0;

	if (strcmp(what, "get") == 0) {
		result = sparekey_get(sparekey, "00000", &password);
		printf("%s/%u/%u ", password.id, password.scopes.count, password.uses_count);
	} else if (strcmp(what, "find") == 0) {
		result = sparekey_find(sparekey, "Phone", NULL, id);
		printf("%s ", id);
	} else if (strcmp(what, "settings") == 0) {
		result = sparekey_settings(sparekey, setting, &settings);
		printf("%d ", settings);
	} else {
		result = sparekey_revoke_all(sparekey, &filter, &count);
		printf("%u ", count);
	}
	return result;
}

static const struct single {
	const char *name;
	int (*call)(struct sparekey *sparekey, const char *what);
} singles[] = {
	{ "create", do_secret },  { "verify", do_secret }, { "identify", do_secret },
	{ "list", do_rows },      { "list-all", do_rows }, { "events", do_rows },
	{ "get", do_one },        { "find", do_one },      { "settings", do_one },
	{ "revoke-all", do_one },
};

static long memory_kib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

static int run_do(struct sparekey *sparekey, const char *timeout, const char *what)
{
	long long start = now_ms();
	long memory = memory_kib();

	sparekey_set_timeout(sparekey, atoi(timeout));
	for (size_t i = 0; i < sizeof(singles) / sizeof(singles[0]); i++) {
		if (strcmp(singles[i].name, what) == 0) {
			int result = singles[i].call(sparekey, what);

			printf("%d %lld %ld %s\n", result, now_ms() - start, memory_kib() - memory,
			       result == 0 ? "" : sparekey_error_text(sparekey));
		}
	}
	return 0;
}

/* One password's life, driven by callbacks. */
struct life {
	struct sparekey *sparekey;
	char label[32];
	char id[SPAREKEY_ID_SIZE];
	int *left;
	int *failures;
};

static void fail(struct life *life, int result)
{
	fprintf(stderr, "%s: %d %s\n", life->label, result, sparekey_error_text(life->sparekey));
	(*life->failures)++;
	(*life->left)--;
}

static void revoked(void *data, int result, const struct sparekey_answer *answer)
{
	struct life *life = data;

	(void)answer;
	if (result != 0) {
		fail(life, result);
	} else {
		(*life->left)--;
	}
}

static void verified(void *data, int result, const struct sparekey_answer *answer)
{
	struct life *life = data;
	struct sparekey_request request = { .operation = SPAREKEY_OP_REVOKE, .id = life->id };

	if (result != 0 || strcmp(answer->verification.label, life->label) != 0) {
		fail(life, result);
	} else if (sparekey_submit(life->sparekey, &request, revoked, life) != 0) {
		fail(life, -1);
	}
}

static void created(void *data, int result, const struct sparekey_answer *answer)
{
	struct life *life = data;
	struct sparekey_request request = { .operation = SPAREKEY_OP_VERIFY,
		                            .secret = answer->secret,
		                            .scope = "imap" };

	if (result != 0) {
		fail(life, result);
		return;
	}
	memcpy(life->id, answer->id, sizeof(life->id));
	if (sparekey_submit(life->sparekey, &request, verified, life) != 0) {
		fail(life, -1);
	}
}

static int tick_every(int milliseconds)
{
	struct itimerspec at = { { 0, milliseconds * 1000000L }, { 0, milliseconds * 1000000L } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	timerfd_settime(fd, 0, &at, NULL);
	return fd;
}

/* The main loop of somebody else's program. Returns the longest time between two ticks it saw. */
static long long loop(struct sparekey *sparekey, const int *left)
{
	struct pollfd fds[2] = { { .fd = sparekey_fd(sparekey), .events = POLLIN },
		                 { .fd = tick_every(TICK_MS), .events = POLLIN } };
	long long last = now_ms();
	long long longest = 0;
	unsigned long long ticks = 0;

	while (*left > 0 && poll(fds, 2, 60000) > 0) {
		if ((fds[1].revents & POLLIN) != 0 && read(fds[1].fd, &ticks, sizeof(ticks)) > 0) {
			longest = now_ms() - last > longest ? now_ms() - last : longest;
			last = now_ms();
		}
		if ((fds[0].revents & POLLIN) != 0 && sparekey_dispatch(sparekey) != 0) {
			break;
		}
	}
	close(fds[1].fd);
	return longest;
}

static int run_async(struct sparekey *sparekey, const char *number, const char *unused)
{
	int count = atoi(number);
	struct life *lives = calloc((size_t)count, sizeof(*lives));
	int left = count;
	int failures = 0;

	(void)unused;
	if (lives == NULL) {
		return 1;
	}
	for (int i = 0; i < count; i++) {
		struct sparekey_wish wish = { .label = lives[i].label };
		struct sparekey_request request = { .operation = SPAREKEY_OP_CREATE,
			                            .wish = &wish };

		lives[i].sparekey = sparekey;
		lives[i].left = &left;
		lives[i].failures = &failures;
		snprintf(lives[i].label, sizeof(lives[i].label), "async %d", i);
		if (sparekey_submit(sparekey, &request, created, &lives[i]) != 0) {
			fail(&lives[i], -1);
		}
	}
	long long longest = loop(sparekey, &left);

	printf("%d %d %lld\n", count - left - failures, failures, longest);
	free(lives);
	return 0;
}

struct ticked {
	int left;
	int result;
};

static void ticked(void *data, int result, const struct sparekey_answer *answer)
{
	struct ticked *ticked = data;

	(void)answer;
	ticked->left = 0;
	ticked->result = result;
}

static void tick(struct sparekey *sparekey, int timeout_ms)
{
	struct sparekey_request request = { .operation = SPAREKEY_OP_VERSION };
	struct ticked state = { .left = 1 };
	long long start = now_ms();

	sparekey_set_timeout(sparekey, timeout_ms);
	sparekey_submit(sparekey, &request, ticked, &state);
	long long longest = loop(sparekey, &state.left);

	printf("%d %lld %lld\n", state.result, now_ms() - start, longest);
}

static int run_tick(struct sparekey *sparekey, const char *timeout, const char *again)
{
	tick(sparekey, atoi(timeout));
	if (atoi(again) > 0) {
		tick(sparekey, atoi(again));
	}
	return 0;
}

static void reach(struct sparekey *sparekey, int timeout_ms)
{
	long long start = now_ms();

	sparekey_set_timeout(sparekey, timeout_ms);
	int result = sparekey_reach(sparekey);

	printf("%d %lld %s\n", result, now_ms() - start,
	       result == 0 ? sparekey_way(sparekey) : sparekey_error_text(sparekey));
}

static int run_reach(struct sparekey *sparekey, const char *timeout, const char *again)
{
	reach(sparekey, atoi(timeout));
	reach(sparekey, atoi(again));
	return 0;
}

static void never(void *data, int result, const struct sparekey_answer *answer)
{
	(void)result;
	(void)answer;
	++*(int *)data;
}

/* Dispatches for a while, whatever comes. */
static void dispatch_for(struct sparekey *sparekey, int ms)
{
	for (long long until = now_ms() + ms; now_ms() < until;) {
		struct pollfd ready = { .fd = sparekey_fd(sparekey), .events = POLLIN };

		if (poll(&ready, 1, 2) > 0) {
			sparekey_dispatch(sparekey);
		}
	}
}

static int run_cancel(struct sparekey *sparekey, const char *count, const char *unused)
{
	struct sparekey_request request = { .operation = SPAREKEY_OP_VERSION };
	int called = 0;

	(void)unused;
	for (int i = 0; i < atoi(count); i++) {
		sparekey_submit(sparekey, &request, never, &called);
		if (i % 3 == 0) {
			sparekey_dispatch(sparekey);
		}
	}
	sparekey_cancel(sparekey, &called);
	called = 0;
	dispatch_for(sparekey, 200);
	int late = called;

	print_version(sparekey);
	printf("%d\n", late);
	return 0;
}

/* Two requests that fail together: whichever is told first takes the other back. */
struct pair {
	struct sparekey *sparekey;
	struct pair *other;
	int *calls;
};

static void take_back(void *data, int result, const struct sparekey_answer *answer)
{
	struct pair *pair = data;

	(void)result;
	(void)answer;
	++*pair->calls;
	sparekey_cancel(pair->sparekey, pair->other);
	free(pair->other);
	free(pair);
}

static int run_cancel_other(struct sparekey *sparekey, const char *timeout, const char *unused)
{
	struct sparekey_request request = { .operation = SPAREKEY_OP_VERSION };
	int calls = 0;
	struct pair *one = calloc(1, sizeof(*one));
	struct pair *two = calloc(1, sizeof(*two));

	(void)unused;
	if (one == NULL || two == NULL) {
		return 1;
	}
	*one = (struct pair){ sparekey, two, &calls };
	*two = (struct pair){ sparekey, one, &calls };
	sparekey_set_timeout(sparekey, atoi(timeout));
	sparekey_submit(sparekey, &request, take_back, one);
	sparekey_submit(sparekey, &request, take_back, two);
	dispatch_for(sparekey, atoi(timeout) + 300);
	printf("%d\n", calls);
	return 0;
}

struct again {
	struct sparekey *sparekey;
	enum sparekey_operation operation;
	int left;
	int depth;
	int deepest;
};

static void asked_again(void *data, int result, const struct sparekey_answer *answer)
{
	struct again *again = data;
	struct sparekey_request request = { .operation = again->operation };

	(void)answer;
	(void)result;
	again->deepest = ++again->depth > again->deepest ? again->depth : again->deepest;
	if (--again->left > 0) {
		sparekey_submit(again->sparekey, &request, asked_again, again);
	}
	again->depth--;
}

static int ask_again(struct sparekey *sparekey, enum sparekey_operation operation, int count)
{
	struct again again = { .sparekey = sparekey, .operation = operation, .left = count + 1 };

	sparekey_reach(sparekey);
	asked_again(&again, 0, NULL);
	long long longest = loop(sparekey, &again.left);

	printf("%d %d %lld\n", again.left, again.deepest, longest);
	return 0;
}

static int run_again(struct sparekey *sparekey, const char *count, const char *unused)
{
	(void)unused;
	return ask_again(sparekey, SPAREKEY_OP_VERSION, atoi(count));
}

static int run_again_reach(struct sparekey *sparekey, const char *count, const char *unused)
{
	(void)unused;
	return ask_again(sparekey, SPAREKEY_OP_REACH, atoi(count));
}

struct threaded {
	const char *address;
	const struct sparekey_secret *secret;
	const char *scope;
	int count;
	int right;
};

static void *in_thread(void *data)
{
	struct threaded *threaded = data;
	struct sparekey *sparekey = NULL;

	if (sparekey_new(threaded->address, 0, &sparekey) == 0) {
		threaded->right = verify_times(sparekey, threaded->secret, threaded->scope,
		                               threaded->count);
	}
	sparekey_free(sparekey);
	return NULL;
}

/* The handle of the main thread is not theirs. */
static int run_threads(const char *address, const char *scope, const char *count)
{
	struct sparekey_secret *secret = secret_from_stdin();
	struct threaded both[2];
	pthread_t threads[2];

	for (size_t i = 0; i < 2; i++) {
		both[i] = (struct threaded){ address, secret, scope, atoi(count), 0 };
		pthread_create(&threads[i], NULL, in_thread, &both[i]);
	}
	for (size_t i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
	}
	printf("%d\n", both[0].right + both[1].right);
	sparekey_secret_free(secret);
	return 0;
}

static int run_handles(const char *address, const char *number, const char *unused)
{
	int count = atoi(number);
	int answered = 0;
	int by_bus = 0;
	char version[64];
	struct sparekey **handles = calloc((size_t)count, sizeof(*handles));

	(void)unused;
	for (int i = 0; handles != NULL && i < count; i++) {
		if (sparekey_new(address, 0, &handles[i]) == 0 &&
		    sparekey_version(handles[i], version) == 0) {
			answered++;
			by_bus += strncmp(sparekey_way(handles[i]), "bus", 3) == 0 ? 1 : 0;
		}
	}
	for (int i = 0; handles != NULL && i < count; i++) {
		sparekey_free(handles[i]);
	}
	free(handles);
	printf("%d %d\n", answered, by_bus);
	return 0;
}

/* What takes a word, and perhaps another, as a secret. */
static void owner_secret(struct sparekey *sparekey, const char *what, const char *word,
                         const char *other)
{
	struct sparekey_secret *secret = NULL;
	struct sparekey_secret *code = NULL;
	int64_t until = 0;
	int result = 1000;

	if (sparekey_secret_new(&secret) != 0 || sparekey_secret_new(&code) != 0 ||
	    sparekey_secret_set(secret, word, strlen(word)) != 0 ||
	    sparekey_secret_set(code, other, strlen(other)) != 0) {
		exit(1);
	}
	if (strcmp(what, "initialize") == 0) {
		result = sparekey_initialize(sparekey, secret);
	} else if (strcmp(what, "authenticate") == 0) {
		result = sparekey_authenticate(sparekey, secret, other[0] != '\0' ? code : NULL,
		                               &until);
	} else if (strcmp(what, "change") == 0) {
		result = sparekey_change_main_password(sparekey, secret,
		                                       strcmp(other, "revoke") == 0);
	} else if (strcmp(what, "enroll") == 0) {
		result = sparekey_enroll_totp(sparekey, secret);
	} else if (strcmp(what, "codes") == 0) {
		result = sparekey_generate_codes(sparekey, secret);
	}
	printf("%d %s%s\n", result, until > 0 ? "until" : "",
	       result == 0 && word[0] == '\0' ? sparekey_secret_text(secret) : "");
	sparekey_secret_free(secret);
	sparekey_secret_free(code);
}

static void owner_obey(struct sparekey *sparekey, const char *what, const char *word,
                       const char *other)
{
	struct sparekey_owner owner = { .initialized = false };
	struct sparekey_wish wish = { .label = word };
	struct sparekey_secret *secret = NULL;
	char id[SPAREKEY_ID_SIZE] = "";
	int result = 1000;

	if (strcmp(what, "confirm") == 0) {
		result = sparekey_confirm_totp(sparekey, word);
	} else if (strcmp(what, "remove") == 0) {
		result = sparekey_remove_totp(sparekey);
	} else if (strcmp(what, "erase") == 0) {
		result = sparekey_erase(sparekey);
	} else if (strcmp(what, "lock") == 0) {
		result = sparekey_lock(sparekey);
	} else if (strcmp(what, "owner") == 0) {
		result = sparekey_owner(sparekey, &owner);
		printf("%d %d %u %u\n", result, owner.initialized, owner.second_factor,
		       owner.recovery_codes_left);
		return;
	} else if (strcmp(what, "create") == 0 && sparekey_secret_new(&secret) == 0) {
		result = sparekey_create(sparekey, &wish, id, secret);
		sparekey_secret_free(secret);
	} else {
		owner_secret(sparekey, what, word, other);
		return;
	}
	printf("%d\n", result);
}

static int run_owner(struct sparekey *sparekey, const char *unused, const char *unused_too)
{
	char line[200];

	(void)unused;
	(void)unused_too;
	while (fgets(line, sizeof(line), stdin) != NULL) {
		char what[20] = "";
		char word[80] = "";
		char other[80] = "";

		if (sscanf(line, "%19s %79s %79s", what, word, other) > 0) {
			owner_obey(sparekey, what, word, other);
			fflush(stdout);
		}
	}
	return 0;
}

static void told(void *data, const struct sparekey_news *news)
{
	(void)data;
	printf("%d %s \"%s\" %s %u %u %lld\n", (int)news->kind, news->id, news->label, news->scope,
	       news->reason, news->count, (long long)news->serial);
	fflush(stdout);
}

static int run_news(struct sparekey *sparekey, const char *unused, const char *unused_too)
{
	struct pollfd fds[2] = { { .fd = sparekey_fd(sparekey), .events = POLLIN },
		                 { .fd = STDIN_FILENO, .events = POLLIN } };
	char line[16];

	(void)unused;
	(void)unused_too;
	sparekey_listen(sparekey, told, NULL);
	print_version(sparekey);
	while (poll(fds, 2, 60000) > 0) {
		if (fds[1].revents != 0) {
			if (read(STDIN_FILENO, line, sizeof(line)) <= 0) {
				break;
			}
			print_version(sparekey);
		}
		sparekey_dispatch(sparekey);
	}
	return 0;
}

static int run_version(struct sparekey *sparekey, const char *timeout, const char *unused)
{
	(void)unused;
	sparekey_set_timeout(sparekey, atoi(timeout));
	print_version(sparekey);
	return 0;
}

static int run_twice(struct sparekey *sparekey, const char *timeout, const char *unused)
{
	run_version(sparekey, timeout, unused);
	if (getchar() != EOF) {
		print_version(sparekey);
	}
	return 0;
}

static const struct command {
	const char *name;
	int (*run)(struct sparekey *sparekey, const char *first, const char *second);
	int (*run_without)(const char *address, const char *first, const char *second);
} commands[] = {
	{ "version", run_version, NULL }, { "twice", run_twice, NULL },
	{ "do", run_do, NULL },           { "verify", run_verify, NULL },
	{ "async", run_async, NULL },     { "tick", run_tick, NULL },
	{ "cancel", run_cancel, NULL },   { "cancel-other", run_cancel_other, NULL },
	{ "again", run_again, NULL },     { "again-reach", run_again_reach, NULL },
	{ "threads", NULL, run_threads }, { "handles", NULL, run_handles },
	{ "news", run_news, NULL },       { "owner", run_owner, NULL },
	{ "reach", run_reach, NULL },
};

static const struct command *command_of(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) == 0) {
			return &commands[i];
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct sparekey *sparekey = NULL;
	const struct command *command = argc >= 3 ? command_of(argv[1]) : NULL;
	const char *address = argc >= 3 && strcmp(argv[2], "-") != 0 ? argv[2] : NULL;
	const char *first = argc > 3 ? argv[3] : "0";
	const char *second = argc > 4 ? argv[4] : "0";

	if (command == NULL) {
		return 64;
	}
	if (command->run == NULL) {
		return command->run_without(address, first, second);
	}
	if (sparekey_new(address, 0, &sparekey) != 0) {
		return 1;
	}
	int result = command->run(sparekey, first, second);

	sparekey_free(sparekey);
	return result;
}
