/* SPDX-License-Identifier: Apache-2.0 */
/* loop - epoll, a heap of timers, 0MQ sockets and signals in one thread
 *
 * Does not: use threads, or czmq's own loop and signal handling.
 *
 * Invariants:
 * - A watch is known to the kernel by fd and generation; an event polled for a
 *   watch that was since removed or replaced has an old generation and is
 *   dropped.
 * - The file descriptor of a 0MQ socket only tells that *something* happened
 *   since it was last looked at, so every socket is asked for its events each
 *   turn, before sleeping and after waking.
 * - Callbacks started in a turn fire in the next one at the earliest, so no
 *   callback that re-arms itself can starve the others.
 */
#include "lib/loop/loop.h"

#include <czmq.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/loop/timers.h"

enum { MAX_EVENTS = 256, MAX_SIGNALS = 65 };
#define WAKE_ONLY                                                              \
    UINT64_MAX /* epoll data of descriptors without a callback                 \
                */

struct watch {
    int events;
    uint32_t generation; /* 0: not watched */
    void (*fn)(void *self, int fd, int events);
    void *self;
};

struct sock {
    void *given; /* what the caller named it by */
    void *raw;
    int fd;
    bool is_removed; /* freed at the end of the turn */
    void (*fn)(void *self, void *socket);
    void *self;
};

struct signal_slot {
    void (*fn)(void *self, int signo);
    void *self;
    struct sigaction old;
};

struct loop {
    int epoll_fd;
    int signal_read, signal_write; /* -1 until a signal is watched */
    int64_t now_ms;
    bool is_stopped;
    uint32_t generation;
    struct watch *watches; /* indexed by fd */
    size_t watch_cap;
    struct sock *socks;
    size_t sock_count, sock_cap;
    struct timers timers;
    struct signal_slot signals[MAX_SIGNALS];
};

/* What a signal handler may touch: where to write, and who may. */
static volatile int signal_pipe[MAX_SIGNALS];
static volatile pid_t signal_owner;

struct loop *loop_new(void)
{
    /* A peer that hangs up is an error of write(), not our end. */
    signal(SIGPIPE, SIG_IGN);
    struct loop *loop = xcalloc(1, sizeof *loop);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    ASSERT(loop->epoll_fd >= 0);
    loop->signal_read = loop->signal_write = -1;
    loop->now_ms = clock_mono_ms();
    return loop;
}

void loop_destroy(struct loop **loop_p)
{
    struct loop *loop = *loop_p;
    if (!loop)
        return;
    for (int i = 0; i < MAX_SIGNALS; i++)
        if (loop->signals[i].fn)
            sigaction(i, &loop->signals[i].old, NULL);
    if (loop->signal_read >= 0) {
        close(loop->signal_read);
        close(loop->signal_write);
    }
    timers_free(&loop->timers);
    free(loop->socks);
    free(loop->watches);
    close(loop->epoll_fd);
    free(loop);
    *loop_p = NULL;
}

int64_t loop_now_ms(const struct loop *loop)
{
    return loop->now_ms;
}

/* ---- timers ------------------------------------------------------------ */

uint64_t loop_timer(struct loop *loop, int64_t delay_ms, int64_t repeat_ms,
                    void (*fn)(void *self), void *self)
{
    /* From the real time, not the last wake-up: a long callback must not
     * shorten the delays it asks for. */
    int64_t due = clock_mono_ms() + MAX(delay_ms, 0);
    return timers_add(&loop->timers, due, MAX(repeat_ms, 0),
                      (struct timer_call){fn, self});
}

void loop_timer_cancel(struct loop *loop, uint64_t id)
{
    timers_cancel(&loop->timers, id);
}

uint64_t loop_soon(struct loop *loop, void (*fn)(void *self), void *self)
{
    return timers_add_soon(&loop->timers, (struct timer_call){fn, self});
}

/* ---- file descriptors -------------------------------------------------- */

static void grow_watches(struct loop *loop, int fd)
{
    size_t need = (size_t)fd + 1;
    if (need <= loop->watch_cap)
        return;
    size_t cap = MAX(loop->watch_cap, 64);
    while (cap < need)
        cap *= 2;
    loop->watches = xrealloc(loop->watches, cap * sizeof *loop->watches);
    memset(loop->watches + loop->watch_cap, 0,
           (cap - loop->watch_cap) * sizeof *loop->watches);
    loop->watch_cap = cap;
}

static void epoll_set(struct loop *loop, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event ev = {.events = events, .data.u64 = data};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &ev) == 0)
        return;
    /* New, or closed without a word and its number used again. */
    ASSERT(errno == ENOENT);
    int rc = epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
    ASSERT(rc == 0);
}

void loop_fd(struct loop *loop, int fd, int events,
             void (*fn)(void *self, int fd, int events), void *self)
{
    ASSERT(fd >= 0 && fn);
    if (events == 0) { /* a hang-up would be told for ever */
        loop_fd_remove(loop, fd);
        return;
    }
    grow_watches(loop, fd);
    if (++loop->generation == 0)
        loop->generation = 1;
    loop->watches[fd] = (struct watch){events, loop->generation, fn, self};
    uint32_t wanted = (events & LOOP_READ ? (uint32_t)EPOLLIN : 0) |
                      (events & LOOP_WRITE ? (uint32_t)EPOLLOUT : 0);
    epoll_set(loop, fd, wanted,
              (uint64_t)loop->generation << 32 | (uint32_t)fd);
}

void loop_fd_remove(struct loop *loop, int fd)
{
    if (fd < 0 || (size_t)fd >= loop->watch_cap ||
        !loop->watches[fd].generation)
        return;
    loop->watches[fd] = (struct watch){0};
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static void call_watch(struct loop *loop, const struct epoll_event *ev)
{
    if (ev->data.u64 == WAKE_ONLY)
        return;
    int fd = (int)(ev->data.u64 & 0x7fffffff);
    uint32_t generation = (uint32_t)(ev->data.u64 >> 32);
    if ((size_t)fd >= loop->watch_cap ||
        loop->watches[fd].generation != generation)
        return;
    struct watch w = loop->watches[fd];
    int events = (ev->events & EPOLLIN ? LOOP_READ : 0) |
                 (ev->events & EPOLLOUT ? LOOP_WRITE : 0);
    if (ev->events & (EPOLLERR | EPOLLHUP))
        events = w.events;
    if (events & w.events)
        w.fn(w.self, fd, events & w.events);
}

/* ---- 0MQ sockets ------------------------------------------------------- */

void loop_socket(struct loop *loop, void *socket,
                 void (*fn)(void *self, void *socket), void *self)
{
    loop_socket_remove(loop, socket);
    if (loop->sock_count == loop->sock_cap) {
        loop->sock_cap = loop->sock_cap ? loop->sock_cap * 2 : 8;
        loop->socks =
            xrealloc(loop->socks, loop->sock_cap * sizeof *loop->socks);
    }
    struct sock s = {.given = socket, .fn = fn, .self = self};
    s.raw = zsock_resolve(socket);
    ASSERT(s.raw);
    size_t size = sizeof s.fd;
    int rc = zmq_getsockopt(s.raw, ZMQ_FD, &s.fd, &size);
    ASSERT(rc == 0);
    epoll_set(loop, s.fd, EPOLLIN, WAKE_ONLY);
    loop->socks[loop->sock_count++] = s;
}

void loop_socket_remove(struct loop *loop, void *socket)
{
    for (size_t i = 0; i < loop->sock_count; i++) {
        struct sock *s = &loop->socks[i];
        if (s->given != socket || s->is_removed)
            continue;
        s->is_removed = true;
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
    }
}

static void forget_removed_sockets(struct loop *loop)
{
    size_t kept = 0;
    for (size_t i = 0; i < loop->sock_count; i++)
        if (!loop->socks[i].is_removed)
            loop->socks[kept++] = loop->socks[i];
    loop->sock_count = kept;
}

static bool is_readable(const struct sock *s)
{
    int events = 0;
    size_t size = sizeof events;
    return !s->is_removed &&
           zmq_getsockopt(s->raw, ZMQ_EVENTS, &events, &size) == 0 &&
           (events & ZMQ_POLLIN);
}

static bool any_socket_readable(const struct loop *loop)
{
    for (size_t i = 0; i < loop->sock_count; i++)
        if (is_readable(&loop->socks[i]))
            return true;
    return false;
}

static void call_sockets(struct loop *loop)
{
    /* Sockets added meanwhile are behind count; the array may move. */
    size_t count = loop->sock_count;
    for (size_t i = 0; i < count; i++) {
        if (!is_readable(&loop->socks[i]))
            continue;
        struct sock s = loop->socks[i];
        s.fn(s.self, s.given);
    }
}

/* ---- signals ----------------------------------------------------------- */

static void on_signal(int signo)
{
    int saved = errno;
    /* Not in a child between fork and exec: it shares our pipe. */
    if (getpid() == signal_owner) {
        unsigned char byte = (unsigned char)signo;
        ssize_t ignored UNUSED = write(signal_pipe[signo], &byte, 1);
    }
    errno = saved;
}

static void on_signal_pipe(void *self, int fd, int events UNUSED)
{
    struct loop *loop = self;
    unsigned char bytes[64];
    ssize_t n = read(fd, bytes, sizeof bytes);
    for (ssize_t i = 0; i < n; i++) {
        struct signal_slot *slot = &loop->signals[bytes[i]];
        if (slot->fn)
            slot->fn(slot->self, bytes[i]);
    }
}

void loop_signal(struct loop *loop, int signo,
                 void (*fn)(void *self, int signo), void *self)
{
    ASSERT(signo > 0 && signo < MAX_SIGNALS && fn);
    if (loop->signal_read < 0) {
        int fds[2];
        int rc = pipe2(fds, O_CLOEXEC | O_NONBLOCK);
        ASSERT(rc == 0);
        loop->signal_read = fds[0];
        loop->signal_write = fds[1];
        loop_fd(loop, fds[0], LOOP_READ, on_signal_pipe, loop);
    }
    struct signal_slot *slot = &loop->signals[signo];
    bool is_new = !slot->fn;
    slot->fn = fn;
    slot->self = self;
    signal_owner = getpid();
    signal_pipe[signo] = loop->signal_write;
    if (!is_new)
        return;
    /* A handler, not a blocked mask: a mask would be inherited over exec by
     * everything that we start. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    sigaction(signo, &action, &slot->old);
}

/* ---- turning ----------------------------------------------------------- */

static int sleep_ms(const struct loop *loop, int timeout_ms)
{
    if (timeout_ms == 0 || any_socket_readable(loop))
        return 0;
    int64_t wait = timers_wait_ms(&loop->timers, clock_mono_ms());
    if (wait < 0)
        return timeout_ms;
    if (timeout_ms >= 0)
        wait = MIN(wait, timeout_ms);
    return (int)MIN(wait, 1000000);
}

void loop_run_once(struct loop *loop, int timeout_ms)
{
    struct epoll_event events[MAX_EVENTS];
    int n = epoll_wait(loop->epoll_fd, events, MAX_EVENTS,
                       sleep_ms(loop, timeout_ms));
    ASSERT(n >= 0 || errno == EINTR);
    loop->now_ms = clock_mono_ms();
    for (int i = 0; i < n; i++)
        call_watch(loop, &events[i]);
    call_sockets(loop);
    forget_removed_sockets(loop);
    timers_fire(&loop->timers, loop->now_ms);
}

void loop_run(struct loop *loop)
{
    while (!loop->is_stopped)
        loop_run_once(loop, -1);
    loop->is_stopped = false;
}

void loop_stop(struct loop *loop)
{
    loop->is_stopped = true;
}
