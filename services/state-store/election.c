/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/election.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"

static int redis_check(const char *rest UNUSED, struct err *err UNUSED)
{
    return 0;
}

static bool redis_holds(const void *state UNUSED)
{
    return true;
}

static const char *redis_why(const void *state UNUSED)
{
    return "";
}

/* redis_mirror.c does it all. */
static const struct election_kind election_redis = {
    .scheme = "",
    .check = redis_check,
    .holds = redis_holds,
    .why = redis_why,
};

/* The empty scheme stands for the empty url. */
static const struct election_kind *const kinds[] = {&election_zk};

struct election {
    const struct election_kind *kind;
    void *state;
};

static const struct election_kind *kind_of(const char *url)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_starts(url, kinds[i]->scheme))
            return kinds[i];
    return *url ? NULL : &election_redis;
}

int election_check(const char *url, struct err *err)
{
    const struct election_kind *kind = kind_of(url);
    if (!kind)
        return err_set(err, ERR_INVALID,
                       "it is not zk://host:port[,host:port]/path");
    return kind->check(url + strlen(kind->scheme), err);
}

struct election *election_new(struct loop *loop,
                              const struct election_config *config,
                              const struct election_events *events, void *self)
{
    struct election *e = xcalloc(1, sizeof *e);
    e->kind = kind_of(config->url);
    ASSERT(e->kind);
    if (e->kind->start)
        e->state = e->kind->start(loop, config, events, self);
    return e;
}

void election_destroy(struct election **election)
{
    struct election *e = *election;
    if (!e)
        return;
    if (e->kind->stop)
        e->kind->stop(e->state);
    free(e);
    *election = NULL;
}

bool election_is_outside(const struct election *e)
{
    return e->kind->start != NULL;
}

bool election_holds(const struct election *e)
{
    return e->kind->holds(e->state);
}

void election_yield(struct election *e)
{
    if (e->kind->yield)
        e->kind->yield(e->state);
}

void election_set_mark(struct election *e, const char *mark)
{
    if (e->kind->set_mark)
        e->kind->set_mark(e->state, mark);
}

const char *election_mark(const struct election *e)
{
    return e->kind->mark ? e->kind->mark(e->state) : "";
}

const char *election_why(const struct election *e)
{
    return e->kind->why(e->state);
}
