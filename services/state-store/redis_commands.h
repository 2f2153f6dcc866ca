/* SPDX-License-Identifier: Apache-2.0 */
/* redis_commands - records and items as Redis commands; pure
 *
 * The layout of the keys is drawn in redis_mirror.h.  Puts and deletes that
 * follow each other are joined into one MSET (or DEL) and one HSET (or HDEL).
 */
#ifndef REEVE_STATE_STORE_REDIS_COMMANDS_H
#define REEVE_STATE_STORE_REDIS_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "services/state-store/lease.h"

struct item;
struct record;
struct request;
struct run;

/* The names of the keys, with the prefix. */
struct redis_keys {
    char *kv; /* start of the name of each value */
    char *rev, *meta, *requests, *leases, *runs, *owner;
};
void redis_keys_init(struct redis_keys *keys, const char *prefix);
void redis_keys_free(struct redis_keys *keys);

/* Commands being put together.  Zero-initialised, then begin. */
struct redis_batch {
    const struct redis_keys *keys;
    struct buf out; /* the commands */
    size_t n;       /* how many: each gets one reply */
    /* The run of puts or deletes that is open. */
    struct buf values, revisions;
    size_t n_items;
    bool is_delete;
    struct buf requests;
    size_t n_requests;
};
/* Empties it. */
void redis_batch_begin(struct redis_batch *batch,
                       const struct redis_keys *keys);
void redis_batch_free(struct redis_batch *batch);

void redis_batch_item(struct redis_batch *batch, const struct item *item);
void redis_batch_request(struct redis_batch *batch, uint64_t revision,
                         const char *id);
void redis_batch_lease(struct redis_batch *batch, const struct lease *lease);
void redis_batch_run(struct redis_batch *batch, const struct run *run);
void redis_batch_record(struct redis_batch *batch, const struct record *record);
struct redis_position {
    const char *lineage;
    uint64_t seq, revision;
    bool is_complete;
};
void redis_batch_position(struct redis_batch *batch,
                          const struct redis_position *position);
/* MGET of the values of these keys. */
void redis_batch_values(struct redis_batch *batch, struct item *const *keys,
                        size_t n);
/* One command of texts; ends with a NULL. */
void redis_batch_command(struct redis_batch *batch, const char *name, ...)
    __attribute__((sentinel));
/* Closes what is open. Bytes and n are final then. */
void redis_batch_end(struct redis_batch *batch);
size_t redis_batch_bytes(const struct redis_batch *batch);

/* And back: false for text that no store writes. */
bool redis_parse_request(const char *text, uint64_t *revision, const char **id);
bool redis_parse_lease(const char *name, const char *text, struct lease *lease);
bool redis_parse_run(const char *text, struct run *run);
/* "<epoch> <holder>"; holder points into text. */
bool redis_parse_owner(const char *text, uint64_t *epoch, const char **holder);
/* The prefix as a SCAN pattern: signs that mean something there are escaped. */
char *redis_scan_pattern(const char *prefix);

#endif
