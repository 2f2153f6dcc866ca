/* SPDX-License-Identifier: Apache-2.0 */
/* resize_book - see resize_book.h */
#include "services/offer-broker/resize_book.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/base/base.h"

#define ASK_AGAIN_MS    1000
#define TOLD_MS         600000 /* an agent may be restarted with another one */
#define UNABLE_MS       60000
#define WANTED_MS       10000 /* nobody asked for so long: not of interest */
#define REFUSED_MS      2000LL
#define REFUSED_MOST_MS 300000LL

struct agent {
    char *id;
    enum resize_ability ability;
    int64_t wanted_ms; /* when it last mattered */
    int64_t ask_ms;    /* not before */
    UT_hash_handle hh;
};

struct refusal {
    char *resource_id;
    char *why;
    int64_t to_milli;
    int64_t again_ms;
    unsigned count;
    UT_hash_handle hh;
};

struct resize_book {
    struct agent *agents;
    struct refusal *refusals;
    char *text;
};

struct resize_book *resize_book_new(void)
{
    return xcalloc(1, sizeof(struct resize_book));
}

static void drop_refusal(struct resize_book *book, struct refusal *refusal)
{
    HASH_DEL(book->refusals, refusal);
    free(refusal->resource_id);
    free(refusal->why);
    free(refusal);
}

void resize_book_destroy(struct resize_book **at)
{
    struct resize_book *book = *at;
    struct refusal *refusal, *next_refusal;
    struct agent *agent, *next_agent;

    if (!book)
        return;
    HASH_ITER(hh, book->agents, agent, next_agent)
    {
        HASH_DEL(book->agents, agent);
        free(agent->id);
        free(agent);
    }
    HASH_ITER(hh, book->refusals, refusal, next_refusal)
    {
        drop_refusal(book, refusal);
    }
    free(book->text);
    free(book);
    *at = NULL;
}

/* ---- agents ------------------------------------------------------- */
static struct agent *find_agent(const struct resize_book *book, const char *id)
{
    struct agent *agent = NULL;

    HASH_FIND_STR(book->agents, str_or_empty(id), agent);
    return agent;
}

static struct agent *want_agent(struct resize_book *book, const char *id,
                                int64_t now_ms)
{
    struct agent *agent = find_agent(book, id);

    if (!agent) {
        agent = xcalloc(1, sizeof(*agent));
        agent->id = xstrdup(str_or_empty(id));
        agent->ask_ms = now_ms;
        HASH_ADD_KEYPTR(hh, book->agents, agent->id, strlen(agent->id), agent);
    }
    agent->wanted_ms = now_ms;
    return agent;
}

const char *resize_book_next(const struct resize_book *book, int64_t now_ms)
{
    const struct agent *agent;

    for (agent = book->agents; agent; agent = agent->hh.next)
        if (agent->ask_ms <= now_ms && now_ms - agent->wanted_ms <= WANTED_MS)
            return agent->id;
    return NULL;
}

void resize_book_answer(struct resize_book *book, const char *agent_id,
                        enum resize_ability ability, int64_t now_ms)
{
    struct agent *agent = find_agent(book, agent_id);

    if (!agent)
        return;
    agent->ability = ability;
    agent->ask_ms = now_ms + (ability == RESIZE_UNABLE ? UNABLE_MS : TOLD_MS);
}

void resize_book_put_off(struct resize_book *book, const char *agent_id,
                         int64_t now_ms)
{
    struct agent *agent = find_agent(book, agent_id);

    if (agent)
        agent->ask_ms = now_ms + ASK_AGAIN_MS;
}

/* ---- refusals ----------------------------------------------------- */
static struct refusal *find_refusal(const struct resize_book *book,
                                    const char *resource_id)
{
    struct refusal *refusal = NULL;

    HASH_FIND_STR(book->refusals, str_or_empty(resource_id), refusal);
    return refusal;
}

void resize_book_refused(struct resize_book *book, const char *resource_id,
                         int64_t to_milli, const char *why, int64_t now_ms)
{
    struct refusal *refusal = find_refusal(book, resource_id);

    if (!refusal) {
        refusal = xcalloc(1, sizeof(*refusal));
        refusal->resource_id = xstrdup(str_or_empty(resource_id));
        HASH_ADD_KEYPTR(hh, book->refusals, refusal->resource_id,
                        strlen(refusal->resource_id), refusal);
    }
    if (refusal->to_milli != to_milli)
        refusal->count = 0;
    refusal->to_milli = to_milli;
    free(refusal->why);
    refusal->why = xstrdup(str_or_empty(why));
    refusal->again_ms =
        now_ms + MIN(REFUSED_MS << MIN(refusal->count, 16u), REFUSED_MOST_MS);
    refusal->count++;
}

void resize_book_done(struct resize_book *book, const char *resource_id)
{
    struct refusal *refusal = find_refusal(book, resource_id);

    if (refusal)
        drop_refusal(book, refusal);
}

const char *resize_book_objection(struct resize_book *book,
                                  const struct resize_question *question)
{
    const struct agent *agent =
        want_agent(book, question->agent_id, question->now_ms);
    const struct refusal *refusal = find_refusal(book, question->resource_id);

    if (agent->ability == RESIZE_UNKNOWN)
        return "the master is being asked whether its agent can do that";
    if (agent->ability == RESIZE_UNABLE)
        return "its agent cannot do that (it has no capability RESIZE_VOLUME)";
    if (!refusal || refusal->to_milli != question->to_milli ||
        refusal->again_ms <= question->now_ms)
        return NULL;
    free(book->text);
    book->text = xasprintf("refused, and tried again later: %s", refusal->why);
    return book->text;
}
