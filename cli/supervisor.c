/* SPDX-License-Identifier: Apache-2.0 */
/* supervisor - one loop over children's deaths, timers and control.sock */
#include "cli/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/child.h"
#include "cli/control.h"
#include "cli/suite.h"
#include "cli/teardown.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "lib/service/service.h"

#define MAX_LINE        ((size_t)64 << 10)
#define MAX_ENV_FILE    ((size_t)16 << 20)
#define RELOAD_GRACE_MS 5000

struct supervisor;

struct watched {
    struct supervisor *supervisor;
    struct suite_process *process;
    int64_t started_ms, backoff_ms;
    uint64_t timer;    /* to start, or to kill, it */
    bool is_reloading; /* asked to end, so that it starts afresh */
};

struct peer {
    struct supervisor *supervisor;
    int fd;
    struct buf line;
    struct peer *next;
};

struct supervisor {
    struct loop *loop;
    struct suite *suite;
    const char *redis_server;
    struct watched watched[SUITE_MAX_PROCESSES];
    int listener;
    struct peer *peers;
    int down_fd; /* who asked for the end, -1: nobody */
};

/* ---- suite.json ---- */

static void save(struct supervisor *s)
{
    AUTO_FREE char *path = xasprintf("%s/suite.json", s->suite->run_dir);
    AUTO_FREE char *text = suite_encode(s->suite);
    struct err err = {0};

    if (fs_write_atomic(path, text, strlen(text), 0600, &err) < 0)
        log_odd("suite_json", "error=%s", log_q(err.text));
}

/* ---- children ---- */

static void start(void *self);

static void start_later(struct watched *w, int64_t delay_ms)
{
    loop_timer_cancel(w->supervisor->loop, w->timer);
    w->timer = loop_timer(w->supervisor->loop, delay_ms, 0, start, w);
}

/* The environment that svc.yml is rendered with; NULL with *err. */
static char **planner_env(const struct suite *suite, struct err *err)
{
    AUTO_FREE char *path = xasprintf("%s/planner.env", suite->run_dir);
    AUTO_BUF struct buf text = {0};

    if (fs_read(path, MAX_ENV_FILE, &text, err) < 0)
        return NULL;
    return suite_decode_env(text.data, text.len, err);
}

static pid_t spawn(struct watched *w, struct err *err)
{
    const struct supervisor *s = w->supervisor;
    const char *name = w->process->name;
    AUTO_FREE char *log_path = suite_log_path(s->suite, name);
    AUTO_FREE char *pid_path = teardown_pid_path(s->suite->run_dir, name);
    struct suite_command command;
    char **env = NULL;

    if (strcmp(name, "planner") == 0) {
        env = planner_env(s->suite, err);
        if (!env)
            return -1;
    }
    suite_command(s->suite, name, s->redis_server, &command);
    pid_t pid = child_spawn(&(struct child_start){.argv = command.argv,
                                                  .env = env,
                                                  .secrets = command.secrets,
                                                  .log_path = log_path,
                                                  .pid_path = pid_path},
                            err);
    suite_command_free(&command);
    suite_free_env(&env);
    return pid;
}

static void start(void *self)
{
    struct watched *w = self;
    struct err err = {0};

    w->timer = 0;
    w->is_reloading = false;
    w->started_ms = clock_mono_ms();
    pid_t pid = spawn(w, &err);
    if (pid < 0) {
        log_odd("not_started", "process=%s error=%s", w->process->name,
                log_q(err.text));
        w->backoff_ms = suite_backoff_ms(w->backoff_ms, 0);
        start_later(w, w->backoff_ms);
        return;
    }
    w->process->pid = (int)pid;
    log_info("started", "process=%s pid=%d", w->process->name, (int)pid);
    save(w->supervisor);
}

static void on_death(struct watched *w, int status)
{
    int64_t alive_ms = clock_mono_ms() - w->started_ms;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

    w->process->pid = 0;
    w->process->exit_code = code;
    if (w->is_reloading) {
        log_info("ended_for_reload", "process=%s", w->process->name);
        start_later(w, 0);
        return;
    }
    w->process->restarts++;
    w->backoff_ms = suite_backoff_ms(w->backoff_ms, alive_ms);
    log_odd("died", "process=%s code=%d alive_ms=%lld restart_in_ms=%lld",
            w->process->name, code, (long long)alive_ms,
            (long long)w->backoff_ms);
    start_later(w, w->backoff_ms);
    save(w->supervisor);
}

static void on_sigchld(void *self, int signo UNUSED)
{
    struct supervisor *s = self;
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < s->suite->n_processes; i++)
            if (s->watched[i].process->pid == (int)pid)
                on_death(&s->watched[i], status);
}

static void kill_slow(void *self)
{
    struct watched *w = self;

    w->timer = 0;
    if (w->process->pid > 0)
        kill(w->process->pid, SIGKILL);
}

/* Ends the planner; it starts afresh with the environment as it is then. */
static void reload(struct supervisor *s)
{
    for (size_t i = 0; i < s->suite->n_processes; i++) {
        struct watched *w = &s->watched[i];
        if (strcmp(w->process->name, "planner") != 0)
            continue;
        w->backoff_ms = 0;
        if (w->process->pid == 0) {
            start_later(w, 0);
            return;
        }
        w->is_reloading = true;
        kill(w->process->pid, SIGTERM);
        loop_timer_cancel(s->loop, w->timer);
        w->timer = loop_timer(s->loop, RELOAD_GRACE_MS, 0, kill_slow, w);
    }
}

/* ---- control.sock ---- */

static void answer(int fd, json_t *json)
{
    AUTO_FREE char *text = json_dumps(json, JSON_COMPACT);
    AUTO_FREE char *line = xasprintf("%s\n", text);

    json_decref(json);
    /* A peer that does not read is no reason to wait. */
    if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
        log_odd("control_answer", "errno=%d", errno);
}

static void answer_error(int fd, const char *text)
{
    answer(fd, json_pack("{s:b, s:s}", "ok", 0, "error", text));
}

static void on_reload(struct supervisor *s, int fd, const json_t *request)
{
    const char *spec = json_string_value(json_object_get(request, "spec"));
    const char *service =
        json_string_value(json_object_get(request, "service"));
    struct suite_process *planner = suite_find(s->suite, "planner");

    if (!spec || *spec != '/' || !service) {
        answer_error(fd, "reload needs an absolute spec and a service");
        return;
    }
    free(s->suite->spec);
    s->suite->spec = xstrdup(spec);
    free(s->suite->service);
    s->suite->service = xstrdup(service);
    int old = planner->pid;
    log_info("reload", "spec=%s", log_q(spec));
    reload(s);
    answer(fd, json_pack("{s:b, s:i}", "ok", 1, "planner_pid", old));
}

static void on_request(struct peer *p, const json_t *request)
{
    struct supervisor *s = p->supervisor;
    const char *cmd = json_string_value(json_object_get(request, "cmd"));

    if (cmd && strcmp(cmd, "status") == 0) {
        AUTO_FREE char *text = suite_encode(s->suite);
        answer(p->fd, json_pack("{s:b, s:o}", "ok", 1, "suite",
                                json_loads(text, 0, NULL)));
    } else if (cmd && strcmp(cmd, "reload") == 0) {
        on_reload(s, p->fd, request);
    } else if (cmd && strcmp(cmd, "down") == 0) {
        log_info("down", "%s", "");
        s->down_fd = dup(p->fd); /* answered when all is down */
        loop_stop(s->loop);
    } else {
        answer_error(p->fd, "unknown command");
    }
}

static void drop_peer(struct peer *p)
{
    struct peer **at = &p->supervisor->peers;

    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    loop_fd_remove(p->supervisor->loop, p->fd);
    close(p->fd);
    buf_free(&p->line);
    free(p);
}

static void on_peer(void *self, int fd, int events UNUSED)
{
    struct peer *p = self;
    char piece[4096];
    ssize_t n = read(fd, piece, sizeof(piece));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || p->line.len + (size_t)n > MAX_LINE) {
        drop_peer(p);
        return;
    }
    buf_add(&p->line, piece, (size_t)n);
    if (p->line.data[p->line.len - 1] != '\n')
        return;
    json_t *request = json_loadb(p->line.data, p->line.len, 0, NULL);
    if (json_is_object(request))
        on_request(p, request);
    else
        answer_error(fd, "not a line of JSON");
    json_decref(request);
    drop_peer(p);
}

static void on_listener(void *self, int fd, int events UNUSED)
{
    struct supervisor *s = self;
    int peer_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (peer_fd < 0)
        return;
    struct peer *p = xcalloc(1, sizeof(*p));
    *p = (struct peer){.supervisor = s, .fd = peer_fd, .next = s->peers};
    s->peers = p;
    loop_fd(s->loop, peer_fd, LOOP_READ, on_peer, p);
}

/* ---- life
 * ----------------------------------------------------------------------------------
 */

static void on_stop_signal(void *self, int signo)
{
    struct supervisor *s = self;

    log_info("stop_signal", "signal=%d", signo);
    loop_stop(s->loop);
}

static void start_all(struct supervisor *s)
{
    for (size_t i = 0; i < s->suite->n_processes; i++) {
        s->watched[i] =
            (struct watched){.supervisor = s, .process = &s->suite->process[i]};
        start(&s->watched[i]);
    }
}

static void end(struct supervisor *s)
{
    AUTO_FREE char *socket_path =
        xasprintf("%s/control.sock", s->suite->run_dir);

    loop_fd_remove(s->loop, s->listener);
    close(s->listener);
    unlink(socket_path);
    while (s->peers)
        drop_peer(s->peers);
    int n = teardown(s->suite->run_dir, s->suite->own_master);
    log_info("stopped", "processes=%d", n);
    for (size_t i = 0; i < s->suite->n_processes; i++)
        s->suite->process[i].pid = 0;
    s->suite->pid = 0;
    save(s);
    if (s->down_fd >= 0) {
        answer(s->down_fd, json_pack("{s:b, s:i}", "ok", 1, "stopped", n));
        close(s->down_fd);
    }
}

int supervisor_run(struct suite *suite, const char *redis_server)
{
    struct supervisor s = {
        .suite = suite, .redis_server = redis_server, .down_fd = -1};
    struct err err = {0};

    log_set_service("supervisor");
    suite->pid = getpid();
    s.listener = control_listen(suite->run_dir, &err);
    if (s.listener < 0) {
        log_bad("control_sock", "error=%s", log_q(err.text));
        return EXIT_UNWRITABLE;
    }
    s.loop = loop_new();
    loop_signal(s.loop, SIGCHLD, on_sigchld, &s);
    loop_signal(s.loop, SIGTERM, on_stop_signal, &s);
    loop_signal(s.loop, SIGINT, on_stop_signal, &s);
    loop_signal(s.loop, SIGHUP, on_stop_signal, &s);
    loop_fd(s.loop, s.listener, LOOP_READ, on_listener, &s);
    start_all(&s);
    loop_run(s.loop);
    end(&s);
    loop_destroy(&s.loop);
    return EXIT_OK;
}
