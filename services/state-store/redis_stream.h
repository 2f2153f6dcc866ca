/* SPDX-License-Identifier: Apache-2.0 */
/* redis_stream - bytes to and from one Redis: TCP, unix socket, TLS over TCP
 *
 * Never waits.  Does not look names up, does not know what the bytes mean, does
 * not connect again.  With TLS the peer's certificate must be signed by who we
 * trust and be made out for the name (or address) it was asked for by, unless
 * that was switched off.
 */
#ifndef REEVE_STATE_STORE_REDIS_STREAM_H
#define REEVE_STATE_STORE_REDIS_STREAM_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;
struct redis_stream;

/* Files in PEM; "" or NULL: see each.  They are read for each connection, so
 * that new ones need no restart. */
struct redis_tls {
    const char *ca;        /* whom we trust; else the system's */
    const char *cert;      /* who we are; else nobody */
    const char *key;       /* of cert; else it is in the same file */
    bool trusts_everybody; /* the certificate is not looked at */
};
/* Can be read and used.  ERR_INVALID. */
int redis_tls_check(const struct redis_tls *tls, struct err *err);

struct redis_stream_to {
    const char *address; /* numeric, or the path of a socket */
    int port;            /* 0: it is a path */
    const char *name;    /* for which the certificate must be made out */
    const struct redis_tls *tls; /* NULL: plain; borrowed until it is ready */
};
struct redis_stream *redis_stream_open(const struct redis_stream_to *to,
                                       struct err *err);
void redis_stream_close(struct redis_stream **stream);

int redis_stream_fd(const struct redis_stream *stream);
/* LOOP_READ | LOOP_WRITE: what it waits for. */
int redis_stream_wants(const struct redis_stream *stream);

/* After each wake-up: goes on with connecting.  1: ready to read and write, 0:
 * not yet, -1. */
int redis_stream_connect(struct redis_stream *stream, struct err *err);
/* Bytes to send, taken out of the buffer. */
int redis_stream_send(struct redis_stream *stream, struct buf *bytes,
                      struct err *err);
/* Sends what is waiting. */
int redis_stream_flush(struct redis_stream *stream, struct err *err);
/* How many bytes came, 0: none right now, -1: none any more. */
long redis_stream_read(struct redis_stream *stream, void *out, size_t size,
                       struct err *err);

#endif
