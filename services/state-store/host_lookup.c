/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/host_lookup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/loop/loop.h"

/* Owned by the thread and by the asker; the last one frees it. */
struct host_lookup {
    atomic_int owners;
    char *host;
    int fd; /* readable when the answer is there */
    int code;
    char address[HOST_ADDRESS_SIZE];

    /* The asker's only. */
    struct loop *loop;
    void (*done)(void *self, const char *address, const char *why);
    void *self;
};

static void release(struct host_lookup *l)
{
    if (atomic_fetch_sub(&l->owners, 1) != 1)
        return;
    close(l->fd);
    free(l->host);
    free(l);
}

/* IPv4 where there is one, as everywhere else where Redis is spoken to. */
static int ask(const char *host, int family, char *address)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(host, NULL, &hints, &found);
    if (code)
        return code;
    code = getnameinfo(found->ai_addr, found->ai_addrlen, address,
                       HOST_ADDRESS_SIZE, NULL, 0, NI_NUMERICHOST);
    freeaddrinfo(found);
    return code;
}

static void *run(void *self)
{
    struct host_lookup *l = self;
    uint64_t one = 1;
    l->code = ask(l->host, AF_INET, l->address);
    if (l->code && ask(l->host, AF_INET6, l->address) == 0)
        l->code = 0;
    while (write(l->fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    release(l);
    return NULL;
}

static void on_answer(void *self, int fd, int events UNUSED)
{
    struct host_lookup *l = self;
    char why[200];
    uint64_t one;
    if (read(fd, &one, sizeof one) < 0)
        return;
    loop_fd_remove(l->loop, fd);
    snprintf(why, sizeof why, "%.100s: %s", l->host,
             l->code ? gai_strerror(l->code) : "");
    l->done(l->self, l->code ? NULL : l->address, why);
    release(l);
}

bool host_is_address(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET, host, &address) == 1 ||
           inet_pton(AF_INET6, host, &address) == 1;
}

struct host_lookup *host_lookup_start(
    struct loop *loop, const char *host,
    void (*done)(void *self, const char *address, const char *why), void *self)
{
    struct host_lookup *l = xcalloc(1, sizeof *l);
    pthread_attr_t attr;
    pthread_t thread;
    atomic_init(&l->owners, 2);
    l->host = xstrdup(host);
    l->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ASSERT(l->fd >= 0);
    l->loop = loop;
    l->done = done;
    l->self = self;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    ASSERT(pthread_create(&thread, &attr, run, l) == 0);
    pthread_attr_destroy(&attr);
    loop_fd(loop, l->fd, LOOP_READ, on_answer, l);
    return l;
}

void host_lookup_cancel(struct host_lookup **lookup)
{
    struct host_lookup *l = *lookup;
    if (!l)
        return;
    loop_fd_remove(l->loop, l->fd);
    release(l);
    *lookup = NULL;
}
