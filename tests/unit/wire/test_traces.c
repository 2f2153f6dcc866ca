/* SPDX-License-Identifier: Apache-2.0 */
/* What a real master said and was told must survive decode and encode byte for
 * byte, and the way through JSON as well. */
#include <criterion/criterion.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/http/recordio.h"
#include "lib/wire/wire.h"
#include "proto/mesos/v1/master.pb-c.h"
#include "proto/mesos/v1/scheduler.pb-c.h"
#include "tests/unit/wire/traces.h"

static int records, files_json, calls;

static void check_json_way(const ProtobufCMessage *message, const char *path)
{
    AUTO_BUF struct buf text = {0};
    struct err err;
    wire_to_json_text(message, 0, &text);
    AUTO_MESSAGE ProtobufCMessage *back = wire_from_json_text(
        message->descriptor, buf_text(&text), text.len, &err);
    cr_assert(back, "%s: %s", path, err.text);
    cr_assert(wire_equal(message, back), "%s: %s", path, buf_text(&text));
}

static void check_bytes(const ProtobufCMessageDescriptor *type,
                        const void *data, size_t len, const char *path)
{
    struct err err;
    AUTO_MESSAGE ProtobufCMessage *message = wire_decode(type, data, len, &err);
    cr_assert(message, "%s: %s", path, err.text);
    AUTO_BUF struct buf again = {0};
    wire_encode(message, &again);
    cr_assert_eq(again.len, len, "%s", path);
    cr_assert(!memcmp(again.data, data, len), "%s", path);
    check_json_way(message, path);
}

/* The operator API prints some empty lists, which messages cannot tell from
 * absent ones. */
static void drop_empty_lists(json_t *json)
{
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(json, next, key, value)
    {
        drop_empty_lists(value);
        if (json_is_array(value) && json_array_size(value) == 0)
            json_object_del(json, key);
    }
}

/* JSON from the master: reading and writing it gives the same values, with the
 * defaults that the master writes. */
static void check_json(const ProtobufCMessageDescriptor *type, const char *text,
                       size_t len, const char *path)
{
    struct err err;
    AUTO_MESSAGE ProtobufCMessage *message =
        wire_from_json_text(type, text, len, &err);
    cr_assert(message, "%s: %s", path, err.text);
    json_t *want = json_loadb(text, len, 0, NULL);
    drop_empty_lists(json_object_get(want, "get_agents"));
    drop_empty_lists(json_object_get(want, "get_state"));
    json_t *got = wire_to_json(message, WIRE_JSON_DEFAULTS);
    AUTO_BUF struct buf got_text = {0};
    wire_json_text(got, &got_text);
    cr_expect(json_equal(want, got), "%s:\nwant %.*s\ngot  %s", path, (int)len,
              text, buf_text(&got_text));
    json_decref(want);
    json_decref(got);
}

static int on_record(void *self, const uint8_t *record, size_t len)
{
    const ProtobufCMessageDescriptor *type =
        &mesos__v1__scheduler__event__descriptor;
    records++;
    if (record[0] == '{')
        check_json(type, (const char *)record, len, self);
    else
        check_bytes(type, record, len, self);
    return 0;
}

static void check_stream(const char *path, const struct buf *data)
{
    AUTO(recordio) struct recordio *recordio = recordio_new(1 << 26);
    AUTO_FREE char *name = xstrdup(path);
    cr_assert_eq(
        recordio_feed(recordio, data->data, data->len, on_record, name, NULL),
        0, "%s", path);
}

Test(traces, streams)
{
    if (!traces_dir())
        return;
    traces_each("*/stream-*.recordio", check_stream);
    cr_expect_gt(records, 500, "%d", records);
}

static void check_call(const char *path, const struct buf *data)
{
    const ProtobufCMessageDescriptor *type =
        &mesos__v1__scheduler__call__descriptor;
    /* Bodies that were made to be refused. */
    if (strstr(path, "/03-refusals/calls/0") &&
        strcmp(strstr(path, "/calls/"), "/calls/040") < 0)
        return;
    if (data->len == 0)
        return;
    calls++;
    struct err err;
    if (data->data[0] == '{') { /* not the master's own JSON: 0 for 0.0 */
        AUTO_MESSAGE ProtobufCMessage *call =
            wire_from_json_text(type, data->data, data->len, &err);
        cr_assert(call, "%s: %s", path, err.text);
        check_json_way(call, path);
    } else
        check_bytes(type, data->data, data->len, path);
}

Test(traces, calls)
{
    if (!traces_dir())
        return;
    traces_each("*/calls/*.bin", check_call);
    cr_expect_gt(calls, 500, "%d", calls);
}

static void check_operator_call(const char *path, const struct buf *data)
{
    struct err err;
    files_json++;
    AUTO_MESSAGE ProtobufCMessage *message = wire_from_json_text(
        &mesos__v1__master__call__descriptor, data->data, data->len, &err);
    if (strstr(path, "bad") || !message)
        cr_log_info("%s: %s\n", path, err.text);
    else
        check_json_way(message, path);
}

static void check_response(const char *path, const struct buf *data)
{
    files_json++;
    check_json(&mesos__v1__master__response__descriptor, data->data, data->len,
               path);
}

Test(traces, operator_json)
{
    if (!traces_dir())
        return;
    traces_each("*/calls/*.json", check_operator_call);
    traces_each("*/http/master-api-*.json", check_response);
    cr_expect_gt(files_json, 10, "%d", files_json);
}
