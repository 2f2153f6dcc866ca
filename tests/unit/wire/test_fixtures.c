/* SPDX-License-Identifier: Apache-2.0 */
/* Hand-made bytes: decode, encode, JSON, and every way to spoil them. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/wire/wire.h"
#include "proto/mesos/v1/scheduler.pb-c.h"

#define CALL  &mesos__v1__scheduler__call__descriptor
#define EVENT &mesos__v1__scheduler__event__descriptor

static const struct {
    const char *name;
    const ProtobufCMessageDescriptor *type;
    bool from_json; /* the JSON says all there is */
} fixtures[] = {
    {"event-subscribed", EVENT, true},      {"event-heartbeat", EVENT, true},
    {"event-offers", EVENT, true},          {"event-newer", EVENT, false},
    {"call-acknowledge", CALL, true},       {"call-suppress", CALL, true},
    {"call-subscribe-filters", CALL, true},
};

static void read_fixture(const char *name, const char *ending, struct buf *out)
{
    struct err err;
    AUTO_FREE char *path = xasprintf("tests/fixtures/wire/%s.%s", name, ending);
    cr_assert_eq(fs_read(path, 1 << 20, out, &err), 0, "%s", err.text);
}

static void read_hex(const char *name, struct buf *out)
{
    AUTO_BUF struct buf text = {0};
    read_fixture(name, "hex", &text);
    for (char *at = text.data; *at;) {
        if (*at == '#')
            at += strcspn(at, "\n");
        else if (isxdigit((unsigned char)*at))
            buf_add_char(out, (char)strtol(at, &at, 16));
        else
            at++;
    }
}

Test(fixtures, there_and_back)
{
    for (size_t i = 0; i < ARRAY_LEN(fixtures); i++) {
        struct err err;
        AUTO_BUF struct buf bytes = {0};
        AUTO_BUF struct buf again = {0};
        read_hex(fixtures[i].name, &bytes);
        AUTO_MESSAGE ProtobufCMessage *message =
            wire_decode(fixtures[i].type, bytes.data, bytes.len, &err);
        cr_assert(message, "%s: %s", fixtures[i].name, err.text);
        wire_encode(message, &again);
        cr_expect_eq(again.len, bytes.len, "%s", fixtures[i].name);
        cr_expect(!memcmp(again.data, bytes.data, bytes.len), "%s",
                  fixtures[i].name);
        AUTO_MESSAGE ProtobufCMessage *copy = wire_dup(message);
        cr_expect(wire_equal(message, copy), "%s", fixtures[i].name);
    }
}

Test(fixtures, json)
{
    for (size_t i = 0; i < ARRAY_LEN(fixtures); i++) {
        struct err err;
        AUTO_BUF struct buf bytes = {0};
        AUTO_BUF struct buf text = {0};
        AUTO_BUF struct buf want = {0};
        read_hex(fixtures[i].name, &bytes);
        read_fixture(fixtures[i].name, "json", &want);
        want.data[--want.len] = '\0'; /* the line's end */
        AUTO_MESSAGE ProtobufCMessage *message =
            wire_decode(fixtures[i].type, bytes.data, bytes.len, &err);
        wire_to_json_text(message, WIRE_JSON_PROTO, &text);
        cr_expect_str_eq(buf_text(&text), buf_text(&want));

        AUTO_MESSAGE ProtobufCMessage *back =
            wire_from_json_text(fixtures[i].type, want.data, want.len, &err);
        cr_assert(back, "%s: %s", fixtures[i].name, err.text);
        cr_expect_eq(wire_equal(message, back), fixtures[i].from_json, "%s",
                     fixtures[i].name);
    }
}

/* Cut at every byte, and every byte set to every value: no crash, and what is
 * accepted can be encoded and decoded again. */
static void try_bytes(const ProtobufCMessageDescriptor *type, const char *data,
                      size_t len)
{
    struct err err = {0};
    AUTO_FREE char *exact = xmemdup(data, len); /* for address checkers */
    AUTO_MESSAGE ProtobufCMessage *message =
        wire_decode(type, exact, len, &err);
    if (!message) {
        cr_assert_eq(err.code, ERR_INVALID);
        return;
    }
    AUTO_BUF struct buf again = {0};
    wire_encode(message, &again);
    AUTO_MESSAGE ProtobufCMessage *second =
        wire_decode(type, again.data, again.len, &err);
    cr_assert(second, "%s", err.text);
    cr_assert(wire_equal(message, second));
    AUTO_MESSAGE ProtobufCMessage *copy = wire_dup(message);
    cr_assert(wire_equal(message, copy));
}

Test(fixtures, spoilt)
{
    for (size_t i = 0; i < ARRAY_LEN(fixtures); i++) {
        AUTO_BUF struct buf bytes = {0};
        read_hex(fixtures[i].name, &bytes);
        for (size_t cut = 0; cut < bytes.len; cut++)
            try_bytes(fixtures[i].type, bytes.data, cut);
        for (size_t at = 0; at < bytes.len; at++) {
            char old = bytes.data[at];
            for (int value = 0; value < 256; value += 3) {
                bytes.data[at] = (char)value;
                try_bytes(fixtures[i].type, bytes.data, bytes.len);
            }
            bytes.data[at] = old;
        }
    }
}
