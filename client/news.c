/* SPDX-License-Identifier: MIT */
/*
 * What the broker tells everybody, as news. The caller's thread. A peer socket brings signals
 * unasked; a bus is asked for those of the broker, and for word of its going.
 */
#include <string.h>

#include "client/client.h"
#include "client/record.h"
#include "protocol/codec.h"
#include "protocol/names.h"

#define RULE_BROKER "type='signal',sender='" NAME_BROKER "'"
#define RULE_OWNER                                                                                 \
	"type='signal',sender='" DBUS_SERVICE_DBUS                                                 \
	"',member='NameOwnerChanged',arg0='" NAME_BROKER "'"

void news_subscribe(struct sparekey *sparekey)
{
	dbus_bus_add_match(sparekey->connection, RULE_OWNER, NULL);
	if (sparekey->told != NULL) {
		dbus_bus_add_match(sparekey->connection, RULE_BROKER, NULL);
	}
}

static void tell(const struct sparekey *sparekey, enum sparekey_news_kind kind)
{
	const struct sparekey_news news = { .kind = kind };

	if (sparekey->told != NULL) {
		sparekey->told(sparekey->told_data, &news);
	}
}

void news_connected(const struct sparekey *sparekey)
{
	tell(sparekey, SPAREKEY_NEWS_CONNECTED);
}

void news_lost(const struct sparekey *sparekey)
{
	tell(sparekey, SPAREKEY_NEWS_LOST);
}

static void read_created(DBusMessageIter *body, struct sparekey_news *news)
{
	record_id(body, news->id);
	dbus_message_iter_next(body);
	record_text(body, news->label, sizeof(news->label));
}

static void read_ended(DBusMessageIter *body, struct sparekey_news *news)
{
	read_created(body, news);
	dbus_message_iter_next(body);
	codec_read_uint32(body, &news->reason);
}

static void read_verified(DBusMessageIter *body, struct sparekey_news *news)
{
	record_id(body, news->id);
	dbus_message_iter_next(body);
	record_text(body, news->scope, sizeof(news->scope));
	dbus_message_iter_next(body);
	news->at = record_time(body);
}

static void read_failed(DBusMessageIter *body, struct sparekey_news *news)
{
	record_text(body, news->scope, sizeof(news->scope));
	dbus_message_iter_next(body);
	news->at = record_time(body);
	dbus_message_iter_next(body);
	codec_read_uint32(body, &news->count);
}

static void read_events_added(DBusMessageIter *body, struct sparekey_news *news)
{
	codec_read_int64(body, &news->serial);
}

struct signal {
	const char *member;
	const char *signature;
	enum sparekey_news_kind kind;
	void (*read)(DBusMessageIter *body, struct sparekey_news *news);
};

static const struct signal signals[] = {
	{ "PasswordCreated", "os", SPAREKEY_NEWS_CREATED, read_created },
	{ "PasswordEnded", "osu", SPAREKEY_NEWS_ENDED, read_ended },
	{ "PasswordVerified", "ost", SPAREKEY_NEWS_VERIFIED, read_verified },
	{ "VerificationFailed", "stu", SPAREKEY_NEWS_FAILED, read_failed },
	{ "EventsAdded", "x", SPAREKEY_NEWS_EVENTS_ADDED, read_events_added },
};

static bool is_of_owner(DBusMessage *message)
{
	const char *interface = NULL;

	return dbus_message_has_path(message, PATH_BROKER) &&
	       dbus_message_has_signature(message, "sa{sv}as") &&
	       dbus_message_get_args(message, NULL, DBUS_TYPE_STRING, &interface,
	                             DBUS_TYPE_INVALID) &&
	       strcmp(interface, NAME_OWNER) == 0;
}

static void tell_changed(const struct sparekey *sparekey, DBusMessage *message)
{
	struct sparekey_news news = { .kind = SPAREKEY_NEWS_CHANGED };
	const char *path = dbus_message_get_path(message);
	size_t length = strlen(PATH_PASSWORDS "/");

	if (is_of_owner(message)) {
		tell(sparekey, SPAREKEY_NEWS_OWNER);
	} else if (path != NULL && strncmp(path, PATH_PASSWORDS "/", length) == 0 &&
	           strlen(path + length) < sizeof(news.id)) {
		memcpy(news.id, path + length, strlen(path + length) + 1);
		sparekey->told(sparekey->told_data, &news);
	}
}

void news_message(const struct sparekey *sparekey, DBusMessage *message)
{
	DBusMessageIter body;

	if (sparekey->told == NULL) {
		return;
	}
	if (dbus_message_is_signal(message, "org.freedesktop.DBus.Properties",
	                           "PropertiesChanged")) {
		tell_changed(sparekey, message);
		return;
	}
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sparekey_news news = { .kind = signals[i].kind };

		if (dbus_message_is_signal(message, NAME_MANAGER, signals[i].member) &&
		    dbus_message_has_signature(message, signals[i].signature)) {
			dbus_message_iter_init(message, &body);
			signals[i].read(&body, &news);
			sparekey->told(sparekey->told_data, &news);
		}
	}
}
