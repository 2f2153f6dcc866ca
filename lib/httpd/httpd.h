/* SPDX-License-Identifier: Apache-2.0 */
/* httpd - an HTTP/1.1 server on our loop; the only user of libmicrohttpd
 *
 * The whole request is gathered, then the handler is called.  It answers now,
 * later, or with an endless chunked stream.  No threads.
 */
#ifndef REEVE_LIB_HTTPD_HTTPD_H
#define REEVE_LIB_HTTPD_HTTPD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct loop;
struct httpd;
struct httpd_request; /* one exchange; answered exactly once */

struct httpd_config {
    const char *address;   /* "127.0.0.1"; NULL: loopback */
    int port;              /* 0: any free one */
    size_t max_body_bytes; /* larger: 413; 0: 32 MiB */
    /* Longest idle connection; 0: 120 s.  Streams are exempt. */
    int idle_timeout_s;
    /* TLS with this chain and key, as PEM; both or none. */
    const char *certificate, *key;
};

/* ERR_EXISTS with the address in the text when the port is taken; ERR_INVALID
 * when certificate and key are none, or not of each other. */
struct httpd *httpd_new(struct loop *loop, const struct httpd_config *config,
                        void (*handle)(void *self,
                                       struct httpd_request *request),
                        void *self, struct err *err);
/* Cuts all connections.  No callback comes any more; requests not yet answered
 * and streams are gone.  Not from inside handle or closed. */
void httpd_destroy(struct httpd **httpd);
int httpd_port(const struct httpd *httpd);

const char *httpd_method(const struct httpd_request *request);
const char *
httpd_path(const struct httpd_request *request); /* decoded, no query */
/* NULL when absent; borrowed as long as the request lives. */
const char *httpd_query(const struct httpd_request *request, const char *name);
const char *httpd_header(const struct httpd_request *request, const char *name);
const char *httpd_body(const struct httpd_request *request, size_t *len);
const char *httpd_peer(const struct httpd_request *request); /* "ip:port" */

/* Answers and frees.  headers: "Name: value" …, NULL at the end, or NULL. */
void httpd_reply(struct httpd_request *request, int status,
                 const char *content_type, const void *body, size_t len,
                 const char *const *headers);
void httpd_reply_text(struct httpd_request *request, int status,
                      const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* An endless chunked answer.  closed is called once when the client went away
 * (noticed at once, not at the next write) or after httpd_stream_close; the
 * stream is gone then. */
struct httpd_stream;
struct httpd_stream *httpd_stream_start(struct httpd_request *request,
                                        int status, const char *content_type,
                                        const char *const *headers,
                                        void (*closed)(void *self), void *self);
/* Queues bytes (copied; none of them is a no-op).  ERR_FULL past max 64 MiB
 * unsent: the caller should close.  Each send goes out as one chunk where it
 * can. */
int httpd_stream_send(struct httpd_stream *stream, const void *data, size_t len,
                      struct err *err);
/* Bytes queued and not yet sent. */
size_t httpd_stream_backlog(const struct httpd_stream *stream);
/* Sends what is queued, ends the stream cleanly, then closed is called.  Sets
 * *stream to NULL, which may be NULL. */
void httpd_stream_close(struct httpd_stream **stream);
/* Cuts the connection at once, even in the middle of a chunk; closed is not
 * called.  Sets *stream to NULL, which may be NULL. */
void httpd_stream_abort(struct httpd_stream **stream);

#endif
