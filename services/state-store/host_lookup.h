/* SPDX-License-Identifier: Apache-2.0 */
/* host_lookup - the address of a host's name, without waiting for it
 *
 * A thread asks the system's resolver, which may take many seconds; the loop
 * goes on meanwhile.  A lookup that is not wanted any more is left to itself.
 */
#ifndef REEVE_STATE_STORE_HOST_LOOKUP_H
#define REEVE_STATE_STORE_HOST_LOOKUP_H

#include <stdbool.h>

struct host_lookup;
struct loop;

enum { HOST_ADDRESS_SIZE = 64 };

/* Needs no lookup: is an IPv4 or IPv6 address. */
bool host_is_address(const char *host);

/* Calls done from the loop, with the address as text, or with NULL and why
 * there is none; the lookup is over then. */
struct host_lookup *host_lookup_start(
    struct loop *loop, const char *host,
    void (*done)(void *self, const char *address, const char *why), void *self);
/* done will not be called; for one that is not over. */
void host_lookup_cancel(struct host_lookup **lookup);

#endif
