/* SPDX-License-Identifier: Apache-2.0 */
/* plain_calls - see plain_calls.h */
#include "devcluster/plain_calls.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/mesos/pb_mesos.h"

#define CALL         Mesos__V1__Master__Call
#define M_CALL(name) MESOS__V1__MASTER__CALL__TYPE__##name

static void bad(struct http_refusal *refusal, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void bad(struct http_refusal *refusal, const char *fmt, ...)
{
    va_list ap;

    refusal->status = 400;
    va_start(ap, fmt);
    vsnprintf(refusal->text, sizeof refusal->text, fmt, ap);
    va_end(ap);
}

/* ---- forms -------------------------------------------------------------- */

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* A '%' that is none stays as it is. */
static char *decoded(const char *text, size_t len)
{
    char *out = xcalloc(len + 1, 1), *at = out;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '%' && i + 2 < len && hex(text[i + 1]) >= 0 &&
            hex(text[i + 2]) >= 0) {
            *at++ = (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]));
            i += 2;
        } else {
            *at++ = text[i] == '+' ? ' ' : text[i];
        }
    }
    return out;
}

char *form_value(const char *form, size_t len, const char *name)
{
    const char *end = form + len;

    while (form < end) {
        const char *stop = memchr(form, '&', (size_t)(end - form));
        const char *equals;

        if (!stop)
            stop = end;
        equals = memchr(form, '=', (size_t)(stop - form));
        if (equals) {
            AUTO_FREE char *key = decoded(form, (size_t)(equals - form));

            if (strcmp(key, name) == 0)
                return decoded(equals + 1, (size_t)(stop - equals - 1));
        }
        form = stop + 1;
    }
    return NULL;
}

/* The first part with a '%' that is none. */
static bool is_well_formed(const struct http_given *given,
                           struct http_refusal *refusal)
{
    const char *part = given->body, *end = given->body + given->body_len;

    for (const char *at = part; at < end; at++) {
        if (*at == '&' || *at == '=') {
            part = at + 1;
        } else if (*at == '%' &&
                   (end - at < 3 || hex(at[1]) < 0 || hex(at[2]) < 0)) {
            int len = (int)MIN(end - at, 3);
            const char *stop = at;

            while (stop < end && *stop != '&' && *stop != '=')
                stop++;
            bad(refusal,
                "Unable to decode query string: Malformed %% escape in '%.*s': "
                "'%.*s'",
                (int)(stop - part), part, (int)MIN(len, stop - at), at);
            return false;
        }
    }
    return true;
}

static char *wanted(const struct http_given *given, const char *name,
                    struct http_refusal *refusal)
{
    char *value = is_well_formed(given, refusal)
                      ? form_value(given->body, given->body_len, name)
                      : NULL;

    if (!value && !refusal->status)
        bad(refusal, "Missing '%s' query parameter in the request body", name);
    return value;
}

/* ---- JSON ---------------------------------------------------------------- */

/* JSON of that type; NULL and a refusal otherwise. */
static json_t *parse(const char *text, size_t len, json_type type,
                     struct http_refusal *refusal)
{
    json_t *json = http_json(text, len, refusal);

    if (!json || json_typeof(json) == type)
        return json;
    json_decref(json);
    bad(refusal, "Unexpected JSON type parsed");
    return NULL;
}

/* A list of messages of one type, in a call or its part. */
struct list {
    const ProtobufCMessageDescriptor *type;
    void ***at;
    size_t *count;
};

/* Each element as a message; those read are the caller's in any case. */
static bool convert_list(const json_t *json, struct list list,
                         struct http_refusal *refusal)
{
    json_t *one;
    struct err err;
    size_t i;

    json_array_foreach(json, i, one)
    {
        void *message = wire_from_json(list.type, one, &err);

        if (!message) {
            bad(refusal, "%s", err.text);
            return false;
        }
        PB_PUSH(*list.at, *list.count, message);
    }
    return true;
}

static void read_list(const char *text, size_t len, struct list list,
                      struct http_refusal *refusal)
{
    json_t *json = parse(text, len, JSON_ARRAY, refusal);

    if (json)
        convert_list(json, list, refusal);
    json_decref(json);
}

/* ---- each ---------------------------------------------------------------- */

static void teardown(CALL *call, const struct http_given *given,
                     struct http_refusal *refusal)
{
    AUTO_FREE char *id = wanted(given, "frameworkId", refusal);

    PB_SET(call, type, M_CALL(TEARDOWN));
    call->teardown = PB_NEW(mesos__v1__master__call__teardown);
    call->teardown->framework_id = pb_framework_id(str_or_empty(id));
}

/* Where the parts of such a call are. */
struct resources_form {
    int type;
    const char *name; /* of the list in the form */
    Mesos__V1__AgentID **agent;
    Mesos__V1__Resource ***list;
    size_t *count;
};

/* Four calls are alike: a list of resources for an agent. */
static void resources_call(struct resources_form *form, CALL *call,
                           const struct http_given *given,
                           struct http_refusal *refusal)
{
    AUTO_FREE char *id = wanted(given, "slaveId", refusal);
    AUTO_FREE char *text = id ? wanted(given, form->name, refusal) : NULL;
    struct list list = {&mesos__v1__resource__descriptor, (void ***)form->list,
                        form->count};

    PB_SET(call, type, (Mesos__V1__Master__Call__Type)form->type);
    *form->agent = pb_agent_id(str_or_empty(id));
    if (!text)
        return;
    read_list(text, strlen(text), list, refusal);
    if (refusal->status)
        http_refusal_wrap(
            refusal, "%s '%s' query parameter in the request body: ",
            form->type == M_CALL(RESERVE_RESOURCES) ? "Error parsing"
                                                    : "Error in parsing",
            form->name);
}

static void reserve(CALL *call, const struct http_given *given,
                    struct http_refusal *refusal)
{
    Mesos__V1__Master__Call__ReserveResources *r = call->reserve_resources =
        PB_NEW(mesos__v1__master__call__reserve_resources);
    struct resources_form form = {M_CALL(RESERVE_RESOURCES), "resources",
                                  &r->agent_id, &r->resources, &r->n_resources};

    resources_call(&form, call, given, refusal);
}

static void unreserve(CALL *call, const struct http_given *given,
                      struct http_refusal *refusal)
{
    Mesos__V1__Master__Call__UnreserveResources *r = call->unreserve_resources =
        PB_NEW(mesos__v1__master__call__unreserve_resources);
    struct resources_form form = {M_CALL(UNRESERVE_RESOURCES), "resources",
                                  &r->agent_id, &r->resources, &r->n_resources};

    resources_call(&form, call, given, refusal);
}

static void create(CALL *call, const struct http_given *given,
                   struct http_refusal *refusal)
{
    Mesos__V1__Master__Call__CreateVolumes *c = call->create_volumes =
        PB_NEW(mesos__v1__master__call__create_volumes);
    struct resources_form form = {M_CALL(CREATE_VOLUMES), "volumes",
                                  &c->agent_id, &c->volumes, &c->n_volumes};

    resources_call(&form, call, given, refusal);
}

static void destroy(CALL *call, const struct http_given *given,
                    struct http_refusal *refusal)
{
    Mesos__V1__Master__Call__DestroyVolumes *d = call->destroy_volumes =
        PB_NEW(mesos__v1__master__call__destroy_volumes);
    struct resources_form form = {M_CALL(DESTROY_VOLUMES), "volumes",
                                  &d->agent_id, &d->volumes, &d->n_volumes};

    resources_call(&form, call, given, refusal);
}

static void schedule(CALL *call, const struct http_given *given,
                     struct http_refusal *refusal)
{
    json_t *json = parse(given->body, given->body_len, JSON_OBJECT, refusal);
    struct err err;

    PB_SET(call, type, M_CALL(UPDATE_MAINTENANCE_SCHEDULE));
    call->update_maintenance_schedule =
        PB_NEW(mesos__v1__master__call__update_maintenance_schedule);
    if (json) {
        call->update_maintenance_schedule->schedule = (void *)wire_from_json(
            &mesos__v1__master__schedule__descriptor, json, &err);
        if (!call->update_maintenance_schedule->schedule)
            bad(refusal, "%s", err.text);
    }
    json_decref(json);
}

static void down(CALL *call, const struct http_given *given,
                 struct http_refusal *refusal)
{
    PB_SET(call, type, M_CALL(START_MAINTENANCE));
    call->start_maintenance =
        PB_NEW(mesos__v1__master__call__start_maintenance);
    struct list list = {&mesos__v1__machine_id__descriptor,
                        (void ***)&call->start_maintenance->machines,
                        &call->start_maintenance->n_machines};
    read_list(given->body, given->body_len, list, refusal);
}

static void up(CALL *call, const struct http_given *given,
               struct http_refusal *refusal)
{
    PB_SET(call, type, M_CALL(STOP_MAINTENANCE));
    call->stop_maintenance = PB_NEW(mesos__v1__master__call__stop_maintenance);
    struct list list = {&mesos__v1__machine_id__descriptor,
                        (void ***)&call->stop_maintenance->machines,
                        &call->stop_maintenance->n_machines};
    read_list(given->body, given->body_len, list, refusal);
}

static void weights(CALL *call, const struct http_given *given,
                    struct http_refusal *refusal)
{
    json_t *json = parse(given->body, given->body_len, JSON_ARRAY, refusal);

    PB_SET(call, type, M_CALL(UPDATE_WEIGHTS));
    call->update_weights = PB_NEW(mesos__v1__master__call__update_weights);
    struct list list = {&mesos__v1__master__weight_info__descriptor,
                        (void ***)&call->update_weights->weight_infos,
                        &call->update_weights->n_weight_infos};
    if (!json)
        http_refusal_wrap(
            refusal, "Failed to parse update weights request JSON '%.*s': ",
            (int)given->body_len, given->body);
    else if (!convert_list(json, list, refusal))
        http_refusal_wrap(
            refusal,
            "Failed to convert weights JSON array to protobuf '%.*s': ",
            (int)given->body_len, given->body);
    json_decref(json);
}

static void set_quota(CALL *call, const struct http_given *given,
                      struct http_refusal *refusal)
{
    json_t *json = parse(given->body, given->body_len, JSON_OBJECT, refusal);
    struct err err;

    PB_SET(call, type, M_CALL(SET_QUOTA));
    call->set_quota = PB_NEW(mesos__v1__master__call__set_quota);
    if (!json) {
        http_refusal_wrap(refusal,
                          "Failed to parse set quota request JSON '%.*s': ",
                          (int)given->body_len, given->body);
        return;
    }
    call->set_quota->quota_request = (void *)wire_from_json(
        &mesos__v1__master__quota_request__descriptor, json, &err);
    json_decref(json);
    if (!call->set_quota->quota_request)
        bad(refusal, "Failed to validate set quota request JSON '%.*s': %s",
            (int)given->body_len, given->body, err.text);
}

/* The role is the rest of the path. */
static void remove_quota(CALL *call, const struct http_given *given,
                         struct http_refusal *refusal)
{
    const char *path = given->path;
    const char *role = path + strlen("/quota");

    PB_SET(call, type, M_CALL(REMOVE_QUOTA));
    call->remove_quota = PB_NEW(mesos__v1__master__call__remove_quota);
    while (*role == '/')
        role++;
    call->remove_quota->role = xstrdup(role);
    if (!*role)
        bad(refusal,
            "Failed to parse remove quota request for path '/master%s': "
            "expected 3 tokens, found 2 tokens",
            path);
}

static const struct {
    const char *method, *path;
    void (*read)(CALL *call, const struct http_given *given,
                 struct http_refusal *refusal);
} changes[] = {
    {"POST", "/teardown", teardown},
    {"POST", "/reserve", reserve},
    {"POST", "/unreserve", unreserve},
    {"POST", "/create-volumes", create},
    {"POST", "/destroy-volumes", destroy},
    {"POST", "/maintenance/schedule", schedule},
    {"POST", "/machine/down", down},
    {"POST", "/machine/up", up},
    {"PUT", "/weights", weights},
    {"POST", "/quota", set_quota},
    {"DELETE", "/quota", remove_quota},
};

CALL *plain_call(const char *path, const struct http_given *given,
                 struct http_refusal *refusal)
{
    struct http_given body = *given;

    refusal->status = 0;
    refusal->text[0] = '\0';
    if (!body.body) {
        body.body = "";
        body.body_len = 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        CALL *call;

        if (strcmp(changes[i].path, path) != 0 ||
            !str_eq(changes[i].method, given->method))
            continue;
        call = PB_NEW(mesos__v1__master__call);
        changes[i].read(call, &body, refusal);
        if (refusal->status)
            PB_FREE(call);
        return call;
    }
    bad(refusal, "%s '%s' changes nothing", str_or_empty(given->method), path);
    return NULL;
}
