/* SPDX-License-Identifier: Apache-2.0 */
/* httpd - libmicrohttpd without threads, driven by our loop
 *
 * MHD's epoll descriptor is one more descriptor of the loop, its next time-out
 * one more timer.  Streams are in stream.c.
 *
 * Invariant: MHD is only entered through run(), never from inside itself; what
 * a handler changes is seen in the next run, which is always owed then.
 */
#include "lib/httpd/httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/httpd/exchange.h"
#include "lib/loop/loop.h"

#define DEFAULT_MAX_BODY ((size_t)32 << 20)
enum {
    DEFAULT_IDLE_S = 120,
    MAX_CONNECTIONS = 8192,
    CONNECTION_MEMORY = 64 << 10, /* head of a request, chunk of a stream */
    BACKLOG = 1024,
};

/* ---- driving MHD ------------------------------------------------------------
 */
static void run(struct httpd *h);

static void on_timer(void *self)
{
    struct httpd *h = self;
    h->timer = 0;
    run(h);
}

static void on_soon(void *self)
{
    struct httpd *h = self;
    h->soon = 0;
    run(h);
}

static void on_epoll(void *self, int fd UNUSED, int events UNUSED)
{
    run(self);
}

static void owe_run(struct httpd *h)
{
    if (!h->soon)
        h->soon = loop_soon(h->loop, on_soon, h);
}

static void run(struct httpd *h)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;
    ASSERT(!h->is_running);
    h->is_running = true;
    MHD_run(h->daemon);
    h->is_running = false;

    loop_timer_cancel(h->loop, h->timer);
    h->timer = 0;
    if (MHD_get_timeout(h->daemon, &wait_ms) != MHD_YES)
        return;
    if (wait_ms == 0)
        owe_run(h);
    else
        h->timer = loop_timer(h->loop, (int64_t)wait_ms, 0, on_timer, h);
}

void exchange_suspend(struct httpd_request *r)
{
    MHD_suspend_connection(r->connection);
    r->is_suspended = true;
}

void exchange_wake(struct httpd_request *r)
{
    if (!r->is_suspended)
        return;
    r->is_suspended = false;
    MHD_resume_connection(r->connection);
    owe_run(r->server);
}

/* ---- one exchange ---- */
static void set_peer(struct httpd_request *r)
{
    char host[48] = "?", port[8] = "?";
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (!info || !info->client_addr)
        return;
    socklen_t len = info->client_addr->sa_family == AF_INET6
                        ? sizeof(struct sockaddr_in6)
                        : sizeof(struct sockaddr_in);
    getnameinfo(info->client_addr, len, host, sizeof(host), port, sizeof(port),
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(r->peer, sizeof(r->peer), "%s:%s", host, port);
}

static struct httpd_request *exchange_new(struct httpd *h,
                                          struct MHD_Connection *connection,
                                          const char *method, const char *path)
{
    struct httpd_request *r = xcalloc(1, sizeof(*r));
    r->server = h;
    r->connection = connection;
    r->method = xstrdup(method);
    r->path = xstrdup(path);
    set_peer(r);
    r->next = h->first;
    r->link = &h->first;
    if (r->next)
        r->next->link = &r->next;
    h->first = r;
    return r;
}

static void exchange_free(struct httpd_request *r)
{
    *r->link = r->next;
    if (r->next)
        r->next->link = r->link;
    if (r->stream)
        stream_end(r->stream);
    if (r->response)
        MHD_destroy_response(r->response);
    buf_free(&r->body);
    free(r->method);
    free(r->path);
    free(r);
}

static enum MHD_Result hand_to_mhd(struct httpd_request *r)
{
    enum MHD_Result ok =
        MHD_queue_response(r->connection, (unsigned)r->status, r->response);
    MHD_destroy_response(r->response);
    r->response = NULL;
    return ok;
}

/* Too long a body is refused before it is sent when its length is announced,
 * and otherwise read to its end, unless that is very far. */
static enum MHD_Result refuse_long(struct httpd_request *r)
{
    uint64_t length;
    const char *text = httpd_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (!text || !parse_u64(text, &length) ||
        length <= r->server->max_body_bytes)
        return MHD_YES;
    r->was_handled = true;
    r->is_in_handler = true;
    httpd_reply_text(r, 413, "The body is longer than %zu bytes.\n",
                     r->server->max_body_bytes);
    r->is_in_handler = false;
    return hand_to_mhd(r);
}

/* Decoded, a zero byte would end our strings: "/v1/pod/a%00b" be another pod.
 */
static enum MHD_Result refuse_zero_byte(struct httpd_request *r)
{
    r->was_handled = true;
    r->is_in_handler = true;
    httpd_reply_text(r, 400, "%%00 is not allowed in a URL.\n");
    r->is_in_handler = false;
    return hand_to_mhd(r);
}

static enum MHD_Result take_body(struct httpd_request *r, const char *data,
                                 size_t len)
{
    size_t bound = r->server->max_body_bytes;
    if (r->dropped_bytes == 0 && len <= bound - r->body.len) {
        buf_add(&r->body, data, len);
        return MHD_YES;
    }
    buf_clear(&r->body);
    r->dropped_bytes += len;
    return r->dropped_bytes > 4 * bound ? MHD_NO : MHD_YES;
}

static enum MHD_Result handle(struct httpd_request *r)
{
    struct httpd *h = r->server;
    if (!r->was_handled) {
        r->was_handled = true;
        r->is_in_handler = true;
        if (r->dropped_bytes)
            httpd_reply_text(r, 413, "The body is longer than %zu bytes.\n",
                             h->max_body_bytes);
        else
            h->handle(h->self, r);
        r->is_in_handler = false;
    }
    if (r->response)
        return hand_to_mhd(r);
    exchange_suspend(r);
    return MHD_YES;
}

/* Marks a request whose URL has a zero byte, until its exchange is made. */
static char has_zero_byte;

/* Called by MHD with the URL as it was sent; the first *slot of on_access. */
static void *on_url(void *self UNUSED, const char *url,
                    struct MHD_Connection *connection UNUSED)
{
    return strstr(url, "%00") ? &has_zero_byte : NULL;
}

/* Called by MHD for the head (*slot is on_url's), each piece and the end. */
static enum MHD_Result on_access(void *self, struct MHD_Connection *connection,
                                 const char *url, const char *method,
                                 const char *version UNUSED, const char *data,
                                 size_t *len, void **slot)
{
    bool is_bad = *slot == &has_zero_byte;
    struct httpd_request *r = *slot;
    if (!r || is_bad) {
        r = *slot = exchange_new(self, connection, method, url);
        return is_bad ? refuse_zero_byte(r) : refuse_long(r);
    }
    if (*len > 0) {
        size_t taken = *len;
        *len = 0;
        return take_body(r, data, taken);
    }
    return handle(r);
}

static void on_completed(void *self UNUSED,
                         struct MHD_Connection *connection UNUSED, void **slot,
                         enum MHD_RequestTerminationCode why UNUSED)
{
    if (*slot && *slot != &has_zero_byte)
        exchange_free(*slot);
    *slot = NULL;
}

/* ---- what handlers see ---- */
const char *httpd_method(const struct httpd_request *request)
{
    return request->method;
}

const char *httpd_path(const struct httpd_request *request)
{
    return request->path;
}

static const char *lookup(const struct httpd_request *request,
                          enum MHD_ValueKind kind, const char *name)
{
    const char *value;
    size_t len;
    if (MHD_lookup_connection_value_n(request->connection, kind, name,
                                      strlen(name), &value, &len) != MHD_YES)
        return NULL;
    return str_or_empty(value); /* "?force" is there and empty */
}

const char *httpd_query(const struct httpd_request *request, const char *name)
{
    return lookup(request, MHD_GET_ARGUMENT_KIND, name);
}

const char *httpd_header(const struct httpd_request *request, const char *name)
{
    return lookup(request, MHD_HEADER_KIND, name);
}

const char *httpd_body(const struct httpd_request *request, size_t *len)
{
    if (len)
        *len = request->body.len;
    return buf_text(&request->body);
}

const char *httpd_peer(const struct httpd_request *request)
{
    return request->peer;
}

static void add_header(struct MHD_Response *response, const char *line)
{
    const char *colon = strchr(line, ':');
    ASSERT(colon);
    AUTO_FREE char *name = xstrndup(line, (size_t)(colon - line));
    const char *value = colon + 1 + strspn(colon + 1, " ");
    MHD_add_response_header(response, name, value);
}

void exchange_answer(struct httpd_request *r, int status,
                     struct MHD_Response *response, const char *content_type,
                     const char *const *headers)
{
    ASSERT(!r->was_answered && status >= 200 && status <= 599);
    ASSERT(response);
    r->was_answered = true;
    r->status = status;
    r->response = response;
    if (content_type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                content_type);
    for (size_t i = 0; headers && headers[i]; i++)
        add_header(response, headers[i]);
    if (!r->is_in_handler)
        exchange_wake(r);
}

void httpd_reply(struct httpd_request *request, int status,
                 const char *content_type, const void *body, size_t len,
                 const char *const *headers)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        len, len ? (void *)(uintptr_t)body : (void *)(uintptr_t) "",
        MHD_RESPMEM_MUST_COPY);
    exchange_answer(request, status, response, content_type, headers);
}

void httpd_reply_text(struct httpd_request *request, int status,
                      const char *fmt, ...)
{
    va_list ap;
    char *text;
    va_start(ap, fmt);
    int len = vasprintf(&text, fmt, ap);
    va_end(ap);
    ASSERT(len >= 0);
    httpd_reply(request, status, "text/plain; charset=utf-8", text, (size_t)len,
                NULL);
    free(text);
}

/* ---- start and stop ---- */
/* A listening socket on exactly this address. */
static int listen_on(const char *address, int port, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *found;
    char service[8];
    snprintf(service, sizeof(service), "%d", port);
    int rc = getaddrinfo(address, service, &hints, &found);
    if (rc != 0)
        return err_set(err, ERR_INVALID, "%s:%d: %s", address, port,
                       gai_strerror(rc));
    int on = 1;
    int fd =
        socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    rc =
        fd < 0 ? -1 : setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (rc == 0)
        rc = bind(fd, found->ai_addr, found->ai_addrlen);
    if (rc == 0)
        rc = listen(fd, BACKLOG);
    freeaddrinfo(found);
    if (rc == 0)
        return fd;
    if (errno == EADDRINUSE)
        err_set(err, ERR_EXISTS, "%s:%d: already in use", address, port);
    else
        err_sys(err, "%s:%d: cannot listen", address, port);
    if (fd >= 0)
        close(fd);
    return -1;
}

static int port_of(int fd)
{
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } address = {0};
    socklen_t len = sizeof(address);
    getsockname(fd, &address.sa, &len);
    return ntohs(address.sa.sa_family == AF_INET6 ? address.in6.sin6_port
                                                  : address.in.sin_port);
}

static struct MHD_Daemon *
start_daemon(struct httpd *h, const struct httpd_config *config, int fd)
{
    int idle_s =
        config->idle_timeout_s ? config->idle_timeout_s : DEFAULT_IDLE_S;
    bool tls = config->certificate;
    struct MHD_OptionItem options[] = {
        {tls ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0,
         (void *)(uintptr_t)config->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)config->key},
        {MHD_OPTION_END, 0, NULL},
    };

    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (tls ? MHD_USE_TLS : 0), 0,
        NULL, NULL, on_access, h, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
        MHD_OPTION_URI_LOG_CALLBACK, on_url, h, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)idle_s, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)MAX_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

struct httpd *httpd_new(struct loop *loop, const struct httpd_config *config,
                        void (*handle_fn)(void *self,
                                          struct httpd_request *request),
                        void *self, struct err *err)
{
    const char *address = config->address ? config->address : "127.0.0.1";
    int fd = listen_on(address, config->port, err);
    if (fd < 0)
        return NULL;
    struct httpd *h = xcalloc(1, sizeof(*h));
    h->loop = loop;
    h->handle = handle_fn;
    h->self = self;
    h->port = port_of(fd);
    h->max_body_bytes =
        config->max_body_bytes ? config->max_body_bytes : DEFAULT_MAX_BODY;
    h->daemon = start_daemon(h, config, fd);
    if (!h->daemon) {
        close(fd);
        free(h);
        if (config->certificate)
            err_set(err, ERR_INVALID,
                    "%s:%d: cannot serve TLS: certificate and key must be PEM, "
                    "and of each other",
                    address, config->port);
        else
            err_set(err, ERR_IO, "%s:%d: cannot start the HTTP server", address,
                    config->port);
        return NULL;
    }
    h->epoll_fd =
        MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    loop_fd(loop, h->epoll_fd, LOOP_READ, on_epoll, h);
    return h;
}

void httpd_destroy(struct httpd **httpd)
{
    struct httpd *h = *httpd;
    if (!h)
        return;
    ASSERT(!h->is_running);
    h->is_stopping = true;
    /* MHD must not be stopped while a connection sleeps. */
    for (struct httpd_request *r = h->first; r; r = r->next)
        exchange_wake(r);
    loop_fd_remove(h->loop, h->epoll_fd);
    loop_timer_cancel(h->loop, h->timer);
    loop_timer_cancel(h->loop, h->soon);
    MHD_stop_daemon(h->daemon);
    ASSERT(!h->first);
    free(h);
    *httpd = NULL;
}

int httpd_port(const struct httpd *httpd)
{
    return httpd->port;
}
