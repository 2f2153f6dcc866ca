/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/bus/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/bus/bus.h"

enum {
    MAX_SOCKETS = 4096,
    /* Room for the path in sockaddr_un, without the NUL. */
    MAX_PATH = sizeof((struct sockaddr_un *)0)->sun_path - 1,
    /* A peer that hangs keeps its connection open for ever.  Callers leave it
     * after this, and find who answers at its address then. */
    HEARTBEAT_MS = 1000,
    SILENCE_MS = 3000,
};
/* Larger than any honest request; a reply (a snapshot) has no bound. */
static const int64_t max_request_bytes = 256 << 20;

void *bus_context(void)
{
    static void *context;
    static pid_t owner;
    if (!context || owner != getpid()) {
        context = zmq_ctx_new();
        ASSERT(context);
        owner = getpid();
        zmq_ctx_set(context, ZMQ_MAX_SOCKETS, MAX_SOCKETS);
    }
    return context;
}

static int check_ipc(const char *path, struct err *err)
{
    if (path[0] == '\0' || path[0] == '*' || path[0] == '@')
        return err_set(err, ERR_INVALID,
                       "endpoint ipc://%s: a path of a file is needed", path);
    if (strlen(path) > MAX_PATH)
        return err_set(err, ERR_INVALID,
                       "endpoint ipc://%s: the path has %zu bytes, a unix "
                       "socket has room for %d; use a shorter run directory",
                       path, strlen(path), MAX_PATH);
    return 0;
}

static bool is_loopback(const char *host)
{
    unsigned a, b, c, d;
    char end;
    if (str_eq(host, "[::1]") || str_eq(host, "localhost"))
        return true;
    return sscanf(host, "%3u.%3u.%3u.%3u%c", &a, &b, &c, &d, &end) == 4 &&
           a == 127 && b < 256 && c < 256 && d < 256;
}

static int check_tcp(const char *address, struct err *err)
{
    const char *colon = strrchr(address, ':');
    int64_t port = 0;
    if (!colon || !parse_i64(colon + 1, &port) || port < 1 || port > 65535)
        return err_set(err, ERR_INVALID,
                       "endpoint tcp://%s: must be tcp://HOST:PORT", address);
    AUTO_FREE char *host = xstrndup(address, (size_t)(colon - address));
    if (!is_loopback(host))
        return err_set(err, ERR_UNSUPPORTED,
                       "endpoint tcp://%s: only loopback addresses are "
                       "allowed, because the bus is not encrypted yet",
                       address);
    return 0;
}

int bus_endpoint_check(const char *endpoint, struct err *err)
{
    if (str_starts(endpoint, "ipc://"))
        return check_ipc(endpoint + 6, err);
    if (str_starts(endpoint, "tcp://"))
        return check_tcp(endpoint + 6, err);
    return err_set(err, ERR_INVALID,
                   "endpoint %s: must begin with ipc:// or tcp://", endpoint);
}

int bus_endpoint(const char *run_dir, const char *name, char *out, size_t size,
                 struct err *err)
{
    int n = snprintf(out, size, "ipc://%s/%s", run_dir, name);
    if (n < 0 || (size_t)n >= size)
        return err_set(err, ERR_INVALID, "endpoint ipc://%s/%s: too long",
                       run_dir, name);
    return bus_endpoint_check(out, err);
}

void *bus_socket(int type, int high_water)
{
    void *socket = zmq_socket(bus_context(), type);
    ASSERT(socket); /* out of sockets or descriptors: nothing works then */
    int linger = 0, ipv6 = 1;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(socket, ZMQ_IPV6, &ipv6, sizeof ipv6);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &high_water, sizeof high_water);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &high_water, sizeof high_water);
    if (type == ZMQ_DEALER || type == ZMQ_SUB) {
        int every = HEARTBEAT_MS, silence = SILENCE_MS;
        zmq_setsockopt(socket, ZMQ_HEARTBEAT_IVL, &every, sizeof every);
        zmq_setsockopt(socket, ZMQ_HEARTBEAT_TIMEOUT, &silence, sizeof silence);
        zmq_setsockopt(socket, ZMQ_HANDSHAKE_IVL, &silence, sizeof silence);
    }
    if (type == ZMQ_ROUTER)
        zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max_request_bytes,
                       sizeof max_request_bytes);
    return socket;
}

/* The lock file is never removed: removing it would let two owners lock two
 * files of one name. */
static int lock_path(const char *path, int *lock_fd, struct err *err)
{
    AUTO_FREE char *name = xasprintf("%s.lock", path);
    AUTO_CLOSE int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(err, "%s: cannot open", name);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return err_sys(err, "%s: cannot lock", name);
        char pid[32] = "unknown";
        ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
        if (n > 0)
            pid[strspn(pid, "0123456789")] = '\0';
        return err_set(err, ERR_EXISTS,
                       "%s: another process (pid %s) answers there", path, pid);
    }
    if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0)
        return err_sys(err, "%s: cannot write", name);
    *lock_fd = fd;
    fd = -1;
    return 0;
}

int bus_bind(void *socket, const char *endpoint, int *lock_fd, struct err *err)
{
    *lock_fd = -1;
    if (bus_endpoint_check(endpoint, err) < 0)
        return -1;
    if (str_starts(endpoint, "ipc://") &&
        lock_path(endpoint + 6, lock_fd, err) < 0)
        return -1;
    if (zmq_bind(socket, endpoint) == 0)
        return 0;
    int saved = errno;
    if (*lock_fd >= 0)
        close(*lock_fd);
    *lock_fd = -1;
    return err_set(err, saved == EADDRINUSE ? ERR_EXISTS : ERR_IO,
                   "%s: cannot bind: %s", endpoint, zmq_strerror(saved));
}

void bus_unbind(void **socket, int *lock_fd)
{
    if (*socket)
        zmq_close(*socket);
    *socket = NULL;
    if (*lock_fd >= 0)
        close(*lock_fd);
    *lock_fd = -1;
}

int bus_may_log(int64_t now_ms, int64_t *last_ms)
{
    if (*last_ms && now_ms - *last_ms < 1000)
        return 0;
    *last_ms = now_ms;
    return 1;
}
