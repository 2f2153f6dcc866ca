/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint - where sockets bind and connect (internal to lib/bus)
 *
 * A 0MQ socket binds over the ipc file of another process without a word, so
 * the owner of a path holds a lock on "<path>.lock" beside it; a file left by a
 * killed owner is taken over.
 */
#ifndef REEVE_LIB_BUS_ENDPOINT_H
#define REEVE_LIB_BUS_ENDPOINT_H

#include <stdint.h>

struct err;

/* The 0MQ context of this process; a forked child gets its own. */
void *bus_context(void);

/* A raw socket of this type, with nothing kept after close. */
void *bus_socket(int type, int high_water);

/* Locks and binds; *lock_fd is -1 for tcp.  ERR_EXISTS when another process has
 * the endpoint.  On failure nothing is left open. */
int bus_bind(void *socket, const char *endpoint, int *lock_fd, struct err *err);
/* Closes the socket (may be NULL) and gives the lock back. */
void bus_unbind(void **socket, int *lock_fd);

/* True at most once in a second per *last_ms. */
int bus_may_log(int64_t now_ms, int64_t *last_ms);

#endif
