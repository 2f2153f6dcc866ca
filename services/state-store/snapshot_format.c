/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/snapshot_format.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/id.h"
#include "services/state-store/bytes.h"
#include "services/state-store/table.h"

static const char file_magic[8] = "REEVESNP";
static const char block_magic[4] = "RVbk";

enum { BLOCK_HEAD_BYTES = 16, FLAG_BASE = 1, REQUEST_TEXTS = 3 };

enum block_kind {
    BLOCK_ITEMS = 1,
    BLOCK_LEASES = 2,
    BLOCK_REQUESTS = 3,
    BLOCK_RUNS = 4,
    BLOCK_END = 5,
};

/* ---- to bytes ---- */

static void add_16(struct buf *out, uint16_t v)
{
    uint8_t bytes[2];
    put_16(bytes, v);
    buf_add(out, bytes, sizeof bytes);
}

static void add_32(struct buf *out, uint32_t v)
{
    uint8_t bytes[4];
    put_32(bytes, v);
    buf_add(out, bytes, sizeof bytes);
}

static void add_64(struct buf *out, uint64_t v)
{
    uint8_t bytes[8];
    put_64(bytes, v);
    buf_add(out, bytes, sizeof bytes);
}

static void encode_header(const struct snapshot_encoder *e, struct buf *out)
{
    uint8_t head[SNAPSHOT_HEADER_BYTES] = {0};
    uint8_t *p = put_bytes(head, file_magic, sizeof file_magic);
    p = put_32(p, SNAPSHOT_VERSION);
    p = put_32(p, e->is_base ? FLAG_BASE : 0);
    p = put_bytes(p, e->view->lineage, 16);
    p = put_64(p, e->view->seq);
    p = put_64(p, e->view->revision);
    p = put_64(p, (uint64_t)e->wall_ms);
    put_64(p, e->salt);
    put_32(head + 76, crc32c(0, head, 76));
    buf_add(out, head, sizeof head);
}

static size_t begin_block(struct buf *out, enum block_kind kind)
{
    size_t start = out->len;
    buf_add(out, block_magic, sizeof block_magic);
    add_64(out, 0);
    add_32(out, kind);
    return start;
}

static void end_block(struct buf *out, size_t start, uint64_t salt)
{
    static const char zeros[8];
    size_t payload = out->len - start - BLOCK_HEAD_BYTES;
    ASSERT(payload <= UINT32_MAX);
    buf_add(out, zeros, pad_8(payload) - payload);
    uint8_t *head = (uint8_t *)out->data + start;
    put_32(head + 8, (uint32_t)payload);
    put_32(head + 4, crc32c((uint32_t)salt, head + 8, out->len - start - 8));
}

static void add_item(const struct item *item, struct buf *out)
{
    add_64(out, item->revision);
    add_16(out, item->key_len);
    add_16(out, 0);
    add_32(out, item->len);
    buf_add(out, item_key(item), item->key_len);
    item_read(item, out);
}

static void add_lease(const struct lease *lease, struct buf *out)
{
    size_t name = strlen(lease->name), holder = strlen(lease->holder);
    size_t id = strlen(lease->request_id);
    add_64(out, lease->epoch);
    add_32(out, lease->ttl_ms);
    buf_add_char(out, (char)name);
    buf_add_char(out, (char)holder);
    buf_add_char(out, (char)id);
    buf_add_char(out, 0);
    buf_add(out, lease->name, name);
    buf_add(out, lease->holder, holder);
    buf_add(out, lease->request_id, id);
}

static void add_one(const struct view *v, enum block_kind kind, size_t i,
                    struct buf *out)
{
    switch (kind) {
    case BLOCK_ITEMS:
        add_item(v->items[i], out);
        break;
    case BLOCK_LEASES:
        add_lease(&v->leases[i], out);
        break;
    case BLOCK_REQUESTS:
        add_64(out, v->requests[i].revision);
        buf_add_char(out, (char)strlen(v->requests[i].id));
        buf_add_str(out, v->requests[i].id);
        break;
    case BLOCK_RUNS:
        add_64(out, v->history.runs[i].id);
        add_64(out, v->history.runs[i].first_seq);
        break;
    case BLOCK_END:
        add_64(out, v->n_items);
        add_64(out, v->n_leases);
        add_64(out, v->n_requests);
        add_64(out, v->history.n);
        break;
    }
}

static size_t count_of(const struct view *v, enum block_kind kind)
{
    switch (kind) {
    case BLOCK_ITEMS:
        return v->n_items;
    case BLOCK_LEASES:
        return v->n_leases;
    case BLOCK_REQUESTS:
        return v->n_requests;
    case BLOCK_RUNS:
        return v->history.n;
    case BLOCK_END:
        return 1;
    }
    return 0;
}

bool snapshot_encode(struct snapshot_encoder *e, struct buf *out)
{
    if (e->step == 0) {
        encode_header(e, out);
        e->step = BLOCK_ITEMS;
        return true;
    }
    while (e->step <= BLOCK_END &&
           e->at == count_of(e->view, (enum block_kind)e->step)) {
        e->step++;
        e->at = 0;
    }
    if (e->step > BLOCK_END)
        return false;
    enum block_kind kind = (enum block_kind)e->step;
    size_t n = count_of(e->view, kind);
    size_t start = begin_block(out, kind);
    while (e->at < n && out->len - start < SNAPSHOT_BLOCK_BYTES)
        add_one(e->view, kind, e->at++, out);
    end_block(out, start, e->salt);
    return true;
}

/* ---- from bytes ---- */

struct decoder {
    struct table *table;
    struct snapshot_info *info;
    uint64_t salt;
    struct item *last; /* borrowed: to see that keys come in order */
    bool has_ended;
};

static int decode_header(const uint8_t *data, size_t len, struct decoder *d,
                         struct err *err)
{
    if (len < SNAPSHOT_HEADER_BYTES ||
        memcmp(data, file_magic, sizeof file_magic) != 0)
        return err_set(err, ERR_CORRUPT, "offset 0: not a snapshot");
    struct reader r = {data + 8, data + SNAPSHOT_HEADER_BYTES, false};
    struct reader crc = {data + 76, data + 80, false};
    if (get_32(&crc) != crc32c(0, data, 76))
        return err_set(err, ERR_CORRUPT, "offset 0: header checksum");
    uint32_t version = get_32(&r);
    if (version != SNAPSHOT_VERSION)
        return err_set(err, ERR_UNSUPPORTED,
                       "snapshot format version %" PRIu32
                       "; this program reads %d",
                       version, SNAPSHOT_VERSION);
    d->info->is_base = get_32(&r) & FLAG_BASE;
    d->table = table_new(get_bytes(&r, 16));
    d->info->seq = get_64(&r);
    d->info->revision = get_64(&r);
    get_64(&r);
    d->salt = get_64(&r);
    return 0;
}

static bool get_item(struct decoder *d, struct reader *r)
{
    uint64_t revision = get_64(r);
    size_t key_len = get_16(r);
    uint16_t zero = get_16(r);
    size_t len = get_32(r);
    struct key key = {(const char *)get_bytes(r, key_len), key_len};
    const uint8_t *value = get_bytes(r, len);
    if (!value || zero || key_len < 1 || key_len > KEY_MAX_BYTES ||
        len > VALUE_MAX_BYTES || revision < 1 || revision > d->info->revision)
        return false;
    if (d->last && key_compare(item_name(d->last), key) >= 0)
        return false;
    d->last = item_new(key, value, len, revision);
    table_restore_item(d->table, d->last);
    return true;
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

static bool get_lease(struct decoder *d, struct reader *r)
{
    struct lease lease = {0};
    lease.epoch = get_64(r);
    lease.ttl_ms = get_32(r);
    const uint8_t *texts = get_bytes(r, REQUEST_TEXTS + 1);
    if (!texts || !texts[0] ||
        !get_text(r, lease.name, texts[0], LEASE_NAME_MAX) ||
        !get_text(r, lease.holder, texts[1], LEASE_HOLDER_MAX) ||
        !get_text(r, lease.request_id, texts[2], REQUEST_ID_MAX))
        return false;
    if (lease_book_count(table_leases(d->table)) == LEASES_MAX)
        return false;
    lease_book_apply(table_leases(d->table), &lease, 0);
    return true;
}

static bool get_request(struct decoder *d, struct reader *r)
{
    uint64_t revision = get_64(r);
    const uint8_t *len = get_bytes(r, 1);
    char id[REQUEST_ID_MAX + 1];
    if (!len || !get_text(r, id, *len, REQUEST_ID_MAX))
        return false;
    request_log_add(table_requests(d->table), id, revision);
    return true;
}

static bool get_run(struct decoder *d, struct reader *r)
{
    struct run run;
    run.id = get_64(r);
    run.first_seq = get_64(r);
    if (r->failed || !run.id || run.first_seq > d->info->seq)
        return false;
    history_add(table_history(d->table), run);
    return true;
}

static bool get_end(struct decoder *d, struct reader *r)
{
    struct table *t = d->table;
    d->has_ended = true;
    return get_64(r) == key_index_count(table_keys(t)) &&
           get_64(r) == lease_book_count(table_leases(t)) &&
           get_64(r) == request_log_count(table_requests(t)) &&
           get_64(r) == table_history(t)->n && !r->failed;
}

static bool get_payload(struct decoder *d, uint32_t kind, struct reader *r)
{
    static bool (*const readers[])(struct decoder *, struct reader *) = {
        [BLOCK_ITEMS] = get_item,       [BLOCK_LEASES] = get_lease,
        [BLOCK_REQUESTS] = get_request, [BLOCK_RUNS] = get_run,
        [BLOCK_END] = get_end,
    };
    if (kind < BLOCK_ITEMS || kind > BLOCK_END || d->has_ended)
        return false;
    while (r->p < r->end)
        if (!readers[kind](d, r))
            return false;
    return true;
}

/* Bytes of the block at data, or 0 with what is wrong with it. */
static size_t decode_block(struct decoder *d, const uint8_t *data, size_t len,
                           const char **wrong)
{
    struct reader r = {data, data + len, false};
    const uint8_t *magic = get_bytes(&r, sizeof block_magic);
    uint32_t crc = get_32(&r);
    size_t payload = get_32(&r);
    uint32_t kind = get_32(&r);
    size_t whole = pad_8(BLOCK_HEAD_BYTES + payload);
    *wrong = "cut short";
    if (r.failed || whole > len)
        return 0;
    *wrong = "block checksum";
    if (memcmp(magic, block_magic, sizeof block_magic) != 0 ||
        crc32c((uint32_t)d->salt, data + 8, whole - 8) != crc)
        return 0;
    *wrong = "contents that cannot be";
    r.end = r.p + payload;
    return get_payload(d, kind, &r) ? whole : 0;
}

struct table *snapshot_decode(const uint8_t *data, size_t len,
                              struct snapshot_info *info, struct err *err)
{
    struct decoder d = {.info = info};
    if (decode_header(data, len, &d, err) < 0)
        return NULL;
    AUTO(table) struct table *table = d.table;
    size_t at = SNAPSHOT_HEADER_BYTES;
    while (at < len) {
        const char *wrong;
        size_t used = decode_block(&d, data + at, len - at, &wrong);
        if (!used) {
            err_set(err, ERR_CORRUPT, "offset %zu: %s", at, wrong);
            return NULL;
        }
        at += used;
    }
    if (!d.has_ended) {
        err_set(err, ERR_CORRUPT, "offset %zu: cut short", at);
        return NULL;
    }
    table_restore_position(table, info->seq, info->revision);
    return MOVE(table);
}
