/* SPDX-License-Identifier: Apache-2.0 */
/* The loop: timers, descriptors, 0MQ sockets, signals, and callbacks that
 * remove themselves and others. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/loop/loop.h"

struct world {
    struct loop *loop;
    int calls;
    int order[64];
    uint64_t victim;
    int fds[2];
    int other_fds[2];
    void *socket;
};

struct step {
    struct world *w;
    int number;
};

static struct world world_new(void)
{
    struct world w = {.loop = loop_new(), .fds = {-1, -1}};
    return w;
}

static void note(void *self)
{
    struct step *step = self;
    if (step->w->calls < 64)
        step->w->order[step->w->calls] = step->number;
    step->w->calls++;
}

static void count(void *self)
{
    struct world *w = self;
    w->calls++;
}

static void stop(void *self)
{
    struct world *w = self;
    loop_stop(w->loop);
}

Test(loop, timers_fire_in_order_of_due_time)
{
    struct world w = world_new();
    struct step steps[] = {{&w, 0}, {&w, 1}, {&w, 2}, {&w, 3}};
    loop_timer(w.loop, 30, 0, note, &steps[2]);
    loop_timer(w.loop, 10, 0, note, &steps[0]);
    loop_timer(w.loop, 20, 0, note, &steps[1]);
    loop_timer(w.loop, 30, 0, note, &steps[3]);
    loop_timer(w.loop, 60, 0, stop, &w);
    loop_run(w.loop);
    cr_assert_eq(w.calls, 4);
    for (int i = 0; i < 4; i++)
        cr_expect_eq(w.order[i], i, "place %d", i);
    loop_destroy(&w.loop);
    cr_assert_null(w.loop);
}

Test(loop, repeats_until_cancelled_and_ids_are_not_used_again)
{
    struct world w = world_new();
    uint64_t a = loop_timer(w.loop, 1, 1, count, &w);
    while (w.calls < 5)
        loop_run_once(w.loop, 100);
    loop_timer_cancel(w.loop, a);
    int before = w.calls;
    uint64_t b = loop_timer(w.loop, 1, 0, count, &w);
    cr_expect_gt(b, a);
    loop_timer_cancel(w.loop, a);
    loop_timer_cancel(w.loop, 0);
    loop_timer_cancel(w.loop, 123456);
    int64_t end = clock_mono_ms() + 30;
    while (clock_mono_ms() < end)
        loop_run_once(w.loop, 5);
    cr_expect_eq(w.calls, before + 1);
    loop_destroy(&w.loop);
}

static void cancel_victim(void *self)
{
    struct world *w = self;
    w->calls++;
    loop_timer_cancel(w->loop, w->victim);
}

Test(loop, a_timer_cancels_another_that_is_due)
{
    struct world w = world_new();
    loop_timer(w.loop, 0, 0, cancel_victim, &w);
    w.victim = loop_timer(w.loop, 0, 0, count, &w);
    loop_run_once(w.loop, 50);
    loop_run_once(w.loop, 0);
    cr_expect_eq(w.calls, 1);
    loop_destroy(&w.loop);
}

Test(loop, a_repeating_timer_cancels_itself)
{
    struct world w = world_new();
    w.victim = loop_timer(w.loop, 0, 1, cancel_victim, &w);
    for (int i = 0; i < 10; i++)
        loop_run_once(w.loop, 2);
    cr_expect_eq(w.calls, 1);
    loop_destroy(&w.loop);
}

static void again(void *self)
{
    struct world *w = self;
    w->calls++;
    loop_timer(w->loop, 0, 0, again, w);
    loop_soon(w->loop, again, w);
}

Test(loop, what_rearms_itself_does_not_starve_the_turn)
{
    struct world w = world_new();
    loop_timer(w.loop, 0, 0, again, &w);
    loop_run_once(w.loop, 50);
    cr_expect_eq(w.calls, 2, "the timer and the soon it asked for");
    loop_run_once(w.loop, 0);
    cr_expect_leq(w.calls, 7, "those and the soons they asked for");
    loop_destroy(&w.loop);
}

Test(loop, soon_comes_after_timers_in_order_and_can_be_cancelled)
{
    struct world w = world_new();
    struct step steps[] = {{&w, 0}, {&w, 1}, {&w, 2}, {&w, 3}};
    loop_soon(w.loop, note, &steps[1]);
    uint64_t gone = loop_soon(w.loop, note, &steps[3]);
    loop_soon(w.loop, note, &steps[2]);
    loop_timer(w.loop, 0, 0, note, &steps[0]);
    loop_timer_cancel(w.loop, gone);
    loop_run_once(w.loop, 50);
    cr_assert_eq(w.calls, 3);
    for (int i = 0; i < 3; i++)
        cr_expect_eq(w.order[i], i, "place %d", i);
    loop_destroy(&w.loop);
}

Test(loop, twenty_thousand_timers)
{
    struct world w = world_new();
    uint64_t *ids = xcalloc(20000, sizeof *ids);
    uint32_t seed = 7;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1664525 + 1013904223;
        ids[i] = loop_timer(w.loop, (int64_t)(seed >> 16) % 50, 0, count, &w);
    }
    for (int i = 0; i < 20000; i += 2)
        loop_timer_cancel(w.loop, ids[i]);
    loop_timer(w.loop, 60, 0, stop, &w);
    loop_run(w.loop);
    cr_expect_eq(w.calls, 10000);
    free(ids);
    loop_destroy(&w.loop);
}

/* ---- descriptors ------------------------------------------------------- */

static void drain(void *self, int fd, int events)
{
    struct world *w = self;
    char byte;
    cr_expect(events & LOOP_READ);
    if (read(fd, &byte, 1) == 1)
        w->calls++;
}

Test(loop, tells_read_write_and_hang_up)
{
    struct world w = world_new();
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, w.fds), 0);
    loop_fd(w.loop, w.fds[0], LOOP_READ, drain, &w);
    loop_run_once(w.loop, 0);
    cr_expect_eq(w.calls, 0);
    cr_assert_eq(write(w.fds[1], "xy", 2), 2);
    loop_run_once(w.loop, 100);
    loop_run_once(w.loop, 100);
    cr_expect_eq(w.calls, 2, "level, not edge");
    loop_fd_remove(w.loop, w.fds[0]);
    loop_fd_remove(w.loop, w.fds[0]);
    loop_fd_remove(w.loop, 99999);
    close(w.fds[0]);
    close(w.fds[1]);
    loop_destroy(&w.loop);
}

static void saw(void *self, int fd, int events)
{
    struct world *w = self;
    w->calls++;
    w->order[0] = events;
    loop_fd_remove(w->loop, fd);
}

static const struct {
    const char *name;
    int watched;
    bool hang_up;
    int expected;
} event_cases[] = {
    {"writable", LOOP_WRITE, false, LOOP_WRITE},
    {"both, only writable", LOOP_READ | LOOP_WRITE, false, LOOP_WRITE},
    {"hang-up seen by a reader", LOOP_READ, true, LOOP_READ},
    {"hang-up seen by a writer", LOOP_WRITE, true, LOOP_WRITE},
    {"hang-up seen by both", LOOP_READ | LOOP_WRITE, true,
     LOOP_READ | LOOP_WRITE},
};

Test(loop, events)
{
    for (size_t i = 0; i < ARRAY_LEN(event_cases); i++) {
        struct world w = world_new();
        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, w.fds), 0);
        if (event_cases[i].hang_up)
            close(w.fds[1]);
        loop_fd(w.loop, w.fds[0], event_cases[i].watched, saw, &w);
        loop_run_once(w.loop, 100);
        loop_run_once(w.loop, 0);
        cr_expect_eq(w.calls, 1, "case: %s", event_cases[i].name);
        cr_expect_eq(w.order[0], event_cases[i].expected, "case: %s",
                     event_cases[i].name);
        close(w.fds[0]);
        if (!event_cases[i].hang_up)
            close(w.fds[1]);
        loop_destroy(&w.loop);
    }
}

/* Both ends are readable in one poll; whoever is called first removes the
 * other, closes it and puts a new descriptor of the same number in its place.
 */
static void replace_other(void *self, int fd, int events UNUSED)
{
    struct world *w = self;
    w->calls++;
    int other = fd == w->fds[0] ? w->other_fds[0] : w->fds[0];
    loop_fd_remove(w->loop, other);
    loop_fd_remove(w->loop, fd);
    close(other);
    int again_fd = fcntl(w->fds[1], F_DUPFD_CLOEXEC, other);
    cr_assert_eq(again_fd, other);
    loop_fd(w->loop, again_fd, LOOP_READ, replace_other, w);
}

Test(loop, an_event_of_a_removed_watch_is_not_told_to_its_successor)
{
    struct world w = world_new();
    cr_assert_eq(pipe2(w.fds, O_CLOEXEC), 0);
    cr_assert_eq(pipe2(w.other_fds, O_CLOEXEC), 0);
    cr_assert_eq(write(w.fds[1], "x", 1), 1);
    cr_assert_eq(write(w.other_fds[1], "x", 1), 1);
    loop_fd(w.loop, w.fds[0], LOOP_READ, replace_other, &w);
    loop_fd(w.loop, w.other_fds[0], LOOP_READ, replace_other, &w);
    loop_run_once(w.loop, 100);
    cr_expect_eq(w.calls, 1);
    loop_destroy(&w.loop);
}

Test(loop, a_descriptor_closed_without_a_word_can_be_watched_again)
{
    struct world w = world_new();
    cr_assert_eq(pipe2(w.fds, O_CLOEXEC), 0);
    loop_fd(w.loop, w.fds[0], LOOP_READ, drain, &w);
    close(w.fds[0]);
    close(w.fds[1]);
    int reused[2];
    cr_assert_eq(pipe2(reused, O_CLOEXEC), 0);
    loop_fd(w.loop, reused[0], LOOP_READ, drain, &w);
    cr_assert_eq(write(reused[1], "x", 1), 1);
    loop_run_once(w.loop, 100);
    cr_expect_eq(w.calls, 1);
    loop_destroy(&w.loop);
}

Test(loop, a_thousand_descriptors)
{
    struct rlimit limit = {4096, 4096};
    setrlimit(RLIMIT_NOFILE, &limit);
    struct world w = world_new();
    enum { N = 1000 };
    static int pipes[N][2];
    for (int i = 0; i < N; i++) {
        cr_assert_eq(pipe2(pipes[i], O_CLOEXEC), 0);
        loop_fd(w.loop, pipes[i][0], LOOP_READ, drain, &w);
    }
    for (int i = 0; i < N; i++)
        cr_assert_eq(write(pipes[i][1], "x", 1), 1);
    for (int i = 0; i < 20 && w.calls < N; i++)
        loop_run_once(w.loop, 100);
    cr_expect_eq(w.calls, N);
    for (int i = 0; i < N; i++) {
        loop_fd_remove(w.loop, pipes[i][0]);
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    loop_destroy(&w.loop);
}

/* ---- 0MQ --------------------------------------------------------------- */

static void take_one(void *self, void *socket)
{
    struct world *w = self;
    char byte[8];
    if (zmq_recv(socket, byte, sizeof byte, ZMQ_DONTWAIT) >= 0)
        w->calls++;
}

Test(loop, a_socket_is_told_until_it_is_empty)
{
    struct world w = world_new();
    void *ctx = zmq_ctx_new();
    void *in = zmq_socket(ctx, ZMQ_PULL), *out = zmq_socket(ctx, ZMQ_PUSH);
    cr_assert_eq(zmq_bind(in, "inproc://t"), 0);
    cr_assert_eq(zmq_connect(out, "inproc://t"), 0);
    loop_socket(w.loop, in, take_one, &w);
    for (int i = 0; i < 50; i++)
        cr_assert_eq(zmq_send(out, "x", 1, 0), 1);
    /* One message a call: the edge of the descriptor comes only once. */
    for (int i = 0; i < 60; i++)
        loop_run_once(w.loop, 20);
    cr_expect_eq(w.calls, 50);
    loop_socket_remove(w.loop, in);
    cr_assert_eq(zmq_send(out, "x", 1, 0), 1);
    loop_run_once(w.loop, 10);
    cr_expect_eq(w.calls, 50);
    loop_destroy(&w.loop);
    zmq_close(in);
    zmq_close(out);
    zmq_ctx_term(ctx);
}

static void remove_socket(void *self, void *socket UNUSED)
{
    struct world *w = self;
    w->calls++;
    loop_socket_remove(w->loop, w->socket);
}

Test(loop, a_socket_callback_removes_another_that_is_readable)
{
    struct world w = world_new();
    void *ctx = zmq_ctx_new();
    void *in[2], *out[2];
    static const char *const names[] = {"inproc://a", "inproc://b"};
    for (int i = 0; i < 2; i++) {
        in[i] = zmq_socket(ctx, ZMQ_PULL);
        out[i] = zmq_socket(ctx, ZMQ_PUSH);
        cr_assert_eq(zmq_bind(in[i], names[i]), 0);
        cr_assert_eq(zmq_connect(out[i], names[i]), 0);
        cr_assert_eq(zmq_send(out[i], "x", 1, 0), 1);
        loop_socket(w.loop, in[i], remove_socket, &w);
    }
    w.socket = in[1];
    loop_run_once(w.loop, 20);
    cr_expect_eq(w.calls, 1);
    loop_destroy(&w.loop);
    for (int i = 0; i < 2; i++) {
        zmq_close(in[i]);
        zmq_close(out[i]);
    }
    zmq_ctx_term(ctx);
}

/* ---- signals ----------------------------------------------------------- */

static void on_signal(void *self, int signo)
{
    struct world *w = self;
    w->order[w->calls++] = signo;
    loop_stop(w->loop);
}

Test(loop, signals_arrive_in_the_loop)
{
    struct world w = world_new();
    loop_signal(w.loop, SIGTERM, on_signal, &w);
    loop_signal(w.loop, SIGHUP, on_signal, &w);
    kill(getpid(), SIGTERM);
    loop_run(w.loop);
    kill(getpid(), SIGHUP);
    loop_run(w.loop);
    cr_assert_eq(w.calls, 2);
    cr_expect_eq(w.order[0], SIGTERM);
    cr_expect_eq(w.order[1], SIGHUP);
    loop_destroy(&w.loop);
}

Test(loop, a_broken_pipe_is_an_error_not_the_end)
{
    struct world w = world_new();
    cr_assert_eq(pipe2(w.fds, O_CLOEXEC), 0);
    close(w.fds[0]);
    cr_expect_eq(write(w.fds[1], "x", 1), -1);
    close(w.fds[1]);
    loop_destroy(&w.loop);
}

Test(loop, stop_before_run_is_kept)
{
    struct world w = world_new();
    loop_stop(w.loop);
    loop_run(w.loop);
    loop_destroy(&w.loop);
}
