/* SPDX-License-Identifier: Apache-2.0 */
#include "services/api-gateway/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/httpd/httpd.h"
#include "services/api-gateway/kept.h"

static void send(struct exchange *x, int status, const char *type,
                 const void *body, size_t len)
{
    static const char *const stale[] = {"Reeve-Stale: true", NULL};
    struct gateway *g = x->gateway;
    g->requests++;
    if (status >= 500)
        g->errors++;
    /* HTTP forbids a body here; the code itself is the answer. */
    if (status == 204 || status == 205)
        len = 0;
    httpd_reply(x->request, status, type, body, len,
                replica_is_alive(g->replica) ? NULL : stale);
    x->request = NULL;
}

bool reply_kept(struct exchange *x)
{
    struct gateway *g = x->gateway;
    struct replica_stats stats;
    replica_stats(g->replica, &stats);
    struct kept_state now = {replica_revision(g->replica), stats.events,
                             stats.snapshots};
    const struct kept_answer *answer = kept_find(g->kept, &now, x->kept_as);
    if (answer)
        send(x, answer->status, answer->type, answer->body, answer->len);
    return answer;
}

/* Errors are not: anybody can ask for any number of things that are not there.
 */
static bool is_worth_keeping(int status)
{
    return status == 200 || status == 202 || status == 417;
}

static void reply_bytes(struct exchange *x, int status, const char *type,
                        const char *body)
{
    struct kept_answer answer = {status, type, body, strlen(body)};
    if (x->kept_as && is_worth_keeping(status))
        kept_add(x->gateway->kept, x->kept_as, &answer);
    send(x, status, type, body, answer.len);
}

void reply_raw(struct exchange *x, const char *type, const void *data,
               size_t len)
{
    send(x, 200, type, data, len);
}

void reply_json(struct exchange *x, int status, json_t *body)
{
    AUTO_FREE char *text = json_dumps(body, JSON_INDENT(2) | JSON_ENCODE_ANY);
    json_decref(body);
    reply_bytes(x, text ? status : 500, "application/json", text ? text : "{}");
}

void reply_json_or_404(struct exchange *x, json_t *body, const char *kind,
                       const char *name)
{
    if (body)
        reply_json(x, 200, body);
    else
        reply_text(x, 404, "%s %s not found", kind, name);
}

void reply_message(struct exchange *x, const char *message)
{
    reply_json(x, 200, json_pack("{s:s}", "message", message));
}

void reply_text(struct exchange *x, int status, const char *fmt, ...)
{
    char text[1200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    reply_bytes(x, status, "text/plain", text);
}

int reply_status_of(const struct err *err)
{
    switch (err->code) {
    case ERR_NONE:
        return 200;
    case ERR_INVALID:
        return 400;
    case ERR_NOT_FOUND:
        return 404;
    case ERR_NOOP:
        return 208;
    case ERR_EXISTS:
    case ERR_CONFLICT:
        return 409;
    case ERR_UNSUPPORTED:
        return 501;
    case ERR_FULL:
    case ERR_TIMEOUT:
    case ERR_UNAVAILABLE:
    case ERR_FENCED:
        return 503;
    case ERR_IO:
    case ERR_CORRUPT:
        return 500;
    }
    return 500;
}
