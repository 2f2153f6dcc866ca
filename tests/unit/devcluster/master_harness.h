/* SPDX-License-Identifier: Apache-2.0 */
/* master_harness - a master core with fake agents and frameworks, told in text
 *
 * Inputs are JSON of the real messages (' stands for "); outputs are rendered
 * as one line each, so that a test is a short story and what came of it.  The
 * master's id is "M": agents are M-S0 …, offers M-O0 …, frameworks M-0000 ….
 */
#ifndef REEVE_TESTS_UNIT_DEVCLUSTER_MASTER_HARNESS_H
#define REEVE_TESTS_UNIT_DEVCLUSTER_MASTER_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devcluster/master.h"
#include "lib/base/buf.h"

struct mh {
    struct master *master;
    int64_t now_ms;
    uint64_t next_stream;
    struct buf out;  /* lines since the last mh_take */
    bool show_agent; /* also lines for messages to agents: "> 1 RUN …" */
    bool show_registry;
    uint64_t deaf; /* a link whose pings are not answered */
    uint8_t next_uuid;
    uint8_t last_operation[16]; /* uuid of the last operation sent */
    struct master_reply reply;  /* of the last call */
};

/* Allocation every 1 s, pings 2 s x 3; time starts at 1 s. */
void mh_open(struct mh *h);
/* With framework M-0000 and its task t in executor e on agent M-S0. */
void mh_open_running(struct mh *h);
void mh_close(struct mh *h);
/* A new master on the registry the old one would have written. */
void mh_restart(struct mh *h);

/* Lines since last time; borrowed until the next call of a mh function. */
const char *mh_take(struct mh *h);
/* Fails the test unless the lines are exactly these ("" for none). */
#define MH_EXPECT(h, text)                                                     \
    do {                                                                       \
        const char *mh_got_ = mh_take(h);                                      \
        cr_expect(str_eq(mh_got_, text), "\n--- got\n%s--- want\n%s", mh_got_, \
                  text);                                                       \
    } while (0)

/* Time goes on in steps of 100 ms with a tick each. */
void mh_pass(struct mh *h, int64_t ms);

/* Links and registers a new agent "agent-N.local" with cpus:4;mem:4096;
 * disk:10240;ports:[31000+100N..+99]; link = n + 1.  Returns the link. */
uint64_t mh_agent(struct mh *h, unsigned n);
/* A ToMaster message from JSON. */
void mh_from_agent(struct mh *h, uint64_t link, const char *json);

/* Default FrameworkInfo (role r, principal p, the usual capabilities) with
 * `more` members added, e.g. "\"name\":\"x\"" or "". Returns the stream. */
uint64_t mh_subscribe(struct mh *h, const char *more);
/* Whole SUBSCRIBE body. */
uint64_t mh_subscribe_json(struct mh *h, const char *json);
/* A call's members besides framework_id; reply in h->reply. */
void mh_call(struct mh *h, const char *framework, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* ACCEPT of one offer with operations (inside of the JSON list). */
void mh_accept(struct mh *h, const char *framework, const char *offer,
               const char *operations);
/* POST /api/v1. */
void mh_operate(struct mh *h, const char *json);

/* A pod of one task on agent: LAUNCH_GROUP operation text (static buffer). */
const char *mh_group(const char *framework, const char *agent,
                     const char *executor, const char *task);
/* The agent reports task in that state (uuid of 16 bytes n). */
void mh_update(struct mh *h, uint64_t link, const char *framework,
               const char *task, const char *state, int n);
void mh_ack(struct mh *h, const char *framework, const char *agent,
            const char *task, int n);

#endif
