/* SPDX-License-Identifier: MIT */
#ifndef PROTOCOL_LIMITS_H
#define PROTOCOL_LIMITS_H

/*
 * Every bound on what comes from outside, with its unit. Sizes of text are in bytes without the
 * final NUL.
 */

#define LIMIT_SECRET_BYTES 1024u       /* a secret as it is given, one final newline not counted */
#define LIMIT_MAIN_PASSWORD_POINTS 12u /* code points of a main password, at the least */
#define LIMIT_SECRET_WAIT_MS 5000u     /* from a descriptor's arrival to its end of file */
#define LIMIT_LABEL_BYTES 255u         /* after trimming and NFC */
#define LIMIT_LABEL_GIVEN_BYTES                                                                    \
	4096u /* as given: more has more characters than a label and all its blanks may have */
#define LIMIT_LABEL_KEY_BYTES 1023u /* a label after case folding */
#define LIMIT_ACCOUNT_BYTES 255u
#define LIMIT_REMOTE_BYTES 255u        /* as given */
#define LIMIT_REMOTE_SHOWN_BYTES 1023u /* as recorded, escaped */
#define LIMIT_SCOPE_BYTES 32u
#define LIMIT_SCOPES 64u        /* in one password */
#define LIMIT_SCOPES_GIVEN 128u /* in one list, those that stand there twice included */
#define LIMIT_EXCEPT 10000u     /* objects that one RevokeAll leaves alone */
#define LIMIT_USE_SCOPES 64u    /* scopes whose uses are counted apart, for one password */
#define LIMIT_PAGE_ROWS 1000u   /* of one list call; also the most GetManagedObjects answers */
#define LIMIT_OPTIONS 64u       /* entries in one options dictionary */
#define LIMIT_BUSY_WAIT_MS                                                                         \
	2000u /* how long a request waits for another process's lock on the store */
#define LIMIT_OUTGOING_BYTES 1048576u /* unread answers of a connection before its calls wait */
#define LIMIT_OUTGOING_ALL_BYTES                                                                   \
	3145728u /* unread answers of all connections before large ones wait */
#define LIMIT_OUTGOING_LEFT_BYTES 65536u /* of a connection before its calls wait, from then on */
#define LIMIT_INCOMING_BUS_BYTES                                                                   \
	1048576u /* unhandled messages of all callers on a bus before it is not read */
#define LIMIT_INCOMING_BYTES 16384u  /* the same of a peer: many small ones take a multiple */
#define LIMIT_BACKLOG_BYTES 4194304u /* unread by a peer when a signal comes: it is dropped */
#define LIMIT_UNREAD_MS 5000u        /* how long one may read nothing once all is used up */
#define LIMIT_UNREAD_AT_MOST_MS 100u /* the same at three times as much */
#define LIMIT_UNREAD_SIGNALS_MS 20u  /* the same of one to whom another signal is due */
#define LIMIT_PROOFS 64u             /* callers who have proved to be the owner, at a time */
#define LIMIT_ENROLMENT_MS 600000u   /* until the first code of a new authenticator */
#define LIMIT_CALLS_PER_CALLER 64u   /* calls under way for one connection */
#define LIMIT_CALLS 512u             /* calls under way in all */
#define LIMIT_PEERS 64u              /* authenticated peer connections of one uid */
#define LIMIT_PEERS_SILENT 16u       /* peer connections not authenticated yet */
#define LIMIT_PEER_SILENCE_MS 5000u  /* how long such a one may live */

/* Descriptors: what everybody may have us hold at once, so that our table is never full. */
#define LIMIT_MESSAGE_FDS                                                                          \
	253u               /* in one message of a peer, which else loses its connection; the       \
	                      same in those not handled, and in answers not read. Less where       \
	                      many peers share, or the table is small */
#define LIMIT_BUS_FDS 253u /* as the first two of a bus: what the kernel passes at once */
#define LIMIT_OWN_FDS 128u /* the broker's own, and what is open for a moment */
#define LIMIT_PEERS_ALL (2u * LIMIT_PEERS + LIMIT_PEERS_SILENT)
#define LIMIT_DESCRIPTORS 65536u /* the table we ask for */

#endif
