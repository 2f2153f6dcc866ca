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

static char *wanted(const struct http_given *given, const char *name,
                    struct http_refusal *refusal)
{
    char *value = form_value(given->body, given->body_len, name);

    if (!value)
        bad(refusal, "Missing '%s' query parameter in the request body", name);
    return value;
}

/* ---- JSON ---------------------------------------------------------------- */

static json_t *parse(const char *text, size_t len, struct http_refusal *refusal)
{
    json_error_t why;
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);

    if (!json)
        bad(refusal, "syntax error at line %d", why.line);
    return json;
}

/* Each element of the text's list as a message; false: refused.  The messages
 * read so far are the caller's in any case. */
static bool read_list(const char *text, size_t len,
                      const ProtobufCMessageDescriptor *type, void ***list,
                      size_t *count, struct http_refusal *refusal)
{
    json_t *json = parse(text, len, refusal), *one;
    struct err err;
    size_t i;

    if (json && !json_is_array(json))
        bad(refusal, "Expecting a JSON array");
    json_array_foreach(json, i, one)
    {
        void *message = wire_from_json(type, one, &err);

        if (!message) {
            bad(refusal, "%s", err.text);
            break;
        }
        PB_PUSH(*list, *count, message);
    }
    json_decref(json);
    return refusal->status == 0;
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

/* A list of resources for an agent; *agent is set unless it is refused. */
static void read_resources(const struct http_given *given, const char *name,
                           Mesos__V1__AgentID **agent,
                           Mesos__V1__Resource ***list, size_t *count,
                           struct http_refusal *refusal)
{
    AUTO_FREE char *id = wanted(given, "slaveId", refusal);
    AUTO_FREE char *text = id ? wanted(given, name, refusal) : NULL;

    *agent = pb_agent_id(str_or_empty(id));
    if (text)
        read_list(text, strlen(text), &mesos__v1__resource__descriptor,
                  (void ***)list, count, refusal);
}

static void reserve(CALL *call, const struct http_given *given,
                    struct http_refusal *refusal)
{
    Mesos__V1__Master__Call__ReserveResources *r =
        PB_NEW(mesos__v1__master__call__reserve_resources);

    PB_SET(call, type, M_CALL(RESERVE_RESOURCES));
    call->reserve_resources = r;
    read_resources(given, "resources", &r->agent_id, &r->resources,
                   &r->n_resources, refusal);
}

static void unreserve(CALL *call, const struct http_given *given,
                      struct http_refusal *refusal)
{
    Mesos__V1__Master__Call__UnreserveResources *r =
        PB_NEW(mesos__v1__master__call__unreserve_resources);

    PB_SET(call, type, M_CALL(UNRESERVE_RESOURCES));
    call->unreserve_resources = r;
    read_resources(given, "resources", &r->agent_id, &r->resources,
                   &r->n_resources, refusal);
}

static void create(CALL *call, const struct http_given *given,
                   struct http_refusal *refusal)
{
    Mesos__V1__Master__Call__CreateVolumes *c =
        PB_NEW(mesos__v1__master__call__create_volumes);

    PB_SET(call, type, M_CALL(CREATE_VOLUMES));
    call->create_volumes = c;
    read_resources(given, "volumes", &c->agent_id, &c->volumes, &c->n_volumes,
                   refusal);
}

static void destroy(CALL *call, const struct http_given *given,
                    struct http_refusal *refusal)
{
    Mesos__V1__Master__Call__DestroyVolumes *d =
        PB_NEW(mesos__v1__master__call__destroy_volumes);

    PB_SET(call, type, M_CALL(DESTROY_VOLUMES));
    call->destroy_volumes = d;
    read_resources(given, "volumes", &d->agent_id, &d->volumes, &d->n_volumes,
                   refusal);
}

static void schedule(CALL *call, const struct http_given *given,
                     struct http_refusal *refusal)
{
    json_t *json = parse(given->body, given->body_len, refusal);
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
    read_list(given->body, given->body_len, &mesos__v1__machine_id__descriptor,
              (void ***)&call->start_maintenance->machines,
              &call->start_maintenance->n_machines, refusal);
}

static void up(CALL *call, const struct http_given *given,
               struct http_refusal *refusal)
{
    PB_SET(call, type, M_CALL(STOP_MAINTENANCE));
    call->stop_maintenance = PB_NEW(mesos__v1__master__call__stop_maintenance);
    read_list(given->body, given->body_len, &mesos__v1__machine_id__descriptor,
              (void ***)&call->stop_maintenance->machines,
              &call->stop_maintenance->n_machines, refusal);
}

static void weights(CALL *call, const struct http_given *given,
                    struct http_refusal *refusal)
{
    PB_SET(call, type, M_CALL(UPDATE_WEIGHTS));
    call->update_weights = PB_NEW(mesos__v1__master__call__update_weights);
    read_list(given->body, given->body_len,
              &mesos__v1__master__weight_info__descriptor,
              (void ***)&call->update_weights->weight_infos,
              &call->update_weights->n_weight_infos, refusal);
}

static const struct {
    const char *path;
    void (*read)(CALL *call, const struct http_given *given,
                 struct http_refusal *refusal);
} changes[] = {
    {"/teardown", teardown},       {"/reserve", reserve},
    {"/unreserve", unreserve},     {"/create-volumes", create},
    {"/destroy-volumes", destroy}, {"/maintenance/schedule", schedule},
    {"/machine/down", down},       {"/machine/up", up},
    {"/weights", weights},
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

        if (strcmp(changes[i].path, path) != 0)
            continue;
        call = PB_NEW(mesos__v1__master__call);
        changes[i].read(call, &body, refusal);
        if (refusal->status)
            PB_FREE(call);
        return call;
    }
    bad(refusal, "'%s' changes nothing", path);
    return NULL;
}
