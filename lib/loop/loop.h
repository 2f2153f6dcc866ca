/* SPDX-License-Identifier: Apache-2.0 */
/* loop - one thread, one loop: timers, file descriptors, ZeroMQ sockets,
 * signals
 *
 * Nothing called from here may block.  A callback may add and remove anything,
 * itself included; a removed one is not called again, not even for an event
 * that was already polled.
 */
#ifndef REEVE_LIB_LOOP_LOOP_H
#define REEVE_LIB_LOOP_LOOP_H

#include <stdint.h>

struct err;
struct loop;

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop *loop_new(void);
void loop_destroy(struct loop **loop);

/* Runs until loop_stop(); returns then. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* Polls once, waiting at most timeout_ms (0: not at all); for tests. */
void loop_run_once(struct loop *loop, int timeout_ms);

/* Monotonic milliseconds as of the last wake-up. */
int64_t loop_now_ms(const struct loop *loop);

/* Calls fn after delay_ms, then every repeat_ms (0: once).  Returns an id > 0
 * that is never used again. */
uint64_t loop_timer(struct loop *loop, int64_t delay_ms, int64_t repeat_ms,
                    void (*fn)(void *self), void *self);
/* Unknown, fired or zero ids are ignored. */
void loop_timer_cancel(struct loop *loop, uint64_t id);
/* Calls fn once, after the callbacks of this turn; same id space as timers. */
uint64_t loop_soon(struct loop *loop, void (*fn)(void *self), void *self);

/* Watches fd for events (LOOP_READ | LOOP_WRITE; hang-up and error arrive as
 * whatever is watched).  Called again for the same fd it replaces the watch. */
void loop_fd(struct loop *loop, int fd, int events,
             void (*fn)(void *self, int fd, int events), void *self);
/* Before close(fd); unknown fds are ignored. */
void loop_fd_remove(struct loop *loop, int fd);

/* Calls fn while the zsock_t (or raw 0MQ socket) has something to read. */
void loop_socket(struct loop *loop, void *socket,
                 void (*fn)(void *self, void *socket), void *self);
void loop_socket_remove(struct loop *loop, void *socket);

/* Calls fn from the loop when the signal arrives (blocks its default action).
 */
void loop_signal(struct loop *loop, int signo,
                 void (*fn)(void *self, int signo), void *self);

#endif
