/* SPDX-License-Identifier: Apache-2.0 */
/* kept - see kept.h */
#include "services/api-gateway/kept.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/base/base.h"

struct entry {
    char *path;
    struct kept_answer answer; /* owns its body */
    UT_hash_handle hh;
};

struct kept {
    struct kept_state state;
    struct entry *entries;
    size_t bytes;
};

struct kept *kept_new(void)
{
    return xcalloc(1, sizeof(struct kept));
}

static void forget(struct kept *k)
{
    struct entry *entry, *next;

    HASH_ITER(hh, k->entries, entry, next)
    {
        HASH_DEL(k->entries, entry);
        free((void *)(uintptr_t)entry->answer.body);
        free(entry->path);
        free(entry);
    }
    k->bytes = 0;
}

void kept_destroy(struct kept **kept)
{
    if (!*kept)
        return;
    forget(*kept);
    free(*kept);
    *kept = NULL;
}

static bool same_state(const struct kept_state *a, const struct kept_state *b)
{
    return a->revision == b->revision && a->events == b->events &&
           a->snapshots == b->snapshots;
}

const struct kept_answer *
kept_find(struct kept *k, const struct kept_state *state, const char *path)
{
    struct entry *entry;

    if (!same_state(&k->state, state)) {
        forget(k);
        k->state = *state;
    }
    HASH_FIND_STR(k->entries, path, entry);
    return entry ? &entry->answer : NULL;
}

void kept_add(struct kept *k, const char *path,
              const struct kept_answer *answer)
{
    struct entry *entry;

    HASH_FIND_STR(k->entries, path, entry);
    if (entry || HASH_COUNT(k->entries) >= KEPT_MAX_ANSWERS ||
        answer->len > KEPT_MAX_BYTES - k->bytes)
        return;
    entry = xcalloc(1, sizeof *entry);
    entry->path = xstrdup(path);
    entry->answer = *answer;
    entry->answer.body =
        answer->len ? xmemdup(answer->body, answer->len) : NULL;
    k->bytes += answer->len;
    HASH_ADD_KEYPTR(hh, k->entries, entry->path, strlen(entry->path), entry);
}
