/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/zmtp.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"

enum {
    FLAG_MORE = 1,
    FLAG_LONG = 2,
    FLAG_COMMAND = 4,
    GREETING_BYTES = 64,
    READ_BYTES = 64 << 10,
};

struct zmtp {
    int fd;
    struct buf in, out;
    size_t sent; /* of out */
};

static void die(const char *what)
{
    fprintf(stderr, "zmtp: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int dial(const char *endpoint)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (!str_starts(endpoint, "ipc://") ||
        strlen(endpoint + 6) >= sizeof at.sun_path)
        die(endpoint);
    strcpy(at.sun_path, endpoint + 6);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) < 0)
        die(endpoint);
    return fd;
}

static void read_all(int fd, void *to, size_t len)
{
    for (char *p = to; len;) {
        ssize_t n = read(fd, p, len);
        if (n <= 0)
            die("the peer hung up");
        p += n;
        len -= (size_t)n;
    }
}

/* Greeting, then one READY command each. */
static void shake_hands(int fd)
{
    static const char ready[] = "\x04\x1c\x05READY"
                                "\x0bSocket-Type\0\0\0\x06"
                                "DEALER";
    uint8_t mine[GREETING_BYTES] = {[0] = 0xff, [9] = 0x7f, [10] = 3};
    uint8_t theirs[256];
    memcpy(mine + 12, "NULL", 4);
    if (write(fd, mine, sizeof mine) != sizeof mine ||
        write(fd, ready, sizeof ready - 1) != sizeof ready - 1)
        die("greeting");
    read_all(fd, theirs, GREETING_BYTES);
    if (theirs[0] != 0xff || theirs[10] < 3 || memcmp(theirs + 12, "NULL", 5))
        die("another protocol");
    read_all(fd, theirs, 2);
    if (theirs[0] != FLAG_COMMAND)
        die("not a command");
    read_all(fd, theirs + 2, theirs[1]);
}

struct zmtp *zmtp_connect(const char *endpoint)
{
    struct zmtp *z = xcalloc(1, sizeof *z);
    z->fd = dial(endpoint);
    shake_hands(z->fd);
    if (fcntl(z->fd, F_SETFL, O_NONBLOCK) < 0)
        die("nonblocking");
    return z;
}

int zmtp_fd(const struct zmtp *z)
{
    return z->fd;
}

void zmtp_put(struct zmtp *z, const void *data, size_t len)
{
    uint8_t head[9] = {0, (uint8_t)len};
    uint64_t big_endian = htobe64(len);
    if (len > UINT8_MAX) {
        head[0] = FLAG_LONG;
        memcpy(head + 1, &big_endian, sizeof big_endian);
    }
    buf_add(&z->out, head, head[0] ? 9 : 2);
    buf_add(&z->out, data, len);
}

bool zmtp_flush(struct zmtp *z)
{
    while (z->sent < z->out.len) {
        ssize_t n = send(z->fd, z->out.data + z->sent, z->out.len - z->sent,
                         MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n < 0)
            die("send");
        z->sent += (size_t)n;
    }
    z->sent = 0;
    buf_clear(&z->out);
    return true;
}

/* Bytes of the frame at the start, 0: not all there. */
static size_t frame(const uint8_t *at, size_t len, size_t *head)
{
    uint64_t size;
    if (len < 2)
        return 0;
    *head = at[0] & FLAG_LONG ? 9 : 2;
    if (len < *head)
        return 0;
    memcpy(&size, at + 1, MIN(len - 1, sizeof size));
    size = at[0] & FLAG_LONG ? be64toh(size) : at[1];
    if (at[0] & (FLAG_MORE | FLAG_COMMAND))
        die("not a message of one frame");
    return size <= len - *head ? *head + size : 0;
}

void zmtp_take(struct zmtp *z, void (*fn)(void *self, const void *, size_t),
               void *self)
{
    buf_reserve(&z->in, READ_BYTES);
    ssize_t n = read(z->fd, z->in.data + z->in.len, READ_BYTES);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        die("the peer hung up");
    z->in.len += n > 0 ? (size_t)n : 0;
    size_t at = 0, head, whole;
    const uint8_t *data = (const uint8_t *)z->in.data;
    while ((whole = frame(data + at, z->in.len - at, &head))) {
        fn(self, data + at + head, whole - head);
        at += whole;
    }
    buf_drop(&z->in, at);
}
