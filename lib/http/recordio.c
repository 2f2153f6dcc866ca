/* SPDX-License-Identifier: Apache-2.0 */
/* recordio - see recordio.h
 *
 * Does not look into the records.  A whole record that lies in one piece of
 * input is handed out without copying.
 */
#include "lib/http/recordio.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

struct recordio {
    size_t max_bytes;
    bool is_broken;
    bool in_record; /* the length is known; bytes are being gathered */
    int digits;     /* of the length seen so far */
    size_t want;    /* length of the record */
    struct buf got; /* its bytes so far */
};

struct recordio *recordio_new(size_t max_record_bytes)
{
    struct recordio *r = xcalloc(1, sizeof(*r));
    r->max_bytes = max_record_bytes;
    return r;
}

void recordio_destroy(struct recordio **recordio)
{
    struct recordio *r = *recordio;
    if (!r)
        return;
    buf_free(&r->got);
    free(r);
    *recordio = NULL;
}

static int broken(struct recordio *r, struct err *err, const char *why)
{
    r->is_broken = true;
    return err_set(err, ERR_INVALID, "recordio: %s", why);
}

/* One byte of a length line.  Empty lines before a length are skipped. */
static int eat_header(struct recordio *r, char c, struct err *err)
{
    if (c == '\n') {
        r->in_record = r->digits > 0;
        return 0;
    }
    if (c < '0' || c > '9')
        return broken(r, err, "the length is not a number");
    r->want = r->want * 10 + (size_t)(c - '0');
    r->digits++;
    if (r->want > r->max_bytes || r->digits > 20)
        return broken(r, err, "the record is too long");
    return 0;
}

/* Ready for the next length line. */
static void begin(struct recordio *r)
{
    r->in_record = false;
    r->digits = 0;
    r->want = 0;
    buf_clear(&r->got);
}

/* Gathers from data; *used says how much was taken. */
static int eat_record(struct recordio *r, const uint8_t *data, size_t len,
                      size_t *used,
                      int (*fn)(void *self, const uint8_t *record, size_t len),
                      void *self)
{
    size_t take = MIN(len, r->want - r->got.len);
    const uint8_t *record = data;
    *used = take;
    if (take < r->want) { /* in pieces */
        buf_add(&r->got, data, take);
        if (r->got.len < r->want)
            return 0;
        record = (const uint8_t *)r->got.data;
    }
    int result = fn(self, record, r->want);
    begin(r);
    return result;
}

int recordio_feed(struct recordio *r, const void *data, size_t len,
                  int (*fn)(void *self, const uint8_t *record, size_t len),
                  void *self, struct err *err)
{
    const uint8_t *at = data;
    if (r->is_broken)
        return broken(r, err, "the stream was broken before");
    while (len > 0 || (r->in_record && r->want == 0)) {
        size_t used = 1;
        int result = r->in_record ? eat_record(r, at, len, &used, fn, self)
                                  : eat_header(r, (char)*at, err);
        if (result != 0)
            return result;
        at += used;
        len -= used;
    }
    return 0;
}

void recordio_encode(const void *record, size_t len, struct buf *out)
{
    buf_addf(out, "%zu\n", len);
    buf_add(out, record, len);
}
