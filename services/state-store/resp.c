/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/resp.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"

static void add_length(struct buf *out, char kind, size_t n)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%c%zu\r\n", kind, n);
    buf_add(out, text, (size_t)len);
}

void resp_begin(struct buf *out, size_t n)
{
    add_length(out, '*', n);
}

void resp_arg(struct buf *out, const void *data, size_t len)
{
    add_length(out, '$', len);
    buf_add(out, data, len);
    buf_add(out, "\r\n", 2);
}

void resp_arg_joined(struct buf *out, const char *prefix, const char *text)
{
    size_t head = strlen(prefix), tail = strlen(text);
    add_length(out, '$', head + tail);
    buf_add(out, prefix, head);
    buf_add(out, text, tail);
    buf_add(out, "\r\n", 2);
}

void resp_arg_u64(struct buf *out, uint64_t number)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%" PRIu64, number);
    resp_arg(out, text, (size_t)len);
}

void resp_command(struct buf *out, const char *name, ...)
{
    va_list ap;
    size_t n = 1;
    va_start(ap, name);
    while (va_arg(ap, const char *))
        n++;
    va_end(ap);
    resp_begin(out, n);
    resp_arg(out, name, strlen(name));
    va_start(ap, name);
    for (const char *arg; (arg = va_arg(ap, const char *));)
        resp_arg(out, arg, strlen(arg));
    va_end(ap);
}
