/* SPDX-License-Identifier: Apache-2.0 */
/* zmtp - a DEALER's connection over a plain unix socket, in the wire protocol
 * of 0MQ (ZMTP 3.0, mechanism NULL)
 *
 * For a load generator: so much of the two processors as possible is left to
 * the server.  Messages of one frame; ends the program when the peer is not
 * what it should be.
 */
#ifndef REEVE_TESTS_BENCH_ZMTP_H
#define REEVE_TESTS_BENCH_ZMTP_H

#include <stdbool.h>
#include <stddef.h>

struct zmtp;

/* endpoint: "ipc://PATH". */
struct zmtp *zmtp_connect(const char *endpoint);
int zmtp_fd(const struct zmtp *z);

/* Puts a message in line; zmtp_flush() sends what is there.  False: not all
 * could be sent, again when the socket can be written. */
void zmtp_put(struct zmtp *z, const void *data, size_t len);
bool zmtp_flush(struct zmtp *z);

/* Calls fn for each message that has come; does not wait. */
void zmtp_take(struct zmtp *z, void (*fn)(void *self, const void *, size_t),
               void *self);

#endif
