/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the broker's front door with everything behind it: real loop, service, store, and a
 * peer connection by which composed and raw calls come. Each call gets one answer, of the signature
 * the contract names or an error, whatever fails on the way; nothing stays behind.
 *
 * Argon2 is stood in for, or it would be all that is measured; so are the worker threads, or an
 * input would not do the same twice.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/workers.h"
#include "bus/door.h"
#include "crypto/totp.h"
#include "bus/internal.h"
#include "config.h"
#include "crypto/argon2id.h"
#include "service/service.h"
#include "sparekey.h"
#include "store/store.h"
#include "tests/fuzz/fuzz.h"

#define CALLS_MOST 16u
#define VALUES 60u
#define INPUTS_A_WORLD 3000u
#define TURNS 2000u
#define TURN_MS 5

struct world {
	char directory[64];
	struct settings settings;
	struct loop *loop;
	struct secret_pool *pool;
	struct store *store;
	struct service *service;
	struct door *door;
	DBusConnection *client;
	unsigned int inputs;
	unsigned int answers;
	const char *expected; /* signature of a success; NULL: any */
	char id[24];          /* of the last password made */
	char text[PASSWORD_TEXT + 1];
};

static struct world *world;
static bool is_registered; /* world_end, for the end of the process */

int __wrap_argon2id_hash(const struct secret *secret, const struct phc_cost *cost,
                         const uint8_t salt[static PHC_SALT], uint8_t ret_tag[static PHC_TAG]);
int __wrap_argon2id_check(const struct secret *secret, const struct phc *phc);

int __wrap_argon2id_hash(const struct secret *secret, const struct phc_cost *cost,
                         const uint8_t salt[static PHC_SALT], uint8_t ret_tag[static PHC_TAG])
{
	(void)cost;
	crypto_generichash(ret_tag, PHC_TAG, secret_bytes(secret), secret_length(secret), salt,
	                   PHC_SALT);
	return 0;
}

int __wrap_argon2id_check(const struct secret *secret, const struct phc *phc)
{
	uint8_t tag[PHC_TAG];

	__wrap_argon2id_hash(secret, &phc->cost, phc->salt, tag);
	return memcmp(tag, phc->tag, PHC_TAG) == 0 ? 0 : SPAREKEY_AUTHENTICATION_FAILED;
}

/* Jobs are done in the next turn, in the order they came: no thread's luck is in what an input
 * does. */
static struct job *jobs;

int __wrap_workers_submit(struct workers *workers, struct job *job);

int __wrap_workers_submit(struct workers *workers, struct job *job)
{
	struct job **end = &jobs;

	(void)workers;
	while (*end != NULL) {
		end = &(*end)->next;
	}
	job->next = NULL;
	*end = job;
	return 0;
}

static void do_jobs(void)
{
	while (jobs != NULL) {
		struct job *job = jobs;

		jobs = job->next;
		job->run(job);
		job->done(job);
	}
}

/* What the log says of each failure nobody reads; but it is one line, and printable. */
void __wrap_log_event(enum log_level level, const char *event, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void __wrap_log_event(enum log_level level, const char *event, const char *format, ...)
{
	char line[1200];
	va_list arguments;

	MUST(level >= LOG_LEVEL_ERROR && level <= LOG_LEVEL_INFO && event[0] != '\0');
	va_start(arguments, format);
	(void)vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	MUST(is_harmless(line));
}

static void activity(void *data)
{
	(void)data;
}

/* Both sides of the connection, until nothing moves. Only what the broker does may fail. */
static void turn(int wait_ms)
{
	dbus_connection_read_write(world->client, 0);
	faults_resume();
	MUST(loop_turn(world->loop, jobs != NULL ? 0 : wait_ms) == 0);
	do_jobs();
	faults_pause();
	dbus_connection_read_write(world->client, 0);
}

/* The world. */

static void remove_directory(const char *path)
{
	char name[400];
	DIR *directory = opendir(path);
	struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		struct stat status;

		(void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] == '.' || lstat(name, &status) < 0) {
			continue;
		}
		if (S_ISDIR(status.st_mode)) {
			remove_directory(name);
		} else {
			unlink(name);
		}
	}
	if (directory != NULL) {
		closedir(directory);
	}
	rmdir(path);
}

static void world_end(void)
{
	if (world == NULL) {
		return;
	}
	dbus_connection_close(world->client);
	dbus_connection_unref(world->client);
	world->door = door_free(world->door);
	world->service = service_free(world->service);
	world->store = store_free(world->store);
	world->pool = secret_pool_free(world->pool);
	world->loop = loop_free(world->loop);
	remove_directory(world->directory);
	free(world);
	world = NULL;
}

static void socket_address(char *ret_address, size_t size)
{
	(void)snprintf(ret_address, size, "unix:path=%s/socket", world->directory);
}

static void connect_client(void)
{
	static const struct faults none = { .count = 0 };
	DBusMessage *ping = dbus_message_new_method_call(NULL, "/", DBUS_INTERFACE_PEER, "Ping");
	char address[120];

	faults_begin(&none);
	faults_pause();
	socket_address(address, sizeof(address));
	world->client = dbus_connection_open_private(address, NULL);
	MUST(world->client != NULL && ping != NULL);
	dbus_connection_set_exit_on_disconnect(world->client, FALSE);
	MUST(dbus_connection_send(world->client, ping, NULL));
	dbus_message_unref(ping);
	DBusMessage *pong = NULL;

	for (unsigned int i = 0; i < TURNS && pong == NULL; i++) {
		turn(1);
		pong = dbus_connection_pop_message(world->client);
	}
	MUST(pong != NULL);
	dbus_message_unref(pong);
}

static void world_begin(void)
{
	static const struct faults none = { .count = 0 };
	char address[120];
	bool has_memory = access("/dev/shm", W_OK) == 0;

	world = calloc(1, sizeof(*world));
	MUST(world != NULL && secret_start() == 0 && totp_start() == 0);
	MUST(is_registered || atexit(world_end) == 0);
	is_registered = true;
	(void)snprintf(world->directory, sizeof(world->directory), "%s/sparekey-fuzz-XXXXXX",
	               has_memory ? "/dev/shm" : "/tmp");
	MUST(mkdtemp(world->directory) != NULL);
	settings_default(&world->settings);
	world->settings.max_passwords = 50;
	world->settings.create_requires = REQUIRES_NOTHING;
	world->settings.owner_argon2_memory_kib = 1024;
	world->settings.owner_argon2_passes = 1;
	faults_begin(&none);
	faults_pause();
	MUST(loop_new(clock_system(), &world->loop) == 0);
	MUST(secret_pool_new(16, &world->pool) == 0);
	MUST(store_new(world->directory, &world->store) == 0);
	MUST(service_new(world->loop, &world->settings, world->store, world->pool,
	                 &world->service) == 0);
	MUST(door_new(world->loop, world->service, world->pool, activity, NULL, &world->door) == 0);
	socket_address(address, sizeof(address));
	MUST(door_listen(world->door, address) == 0);
	connect_client();
}

/* Calls. */

static const struct {
	const char *path, *interface, *member, *in, *out;
} calls[] = {
	{ PATH_BROKER, NAME_MANAGER, "CreatePassword", "sa{sv}", "os" },
	{ PATH_BROKER, NAME_MANAGER, "CreatePasswordByFileDescriptor", "sa{sv}", "oh" },
	{ PATH_BROKER, NAME_MANAGER, "FindPassword", "sa{sv}", "o" },
	{ PATH_BROKER, NAME_MANAGER, "ListPasswords", "a{sv}", "a(oa{sv})" },
	{ PATH_BROKER, NAME_MANAGER, "IdentifyByFileDescriptor", "ha{sv}", "a{sv}" },
	{ PATH_BROKER, NAME_MANAGER, "RevokeAll", "a{sv}a{sv}", "u" },
	{ PATH_BROKER, NAME_MANAGER, "ListEvents", "tua{sv}", "a(xtssa{sv})" },
	{ PATH_BROKER, NAME_VERIFIER, "Verify", "ssa{sv}", "oa{sv}" },
	{ PATH_BROKER, NAME_VERIFIER, "VerifyByFileDescriptor", "hsa{sv}", "oa{sv}" },
	{ PATH_BROKER, NAME_OWNER, "Initialize", "ha{sv}", "" },
	{ PATH_BROKER, NAME_OWNER, "Authenticate", "ha{sv}", "t" },
	{ PATH_BROKER, NAME_OWNER, "Lock", "", "" },
	{ PATH_BROKER, NAME_OWNER, "ChangeMainPassword", "ha{sv}", "" },
	{ PATH_BROKER, NAME_OWNER, "EnrollTotp", "a{sv}", "h" },
	{ PATH_BROKER, NAME_OWNER, "ConfirmTotp", "sa{sv}", "" },
	{ PATH_BROKER, NAME_OWNER, "RemoveTotp", "a{sv}", "" },
	{ PATH_BROKER, NAME_OWNER, "GenerateRecoveryCodes", "a{sv}", "h" },
	{ PATH_BROKER, NAME_OWNER, "Erase", "a{sv}", "" },
	{ NULL, NAME_PASSWORD, "Revoke", "a{sv}", "" },
	{ NULL, NAME_PASSWORD, "Rename", "sa{sv}", "" },
	{ NULL, NAME_PASSWORD, "SetScopes", "asa{sv}", "" },
	{ NULL, NAME_PASSWORD, "SetExpiry", "ta{sv}", "" },
	{ NULL, NAME_PASSWORD, "Freeze", "a{sv}", "" },
	{ NULL, NAME_PASSWORD, "Thaw", "a{sv}", "" },
	{ NULL, DBUS_INTERFACE_PROPERTIES, "Get", "ss", "v" },
	{ NULL, DBUS_INTERFACE_PROPERTIES, "GetAll", "s", "a{sv}" },
	{ PATH_BROKER, DBUS_INTERFACE_PROPERTIES, "Get", "ss", "v" },
	{ PATH_BROKER, DBUS_INTERFACE_PROPERTIES, "Set", "ssv", "" },
	{ PATH_BROKER, DBUS_INTERFACE_PROPERTIES, "GetAll", "s", "a{sv}" },
	{ PATH_PASSWORDS, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "",
	  "a{oa{sa{sv}}}" },
	{ PATH_BROKER, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "",
	  "a{oa{sa{sv}}}" },
	{ PATH_PASSWORDS, DBUS_INTERFACE_INTROSPECTABLE, "Introspect", "", "s" },
	{ "/", DBUS_INTERFACE_INTROSPECTABLE, "Introspect", "", "s" },
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

static int opened[CALLS_MOST * 2];
static unsigned int opened_count;

/* A pipe that holds the last password, or what the input says; or a file. */
static int hand_in(struct source *source)
{
	int ends[2];
	char text[300];
	uint8_t choice = source_byte(source);
	const char *secret = world->text;
	int fd = -1;

	if (choice % 8 == 1) {
		fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	} else {
		if (choice % 8 == 2) {
			source_text(source, text, sizeof(text));
			secret = text;
		}
		MUST(pipe(ends) == 0);
		MUST(write(ends[1], secret, strlen(secret)) == (ssize_t)strlen(secret));
		close(ends[1]);
		fd = ends[0];
	}
	if (opened_count == sizeof(opened) / sizeof(opened[0])) {
		close(opened[--opened_count]);
	}
	opened[opened_count++] = fd;
	return fd;
}

static DBusMessage *compose_call(struct source *source)
{
	char path[80];
	const char *words[] = { world->id,
		                world->text,
		                "Phone",
		                "phone",
		                "imap",
		                "scopes:as",
		                "account:s",
		                "expires_at:t",
		                "after:s",
		                "limit:u",
		                "except:ao",
		                "scope:s",
		                "unused_since:t",
		                "created_before:t",
		                "never_used:b",
		                "before:x",
		                "password:o",
		                "remote:s",
		                "record:b",
		                "diagnosis:s",
		                "group:u",
		                "mistyped",
		                "malformed",
		                "must_fly:b",
		                "idle_seconds:u",
		                "192.0.2.7",
		                NAME_MANAGER,
		                NAME_PASSWORD,
		                NAME_VERIFIER,
		                "Version",
		                "Settings",
		                "Label",
		                PATH_PASSWORDS "/k7mq3",
		                NULL };
	struct composer composer = { source, words, hand_in, VALUES, NULL };
	size_t which = source_byte(source) % CALLS;
	uint8_t oddity = source_byte(source);
	DBusMessage *message = NULL;

	(void)snprintf(path, sizeof(path), "%s/%s", PATH_PASSWORDS,
	               oddity % 16 == 1 || world->id[0] == '\0' ? "k7mq3" : world->id);
	message = dbus_message_new_method_call(
		NULL, calls[which].path != NULL ? calls[which].path : path,
		oddity % 16 == 2 ? NULL : calls[which].interface, calls[which].member);
	MUST(message != NULL);
	compose(&composer, message, oddity % 16 == 3 ? "a{sv}s" : calls[which].in);
	world->expected = calls[which].out;
	return message;
}

static DBusMessage *read_call(struct source *source)
{
	DBusMessage *message = source->left > 0 ? dbus_message_demarshal((const char *)source->at,
	                                                                 (int)source->left, NULL)
	                                        : NULL;

	/* A message that has been sent cannot be sent again; a copy can. */
	if (message != NULL) {
		DBusMessage *copy = dbus_message_copy(message);

		dbus_message_unref(message);
		message = copy;
	}
	world->expected = NULL;
	return message;
}

/* Answers. */

static void note_created(DBusMessage *reply)
{
	const char *path = NULL;
	const char *text = NULL;

	if (dbus_message_get_args(reply, NULL, DBUS_TYPE_OBJECT_PATH, &path, DBUS_TYPE_STRING,
	                          &text, DBUS_TYPE_INVALID)) {
		MUST(strlen(text) == PASSWORD_TEXT && path_to_id(path) != NULL);
		memcpy(world->text, text, PASSWORD_TEXT + 1);
		(void)snprintf(world->id, sizeof(world->id), "%s", path_to_id(path));
	}
}

static void check_error(DBusMessage *reply)
{
	const char *name = dbus_message_get_error_name(reply);
	const char *text = NULL;

	MUST(strncmp(name, NAME_ERROR_PREFIX, strlen(NAME_ERROR_PREFIX)) == 0 ||
	     strncmp(name, "org.freedesktop.DBus.Error.", strlen("org.freedesktop.DBus.Error.")) ==
	             0);
	MUST(dbus_message_get_args(reply, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID));
	MUST(text[0] != '\0');
}

static void take_messages(dbus_uint32_t serial)
{
	DBusMessage *message;

	while ((message = dbus_connection_pop_message(world->client)) != NULL) {
		int type = dbus_message_get_type(message);

		if (type == DBUS_MESSAGE_TYPE_METHOD_RETURN || type == DBUS_MESSAGE_TYPE_ERROR) {
			MUST(dbus_message_get_reply_serial(message) == serial);
			world->answers++;
		}
		if (type == DBUS_MESSAGE_TYPE_METHOD_RETURN) {
			MUST(world->expected == NULL ||
			     dbus_message_has_signature(message, world->expected));
			note_created(message);
		} else if (type == DBUS_MESSAGE_TYPE_ERROR) {
			check_error(message);
		}
		dbus_message_unref(message);
	}
}

/* Sends it and turns until it is answered, or until nothing is left of it where no answer is due.
 * An answer that itself meets a second failure may be lost, if the connection is too. */
static void run_call(DBusMessage *message)
{
	bool has_answer = dbus_message_get_type(message) == DBUS_MESSAGE_TYPE_METHOD_CALL &&
	                  !dbus_message_get_no_reply(message);
	dbus_uint32_t serial = 0;

	world->answers = 0;
	MUST(dbus_connection_send(world->client, message, &serial));
	for (unsigned int i = 0; i < TURNS; i++) {
		turn(i < 4 || !list_empty(&world->door->calls) ? (i < 4 ? 0 : TURN_MS) : 1);
		take_messages(serial);
		if (world->answers > 0 || !dbus_connection_get_is_connected(world->client) ||
		    (i > 8 && list_empty(&world->door->calls) &&
		     (!has_answer || faults_happened() > 1))) {
			break;
		}
	}
	MUST(list_empty(&world->door->calls) && list_empty(&world->door->callers));
	MUST(dbus_connection_get_is_connected(world->client) || faults_happened() > 1);
	MUST(world->answers == (has_answer ? 1u : 0u) || faults_happened() > 1);
}

static void run_part(struct source *source)
{
	struct faults faults;

	faults_read(source, &faults);
	faults_begin(&faults);
	faults_pause();
	DBusMessage *message = source_byte(source) % 4 == 3 ? read_call(source)
	                                                    : compose_call(source);

	if (message != NULL) {
		run_call(message);
		dbus_message_unref(message);
	}
	while (opened_count > 0) {
		close(opened[--opened_count]);
	}
	if (!dbus_connection_get_is_connected(world->client)) {
		dbus_connection_unref(world->client);
		connect_client();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source source = { data, size };

	if (world == NULL) {
		world_begin();
	}
	for (unsigned int i = 0; i < CALLS_MOST && source.left > 0; i++) {
		struct source part = source_part(&source);

		run_part(&part);
	}
	if (++world->inputs >= INPUTS_A_WORLD) {
		world_end();
	}
	return 0;
}
