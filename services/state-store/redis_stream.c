/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/redis_stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/loop/loop.h"

struct redis_stream {
    int fd;
    bool is_connected;           /* the socket */
    bool is_ready;               /* and TLS, where it is spoken */
    bool is_answered;            /* a byte came */
    SSL *ssl;                    /* NULL: plain */
    int read_wants, write_wants; /* TLS may read to write, and so on */
    struct buf out;
    size_t out_at; /* sent so far */
};

/* ---- TLS ----------------------------------------------------------------- */

static bool is_set(const char *text)
{
    return text && *text;
}

/* The reason that the library gave last. */
static int tls_error(struct err *err, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return err_set(err, ERR_INVALID, "%s: %s", what,
                   reason ? reason : "not a PEM file that fits");
}

static int load_own(SSL_CTX *context, const struct redis_tls *tls,
                    struct err *err)
{
    const char *key = is_set(tls->key) ? tls->key : tls->cert;
    if (!is_set(tls->cert))
        return 0;
    if (SSL_CTX_use_certificate_chain_file(context, tls->cert) != 1)
        return tls_error(err, tls->cert);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return tls_error(err, key);
    return 0;
}

static int load_trust(SSL_CTX *context, const struct redis_tls *tls,
                      struct err *err)
{
    if (tls->trusts_everybody)
        return 0;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (is_set(tls->ca))
        return SSL_CTX_load_verify_locations(context, tls->ca, NULL) == 1
                   ? 0
                   : tls_error(err, tls->ca);
    return SSL_CTX_set_default_verify_paths(context) == 1
               ? 0
               : tls_error(err, "the system's certificates");
}

static SSL_CTX *make_context(const struct redis_tls *tls, struct err *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    ASSERT(context);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (load_trust(context, tls, err) == 0 && load_own(context, tls, err) == 0)
        return context;
    SSL_CTX_free(context);
    return NULL;
}

int redis_tls_check(const struct redis_tls *tls, struct err *err)
{
    SSL_CTX *context = make_context(tls, err);
    SSL_CTX_free(context);
    return context ? 0 : -1;
}

static bool is_address(const char *name)
{
    struct in6_addr address;
    return inet_pton(AF_INET, name, &address) == 1 ||
           inet_pton(AF_INET6, name, &address) == 1;
}

static bool expect_name(SSL *ssl, const char *name)
{
    if (is_address(name))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    return SSL_set1_host(ssl, name) == 1 &&
           SSL_set_tlsext_host_name(ssl, name) == 1;
}

static int start_tls(struct redis_stream *s, const struct redis_stream_to *to,
                     struct err *err)
{
    SSL_CTX *context = make_context(to->tls, err);
    if (!context)
        return -1;
    s->ssl = SSL_new(context);
    SSL_CTX_free(context); /* ssl has it */
    ASSERT(s->ssl);
    if (SSL_set_fd(s->ssl, s->fd) != 1 ||
        (!to->tls->trusts_everybody && !expect_name(s->ssl, to->name)))
        return tls_error(err, "TLS");
    SSL_set_connect_state(s->ssl);
    return 0;
}

/* What a call of the library that did not succeed means: 0: later, -1. */
static int tls_failed(struct redis_stream *s, int result, int *wants,
                      struct err *err)
{
    int kind = SSL_get_error(s->ssl, result);
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
        *wants = kind == SSL_ERROR_WANT_READ ? LOOP_READ : LOOP_WRITE;
        return 0;
    }
    long verdict = SSL_get_verify_result(s->ssl);
    if (!s->is_ready && verdict != X509_V_OK) {
        ERR_clear_error();
        return err_set(err, ERR_IO, "TLS: the certificate is not accepted: %s",
                       X509_verify_cert_error_string(verdict));
    }
    if (kind == SSL_ERROR_ZERO_RETURN || (kind == SSL_ERROR_SYSCALL && !errno))
        return err_set(err, ERR_IO, "Server closed the connection");
    if (kind == SSL_ERROR_SYSCALL)
        return err_set(err, ERR_IO, "TLS: %s%s", strerror(errno),
                       s->is_answered || SSL_get_certificate(s->ssl)
                           ? ""
                           : "; certificate required (--redis-cert)?");
    tls_error(err, "TLS");
    return -1;
}

/* ---- connecting ---------------------------------------------------------- */

static socklen_t fill_address(const struct redis_stream_to *to,
                              struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    struct sockaddr_un *path = (struct sockaddr_un *)out;
    memset(out, 0, sizeof *out);
    if (!to->port) {
        path->sun_family = AF_UNIX;
        strncpy(path->sun_path, to->address, sizeof path->sun_path - 1);
        return sizeof *path;
    }
    if (inet_pton(AF_INET, to->address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)to->port);
        return sizeof *v4;
    }
    ASSERT(inet_pton(AF_INET6, to->address, &v6->sin6_addr) == 1);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)to->port);
    return sizeof *v6;
}

static int open_socket(struct redis_stream *s, const struct redis_stream_to *to,
                       struct err *err)
{
    struct sockaddr_storage address;
    socklen_t size = fill_address(to, &address);
    int one = 1;
    s->fd = socket(address.ss_family,
                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return err_sys(err, "socket");
    if (to->port)
        setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(s->fd, (struct sockaddr *)&address, size) < 0 &&
        errno != EINPROGRESS)
        return err_set(err, ERR_IO, "%s", strerror(errno));
    return 0;
}

struct redis_stream *redis_stream_open(const struct redis_stream_to *to,
                                       struct err *err)
{
    struct redis_stream *s = xcalloc(1, sizeof *s);
    s->fd = -1;
    s->read_wants = LOOP_READ;
    s->write_wants = LOOP_WRITE;
    if (open_socket(s, to, err) < 0 || (to->tls && start_tls(s, to, err) < 0))
        redis_stream_close(&s);
    return s;
}

void redis_stream_close(struct redis_stream **stream)
{
    struct redis_stream *s = *stream;
    if (!s)
        return;
    if (s->ssl && s->is_ready)
        SSL_shutdown(s->ssl); /* says good-bye; nobody waits for theirs */
    SSL_free(s->ssl);
    ERR_clear_error();
    if (s->fd >= 0)
        close(s->fd);
    buf_free(&s->out);
    free(s);
    *stream = NULL;
}

int redis_stream_fd(const struct redis_stream *s)
{
    return s->fd;
}

int redis_stream_wants(const struct redis_stream *s)
{
    if (!s->is_connected)
        return LOOP_WRITE;
    return s->read_wants | (s->out_at < s->out.len ? s->write_wants : 0);
}

static int finish_socket(struct redis_stream *s, struct err *err)
{
    int code = 0;
    socklen_t size = sizeof code;
    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &code, &size);
    if (code)
        return err_set(err, ERR_IO, "%s", strerror(code));
    s->is_connected = true;
    return 0;
}

int redis_stream_connect(struct redis_stream *s, struct err *err)
{
    if (!s->is_connected && finish_socket(s, err) < 0)
        return -1;
    if (s->ssl && !s->is_ready) {
        errno = 0;
        int result = SSL_do_handshake(s->ssl);
        if (result != 1)
            return tls_failed(s, result, &s->read_wants, err);
    }
    s->is_ready = true;
    s->read_wants = LOOP_READ;
    return 1;
}

/* ---- bytes --------------------------------------------------------------- */

/* Sent, 0: none right now, -1. */
static long send_some(struct redis_stream *s, struct err *err)
{
    const char *data = s->out.data + s->out_at;
    size_t len = s->out.len - s->out_at, sent = 0;
    errno = 0;
    if (s->ssl) {
        int result = SSL_write_ex(s->ssl, data, len, &sent);
        s->write_wants = LOOP_WRITE;
        return result == 1 ? (long)sent
                           : tls_failed(s, result, &s->write_wants, err);
    }
    ssize_t n = send(s->fd, data, len, MSG_NOSIGNAL);
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    return err_set(err, ERR_IO, "%s", strerror(errno));
}

enum { KEEP_BYTES = 256 << 10 }; /* of the buffer, when all is sent */

int redis_stream_flush(struct redis_stream *s, struct err *err)
{
    while (s->out_at < s->out.len) {
        long n = send_some(s, err);
        if (n <= 0)
            return (int)n;
        s->out_at += (size_t)n;
    }
    buf_reset(&s->out, KEEP_BYTES);
    s->out_at = 0;
    return 0;
}

int redis_stream_send(struct redis_stream *s, struct buf *bytes,
                      struct err *err)
{
    buf_add(&s->out, bytes->data, bytes->len);
    buf_clear(bytes);
    return redis_stream_flush(s, err);
}

long redis_stream_read(struct redis_stream *s, void *out, size_t size,
                       struct err *err)
{
    size_t got = 0;
    errno = 0;
    if (s->ssl) {
        int result = SSL_read_ex(s->ssl, out, size, &got);
        s->read_wants = LOOP_READ;
        s->is_answered |= result == 1;
        return result == 1 ? (long)got
                           : tls_failed(s, result, &s->read_wants, err);
    }
    ssize_t n = recv(s->fd, out, size, 0);
    if (n > 0)
        return n;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return err_set(err, ERR_IO, "%s",
                   n == 0 ? "Server closed the connection" : strerror(errno));
}
