/* SPDX-License-Identifier: Apache-2.0 */
/* pack - values that are much alike, kept in little memory
 *
 * A record of one task is like that of the next but for ids and numbers.  A
 * value is kept as what it differs in from another one of its kind (a base).
 * Lossless.  Never leaves the process: the form is no format.  Pure; not safe
 * for several threads, except that packed_read may run while nothing is freed.
 */
#ifndef REEVE_LIB_BASE_PACK_H
#define REEVE_LIB_BASE_PACK_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct pack;   /* the bases, by the shape of keys */
struct packed; /* one value */

struct pack *pack_new(void);
/* Before or after what was packed with it is freed. */
void pack_destroy(struct pack **pack);

/* Keys that differ only in parts with a digit have one shape, and their values
 * are taken to be alike.  NULL: not worth it, keep the bytes. */
struct packed *pack_value(struct pack *pack, const char *key, const void *data,
                          size_t len);
/* The same, but never NULL: then the bytes as they are. */
struct packed *pack_keep(struct pack *pack, const char *key, const void *data,
                         size_t len);
size_t packed_len(const struct packed *packed); /* of the value */
/* What it costs, without the base. */
size_t packed_size(const struct packed *packed);
/* Appends the value. */
void packed_read(const struct packed *packed, struct buf *out);
void packed_free(struct packed *packed); /* NULL is ignored */

#endif
