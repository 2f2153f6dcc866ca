/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile bytes, base64 and enum names. */
#include <criterion/criterion.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/wire/wire.h"
#include "proto/mesos/v1/scheduler.pb-c.h"

static const struct {
    const char *name;
    const ProtobufCMessageDescriptor *type;
    const char *bytes;
    size_t len;
    bool is_good;
} cases[] = {
    {"nothing", &mesos__v1__scheduler__event__descriptor, "", 0, true},
    {"required missing", &mesos__v1__task_id__descriptor, "", 0, false},
    {"required missing inside", &mesos__v1__scheduler__event__descriptor,
     "\x12\x00", 2, false},
    {"required there", &mesos__v1__task_id__descriptor, "\x0a\x01x", 3, true},
    {"wrong wire type", &mesos__v1__task_id__descriptor, "\x08\x01", 2, false},
    {"length past the end", &mesos__v1__task_id__descriptor, "\x0a\x7fx", 3,
     false},
    {"huge length", &mesos__v1__task_id__descriptor,
     "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x", 12, false},
    {"endless varint", &mesos__v1__scheduler__event__descriptor,
     "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, false},
    {"field number 0", &mesos__v1__scheduler__event__descriptor, "\x00\x01", 2,
     false},
    {"group", &mesos__v1__scheduler__event__descriptor, "\x0b\x0c", 2, false},
    {"only a tag", &mesos__v1__scheduler__event__descriptor, "\x08", 1, false},
    {"twice the same message", &mesos__v1__offer_filters__descriptor,
     "\x0a\x00\x0a\x00", 4, true},
};

Test(wire, decode)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        AUTO_MESSAGE ProtobufCMessage *message =
            wire_decode(cases[i].type, cases[i].bytes, cases[i].len, &err);
        cr_expect_eq(message != NULL, cases[i].is_good, "case: %s: %s",
                     cases[i].name, err.text);
        cr_expect_eq(err.code, cases[i].is_good ? ERR_NONE : ERR_INVALID,
                     "case: %s", cases[i].name);
    }
}

/* ContainerID { value "x", parent { value "x", parent … } } */
static void nest(int levels, struct buf *out)
{
    AUTO_BUF struct buf inner = {0};
    for (int i = 0; i < levels; i++) {
        AUTO_BUF struct buf outer = {0};
        buf_add(&outer, "\x0a\x01x", 3);
        if (inner.len) {
            buf_add_char(&outer, 0x12);
            for (size_t n = inner.len; n; n >>= 7)
                buf_add_char(&outer, (char)((n & 127) | (n > 127 ? 128 : 0)));
            buf_add(&outer, inner.data, inner.len);
        }
        struct buf swap = inner;
        inner = outer;
        outer = swap;
    }
    buf_add(out, inner.data, inner.len);
}

Test(wire, depth)
{
    static const struct {
        int levels;
        bool is_good;
    } depths[] = {{1, true}, {64, true}, {65, false}, {100000, false}};
    for (size_t i = 0; i < ARRAY_LEN(depths) - 1; i++) {
        struct err err;
        AUTO_BUF struct buf bytes = {0};
        nest(depths[i].levels, &bytes);
        AUTO_MESSAGE ProtobufCMessage *message = wire_decode(
            &mesos__v1__container_id__descriptor, bytes.data, bytes.len, &err);
        cr_expect_eq(message != NULL, depths[i].is_good, "%d",
                     depths[i].levels);
    }
}

/* Operations without content: two bytes each, hundreds in memory. */
Test(wire, memory)
{
    struct err err = {0};
    AUTO_BUF struct buf bytes = {0};
    for (int i = 0; i < 1 << 20; i++)
        buf_add(&bytes, "\x12\x00", 2);
    AUTO_MESSAGE ProtobufCMessage *few =
        wire_decode(&mesos__v1__scheduler__call__accept__descriptor, bytes.data,
                    20000, &err);
    cr_expect(few, "%s", err.text);
    AUTO_MESSAGE ProtobufCMessage *many =
        wire_decode(&mesos__v1__scheduler__call__accept__descriptor, bytes.data,
                    bytes.len, &err);
    cr_expect_null(many);
    cr_expect_eq(err.code, ERR_INVALID);
}

Test(wire, typed_forms)
{
    struct err err;
    AUTO_MESSAGE Mesos__V1__TaskID *id =
        WIRE_DECODE(mesos__v1__task_id, "\x0a\x01x", 3, &err);
    cr_assert(id);
    cr_expect_str_eq(id->value, "x");
    AUTO_MESSAGE Mesos__V1__TaskID *copy = WIRE_DUP(mesos__v1__task_id, id);
    cr_expect_str_eq(copy->value, "x");
    AUTO_MESSAGE Mesos__V1__TaskID *none = NULL;
    cr_expect_null(none);
}

static const struct {
    const char *plain, *text;
} base64_cases[] = {
    {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
    {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xff\xfe\xfd", "//79"},
};

Test(wire, base64)
{
    for (size_t i = 0; i < ARRAY_LEN(base64_cases); i++) {
        AUTO_BUF struct buf text = {0};
        AUTO_BUF struct buf plain = {0};
        base64_encode(base64_cases[i].plain, strlen(base64_cases[i].plain),
                      &text);
        cr_expect_str_eq(buf_text(&text), base64_cases[i].text);
        cr_expect(base64_decode(text.data ? text.data : "", text.len, &plain));
        cr_expect_str_eq(buf_text(&plain), base64_cases[i].plain);
    }
}

Test(wire, base64_refused)
{
    static const char *const bad[] = {
        "Z", "Zg", "Zg=", "Z===", "====", "Z!==", "Zg==Zg==", "Zm 9v"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_BUF struct buf out = {0};
        buf_add_str(&out, "kept");
        cr_expect_not(base64_decode(bad[i], strlen(bad[i]), &out), "case: %s",
                      bad[i]);
        cr_expect_str_eq(buf_text(&out), "kept");
    }
}

Test(wire, enum_names)
{
    int value = 0;
    const ProtobufCEnumDescriptor *type = &mesos__v1__task_state__descriptor;
    cr_expect_str_eq(wire_enum_name(type, 6), "TASK_STAGING");
    cr_expect_null(wire_enum_name(type, 99));
    cr_expect(wire_enum_value(type, "TASK_GONE", &value));
    cr_expect_eq(value, 11);
    cr_expect_not(wire_enum_value(type, "TASK_NONE", &value));
}
