/* SPDX-License-Identifier: Apache-2.0 */
/* answer_reader - HTTP/1.1 answers out of the bytes of a kept connection
 *
 * Pure.  Bytes come in pieces of any size; answers come out one after another.
 * A body has a Content-Length, is chunked, or lasts until the connection ends.
 * 1xx answers are skipped.  What is no HTTP, or longer than allowed, is an
 * error, after which nothing more may be fed.
 */
#ifndef REEVE_LIB_HTTP_ANSWER_READER_H
#define REEVE_LIB_HTTP_ANSWER_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"

struct err;

enum answer_state {
    ANSWER_HEAD,
    ANSWER_BODY,       /* of a known length */
    ANSWER_CHUNK_SIZE, /* the line before a chunk */
    ANSWER_CHUNK,
    ANSWER_CHUNK_END, /* the line end behind it */
    ANSWER_TRAILER,
    ANSWER_TO_END, /* of the connection */
    ANSWER_COMPLETE,
};

/* Zero-initialised is empty and valid. */
struct answer_reader {
    size_t max_body_bytes; /* by the owner; 0: none may come */
    enum answer_state state;
    struct buf head; /* lines so far */
    size_t left;     /* of the body or chunk */

    /* Once complete. */
    int status;
    bool is_last; /* the server closes the connection behind it */
    struct buf body;
    char *location, *stream_id, *content_type;
};

/* Takes bytes up to the end of an answer; *used says how many.  1: complete;
 * 0: more is wanted; -1 with ERR_INVALID or ERR_FULL. */
int answer_reader_feed(struct answer_reader *reader, const char *data,
                       size_t len, size_t *used, struct err *err);
/* The connection ended.  1: that completes the answer; -1: it is cut. */
int answer_reader_end(struct answer_reader *reader, struct err *err);
/* Has anything of an answer come in? */
bool answer_reader_is_begun(const struct answer_reader *reader);
/* For the next answer. */
void answer_reader_reset(struct answer_reader *reader);
void answer_reader_free(struct answer_reader *reader);

#endif
