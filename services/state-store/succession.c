/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/succession.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "services/state-store/redis_commands.h"

/* Our own key: of this very process, or of one before it in the same folder,
 * which is dead: the folder's lock says so. */
static bool is_own(const struct succession_ask *ask, const char *holder,
                   uint64_t epoch)
{
    return holder && strcmp(holder, ask->holder) == 0 &&
           (!ask->our_epoch || epoch <= ask->our_epoch);
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
    return ask->last_epoch && (ask->given_back == ask->last_epoch ||
                               is_own(ask, ask->last, ask->last_epoch));
}

static bool was_vacant_long(struct succession *seen,
                            const struct succession_ask *ask, char *why,
                            size_t size)
{
    bool is_same = seen->is_vacant && seen->epoch == ask->last_epoch &&
                   seen->seq == ask->seq;
    if (!is_same)
        *seen =
            (struct succession){true, ask->last_epoch, ask->seq, ask->now_ms};
    int64_t left_ms = seen->since_ms + ask->ttl_ms - ask->now_ms;
    if (left_ms <= 0)
        return true;
    snprintf(why, size,
             "the lease in Redis is vacant; its last holder (%.120s) has "
             "another %" PRId64 " ms to come back",
             ask->last ? ask->last : "not known", left_ms);
    return false;
}

bool succession_is_ours(struct succession *seen,
                        const struct succession_ask *ask, char *why,
                        size_t size)
{
    why[0] = '\0';
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
    return needs_no_wait(ask) || was_vacant_long(seen, ask, why, size);
}
