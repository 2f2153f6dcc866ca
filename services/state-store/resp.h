/* SPDX-License-Identifier: Apache-2.0 */
/* resp - Redis commands as bytes; pure */
#ifndef REEVE_STATE_STORE_RESP_H
#define REEVE_STATE_STORE_RESP_H

#include <stddef.h>
#include <stdint.h>

struct buf;

/* A command of n arguments (its name is the first), which must follow. */
void resp_begin(struct buf *out, size_t n);
void resp_arg(struct buf *out, const void *data, size_t len);
/* prefix and text as one argument. */
void resp_arg_joined(struct buf *out, const char *prefix, const char *text);
void resp_arg_u64(struct buf *out, uint64_t number);
/* A whole command of texts; ends with a NULL. */
void resp_command(struct buf *out, const char *name, ...)
    __attribute__((sentinel));

#endif
