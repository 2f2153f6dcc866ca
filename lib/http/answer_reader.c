/* SPDX-License-Identifier: Apache-2.0 */
/* answer_reader - see answer_reader.h */
#include "lib/http/answer_reader.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/http/header.h"

enum { MAX_HEAD_BYTES = 64 << 10, MAX_SIZE_LINE = 256 };

static bool takes_lines(enum answer_state state)
{
    return state == ANSWER_HEAD || state == ANSWER_CHUNK_SIZE ||
           state == ANSWER_CHUNK_END || state == ANSWER_TRAILER;
}

static void forget_head(struct answer_reader *r)
{
    free(r->location);
    free(r->stream_id);
    free(r->content_type);
    r->location = r->stream_id = r->content_type = NULL;
}

void answer_reader_reset(struct answer_reader *r)
{
    forget_head(r);
    buf_clear(&r->head);
    buf_clear(&r->body);
    r->state = ANSWER_HEAD;
    r->left = 0;
    r->status = 0;
    r->is_last = false;
}

void answer_reader_free(struct answer_reader *r)
{
    forget_head(r);
    buf_free(&r->head);
    buf_free(&r->body);
}

bool answer_reader_is_begun(const struct answer_reader *r)
{
    return r->state != ANSWER_HEAD || r->head.len > 0;
}

/* ---- the head ---- */
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 202 Accepted" */
static int read_status(struct answer_reader *r, const char *line, size_t len,
                       struct err *err)
{
    if (len < 12 || strncmp(line, "HTTP/1.", 7) != 0 || !is_digit(line[7]) ||
        line[8] != ' ' || !is_digit(line[9]) || !is_digit(line[10]) ||
        !is_digit(line[11]) || (len > 12 && line[12] != ' '))
        return err_set(err, ERR_INVALID, "not an answer of HTTP/1.1");
    r->status =
        (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    r->is_last = line[7] == '0';
    return 0;
}

static int read_length(struct answer_reader *r, const char *text,
                       struct err *err)
{
    uint64_t length;
    if (!parse_u64(text, &length))
        return err_set(err, ERR_INVALID, "no such Content-Length");
    if (length > r->max_body_bytes)
        return err_set(err, ERR_FULL, "the answer is too long");
    r->left = (size_t)length;
    return 0;
}

struct framing {
    char *length, *coding, *connection;
};

static void framing_free(struct framing *f)
{
    free(f->length);
    free(f->coding);
    free(f->connection);
}

static void read_header(struct answer_reader *r, const char *line, size_t len,
                        struct framing *f)
{
    header_keep(&f->length, line, len, "Content-Length");
    header_keep(&f->coding, line, len, "Transfer-Encoding");
    header_keep(&f->connection, line, len, "Connection");
    header_keep(&r->location, line, len, "Location");
    header_keep(&r->stream_id, line, len, "Mesos-Stream-Id");
    header_keep(&r->content_type, line, len, "Content-Type");
}

/* How long the body is. */
static int begin_body(struct answer_reader *r, const struct framing *f,
                      struct err *err)
{
    bool has_none = r->status == 204 || r->status == 304;
    if (f->connection && !strcasecmp(f->connection, "close"))
        r->is_last = true;
    if (f->connection && !strcasecmp(f->connection, "keep-alive"))
        r->is_last = false;
    if (has_none) {
        r->state = ANSWER_COMPLETE;
    } else if (f->coding) {
        if (strcasecmp(f->coding, "chunked") != 0)
            return err_set(err, ERR_INVALID, "unknown Transfer-Encoding");
        r->state = ANSWER_CHUNK_SIZE;
    } else if (f->length) {
        if (read_length(r, f->length, err) < 0)
            return -1;
        r->state = r->left ? ANSWER_BODY : ANSWER_COMPLETE;
    } else {
        r->is_last = true;
        r->state = ANSWER_TO_END;
    }
    return 0;
}

/* All lines of it are in r->head. */
static int read_head(struct answer_reader *r, struct err *err)
{
    struct framing f = {0};
    const char *line = buf_text(&r->head);
    const char *end = line + r->head.len;
    const char *newline = memchr(line, '\n', (size_t)(end - line));
    int result = read_status(r, line, (size_t)(newline - line), err);

    for (line = newline + 1; result == 0 && line < end; line = newline + 1) {
        newline = memchr(line, '\n', (size_t)(end - line));
        read_header(r, line, (size_t)(newline - line), &f);
    }
    if (result == 0 && r->status < 200) {
        answer_reader_reset(r); /* the real one follows */
    } else if (result == 0) {
        buf_clear(&r->head);
        result = begin_body(r, &f, err);
    }
    framing_free(&f);
    return result;
}

/* ---- lines ---- */
static bool ends_with(const struct buf *lines, const char *end)
{
    size_t n = strlen(end);
    return lines->len >= n && !memcmp(lines->data + lines->len - n, end, n);
}

/* The last line has nothing in it. */
static bool ends_empty(const struct buf *lines)
{
    return lines->data[0] == '\n' ||
           (lines->len == 2 && ends_with(lines, "\r\n")) ||
           ends_with(lines, "\n\n") || ends_with(lines, "\n\r\n");
}

/* "1f" or "1f;extension" */
static int read_chunk_size(struct answer_reader *r, struct err *err)
{
    const char *text = buf_text(&r->head);
    size_t size = 0, digits = strspn(text, "0123456789abcdefABCDEF");
    if (digits == 0 || digits > 8 || !strchr("\r\n; \t", text[digits]))
        return err_set(err, ERR_INVALID, "no size of a chunk");
    size = strtoul(text, NULL, 16);
    if (size > r->max_body_bytes - MIN(r->body.len, r->max_body_bytes))
        return err_set(err, ERR_FULL, "the answer is too long");
    r->left = size;
    r->state = size ? ANSWER_CHUNK : ANSWER_TRAILER;
    buf_clear(&r->head);
    return 0;
}

static int read_lines(struct answer_reader *r, struct err *err)
{
    bool is_empty = ends_empty(&r->head);
    switch ((int)r->state) {
    case ANSWER_HEAD:
        if (is_empty && r->head.len <= 2) {
            buf_clear(&r->head); /* before an answer: nobody minds */
            return 0;
        }
        return is_empty ? read_head(r, err) : 0;
    case ANSWER_CHUNK_SIZE:
        return read_chunk_size(r, err);
    case ANSWER_CHUNK_END:
        if (!is_empty)
            return err_set(err, ERR_INVALID, "a chunk is not over");
        buf_clear(&r->head);
        r->state = ANSWER_CHUNK_SIZE;
        return 0;
    default: /* trailers */
        if (is_empty)
            r->state = ANSWER_COMPLETE;
        return 0;
    }
}

static int feed_line(struct answer_reader *r, const char *data, size_t len,
                     size_t *used, struct err *err)
{
    size_t bound = r->state == ANSWER_HEAD || r->state == ANSWER_TRAILER
                       ? MAX_HEAD_BYTES
                       : MAX_SIZE_LINE;
    const char *newline = memchr(data, '\n', len);
    size_t n = newline ? (size_t)(newline - data) + 1 : len;

    /* Text functions look at it. */
    if (r->head.len + n > bound || memchr(data, '\0', n))
        return err_set(err, ERR_INVALID, "a head too long or not of text");
    buf_add(&r->head, data, n);
    *used += n;
    return newline ? read_lines(r, err) : 0;
}

/* ---- the body ---- */
static int feed_body(struct answer_reader *r, const char *data, size_t len,
                     size_t *used, struct err *err)
{
    size_t n = r->state == ANSWER_TO_END ? len : MIN(len, r->left);
    if (n > r->max_body_bytes - MIN(r->body.len, r->max_body_bytes))
        return err_set(err, ERR_FULL, "the answer is too long");
    buf_add(&r->body, data, n);
    *used += n;
    if (r->state == ANSWER_TO_END)
        return 0;
    r->left -= n;
    if (r->left == 0)
        r->state =
            r->state == ANSWER_CHUNK ? ANSWER_CHUNK_END : ANSWER_COMPLETE;
    return 0;
}

int answer_reader_feed(struct answer_reader *r, const char *data, size_t len,
                       size_t *used, struct err *err)
{
    *used = 0;
    while (*used < len && r->state != ANSWER_COMPLETE) {
        int result = takes_lines(r->state)
                         ? feed_line(r, data + *used, len - *used, used, err)
                         : feed_body(r, data + *used, len - *used, used, err);
        if (result < 0)
            return -1;
    }
    return r->state == ANSWER_COMPLETE;
}

int answer_reader_end(struct answer_reader *r, struct err *err)
{
    if (r->state != ANSWER_TO_END)
        return err_set(err, ERR_IO, "the connection ended in an answer");
    r->state = ANSWER_COMPLETE;
    return 1;
}
