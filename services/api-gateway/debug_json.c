/* SPDX-License-Identifier: Apache-2.0 */
#include "services/api-gateway/debug_json.h"

#include <string.h>

#include "lib/base/base.h"
#include "lib/wire/wire.h"

/* Left out where it is not known. */
static void set_text(json_t *out, const char *key, const char *text)
{
    if (text && *text)
        json_object_set_new(out, key, json_string(text));
}

static void set_time(json_t *out, const char *key, int64_t wall_ms)
{
    if (wall_ms > 0)
        json_object_set_new(out, key, json_integer(wall_ms));
}

static json_t *texts(char *const *list, size_t count)
{
    json_t *out = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(out, json_string(list[i]));
    return out;
}

/* ---- offers ---- */
static json_t *tallies(Reeve__Tally *const *list, size_t count)
{
    json_t *out = json_object();
    for (size_t i = 0; i < count; i++) {
        const char *name = str_or_empty(list[i]->name);
        json_int_t before = json_integer_value(json_object_get(out, name));
        json_object_set_new(out, name,
                            json_integer(before + (json_int_t)list[i]->count));
    }
    return out;
}

static json_t *evaluation(const Reeve__Evaluation *e)
{
    AUTO_FREE char *offer =
        xasprintf("%s of agent %s (%s)", e->n_offer_ids ? e->offer_ids[0] : "",
                  str_or_empty(e->agent_id), str_or_empty(e->hostname));
    json_t *out = json_pack(
        "{s:I, s:s, s:s, s:o, s:s}", "timestamp", (json_int_t)e->wall_ms,
        "pod-instance-name", str_or_empty(e->pod), "outcome",
        e->passed ? "pass" : "fail", "explanation",
        texts(e->explanation, e->n_explanation), "offer", offer);
    set_text(out, "agent", e->agent_id);
    set_text(out, "hostname", e->hostname);
    return out;
}

static json_t *held(const Reeve__HeldOffer *offer)
{
    json_t *out = json_object();
    set_text(out, "offer", offer->offer_id);
    set_text(out, "agent", offer->agent_id);
    set_text(out, "hostname", offer->hostname);
    set_text(out, "resources", offer->resources);
    json_object_set_new(out, "held-ms", json_integer(offer->held_ms));
    return out;
}

json_t *debug_json_offers(const Reeve__OffersReply *r)
{
    json_t *evaluations = json_array(), *offers = json_array();
    for (size_t i = 0; i < r->n_evaluations; i++)
        json_array_append_new(evaluations, evaluation(r->evaluations[i]));
    for (size_t i = 0; i < r->n_offers; i++)
        json_array_append_new(offers, held(r->offers[i]));
    return json_pack(
        "{s:I, s:I, s:o, s:o, s:o, s:o, s:I, s:I, s:b}", "acceptedCount",
        (json_int_t)r->passed, "rejectedCount", (json_int_t)r->failed,
        "failureReasons", tallies(r->failures_by_stage, r->n_failures_by_stage),
        "rejectedAgents", tallies(r->failures_by_agent, r->n_failures_by_agent),
        "offers", evaluations, "heldOffers", offers, "declinedOffers",
        (json_int_t)r->declined, "rescindedOffers", (json_int_t)r->rescinded,
        "suppressed", (int)r->suppressed);
}

/* ---- reservations ---- */
static const char *host_of(const Reeve__Reservation *r)
{
    if (*str_or_empty(r->hostname))
        return r->hostname;
    return *str_or_empty(r->agent_id) ? r->agent_id : "unknown";
}

json_t *debug_json_reservations(const Reeve__ReservationsReply *reply)
{
    json_t *out = json_object();
    for (size_t i = 0; i < reply->n_reservations; i++) {
        const Reeve__Reservation *r = reply->reservations[i];
        json_t *list = json_object_get(out, host_of(r));
        if (!list) {
            list = json_array();
            json_object_set_new(out, host_of(r), list);
        }
        json_array_append_new(list, json_string(str_or_empty(r->resource_id)));
    }
    return out;
}

static const struct {
    Reeve__Reservation__Standing standing;
    const char *word, *meaning;
} standings[] = {
    {REEVE__RESERVATION__STANDING__WANTED, "wanted", "a pod's record names it"},
    {REEVE__RESERVATION__STANDING__UNCONFIRMED, "unconfirmed",
     "a pod's record names it; nothing proved yet that it exists"},
    {REEVE__RESERVATION__STANDING__GIVEN_UP, "given up",
     "a record gives it up: it is freed when its agent offers it"},
    {REEVE__RESERVATION__STANDING__RELEASED, "released",
     "the operator gave it up: it is freed when its agent offers it"},
    {REEVE__RESERVATION__STANDING__UNKNOWN, "unknown",
     "it carries this service's label and no record names it: left alone until "
     "`reeve state release`"},
    {REEVE__RESERVATION__STANDING__FOREIGN, "foreign",
     "another framework's label and no record: left alone until "
     "`reeve state release`"},
};

static size_t standing_of(const Reeve__Reservation *r)
{
    for (size_t i = 0; i < ARRAY_LEN(standings); i++)
        if (standings[i].standing == r->standing)
            return i;
    return 4; /* a newer broker's word: unknown */
}

static json_t *reservation(const Reeve__Reservation *r)
{
    size_t at = standing_of(r);
    json_t *out = json_pack(
        "{s:s, s:s, s:s}", "resource_id", str_or_empty(r->resource_id),
        "standing", standings[at].word, "meaning", standings[at].meaning);
    set_text(out, "agent", r->agent_id);
    set_text(out, "hostname", r->hostname);
    set_text(out, "pod", r->pod);
    set_text(out, "persistence_id", r->persistence_id);
    set_text(out, "container_path", r->container_path);
    set_text(out, "role", r->role);
    set_text(out, "principal", r->principal);
    set_text(out, "resource", r->resource);
    set_text(out, "problem", r->problem);
    set_time(out, "since", r->since_wall_ms);
    if (r->n_labels > 0) {
        json_t *labels = json_object();
        for (size_t i = 0; i < r->n_labels; i++)
            json_object_set_new(labels, str_or_empty(r->labels[i]->key),
                                json_string(str_or_empty(r->labels[i]->value)));
        json_object_set_new(out, "labels", labels);
    }
    return out;
}

json_t *debug_json_reservation_list(const Reeve__ReservationsReply *reply)
{
    json_int_t counts[ARRAY_LEN(standings)] = {0};
    json_t *list = json_array(), *sums = json_object();
    for (size_t i = 0; i < reply->n_reservations; i++) {
        counts[standing_of(reply->reservations[i])]++;
        json_array_append_new(list, reservation(reply->reservations[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(standings); i++)
        json_object_set_new(sums, standings[i].word, json_integer(counts[i]));
    return json_pack("{s:o, s:o}", "counts", sums, "reservations", list);
}

/* ---- tasks ---- */
static json_t *tasks(Reeve__BrokerTask *const *list, size_t count)
{
    json_t *out = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *task = json_object();
        set_text(task, "task_id", list[i]->task_id);
        set_text(task, "agent", list[i]->agent_id);
        set_text(task, "state", list[i]->state_name);
        set_text(task, "reason", list[i]->reason);
        set_time(task, "since", list[i]->since_wall_ms);
        json_array_append_new(out, task);
    }
    return out;
}

json_t *debug_json_tasks(const Reeve__TasksReply *reply)
{
    return json_pack("{s:o, s:o, s:o}", "unknown",
                     tasks(reply->unknown, reply->n_unknown), "unanswered",
                     tasks(reply->asked, reply->n_asked), "killing",
                     tasks(reply->killing, reply->n_killing));
}

/* ---- agents ---- */
static void add_agent(void *arg, const struct replica_item *item)
{
    AUTO_MESSAGE Reeve__AgentNote *note =
        WIRE_DECODE(reeve__agent_note, item->value, item->len, NULL);
    if (!note)
        return;
    json_t *out = json_object();
    set_text(out, "agent", note->agent_id);
    set_text(out, "hostname", note->hostname);
    set_time(out, "unavailable_from", note->unavailable_from_wall_ms);
    set_time(out, "unavailable_for_ms", note->unavailable_for_ms);
    if (note->is_asked_to_leave)
        json_object_set_new(
            out, "answer",
            json_string(note->will_vacate ? "will vacate" : "cannot vacate"));
    json_object_set_new(out, "draining", json_boolean(note->is_draining));
    json_object_set_new(out, "gone", json_boolean(note->is_gone));
    set_text(out, "message", note->message);
    set_time(out, "since", note->since_wall_ms);
    json_array_append_new(arg, out);
}

json_t *debug_json_agents(const struct view *view)
{
    AUTO_FREE char *prefix = xasprintf("service/%s/agent/", view->service);
    json_t *list = json_array();
    view->source.each(view->source.self, prefix, add_agent, list);
    return list;
}
