/* SPDX-License-Identifier: MIT */
/*
 * Outcomes, their D-Bus names and one English line for each: a const table, for any thread.
 *
 * Refused: a name for every errno (callers cannot act on them; the log has the number); translated
 * texts (they are for people, but scripts grep them).
 */
#include "protocol/error.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "protocol/names.h"

#define OWN(name) NAME_ERROR_PREFIX name
#define DBUS_PREFIX "org.freedesktop.DBus.Error."
#define DBUS(name) DBUS_PREFIX name

struct outcome {
	const char *name;
	const char *text;
};

static const struct outcome outcomes[] = {
	[SPAREKEY_OK] = { NULL, "done" },
	[SPAREKEY_NOT_INITIALIZED] = { OWN("NotInitialized"), "no main password has been set yet" },
	[SPAREKEY_ALREADY_INITIALIZED] = { OWN("AlreadyInitialized"),
	                                   "a main password has been set already" },
	[SPAREKEY_AUTHENTICATION_REQUIRED] = { OWN("AuthenticationRequired"),
	                                       "the main password must be given first" },
	[SPAREKEY_SECOND_FACTOR_REQUIRED] = { OWN("SecondFactorRequired"),
	                                      "a code of the second factor must be given first" },
	[SPAREKEY_SECOND_FACTOR_NOT_ENROLLED] = { OWN("SecondFactorNotEnrolled"),
	                                          "no second factor has been set up yet" },
	[SPAREKEY_AUTHENTICATION_FAILED] = { OWN("AuthenticationFailed"),
	                                     "the password or the code is not right" },
	[SPAREKEY_RATE_LIMITED] = { OWN("RateLimited"), "too many attempts, try again later" },
	[SPAREKEY_LABEL_IN_USE] = { OWN("LabelInUse"), "another password has this label" },
	[SPAREKEY_INVALID_LABEL] = { OWN("InvalidLabel"), "this cannot be a label" },
	[SPAREKEY_INVALID_SCOPE] = { OWN("InvalidScope"), "this cannot be a scope" },
	[SPAREKEY_INVALID_EXPIRY] = { OWN("InvalidExpiry"), "this cannot be a time of expiry" },
	[SPAREKEY_INVALID_MAIN_PASSWORD] = { OWN("InvalidMainPassword"),
	                                     "this cannot be a main password" },
	[SPAREKEY_LIMIT_EXCEEDED] = { OWN("LimitExceeded"), "a limit has been reached" },
	[SPAREKEY_REQUEST_DENIED] = { OWN("RequestDenied"), "the owner said no" },
	[SPAREKEY_ALREADY_DECIDED] = { OWN("AlreadyDecided"),
	                               "this request has been decided already" },
	[SPAREKEY_NOT_SUPPORTED] = { OWN("NotSupported"), "this broker cannot do that" },
	[SPAREKEY_WRONG_STATE] = { OWN("WrongState"), "that is not possible in its present state" },
	[SPAREKEY_STORAGE_FAILED] = { OWN("StorageFailed"),
	                              "the store could not be read or written" },
	[SPAREKEY_INLINE_SECRETS_DISABLED] = { OWN("InlineSecretsDisabled"),
	                                       "secrets must be given by descriptor here" },
	[SPAREKEY_INVALID_ARGS] = { DBUS("InvalidArgs"), "the arguments are not valid" },
	[SPAREKEY_UNKNOWN_OBJECT] = { DBUS("UnknownObject"), "there is no such password" },
	[SPAREKEY_UNKNOWN_INTERFACE] = { DBUS("UnknownInterface"), "there is no such interface" },
	[SPAREKEY_UNKNOWN_METHOD] = { DBUS("UnknownMethod"), "there is no such method" },
	[SPAREKEY_UNKNOWN_PROPERTY] = { DBUS("UnknownProperty"), "there is no such property" },
	[SPAREKEY_PROPERTY_READ_ONLY] = { DBUS("PropertyReadOnly"),
	                                  "this property cannot be written" },
	[SPAREKEY_ACCESS_DENIED] = { DBUS("AccessDenied"), "this caller may not do that" },
	[SPAREKEY_FAILED] = { DBUS("Failed"), "it failed" },
	[SPAREKEY_NO_BROKER] = { DBUS("NoReply"),
	                         "the broker could not be reached or gave no answer" },
	[SPAREKEY_BAD_SETTINGS] = { DBUS("Spawn.ConfigInvalid"),
	                            "the broker's settings are wrong" },
};

#define OUTCOMES (sizeof outcomes / sizeof outcomes[0])

/* What the bus or libdbus says when nobody is there to answer. */
static const char *const absences[] = {
	DBUS("NoReply"),  DBUS("Disconnected"), DBUS("ServiceUnknown"), DBUS("NameHasNoOwner"),
	DBUS("NoServer"), DBUS("Timeout"),      DBUS("TimedOut"),
};

static_assert(OUTCOMES == SPAREKEY_BAD_SETTINGS + 1, "an outcome without a row");

static bool is_storage_fault(int result)
{
	static const int faults[] = { -EIO, -ENOSPC, -EROFS, -EBUSY, -EUCLEAN, -ESTALE };

	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		if (faults[i] == result) {
			return true;
		}
	}
	return false;
}

const char *error_name(int result)
{
	if (is_storage_fault(result)) {
		return outcomes[SPAREKEY_STORAGE_FAILED].name;
	}
	if (result <= 0 || (size_t)result >= OUTCOMES) {
		return outcomes[SPAREKEY_FAILED].name;
	}
	return outcomes[result].name;
}

static bool is_absence(const char *name)
{
	static const char spawn[] = DBUS("Spawn.");

	for (size_t i = 0; i < sizeof absences / sizeof absences[0]; i++) {
		if (strcmp(absences[i], name) == 0) {
			return true;
		}
	}
	return strncmp(name, spawn, sizeof spawn - 1) == 0;
}

enum sparekey_error error_from_name(const char *name)
{
	if (name == NULL) {
		return SPAREKEY_FAILED;
	}
	if (is_absence(name)) {
		return SPAREKEY_NO_BROKER;
	}
	for (size_t i = 1; i < OUTCOMES; i++) {
		if (strcmp(outcomes[i].name, name) == 0) {
			return (enum sparekey_error)i;
		}
	}
	return SPAREKEY_FAILED;
}

const char *error_text(enum sparekey_error error)
{
	size_t i = (size_t)error;

	return outcomes[i < OUTCOMES ? i : SPAREKEY_FAILED].text;
}
