/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/succession.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"
#include "services/state-store/redis_commands.h"

/* Our own key: of this very process, or of one before it in the same folder,
 * which is dead: the folder's lock says so. */
static bool is_own(const struct succession_ask *ask, const char *holder,
                   uint64_t epoch)
{
    if (!holder || strcmp(holder, ask->holder) != 0)
        return false;
    if (ask->our_epoch)
        return epoch <= ask->our_epoch;
    return ask->is_same_run || !ask->has_partner;
}

static bool may_take_over(const struct succession_ask *ask, char *why,
                          size_t size)
{
    uint64_t epoch = 0;
    const char *holder = NULL;
    bool is_read = redis_parse_owner(ask->owner, &epoch, &holder);
    if (is_read && ask->granted && epoch < ask->granted)
        return true;
    if (is_read && is_own(ask, holder, epoch))
        return true;
    snprintf(why, size,
             "another store (%.120s) writes to this Redis; its lease lasts "
             "another %" PRId64 " ms",
             ask->owner, ask->owner_ms);
    return false;
}

/* Nobody could have been the owner since we were. */
static bool needs_no_wait(const struct succession_ask *ask)
{
    if (!ask->has_partner || ask->granted)
        return true;
    if (ask->our_epoch && ask->last_epoch <= ask->our_epoch)
        return true;
    return ask->last_epoch && ask->is_same_run &&
           (ask->given_back == ask->last_epoch ||
            is_own(ask, ask->last, ask->last_epoch));
}

static bool was_vacant_long(struct succession *seen,
                            const struct succession_ask *ask, char *why,
                            size_t size)
{
    bool is_same = seen->is_vacant && seen->epoch == ask->last_epoch &&
                   seen->seq == ask->seq;
    if (!is_same) {
        seen->is_vacant = true;
        seen->epoch = ask->last_epoch;
        seen->seq = ask->seq;
        seen->since_ms = ask->now_ms;
    }
    int64_t left_ms = seen->since_ms + ask->ttl_ms - ask->now_ms;
    if (left_ms <= 0)
        return true;
    snprintf(why, size,
             "the lease in Redis is vacant; its last holder (%.120s) has "
             "another %" PRId64 " ms to come back",
             ask->last ? ask->last : "not known", left_ms);
    return false;
}

static bool is_empty(const struct succession_ask *ask)
{
    static const uint8_t none[sizeof ask->lineage];
    return memcmp(ask->lineage, none, sizeof none) == 0;
}

static void note_position(struct succession *seen,
                          const struct succession_ask *ask)
{
    size_t size = sizeof seen->lineage;
    if (is_empty(ask))
        return;
    if (memcmp(ask->lineage, seen->lineage, size) != 0)
        seen->top_seq = 0;
    memcpy(seen->lineage, ask->lineage, size);
    seen->top_seq = MAX(seen->top_seq, ask->seq);
}

/* By a store that writes: it has in its log what Redis lacks. */
static bool went_back(const struct succession *seen,
                      const struct succession_ask *ask, char *why, size_t size)
{
    if (!ask->has_partner || ask->our_epoch || is_empty(ask) ||
        ask->seq >= seen->top_seq)
        return false;
    snprintf(why, size,
             "Redis went back from position %" PRIu64 " to %" PRIu64
             "; waiting for its last writer (%.90s) to mend it; started again, "
             "this store would take what is left",
             seen->top_seq, ask->seq, ask->last ? ask->last : "not known");
    return true;
}

bool succession_is_ours(struct succession *seen,
                        const struct succession_ask *ask, char *why,
                        size_t size)
{
    why[0] = '\0';
    note_position(seen, ask);
    if (ask->needs_grant && !ask->granted) {
        snprintf(why, size, "the election is not won");
        return false;
    }
    if (ask->granted && ask->last_epoch > ask->granted) {
        snprintf(why, size,
                 "Redis knows the newer epoch %" PRIu64
                 ", the election gave us %" PRIu64,
                 ask->last_epoch, ask->granted);
        return false;
    }
    if (ask->owner) {
        seen->is_vacant = false;
        return may_take_over(ask, why, size);
    }
    if (went_back(seen, ask, why, size))
        return false;
    return needs_no_wait(ask) || was_vacant_long(seen, ask, why, size);
}
