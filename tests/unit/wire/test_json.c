/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/wire/wire.h"
#include "proto/mesos/v1/master.pb-c.h"
#include "proto/mesos/v1/scheduler.pb-c.h"

#define CALL     &mesos__v1__scheduler__call__descriptor
#define INFO     &mesos__v1__framework_info__descriptor
#define RESOURCE &mesos__v1__resource__descriptor
#define STATUS   &mesos__v1__task_status__descriptor
#define RLIMIT   &mesos__v1__rlimit_info__rlimit__descriptor
#define SELECTOR                                                               \
    &mesos__v1__scheduler__attribute_constraint__selector__descriptor
#define TASK "\"task_id\":{\"value\":\"t\"}"

static const struct {
    const char *name;
    const ProtobufCMessageDescriptor *type;
    const char *json, *want; /* printed again; NULL: refused */
    const char *why;
} cases[] = {
    {"unknown key", INFO, "{\"user\":\"u\",\"name\":\"n\",\"x\":{\"y\":[1]}}",
     "{\"user\":\"u\",\"name\":\"n\"}", NULL},
    {"null is absent", INFO, "{\"user\":\"u\",\"name\":\"n\",\"id\":null}",
     "{\"user\":\"u\",\"name\":\"n\"}", NULL},
    {"whole number for a double", INFO,
     "{\"user\":\"u\",\"name\":\"n\",\"failover_timeout\":604800}",
     "{\"user\":\"u\",\"name\":\"n\",\"failover_timeout\":604800.0}", NULL},
    {"camel case", INFO,
     "{\"user\":\"u\",\"name\":\"n\",\"failoverTimeout\":1.5,\"webuiUrl\":\"w"
     "\"}",
     "{\"user\":\"u\",\"name\":\"n\",\"failover_timeout\":1.5,\"webui_url\":"
     "\"w\"}",
     NULL},
    {"enum by number", STATUS, "{" TASK ",\"state\":1}", NULL,
     "Not expecting a JSON number for field 'state'"},
    {"enum by number as text", STATUS, "{" TASK ",\"state\":\"1\"}", NULL,
     "Unknown enum value for field 'state'"},
    {"enum by a number that has no name", CALL, "{\"type\":99}",
     "{\"type\":99}", NULL},
    {"several missing", CALL,
     "{\"accept\":{\"offer_ids\":[{\"value\":\"o\"},{}]},\"kill\":{}}", NULL,
     "Missing required fields: accept.offer_ids[1].value, kill.task_id"},
    {"text for a boolean", INFO,
     "{\"user\":\"u\",\"name\":\"n\",\"checkpoint\":\"yes\"}", NULL,
     "Failed to parse 'yes' as a JSON boolean for field 'checkpoint': syntax "
     "error at line 1 near: yes"},
    {"unknown enum name, optional", CALL, "{\"type\":\"NO_SUCH_CALL\"}", "{}",
     NULL},
    {"unknown enum name, required", STATUS, "{" TASK ",\"state\":\"TASK_ODD\"}",
     NULL, "Unknown enum value for field 'state'"},
    {"64 bits as text", RLIMIT, "{\"hard\":\"18446744073709551615\"}",
     "{\"hard\":\"18446744073709551615\"}", NULL},
    {"64 bits", RLIMIT, "{\"hard\":9223372036854775807,\"soft\":\"5\"}",
     "{\"hard\":9223372036854775807,\"soft\":5}", NULL},
    {"5.0 for a whole number", RLIMIT, "{\"hard\":5.0}", "{\"hard\":5}", NULL},
    {"negative unsigned", RLIMIT, "{\"hard\":-1}", NULL,
     "Out of range: field 'hard'"},
    {"half for a whole number", RLIMIT, "{\"hard\":0.5}", NULL,
     "Not a whole number for field 'hard'"},
    {"too big for 32 bits", &mesos__v1__address__descriptor,
     "{\"port\":4294967296}", NULL, "Out of range: field 'port'"},
    {"text for a number", RLIMIT, "{\"hard\":\"many\"}", NULL,
     "Failed to parse 'many' as a JSON number for field 'hard': syntax error "
     "at line 1 near: many"},
    {"one instead of a list", CALL, "{\"revive\":{\"roles\":\"r\"}}",
     "{\"revive\":{\"roles\":[\"r\"]}}", NULL},
    {"number for a message", CALL, "{\"type\":\"SUBSCRIBE\",\"subscribe\":7}",
     NULL, "Not expecting a JSON number for field 'subscribe'"},
    {"text for a duration", &mesos__v1__master__call__descriptor,
     "{\"drain_agent\":{\"agent_id\":{\"value\":\"a\"},\"max_grace_period\":"
     "\"10mins\"}}",
     NULL, "Not expecting a JSON string for field 'max_grace_period'"},
    {"object for text", INFO, "{\"user\":{}}", NULL,
     "Not expecting a JSON object for field 'user'"},
    {"boolean for text", INFO, "{\"user\":true}", NULL,
     "Not expecting a JSON boolean for field 'user'"},
    {"list for text", INFO, "{\"user\":[]}", NULL,
     "Not expecting a JSON array for field 'user'"},
    {"number for boolean", INFO,
     "{\"user\":\"u\",\"name\":\"n\",\"checkpoint\":1}", NULL,
     "Not expecting a JSON number for field 'checkpoint'"},
    {"required missing", CALL, "{\"kill\":{\"task_id\":{}}}", NULL,
     "Missing required fields: kill.task_id.value"},
    {"no base64", CALL,
     "{\"acknowledge\":{\"agent_id\":{\"value\":\"a\"},\"task_id\":{\"value\":"
     "\"t\"},\"uuid\":\"?\"}}",
     NULL, "Failed to base64 decode bytes field 'uuid'"},
    {"zero byte", INFO, "{\"user\":\"a\\u0000b\"}", NULL, "line 1: "},
    {"no object", INFO, "[]", NULL, "Expecting a JSON object"},
    {"no json", INFO, "{\"user", NULL, "line 1: "},
    {"two of a group", SELECTOR,
     "{\"pseudoattribute_type\":\"ZONE\",\"attribute_name\":\"x\"}", NULL,
     "Only one of a group may be set: field 'attribute_name'"},
    {"one of a group", SELECTOR, "{\"attribute_name\":\"x\"}",
     "{\"attribute_name\":\"x\"}", NULL},
    {"one of a group, zero", SELECTOR, "{\"pseudoattribute_type\":\"UNKNOWN\"}",
     "{\"pseudoattribute_type\":\"UNKNOWN\"}", NULL},
    {"infinity", &mesos__v1__value__scalar__descriptor,
     "{\"value\":\"-Infinity\"}", "{\"value\":\"-Infinity\"}", NULL},
    {"not a number", &mesos__v1__value__scalar__descriptor,
     "{\"value\":\"NaN\"}", "{\"value\":\"NaN\"}", NULL},
    {"map", &mesos__v1__master__quota_config__descriptor,
     "{\"role\":\"r\",\"limits\":{\"cpus\":{\"value\":2},\"\":{\"value\":1}}}",
     "{\"role\":\"r\",\"limits\":{\"cpus\":{\"value\":2.0},\"\":{\"value\":1.0}"
     "}}",
     NULL},
    {"map with a bad value", &mesos__v1__master__quota_config__descriptor,
     "{\"role\":\"r\",\"limits\":{\"cpus\":{\"value\":[]}}}", NULL,
     "Not expecting a JSON array for field 'value'"},
    {"map as a list of pairs", &mesos__v1__master__quota_config__descriptor,
     "{\"role\":\"r\",\"limits\":[{\"key\":\"a\",\"value\":{\"value\":1}}]}",
     "{\"role\":\"r\",\"limits\":{\"a\":{\"value\":1.0}}}", NULL},
    {"empty but there", STATUS,
     "{" TASK ",\"state\":\"TASK_RUNNING\",\"check_status\":{\"command\":{}}}",
     "{" TASK ",\"state\":\"TASK_RUNNING\",\"check_status\":{\"command\":{}}}",
     NULL},
};

Test(json, read_and_print)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        AUTO_BUF struct buf text = {0};
        AUTO_MESSAGE ProtobufCMessage *message = wire_from_json_text(
            cases[i].type, cases[i].json, strlen(cases[i].json), &err);
        if (cases[i].want) {
            cr_assert(message, "case: %s: %s", cases[i].name, err.text);
            wire_to_json_text(message, WIRE_JSON_PROTO, &text);
            cr_expect_str_eq(buf_text(&text), cases[i].want, "case: %s",
                             cases[i].name);
        } else {
            cr_expect_null(message, "case: %s", cases[i].name);
            cr_expect(str_starts(err.text, cases[i].why), "case: %s: %s",
                      cases[i].name, err.text);
        }
    }
}

static const struct {
    const char *name;
    const ProtobufCMessageDescriptor *type;
    int style;
    const char *json, *want;
} style_cases[] = {
    {"defaults", INFO, WIRE_JSON_DEFAULTS, "{\"user\":\"u\",\"name\":\"n\"}",
     "{\"user\":\"u\",\"name\":\"n\",\"failover_timeout\":0.0,\"checkpoint\":"
     "false}"},
    {"defaults do not hide values", INFO, WIRE_JSON_DEFAULTS,
     "{\"user\":\"u\",\"name\":\"n\",\"failover_timeout\":7,\"checkpoint\":"
     "true}",
     "{\"user\":\"u\",\"name\":\"n\",\"failover_timeout\":7.0,\"checkpoint\":"
     "true}"},
    {"default enum", &mesos__v1__network_info__ipaddress__descriptor,
     WIRE_JSON_DEFAULTS, "{}", "{\"protocol\":\"IPv4\"}"},
    {"default flag", &mesos__v1__command_info__descriptor, WIRE_JSON_DEFAULTS,
     "{}", "{\"shell\":true}"},
    {"no defaults", &mesos__v1__command_info__descriptor, WIRE_JSON_PROTO, "{}",
     "{}"},
    {"camel", INFO, WIRE_JSON_CAMEL,
     "{\"user\":\"u\",\"name\":\"n\",\"webui_url\":\"w\"}",
     "{\"user\":\"u\",\"name\":\"n\",\"webuiUrl\":\"w\"}"},
};

Test(json, styles)
{
    for (size_t i = 0; i < ARRAY_LEN(style_cases); i++) {
        struct err err = {0};
        AUTO_BUF struct buf text = {0};
        AUTO_MESSAGE ProtobufCMessage *message =
            wire_from_json_text(style_cases[i].type, style_cases[i].json,
                                strlen(style_cases[i].json), &err);
        cr_assert(message, "case: %s: %s", style_cases[i].name, err.text);
        wire_to_json_text(message, style_cases[i].style, &text);
        cr_expect_str_eq(buf_text(&text), style_cases[i].want, "case: %s",
                         style_cases[i].name);
    }
}

static const struct {
    double value;
    const char *want;
} number_cases[] = {
    {0, "0.0"},
    {-0.0, "-0.0"},
    {15, "15.0"},
    {0.1, "0.1"},
    {0.1 + 0.2, "0.30000000000000004"},
    {-2.5, "-2.5"},
    {1795342338.1567822, "1795342338.1567822"},
    {1795342341.100449, "1795342341.100449"},
    {100, "100.0"},
    {1e20, "100000000000000000000.0"},
    {1e21, "1e21"},
    {1.5e300, "1.5e300"},
    {0.000001, "0.000001"},
    {0.0000001, "1e-7"},
    {1.25e-9, "1.25e-9"},
    {5e-324, "5e-324"},
    {1.7976931348623157e308, "1.7976931348623157e308"},
};

Test(json, numbers)
{
    for (size_t i = 0; i < ARRAY_LEN(number_cases); i++) {
        AUTO_BUF struct buf text = {0};
        json_t *json = json_real(number_cases[i].value);
        wire_json_text(json, &text);
        json_decref(json);
        cr_expect_str_eq(buf_text(&text), number_cases[i].want);
        cr_expect_eq(strtod(text.data, NULL), number_cases[i].value);
    }
}

Test(json, text_that_is_no_utf8)
{
    static const struct {
        const char *raw, *want;
    } texts[] = {
        {"a\xff"
         "b",
         "a\xef\xbf\xbd"
         "b"},
        {"\xc3\xa9", "\xc3\xa9"},
        {"\xff\xc3\xa9\xf0\x9f\x98\x80",
         "\xef\xbf\xbd\xc3\xa9\xf0\x9f\x98\x80"},
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;
        AUTO_BUF struct buf text = {0};
        AUTO_BUF struct buf want = {0};
        buf_addf(&want, "{\"value\":\"%s\"}", texts[i].want);
        id.value = (char *)(uintptr_t)texts[i].raw;
        wire_to_json_text(&id.base, 0, &text);
        cr_expect_str_eq(buf_text(&text), buf_text(&want));
    }
}

Test(json, escapes)
{
    json_t *json = json_string("\"\\/\b\f\n\r\t\x01\x7f\xc3\xa9");
    AUTO_BUF struct buf text = {0};
    wire_json_text(json, &text);
    cr_expect_str_eq(buf_text(&text),
                     "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\x7f\xc3\xa9\"");
    json_t *back = json_loads(text.data, JSON_DECODE_ANY, NULL);
    cr_expect(json_equal(json, back));
    json_decref(json);
    json_decref(back);
}

/* A message within itself, deeper than we go along with. */
Test(json, depth)
{
    AUTO_BUF struct buf text = {0};
    for (int i = 0; i < 500; i++)
        buf_add_str(&text, "{\"value\":\"x\",\"parent\":");
    buf_add_str(&text, "{\"value\":\"x\"}");
    for (int i = 0; i < 500; i++)
        buf_add_char(&text, '}');
    struct err err = {0};
    cr_expect_null(wire_from_json_text(&mesos__v1__container_id__descriptor,
                                       text.data, text.len, &err));
    cr_expect_eq(err.code, ERR_INVALID);
}
