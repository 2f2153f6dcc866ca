/* SPDX-License-Identifier: Apache-2.0 */
/* store_writer - writes to a state-store and says what was acknowledged
 *
 *   store_writer RUN_DIR NAME WINDOW BYTES COUNT [FIRST]
 *
 * Sends COUNT transactions (0: until killed), WINDOW at a time, each of which
 * puts key w/NAME/<n mod 50> and w/NAME/last to "<n> <BYTES of filling>" under
 * request id NAME-<n>.  Prints a line for each acknowledged one:
 * "ack <n> <revision>".  A transaction without an answer is sent again with the
 * same id for as long as it takes, so each takes effect once.  With COUNT 0 the
 * parent stops it by closing stdin.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/bus/bus.h"
#include "lib/loop/loop.h"
#include "proto/store.pb-c.h"

enum { DEADLINE_MS = 3000, KEYS = 50 };

struct writer {
    struct loop *loop;
    struct bus_client *client;
    const char *name;
    char *filling;
    uint64_t next, count, under_way;
};

struct write {
    struct writer *writer;
    uint64_t n;
};

static void send_write(struct write *w);

static void top_up(struct writer *writer, uint64_t window)
{
    while (writer->under_way < window &&
           (!writer->count || writer->next < writer->count)) {
        struct write *w = xcalloc(1, sizeof *w);
        w->writer = writer;
        w->n = writer->next++;
        writer->under_way++;
        send_write(w);
    }
    if (writer->under_way == 0)
        loop_stop(writer->loop);
}

static uint64_t window_of;

static void on_answer(void *self, const struct bus_answer *answer)
{
    struct write *w = self;
    struct writer *writer = w->writer;
    enum err_code code = answer->err.code;
    if (code == ERR_TIMEOUT || code == ERR_UNAVAILABLE || code == ERR_FULL) {
        send_write(w);
        return;
    }
    Reeve__TxnReply *reply =
        reeve__txn_reply__unpack(NULL, answer->len, answer->body);
    if (code != ERR_NONE || !reply) {
        printf("fail %" PRIu64 " %s\n", w->n, answer->err.text);
        exit(1);
    }
    printf("ack %" PRIu64 " %" PRIu64 "\n", w->n, reply->revision);
    fflush(stdout);
    reeve__txn_reply__free_unpacked(reply, NULL);
    free(w);
    writer->under_way--;
    top_up(writer, window_of);
}

static void send_write(struct write *w)
{
    struct writer *writer = w->writer;
    AUTO_FREE char *id = xasprintf("%s-%" PRIu64, writer->name, w->n);
    AUTO_FREE char *key = xasprintf("w/%s/%" PRIu64, writer->name, w->n % KEYS);
    AUTO_FREE char *last = xasprintf("w/%s/last", writer->name);
    AUTO_FREE char *value = xasprintf("%" PRIu64 " %s", w->n, writer->filling);
    Reeve__TxnRequest txn = REEVE__TXN_REQUEST__INIT;
    Reeve__Op ops[2] = {REEVE__OP__INIT, REEVE__OP__INIT};
    Reeve__Op *list[2] = {&ops[0], &ops[1]};
    ops[0].key = key;
    ops[1].key = last;
    for (int i = 0; i < 2; i++) {
        ops[i].has_value = 1;
        ops[i].value.data = (uint8_t *)value;
        ops[i].value.len = strlen(value);
    }
    txn.request_id = id;
    txn.ops = list;
    txn.n_ops = 2;
    bus_client_call(writer->client, "store.txn", NULL, &txn.base, DEADLINE_MS,
                    on_answer, w);
}

static void on_stdin(void *self, int fd, int events UNUSED)
{
    struct writer *writer = self;
    char byte;
    if (read(fd, &byte, 1) > 0)
        return;
    loop_fd_remove(writer->loop, fd);
    writer->count = writer->next; /* finish what is under way */
    if (writer->under_way == 0)
        loop_stop(writer->loop);
}

int main(int argc, char **argv)
{
    char endpoint[256];
    uint64_t bytes;
    struct writer writer = {0};
    if (argc < 6 || !parse_u64(argv[3], &window_of) ||
        !parse_u64(argv[4], &bytes) || !parse_u64(argv[5], &writer.count) ||
        bus_endpoint(argv[1], "state-store", endpoint, sizeof endpoint, NULL) <
            0)
        return 2;
    if (argc > 6 && !parse_u64(argv[6], &writer.next))
        return 2;
    if (writer.count)
        writer.count += writer.next;
    writer.name = argv[2];
    writer.filling = xcalloc(1, bytes + 1);
    memset(writer.filling, 'f', bytes);
    writer.loop = loop_new();
    writer.client = bus_client_new(writer.loop, "store-writer", endpoint);
    if (!writer.count)
        loop_fd(writer.loop, 0, LOOP_READ, on_stdin, &writer);
    top_up(&writer, window_of);
    loop_run(writer.loop);
    bus_client_destroy(&writer.client);
    loop_destroy(&writer.loop);
    free(writer.filling);
    return 0;
}
