/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/wal_format.h"

#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/id.h"
#include "services/state-store/bytes.h"
#include "services/state-store/record.h"

static const char segment_magic[8] = "REEVEWAL";
static const char record_magic[4] = "RVrc";

enum { OP_HEAD_BYTES = 8, OP_DELETE = 1, REUSED = 1 };

void wal_header_encode(const struct wal_header *h,
                       uint8_t out[WAL_HEADER_BYTES])
{
    uint8_t *p = put_bytes(out, segment_magic, sizeof segment_magic);
    p = put_32(p, WAL_VERSION);
    p = put_32(p, WAL_HEADER_BYTES);
    p = put_bytes(p, h->lineage, sizeof h->lineage);
    p = put_64(p, h->first_seq);
    p = put_64(p, h->first_revision);
    p = put_64(p, h->salt);
    p = put_32(p, h->is_reused ? REUSED : 0);
    put_32(p, crc32c(0, out, (size_t)(p - out)));
}

int wal_header_decode(const uint8_t *data, size_t len, struct wal_header *out,
                      struct err *err)
{
    struct reader r = {data, data + len, false};
    const uint8_t *magic = get_bytes(&r, sizeof segment_magic);
    if (!magic || len < WAL_HEADER_BYTES)
        return err_set(err, ERR_CORRUPT, "%zu bytes are no segment header",
                       len);
    if (memcmp(magic, segment_magic, sizeof segment_magic) != 0)
        return err_set(err, ERR_CORRUPT, "not a segment of the log");
    memset(out, 0, sizeof *out);
    uint32_t version = get_32(&r);
    uint32_t head_bytes = get_32(&r);
    memcpy(out->lineage, get_bytes(&r, 16), 16);
    out->first_seq = get_64(&r);
    out->first_revision = get_64(&r);
    out->salt = get_64(&r);
    out->is_reused = get_32(&r) & REUSED;
    if (get_32(&r) != crc32c(0, data, WAL_HEADER_BYTES - 4))
        return err_set(err, ERR_CORRUPT, "segment header fails its checksum");
    if (version != WAL_VERSION || head_bytes != WAL_HEADER_BYTES)
        return err_set(err, ERR_UNSUPPORTED,
                       "log format version %u; this program reads %d", version,
                       WAL_VERSION);
    return 0;
}

static size_t op_bytes(const struct item *item)
{
    return OP_HEAD_BYTES + (size_t)item->key_len + item->len;
}

static size_t body_bytes(const struct record *r)
{
    size_t bytes = strlen(r->request_id) + strlen(r->lease) +
                   strlen(str_or_empty(r->holder));
    if (r->type == RECORD_START)
        bytes += 8;
    for (size_t i = 0; i < r->n_items; i++)
        bytes += op_bytes(r->items[i]);
    return bytes;
}

static uint8_t *put_op(uint8_t *p, const struct item *item)
{
    p = put_16(p, item->key_len);
    p = put_16(p, item->is_deleted ? OP_DELETE : 0);
    p = put_32(p, item->len);
    p = put_bytes(p, item_key(item), item->key_len);
    return put_bytes(p, item_value(item), item->len);
}

static uint8_t *put_body(uint8_t *p, const struct record *r)
{
    p = put_bytes(p, r->request_id, strlen(r->request_id));
    p = put_bytes(p, r->lease, strlen(r->lease));
    p = put_bytes(p, str_or_empty(r->holder), strlen(str_or_empty(r->holder)));
    if (r->type == RECORD_START)
        p = put_64(p, r->run_id);
    for (size_t i = 0; i < r->n_items; i++)
        p = put_op(p, r->items[i]);
    return p;
}

static uint8_t *put_head(uint8_t *p, const struct record *r, uint32_t back)
{
    p = put_32(p, back);
    p = put_64(p, r->seq);
    p = put_64(p, r->revision);
    p = put_64(p, (uint64_t)r->wall_ms);
    p = put_64(p, r->epoch);
    *p++ = (uint8_t)r->type;
    *p++ = (uint8_t)strlen(r->request_id);
    *p++ = (uint8_t)strlen(r->lease);
    *p++ = (uint8_t)strlen(str_or_empty(r->holder));
    return put_32(p, r->type == RECORD_TXN ? (uint32_t)r->n_items : r->ttl_ms);
}

void wal_record_encode(const struct record *r, uint32_t back, uint64_t salt,
                       struct buf *out)
{
    size_t body = body_bytes(r);
    size_t whole = pad_8(WAL_RECORD_HEAD_BYTES + body);
    ASSERT(body <= UINT32_MAX);
    buf_reserve(out, whole);
    uint8_t *start = (uint8_t *)out->data + out->len;
    uint8_t *p = put_bytes(start, record_magic, sizeof record_magic);
    uint8_t *crc_at = p;
    p = put_32(p + 4, (uint32_t)body);
    p = put_head(p, r, back);
    ASSERT(p - start == WAL_RECORD_HEAD_BYTES);
    p = put_body(p, r);
    memset(p, 0, (size_t)(start + whole - p));
    put_32(crc_at, crc32c((uint32_t)salt, start + 8, whole - 8));
    out->len += whole;
    out->data[out->len] = '\0';
}

void wal_records_seal(struct buf *records, uint64_t salt)
{
    uint8_t *p = (uint8_t *)records->data, *end = p + records->len;
    while (p < end) {
        struct reader r = {p + 8, end, false};
        size_t whole = pad_8(WAL_RECORD_HEAD_BYTES + (size_t)get_32(&r));
        put_32(p + 4, crc32c((uint32_t)salt, p + 8, whole - 8));
        p += whole;
    }
}

/* Where a whole record ends, or 0. */
static size_t whole_bytes(const uint8_t *data, size_t len, uint64_t salt)
{
    if (len < WAL_RECORD_HEAD_BYTES || memcmp(data, record_magic, 4) != 0)
        return 0;
    struct reader r = {data + 4, data + len, false};
    uint32_t crc = get_32(&r);
    size_t whole = pad_8(WAL_RECORD_HEAD_BYTES + (size_t)get_32(&r));
    if (whole > len || crc32c((uint32_t)salt, data + 8, whole - 8) != crc)
        return 0;
    return whole;
}

static bool get_text(struct reader *r, char *out, size_t len, size_t max)
{
    const uint8_t *text = get_bytes(r, len);
    if (!text || len > max || memchr(text, 0, len))
        return false;
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

/* The operations, until the body is used up exactly. */
static bool get_ops(struct reader *r, struct record *record)
{
    size_t n = record->n_items;
    record->n_items = 0; /* as many as are there to be freed */
    for (size_t i = 0; i < n; i++) {
        size_t key_len = get_16(r);
        uint16_t flags = get_16(r);
        size_t len = get_32(r);
        const uint8_t *key = get_bytes(r, key_len);
        const uint8_t *value = get_bytes(r, len);
        if (!value || key_len < 1 || key_len > KEY_MAX_BYTES ||
            len > VALUE_MAX_BYTES || flags > OP_DELETE || (flags && len))
            return false;
        record->items[record->n_items++] =
            item_new((struct key){(const char *)key, key_len},
                     flags ? NULL : value, len, record->revision);
    }
    return true;
}

/* r is behind the operation count; texts holds the three lengths. */
static bool get_body(struct reader *r, struct record *record,
                     const uint8_t texts[3])
{
    char holder[LEASE_HOLDER_MAX + 1];
    if (!get_text(r, record->request_id, texts[0], REQUEST_ID_MAX) ||
        !get_text(r, record->lease, texts[1], LEASE_NAME_MAX) ||
        !get_text(r, holder, texts[2], LEASE_HOLDER_MAX))
        return false;
    switch (record->type) {
    case RECORD_TXN:
        return texts[2] == 0 && get_ops(r, record);
    case RECORD_LEASE:
        record->holder = xstrdup(holder);
        return texts[1] > 0;
    case RECORD_START:
        record->run_id = get_64(r);
        return record->run_id != 0;
    }
    return false;
}

static struct record *record_of(const uint8_t *data, size_t body)
{
    struct reader r = {data + 16, data + WAL_RECORD_HEAD_BYTES + body, false};
    uint64_t seq = get_64(&r), revision = get_64(&r);
    int64_t wall_ms = (int64_t)get_64(&r);
    uint64_t epoch = get_64(&r);
    const uint8_t *kind = get_bytes(&r, 4);
    uint32_t count = get_32(&r);
    size_t n = kind[0] == RECORD_TXN ? count : 0;
    if (kind[0] < RECORD_TXN || kind[0] > RECORD_START || n > OPS_MAX)
        return NULL;
    AUTO(record) struct record *record = record_new(kind[0], n);
    record->seq = seq;
    record->revision = revision;
    record->wall_ms = wall_ms;
    record->epoch = epoch;
    record->ttl_ms = kind[0] == RECORD_LEASE ? count : 0;
    if (!get_body(&r, record, kind + 1) || r.failed || r.p != r.end)
        return NULL;
    return MOVE(record);
}

enum wal_verdict wal_record_decode(const uint8_t *data, size_t len,
                                   uint64_t salt, struct record **record,
                                   size_t *used)
{
    size_t whole = whole_bytes(data, len, salt);
    if (!whole)
        return WAL_BROKEN;
    struct reader r = {data + 8, data + 12, false};
    *record = record_of(data, get_32(&r));
    *used = whole;
    return *record ? WAL_WHOLE : WAL_NONSENSE;
}

bool wal_record_is_begun(const uint8_t *data, size_t len, uint64_t seq)
{
    if (len < WAL_RECORD_HEAD_BYTES)
        return true;
    struct reader r = {data + 16, data + len, false};
    return memcmp(data, record_magic, 4) == 0 && get_64(&r) >= seq;
}

bool wal_has_later_batch(const uint8_t *data, size_t len, uint64_t salt,
                         uint64_t seq)
{
    size_t at = 0;
    while (at + WAL_RECORD_HEAD_BYTES <= len) {
        size_t whole = whole_bytes(data + at, len - at, salt);
        if (whole) {
            struct reader r = {data + at + 12, data + len, false};
            uint32_t back = get_32(&r);
            uint64_t found = get_64(&r);
            if (found > seq && found - back > seq)
                return true;
        }
        at += whole ? whole : 8;
    }
    return false;
}
