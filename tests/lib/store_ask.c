/* SPDX-License-Identifier: Apache-2.0 */
/* store_ask - one question to a state-store, answered in plain lines
 *
 *   store_ask RUN_DIR dump [PREFIX]
 *   store_ask RUN_DIR status | health | metrics
 *   store_ask RUN_DIR put KEY VALUE [LEASE EPOCH]
 *   store_ask RUN_DIR lease NAME HOLDER EPOCH TTL_MS
 *
 * Exit code: 0, or the code of the error reply (lib/base/err.h) with its text
 * on stderr.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/id.h"
#include "lib/bus/bus.h"
#include "lib/wire/wire.h"
#include "proto/bus.pb-c.h"
#include "proto/store.pb-c.h"

enum { DEADLINE_MS = 10000 };

static const char *endpoint;

/* The reply, or leaves with the error's code. */
static ProtobufCMessage *ask(const char *route, const ProtobufCMessage *request,
                             const ProtobufCMessageDescriptor *type)
{
    struct err err = {0};
    uint8_t *body = NULL;
    size_t len = 0;
    if (bus_call_once(endpoint, "store-ask", route, request, DEADLINE_MS, &body,
                      &len, &err) < 0) {
        fprintf(stderr, "%s: %s\n", err_code_name(err.code), err.text);
        exit(err.code);
    }
    ProtobufCMessage *reply = wire_decode(type, body, len, &err);
    free(body);
    if (!reply)
        exit(ERR_CORRUPT);
    return reply;
}

static int dump(int argc, char **argv)
{
    Reeve__SnapshotRequest request = REEVE__SNAPSHOT_REQUEST__INIT;
    request.prefix = argc > 0 ? argv[0] : (char *)(uintptr_t) "";
    AUTO_MESSAGE Reeve__SnapshotReply *reply = (Reeve__SnapshotReply *)ask(
        "store.snapshot", &request.base, &reeve__snapshot_reply__descriptor);
    printf("lineage %s\nrevision %" PRIu64 "\n", reply->lineage,
           reply->revision);
    for (size_t i = 0; i < reply->n_items; i++) {
        const Reeve__Item *item = reply->items[i];
        char digest[SHA256_HEX_SIZE];
        sha256_hex(item->value.data, item->value.len, digest);
        char word[32];
        snprintf(word, sizeof word, "%.*s",
                 (int)MIN(item->value.len, sizeof word - 1),
                 item->value.len ? (char *)item->value.data : "");
        word[strcspn(word, " \n")] = '\0';
        printf("item %s %" PRIu64 " %s %s\n", item->key, item->revision, digest,
               word);
    }
    return 0;
}

static int status(void)
{
    Reeve__StoreStatusRequest request = REEVE__STORE_STATUS_REQUEST__INIT;
    ProtobufCMessage *reply = ask("store.status", &request.base,
                                  &reeve__store_status_reply__descriptor);
    json_t *json = wire_to_json(reply, WIRE_JSON_PROTO);
    json_dumpf(json, stdout, 0);
    json_decref(json);
    wire_free(&reply);
    return 0;
}

static int vitals(const char *route, const ProtobufCMessageDescriptor *type)
{
    Reeve__HealthRequest request = REEVE__HEALTH_REQUEST__INIT;
    ProtobufCMessage *reply = ask(route, &request.base, type);
    json_t *json = wire_to_json(reply, WIRE_JSON_PROTO);
    json_dumpf(json, stdout, 0);
    json_decref(json);
    wire_free(&reply);
    return 0;
}

static int put(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    Reeve__TxnRequest txn = REEVE__TXN_REQUEST__INIT;
    Reeve__Op op = REEVE__OP__INIT, *ops[] = {&op};
    op.key = argv[0];
    op.has_value = 1;
    op.value.data = (uint8_t *)argv[1];
    op.value.len = strlen(argv[1]);
    txn.ops = ops;
    txn.n_ops = 1;
    if (argc > 3) {
        txn.lease = argv[2];
        txn.has_epoch = 1;
        txn.epoch = strtoull(argv[3], NULL, 10);
    }
    AUTO_MESSAGE Reeve__TxnReply *reply = (Reeve__TxnReply *)ask(
        "store.txn", &txn.base, &reeve__txn_reply__descriptor);
    printf("revision %" PRIu64 "\n", reply->revision);
    return 0;
}

static int lease(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    Reeve__LeaseRequest request = REEVE__LEASE_REQUEST__INIT;
    request.name = argv[0];
    request.holder = argv[1];
    request.has_epoch = request.has_ttl_ms = 1;
    request.epoch = strtoull(argv[2], NULL, 10);
    request.ttl_ms = (uint32_t)strtoul(argv[3], NULL, 10);
    AUTO_MESSAGE Reeve__LeaseReply *reply = (Reeve__LeaseReply *)ask(
        "store.lease", &request.base, &reeve__lease_reply__descriptor);
    printf("epoch %" PRIu64 "\n", reply->epoch);
    return 0;
}

int main(int argc, char **argv)
{
    static char text[256];
    if (argc < 3 ||
        bus_endpoint(argv[1], "state-store", text, sizeof text, NULL) < 0)
        return 2;
    endpoint = text;
    const char *verb = argv[2];
    if (strcmp(verb, "dump") == 0)
        return dump(argc - 3, argv + 3);
    if (strcmp(verb, "status") == 0)
        return status();
    if (strcmp(verb, "health") == 0)
        return vitals("service.health", &reeve__health_reply__descriptor);
    if (strcmp(verb, "metrics") == 0)
        return vitals("service.metrics", &reeve__metrics_reply__descriptor);
    if (strcmp(verb, "put") == 0)
        return put(argc - 3, argv + 3);
    if (strcmp(verb, "lease") == 0)
        return lease(argc - 3, argv + 3);
    return 2;
}
