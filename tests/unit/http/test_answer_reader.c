/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/http/answer_reader.h"

enum { MAX_BODY = 20 };

/* What came out: "status:body" of each answer, "+" behind one after which the
 * server closes, "!" for an error, "." when an answer is cut by the end. */
static const struct {
    const char *name, *input, *want;
} cases[] = {
    {"empty body", "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
     "202: "},
    {"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
     "200:hello "},
    {"two",
     "HTTP/1.1 202 A\r\nContent-Length: 0\r\n\r\n"
     "HTTP/1.1 400 B\r\ncontent-length:3\r\n\r\nbad",
     "202: 400:bad "},
    {"bare line ends", "HTTP/1.1 200\nContent-Length: 1\n\nx", "200:x "},
    {"empty lines before", "\r\n\nHTTP/1.1 204 N\r\n\r\n", "204: "},
    {"chunks",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
     "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer: 1\r\n\r\n"
     "HTTP/1.1 204 N\r\n\r\n",
     "200:abcdefg 204: "},
    {"interim", "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 204 N\r\n\r\n", "204: "},
    {"close",
     "HTTP/1.1 202 A\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n",
     "202:+ "},
    {"old", "HTTP/1.0 200 A\r\nContent-Length: 1\r\n\r\nx", "200:x+ "},
    {"to the end", "HTTP/1.1 200 A\r\n\r\nall of it", "200:all of it+ "},
    {"nothing", "", ""},
    {"cut head", "HTTP/1.1 200 A\r\nConten", "."},
    {"cut body", "HTTP/1.1 200 A\r\nContent-Length: 5\r\n\r\nhel", "."},
    {"cut chunk", "HTTP/1.1 200 A\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
     "."},
    {"no http", "SSH-2.0-OpenSSH\r\n\r\n", "!"},
    {"http/2", "HTTP/2 200 OK\r\n\r\n", "!"},
    {"no status", "HTTP/1.1 2x0 OK\r\n\r\n", "!"},
    {"long status", "HTTP/1.1 2000 OK\r\n\r\n", "!"},
    {"negative length", "HTTP/1.1 200 A\r\nContent-Length: -1\r\n\r\n", "!"},
    {"long length", "HTTP/1.1 200 A\r\nContent-Length: 21\r\n\r\n", "!"},
    {"long to the end", "HTTP/1.1 200 A\r\n\r\n123456789012345678901", "!"},
    {"long chunks",
     "HTTP/1.1 200 A\r\nTransfer-Encoding: chunked\r\n\r\n"
     "a\r\n0123456789\r\nb\r\n0123456789a\r\n",
     "!"},
    {"no chunk size",
     "HTTP/1.1 200 A\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "!"},
    {"huge chunk size",
     "HTTP/1.1 200 A\r\nTransfer-Encoding: chunked\r\n\r\n1ffffffff\r\n", "!"},
    {"chunk longer than said",
     "HTTP/1.1 200 A\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", "!"},
    {"other coding", "HTTP/1.1 200 A\r\nTransfer-Encoding: gzip\r\n\r\n", "!"},
};

static void show(const struct answer_reader *r, struct buf *out)
{
    buf_addf(out, "%d:%s%s ", r->status, buf_text(&r->body),
             r->is_last ? "+" : "");
}

/* In pieces of so many bytes. */
static void read_all(const char *input, size_t step, struct buf *out)
{
    struct answer_reader r = {.max_body_bytes = MAX_BODY};
    struct err err = {0};
    size_t used, len = strlen(input);
    int rc = 0;

    for (size_t at = 0; at < len && rc >= 0; at += used) {
        rc = answer_reader_feed(&r, input + at, MIN(step, len - at), &used,
                                &err);
        if (rc > 0) {
            show(&r, out);
            answer_reader_reset(&r);
        }
    }
    if (rc < 0)
        buf_add_str(out, "!");
    else if (answer_reader_is_begun(&r) && answer_reader_end(&r, &err) < 0)
        buf_add_str(out, ".");
    else if (r.state == ANSWER_COMPLETE)
        show(&r, out);
    answer_reader_free(&r);
}

Test(answer_reader, answers)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t step = 1; step < 100; step += 7) {
            AUTO_BUF struct buf out = {0};

            read_all(cases[i].input, step, &out);
            cr_expect_str_eq(buf_text(&out), cases[i].want,
                             "case %s in pieces of %zu: %s", cases[i].name,
                             step, buf_text(&out));
        }
}

Test(answer_reader, headers_that_matter)
{
    const char *text = "HTTP/1.1 307 T\r\nLocation:  //a:1 \r\nX: y\r\n"
                       "MESOS-STREAM-ID: s\r\nContent-Type: t/p; q\r\n"
                       "Content-Length: 0\r\n\r\n";
    struct answer_reader r = {0};
    size_t used;

    cr_assert_eq(answer_reader_feed(&r, text, strlen(text), &used, NULL), 1);
    cr_expect_eq(used, strlen(text));
    cr_expect_str_eq(r.location, "//a:1");
    cr_expect_str_eq(r.stream_id, "s");
    cr_expect_str_eq(r.content_type, "t/p; q");
    answer_reader_free(&r);
}

Test(answer_reader, head_has_a_bound)
{
    struct answer_reader r = {.max_body_bytes = MAX_BODY};
    size_t used;
    int rc = answer_reader_feed(&r, "HTTP/1.1 200 A\r\n", 16, &used, NULL);

    for (int i = 0; i < 100000 && rc == 0; i++)
        rc = answer_reader_feed(&r, "X: y\r\n", 6, &used, NULL);
    cr_expect_eq(rc, -1);
    answer_reader_free(&r);
}
