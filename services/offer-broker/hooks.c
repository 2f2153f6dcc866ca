/* SPDX-License-Identifier: Apache-2.0 */
/* hooks - see hooks.h */
#include "services/offer-broker/hooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "services/offer-broker/broker.h"

#define ROUTE    "hook.admit"
#define MAX_NAME 60

struct remote {
    char *name, *endpoint;
    struct bus_client *client;
    struct remote *prev, *next;
};

/* A call under way. */
struct question {
    struct hooks *hooks;
    struct remote *remote;
    struct hook_call *call;
    struct question *prev, *next;
};

struct hooks {
    struct broker *broker;
    struct hook_book *book;
    struct remote *remotes;
    struct question *questions;
    int64_t timeout_ms;
    uint64_t asked, failed, strange;
};

/* ---- configured --------------------------------------------------- */
static void remote_free(struct remote *remote)
{
    bus_client_destroy(&remote->client);
    free(remote->name);
    free(remote->endpoint);
    free(remote);
}

static bool is_name(const char *name)
{
    static const char signs[] = "abcdefghijklmnopqrstuvwxyz0123456789"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-";
    size_t len = strlen(name);

    return len > 0 && len <= MAX_NAME && strspn(name, signs) == len;
}

static bool is_known(const struct hooks *hooks, const char *name)
{
    const struct remote *remote;

    DL_FOREACH(hooks->remotes, remote)
    {
        if (str_eq(remote->name, name))
            return true;
    }
    return false;
}

/* "NAME" or "NAME=ENDPOINT" */
static int add_remote(struct hooks *hooks, const char *text, struct err *err)
{
    struct service *service = hooks->broker->service;
    const char *source = service_source(service, "placement-hook");
    const char *equals = strchr(text, '=');
    AUTO_FREE char *name =
        xstrndup(text, equals ? (size_t)(equals - text) : strlen(text));
    AUTO_FREE char *file = xasprintf("hook-%s", name);
    char endpoint[256];
    struct remote *remote;

    if (!is_name(name))
        return err_set(err, ERR_INVALID,
                       "%s: \"%s\" is not NAME or NAME=ENDPOINT; a name is up "
                       "to %d letters, digits, '-' and '_'",
                       source, text, MAX_NAME);
    if (is_known(hooks, name))
        return err_set(err, ERR_INVALID, "%s: %s is named twice", source, name);
    if (equals)
        snprintf(endpoint, sizeof(endpoint), "%s", equals + 1);
    else if (bus_endpoint(service_run_dir(service), file, endpoint,
                          sizeof(endpoint), err) < 0)
        return -1;
    if (bus_endpoint_check(endpoint, err) < 0)
        return err_wrap(err, "%s: %s", source, name);
    remote = xcalloc(1, sizeof(*remote));
    remote->name = MOVE(name);
    remote->endpoint = xstrdup(endpoint);
    remote->client =
        bus_client_new(hooks->broker->loop, "offer-broker", endpoint);
    DL_APPEND(hooks->remotes, remote);
    hook_book_add(hooks->book, remote->name);
    return 0;
}

struct hooks *hooks_new(struct broker *broker, struct err *err)
{
    struct hooks *hooks = xcalloc(1, sizeof(*hooks));
    const char *const *list;
    size_t n = service_list(broker->service, "placement-hook", &list);

    hooks->broker = broker;
    hooks->book =
        hook_book_new(service_int(broker->service, "hook-keep-s") * 1000);
    hooks->timeout_ms = service_int(broker->service, "hook-timeout-ms");
    for (size_t i = 0; i < n; i++)
        if (add_remote(hooks, list[i], err) < 0) {
            hooks_destroy(&hooks);
            return NULL;
        }
    return hooks;
}

void hooks_destroy(struct hooks **hooks)
{
    struct hooks *h = *hooks;
    struct remote *remote, *next_remote;
    struct question *question, *next;

    if (!h)
        return;
    DL_FOREACH_SAFE(h->remotes, remote, next_remote)
    {
        remote_free(remote); /* drops its calls */
    }
    DL_FOREACH_SAFE(h->questions, question, next)
    {
        hook_call_destroy(&question->call);
        free(question);
    }
    hook_book_destroy(&h->book);
    free(h);
    *hooks = NULL;
}

/* ---- asking ------------------------------------------------------- */
struct hook_asker hooks_asker(struct hooks *hooks, const char *service,
                              int64_t now_ms)
{
    return hook_book_asker(hooks ? hooks->book : NULL, service, now_ms);
}

static void on_failed(struct question *question, const char *why)
{
    struct hooks *h = question->hooks;
    const char *name = question->remote->name;

    h->failed++;
    if (!hook_book_problem(h->book, name))
        log_odd("hook_failed", "hook=%s why=%s", name, log_q(why));
    hook_book_fail(h->book, &question->call, why, clock_mono_ms());
}

static void on_said(struct question *question, const struct bus_answer *answer)
{
    struct hooks *h = question->hooks;
    const struct hook_bytes bytes = {answer->body, answer->len,
                                     clock_mono_ms()};
    struct err err = {0};
    int strange = hook_book_answer(h->book, &question->call, &bytes, &err);

    if (strange == 0)
        return;
    h->failed += strange < 0;
    h->strange += strange > 0 ? (uint64_t)strange : 0;
    log_odd("hook_strange", "hook=%s unasked=%d why=%s", question->remote->name,
            MAX(strange, 0), log_q(err.text));
}

static void on_answer(void *self, const struct bus_answer *answer)
{
    struct question *question = self;
    struct hooks *h = question->hooks;

    DL_DELETE(h->questions, question);
    if (answer->err.code != ERR_NONE)
        on_failed(question, answer->err.text);
    else
        on_said(question, answer);
    free(question);
    broker_wake(h->broker);
}

static struct remote *remote_of(const struct hooks *hooks, const char *name)
{
    struct remote *remote;

    DL_FOREACH(hooks->remotes, remote)
    {
        if (str_eq(remote->name, name))
            break;
    }
    ASSERT(remote);
    return remote;
}

void hooks_flush(struct hooks *h)
{
    int64_t now_ms = clock_mono_ms();
    struct hook_call *call;

    while ((call = hook_book_take(h->book, now_ms)) != NULL) {
        struct question *question = xcalloc(1, sizeof(*question));

        question->hooks = h;
        question->remote = remote_of(h, call->ask->hook);
        question->call = call;
        DL_APPEND(h->questions, question);
        h->asked++;
        bus_client_call(question->remote->client, ROUTE, NULL, &call->ask->base,
                        h->timeout_ms, on_answer, question);
    }
    hook_book_sweep(h->book, now_ms);
}

/* ---- telling ------------------------------------------------------ */
void hooks_report(struct hooks *h)
{
    struct service *service = h->broker->service;
    struct remote *remote;
    const char *problem = NULL, *name = NULL;
    size_t n = 0;

    DL_FOREACH(h->remotes, remote)
    {
        const char *why = hook_book_problem(h->book, remote->name);

        n++;
        if (why && !problem) {
            problem = why;
            name = remote->name;
        }
    }
    if (n == 0)
        return;
    if (problem)
        service_health(service, "placement-hooks", false,
                       "placement hook %s does not answer: %.200s; pods that "
                       "it decides about are not placed",
                       name, problem);
    else
        service_health(service, "placement-hooks", true,
                       "%zu placement hook(s), none failed when last asked", n);
    service_gauge(service, "broker.hook_asks", (double)h->asked,
                  "questions to placement hooks");
    service_gauge(service, "broker.hook_failures", (double)h->failed,
                  "of them without an answer that makes sense");
    service_gauge(service, "broker.hook_strange", (double)h->strange,
                  "verdicts about agents that were not asked for");
    service_gauge(service, "broker.hook_verdicts",
                  (double)hook_book_verdicts(h->book), "verdicts kept");
}
