/* SPDX-License-Identifier: Apache-2.0 */
/* base - what every file may use: ASSERT, AUTO/MOVE, small macros, allocation
 *
 * No memory means abort: xmalloc and friends never return NULL.
 */
#ifndef REEVE_LIB_BASE_BASE_H
#define REEVE_LIB_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* sys/param.h has its own, the same. */
#undef MIN
#undef MAX
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))
#define UNUSED       __attribute__((unused))

/* Our bug: always compiled in, prints where, aborts. */
#define ASSERT(cond)                                                           \
    do {                                                                       \
        if (!(cond))                                                           \
            assert_failed(#cond, __FILE__, __LINE__, __func__);                \
    } while (0)
_Noreturn void assert_failed(const char *cond, const char *file, int line,
                             const char *func);

/* AUTO(wal) struct wal *w: wal_destroy(&w) runs when w leaves its scope. */
#define AUTO(type) __attribute__((cleanup(type##_destroy)))
/* Hands a pointer over and leaves NULL behind. */
#define MOVE(p)                                                                \
    ({                                                                         \
        __typeof__(p) *move_from_ = &(p);                                      \
        __typeof__(p) move_value_ = *move_from_;                               \
        *move_from_ = NULL;                                                    \
        move_value_;                                                           \
    })

/* AUTO(str) char *s: frees a plain malloc'd string or block. */
#define AUTO_FREE __attribute__((cleanup(base_auto_free)))
void base_auto_free(void *pointer_to_pointer);
/* AUTO_CLOSE int fd: closes it unless it is negative. */
#define AUTO_CLOSE __attribute__((cleanup(base_auto_close)))
void base_auto_close(int *fd);

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t n);
void *xmemdup(const void *p, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* "" for NULL: protobuf-c leaves unset strings NULL. */
static inline const char *str_or_empty(const char *s)
{
    return s ? s : "";
}
/* Both may be NULL; NULL equals NULL and "" . */
bool str_eq(const char *a, const char *b);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/* Strict whole-string parses; false (and *out untouched) on anything else. */
bool parse_i64(const char *s, int64_t *out);
bool parse_u64(const char *s, uint64_t *out);
bool parse_double(const char *s, double *out); /* finite only */

#endif
