/* SPDX-License-Identifier: Apache-2.0 */
/* transfer - one HTTP exchange of curl's: what is sent and what came back
 *
 * Private to lib/http.  Knows no loop and calls nobody but on_news.
 */
#ifndef REEVE_LIB_HTTP_TRANSFER_H
#define REEVE_LIB_HTTP_TRANSFER_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/http/http_client.h"

struct transfer {
    CURL *easy;
    struct curl_slist *headers;
    char *name; /* "POST http://…", for errors */
    char *body; /* as sent */
    size_t max_body_bytes;
    char curl_text[CURL_ERROR_SIZE];

    int status;
    char *location, *stream_id, *content_type;
    bool has_head; /* status and headers are complete */
    bool is_too_long;
    struct buf got; /* body so far */

    void (*on_news)(void *self); /* head or body came in; may be NULL */
    void *self;
};

void transfer_open(struct transfer *x, const struct http_call *call);
void transfer_close(struct transfer *x);
/* Fills the answer; strings are borrowed from x. */
void transfer_answer(const struct transfer *x, CURLcode result,
                     struct http_answer *out);

#endif
