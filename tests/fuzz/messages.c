/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: messages as the codec and the client library read them, raw bytes and composed ones:
 * what a lying broker may answer, and what it may tell unasked. And the requests the library
 * writes, whatever strings it is given.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/client.h"
#include "protocol/codec.h"
#include "protocol/names.h"
#include "tests/fuzz/fuzz.h"

#define SERIAL 7u
#define VALUES 400u
#define PARTS_MOST 12u

static const char *const words[] = {
	"Id:s",
	"Label:s",
	"Account:s",
	"Scopes:as",
	"State:u",
	"CreatedAt:t",
	"ExpiresAt:t",
	"LastUsedAt:t",
	"UseCount:t",
	"UseCounts:a{st}",
	"LastUsedScope:s",
	"LastUsedFrom:s",
	"id:s",
	"label:s",
	"account:s",
	"scopes:as",
	"expires_at:t",
	"result:s",
	"group:u",
	"state:u",
	"reason:s",
	"remote:s",
	"scope:s",
	"count:u",
	"kind",
	"ours",
	"imap",
	"workers:u",
	"Initialized:u",
	"SecondFactor:u",
	"RecoveryCodesLeft:u",
	"max-lifetime:t",
	"default-scopes:as",
	"k7mq3",
	PATH_PASSWORDS "/k7mq3",
	"/",
	"0.1.0",
	"\xc3\xa4\xe2\x82\xac",
	NULL,
};

/* The handle is made once: it reaches nothing, messages are put before it. */
static struct sparekey *sparekey;

/* One of what a message may carry as a descriptor; closed by who composed it. */
static int handed[8];
static unsigned int handed_count;

static const char endless[SECRET_CAPACITY + 1];
static int waiting = -1; /* the end of a pipe in which nothing is yet */

static int keep(int fd)
{
	MUST(fd >= 0);
	if (handed_count == sizeof(handed) / sizeof(handed[0])) {
		close(fd);
		return handed[0];
	}
	handed[handed_count++] = fd;
	return fd;
}

/* A pipe with a secret in it, closed or still open, or with more than one can be; a socket; a file.
 */
static int hand_out(struct source *source)
{
	int ends[2];
	char text[300];

	switch (source_byte(source) % 7) {
	case 0:
		return keep(open("/dev/null", O_RDONLY | O_CLOEXEC));
	case 1:
		return keep(open("/", O_RDONLY | O_CLOEXEC));
	case 2:
		MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
		close(ends[1]);
		return keep(ends[0]);
	case 3:
		MUST(pipe2(ends, O_CLOEXEC) == 0);
		waiting = keep(ends[1]);
		return keep(ends[0]);
	case 4:
		MUST(pipe2(ends, O_CLOEXEC) == 0);
		MUST(write(ends[1], endless, sizeof(endless)) == sizeof(endless));
		keep(ends[1]);
		return keep(ends[0]);
	default:
		MUST(pipe2(ends, O_CLOEXEC) == 0);
		size_t length = source_text(source, text, sizeof(text));

		MUST(length == 0 || write(ends[1], text, length) == (ssize_t)length);
		close(ends[1]);
		return keep(ends[0]);
	}
}

static void close_handed(void)
{
	while (handed_count > 0) {
		close(handed[--handed_count]);
	}
	waiting = -1;
}

/* The codec. */

static void walk(DBusMessageIter *at, unsigned int depth);

static int walk_entry(void *data, const char *key, DBusMessageIter *value)
{
	const unsigned int *depth = data;

	MUST(is_utf8(key));
	walk(value, *depth + 1);
	return 0;
}

/* Asks for every type at every place: one of them is right, and at most one. */
static void walk(DBusMessageIter *at, unsigned int depth)
{
	static struct scope_set scopes;
	const char *text = NULL;
	uint32_t small = 0;
	uint64_t large = 0;
	int64_t whole = 0;
	bool truth = false;
	unsigned int read = 0;

	if (depth > 8) {
		return;
	}
	read += codec_read_string(at, &text) ? 1 : 0;
	read += codec_read_path(at, &text) ? 1 : 0;
	read += codec_read_bool(at, &truth) ? 1 : 0;
	read += codec_read_uint32(at, &small) ? 1 : 0;
	read += codec_read_uint64(at, &large) ? 1 : 0;
	read += codec_read_int64(at, &whole) ? 1 : 0;
	read += codec_read_scopes(at, &scopes) == 0 ? 1 : 0;
	MUST(read <= 1 && (text == NULL || is_utf8(text)));
	MUST(read == 0 || codec_dict_each(at, walk_entry, &depth) != 0);
	if (read == 0) {
		codec_dict_each(at, walk_entry, &depth);
	}
}

static void walk_message(DBusMessage *message)
{
	DBusMessageIter at;

	if (dbus_message_iter_init(message, &at)) {
		do {
			walk(&at, 0);
		} while (dbus_message_iter_next(&at));
	}
}

/* The client. */

static void check_text(const char *text, size_t size)
{
	MUST(strnlen(text, size) < size && is_utf8(text));
}

static void check_scopes(const struct sparekey_scopes *scopes)
{
	MUST(scopes->count <= SPAREKEY_SCOPES_MAX);
	for (unsigned int i = 0; i < scopes->count; i++) {
		check_text(scopes->names[i], SPAREKEY_SCOPE_SIZE);
	}
}

#define TEXT(field) check_text(field, sizeof(field))

static void check_password(const struct sparekey_password *password)
{
	TEXT(password->id);
	TEXT(password->label);
	TEXT(password->account);
	TEXT(password->last_used_scope);
	TEXT(password->last_used_from);
	check_scopes(&password->scopes);
	MUST(password->state <= SPAREKEY_DAMAGED && password->uses_count <= SPAREKEY_SCOPES_MAX);
	MUST(password->created_at >= 0 && password->expires_at >= 0 && password->last_used_at >= 0);
	for (unsigned int i = 0; i < password->uses_count; i++) {
		TEXT(password->uses[i].scope);
	}
}

static void check_event(const struct sparekey_event *event)
{
	TEXT(event->kind);
	TEXT(event->id);
	TEXT(event->label);
	TEXT(event->scope);
	TEXT(event->remote);
	TEXT(event->account);
	TEXT(event->reason);
	MUST(event->time >= 0);
}

static void check_answer(const struct sparekey_answer *answer)
{
	TEXT(answer->id);
	TEXT(answer->version);
	TEXT(answer->verification.id);
	TEXT(answer->verification.label);
	TEXT(answer->verification.account);
	TEXT(answer->identity.result);
	TEXT(answer->identity.id);
	TEXT(answer->identity.label);
	check_scopes(&answer->verification.scopes);
	check_password(&answer->password);
	MUST(answer->verification.expires_at >= 0 && answer->identity.state <= SPAREKEY_DAMAGED);
	for (unsigned int i = 0; i < answer->list.count; i++) {
		check_password(&answer->list.rows[i]);
	}
	for (unsigned int i = 0; i < answer->events.count; i++) {
		check_event(&answer->events.rows[i]);
	}
}

static void done(void *data, int result, const struct sparekey_answer *answer)
{
	unsigned int *count = data;

	*count += 1;
	check_answer(answer);
	MUST(result == 0 || is_utf8(sparekey_error_text(sparekey)));
	MUST(result == 0 || sparekey_error_text(sparekey)[0] != '\0');
}

static void row(void *data, const char *name, const char *value)
{
	(void)data;
	MUST(is_utf8(name) && is_utf8(value));
}

static void told(void *data, const struct sparekey_news *news)
{
	(void)data;
	TEXT(news->id);
	TEXT(news->label);
	TEXT(news->scope);
	MUST(news->at >= 0);
}

static void expect(enum sparekey_operation operation, unsigned int *done_count)
{
	struct call *call = calloc(1, sizeof(*call));

	MUST(call != NULL && sparekey->calls == NULL);
	call->operation = operation;
	call->serial = SERIAL;
	call->secret_fd = -1;
	call->done = done;
	call->data = done_count;
	call->row = row;
	sparekey->calls = call;
}

/* Puts a message before a handle that waits for the answer to that operation: it ends once, or
 * waits for the secret, or it was no answer. */
static void answer(enum sparekey_operation operation, DBusMessage *message,
                   const struct faults *faults)
{
	unsigned int count = 0;

	expect(operation, &count);
	sparekey->error[0] = '\0';
	faults_begin(faults);
	call_message(sparekey, message);
	for (unsigned int i = 0; i < 2 && count == 0 && sparekey->calls->secret_fd >= 0; i++) {
		MUST(i == 0 || waiting < 0 || write(waiting, endless, sizeof(endless)) > 0);
		receive_ready(sparekey, sparekey->calls->secret_fd);
		MUST(i == 0 || waiting < 0 || count == 1);
	}
	faults_pause();
	MUST(count == (sparekey->calls == NULL ? 1u : 0u));
	call_free_all(sparekey);
}

static const char *const signatures[] = {
	[SPAREKEY_OP_CREATE] = "oh",
	[SPAREKEY_OP_FIND] = "o",
	[SPAREKEY_OP_GET] = "a{sv}",
	[SPAREKEY_OP_LIST] = "a(oa{sv})",
	[SPAREKEY_OP_REVOKE] = "",
	[SPAREKEY_OP_REVOKE_ALL] = "u",
	[SPAREKEY_OP_RENAME] = "",
	[SPAREKEY_OP_SET_SCOPES] = "",
	[SPAREKEY_OP_SET_EXPIRY] = "",
	[SPAREKEY_OP_FREEZE] = "",
	[SPAREKEY_OP_THAW] = "",
	[SPAREKEY_OP_VERIFY] = "oa{sv}",
	[SPAREKEY_OP_IDENTIFY] = "a{sv}",
	[SPAREKEY_OP_LIST_EVENTS] = "a(xtssa{sv})",
	[SPAREKEY_OP_VERSION] = "v",
	[SPAREKEY_OP_SETTINGS] = "v",
	[SPAREKEY_OP_OWNER] = "a{sv}",
	[SPAREKEY_OP_INITIALIZE] = "",
	[SPAREKEY_OP_AUTHENTICATE] = "t",
	[SPAREKEY_OP_LOCK] = "",
	[SPAREKEY_OP_CHANGE_MAIN_PASSWORD] = "",
	[SPAREKEY_OP_ENROLL_TOTP] = "h",
	[SPAREKEY_OP_CONFIRM_TOTP] = "",
	[SPAREKEY_OP_REMOVE_TOTP] = "",
	[SPAREKEY_OP_GENERATE_CODES] = "h",
	[SPAREKEY_OP_ERASE] = "",
};

static enum sparekey_operation operation_of(uint8_t byte)
{
	return (enum sparekey_operation)(SPAREKEY_OP_CREATE +
	                                 byte % (SPAREKEY_OP_ERASE - SPAREKEY_OP_REACH));
}

static void answer_composed(struct source *source, const struct faults *faults)
{
	enum sparekey_operation operation = operation_of(source_byte(source));
	DBusMessage *message = dbus_message_new(source_byte(source) % 8 == 1
	                                                ? DBUS_MESSAGE_TYPE_ERROR
	                                                : DBUS_MESSAGE_TYPE_METHOD_RETURN);
	struct composer composer = { source, words, hand_out, VALUES, NULL };

	MUST(message != NULL && dbus_message_set_reply_serial(message, SERIAL));
	if (dbus_message_get_type(message) == DBUS_MESSAGE_TYPE_ERROR) {
		MUST(dbus_message_set_error_name(message,
		                                 source_byte(source) % 2 == 0
		                                         ? "org.sparekey.Broker1.Error.RateLimited"
		                                         : "com.example.Else"));
		compose(&composer, message, source_byte(source) % 2 == 0 ? "s" : "");
	} else {
		compose(&composer, message, signatures[operation]);
	}
	walk_message(message);
	answer(operation, message, faults);
	dbus_message_unref(message);
	close_handed();
}

static void tell_composed(struct source *source)
{
	static const struct {
		const char *path, *interface, *member, *signature;
	} signals[] = {
		{ PATH_BROKER, NAME_MANAGER, "PasswordCreated", "os" },
		{ PATH_BROKER, NAME_MANAGER, "PasswordEnded", "osu" },
		{ PATH_BROKER, NAME_MANAGER, "PasswordVerified", "ost" },
		{ PATH_BROKER, NAME_MANAGER, "VerificationFailed", "stu" },
		{ PATH_BROKER, NAME_MANAGER, "EventsAdded", "x" },
		{ PATH_BROKER, NAME_MANAGER, "EventsAdded", "t" },
		{ PATH_PASSWORDS "/k7mq3", DBUS_INTERFACE_PROPERTIES, "PropertiesChanged",
		  "sa{sv}as" },
		{ PATH_PASSWORDS "/a23456789012345678901234", DBUS_INTERFACE_PROPERTIES,
		  "PropertiesChanged", "sa{sv}as" },
		{ PATH_BROKER, DBUS_INTERFACE_PROPERTIES, "PropertiesChanged", "" },
	};
	size_t which = source_byte(source) % (sizeof(signals) / sizeof(signals[0]));
	DBusMessage *message = dbus_message_new_signal(
		signals[which].path, signals[which].interface, signals[which].member);
	struct composer composer = { source, words, NULL, VALUES, NULL };

	MUST(message != NULL);
	compose(&composer, message, signals[which].signature);
	call_message(sparekey, message);
	dbus_message_unref(message);
}

/* Bytes as they come from a socket. What is no message at all is libdbus's to refuse. */
static void read_raw(struct source *source, const struct faults *faults)
{
	enum sparekey_operation operation = operation_of(source_byte(source));
	DBusMessage *message = source->left > 0 && source->left < 1000000
	                               ? dbus_message_demarshal((const char *)source->at,
	                                                        (int)source->left, NULL)
	                               : NULL;

	if (message != NULL) {
		walk_message(message);
		answer(operation, message, faults);
		dbus_message_unref(message);
	}
}

/* Requests: what is encoded can be marshalled, and holds what was given. */

#define STRINGS 4u

static void encode(struct source *source, const struct faults *faults)
{
	char text[STRINGS][300];
	const char *names[STRINGS];
	DBusMessage *message = NULL;
	char *bytes = NULL;
	int length = 0;

	for (unsigned int i = 0; i < STRINGS; i++) {
		source_text(source, text[i], sizeof(text[i]));
		names[i] = source_byte(source) % 2 == 0 ? "k7mq3" : text[i];
	}
	struct sparekey_wish wish = { .label = text[0],
		                      .account = text[1],
		                      .has_scopes = true,
		                      .scopes = names,
		                      .scopes_count = source_byte(source) % STRINGS,
		                      .has_expires_at = true,
		                      .expires_at = (int64_t)(source_uint64(source) >> 1) };
	struct sparekey_check check = {
		.unrecorded = true, .account = text[1], .remote = text[2], .diagnosis = text[3]
	};
	struct sparekey_filter filter = { .scope = text[0],
		                          .account = text[1],
		                          .except = names,
		                          .except_count = source_byte(source) % STRINGS,
		                          .all = true,
		                          .unused_since = (int64_t)(source_uint64(source) >> 1) };
	struct sparekey_request request = { .operation = operation_of(source_byte(source)),
		                            .id = source_byte(source) % 2 == 0 ? "k7mq3" : text[0],
		                            .name = text[1],
		                            .account = text[2],
		                            .scope = text[3],
		                            .scopes = names,
		                            .scopes_count = 2,
		                            .before = source_byte(source),
		                            .limit = 10,
		                            .wish = &wish,
		                            .check = &check,
		                            .filter = &filter,
		                            .row = row };

	MUST(sparekey_secret_new((struct sparekey_secret **)(void *)&request.secret) == 0);
	request.code = source_byte(source) % 2 == 0 ? request.secret : NULL;
	faults_begin(faults);
	int result = request_encode(&request, &message);

	faults_pause();
	MUST((result == 0) == (message != NULL));
	MUST(result == 0 || result == SPAREKEY_INVALID_ARGS || faults_happened() > 0);
	if (result == 0) {
		MUST(dbus_message_marshal(message, &bytes, &length));
		dbus_free(bytes);
		dbus_message_unref(message);
	}
	sparekey_secret_free((struct sparekey_secret *)(uintptr_t)request.secret);
}

static void run_part(struct source *source)
{
	uint8_t choice = source_byte(source);
	struct faults faults;

	faults_read(source, &faults);
	switch (choice % 4) {
	case 0:
		answer_composed(source, &faults);
		break;
	case 1:
		tell_composed(source);
		break;
	case 2:
		read_raw(source, &faults);
		break;
	default:
		encode(source, &faults);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source source = { data, size };

	if (sparekey == NULL) {
		MUST(sparekey_new("unix:path=/nonexistent", 0, &sparekey) == 0);
		sparekey_listen(sparekey, told, NULL);
	}
	for (unsigned int i = 0; i < PARTS_MOST && source.left > 0; i++) {
		struct source part = source_part(&source);

		run_part(&part);
	}
	return 0;
}
