/* SPDX-License-Identifier: Apache-2.0 */
/* store_watch - prints every change in a suite's store as one JSON line
 *
 *   store_watch RUN_DIR
 *
 * Values of known keys are shown decoded, others as their length.  For tests
 * and for looking; runs until it is stopped.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/bus/bus.h"
#include "lib/bus/replica.h"
#include "lib/loop/loop.h"
#include "lib/wire/wire.h"
#include "proto/records.pb-c.h"

static const ProtobufCMessageDescriptor *type_of(const char *key)
{
    static const struct {
        const char *part, *end;
        const ProtobufCMessageDescriptor *type;
    } kinds[] = {
        {"/target", "/target", &reeve__target__descriptor},
        {"/config/", "", &reeve__config__descriptor},
        {"/plan/", "", &reeve__plan__descriptor},
        {"/demand/", "", &reeve__demand__descriptor},
        {"/kill/", "", &reeve__kill_order__descriptor},
        {"/framework", "/framework", &reeve__framework__descriptor},
        {"/task/", "/info", &reeve__task_record__descriptor},
        {"/task/", "/status", &reeve__task_status_record__descriptor},
        {"/pod/", "", &reeve__pod_record__descriptor},
        {"/outcome/", "", &reeve__outcome__descriptor},
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strstr(key, kinds[i].part) && str_ends(key, kinds[i].end))
            return kinds[i].type;
    return NULL;
}

static void on_changed(void *self UNUSED, const struct replica_item *item,
                       const uint8_t *old UNUSED, size_t old_len UNUSED)
{
    json_t *line = json_pack("{s:s, s:I, s:I}", "key", item->key, "revision",
                             (json_int_t)item->revision, "wall_ms",
                             (json_int_t)clock_wall_ms());
    const ProtobufCMessageDescriptor *type = type_of(item->key);
    if (!item->value) {
        json_object_set_new(line, "deleted", json_true());
    } else if (type) {
        AUTO_MESSAGE ProtobufCMessage *m =
            wire_decode(type, item->value, item->len, NULL);
        if (m)
            json_object_set_new(line, "value", wire_to_json(m, 0));
    } else {
        json_object_set_new(line, "bytes", json_integer((json_int_t)item->len));
    }
    char *text = json_dumps(line, JSON_COMPACT);
    printf("%s\n", text);
    free(text);
    json_decref(line);
    fflush(stdout);
}

static void stop(void *self, int signo UNUSED)
{
    loop_stop(self);
}

int main(int argc, char **argv)
{
    char req[160], pub[160];
    struct err err;
    if (argc != 2 ||
        bus_endpoint(argv[1], "state-store", req, sizeof req, &err) < 0 ||
        bus_endpoint(argv[1], "state-store.pub", pub, sizeof pub, &err) < 0) {
        fprintf(stderr, "usage: store_watch RUN_DIR\n");
        return 2;
    }
    struct loop *loop = loop_new();
    loop_signal(loop, SIGTERM, stop, loop);
    loop_signal(loop, SIGINT, stop, loop);
    static const struct replica_events events = {.changed = on_changed};
    struct replica *replica =
        replica_new(loop, "store-watch", req, pub, "", &events, NULL);
    loop_run(loop);
    replica_destroy(&replica);
    loop_destroy(&loop);
    return 0;
}
