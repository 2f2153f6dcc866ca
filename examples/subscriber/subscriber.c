/* SPDX-License-Identifier: Apache-2.0 */
/* Prints every key of a suite's store with its revision, then every change. */
#include <czmq.h>
#include "proto/bus.pb-c.h"
#include "proto/store.pb-c.h"

/* Asks for everything and prints it; its revision, 0 without an answer. */
static uint64_t snapshot(const char *run_dir)
{
    Reeve__BusRequest ask = REEVE__BUS_REQUEST__INIT; /* with an empty body */
    uint8_t bytes[128], *data = NULL;
    size_t len = 0;
    char *id = zsys_sprintf("%d-%" PRId64, getpid(), zclock_usecs());
    zsock_t *store = zsock_new(ZMQ_DEALER);
    zsock_connect(store, "ipc://%s/state-store", run_dir);
    zsock_set_rcvtimeo(store, 2000);
    ask.has_version = ask.version = 1;
    ask.id = id; /* a new one for each question */
    ask.route = "store.snapshot";
    zsock_send(store, "b", bytes, reeve__bus_request__pack(&ask, bytes));
    zsock_recv(store, "b", &data, &len);
    Reeve__BusReply *reply = reeve__bus_reply__unpack(NULL, len, data);
    len = reply && !reply->code ? reply->body.len : 0;
    Reeve__SnapshotReply *all =
        reeve__snapshot_reply__unpack(NULL, len, len ? reply->body.data : data);
    for (size_t i = 0; all && i < all->n_items; i++)
        printf("%s %" PRIu64 "\n", all->items[i]->key, all->items[i]->revision);
    uint64_t revision = all ? all->revision : 0;
    reeve__snapshot_reply__free_unpacked(all, NULL);
    reeve__bus_reply__free_unpacked(reply, NULL);
    free(data);
    free(id);
    zsock_destroy(&store);
    return revision;
}

int main(int argc, char **argv)
{
    if (argc != 2 || setvbuf(stdout, NULL, _IOLBF, 0))
        return 2;
    zsock_t *feed = zsock_new(ZMQ_SUB); /* first listen, then ask */
    zsock_set_subscribe(feed, "");
    zsock_connect(feed, "ipc://%s/state-store.pub", argv[1]);
    uint64_t at = snapshot(argv[1]), index = 0; /* known; next in at + 1 */
    for (zmsg_t *m; (m = zmsg_recv(feed)); zmsg_destroy(&m)) {
        zframe_t *f = zmsg_last(m);
        Reeve__Event *e =
            reeve__event__unpack(NULL, zframe_size(f), zframe_data(f));
        if (e && e->key && e->revision == at + 1 && e->index == index) {
            printf("%s %" PRIu64 "%s\n", e->key, e->revision,
                   e->has_value ? "" : " deleted");
            index = e->index + 1 < e->count ? e->index + 1 : 0;
            at += index == 0;
        } else if (e && (e->key ? e->revision > at : e->revision != at)) {
            at = snapshot(argv[1]), index = 0; /* a gap or a tick shows one */
        }
        reeve__event__free_unpacked(e, NULL);
    }
    return 0;
}
