/* SPDX-License-Identifier: MIT */
/*
 * A program that uses the library alone, as a stranger's would: for
 * tests/integration/test_library.py.
 *
 *   probe version ADDRESS|- TIMEOUT_MS      one blocking call; result, milliseconds, text
 *   probe twice ADDRESS|- TIMEOUT_MS        the same before and after a line on stdin
 *   probe verify ADDRESS|- SCOPE COUNT      verifies stdin COUNT times; how many were right
 *   probe async ADDRESS|- COUNT             COUNT passwords made, verified, revoked at once, in a
 * main loop with a ticking timer: results, longest silence in ms probe cancel ADDRESS|- COUNT COUNT
 * requests made and cancelled; none may call back probe again ADDRESS|- COUNT             each
 * callback asks anew, COUNT times probe news ADDRESS|-                    prints news until stdin
 * ends
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static int verify(struct sparekey *sparekey, const char *scope, int count)
{
	struct sparekey_secret *secret = NULL;
	int right = 0;

	if (sparekey_secret_new(&secret) != 0 || sparekey_secret_read(secret, STDIN_FILENO) != 0) {
		return 1;
	}
	for (int i = 0; i < count; i++) {
		right += sparekey_verify(sparekey, secret, scope, NULL, NULL) == 0 ? 1 : 0;
	}
	printf("%d\n", right);
	sparekey_secret_free(secret);
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

static int run_async(struct sparekey *sparekey, int count)
{
	struct life *lives = calloc((size_t)count, sizeof(*lives));
	int left = count;
	int failures = 0;

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

static void never(void *data, int result, const struct sparekey_answer *answer)
{
	(void)result;
	(void)answer;
	++*(int *)data;
}

static int run_cancel(struct sparekey *sparekey, int count)
{
	struct sparekey_request request = { .operation = SPAREKEY_OP_VERSION };
	int called = 0;
	int left = 1;

	for (int i = 0; i < count; i++) {
		sparekey_submit(sparekey, &request, never, &called);
		if (i % 3 == 0) {
			sparekey_dispatch(sparekey);
		}
	}
	sparekey_cancel(sparekey, &called);
	called = 0;
	for (int i = 0; i < 100; i++) {
		struct pollfd ready = { .fd = sparekey_fd(sparekey), .events = POLLIN };

		if (poll(&ready, 1, 2) > 0) {
			sparekey_dispatch(sparekey);
		}
	}
	left = called;
	print_version(sparekey);
	printf("%d\n", left);
	return 0;
}

struct again {
	struct sparekey *sparekey;
	int left;
};

static void asked_again(void *data, int result, const struct sparekey_answer *answer)
{
	struct again *again = data;
	struct sparekey_request request = { .operation = SPAREKEY_OP_VERSION };

	(void)answer;
	(void)result;
	if (--again->left > 0) {
		sparekey_submit(again->sparekey, &request, asked_again, again);
	}
}

static int run_again(struct sparekey *sparekey, int count)
{
	struct again again = { sparekey, count + 1 };

	asked_again(&again, 0, NULL);
	loop(sparekey, &again.left);
	printf("%d\n", again.left);
	return 0;
}

static void told(void *data, const struct sparekey_news *news)
{
	(void)data;
	printf("%d %s %s %s %u %u %lld\n", (int)news->kind, news->id, news->label, news->scope,
	       news->reason, news->count, (long long)news->serial);
	fflush(stdout);
}

static int run_news(struct sparekey *sparekey)
{
	struct pollfd fds[2] = { { .fd = sparekey_fd(sparekey), .events = POLLIN },
		                 { .fd = STDIN_FILENO, .events = POLLIN } };

	sparekey_listen(sparekey, told, NULL);
	print_version(sparekey);
	while (poll(fds, 2, 60000) > 0 && fds[1].revents == 0) {
		sparekey_dispatch(sparekey);
	}
	return 0;
}

static int run(struct sparekey *sparekey, const char *command, const char *first,
               const char *second)
{
	int number = atoi(second != NULL ? second : first);

	if (strcmp(command, "version") == 0 || strcmp(command, "twice") == 0) {
		sparekey_set_timeout(sparekey, number);
		print_version(sparekey);
		if (strcmp(command, "twice") == 0 && getchar() != EOF) {
			print_version(sparekey);
		}
		return 0;
	}
	if (strcmp(command, "verify") == 0) {
		return verify(sparekey, first, number);
	}
	if (strcmp(command, "async") == 0) {
		return run_async(sparekey, number);
	}
	if (strcmp(command, "cancel") == 0) {
		return run_cancel(sparekey, number);
	}
	return strcmp(command, "again") == 0 ? run_again(sparekey, number) : run_news(sparekey);
}

int main(int argc, char **argv)
{
	struct sparekey *sparekey = NULL;

	if (argc < 3 ||
	    sparekey_new(strcmp(argv[2], "-") == 0 ? NULL : argv[2], 0, &sparekey) != 0) {
		return 64;
	}
	int result = run(sparekey, argv[1], argc > 3 ? argv[3] : "0", argc > 4 ? argv[4] : NULL);

	sparekey_free(sparekey);
	return result;
}
