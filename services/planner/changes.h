/* SPDX-License-Identifier: Apache-2.0 */
/* changes - what one decision wants changed in the store, all or nothing
 *
 * Pure data between deciding (engine, operate) and doing (act).
 * Zero-initialised is empty and valid.
 */
#ifndef REEVE_PLANNER_CHANGES_H
#define REEVE_PLANNER_CHANGES_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CHANGES_FULL = 2500, /* a round adds no further work then */
    CHANGES_MAX = 4096,  /* the store takes no more of either */
};

struct change {
    char *key;
    void *value; /* NULL: delete the key */
    size_t len;
};
struct change_need {
    char *key;
    uint64_t revision; /* last changed then; 0: absent */
};
struct changes {
    struct change *ops;
    size_t n_ops, cap_ops;
    struct change_need *needs;
    size_t n_needs, cap_needs;
};

/* Empties; also the AUTO handler. */
void changes_free(struct changes *changes);
#define AUTO_CHANGES __attribute__((cleanup(changes_free)))

static inline bool changes_is_full(const struct changes *changes)
{
    return changes->n_ops >= CHANGES_FULL || changes->n_needs >= CHANGES_FULL;
}

/* All take the malloc'd key. */
void changes_need(struct changes *changes, char *key, uint64_t revision);
void changes_put(struct changes *changes, char *key,
                 const ProtobufCMessage *value);
void changes_put_text(struct changes *changes, char *key, const char *text);
void changes_delete(struct changes *changes, char *key);
/* Put, or delete, only if the key is still at this revision. */
void changes_replace(struct changes *changes, char *key, uint64_t revision,
                     const ProtobufCMessage *value);
void changes_remove(struct changes *changes, char *key, uint64_t revision);

#endif
