/* SPDX-License-Identifier: Apache-2.0 */
/* outcomes - why a demand is not placed yet, as a record that people read
 *
 * Written when the sentence changes, not more often than every two seconds per
 * pod, and not at all for the first moments of a demand.  Removed with it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/spec/spec.h"
#include "lib/wire/pb.h"
#include "services/offer-broker/session.h"
#include "services/offer-broker/survey.h"
#include "services/offer-broker/writes.h"

#define FIRST_MS    1500
#define EVERY_MS    2000
#define MAX_REASONS 20
#define MAX_WRITES  1000

struct note {
    char *instance;
    char *demand_id;
    char *summary;
    char *quota;   /* that leaves too little; NULL: none is known */
    char *reasons; /* one per line */
    size_t offers;
    int64_t first_ms;
    int64_t written_ms; /* 0: never */
    bool is_current;    /* noted in the pass under way */
    UT_hash_handle hh;
};

struct outcomes {
    struct session *session;
    struct note *notes;
    struct writes *writes; /* under way; NULL: none */
};

struct outcomes *outcomes_new(struct session *session)
{
    struct outcomes *outcomes = xcalloc(1, sizeof(*outcomes));

    outcomes->session = session;
    return outcomes;
}

static void drop(struct outcomes *o, struct note *note)
{
    HASH_DEL(o->notes, note);
    free(note->instance);
    free(note->demand_id);
    free(note->summary);
    free(note->quota);
    free(note->reasons);
    free(note);
}

void outcomes_destroy(struct outcomes **outcomes)
{
    struct outcomes *o = *outcomes;
    struct note *note, *next;

    if (!o)
        return;
    HASH_ITER(hh, o->notes, note, next)
    {
        drop(o, note);
    }
    writes_destroy(&o->writes);
    free(o);
    *outcomes = NULL;
}

static void look_at_quota(struct outcomes *o, struct note *note,
                          const struct demand_view *view)
{
    free(note->quota);
    note->quota = survey_short_of(o->session->survey, view);
}

void outcomes_note(struct outcomes *o, const struct demand_view *view,
                   const char *summary, const char *reasons, size_t offers)
{
    struct note *note = NULL;

    HASH_FIND_STR(o->notes, view->instance, note);
    if (note && !str_eq(note->demand_id, view->demand->id)) {
        drop(o, note);
        note = NULL;
    }
    if (!note) {
        note = xcalloc(1, sizeof(*note));
        note->instance = xstrdup(view->instance);
        note->demand_id = xstrdup(view->demand->id);
        note->first_ms = clock_mono_ms();
        HASH_ADD_KEYPTR(hh, o->notes, note->instance, strlen(note->instance),
                        note);
    }
    pb_str(&note->summary, summary);
    pb_str(&note->reasons, str_or_empty(reasons));
    note->offers = offers;
    note->is_current = true;
    look_at_quota(o, note, view);
}

bool outcomes_keep(struct outcomes *o, const struct demand_view *view)
{
    struct note *note = NULL;

    HASH_FIND_STR(o->notes, view->instance, note);
    if (!note || !str_eq(note->demand_id, view->demand->id) ||
        note->offers == 0)
        return false;
    note->is_current = true;
    look_at_quota(o, note, view);
    return true;
}

static char *summary_of(const struct note *note)
{
    if (!note->quota)
        return xstrdup(note->summary);
    return xasprintf("%s; %s", note->quota, note->summary);
}

static Reeve__Outcome *record_of(const struct note *note)
{
    AUTO_FREE char *lines = xstrdup(note->reasons);
    Reeve__Outcome *record;
    char *save = NULL;

    record = PB_NEW(reeve__outcome);
    record->demand_id = xstrdup(note->demand_id);
    record->pod_instance = xstrdup(note->instance);
    PB_SET(record, offers_seen, (uint32_t)note->offers);
    record->summary = summary_of(note);
    for (char *line = strtok_r(lines, "\n", &save);
         line && record->n_reasons < MAX_REASONS;
         line = strtok_r(NULL, "\n", &save))
        PB_ADD(record, reasons, xstrdup(line));
    PB_SET(record, wall_ms, clock_wall_ms());
    return record;
}

static void write_note(struct outcomes *o, struct note *note, int64_t now_ms)
{
    const struct facts *facts = o->session->facts;
    const Reeve__Outcome *stored = facts_outcome(facts, note->instance, NULL);
    AUTO_FREE char *key = NULL, *summary = NULL;
    AUTO_MESSAGE Reeve__Outcome *record = NULL;

    if (now_ms - note->first_ms < FIRST_MS ||
        (note->written_ms && now_ms - note->written_ms < EVERY_MS))
        return;
    summary = summary_of(note);
    if (stored && str_eq(stored->demand_id, note->demand_id) &&
        str_eq(stored->summary, summary))
        return;
    key = facts_key_outcome(facts, note->instance);
    record = record_of(note);
    writes_put(o->writes, key, &record->base);
    note->written_ms = now_ms;
    log_info("not_placed", "service=%s pod=%s why=%s", o->session->key,
             note->instance, log_q(summary));
}

static void remove_stale(void *self, const struct fact *fact)
{
    struct outcomes *o = self;
    struct note *note = NULL;
    AUTO_FREE char *key = NULL;

    HASH_FIND_STR(o->notes, fact->id, note);
    if (note || writes_count(o->writes) >= MAX_WRITES)
        return;
    key = facts_key_outcome(o->session->facts, fact->id);
    writes_delete(o->writes, key);
}

static void on_written(void *self, const struct txn_result *result)
{
    struct outcomes *o = self;
    struct writes *writes = MOVE(o->writes);

    if (result->err.code == ERR_NONE)
        writes_apply(writes, o->session->facts, result->revision);
    else if (result->err.code == ERR_FENCED)
        broker_fenced(o->session->broker);
    writes_destroy(&writes);
}

/* Is what the note is about still demanded? */
static bool has_demand(const struct outcomes *o, const struct note *note)
{
    const Reeve__Demand *demand =
        facts_demand(o->session->facts, note->demand_id, NULL);
    AUTO_FREE char *instance =
        demand ? spec_pod_instance(str_or_empty(demand->pod_type),
                                   demand->pod_index)
               : NULL;

    return instance && str_eq(instance, note->instance);
}

void outcomes_flush(struct outcomes *o)
{
    int64_t now_ms = clock_mono_ms();
    struct note *note, *next;
    struct txn *txn;

    if (o->writes)
        return;
    o->writes = writes_new();
    HASH_ITER(hh, o->notes, note, next)
    {
        if (!note->is_current && !has_demand(o, note))
            drop(o, note);
        else if (writes_count(o->writes) < MAX_WRITES)
            write_note(o, note, now_ms);
    }
    HASH_ITER(hh, o->notes, note, next)
    {
        note->is_current = false;
    }
    facts_each_outcome(o->session->facts, remove_stale, o);
    if (writes_count(o->writes) == 0) {
        writes_destroy(&o->writes);
        return;
    }
    txn = writes_take_txn(o->writes);
    store_client_commit(o->session->broker->store, &txn, on_written, o);
}
