/* SPDX-License-Identifier: Apache-2.0 */
/* bytes - little-endian numbers in the files of the store
 *
 * A reader that ran past the end stays `failed` and gives zeros.
 */
#ifndef REEVE_STATE_STORE_BYTES_H
#define REEVE_STATE_STORE_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint8_t *put_16(uint8_t *p, uint16_t v)
{
    v = htole16(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static inline uint8_t *put_32(uint8_t *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static inline uint8_t *put_64(uint8_t *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static inline uint8_t *put_bytes(uint8_t *p, const void *data, size_t len)
{
    if (len)
        memcpy(p, data, len);
    return p + len;
}

struct reader {
    const uint8_t *p, *end;
    bool failed;
};

static inline const uint8_t *get_bytes(struct reader *r, size_t len)
{
    if (r->failed || (size_t)(r->end - r->p) < len) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *at = r->p;
    r->p += len;
    return at;
}

static inline uint16_t get_16(struct reader *r)
{
    uint16_t v = 0;
    const uint8_t *p = get_bytes(r, sizeof v);
    if (p)
        memcpy(&v, p, sizeof v);
    return le16toh(v);
}

static inline uint32_t get_32(struct reader *r)
{
    uint32_t v = 0;
    const uint8_t *p = get_bytes(r, sizeof v);
    if (p)
        memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static inline uint64_t get_64(struct reader *r)
{
    uint64_t v = 0;
    const uint8_t *p = get_bytes(r, sizeof v);
    if (p)
        memcpy(&v, p, sizeof v);
    return le64toh(v);
}

/* Room that keeps what follows at a multiple of eight. */
static inline size_t pad_8(size_t len)
{
    return (len + 7) & ~(size_t)7;
}

#endif
