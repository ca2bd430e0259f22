/* SPDX-License-Identifier: MIT */
#ifndef BROKER_HARDEN_H
#define BROKER_HARDEN_H

/* Before any secret: not dumpable (so not traceable and not readable by the same uid), no core
 * file, no new privileges, umask 077, SIGPIPE ignored, descriptor limit raised to at most 4096.
 * Returns 0 or -errno of what could not be done. */
int harden_process(void);

#endif
