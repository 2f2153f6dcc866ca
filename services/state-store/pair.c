/* SPDX-License-Identifier: Apache-2.0 */
/* pair - a store that has partners: waits its turn, and never answers out of it
 *
 * A partner goes on from what Redis holds.  So a store that has one tells
 * nothing that Redis does not hold, and tells nothing at all once its lease may
 * be over.
 *
 * The address: partners in one run directory each bind sockets of their own
 * name, and the active one points the links "state-store" and "state-store.pub"
 * at them.  A socket is found by its path at each connect, so callers come over
 * by reconnecting.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/fs.h"
#include "lib/base/id.h"
#include "lib/base/log.h"
#include "services/state-store/election.h"
#include "services/state-store/recovery.h"
#include "services/state-store/redis_mirror.h"
#include "services/state-store/store.h"
#include "services/state-store/table.h"

int store_pair_options(struct store *s, struct err *err)
{
    const char *url = service_str(s->service, "election");
    if (election_check(url, err) < 0)
        return err_wrap(err, "%s", service_source(s->service, "election"));
    s->is_paired = service_bool(s->service, "standby") || *url;
    if (!s->is_paired && service_bool(s->service, "new-suite"))
        return err_set(err, ERR_INVALID,
                       "--new-suite is a word for stores with --standby");
    if (!s->is_paired)
        return 0;
    if (!redis_url_is_set(&s->redis_url))
        return err_set(err, ERR_INVALID,
                       "--standby needs --redis: a partner goes on from what "
                       "Redis holds");
    if (!s->acks_with_redis && !s->acks_with_replica)
        return err_set(err, ERR_INVALID,
                       "--standby does not go with --ack wal: a partner knows "
                       "nothing of what is only in this store's log");
    return 0;
}

bool store_may_answer(const struct store *s)
{
    return !s->is_paired ||
           (election_holds(s->election) && redis_mirror_has_lease(s->mirror) &&
            redis_mirror_seq(s->mirror) >= s->start_seq);
}

/* ---- election ------------------------------------------------------------ */

static void on_won(void *self, uint64_t epoch)
{
    struct store *s = store_of(self);
    log_info("election_won", "epoch=%" PRIu64, epoch);
    redis_mirror_grant(s->mirror, epoch);
}

static void on_lost(void *self, const char *why)
{
    struct store *s = store_of(self);
    log_odd("election_lost", "why=%s", log_q(why));
    redis_mirror_grant(s->mirror, 0);
    if (s->stage == STORE_ACTIVE)
        store_fail(s, EXIT_FENCED, "fenced", why);
}

static const struct election_events election_events = {on_won, on_lost};

void store_start_election(struct store *s)
{
    const struct election_config config = {
        .url = service_str(s->service, "election"),
        .holder = s->holder,
        .ttl_ms = service_int(s->service, "owner-ttl-ms"),
    };
    s->election =
        election_new(service_loop(s->service), &config, &election_events, s);
}

/* ---- how far it was when somebody was active ------------------------------
 */

void store_keep_mark(struct store *s)
{
    char lineage[UUID_TEXT_SIZE], mark[ELECTION_MARK_MAX];
    if (!s->is_paired || s->stage != STORE_ACTIVE || !store_may_answer(s))
        return;
    uuid_format(table_lineage(s->table), lineage);
    snprintf(mark, sizeof mark, "%s %" PRIu64, lineage, s->visible_seq);
    election_set_mark(s->election, mark);
}

/* From which position what would go on. */
static uint64_t position_after(const struct store *s, enum recovery what,
                               const struct copy *redis,
                               const uint8_t **lineage)
{
    bool by_log = what == RECOVERY_FOLLOW || what == RECOVERY_REFILL;
    *lineage = by_log ? table_lineage(s->table) : redis->lineage;
    return by_log ? table_seq(s->table) : redis->seq;
}

static const char *lacks_what_was_told(const struct store *s,
                                       enum recovery what,
                                       const struct copy *redis)
{
    static char why[300];
    const char *mark = election_mark(s->election);
    const char *space = strchr(mark, ' ');
    char text[UUID_TEXT_SIZE];
    const uint8_t *lineage;
    uint64_t wanted;
    if (*service_str(s->service, "prefer") || !space ||
        !parse_u64(space + 1, &wanted))
        return NULL;
    uint64_t seq = position_after(s, what, redis, &lineage);
    uuid_format(lineage, text);
    if (strncmp(text, mark, UUID_TEXT_SIZE - 1) == 0 && seq >= wanted)
        return NULL;
    snprintf(why, sizeof why,
             "ZooKeeper knows that %.120s was told, Redis and the log here end "
             "at %s %" PRIu64 "; waiting for the store that wrote last, or for "
             "--prefer log or redis, which goes on from there",
             mark, text, seq);
    return why;
}

/* Which of the two copies holds everything that was ever acknowledged?  Redis,
 * as long as it is whole; a log only when it was written last. */
const char *store_pair_waits(struct store *s, enum recovery what,
                             const struct copy *redis)
{
    if (!s->is_paired || s->stage != STORE_STARTING)
        return NULL;
    bool may_fill = redis_mirror_was_ours(s->mirror) ||
                    strcmp(service_str(s->service, "prefer"), "log") == 0;
    switch ((int)what) {
    case RECOVERY_NEW:
        return service_bool(s->service, "new-suite")
                   ? NULL
                   : "there is no state yet; start one of the stores with "
                     "--new-suite, once";
    case RECOVERY_REFILL:
        return may_fill ? lacks_what_was_told(s, what, redis)
                        : "Redis is empty or half filled, and the log here may "
                          "not be the newest; waiting for the store that wrote "
                          "last, or for --prefer log";
    case RECOVERY_HALF:
        return recovery_advice(what);
    default:
        return lacks_what_was_told(s, what, redis);
    }
}

/* ---- address ------------------------------------------------------------- */

static const char *const suffixes[] = {"", ".pub"};

static const char *own_name(const struct store *s)
{
    return s->is_paired ? service_str(s->service, "name") : "";
}

char *store_pub_name(const struct store *s)
{
    const char *name = own_name(s);
    return xasprintf("state-store%s%s.pub", *name ? "-" : "", name);
}

static bool points_to(const char *link, const char *target)
{
    char text[PATH_MAX];
    ssize_t n = readlink(link, text, sizeof text - 1);
    if (n < 0)
        return false;
    text[n] = '\0';
    return strcmp(text, target) == 0;
}

static int point(const char *link, const char *target, struct err *err)
{
    AUTO_FREE char *made = xasprintf("%s-%s.tmp", link, target);
    unlink(made);
    if (symlink(target, made) < 0 || rename(made, link) < 0)
        return err_sys(err, "%s: cannot be pointed at %s", link, target);
    return 0;
}

static void tell_lease(struct store *s, bool may_answer)
{
    const char *why =
        election_holds(s->election) ? "" : election_why(s->election);
    if (may_answer)
        service_health(s->service, "lease", true, "held; partners wait");
    else
        service_health(s->service, "lease", false,
                       "not confirmed by %s in time: nothing is answered%s%s",
                       election_holds(s->election) ? "Redis" : "ZooKeeper",
                       *why ? "; " : "", why);
}

/* Also every second: somebody may have removed or replaced the links. */
void store_keep_address(struct store *s)
{
    const char *name = own_name(s);
    struct err err = {0};
    if (!s->is_paired)
        return;
    tell_lease(s, store_may_answer(s));
    if (!*name || !store_may_answer(s))
        return;
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        AUTO_FREE char *link = xasprintf(
            "%s/state-store%s", service_run_dir(s->service), suffixes[i]);
        AUTO_FREE char *target =
            xasprintf("state-store-%s%s", name, suffixes[i]);
        if (points_to(link, target))
            continue;
        if (point(link, target, &err) == 0)
            log_info("address_taken", "link=%s target=%s", log_q(link), target);
    }
    service_health(s->service, "address", !err.code, "%s",
                   err.code ? err.text : "the links in the run dir lead here");
}
