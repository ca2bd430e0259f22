/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_OWN_STACK_H
#define SUPPORT_OWN_STACK_H

#include <stddef.h>
#include <stdint.h>

#define OWN_STACK ((size_t)1 << 20)

/* Runs `work` in a thread with a stack of OWN_STACK bytes that nothing else has used, and copies
 * what is left there once it has ended. Returns what `work` returned; any failure fails the test.
 */
void *own_stack_run(void *(*work)(void *data), void *data, uint8_t ret_left[static OWN_STACK]);

#endif
