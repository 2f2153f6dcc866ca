/* SPDX-License-Identifier: Apache-2.0 */
/* control - one line there, one line back */
#include "cli/control.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cli/preflight.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"

#define MAX_ANSWER ((size_t)1 << 20)
#define DOWN_MS    60000
#define GONE_MS    5000

static int address(const char *run_dir, struct sockaddr_un *out,
                   struct err *err)
{
    AUTO_FREE char *path = xasprintf("%s/control.sock", run_dir);

    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(out->sun_path))
        return err_set(err, ERR_INVALID,
                       "run dir %s: the path is too long for a socket (at most "
                       "%zu bytes)",
                       run_dir, sizeof(out->sun_path) - 15);
    strcpy(out->sun_path, path); /* allowed: length is checked above */
    return 0;
}

int control_listen(const char *run_dir, struct err *err)
{
    struct sockaddr_un addr;

    if (address(run_dir, &addr, err) < 0)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(err, "socket");
    /* We hold the run dir's lock, so a socket there is a dead one's. */
    unlink(addr.sun_path);
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(fd, 16) < 0) {
        err_sys(err, "%s", addr.sun_path);
        close(fd);
        return -1;
    }
    return fd;
}

static int send_all(int fd, const char *text, size_t len, struct err *err)
{
    while (len) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, "supervisor");
        text += n;
        len -= (size_t)n;
    }
    return 0;
}

static int read_line(int fd, int64_t deadline, struct buf *out, struct err *err)
{
    while (out->len == 0 || out->data[out->len - 1] != '\n') {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        char piece[4096];
        int64_t left = deadline - clock_mono_ms();
        if (left <= 0 || out->len > MAX_ANSWER)
            return err_set(err, ERR_TIMEOUT, "supervisor: no answer");
        if (poll(&p, 1, (int)MIN(left, (int64_t)60000)) <= 0)
            continue;
        ssize_t n = read(fd, piece, sizeof(piece));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(err, ERR_IO, "supervisor: ended without an answer");
        buf_add(out, piece, (size_t)n);
    }
    return 0;
}

static json_t *check_answer(const struct buf *line, struct err *err)
{
    json_t *answer = json_loadb(line->data, line->len, 0, NULL);

    if (json_is_true(json_object_get(answer, "ok")))
        return answer;
    const char *why = json_string_value(json_object_get(answer, "error"));
    err_set(err, ERR_INVALID, "supervisor: %s",
            why ? why : "an answer that is not understood");
    json_decref(answer);
    return NULL;
}

static json_t *exchange(int fd, const char *text, int64_t timeout_ms,
                        struct err *err)
{
    AUTO_BUF struct buf line = {0};

    if (send_all(fd, text, strlen(text), err) < 0 ||
        send_all(fd, "\n", 1, err) < 0 ||
        read_line(fd, clock_mono_ms() + timeout_ms, &line, err) < 0)
        return NULL;
    return check_answer(&line, err);
}

json_t *control_call(const char *run_dir, json_t *request, int64_t timeout_ms,
                     struct err *err)
{
    struct sockaddr_un addr;
    AUTO_FREE char *text = json_dumps(request, JSON_COMPACT);

    json_decref(request);
    if (address(run_dir, &addr, err) < 0)
        return NULL;
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        err_sys(err, "socket");
        return NULL;
    }
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        bool is_absent = errno == ECONNREFUSED || errno == ENOENT;
        err_sys(err, "%s", addr.sun_path);
        if (is_absent)
            err_set(err, ERR_NOT_FOUND,
                    "the suite in %s is just starting or stopping: try again",
                    run_dir);
        return NULL;
    }
    return exchange(fd, text, timeout_ms, err);
}

/* The lock of the run dir is free once the supervisor is gone. */
static void wait_for_end(const char *run_dir)
{
    int64_t end = clock_mono_ms() + GONE_MS;
    int fd = -1;

    while (clock_mono_ms() < end) {
        struct timespec t = {.tv_nsec = 10 * 1000000};
        if (preflight_lock(run_dir, &fd, NULL) != 0 || fd >= 0)
            break;
        nanosleep(&t, NULL);
    }
    if (fd >= 0)
        close(fd);
}

int control_down(const char *run_dir, int *n, struct err *err)
{
    json_t *answer =
        control_call(run_dir, json_pack("{s:s}", "cmd", "down"), DOWN_MS, err);

    if (!answer)
        return -1;
    if (n)
        *n = (int)json_integer_value(json_object_get(answer, "stopped"));
    json_decref(answer);
    wait_for_end(run_dir);
    return 0;
}
