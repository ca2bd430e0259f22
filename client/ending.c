/* SPDX-License-Identifier: MIT */
/*
 * How a broker of our own ends: what it said last, its exit status, and its death where it will not
 * go. The caller's thread. Nothing here waits, but for what sparekey_free does: the handle's timer
 * comes back until it is over. Refused: its pidfd and its errors in epoll, two more descriptors for
 * what is over in milliseconds or hangs.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/client.h"

#define ENDING_MS 3000u  /* from being asked to end to being made to */
#define HEARING_MS 1000u /* for its last words, and its end */
#define SILENCE_MS 200u  /* after that it has said all it will */
#define READS 64u        /* of what it said, at a time: more than its pipe holds */
#define EXIT_STORE 74    /* sparekeyd(8), EXIT STATUS */
#define EXIT_SETTINGS 78

static void close_errors(struct sparekey *sparekey)
{
	if (sparekey->broker_errors >= 0) {
		close(sparekey->broker_errors);
		sparekey->broker_errors = -1;
	}
}

/* Whether it has ended, or the caller reaps its children by itself: then its number may be
 * another's, and how it ended is not known. */
static bool has_ended(struct sparekey *sparekey)
{
	int status = 0;
	pid_t ended = sparekey->broker > 0 ? waitpid(sparekey->broker, &status, WNOHANG) : -1;

	if (ended == 0) {
		return false;
	}
	if (ended > 0) {
		sparekey->broker_status = status;
	}
	sparekey->broker = 0;
	sparekey->broker_kill_ms = UINT64_MAX;
	return true;
}

/* Reads once; false: there is nothing now, or (then it is closed) never again. Its last words
 * count: where there is no room for all, the first go. */
static bool read_once(struct sparekey *sparekey)
{
	char *words = sparekey->broker_words;
	size_t size = sizeof(sparekey->broker_words);
	size_t length = strlen(words);

	if (length > size / 2) {
		length -= size / 2;
		memmove(words, words + size / 2, length);
	}
	ssize_t count = read(sparekey->broker_errors, words + length, size - 1 - length);

	words[length + (count > 0 ? (size_t)count : 0)] = '\0';
	if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
		close_errors(sparekey);
	}
	return count > 0;
}

static void read_words(struct sparekey *sparekey, uint64_t now_ms)
{
	for (unsigned int i = 0; i < READS && sparekey->broker_errors >= 0; i++) {
		if (!read_once(sparekey)) {
			return;
		}
		sparekey->broker_hush_ms = now_ms + SILENCE_MS;
	}
}

/* The last line it logged, without its own name before it. */
static const char *last_line(char *text)
{
	size_t length = strlen(text);
	char *line = NULL;

	while (length > 0 && text[length - 1] == '\n') {
		text[--length] = '\0';
	}
	line = strrchr(text, '\n');
	line = line != NULL ? line + 1 : text;
	return strncmp(line, "sparekeyd: ", strlen("sparekeyd: ")) == 0
	               ? line + strlen("sparekeyd: ")
	               : line;
}

/* Says and returns why it failed. */
static int why(struct sparekey *sparekey)
{
	int status = sparekey->broker_status;
	const char *said = last_line(sparekey->broker_words);

	client_fail(sparekey, 0, "no broker, and %s%s%.1000s%s",
	            WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_PROGRAM
	                    ? "none could be started"
	                    : "the one started did not come up",
	            said[0] != '\0' ? ": " : "", said,
	            sparekey->is_passed_over ? "; the one beside this program was passed over: "
	                                       "others can write to it or to its directory"
	                                     : "");
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_STORE) {
		return SPAREKEY_STORAGE_FAILED;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SETTINGS ? SPAREKEY_BAD_SETTINGS
	                                                                 : SPAREKEY_NO_BROKER;
}

static void end_way(struct sparekey *sparekey, int failure)
{
	sparekey->failure = failure;
	sparekey->way = WAY_NONE;
	sparekey->stage = REACH_NEXT;
}

void ending_begin(struct sparekey *sparekey)
{
	uint64_t now_ms = client_now_ms();

	if (sparekey->stage == REACH_CLEARING) { /* not even killing it has helped */
		end_way(sparekey, client_fail(sparekey, SPAREKEY_NO_BROKER,
		                              "no broker, and the "
		                              "one that was started before does not end"));
		return;
	}
	sparekey->broker_words[0] = '\0';
	sparekey->broker_hush_ms = now_ms + SILENCE_MS;
	sparekey->way_until_ms = now_ms + HEARING_MS;
	sparekey->stage = REACH_HEARING;
	sparekey->retry_ms = 0;
}

/* What it speaks by is closed before it can be waited for: one that is ending has no silence to
 * keep. Whether it has ended is asked first, so that nothing it said before is missed. */
void ending_hear(struct sparekey *sparekey)
{
	uint64_t now_ms = client_now_ms();
	bool is_over = has_ended(sparekey);

	read_words(sparekey, now_ms);
	if (is_over || now_ms >= sparekey->way_until_ms ||
	    (sparekey->broker_errors >= 0 && now_ms >= sparekey->broker_hush_ms)) {
		end_way(sparekey, why(sparekey));
	} else {
		reach_linger(sparekey, REACH_HEARING);
	}
}

void private_stop(struct sparekey *sparekey)
{
	char path[DIRECTORY_BYTES + sizeof("/s")];

	if (sparekey->broker > 0 && sparekey->broker_kill_ms == UINT64_MAX &&
	    !has_ended(sparekey)) {
		kill(sparekey->broker, SIGTERM);
		sparekey->broker_kill_ms = client_now_ms() + ENDING_MS;
	}
	close_errors(sparekey);
	if (sparekey->directory[0] != '\0') {
		snprintf(path, sizeof(path), "%s/s", sparekey->directory);
		unlink(path);
		rmdir(sparekey->directory);
		sparekey->directory[0] = '\0';
	}
}

bool ending_is_over(struct sparekey *sparekey)
{
	uint64_t now_ms = client_now_ms();

	if (has_ended(sparekey)) {
		return true;
	}
	if (now_ms >= sparekey->broker_kill_ms) {
		kill(sparekey->broker, SIGKILL);
		sparekey->broker_kill_ms = now_ms + ENDING_MS; /* to see that it has gone */
	}
	return false;
}

void ending_wait(struct sparekey *sparekey)
{
	static const struct timespec pause = { 0, 10000000 };

	while (sparekey->broker > 0 && client_now_ms() < sparekey->broker_kill_ms &&
	       !has_ended(sparekey)) {
		nanosleep(&pause, NULL);
	}
	if (sparekey->broker > 0 && !has_ended(sparekey)) {
		kill(sparekey->broker, SIGKILL);
		waitpid(sparekey->broker, NULL, 0);
		sparekey->broker = 0;
	}
}
