/* SPDX-License-Identifier: Apache-2.0 */
/* redis_bench - SET commands to a redis-server on a unix socket
 *
 *   redis_bench SOCKET CLIENTS BYTES SECONDS
 *
 * CLIENTS connections with one command under way on each; only "+OK" counts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/bench/meter.h"

enum { KEYS = 1000, MAX_EVENTS = 256 };
static const char ok[] = "+OK\r\n";

struct client {
    int fd;
    int64_t sent_us;
};

static char *command;
static size_t command_len;
static char *key_digits; /* inside the command */

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static void make_command(size_t bytes)
{
    command = malloc(bytes + 128);
    int n = sprintf(
        command, "*3\r\n$3\r\nSET\r\n$13\r\nbench/0000000\r\n$%zu\r\n", bytes);
    key_digits = strstr(command, "bench/") + 6;
    memset(command + n, 'f', bytes);
    memcpy(command + n + bytes, "\r\n", 2);
    command_len = (size_t)n + bytes + 2;
}

static int dial(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof at.sun_path)
        exit(2);
    strcpy(at.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) < 0)
        die(path);
    return fd;
}

static void ask(struct client *c)
{
    static unsigned next;
    char digits[16];
    snprintf(digits, sizeof digits, "%07u", next++ % KEYS);
    memcpy(key_digits, digits, 7);
    c->sent_us = meter_now_us();
    if (write(c->fd, command, command_len) != (ssize_t)command_len)
        die("write");
}

static void hear(struct client *c, struct meter *meter)
{
    char reply[256];
    ssize_t n = read(c->fd, reply, sizeof reply - 1);
    if (n <= 0)
        die("read");
    reply[n] = '\0';
    if (strcmp(reply, ok) == 0)
        meter_ok(meter, c->sent_us, meter_now_us());
    else
        meter_failed(meter, reply);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    size_t count = meter_number(argv[2], 1, 10000);
    make_command(meter_number(argv[3], 1, 1 << 20));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct client *clients = calloc(count, sizeof *clients);
    for (size_t i = 0; i < count; i++) {
        clients[i].fd = dial(argv[1]);
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &clients[i]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &ev);
    }
    struct meter meter = {0};
    meter_start(&meter, 0.2, meter_seconds(argv[4]));
    for (size_t i = 0; i < count; i++)
        ask(&clients[i]);
    while (!meter_is_over(&meter, meter_now_us())) {
        struct epoll_event events[MAX_EVENTS];
        int n = epoll_wait(epoll, events, MAX_EVENTS, 1000);
        for (int i = 0; i < n; i++) {
            hear(events[i].data.ptr, &meter);
            ask(events[i].data.ptr);
        }
    }
    free(clients);
    free(command);
    return meter_print(&meter);
}
