/* SPDX-License-Identifier: Apache-2.0 */
/* test_cluster - master and agents in one process, over real HTTP
 *
 * The cluster runs in a child process; this one talks to it.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devcluster/cluster.h"
#include "devcluster/master.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/http/http_client.h"
#include "lib/loop/loop.h"

static struct cluster_config config_in(const char *dir)
{
    struct cluster_config config = {
        .address = "127.0.0.1",
        .work_dir = dir,
        .agents = 2,
        .agent_resources = "cpus:4;mem:4096;disk:10240",
        .agent_attributes = "rack:r{n}",
        .agent_hostname = "agent-{n}.local",
        .allocation_interval_ms = 100,
        .recovery_wait_ms = 100,
    };

    return config;
}

static void on_term(void *self, int signo UNUSED)
{
    loop_stop(self);
}

struct server {
    char dir[64];
    pid_t pid;
    int port;
};

static _Noreturn void serve(const char *dir, int report)
{
    struct loop *loop = loop_new();
    struct cluster_config config = config_in(dir);
    struct err err = {0};
    struct cluster *cluster;
    int port;

    log_set_level(LOG_BAD);
    loop_signal(loop, SIGTERM, on_term, loop);
    cluster = cluster_new(loop, &config, &err);
    port = cluster ? cluster_port(cluster) : -(int)err.code;
    if (write(report, &port, sizeof port) != sizeof port)
        _exit(3);
    if (cluster)
        loop_run(loop);
    cluster_destroy(&cluster);
    loop_destroy(&loop);
    _exit(0);
}

static void start(struct server *s)
{
    int pipe_fds[2];

    cr_assert_eq(pipe(pipe_fds), 0);
    s->pid = fork();
    if (s->pid == 0)
        serve(s->dir, pipe_fds[1]);
    close(pipe_fds[1]);
    cr_assert_eq(read(pipe_fds[0], &s->port, sizeof s->port), sizeof s->port);
    close(pipe_fds[0]);
}

static void stop(struct server *s, int signo)
{
    kill(s->pid, signo);
    waitpid(s->pid, NULL, 0);
}

static int ask(const struct server *s, const char *method, const char *path,
               const char *body, char **text)
{
    static const char *const headers[] = {"Content-Type: application/json",
                                          NULL};
    AUTO_FREE char *url = xasprintf("http://127.0.0.1:%d%s", s->port, path);
    struct http_call call = {.method = method,
                             .url = url,
                             .headers = headers,
                             .body = body,
                             .body_len = body ? strlen(body) : 0,
                             .timeout_ms = 10000};
    int status = 0;
    size_t len;
    struct err err = {0};

    *text = NULL;
    cr_assert_eq(http_once(&call, &status, text, &len, &err), 0, "%s: %s", path,
                 err.text);
    return status;
}

/* Id of an agent; "" before it registered. */
static char *agent_id_of(const struct server *s, size_t number)
{
    AUTO_FREE char *text = NULL;
    const char *id;
    json_t *json;
    char *copy;

    cr_assert_eq(ask(s, "GET", "/devcluster/status", NULL, &text), 200);
    json = json_loads(text, 0, NULL);
    id = json_string_value(json_object_get(
        json_array_get(json_object_get(json, "agents"), number), "id"));
    copy = xstrdup(str_or_empty(id));
    json_decref(json);
    return copy;
}

/* They register one after another, each when the loop comes to it. */
static void wait_for_agents(const struct server *s)
{
    for (int i = 0; i < 500; i++) {
        AUTO_FREE char *first = agent_id_of(s, 0);
        AUTO_FREE char *second = agent_id_of(s, 1);

        if (*first && *second)
            return;
        usleep(10000);
    }
    cr_assert(false, "the agents did not register");
}

static void begin(struct server *s)
{
    snprintf(s->dir, sizeof s->dir, "/tmp/reeve-cluster-XXXXXX");
    cr_assert(mkdtemp(s->dir));
    start(s);
    cr_assert_gt(s->port, 0, "error %d", s->port);
    wait_for_agents(s);
}

static void end(struct server *s)
{
    stop(s, SIGTERM);
    fs_remove_tree(s->dir, NULL);
}

static const struct {
    const char *method, *path, *body;
    int status;
    const char *holds;
} request_cases[] = {
    {"GET", "/health", NULL, 200, ""},
    {"GET", "/version", NULL, 200, "\"version\":\"1.11.0\""},
    {"GET", "/state", NULL, 200, "\"activated_slaves\":2.0"},
    {"GET", "/master/slaves", NULL, 200, "agent-1.local"},
    {"GET", "/frameworks", NULL, 200, "\"completed_frameworks\":[]"},
    {"GET", "/tasks?limit=5", NULL, 200, "{\"tasks\":[]}"},
    {"GET", "/tasks?limit=x", NULL, 400, "numbers"},
    {"GET", "/roles", NULL, 200, "{\"roles\":[]}"},
    {"GET", "/flags", NULL, 200, "\"allocation_interval\":\"100ms\""},
    {"GET", "/state-summary", NULL, 200, "\"TASK_RUNNING\":0"},
    {"GET", "/metrics/snapshot", NULL, 200, "\"master/elected\":1.0"},
    {"GET", "/redirect", NULL, 307, ""},
    {"GET", "/nothing", NULL, 404, "404 Not Found."},
    {"GET", "/api/v1", NULL, 405, "405 Method Not Allowed"},
    {"POST", "/api/v1", "{\"type\":\"GET_HEALTH\"}", 200, "\"healthy\":true"},
    {"POST", "/api/v1", "{\"type\":\"GET_AGENTS\"}", 200, "agent-0.local"},
    {"POST", "/api/v1", "{\"type\":\"GET_LOGGING_LEVEL\"}", 200, "\"level\":0"},
    {"POST", "/api/v1", "{\"type\":\"GET_TASKS\"}", 200,
     "\"unreachable_tasks\":[]"},
    {"POST", "/api/v1", "{\"type\":\"UNKNOWN\"}", 501, "501 Not Implemented."},
    {"GET", "/files/browse", NULL, 400, "Expecting 'path=value' in query."},
    {"GET", "/files/browse?path=/x", NULL, 404, ""},
    {"GET", "/files/read?path=/x&offset=a", NULL, 400,
     "Failed to parse offset: Failed to convert 'a' to number."},
    {"GET", "/files/read?path=/x&length=-5", NULL, 400,
     "Negative length provided: -5."},
    {"GET", "/files/debug", NULL, 200, "{}"},
    {"PUT", "/quota", "{}", 405,
     "Expecting one of { 'GET', 'POST', 'DELETE' }, but received 'PUT'."},
    {"POST", "/quota", "{\"role\":\"q\"}", 400,
     "Failed to validate set quota request: QuotaInfo with empty 'guarantee'"},
    {"DELETE", "/quota/q", NULL, 400,
     "Failed to remove quota for path '/master/quota/q': Role 'q' has no quota "
     "set"},
    {"POST", "/maintenance/status", "", 405,
     "Expecting one of { 'GET' }, but received 'POST'."},
    {"POST", "/api/v1", "{", 400, "Failed to parse body into JSON"},
    {"POST", "/api/v1/scheduler", "{\"type\":\"REVIVE\"}", 400,
     "Failed to validate scheduler::Call: Expecting 'framework_id' to be "
     "present"},
    {"GET", "/maintenance/schedule", NULL, 200, "{}"},
    {"PUT", "/maintenance/schedule", "{}", 405,
     "Expecting one of { 'GET', 'POST' }, but received 'PUT'."},
    {"POST", "/maintenance/schedule",
     "{\"windows\":[{\"machine_ids\":[{"
     "\"hostname\":\"agent-1.local\",\"ip\":\"127.0.0.1\"}],"
     "\"unavailability\":{\"start\":{\"nanoseconds\":1}}}]}",
     200, ""},
    {"GET", "/master/maintenance/status", NULL, 200,
     "{\"draining_machines\":[{\"id\":{\"hostname\":\"agent-1.local\","},
    {"POST", "/machine/down",
     "[{\"hostname\":\"agent-1.local\",\"ip\":"
     "\"127.0.0.1\"}]",
     200, ""},
    {"GET", "/machine/up", NULL, 405,
     "Expecting one of { 'POST' }, but received 'GET'."},
    {"POST", "/machine/up",
     "[{\"hostname\":\"agent-1.local\",\"ip\":"
     "\"127.0.0.1\"}]",
     200, ""},
    {"GET", "/devcluster/status", NULL, 200, "\"state\":\"left\""},
    {"POST", "/devcluster/agents/1/return", "", 200, ""},
    {"GET", "/quota", NULL, 200, "{}"},
    {"PUT", "/weights", "[{\"role\":\"r\",\"weight\":2}]", 200, ""},
    {"GET", "/weights", NULL, 200, "[{\"weight\":2.0,\"role\":\"r\"}]"},
    {"POST", "/teardown", "frameworkId=f", 400,
     "No framework found with specified ID"},
    {"POST", "/reserve", "slaveId=x&resources=[]", 400,
     "No agent found with specified ID"},
    {"GET", "/devcluster/status", NULL, 200, "\"state\":\"up\""},
    {"POST", "/devcluster/agents/7/kill", "", 404, "there is no agent 7"},
    {"POST", "/devcluster/agents/1/return", "", 409, "agent 1 is up"},
    {"POST", "/devcluster/agents/1/fry", "", 400, "fry"},
    {"POST", "/devcluster/agents/1/kill", "", 200, ""},
    {"GET", "/devcluster/status", NULL, 200, "\"state\":\"killed\""},
    {"GET", "/state", NULL, 200, "\"activated_slaves\":1.0"},
    {"POST", "/devcluster/agents/1/return", "", 200, ""},
};

Test(cluster, requests, .timeout = 60)
{
    struct server s;

    begin(&s);
    for (size_t i = 0; i < ARRAY_LEN(request_cases); i++) {
        AUTO_FREE char *text = NULL;
        int status = ask(&s, request_cases[i].method, request_cases[i].path,
                         request_cases[i].body, &text);

        cr_expect_eq(status, request_cases[i].status, "%s: %d %s",
                     request_cases[i].path, status, str_or_empty(text));
        cr_expect(strstr(str_or_empty(text), request_cases[i].holds),
                  "%s: %.600s", request_cases[i].path, str_or_empty(text));
    }
    end(&s);
}

Test(cluster, restart_keeps_port_and_agents, .timeout = 60)
{
    struct server s;
    AUTO_FREE char *before = NULL, *after = NULL;
    int port;

    begin(&s);
    before = agent_id_of(&s, 0);
    port = s.port;
    stop(&s, SIGKILL);
    start(&s);
    cr_expect_eq(s.port, port);
    wait_for_agents(&s);
    after = agent_id_of(&s, 0);
    cr_expect_str_eq(after, before);
    end(&s);
}

Test(cluster, second_process_on_the_same_folder_is_refused, .timeout = 60)
{
    struct server s, second;

    begin(&s);
    second = s;
    start(&second);
    cr_expect_eq(second.port, -ERR_EXISTS);
    waitpid(second.pid, NULL, 0);
    end(&s);
}

Test(cluster, damaged_registry_is_refused, .timeout = 60)
{
    struct server s;
    AUTO_FREE char *path = NULL;

    begin(&s);
    stop(&s, SIGTERM);
    path = xasprintf("%s/master/registry.json", s.dir);
    cr_assert_eq(fs_write_atomic(path, "{", 1, 0600, NULL), 0);
    start(&s);
    cr_expect_eq(s.port, -ERR_CORRUPT);
    waitpid(s.pid, NULL, 0);
    fs_remove_tree(s.dir, NULL);
}
