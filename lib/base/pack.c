/* SPDX-License-Identifier: Apache-2.0 */
/* pack - see pack.h
 *
 * The packed form is a row of tokens:
 *
 *   0nnnnnnn             n + 1 bytes follow as they are
 *   10nnnnnn offset      n + MIN_COPY bytes of the base
 *   110nnnnn distance    n + MIN_COPY bytes of what was read already
 *   11100000             16 bytes follow: a UUID as text
 *
 * n at its largest is followed by a number that is added.  The offset counts
 * from where the base would go on if nothing had been put in or left out, so it
 * is mostly 0.  Numbers are varints, the offset in zigzag.
 *
 * A shape has some bases.  A value that none of them helps becomes one itself;
 * one that nothing was packed with any more makes room.
 */
#include "lib/base/pack.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/heap.h"
#include "lib/base/buf.h"
#include "lib/base/id.h"

enum {
    MIN_COPY = 4,
    MIN_VALUE = 96,
    MAX_SHAPES = 64,
    MAX_BASES = 4, /* of one shape */
    MAX_SHAPE_TEXT = 160,
    MAX_VALUE = 64 * 1024, /* larger ones are few, and take long */
    LITERALS = 128,
    COPY_BASE = 0x80,
    COPY_SELF = 0xc0,
    UUID_TOKEN = 0xe0,
    COPY_BASE_MOST = 0x3f,
    COPY_SELF_MOST = 0x1f,
    UUID_CHARS = UUID_TEXT_SIZE - 1,
    UUID_BYTES = 16,
    MIN_BITS = 8,
    MAX_BITS = 15,
};

/* Where a hash of four bytes was seen last, + 1. */
struct places {
    uint32_t *at;
    unsigned bits;
};

struct base {
    size_t refs; /* values packed with it, and the shape */
    size_t len;
    struct places places;
    uint8_t data[];
};

struct shape {
    char *text;
    struct base *bases[MAX_BASES];
    size_t n;
};

struct pack {
    struct shape shapes[MAX_SHAPES];
    size_t n;
};

struct packed {
    struct base *base; /* NULL: needs none */
    uint32_t len;
    uint32_t size; /* as len: no tokens, but the bytes themselves */
    uint8_t tokens[];
};

/* ---- places ------------------------------------------------------------ */

static struct places places_new(size_t len)
{
    struct places p = {.bits = MIN_BITS};
    while (p.bits < MAX_BITS && ((size_t)1 << p.bits) < len)
        p.bits++;
    p.at = xcalloc((size_t)1 << p.bits, sizeof *p.at);
    return p;
}

static uint32_t *place_of(const struct places *p, const uint8_t *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return &p->at[(word * 2654435761u) >> (32 - p->bits)];
}

/* ---- bases ------------------------------------------------------------- */

static struct base *base_new(const uint8_t *data, size_t len)
{
    struct base *base = xmalloc(sizeof *base + len);
    base->refs = 1;
    base->len = len;
    memcpy(base->data, data, len);
    base->places = places_new(len);
    for (size_t i = 0; i + MIN_COPY <= len; i++)
        *place_of(&base->places, data + i) = (uint32_t)i + 1;
    return base;
}

static void base_unref(struct base *base)
{
    if (!base || --base->refs > 0)
        return;
    free(base->places.at);
    free(base);
}

struct pack *pack_new(void)
{
    return xcalloc(1, sizeof(struct pack));
}

static void shape_clear(struct shape *shape)
{
    for (size_t i = 0; i < shape->n; i++)
        base_unref(shape->bases[i]);
    free(shape->text);
    memset(shape, 0, sizeof *shape);
}

void pack_destroy(struct pack **pack)
{
    if (!*pack)
        return;
    for (size_t i = 0; i < (*pack)->n; i++)
        shape_clear(&(*pack)->shapes[i]);
    free(*pack);
    *pack = NULL;
}

/* ---- shapes ------------------------------------------------------------ */

/* The key with '*' for each part that has a digit. */
static void shape_of(const char *key, char out[MAX_SHAPE_TEXT])
{
    size_t n = 0;
    while (*key && n + 1 < MAX_SHAPE_TEXT) {
        size_t part = strcspn(key, "/");
        size_t plain = strcspn(key, "/0123456789");
        if (plain < part) {
            out[n++] = '*';
        } else {
            size_t fits = MIN(part, MAX_SHAPE_TEXT - 1 - n);
            memcpy(out + n, key, fits);
            n += fits;
        }
        key += part;
        if (*key && n + 1 < MAX_SHAPE_TEXT)
            out[n++] = *key;
        key += *key != '\0';
    }
    out[n] = '\0';
}

/* Does nobody but the shape hold its bases? */
static bool is_idle(const struct shape *shape)
{
    for (size_t i = 0; i < shape->n; i++)
        if (shape->bases[i]->refs > 1)
            return false;
    return true;
}

/* NULL: there are too many. */
static struct shape *find_shape(struct pack *pack, const char *key)
{
    char text[MAX_SHAPE_TEXT];
    struct shape *idle = NULL;
    shape_of(key, text);
    for (size_t i = 0; i < pack->n; i++) {
        if (strcmp(pack->shapes[i].text, text) == 0)
            return &pack->shapes[i];
        if (is_idle(&pack->shapes[i]))
            idle = &pack->shapes[i];
    }
    if (pack->n < MAX_SHAPES)
        idle = &pack->shapes[pack->n++];
    else if (idle)
        shape_clear(idle);
    if (idle)
        idle->text = xstrdup(text);
    return idle;
}

/* Takes the value for a base; false: all of them are in use. */
static bool add_base(struct shape *shape, const uint8_t *data, size_t len)
{
    size_t at = 0;
    if (shape->n < MAX_BASES)
        at = shape->n++;
    else
        while (at < MAX_BASES && shape->bases[at]->refs > 1)
            at++;
    if (at == MAX_BASES)
        return false;
    base_unref(shape->bases[at]);
    shape->bases[at] = base_new(data, len);
    return true;
}

/* ---- packing ----------------------------------------------------------- */

struct packer {
    const uint8_t *data;
    size_t len, at;  /* at: packed up to here, but for literals */
    size_t literals; /* waiting before at */
    size_t expected; /* in the base */
    const struct base *base;
    struct places self;
    struct buf *out;
};

struct match {
    bool is_self;
    size_t from, len;
};

static void put_number(struct buf *out, uint64_t n)
{
    for (; n >= 0x80; n >>= 7)
        buf_add_char(out, (char)(n | 0x80));
    buf_add_char(out, (char)n);
}

static void flush_literals(struct packer *p)
{
    while (p->literals) {
        size_t n = MIN(p->literals, (size_t)LITERALS);
        buf_add_char(p->out, (char)(n - 1));
        buf_add(p->out, p->data + p->at - p->literals, n);
        p->literals -= n;
    }
}

static bool is_uuid(const struct packer *p, size_t at)
{
    uint8_t bytes[UUID_BYTES];
    char text[UUID_TEXT_SIZE], again[UUID_TEXT_SIZE];
    const uint8_t *s = p->data + at;
    if (p->len - at < UUID_CHARS || s[8] != '-' || s[13] != '-' ||
        s[18] != '-' || s[23] != '-')
        return false;
    memcpy(text, s, UUID_CHARS);
    text[UUID_CHARS] = '\0';
    if (!uuid_parse(text, bytes))
        return false;
    uuid_format(bytes, again); /* lower case only */
    return memcmp(text, again, UUID_CHARS) == 0;
}

static size_t common(const uint8_t *a, const uint8_t *b, size_t most)
{
    size_t n = 0;
    while (n < most && a[n] == b[n])
        n++;
    return n;
}

static struct match match_base(const struct packer *p, size_t from)
{
    size_t most;
    if (!p->base || from >= p->base->len)
        return (struct match){0};
    most = MIN(p->base->len - from, p->len - p->at);
    return (struct match){false, from,
                          common(p->base->data + from, p->data + p->at, most)};
}

static struct match better(struct match a, struct match b)
{
    return b.len > a.len ? b : a;
}

/* The longest of what is at the expected place of the base, elsewhere in it,
 * and in the value itself. */
static struct match find_match(const struct packer *p)
{
    struct match best = match_base(p, p->expected);
    if (best.len < MIN_COPY)
        best.len = 0;
    if (p->len - p->at < MIN_COPY || best.len >= 64)
        return best;
    uint32_t place = p->base ? *place_of(&p->base->places, p->data + p->at) : 0;
    if (place)
        best = better(best, match_base(p, place - 1));
    place = *place_of(&p->self, p->data + p->at);
    if (place) {
        size_t from = place - 1;
        best =
            better(best, (struct match){true, from,
                                        common(p->data + from, p->data + p->at,
                                               p->len - p->at)});
    }
    return best;
}

/* A match that ends inside a UUID by chance ends before it. */
static size_t cut_before_uuid(const struct packer *p, size_t len)
{
    size_t end = p->at + len;
    for (size_t back = 1; back <= 4 && back < len; back++)
        if (is_uuid(p, end - back))
            return len - back;
    return len;
}

static void note_self(struct packer *p, size_t len)
{
    for (size_t i = p->at; i < p->at + len && i + MIN_COPY <= p->len; i++)
        *place_of(&p->self, p->data + i) = (uint32_t)i + 1;
}

static void advance(struct packer *p, size_t len)
{
    note_self(p, len);
    p->at += len;
    p->expected += len;
}

static void put_copy(struct packer *p, const struct match *m)
{
    size_t n = m->len - MIN_COPY;
    size_t most = m->is_self ? COPY_SELF_MOST : COPY_BASE_MOST;
    flush_literals(p);
    buf_add_char(p->out,
                 (char)((m->is_self ? COPY_SELF : COPY_BASE) | MIN(n, most)));
    if (n >= most)
        put_number(p->out, n - most);
    if (m->is_self) {
        put_number(p->out, p->at - m->from);
    } else {
        int64_t delta = (int64_t)m->from - (int64_t)p->expected;
        put_number(p->out, ((uint64_t)delta << 1) ^ (uint64_t)(delta >> 63));
        p->expected = m->from;
    }
    advance(p, m->len);
}

static void put_uuid(struct packer *p)
{
    uint8_t bytes[UUID_BYTES];
    char text[UUID_TEXT_SIZE];
    memcpy(text, p->data + p->at, UUID_CHARS);
    text[UUID_CHARS] = '\0';
    uuid_parse(text, bytes);
    flush_literals(p);
    buf_add_char(p->out, (char)UUID_TOKEN);
    buf_add(p->out, bytes, sizeof bytes);
    advance(p, UUID_CHARS);
}

static void put_next(struct packer *p)
{
    struct match m = find_match(p);
    if (m.len < UUID_CHARS && is_uuid(p, p->at)) {
        put_uuid(p);
        return;
    }
    if (m.len > MIN_COPY)
        m.len = cut_before_uuid(p, m.len);
    if (m.len > MIN_COPY || (m.len == MIN_COPY && !p->literals)) {
        put_copy(p, &m);
        return;
    }
    advance(p, 1);
    p->literals++;
}

/* NULL when it would take more than `most` bytes. */
static struct packed *pack_with(struct base *base, const uint8_t *data,
                                size_t len, size_t most)
{
    AUTO_BUF struct buf out = {0};
    struct packer p = {.data = data, .len = len, .base = base, .out = &out};
    struct packed *packed = NULL;
    p.self = places_new(len);
    while (p.at < len && out.len + p.literals <= most)
        put_next(&p);
    flush_literals(&p);
    free(p.self.at);
    if (p.at < len || out.len > most)
        return NULL;
    packed = heap_keep(sizeof *packed + out.len);
    packed->base = base;
    packed->len = (uint32_t)len;
    packed->size = (uint32_t)out.len;
    memcpy(packed->tokens, out.data, out.len);
    if (base)
        base->refs++;
    return packed;
}

struct packed *pack_value(struct pack *pack, const char *key, const void *data,
                          size_t len)
{
    if (len < MIN_VALUE || len > MAX_VALUE)
        return NULL;
    struct shape *shape = find_shape(pack, key);
    for (size_t i = 0; shape && i < shape->n; i++) {
        struct packed *packed = pack_with(shape->bases[i], data, len, len / 3);
        if (packed)
            return packed;
    }
    if (shape && add_base(shape, data, len))
        return NULL;
    return pack_with(NULL, data, len, len / 2);
}

struct packed *pack_keep(struct pack *pack, const char *key, const void *data,
                         size_t len)
{
    struct packed *packed = pack_value(pack, key, data, len);
    if (packed)
        return packed;
    ASSERT(len <= UINT32_MAX);
    packed = heap_keep(sizeof *packed + len);
    packed->base = NULL;
    packed->len = packed->size = (uint32_t)len;
    if (len)
        memcpy(packed->tokens, data, len);
    return packed;
}

/* ---- reading ----------------------------------------------------------- */

struct reader {
    const uint8_t *at, *end;
    size_t expected;
    const struct base *base;
    struct buf *out;
    size_t start; /* of the value in out */
};

static uint64_t get_number(struct reader *r)
{
    uint64_t n = 0;
    for (unsigned shift = 0; r->at < r->end; shift += 7) {
        uint8_t byte = *r->at++;
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            break;
    }
    return n;
}

static void read_literals(struct reader *r, size_t n)
{
    ASSERT((size_t)(r->end - r->at) >= n);
    buf_add(r->out, r->at, n);
    r->at += n;
    r->expected += n;
}

static void read_base(struct reader *r, size_t n)
{
    if (n == COPY_BASE_MOST)
        n += get_number(r);
    n += MIN_COPY;
    uint64_t zigzag = get_number(r);
    size_t from = r->expected + (size_t)((zigzag >> 1) ^ (~(zigzag & 1) + 1));
    ASSERT(r->base && from <= r->base->len && n <= r->base->len - from);
    buf_add(r->out, r->base->data + from, n);
    r->expected = from + n;
}

/* What is copied may overlap what it makes. */
static void read_self(struct reader *r, size_t n)
{
    if (n == COPY_SELF_MOST)
        n += get_number(r);
    n += MIN_COPY;
    size_t distance = get_number(r);
    ASSERT(distance > 0 && distance <= r->out->len - r->start);
    r->expected += n;
    while (n) {
        size_t some = MIN(n, distance);
        buf_reserve(r->out, some);
        buf_add(r->out, r->out->data + r->out->len - distance, some);
        n -= some;
    }
}

static void read_uuid(struct reader *r)
{
    char text[UUID_TEXT_SIZE];
    ASSERT(r->end - r->at >= UUID_BYTES);
    uuid_format(r->at, text);
    buf_add(r->out, text, UUID_CHARS);
    r->at += UUID_BYTES;
    r->expected += UUID_CHARS;
}

void packed_read(const struct packed *packed, struct buf *out)
{
    struct reader r = {
        packed->tokens, packed->tokens + packed->size, 0, packed->base, out,
        out->len};
    if (packed->size == packed->len) {
        buf_add(out, packed->tokens, packed->len);
        return;
    }
    buf_reserve(out, packed->len);
    while (r.at < r.end) {
        uint8_t token = *r.at++;
        if (token < COPY_BASE)
            read_literals(&r, (size_t)token + 1);
        else if (token < COPY_SELF)
            read_base(&r, token & COPY_BASE_MOST);
        else if (token < UUID_TOKEN)
            read_self(&r, token & COPY_SELF_MOST);
        else
            read_uuid(&r);
    }
    ASSERT(out->len - r.start == packed->len);
}

size_t packed_len(const struct packed *packed)
{
    return packed->len;
}

size_t packed_size(const struct packed *packed)
{
    return sizeof *packed + packed->size;
}

void packed_free(struct packed *packed)
{
    if (!packed)
        return;
    base_unref(packed->base);
    heap_keep_free(packed);
}
