/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/bus/state_file.h"

#include <endian.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/id.h"

enum { KEY_MAX = 512, VALUE_MAX = 16 << 20 };

/* ---- numbers ------------------------------------------------------------- */

static void put_16(uint8_t *p, uint16_t v)
{
    v = htole16(v);
    memcpy(p, &v, sizeof v);
}

static void put_32(uint8_t *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof v);
}

static void put_64(uint8_t *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof v);
}

static uint16_t get_16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return le16toh(v);
}

static uint32_t get_32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static uint64_t get_64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

/* ---- writing ------------------------------------------------------------- */

void state_file_begin(struct state_file_writer *w,
                      const struct state_file_head *head, struct buf *out)
{
    uint8_t b[STATE_FILE_HEADER_BYTES] = "REEVESTA";
    put_32(b + 8, STATE_FILE_VERSION);
    put_32(b + 12, STATE_FILE_HEADER_BYTES);
    memcpy(b + 16, head->lineage, 16);
    put_64(b + 32, head->revision);
    put_64(b + 40, (uint64_t)head->wall_ms);
    w->seed = crc32c(0, b, 60);
    put_32(b + 60, w->seed);
    buf_add(out, b, sizeof b);
}

void state_file_item(struct state_file_writer *w,
                     const struct state_file_item *item, struct buf *out)
{
    ASSERT(item->key_len <= KEY_MAX && item->len <= VALUE_MAX);
    uint8_t b[STATE_FILE_PART_BYTES] = "RVit";
    put_64(b + 8, item->revision);
    put_32(b + 16, (uint32_t)item->len);
    put_16(b + 20, (uint16_t)item->key_len);
    uint32_t crc = crc32c(w->seed, b + 8, sizeof b - 8);
    crc = crc32c(crc, item->key, item->key_len);
    crc = crc32c(crc, item->value, item->len);
    put_32(b + 4, crc);
    buf_add(out, b, sizeof b);
    buf_add(out, item->key, item->key_len);
    if (item->len)
        buf_add(out, item->value, item->len);
    w->items++;
    w->bytes += item->key_len + item->len;
}

void state_file_end(const struct state_file_writer *w, struct buf *out)
{
    uint8_t b[STATE_FILE_PART_BYTES] = "RVen";
    put_64(b + 8, w->items);
    put_64(b + 16, w->bytes);
    put_32(b + 4, crc32c(w->seed, b + 8, sizeof b - 8));
    buf_add(out, b, sizeof b);
}

/* ---- reading ------------------------------------------------------------- */

struct reading {
    const uint8_t *data;
    size_t len, at;
    struct state_file_head *head;
    struct state_file_writer seen; /* what the end must say */
    struct state_file_item last;
    struct err *err;
};

static int damaged(const struct reading *r, const char *why)
{
    return err_set(r->err, ERR_CORRUPT,
                   "not a whole state file: %s at offset %zu of %zu", why,
                   r->at, r->len);
}

static int read_head(struct reading *r)
{
    const uint8_t *b = r->data;
    if (r->len < STATE_FILE_HEADER_BYTES)
        return damaged(r, "no header");
    if (memcmp(b, "REEVESTA", 8) != 0)
        return damaged(r, "no state file's first bytes");
    uint32_t version = get_32(b + 8);
    if (get_32(b + 60) != crc32c(0, b, 60))
        return damaged(r, "a header whose checksum is wrong");
    if (version < 1 || version > STATE_FILE_VERSION)
        return err_set(r->err, ERR_UNSUPPORTED,
                       "a state file of format version %" PRIu32
                       ": this program reads versions 1 to %d%s",
                       version, STATE_FILE_VERSION,
                       version ? "; a newer Reeve wrote it" : "");
    if (get_32(b + 12) != STATE_FILE_HEADER_BYTES)
        return damaged(r, "a header of another length");
    memcpy(r->head->lineage, b + 16, 16);
    r->head->revision = get_64(b + 32);
    r->head->wall_ms = (int64_t)get_64(b + 40);
    r->seen.seed = get_32(b + 60);
    r->at = STATE_FILE_HEADER_BYTES;
    return 0;
}

static const char *why_bad(const struct reading *r,
                           const struct state_file_item *item)
{
    for (size_t i = 0; i < item->key_len; i++)
        if (item->key[i] < 0x21 || item->key[i] > 0x7e)
            return "a key that is not printable ASCII";
    if (item->revision == 0 || item->revision > r->head->revision)
        return "an item newer than the store";
    if (!r->last.key)
        return NULL;
    size_t n = MIN(r->last.key_len, item->key_len);
    int order = memcmp(r->last.key, item->key, n);
    if (order > 0 || (order == 0 && r->last.key_len >= item->key_len))
        return "keys out of order";
    return NULL;
}

static int read_item(struct reading *r, struct state_file_item *item)
{
    const uint8_t *b = r->data + r->at;
    item->revision = get_64(b + 8);
    item->len = get_32(b + 16);
    item->key_len = get_16(b + 20);
    item->key = (const char *)b + STATE_FILE_PART_BYTES;
    item->value = b + STATE_FILE_PART_BYTES + item->key_len;
    if (item->key_len < 1 || item->key_len > KEY_MAX || item->len > VALUE_MAX ||
        get_16(b + 22) != 0)
        return damaged(r, "an item of impossible size");
    size_t whole = STATE_FILE_PART_BYTES + item->key_len + item->len;
    if (whole > r->len - r->at)
        return damaged(r, "an item that is cut off");
    if (get_32(b + 4) != crc32c(r->seen.seed, b + 8, whole - 8))
        return damaged(r, "an item whose checksum is wrong");
    const char *why = why_bad(r, item);
    if (why)
        return damaged(r, why);
    r->last = *item;
    r->seen.items++;
    r->seen.bytes += item->key_len + item->len;
    r->at += whole;
    return 0;
}

static int read_end(struct reading *r)
{
    const uint8_t *b = r->data + r->at;
    if (get_32(b + 4) != crc32c(r->seen.seed, b + 8, STATE_FILE_PART_BYTES - 8))
        return damaged(r, "an end whose checksum is wrong");
    if (get_64(b + 8) != r->seen.items || get_64(b + 16) != r->seen.bytes)
        return damaged(r, "an end that counts other items");
    r->at += STATE_FILE_PART_BYTES;
    if (r->at != r->len)
        return damaged(r, "more behind the end");
    return 0;
}

int state_file_read(struct buf file, struct state_file_head *head,
                    void (*fn)(void *self, const struct state_file_item *item),
                    void *self, struct err *err)
{
    struct reading r = {.data = (const uint8_t *)buf_text(&file),
                        .len = file.len,
                        .head = head,
                        .err = err};
    if (read_head(&r) < 0)
        return -1;
    for (;;) {
        struct state_file_item item;
        if (r.len - r.at < STATE_FILE_PART_BYTES)
            return damaged(&r, "no end");
        if (memcmp(r.data + r.at, "RVen", 4) == 0)
            return read_end(&r);
        if (memcmp(r.data + r.at, "RVit", 4) != 0)
            return damaged(&r, "neither an item nor the end");
        if (read_item(&r, &item) < 0)
            return -1;
        if (fn)
            fn(self, &item);
    }
}
