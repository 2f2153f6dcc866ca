/* SPDX-License-Identifier: Apache-2.0 */
/* http_rules - see http_rules.h */
#include "devcluster/http_rules.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "devcluster/rules.h"
#include "lib/base/err.h"
#include "lib/wire/pb.h"

static void refuse(struct http_refusal *refusal, int status, const char *fmt,
                   ...) __attribute__((format(printf, 3, 4)));

static void refuse(struct http_refusal *refusal, int status, const char *fmt,
                   ...)
{
    va_list ap;

    refusal->status = status;
    va_start(ap, fmt);
    vsnprintf(refusal->text, sizeof refusal->text, fmt, ap);
    va_end(ap);
}

/* ---- bodies ------------------------------------------------------------- */

json_t *http_json(const char *text, size_t len, struct http_refusal *refusal)
{
    json_error_t why;
    json_t *json = json_loadb(text ? text : "", len,
                              JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &why);
    /* What is left from there on; it has no end mark. */
    size_t at = why.position > 0 ? MIN((size_t)why.position, len)
                : json           ? 0
                                 : len;
    int left = (int)MIN(len - at, sizeof refusal->text);
    size_t blank = 0;

    if (!json) {
        refuse(refusal, 400, "syntax error at line %d near: %.*s", why.line,
               left, text ? text + at : "");
        return NULL;
    }
    while (at + blank < len && strchr(" \t\r\n", text[at + blank]))
        blank++;
    if (at + blank < len) {
        refuse(refusal, 400,
               "Parsed JSON included non-whitespace trailing characters: %.*s",
               left, text + at);
        json_decref(json);
        return NULL;
    }
    return json;
}

void http_refusal_wrap(struct http_refusal *refusal, const char *fmt, ...)
{
    char old[sizeof refusal->text], before[sizeof refusal->text];
    va_list ap;

    memcpy(old, refusal->text, sizeof old);
    va_start(ap, fmt);
    vsnprintf(before, sizeof before, fmt, ap);
    va_end(ap);
    refuse(refusal, refusal->status, "%s%s", before, old);
}

static ProtobufCMessage *decode_json(const struct http_given *given,
                                     const ProtobufCMessageDescriptor *type,
                                     struct http_refusal *refusal)
{
    json_t *json = http_json(given->body, given->body_len, refusal);
    ProtobufCMessage *message;
    struct err err;

    if (!json) {
        http_refusal_wrap(refusal, "Failed to parse body into JSON: ");
        return NULL;
    }
    message = wire_from_json(type, json, &err);
    json_decref(json);
    if (!message)
        refuse(refusal, 400, "Failed to convert JSON into Call protobuf: %s",
               err.text);
    return message;
}

ProtobufCMessage *http_decode(const struct http_given *given,
                              const ProtobufCMessageDescriptor *type,
                              struct http_refusal *refusal)
{
    ProtobufCMessage *message;

    refusal->status = 0;
    refusal->text[0] = '\0';
    if (!given->content_type) {
        refuse(refusal, 400, "Expecting 'Content-Type' to be present");
        return NULL;
    }
    if (strcmp(given->content_type, HTTP_JSON) == 0)
        return decode_json(given, type, refusal);
    if (strcmp(given->content_type, HTTP_PROTOBUF) != 0) {
        refuse(refusal, 415,
               "Expecting 'Content-Type' of application/json or "
               "application/x-protobuf");
        return NULL;
    }
    message = wire_decode(type, given->body, given->body_len, NULL);
    if (!message)
        refuse(refusal, 400, "Failed to parse body into Call protobuf");
    return message;
}

/* ---- Accept ------------------------------------------------------------- */

/* Does one media range ("a/b;q=1") of the header admit the type? */
static bool range_admits(const char *range, size_t len, const char *type)
{
    const char *slash = strchr(type, '/');

    while (len && (*range == ' ' || *range == '\t')) {
        range++;
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        if (range[i] == ';' || range[i] == ' ')
            len = i;
    }
    if (len == 3 && memcmp(range, "*/*", 3) == 0)
        return true;
    if (len == (size_t)(slash - type) + 2 && range[len - 1] == '*')
        return memcmp(range, type, len - 1) == 0;
    return len == strlen(type) && memcmp(range, type, len) == 0;
}

static bool admits(const char *accept, const char *type)
{
    while (accept) {
        const char *comma = strchr(accept, ',');
        size_t len = comma ? (size_t)(comma - accept) : strlen(accept);

        if (range_admits(accept, len, type))
            return true;
        accept = comma ? comma + 1 : NULL;
    }
    return false;
}

enum http_encoding http_accepted(const char *accept)
{
    if (!accept || !*accept || admits(accept, HTTP_JSON))
        return HTTP_AS_JSON;
    return admits(accept, HTTP_PROTOBUF) ? HTTP_AS_PROTOBUF : HTTP_NEITHER;
}

/* ---- the scheduler endpoint --------------------------------------------- */

static bool is_stream_call(const Mesos__V1__Scheduler__Call *call)
{
    return call->type == MESOS__V1__SCHEDULER__CALL__TYPE__SUBSCRIBE ||
           call->type == MESOS__V1__SCHEDULER__CALL__TYPE__RECONCILE_OPERATIONS;
}

static bool check_call(const struct http_given *given,
                       const Mesos__V1__Scheduler__Call *call,
                       struct http_refusal *refusal)
{
    struct err err;

    if (scheduler_call_validate(call, &err) < 0)
        refuse(refusal, 400, "Failed to validate scheduler::Call: %s",
               err.text);
    else if (is_stream_call(call) &&
             http_accepted(given->accept) == HTTP_NEITHER)
        refuse(refusal, 406,
               "Expecting 'Accept' to allow 'application/x-protobuf' or "
               "'application/json'");
    else if (call->type == MESOS__V1__SCHEDULER__CALL__TYPE__SUBSCRIBE &&
             given->stream_id)
        refuse(refusal, 400,
               "Subscribe calls should not include the 'Mesos-Stream-Id' "
               "header");
    return refusal->status == 0;
}

Mesos__V1__Scheduler__Call *http_scheduler_call(const struct http_given *given,
                                                struct http_refusal *refusal)
{
    Mesos__V1__Scheduler__Call *call;

    if (!str_eq(given->method, "POST")) {
        refuse(refusal, 405,
               "405 Method Not Allowed. Expecting one of { 'POST' }, but "
               "received '%s'.",
               given->method);
        return NULL;
    }
    call = (void *)http_decode(given, &mesos__v1__scheduler__call__descriptor,
                               refusal);
    if (call && !check_call(given, call, refusal))
        PB_FREE(call);
    return call;
}

/* ---- routes ------------------------------------------------------------- */

int http_route(const char *const *routes, size_t count, const char *path)
{
    size_t best = 0;
    int found = -1;

    if (strncmp(path, "/master/", strlen("/master/")) == 0)
        path += strlen("/master");
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(routes[i]);

        if (len > best && strncmp(path, routes[i], len) == 0 &&
            (path[len] == '\0' || path[len] == '/')) {
            best = len;
            found = (int)i;
        }
    }
    return found;
}
