/* SPDX-License-Identifier: Apache-2.0 */
/* store_client - commits in order, each until it is answered for good
 *
 * Invariants:
 * - `commits` is in the order given; those sent are a prefix of it.
 * - When one attempt fails without a result, everything after it may have been
 *   applied or not: the connection is given up and all are sent again in order,
 *   with their request ids, so that the store answers what it did before.
 */
#include "lib/bus/store_client.h"

#include <stdlib.h>
#include <utlist.h>

#include "lib/base/base.h"
#include "lib/base/id.h"
#include "lib/base/log.h"
#include "lib/bus/bus.h"
#include "lib/bus/lease_keeper.h"
#include "lib/bus/txn.h"
#include "lib/loop/loop.h"

enum {
    WINDOW = 256, /* commits under way at once */
    ATTEMPT_MS = 30000,
    FIRST_RETRY_MS = 100,
    LAST_RETRY_MS = 2000,
};

struct commit {
    struct store_client *client;
    Reeve__TxnRequest *request;
    bool is_sent;
    uint64_t refusal_timer; /* of one that is never sent */
    void (*done)(void *self, const struct txn_result *result);
    void *self;
    struct commit *prev, *next;
};

struct store_client {
    struct loop *loop;
    char *from, *store_req;
    struct bus_client *bus; /* NULL while waiting to retry */
    struct lease_keeper *lease;
    struct commit *commits;
    struct commit *first_unsent;
    struct commit *refused;
    size_t count, sent;
    uint64_t retry_timer;
    int64_t retry_ms;
    int busy;
    bool is_dead;
};

static void commit_free(struct commit *c)
{
    loop_timer_cancel(c->client->loop, c->refusal_timer);
    reeve__txn_request__free_unpacked(c->request, NULL);
    free(c);
}

/* Out of the list; the commit stays. */
static void unlist(struct commit *c)
{
    struct store_client *client = c->client;
    if (client->first_unsent == c)
        client->first_unsent = c->next;
    client->sent -= c->is_sent;
    client->count--;
    DL_DELETE(client->commits, c);
}

/* Tells the result of an unlisted commit; -1: the client is gone. */
static int conclude(struct commit *c, const struct txn_result *result)
{
    struct store_client *client = c->client;
    client->busy++;
    c->done(c->self, result);
    client->busy--;
    commit_free(c);
    if (!client->is_dead)
        return 0;
    if (!client->busy)
        store_client_destroy(&client);
    return -1;
}

/* ---- sending ----------------------------------------------------------- */

static void on_answer(void *self, const struct bus_answer *answer);

static void send_some(struct store_client *client)
{
    if (!client->bus)
        return;
    while (client->first_unsent && client->sent < WINDOW) {
        struct commit *c = client->first_unsent;
        c->is_sent = true;
        client->sent++;
        client->first_unsent = c->next;
        bus_client_call(client->bus, "store.txn", c->request->request_id,
                        &c->request->base, ATTEMPT_MS, on_answer, c);
    }
}

static void retry(void *self)
{
    struct store_client *client = self;
    client->retry_timer = 0;
    client->bus = bus_client_new(client->loop, client->from, client->store_req);
    send_some(client);
}

static void go_back(struct store_client *client, const struct err *why)
{
    struct commit *c;
    log_odd("store_retry", "pending=%zu in_ms=%lld why=%s", client->count,
            (long long)client->retry_ms, log_q(why->text));
    bus_client_destroy(&client->bus);
    DL_FOREACH(client->commits, c)
    {
        c->is_sent = false;
    }
    client->first_unsent = client->commits;
    client->sent = 0;
    client->retry_timer =
        loop_timer(client->loop, client->retry_ms, 0, retry, client);
    client->retry_ms = MIN(client->retry_ms * 2, LAST_RETRY_MS);
}

/* ---- answers ----------------------------------------------------------- */

static bool says_try_again(enum err_code code)
{
    return code == ERR_TIMEOUT || code == ERR_UNAVAILABLE || code == ERR_FULL;
}

static void read_result(const struct bus_answer *answer,
                        const Reeve__TxnReply *reply, struct txn_result *result)
{
    result->err = answer->err;
    if (reply && reply->has_revision)
        result->revision = reply->revision;
    else if (!answer->err.code)
        err_set(&result->err, ERR_IO, "the store's answer has no revision");
    if (reply && reply->failed_key) {
        result->failed_key = reply->failed_key;
        result->failed_revision = reply->failed_revision;
    }
}

static void on_answer(void *self, const struct bus_answer *answer)
{
    struct commit *c = self;
    struct store_client *client = c->client;
    if (says_try_again(answer->err.code)) {
        go_back(client, &answer->err);
        return;
    }
    client->retry_ms = FIRST_RETRY_MS;
    Reeve__TxnReply *reply =
        reeve__txn_reply__unpack(NULL, answer->len, answer->body);
    struct txn_result result = {0};
    read_result(answer, reply, &result);
    unlist(c);
    client->busy++;
    if (result.err.code == ERR_FENCED && client->lease)
        lease_keeper_fenced(client->lease, c->request->epoch);
    client->busy--;
    int rc = 0;
    if (client->is_dead)
        commit_free(c);
    else
        rc = conclude(c, &result);
    if (reply)
        reeve__txn_reply__free_unpacked(reply, NULL);
    if (rc == 0 && client->is_dead && !client->busy)
        store_client_destroy(&client);
    else if (rc == 0)
        send_some(client);
}

/* ---- committing -------------------------------------------------------- */

static void on_refused(void *self)
{
    struct commit *c = self;
    c->refusal_timer = 0;
    struct txn_result result = {0};
    err_set(&result.err, ERR_FENCED, "the lease %s is not held yet",
            c->request->lease);
    DL_DELETE(c->client->refused, c);
    conclude(c, &result);
}

void store_client_commit(struct store_client *client, struct txn **txn,
                         void (*done)(void *self,
                                      const struct txn_result *result),
                         void *self)
{
    char id[UUID_TEXT_SIZE];
    uuid_new(id);
    struct commit *c = xcalloc(1, sizeof *c);
    c->client = client;
    c->done = done;
    c->self = self;
    c->request = txn_take(txn);
    c->request->request_id = xstrdup(id);
    if (client->lease) {
        c->request->lease = xstrdup(lease_keeper_name(client->lease));
        c->request->has_epoch = 1;
        c->request->epoch = lease_keeper_epoch(client->lease);
    }
    if (client->lease && !c->request->epoch) {
        DL_APPEND(client->refused, c);
        c->refusal_timer = loop_soon(client->loop, on_refused, c);
        return;
    }
    DL_APPEND(client->commits, c);
    client->count++;
    if (!client->first_unsent)
        client->first_unsent = c;
    send_some(client);
}

size_t store_client_pending(const struct store_client *client)
{
    return client->count;
}

/* ---- the lease --------------------------------------------------------- */

void store_client_hold_lease(struct store_client *client, const char *name,
                             const char *holder, int64_t ttl_ms,
                             void (*changed)(void *self, bool is_held,
                                             uint64_t epoch),
                             void *self)
{
    ASSERT(!client->lease);
    struct lease_spec spec = {.from = client->from,
                              .store_req = client->store_req,
                              .name = name,
                              .holder = holder,
                              .ttl_ms = ttl_ms,
                              .changed = changed,
                              .self = self};
    client->lease = lease_keeper_new(client->loop, &spec);
}

bool store_client_has_lease(const struct store_client *client)
{
    return client->lease && lease_keeper_is_held(client->lease);
}

void store_client_release_lease(struct store_client *client)
{
    if (client->lease)
        lease_keeper_release(client->lease);
}

/* ---- life -------------------------------------------------------------- */

struct store_client *store_client_new(struct loop *loop, const char *from,
                                      const char *store_req)
{
    struct store_client *client = xcalloc(1, sizeof *client);
    client->loop = loop;
    client->from = xstrdup(from);
    client->store_req = xstrdup(store_req);
    client->retry_ms = FIRST_RETRY_MS;
    client->bus = bus_client_new(loop, from, store_req);
    return client;
}

static void free_all(struct commit **list)
{
    while (*list) {
        struct commit *c = *list;
        DL_DELETE(*list, c);
        commit_free(c);
    }
}

void store_client_destroy(struct store_client **client_p)
{
    struct store_client *client = *client_p;
    *client_p = NULL;
    if (!client)
        return;
    client->is_dead = true;
    if (client->busy)
        return; /* conclude() or on_answer() comes back here */
    loop_timer_cancel(client->loop, client->retry_timer);
    bus_client_destroy(&client->bus);
    lease_keeper_destroy(&client->lease);
    free_all(&client->commits);
    free_all(&client->refused);
    free(client->from);
    free(client->store_req);
    free(client);
}
