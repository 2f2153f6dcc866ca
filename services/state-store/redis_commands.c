/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/redis_commands.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "services/state-store/history.h"
#include "services/state-store/record.h"
#include "services/state-store/resp.h"

void redis_keys_init(struct redis_keys *keys, const char *prefix)
{
    keys->kv = xasprintf("%skv:", prefix);
    keys->rev = xasprintf("%srev", prefix);
    keys->meta = xasprintf("%smeta", prefix);
    keys->requests = xasprintf("%srequests", prefix);
    keys->leases = xasprintf("%sleases", prefix);
    keys->runs = xasprintf("%sruns", prefix);
    keys->owner = xasprintf("%sowner", prefix);
}

void redis_keys_free(struct redis_keys *keys)
{
    free(keys->kv);
    free(keys->rev);
    free(keys->meta);
    free(keys->requests);
    free(keys->leases);
    free(keys->runs);
    free(keys->owner);
    memset(keys, 0, sizeof *keys);
}

enum { KEEP_BYTES = 256 << 10 }; /* of a buffer, from batch to batch */

void redis_batch_begin(struct redis_batch *b, const struct redis_keys *keys)
{
    b->keys = keys;
    b->n = b->n_items = b->n_requests = 0;
    buf_reset(&b->out, KEEP_BYTES);
    buf_reset(&b->values, KEEP_BYTES);
    buf_reset(&b->revisions, KEEP_BYTES);
    buf_reset(&b->requests, KEEP_BYTES);
}

void redis_batch_free(struct redis_batch *b)
{
    buf_free(&b->out);
    buf_free(&b->values);
    buf_free(&b->revisions);
    buf_free(&b->requests);
}

size_t redis_batch_bytes(const struct redis_batch *b)
{
    return b->out.len + b->values.len + b->revisions.len + b->requests.len;
}

/* A command whose arguments are already in args: name, [key,] args. */
static void add_joined(struct redis_batch *b, const char *name, const char *key,
                       const struct buf *args, size_t n_args)
{
    resp_begin(&b->out, 1 + (key != NULL) + n_args);
    resp_arg(&b->out, name, strlen(name));
    if (key)
        resp_arg(&b->out, key, strlen(key));
    buf_add(&b->out, args->data, args->len);
    b->n++;
}

static void close_items(struct redis_batch *b)
{
    size_t n = b->n_items;
    if (n == 0)
        return;
    if (b->is_delete) {
        add_joined(b, "DEL", NULL, &b->values, n);
        add_joined(b, "HDEL", b->keys->rev, &b->revisions, n);
    } else {
        add_joined(b, "MSET", NULL, &b->values, 2 * n);
        add_joined(b, "HSET", b->keys->rev, &b->revisions, 2 * n);
    }
    b->n_items = 0;
    buf_clear(&b->values);
    buf_clear(&b->revisions);
}

static void close_requests(struct redis_batch *b)
{
    if (b->n_requests == 0)
        return;
    char from[24];
    snprintf(from, sizeof from, "-%d", REQUESTS_REMEMBERED);
    add_joined(b, "RPUSH", b->keys->requests, &b->requests, b->n_requests);
    b->n_requests = 0;
    buf_clear(&b->requests);
    redis_batch_command(b, "LTRIM", b->keys->requests, from, "-1", NULL);
}

void redis_batch_item(struct redis_batch *b, const struct item *item)
{
    if (b->n_items && b->is_delete != item->is_deleted)
        close_items(b);
    b->is_delete = item->is_deleted;
    b->n_items++;
    resp_arg_joined(&b->values, b->keys->kv, item_key(item));
    resp_arg(&b->revisions, item_key(item), item->key_len);
    if (item->is_deleted)
        return;
    if (item->is_packed) {
        AUTO_BUF struct buf value = {0};
        item_read(item, &value);
        resp_arg(&b->values, value.data, value.len);
    } else {
        resp_arg(&b->values, item_value(item), item->len);
    }
    resp_arg_u64(&b->revisions, item->revision);
}

void redis_batch_request(struct redis_batch *b, uint64_t revision,
                         const char *id)
{
    char text[REQUEST_ID_MAX + 32];
    int len = snprintf(text, sizeof text, "%" PRIu64 " %s", revision, id);
    resp_arg(&b->requests, text, (size_t)len);
    b->n_requests++;
}

void redis_batch_lease(struct redis_batch *b, const struct lease *lease)
{
    AUTO_FREE char *text = xasprintf(
        "%" PRIu64 " %" PRIu32 " %s %s", lease->epoch, lease->ttl_ms,
        lease->request_id[0] ? lease->request_id : "-", lease->holder);
    redis_batch_command(b, "HSET", b->keys->leases, lease->name, text, NULL);
}

void redis_batch_run(struct redis_batch *b, const struct run *run)
{
    char text[64], from[24];
    snprintf(text, sizeof text, "%016" PRIx64 " %" PRIu64, run->id,
             run->first_seq);
    snprintf(from, sizeof from, "-%d", RUNS_REMEMBERED);
    redis_batch_command(b, "RPUSH", b->keys->runs, text, NULL);
    redis_batch_command(b, "LTRIM", b->keys->runs, from, "-1", NULL);
}

static void add_lease_record(struct redis_batch *b, const struct record *r)
{
    struct lease lease = {.epoch = r->epoch, .ttl_ms = r->ttl_ms};
    memcpy(lease.name, r->lease, sizeof lease.name);
    memcpy(lease.request_id, r->request_id, sizeof lease.request_id);
    memcpy(lease.holder, r->holder, strlen(r->holder) + 1);
    redis_batch_lease(b, &lease);
}

void redis_batch_record(struct redis_batch *b, const struct record *r)
{
    switch (r->type) {
    case RECORD_TXN:
        for (size_t i = 0; i < r->n_items; i++)
            redis_batch_item(b, r->items[i]);
        if (r->request_id[0])
            redis_batch_request(b, r->revision, r->request_id);
        break;
    case RECORD_LEASE:
        add_lease_record(b, r);
        break;
    case RECORD_START:
        redis_batch_run(b, &(struct run){r->run_id, r->seq});
        break;
    }
}

void redis_batch_position(struct redis_batch *b,
                          const struct redis_position *at)
{
    char seq[24], revision[24];
    snprintf(seq, sizeof seq, "%" PRIu64, at->seq);
    snprintf(revision, sizeof revision, "%" PRIu64, at->revision);
    redis_batch_command(b, "HSET", b->keys->meta, "format", "1", "lineage",
                        at->lineage, "revision", revision, "seq", seq,
                        "complete", at->is_complete ? "1" : "0", NULL);
}

void redis_batch_values(struct redis_batch *b, struct item *const *keys,
                        size_t n)
{
    resp_begin(&b->out, 1 + n);
    resp_arg(&b->out, "MGET", 4);
    for (size_t i = 0; i < n; i++)
        resp_arg_joined(&b->out, b->keys->kv, item_key(keys[i]));
    b->n++;
}

void redis_batch_command(struct redis_batch *b, const char *name, ...)
{
    va_list ap;
    size_t n = 1;
    va_start(ap, name);
    while (va_arg(ap, const char *))
        n++;
    va_end(ap);
    resp_begin(&b->out, n);
    resp_arg(&b->out, name, strlen(name));
    va_start(ap, name);
    for (const char *arg; (arg = va_arg(ap, const char *));)
        resp_arg(&b->out, arg, strlen(arg));
    va_end(ap);
    b->n++;
}

void redis_batch_end(struct redis_batch *b)
{
    close_items(b);
    close_requests(b);
}

/* ---- back ---- */

/* A number and one blank; the rest, or NULL. */
static const char *after_number(const char *text, int base, uint64_t *out)
{
    char *end;
    if (!text || !strchr("0123456789abcdef", *text) || !*text)
        return NULL;
    *out = strtoull(text, &end, base);
    return *end == ' ' ? end + 1 : NULL;
}

bool redis_parse_request(const char *text, uint64_t *revision, const char **id)
{
    *id = after_number(text, 10, revision);
    return *id && **id && strlen(*id) <= REQUEST_ID_MAX;
}

bool redis_parse_lease(const char *name, const char *text, struct lease *lease)
{
    uint64_t ttl;
    memset(lease, 0, sizeof *lease);
    const char *rest = after_number(text, 10, &lease->epoch);
    rest = rest ? after_number(rest, 10, &ttl) : NULL;
    const char *holder = rest ? strchr(rest, ' ') : NULL;
    if (!holder || ttl > LEASE_TTL_MAX_MS || !name[0] ||
        strlen(name) > LEASE_NAME_MAX || strlen(holder + 1) > LEASE_HOLDER_MAX)
        return false;
    size_t id = (size_t)(holder - rest);
    if (id > REQUEST_ID_MAX)
        return false;
    if (id != 1 || rest[0] != '-')
        memcpy(lease->request_id, rest, id);
    memcpy(lease->name, name, strlen(name) + 1);
    memcpy(lease->holder, holder + 1, strlen(holder + 1) + 1);
    lease->ttl_ms = (uint32_t)ttl;
    return true;
}

bool redis_parse_run(const char *text, struct run *run)
{
    const char *rest = after_number(text, 16, &run->id);
    return rest && parse_u64(rest, &run->first_seq) && run->id;
}

bool redis_parse_owner(const char *text, uint64_t *epoch, const char **holder)
{
    *holder = after_number(text, 10, epoch);
    return *holder != NULL;
}

char *redis_scan_pattern(const char *prefix)
{
    struct buf out = {0};
    for (; *prefix; prefix++) {
        if (strchr("*?[]\\^", *prefix))
            buf_add_char(&out, '\\');
        buf_add_char(&out, *prefix);
    }
    buf_add_char(&out, '*');
    return buf_take(&out, NULL);
}
