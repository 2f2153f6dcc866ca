/* SPDX-License-Identifier: Apache-2.0 */
/* json_text - jansson values to compact text with shortest doubles */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/wire/wire.h"

/* The fewest digits that read back as the same double, as "d.ddde+xx". */
static void shortest_digits(double value, char out[40])
{
    for (int precision = 0; precision < 17; precision++) {
        snprintf(out, 40, "%.*e", precision, value);
        if (strtod(out, NULL) == value)
            return;
    }
}

/* digits "1795", point behind the first `point` of them (may be outside). */
static void add_digits(struct buf *out, const char *digits, int count,
                       int point)
{
    if (point <= 0)
        buf_add_str(out, "0.");
    for (int i = point; i < 0; i++)
        buf_add_char(out, '0');
    for (int i = 0; i < count || i < point; i++) {
        if (i == point && point > 0)
            buf_add_char(out, '.');
        buf_add_char(out, i < count ? digits[i] : '0');
    }
    if (point >= count)
        buf_add_str(out, ".0");
}

static void add_double(struct buf *out, double value)
{
    char text[40], digits[24];
    if (value == 0) {
        buf_add_str(out, signbit(value) ? "-0.0" : "0.0");
        return;
    }
    if (value < 0)
        buf_add_char(out, '-');
    shortest_digits(fabs(value), text);
    int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    int count = 0;
    for (const char *c = text; *c != 'e'; c++)
        if (*c != '.')
            digits[count++] = *c;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    if (exponent >= -6 && exponent < 21) {
        add_digits(out, digits, count, exponent + 1);
        return;
    }
    buf_add_char(out, digits[0]);
    if (count > 1)
        buf_addf(out, ".%.*s", count - 1, digits + 1);
    buf_addf(out, "e%d", exponent);
}

static void add_escaped(struct buf *out, unsigned char c)
{
    static const char plain[] = "\"\\\b\f\n\r\t";
    static const char letter[] = "\"\\bfnrt";
    const char *at = c ? strchr(plain, c) : NULL;
    if (at) {
        buf_add_char(out, '\\');
        buf_add_char(out, letter[at - plain]);
    } else if (c < 0x20) {
        buf_addf(out, "\\u%04x", c);
    } else {
        buf_add_char(out, (char)c);
    }
}

static void add_text(struct buf *out, const char *text, size_t len)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < len; i++)
        add_escaped(out, (unsigned char)text[i]);
    buf_add_char(out, '"');
}

static void add_object(struct buf *out, const json_t *json)
{
    json_t *object = (json_t *)(uintptr_t)json; /* jansson iterates non-const */
    bool is_first = true;
    buf_add_char(out, '{');
    for (void *at = json_object_iter(object); at;
         at = json_object_iter_next(object, at)) {
        if (!is_first)
            buf_add_char(out, ',');
        is_first = false;
        const char *key = json_object_iter_key(at);
        add_text(out, key, strlen(key));
        buf_add_char(out, ':');
        wire_json_text(json_object_iter_value(at), out);
    }
    buf_add_char(out, '}');
}

static void add_array(struct buf *out, const json_t *json)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < json_array_size(json); i++) {
        if (i)
            buf_add_char(out, ',');
        wire_json_text(json_array_get(json, i), out);
    }
    buf_add_char(out, ']');
}

void wire_json_text(const json_t *json, struct buf *out)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        add_object(out, json);
        return;
    case JSON_ARRAY:
        add_array(out, json);
        return;
    case JSON_STRING:
        add_text(out, json_string_value(json), json_string_length(json));
        return;
    case JSON_INTEGER:
        buf_addf(out, "%lld", (long long)json_integer_value(json));
        return;
    case JSON_REAL:
        add_double(out, json_real_value(json));
        return;
    case JSON_TRUE:
        buf_add_str(out, "true");
        return;
    case JSON_FALSE:
        buf_add_str(out, "false");
        return;
    case JSON_NULL:
        buf_add_str(out, "null");
        return;
    }
}
