/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a request's body, to every endpoint of the devcluster that reads
 * one: a byte chooses the Content-Type, the second line is the
 * Accept header. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "devcluster/http_rules.h"
#include "devcluster/plain_calls.h"
#include "lib/base/base.h"
#include "lib/wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const plain_paths[] = {
    "/teardown",       "/reserve",         "/unreserve",
    "/create-volumes", "/destroy-volumes", "/maintenance/schedule",
    "/machine/down",   "/machine/up",      "/weights",
    "/quota",          "/nothing-of-that",
};
static const char *const methods[] = {"POST", "PUT", "DELETE"};
static const char *const types[] = {HTTP_JSON, HTTP_PROTOBUF, "text/plain",
                                    NULL};

/* Either a message or a reason. */
static void check(ProtobufCMessage *message, const struct http_refusal *refusal)
{
    ASSERT(!message == (refusal->status != 0));
    ASSERT(strlen(refusal->text) < sizeof refusal->text);
    wire_free(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_given given = {.method = "POST"};
    struct http_refusal refusal = {0};
    AUTO_FREE char *accept = NULL;
    const uint8_t *line;
    unsigned choice;

    if (!size)
        return 0;
    choice = *data++;
    size--;
    line = size ? memchr(data, '\n', size) : NULL;
    if (line) {
        accept = xstrndup((const char *)data, (size_t)(line - data));
        size -= (size_t)(line + 1 - data);
        data = line + 1;
    }
    given.accept = accept;
    given.content_type = types[choice % ARRAY_LEN(types)];
    given.body = (const char *)data;
    given.body_len = size;
    http_accepted(accept);
    check((void *)http_scheduler_call(&given, &refusal), &refusal);
    check(http_decode(&given, &mesos__v1__master__call__descriptor, &refusal),
          &refusal);
    for (size_t i = 0; i < ARRAY_LEN(plain_paths) * ARRAY_LEN(methods); i++) {
        const char *path = plain_paths[i / ARRAY_LEN(methods)];

        given.method = methods[i % ARRAY_LEN(methods)];
        given.path = path;
        check((void *)plain_call(path, &given, &refusal), &refusal);
    }
    return 0;
}
