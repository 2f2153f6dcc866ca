/* SPDX-License-Identifier: Apache-2.0 */
/* heap - how malloc behaves in long-lived processes
 *
 * Programs that are linked with jemalloc (the Makefile does it where it is
 * there) are set up for one busy thread and little memory; without it the C
 * library's malloc is used, and all works the same, with more of both.
 */
#ifndef REEVE_LIB_BASE_HEAP_H
#define REEVE_LIB_BASE_HEAP_H

#include <stddef.h>

/* Zeroed memory for what stays, apart from what comes and goes: what a burst
 * frees leaves no holes around it.  For one thread; never NULL. */
void *heap_keep(size_t size);
void heap_keep_free(void *kept); /* NULL is ignored */

/* Bursts leave much free memory behind, which others could use: to be called
 * every few seconds.  Fits a loop's timer. */
void heap_give_back(void *unused);

#endif
