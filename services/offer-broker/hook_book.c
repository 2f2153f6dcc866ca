/* SPDX-License-Identifier: Apache-2.0 */
/* hook_book - see hook_book.h */
#include "services/offer-broker/hook_book.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/wire/pb.h"
#include "services/offer-broker/task_build.h"

#define SILENT_MS      5000 /* until an agent without a verdict is asked for */
#define FIRST_RETRY_MS 1000
#define LAST_RETRY_MS  15000
#define MIN_KEEP_MS    1000
#define MAX_KEEP_MS    3600000
#define MAX_REASON_LEN 200
#define UNUSED_MS      60000

struct hook {
    char *name;
    char *problem; /* NULL: none */
    unsigned failures, calls;
    int64_t retry_ms;
    UT_hash_handle hh;
};

struct verdict {
    char *agent_id;
    uint64_t facts;  /* the agent as it was asked about */
    uint64_t places; /* of the pods, likewise */
    bool counts_places;
    bool is_known; /* false: the hook said nothing of it */
    bool admits;
    char *reason;
    int64_t until_ms;
    UT_hash_handle hh;
};

/* What one hook is asked for one pod instance. */
struct subject {
    char *key;
    struct hook *hook;
    struct verdict *verdicts;
    Reeve__HookAsk *next; /* gathered in the pass at next_ms; or NULL */
    uint64_t next_places;
    int64_t next_ms;
    bool is_asked; /* a question is under way */
    UT_hash_handle hh;
};

struct hook_book {
    int64_t keep_ms;
    struct hook *hooks;
    struct subject *subjects;
    size_t n_verdicts;
};

/* ---- making and freeing ------------------------------------------- */
struct hook_book *hook_book_new(int64_t keep_ms)
{
    struct hook_book *book = xcalloc(1, sizeof(*book));

    book->keep_ms = keep_ms;
    return book;
}

void hook_book_add(struct hook_book *book, const char *name)
{
    struct hook *hook = xcalloc(1, sizeof(*hook));

    hook->name = xstrdup(name);
    HASH_ADD_KEYPTR(hh, book->hooks, hook->name, strlen(hook->name), hook);
}

static void drop_verdict(struct hook_book *book, struct subject *subject,
                         struct verdict *verdict)
{
    HASH_DEL(subject->verdicts, verdict);
    book->n_verdicts--;
    free(verdict->agent_id);
    free(verdict->reason);
    free(verdict);
}

static void drop_subject(struct hook_book *book, struct subject *subject)
{
    struct verdict *verdict, *next;

    HASH_ITER(hh, subject->verdicts, verdict, next)
    {
        drop_verdict(book, subject, verdict);
    }
    HASH_DEL(book->subjects, subject);
    PB_FREE(subject->next);
    free(subject->key);
    free(subject);
}

void hook_book_destroy(struct hook_book **book)
{
    struct hook_book *b = *book;
    struct subject *subject, *next_subject;
    struct hook *hook, *next;

    if (!b)
        return;
    HASH_ITER(hh, b->subjects, subject, next_subject)
    {
        drop_subject(b, subject);
    }
    HASH_ITER(hh, b->hooks, hook, next)
    {
        HASH_DEL(b->hooks, hook);
        free(hook->name);
        free(hook->problem);
        free(hook);
    }
    free(b);
    *book = NULL;
}

void hook_call_destroy(struct hook_call **call)
{
    if (!*call)
        return;
    PB_FREE((*call)->ask);
    free(*call);
    *call = NULL;
}

/* ---- what was asked about ----------------------------------------- */
static uint64_t digest(uint64_t sum, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < len; i++)
        sum = (sum ^ bytes[i]) * UINT64_C(1099511628211); /* FNV-1a */
    return sum;
}
#define DIGEST_START UINT64_C(14695981039346656037)

static uint64_t digest_text(uint64_t sum, const char *text)
{
    return digest(sum, str_or_empty(text), strlen(str_or_empty(text)) + 1);
}

static uint64_t digest_agent(const Reeve__HookAgent *agent)
{
    AUTO_BUF struct buf bytes = {0};

    wire_encode(&agent->base, &bytes);
    return digest(DIGEST_START, bytes.data, bytes.len);
}

/* Whatever the order of the list. */
static uint64_t digest_places(const struct place_in *in)
{
    uint64_t all = 0;

    for (size_t i = 0; i < in->n_placed; i++) {
        const struct placed *placed = &in->placed[i];
        uint64_t one = digest_text(DIGEST_START, placed->pod_type);

        one = digest(one, &placed->pod_index, sizeof(placed->pod_index));
        all ^= digest_text(one, placed->agent_id);
    }
    return all;
}

static Reeve__HookAgent *agent_of(const Mesos__V1__Offer *offer)
{
    Reeve__HookAgent *agent = PB_NEW(reeve__hook_agent);
    const Mesos__V1__DomainInfo *domain = offer->domain;

    agent->agent_id = xstrdup(offer->agent_id->value);
    agent->hostname = xstrdup(offer->hostname);
    if (domain && domain->fault_domain) {
        agent->region = xstrdup(domain->fault_domain->region->name);
        agent->zone = xstrdup(domain->fault_domain->zone->name);
    }
    for (size_t i = 0; i < offer->n_attributes; i++) {
        Reeve__HookAttribute *attribute = PB_NEW(reeve__hook_attribute);

        attribute->name = xstrdup(offer->attributes[i]->name);
        attribute->value = attribute_value(offer->attributes[i]);
        PB_ADD(agent, attributes, attribute);
    }
    return agent;
}

static void add_places(Reeve__HookAsk *ask, const struct place_in *in)
{
    for (size_t i = 0; i < in->n_placed; i++) {
        Reeve__HookPlace *place = PB_NEW(reeve__hook_place);

        place->pod_type = xstrdup(in->placed[i].pod_type);
        PB_SET(place, pod_index, in->placed[i].pod_index);
        place->agent_id = xstrdup(in->placed[i].agent_id);
        place->hostname = xstrdup(in->placed[i].hostname);
        PB_ADD(ask, placed, place);
    }
}

static Reeve__HookAsk *ask_of(const struct hook_asker *asker,
                              const struct hook *hook,
                              const struct place_in *in)
{
    Reeve__HookAsk *ask = PB_NEW(reeve__hook_ask);

    ask->hook = xstrdup(hook->name);
    ask->service = xstrdup(asker->service);
    ask->pod_type = xstrdup(in->pod_type);
    PB_SET(ask, pod_index, in->pod_index);
    return ask;
}

/* No name has a line end in it but those of hooks, which come last. */
static char *key_of(const Reeve__HookAsk *ask)
{
    return xasprintf("%s\n%s-%u\n%s", ask->service, ask->pod_type,
                     ask->pod_index, ask->hook);
}

static struct subject *find_subject(struct hook_book *book,
                                    const Reeve__HookAsk *ask)
{
    AUTO_FREE char *key = key_of(ask);
    struct subject *subject = NULL;

    HASH_FIND_STR(book->subjects, key, subject);
    return subject;
}

/* ---- looking at a verdict ----------------------------------------- */
static bool is_over(const struct verdict *verdict, int64_t now_ms)
{
    return now_ms >= verdict->until_ms;
}

static bool holds(const struct verdict *verdict, const struct place_in *in)
{
    Reeve__HookAgent *agent = agent_of(in->offer);
    bool same = verdict->facts == digest_agent(agent);

    PB_FREE(agent);
    return same &&
           (!verdict->counts_places || verdict->places == digest_places(in));
}

static enum place_verdict tell(const struct hook *hook,
                               const struct verdict *verdict, struct buf *why)
{
    if (verdict->is_known && verdict->admits)
        return PLACE_YES;
    if (!verdict->is_known)
        buf_addf(why, "placement hook %s said nothing of the agent",
                 hook->name);
    else if (verdict->reason)
        buf_addf(why, "placement hook %s: %s", hook->name, verdict->reason);
    else
        buf_addf(why, "placement hook %s does not admit the agent", hook->name);
    return verdict->is_known ? PLACE_NO : PLACE_UNKNOWN;
}

/* ---- gathering questions ------------------------------------------ */
/* Of an earlier pass: its offers and places may not be so any more. */
static void gather(const struct hook_asker *asker, struct subject *subject,
                   const struct place_in *in)
{
    if (subject->next && subject->next_ms != asker->now_ms)
        PB_FREE(subject->next);
    if (!subject->next) {
        subject->next = ask_of(asker, subject->hook, in);
        subject->next_places = digest_places(in);
        subject->next_ms = asker->now_ms;
        add_places(subject->next, in);
    }
    if (subject->next->n_agents < HOOK_MAX_AGENTS)
        PB_ADD(subject->next, agents, agent_of(in->offer));
}

static enum place_verdict wait_for(const struct hook *hook, struct buf *why)
{
    if (hook->problem)
        buf_addf(why, "placement hook %s does not answer: %s", hook->name,
                 hook->problem);
    else
        buf_addf(why, "placement hook %s has not answered yet", hook->name);
    return PLACE_UNKNOWN;
}

static struct subject *subject_of(const struct hook_asker *asker,
                                  struct hook *hook, const struct place_in *in)
{
    Reeve__HookAsk *ask = ask_of(asker, hook, in);
    struct subject *subject = find_subject(asker->book, ask);

    if (!subject) {
        subject = xcalloc(1, sizeof(*subject));
        subject->key = key_of(ask);
        subject->hook = hook;
        HASH_ADD_KEYPTR(hh, asker->book->subjects, subject->key,
                        strlen(subject->key), subject);
    }
    PB_FREE(ask);
    return subject;
}

static enum place_verdict ask(struct place_hook *self, const char *name,
                              const struct place_in *in, struct buf *why)
{
    const struct hook_asker *asker = (const struct hook_asker *)self;
    struct subject *subject;
    struct verdict *verdict = NULL;
    struct hook *hook = NULL;

    HASH_FIND_STR(asker->book->hooks, name, hook);
    if (!hook) {
        buf_addf(why,
                 "no placement hook %.60s is configured (--placement-hook)",
                 name);
        return PLACE_UNKNOWN;
    }
    subject = subject_of(asker, hook, in);
    HASH_FIND_STR(subject->verdicts, in->offer->agent_id->value, verdict);
    if (verdict && !is_over(verdict, asker->now_ms) && holds(verdict, in))
        return tell(hook, verdict, why);
    if (asker->book->n_verdicts >= HOOK_MAX_VERDICTS) {
        buf_addf(why, "too much is kept of what placement hooks said");
        return PLACE_UNKNOWN;
    }
    if (!subject->is_asked)
        gather(asker, subject, in);
    return wait_for(hook, why);
}

struct hook_asker hook_book_asker(struct hook_book *book, const char *service,
                                  int64_t now_ms)
{
    return (struct hook_asker){{ask}, book, service, now_ms};
}

struct hook_call *hook_book_take(struct hook_book *book, int64_t now_ms)
{
    struct subject *subject, *next;

    HASH_ITER(hh, book->subjects, subject, next)
    {
        struct hook *hook = subject->hook;
        struct hook_call *call;

        if (!subject->next || subject->is_asked || now_ms < hook->retry_ms ||
            hook->calls >= HOOK_MAX_CALLS)
            continue;
        call = xcalloc(1, sizeof(*call));
        call->ask = MOVE(subject->next);
        call->places = subject->next_places;
        subject->is_asked = true;
        hook->calls++;
        return call;
    }
    return NULL;
}

/* ---- answers ------------------------------------------------------ */
static struct verdict *slot_of(struct hook_book *book, struct subject *subject,
                               const char *agent_id)
{
    struct verdict *verdict = NULL;

    HASH_FIND_STR(subject->verdicts, agent_id, verdict);
    if (verdict)
        return verdict;
    verdict = xcalloc(1, sizeof(*verdict));
    verdict->agent_id = xstrdup(agent_id);
    HASH_ADD_KEYPTR(hh, subject->verdicts, verdict->agent_id,
                    strlen(verdict->agent_id), verdict);
    book->n_verdicts++;
    return verdict;
}

/* On one line, and no longer than people read. */
static char *clean(const char *text)
{
    char *copy;

    if (!*str_or_empty(text))
        return NULL;
    copy = xstrndup(text, MAX_REASON_LEN);
    for (char *c = copy; *c; c++)
        if (iscntrl((unsigned char)*c))
            *c = ' ';
    return copy;
}

static const Reeve__HookAgent *find_agent(const Reeve__HookAsk *ask,
                                          const char *agent_id)
{
    for (size_t i = 0; i < ask->n_agents; i++)
        if (str_eq(ask->agents[i]->agent_id, agent_id))
            return ask->agents[i];
    return NULL;
}

/* Of two about one agent a "no" is the one that counts. */
static void set_verdict(struct verdict *verdict, const Reeve__HookVerdict *said)
{
    bool admits = said->has_admits && said->admits;

    if (verdict->is_known && !verdict->admits)
        return;
    verdict->is_known = true;
    verdict->admits = admits;
    free(verdict->reason);
    verdict->reason = admits ? NULL : clean(said->reason);
}

static int64_t kept_until(const struct hook_book *book,
                          const Reeve__HookAnswer *answer, int64_t now_ms)
{
    int64_t keep_ms = answer->has_keep_ms ? answer->keep_ms : book->keep_ms;

    return now_ms + MIN(MAX(keep_ms, MIN_KEEP_MS), MAX_KEEP_MS);
}

static int take_answer(struct hook_book *book, const struct hook_call *call,
                       const Reeve__HookAnswer *answer, int64_t now_ms)
{
    struct subject *subject = find_subject(book, call->ask);
    int64_t until_ms = kept_until(book, answer, now_ms);
    int strange = 0;

    for (size_t i = 0; i < call->ask->n_agents; i++) {
        const Reeve__HookAgent *agent = call->ask->agents[i];
        struct verdict *verdict = slot_of(book, subject, agent->agent_id);

        verdict->facts = digest_agent(agent);
        verdict->places = call->places;
        verdict->counts_places =
            answer->has_counts_places && answer->counts_places;
        verdict->is_known = verdict->admits = false;
        verdict->until_ms = now_ms + SILENT_MS;
    }
    for (size_t i = 0; i < answer->n_verdicts; i++) {
        const Reeve__HookVerdict *said = answer->verdicts[i];
        struct verdict *verdict;

        if (!said->agent_id || !find_agent(call->ask, said->agent_id)) {
            strange++;
            continue;
        }
        verdict = slot_of(book, subject, said->agent_id);
        verdict->until_ms = until_ms;
        set_verdict(verdict, said);
    }
    return strange;
}

static void give_back(struct hook_book *book, struct hook_call **call)
{
    struct subject *subject = find_subject(book, (*call)->ask);

    ASSERT(subject && subject->is_asked && subject->hook->calls > 0);
    subject->is_asked = false;
    subject->hook->calls--;
    hook_call_destroy(call);
}

static void set_problem(struct hook *hook, const char *why)
{
    free(hook->problem);
    hook->problem = why ? xstrdup(why) : NULL;
}

/* Calls that fail together are one failure. */
void hook_book_fail(struct hook_book *book, struct hook_call **call,
                    const char *why, int64_t now_ms)
{
    struct hook *hook = find_subject(book, (*call)->ask)->hook;

    set_problem(hook, why);
    if (now_ms >= hook->retry_ms) {
        int64_t wait_ms = FIRST_RETRY_MS << MIN(hook->failures, 10);

        hook->retry_ms = now_ms + MIN(wait_ms, LAST_RETRY_MS);
        hook->failures++;
    }
    give_back(book, call);
}

int hook_book_answer(struct hook_book *book, struct hook_call **call,
                     const struct hook_bytes *bytes, struct err *err)
{
    struct hook *hook = find_subject(book, (*call)->ask)->hook;
    struct err why = {0};
    AUTO_MESSAGE Reeve__HookAnswer *answer =
        WIRE_DECODE(reeve__hook_answer, bytes->data, bytes->len, &why);
    int strange;

    if (!answer) {
        AUTO_FREE char *text = clean(why.text);

        hook_book_fail(book, call, "its answer makes no sense", bytes->now_ms);
        return err_set(err, ERR_INVALID, "%s", str_or_empty(text));
    }
    strange = take_answer(book, *call, answer, bytes->now_ms);
    set_problem(hook, NULL);
    hook->failures = 0;
    hook->retry_ms = 0;
    give_back(book, call);
    return strange;
}

/* ---- keeping ------------------------------------------------------ */
static void sweep_subject(struct hook_book *book, struct subject *subject,
                          int64_t now_ms)
{
    struct verdict *verdict, *next;

    HASH_ITER(hh, subject->verdicts, verdict, next)
    {
        if (is_over(verdict, now_ms))
            drop_verdict(book, subject, verdict);
    }
    if (subject->next && now_ms - subject->next_ms >= UNUSED_MS)
        PB_FREE(subject->next);
    if (!subject->verdicts && !subject->next && !subject->is_asked)
        drop_subject(book, subject);
}

void hook_book_sweep(struct hook_book *book, int64_t now_ms)
{
    struct subject *subject, *next;

    HASH_ITER(hh, book->subjects, subject, next)
    {
        sweep_subject(book, subject, now_ms);
    }
}

const char *hook_book_problem(const struct hook_book *book, const char *name)
{
    struct hook *hook = NULL;

    HASH_FIND_STR(book->hooks, name, hook);
    return hook ? hook->problem : NULL;
}

size_t hook_book_verdicts(const struct hook_book *book)
{
    return book->n_verdicts;
}
