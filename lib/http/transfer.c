/* SPDX-License-Identifier: Apache-2.0 */
/* transfer - see transfer.h */
#include "lib/http/transfer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/http/header.h"

#define DEFAULT_MAX_BODY ((size_t)64 << 20)
enum { DEFAULT_CONNECT_MS = 5000 };

/* ---- what curl tells ---- */
static void forget_head(struct transfer *x)
{
    free(x->location);
    free(x->stream_id);
    free(x->content_type);
    x->location = x->stream_id = x->content_type = NULL;
}

static size_t on_header(char *line, size_t size, size_t count, void *self)
{
    struct transfer *x = self;
    size_t len = size * count;
    long status = 0;
    if (len >= 5 && !strncmp(line, "HTTP/", 5)) {
        forget_head(x); /* after a 100 the real head comes */
        return len;
    }
    if (x->has_head)
        return len; /* trailers */
    header_keep(&x->location, line, len, "Location");
    header_keep(&x->stream_id, line, len, "Mesos-Stream-Id");
    header_keep(&x->content_type, line, len, "Content-Type");
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    if (len > 2 || status < 200)
        return len;
    x->status = (int)status;
    x->has_head = true;
    if (x->on_news)
        x->on_news(x->self);
    return len;
}

static size_t on_body(char *data, size_t size, size_t count, void *self)
{
    struct transfer *x = self;
    size_t len = size * count;
    if (len > x->max_body_bytes - MIN(x->got.len, x->max_body_bytes)) {
        x->is_too_long = true;
        return 0; /* curl ends the exchange */
    }
    buf_add(&x->got, data, len);
    if (x->on_news)
        x->on_news(x->self);
    return len;
}

/* ---- what curl is told ---- */
static bool has_header(const struct http_call *call, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; call->headers && call->headers[i]; i++)
        if (!strncasecmp(call->headers[i], name, n) &&
            call->headers[i][n] == ':')
            return true;
    return false;
}

static void add_header(struct transfer *x, const char *line)
{
    x->headers = curl_slist_append(x->headers, line);
    ASSERT(x->headers);
}

static void set_headers(struct transfer *x, const struct http_call *call)
{
    /* "Name:" keeps curl from sending its own. */
    add_header(x, "Expect:");
    if (!has_header(call, "Accept"))
        add_header(x, "Accept:");
    if (!has_header(call, "Content-Type"))
        add_header(x, "Content-Type:");
    for (size_t i = 0; call->headers && call->headers[i]; i++)
        add_header(x, call->headers[i]);
    curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers);
}

static void set_method(struct transfer *x, const struct http_call *call)
{
    bool is_post = !strcmp(call->method, "POST");
    if (call->body_len || is_post) {
        x->body = xmalloc(call->body_len + 1); /* never NULL */
        memcpy(x->body, call->body_len ? call->body : "", call->body_len);
        curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, x->body);
        curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)call->body_len);
    }
    if (!strcmp(call->method, "HEAD"))
        curl_easy_setopt(x->easy, CURLOPT_NOBODY, 1L);
    else if (!is_post && (call->body_len || strcmp(call->method, "GET") != 0))
        curl_easy_setopt(x->easy, CURLOPT_CUSTOMREQUEST, call->method);
}

static void set_trust(struct transfer *x, const struct http_call *call)
{
    if (call->user_password) {
        curl_easy_setopt(x->easy, CURLOPT_USERPWD, call->user_password);
        curl_easy_setopt(x->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    }
    if (call->ca_file)
        curl_easy_setopt(x->easy, CURLOPT_CAINFO, call->ca_file);
    if (call->insecure) {
        curl_easy_setopt(x->easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(x->easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static void set_rules(struct transfer *x, const struct http_call *call)
{
    int64_t connect_ms = call->connect_timeout_ms ? call->connect_timeout_ms
                                                  : DEFAULT_CONNECT_MS;
    CURL *easy = x->easy;
    curl_easy_setopt(easy, CURLOPT_URL, call->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, x->curl_text);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
}

void transfer_open(struct transfer *x, const struct http_call *call)
{
    static bool is_ready;
    if (!is_ready)
        curl_global_init(CURL_GLOBAL_DEFAULT);
    is_ready = true;
    x->easy = curl_easy_init();
    ASSERT(x->easy);
    x->name = xasprintf("%s %s", call->method, call->url);
    x->max_body_bytes =
        call->max_body_bytes ? call->max_body_bytes : DEFAULT_MAX_BODY;
    set_rules(x, call);
    set_method(x, call);
    set_headers(x, call);
    set_trust(x, call);
}

void transfer_close(struct transfer *x)
{
    curl_easy_cleanup(x->easy);
    curl_slist_free_all(x->headers);
    forget_head(x);
    free(x->name);
    free(x->body);
    buf_free(&x->got);
}

/* ---- what came of it ---- */
static enum err_code code_of(const struct transfer *x, CURLcode result)
{
    if (x->is_too_long)
        return ERR_FULL;
    switch ((int)result) {
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return ERR_INVALID;
    default:
        return ERR_IO;
    }
}

void transfer_answer(const struct transfer *x, CURLcode result,
                     struct http_answer *out)
{
    *out = (struct http_answer){
        .status = x->status,
        .body = buf_text(&x->got),
        .body_len = x->got.len,
        .location = x->location,
        .stream_id = x->stream_id,
        .content_type = x->content_type,
    };
    if (result == CURLE_OK)
        return;
    const char *why = x->is_too_long  ? "the answer is too long"
                      : *x->curl_text ? x->curl_text
                                      : curl_easy_strerror(result);
    err_set(&out->err, code_of(x, result), "%.600s: %s", x->name, why);
}
