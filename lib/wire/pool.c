/* SPDX-License-Identifier: Apache-2.0 */
/* pool - see pool.h
 *
 * A message is unpacked into a scratch piece, measured, and copied into a block
 * of just that size: the block's length, then the message, then what it points
 * to.  A text outside of its block is a shared one (or a default), so freeing
 * needs no list of them.
 */
#include "lib/wire/pool.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/base/base.h"
#include "lib/base/heap.h"
#include "lib/base/err.h"
#include "lib/wire/field.h"
#include "lib/wire/scan.h"

enum { SCRATCH_BYTES = 32 * 1024 };

struct text {
    UT_hash_handle hh;
    size_t refs;
    char bytes[];
};

struct wire_pool {
    struct text *texts;
    uint8_t *scratch;
    size_t used;
};

struct block {
    size_t size; /* of all of it */
    max_align_t start[];
};

/* A copy in the making; block NULL: only its size is wanted. */
struct copy {
    struct wire_pool *pool;
    const struct wire_pool_rule *rule;
    char *block;
    size_t used;
};

struct wire_pool *wire_pool_new(void)
{
    return xcalloc(1, sizeof(struct wire_pool));
}

void wire_pool_destroy(struct wire_pool **pool)
{
    if (!*pool)
        return;
    ASSERT(!(*pool)->texts);
    free((*pool)->scratch);
    free(*pool);
    *pool = NULL;
}

/* ---- shared texts ------------------------------------------------------ */

static char *share(struct wire_pool *pool, const char *bytes)
{
    struct text *text;
    HASH_FIND_STR(pool->texts, bytes, text);
    if (!text) {
        size_t len = strlen(bytes);
        text = heap_keep(sizeof *text + len + 1);
        memcpy(text->bytes, bytes, len);
        HASH_ADD_KEYPTR(hh, pool->texts, text->bytes, len, text);
    }
    text->refs++;
    return text->bytes;
}

static void unshare(struct wire_pool *pool, char *bytes)
{
    struct text *text =
        (struct text *)(void *)(bytes - offsetof(struct text, bytes));
    if (--text->refs > 0)
        return;
    HASH_DEL(pool->texts, text);
    heap_keep_free(text);
}

/* ---- copying ----------------------------------------------------------- */

static bool is_named(const char *const *list, const char *name)
{
    for (; list && *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

static bool is_own(const struct copy *c, const char *name)
{
    return c->rule && is_named(c->rule->own, name);
}

static bool is_dropped(const struct copy *c, const char *name)
{
    return c->rule && is_named(c->rule->drop, name);
}

/* Room in the block, filled from data; NULL while measuring. */
static void *put(struct copy *c, const void *data, size_t size, size_t align)
{
    c->used = (c->used + align - 1) / align * align;
    void *place = c->block ? c->block + c->used : NULL;
    if (place && size)
        memcpy(place, data, size);
    c->used += size;
    return place;
}

static ProtobufCMessage *put_message(struct copy *c,
                                     const ProtobufCMessage *message);

static char *put_text(struct copy *c, const ProtobufCFieldDescriptor *field,
                      const char *text)
{
    if (!text || text == (const char *)field->default_value)
        return (char *)(uintptr_t)text;
    if (is_own(c, field->name))
        return put(c, text, strlen(text) + 1, 1);
    return c->block ? share(c->pool, text) : NULL;
}

/* from: one element of the original; to: its place, NULL while measuring. */
static void put_element(struct copy *c, const ProtobufCFieldDescriptor *field,
                        const void *from, void *to)
{
    ProtobufCBinaryData bytes;
    ProtobufCMessage *message;
    char *text;
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_STRING:
        memcpy(&text, from, sizeof text);
        text = put_text(c, field, text);
        if (to)
            memcpy(to, &text, sizeof text);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        memcpy(&bytes, from, sizeof bytes);
        if (!bytes.data || is_dropped(c, field->name))
            bytes.len = 0;
        bytes.data = bytes.len ? put(c, bytes.data, bytes.len, 1) : NULL;
        if (to)
            memcpy(to, &bytes, sizeof bytes);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        memcpy(&message, from, sizeof message);
        message = message ? put_message(c, message) : NULL;
        if (to)
            memcpy(to, &message, sizeof message);
        break;
    default:
        break;
    }
}

static void put_list(struct copy *c, const ProtobufCFieldDescriptor *field,
                     const ProtobufCMessage *from, ProtobufCMessage *to)
{
    size_t count = *field_count(from, field), size = field_value_size(field);
    const char *old;
    char *list;
    memcpy(&old, field_member(from, field), sizeof old);
    list = count ? put(c, old, count * size, sizeof(void *)) : NULL;
    for (size_t i = 0; i < count; i++)
        put_element(c, field, old + i * size, list ? list + i * size : NULL);
    if (to)
        memcpy(field_member(to, field), &list, sizeof list);
}

/* The member of a oneof that is not the chosen one is another's. */
static bool has_member(const ProtobufCMessage *message,
                       const ProtobufCFieldDescriptor *field)
{
    return !field_is_oneof(field) || field_is_set(message, field);
}

static void put_unknown(struct copy *c, const ProtobufCMessage *from,
                        ProtobufCMessage *to)
{
    size_t n = from->n_unknown_fields;
    ProtobufCMessageUnknownField *list =
        n ? put(c, from->unknown_fields, n * sizeof *list, sizeof(void *))
          : NULL;
    for (size_t i = 0; i < n; i++) {
        const ProtobufCMessageUnknownField *old = &from->unknown_fields[i];
        uint8_t *data = put(c, old->data, old->len, 1);
        if (list)
            list[i].data = data;
    }
    if (to)
        to->unknown_fields = list;
}

static ProtobufCMessage *put_message(struct copy *c,
                                     const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    ProtobufCMessage *to =
        put(c, message, type->sizeof_message, _Alignof(max_align_t));
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            put_list(c, field, message, to);
        else if (has_member(message, field))
            put_element(c, field, field_member(message, field),
                        to ? field_member(to, field) : NULL);
    }
    put_unknown(c, message, to);
    return to;
}

static ProtobufCMessage *copy_message(struct wire_pool *pool,
                                      const struct wire_pool_rule *rule,
                                      const ProtobufCMessage *message)
{
    struct copy c = {.pool = pool, .rule = rule};
    put_message(&c, message);
    struct block *block = heap_keep(sizeof *block + c.used);
    block->size = c.used;
    c = (struct copy){pool, rule, (char *)block->start, 0};
    ProtobufCMessage *copy = put_message(&c, message);
    ASSERT(c.used == block->size);
    return copy;
}

/* ---- decoding ---------------------------------------------------------- */

static void *scratch_take(void *self, size_t size)
{
    struct wire_pool *pool = self;
    const size_t align = _Alignof(max_align_t);
    if (size > SCRATCH_BYTES)
        return malloc(size);
    size = (size + align - 1) / align * align;
    if (size > SCRATCH_BYTES - pool->used)
        return malloc(size);
    pool->used += size;
    return pool->scratch + pool->used - size;
}

static void scratch_give_back(void *self, void *place)
{
    const struct wire_pool *pool = self;
    const uint8_t *p = place;
    if (p < pool->scratch || p >= pool->scratch + SCRATCH_BYTES)
        free(place);
}

ProtobufCMessage *wire_pool_decode(struct wire_pool *pool,
                                   const ProtobufCMessageDescriptor *type,
                                   const void *data, size_t len,
                                   const struct wire_pool_rule *rule,
                                   struct err *err)
{
    static const uint8_t nothing[1];
    const uint8_t *bytes = len ? data : nothing;
    ProtobufCAllocator memory = {scratch_take, scratch_give_back, pool};
    if (wire_scan(type, bytes, len, err) < 0)
        return NULL;
    if (!pool->scratch)
        pool->scratch = xmalloc(SCRATCH_BYTES);
    pool->used = 0;
    ProtobufCMessage *message =
        protobuf_c_message_unpack(type, &memory, len, bytes);
    if (!message) {
        err_set(err, ERR_INVALID,
                "%s: a required field is missing or has a wrong type",
                type->name);
        return NULL;
    }
    ProtobufCMessage *copy = copy_message(pool, rule, message);
    protobuf_c_message_free_unpacked(message, &memory);
    return copy;
}

/* ---- freeing ----------------------------------------------------------- */

struct leaving {
    struct wire_pool *pool;
    const char *start, *end; /* of the block */
};

static void leave_message(const struct leaving *l,
                          const ProtobufCMessage *message);

static void leave_element(const struct leaving *l,
                          const ProtobufCFieldDescriptor *field,
                          const void *element)
{
    ProtobufCMessage *message;
    char *text;
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        memcpy(&text, element, sizeof text);
        if (text && text != (const char *)field->default_value &&
            (text < l->start || text >= l->end))
            unshare(l->pool, text);
    } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        memcpy(&message, element, sizeof message);
        if (message)
            leave_message(l, message);
    }
}

static void leave_list(const struct leaving *l,
                       const ProtobufCFieldDescriptor *field,
                       const ProtobufCMessage *message)
{
    size_t count = *field_count(message, field);
    size_t size = field_value_size(field);
    const char *list;
    memcpy(&list, field_member(message, field), sizeof list);
    for (size_t i = 0; i < count; i++)
        leave_element(l, field, list + i * size);
}

static void leave_message(const struct leaving *l,
                          const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            leave_list(l, field, message);
        else if (has_member(message, field))
            leave_element(l, field, field_member(message, field));
    }
}

void wire_pool_free(struct wire_pool *pool, ProtobufCMessage **message)
{
    if (!*message)
        return;
    char *start = (char *)*message;
    struct block *block =
        (struct block *)(void *)(start - offsetof(struct block, start));
    struct leaving l = {pool, start, start + block->size};
    leave_message(&l, *message);
    heap_keep_free(block);
    *message = NULL;
}
