/* SPDX-License-Identifier: MIT */
#ifndef SPAREKEY_H
#define SPAREKEY_H

/*
 * Outcomes of every operation of Sparekey. 0 is success; a positive number is an outcome the caller must handle and
 * has a D-Bus error name (org.sparekey.Broker1.xml, ERRORS); a negative number is -errno, a fault of the machine.
 * Numbers are never reused; new ones are added at the end.
 */
enum sparekey_error {
	SPAREKEY_OK = 0,
	SPAREKEY_NOT_INITIALIZED = 1,
	SPAREKEY_ALREADY_INITIALIZED = 2,
	SPAREKEY_AUTHENTICATION_REQUIRED = 3,
	SPAREKEY_SECOND_FACTOR_REQUIRED = 4,
	SPAREKEY_SECOND_FACTOR_NOT_ENROLLED = 5,
	SPAREKEY_AUTHENTICATION_FAILED = 6,
	SPAREKEY_RATE_LIMITED = 7,
	SPAREKEY_LABEL_IN_USE = 8,
	SPAREKEY_INVALID_LABEL = 9,
	SPAREKEY_INVALID_SCOPE = 10,
	SPAREKEY_INVALID_EXPIRY = 11,
	SPAREKEY_INVALID_MAIN_PASSWORD = 12,
	SPAREKEY_LIMIT_EXCEEDED = 13,
	SPAREKEY_REQUEST_DENIED = 14,
	SPAREKEY_ALREADY_DECIDED = 15,
	SPAREKEY_NOT_SUPPORTED = 16,
	SPAREKEY_WRONG_STATE = 17,
	SPAREKEY_STORAGE_FAILED = 18,
	SPAREKEY_INLINE_SECRETS_DISABLED = 19,
	/* Errors of D-Bus itself (D-Bus specification, standard error names). */
	SPAREKEY_INVALID_ARGS = 20,
	SPAREKEY_UNKNOWN_OBJECT = 21,
	SPAREKEY_UNKNOWN_INTERFACE = 22,
	SPAREKEY_UNKNOWN_METHOD = 23,
	SPAREKEY_UNKNOWN_PROPERTY = 24,
	SPAREKEY_PROPERTY_READ_ONLY = 25,
	SPAREKEY_ACCESS_DENIED = 26,
	SPAREKEY_FAILED = 27,
	/* No broker could be reached, or it went away before it answered. */
	SPAREKEY_NO_BROKER = 28,
};

#endif
