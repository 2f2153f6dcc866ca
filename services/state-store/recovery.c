/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/recovery.h"

#include <string.h>

/* Is the copy that ends at `end` a part of the longer one? A history that has
 * forgotten the run at that place is given the benefit of the doubt. */
static bool is_prefix(const struct copy *end, const struct copy *longer)
{
    uint64_t here = history_run_at(&longer->history, end->seq);
    uint64_t there = history_run_at(&end->history, end->seq);
    return here == 0 || there == 0 || here == there;
}

enum recovery recovery_decide(const struct copy *log, const struct copy *redis)
{
    if (!redis->is_there)
        return log->is_there ? RECOVERY_REFILL : RECOVERY_NEW;
    if (!log->is_there)
        return redis->is_partial ? RECOVERY_HALF : RECOVERY_LOAD;
    if (memcmp(log->lineage, redis->lineage, sizeof log->lineage) != 0)
        return RECOVERY_FOREIGN;
    if (redis->is_partial)
        return RECOVERY_REFILL;
    if (redis->seq > log->seq)
        return is_prefix(log, redis) ? RECOVERY_LOAD : RECOVERY_DIVERGED;
    return is_prefix(redis, log) ? RECOVERY_FOLLOW : RECOVERY_DIVERGED;
}

const char *recovery_advice(enum recovery what)
{
    switch (what) {
    case RECOVERY_NEW:
    case RECOVERY_FOLLOW:
    case RECOVERY_REFILL:
    case RECOVERY_LOAD:
        return NULL;
    case RECOVERY_FOREIGN:
        return "Redis holds the state of another suite. Give this suite its "
               "own Redis database (--redis URL/<number>) or --redis-prefix, "
               "or decide with --prefer log (overwrites Redis) or --prefer "
               "redis (sets the log aside)";
    case RECOVERY_DIVERGED:
        return "log and Redis are of one lineage but each was written without "
               "the other. Decide with --prefer log (overwrites Redis) or "
               "--prefer redis (sets the log aside)";
    case RECOVERY_HALF:
        return "Redis was being filled when its store was lost, and there is "
               "no log: neither is a full copy. Bring the store's data "
               "directory back, or empty Redis to start anew";
    }
    return NULL;
}
