/* SPDX-License-Identifier: Apache-2.0 */
/* buf - a growing byte buffer that is always NUL-terminated behind its length
 *
 * Zero-initialised is empty and valid: `struct buf b = {0};`
 */
#ifndef REEVE_LIB_BASE_BUF_H
#define REEVE_LIB_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data; /* NULL while nothing was ever added */
    size_t len; /* bytes used, without the NUL */
    size_t cap; /* bytes allocated */
};

void buf_reserve(struct buf *b, size_t extra);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_str(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Drops the first n bytes (n <= len). */
void buf_drop(struct buf *b, size_t n);
/* len = 0, memory kept. */
void buf_clear(struct buf *b);
/* len = 0; memory beyond `keep` bytes is given back: after a burst. */
void buf_reset(struct buf *b, size_t keep);
/* The text, never NULL; borrowed until the buffer changes. */
const char *buf_text(const struct buf *b);
/* Hands the malloc'd, NUL-terminated bytes over and empties the buffer. */
char *buf_take(struct buf *b, size_t *len);
void buf_free(struct buf *b);
#define AUTO_BUF __attribute__((cleanup(buf_free)))

#endif
