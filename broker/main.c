/* SPDX-License-Identifier: MIT */
/*
 * sparekeyd: options, hardening, settings, then the broker. Nothing secret exists before
 * harden_process.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "broker.h"
#include "config.h"
#include "harden.h"
#include "crypto/totp.h"
#include "protocol/secret.h"

struct command_line {
	struct broker_options broker;
	const char *config;
	long idle_exit; /* -1: not given */
	bool check_config;
};

static const char usage[] =
	"Usage: sparekeyd [--address=ADDRESS|none] [--listen=ADDRESS]... [--data-dir=DIR]\n"
	"                 [--config=FILE] [--idle-exit=SECONDS] [--check-config] [--version]\n";

static const struct option long_options[] = {
	{ "address", required_argument, NULL, 'a' },
	{ "listen", required_argument, NULL, 'l' },
	{ "data-dir", required_argument, NULL, 'd' },
	{ "config", required_argument, NULL, 'c' },
	{ "idle-exit", required_argument, NULL, 'i' },
	{ "check-config", no_argument, NULL, 'C' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int read_seconds(const char *text, long *ret_seconds)
{
	char *end = NULL;

	errno = 0;
	long seconds = strtol(text, &end, 10);

	if (errno != 0 || end == text || *end != '\0' || seconds < 0 || seconds > 86400) {
		fprintf(stderr, "sparekeyd: --idle-exit: 0 to 86400 seconds\n");
		return BROKER_USAGE;
	}
	*ret_seconds = seconds;
	return 0;
}

static int add_listen(struct broker_options *broker, const char *address)
{
	if (broker->listens_count == BROKER_LISTENS) {
		fprintf(stderr, "sparekeyd: --listen: at most %u\n", BROKER_LISTENS);
		return BROKER_USAGE;
	}
	broker->listens[broker->listens_count++] = address;
	return 0;
}

/* 0 to go on, -1 done, or an exit code. */
static int read_option(int letter, struct command_line *line)
{
	switch (letter) {
	case 'a':
		line->broker.address = optarg;
		return 0;
	case 'l':
		return add_listen(&line->broker, optarg);
	case 'd':
		line->broker.data_dir = optarg;
		return 0;
	case 'c':
		line->config = optarg;
		return 0;
	case 'i':
		return read_seconds(optarg, &line->idle_exit);
	case 'C':
		line->check_config = true;
		return 0;
	case 'V':
		puts("sparekeyd " SPAREKEY_VERSION);
		return -1;
	case 'h':
		fputs(usage, stdout);
		return -1;
	default:
		fputs(usage, stderr);
		return BROKER_USAGE;
	}
}

static int read_command_line(int argc, char **argv, struct command_line *line)
{
	int letter = 0;
	int result = 0;

	while (result == 0 && (letter = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
		result = read_option(letter, line);
	}
	if (result == 0 && optind != argc) {
		fprintf(stderr, "sparekeyd: takes no argument \"%.80s\"\n%s", argv[optind], usage);
		result = BROKER_USAGE;
	}
	return result;
}

static void report(void *data, bool is_error, const char *text)
{
	(void)data;
	fprintf(stderr, "sparekeyd: %s%s\n", is_error ? "" : "warning: ", text);
}

static int run(struct command_line *line)
{
	settings_default(&line->broker.settings);
	if (config_load(line->config, report, NULL, &line->broker.settings) < 0) {
		return BROKER_CONFIG;
	}
	if (line->check_config) {
		return BROKER_DONE;
	}
	if (line->idle_exit >= 0) {
		line->broker.settings.idle_exit_seconds = (uint32_t)line->idle_exit;
	}
	return broker_run(&line->broker);
}

int main(int argc, char **argv)
{
	struct command_line line = { .idle_exit = -1 };
	int result = harden_process();

	if (result == 0) {
		result = secret_start();
	}
	if (result == 0) {
		result = totp_start();
	}
	if (result < 0) {
		fprintf(stderr, "sparekeyd: this process cannot be hardened: %s\n",
		        strerror(-result));
		return BROKER_FAULT;
	}
	result = read_command_line(argc, argv, &line);
	if (result != 0) {
		return result < 0 ? BROKER_DONE : result;
	}
	return run(&line);
}
