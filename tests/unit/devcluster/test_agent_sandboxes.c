/* SPDX-License-Identifier: Apache-2.0 */
/* Real processes: volumes, sandboxes, fetching, checks; and none at all. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent_world.h"
#include "devcluster/launcher.h"
#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/loop/loop.h"

/* ---- volumes ---------------------------------------------------------- */

#define RESERVATION                                                            \
    "'reservations':[{'type':'DYNAMIC','role':'r','principal':'p'}]"
#define VOLUME                                                                 \
    "{'name':'disk','type':'SCALAR','scalar':{'value':64},"                    \
    "'allocation_info':{'role':'r'}," RESERVATION                              \
    ",'disk':{'persistence':{'id':'v1','principal':'p'},"                      \
    "'volume':{'mode':'RW','container_path':'data'}}}"

static void wait_operations(struct world *w, int count)
{
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (w->operations < count && clock_mono_ms() < until)
        loop_run_once(w->loop, 50);
    cr_assert_eq(w->operations, count);
}

static void make_volume(struct world *w)
{
    world_tell(w, "{'apply_operation':{'operation_uuid':'AAAA','info':{'type':"
                  "'RESERVE','reserve':{'resources':[{'name':'disk','type':"
                  "'SCALAR','scalar':{'value':64}," RESERVATION "}]}}}}");
    world_tell(w, "{'apply_operation':{'operation_uuid':'AAAB','info':{'type':"
                  "'CREATE','create':{'volumes':[" VOLUME "]}}}}");
    wait_operations(w, 2);
}

#define VOLUME_TASK(id, command)                                               \
    "{'name':'" id "','task_id':{'value':'" id                                 \
    "'},'agent_id':{'value':'A1'},'resources':[" VOLUME                        \
    "],'command':{'value':'" command "'}}"

Test(agent_sandboxes, volume_outlives_tasks_and_agent)
{
    struct world w;
    world_begin(&w);
    make_volume(&w);
    world_launch(&w, VOLUME_TASK("t1", "echo first >> data/log"));
    world_wait_for(&w, "exited e1 0\n");
    world_restart(&w);
    world_wait_registered(&w);
    cr_expect_eq(w.n_checkpointed, 1);
    world_launch(&w,
                 VOLUME_TASK("t2", "echo second >> data/log; cat data/log"));
    world_wait_for(&w, "exited e1 0\n");
    EXPECT_FILE(&w, "t2", "stdout", "first\nsecond\n");
    AUTO_FREE char *dir = xasprintf("%s/volumes/roles/r/v1", w.dir);
    cr_expect_eq(access(dir, F_OK), 0);
    w.operations = 0;
    world_tell(&w, "{'apply_operation':{'operation_uuid':'AAAC','info':{'type':"
                   "'DESTROY','destroy':{'volumes':[" VOLUME "]}}}}");
    wait_operations(&w, 1);
    cr_expect_eq(access(dir, F_OK), -1);
    world_finish(&w);
}

Test(agent_sandboxes, lost_volume_is_not_replaced_by_an_empty_one)
{
    struct world w;
    world_begin(&w);
    make_volume(&w);
    AUTO_FREE char *dir = xasprintf("%s/volumes/roles/r/v1", w.dir);
    cr_assert_eq(fs_remove_tree(dir, NULL), 0);
    world_launch(&w, VOLUME_TASK("t1", "true"));
    world_wait_for(&w, "t1 TASK_FAILED\n");
    cr_expect(strstr(w.message, "is not there"), "%s", w.message);
    cr_expect_eq(access(dir, F_OK), -1);
    world_finish(&w);
}

Test(agent_sandboxes, tasks_of_a_pod_share_a_folder)
{
    struct world w;
    world_begin(&w);
    world_launch(&w, TASK("t1", "echo hello > here/x",
                          ",'container':{'type':'MESOS','volumes':[{'mode':'RW'"
                          ","
                          "'container_path':'here','source':{'type':'SANDBOX_"
                          "PATH',"
                          "'sandbox_path':{'type':'PARENT','path':'shared'}}}]"
                          "}") "," TASK("t"
                                        "2",
                                        "w"
                                        "h"
                                        "i"
                                        "l"
                                        "e"
                                        " "
                                        "!"
                                        " "
                                        "g"
                                        "r"
                                        "e"
                                        "p"
                                        " "
                                        "h"
                                        "e"
                                        "l"
                                        "l"
                                        "o"
                                        " "
                                        "t"
                                        "h"
                                        "e"
                                        "r"
                                        "e"
                                        "/"
                                        "x"
                                        ";"
                                        " "
                                        "d"
                                        "o"
                                        " "
                                        "s"
                                        "l"
                                        "e"
                                        "e"
                                        "p"
                                        " "
                                        "0"
                                        "."
                                        "0"
                                        "5"
                                        ";"
                                        " "
                                        "d"
                                        "o"
                                        "n"
                                        "e",
                                        ","
                                        "'"
                                        "c"
                                        "o"
                                        "n"
                                        "t"
                                        "a"
                                        "i"
                                        "n"
                                        "e"
                                        "r"
                                        "'"
                                        ":"
                                        "{"
                                        "'"
                                        "t"
                                        "y"
                                        "p"
                                        "e"
                                        "'"
                                        ":"
                                        "'"
                                        "M"
                                        "E"
                                        "S"
                                        "O"
                                        "S"
                                        "'"
                                        ","
                                        "'"
                                        "v"
                                        "o"
                                        "l"
                                        "u"
                                        "m"
                                        "e"
                                        "s"
                                        "'"
                                        ":"
                                        "["
                                        "{"
                                        "'"
                                        "m"
                                        "o"
                                        "d"
                                        "e"
                                        "'"
                                        ":"
                                        "'"
                                        "R"
                                        "W"
                                        "'"
                                        ","
                                        "'"
                                        "c"
                                        "o"
                                        "n"
                                        "t"
                                        "a"
                                        "i"
                                        "n"
                                        "e"
                                        "r"
                                        "_"
                                        "p"
                                        "a"
                                        "t"
                                        "h"
                                        "'"
                                        ":"
                                        "'"
                                        "t"
                                        "h"
                                        "e"
                                        "r"
                                        "e"
                                        "'"
                                        ","
                                        "'"
                                        "s"
                                        "o"
                                        "u"
                                        "r"
                                        "c"
                                        "e"
                                        "'"
                                        ":"
                                        "{"
                                        "'"
                                        "t"
                                        "y"
                                        "p"
                                        "e"
                                        "'"
                                        ":"
                                        "'"
                                        "S"
                                        "A"
                                        "N"
                                        "D"
                                        "B"
                                        "O"
                                        "X"
                                        "_"
                                        "P"
                                        "A"
                                        "T"
                                        "H"
                                        "'"
                                        ","
                                        "'"
                                        "s"
                                        "a"
                                        "n"
                                        "d"
                                        "b"
                                        "o"
                                        "x"
                                        "_"
                                        "p"
                                        "a"
                                        "t"
                                        "h"
                                        "'"
                                        ":"
                                        "{"
                                        "'"
                                        "t"
                                        "y"
                                        "p"
                                        "e"
                                        "'"
                                        ":"
                                        "'"
                                        "P"
                                        "A"
                                        "R"
                                        "E"
                                        "N"
                                        "T"
                                        "'"
                                        ","
                                        "'"
                                        "p"
                                        "a"
                                        "t"
                                        "h"
                                        "'"
                                        ":"
                                        "'"
                                        "s"
                                        "h"
                                        "a"
                                        "r"
                                        "e"
                                        "d"
                                        "'"
                                        "}"
                                        "}"
                                        "}"
                                        "]"
                                        "}"));
    world_wait_for(&w, "t1 TASK_FINISHED\n");
    world_wait_for(&w, "t2 TASK_FINISHED\n");
    EXPECT_FILE(&w, "t2", "stdout", "hello\n");
    world_finish(&w);
}

Test(agent_sandboxes, only_sandboxes_and_volumes_may_be_read)
{
    struct world w;
    AUTO_FREE char *sandbox = NULL;
    char *real = NULL;
    world_begin(&w);
    world_launch(&w, TASK("t1", "ln -s /etc/passwd secret", ""));
    world_wait_for(&w, "t1 TASK_FINISHED\n");
    agent_find_task(w.agent, "F1", "t1", world_keep_sandbox, &sandbox);
    AUTO_FREE char *out = fs_join(sandbox, "stdout");
    AUTO_FREE char *secret = fs_join(sandbox, "secret");
    AUTO_FREE char *meta = fs_join(w.dir, "meta/lock");
    cr_expect(agent_path_allowed(w.agent, out, &real));
    free(real);
    cr_expect_not(agent_path_allowed(w.agent, secret, &real));
    cr_expect_not(agent_path_allowed(w.agent, meta, &real));
    cr_expect_not(agent_path_allowed(w.agent, "/etc/passwd", &real));
    cr_expect_not(agent_path_allowed(w.agent, "relative", &real));
    cr_expect_null(real);
    world_finish(&w);
}

/* ---- fetching --------------------------------------------------------- */

Test(agent_sandboxes, files_are_fetched_and_unpacked)
{
    struct world w;
    world_begin(&w);
    AUTO_FREE char *make =
        xasprintf("cd %s && echo inside > in.txt && tar czf a.tgz in.txt && "
                  "echo plain > p && echo 'exit 9' > run.sh",
                  w.dir);
    cr_assert_eq(system(make), 0);
    AUTO_FREE char *task = xasprintf(
        "{'name':'t1','task_id':{'value':'t1'},'agent_id':{'value':'A1'},"
        "'command':{'value':'cat in.txt sub/q; ls a.tgz; ./run.sh; echo $?',"
        "'uris':[{'value':'%s/a.tgz'},{'value':'file://%s/p','output_file':"
        "'sub/q'},{'value':'%s/run.sh','executable':true}]}}",
        w.dir, w.dir, w.dir);
    world_launch(&w, task);
    world_wait_for(&w, "t1 TASK_FINISHED\n");
    EXPECT_FILE(&w, "t1", "stdout", "inside\nplain\na.tgz\n9\n");
    world_finish(&w);
}

/* A port that somebody listens on, and the listener. */
static int listen_somewhere(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    cr_assert_eq(listen(fd, 5), 0);
    getsockname(fd, (struct sockaddr *)&at, &len);
    *port = ntohs(at.sin_port);
    return fd;
}

/* A server that knows one file and where it moved from. */
static void answer(void *self, int peer, int events UNUSED)
{
    char bytes[4096] = "";
    const char *text = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"
                       "Connection: close\r\n\r\n";
    ssize_t n = read(peer, bytes, sizeof(bytes) - 1);
    if (n > 0 && str_starts(bytes, "GET /old/file "))
        text = "HTTP/1.1 302 Found\r\nLocation: /new/file\r\n"
               "Content-Length: 0\r\nConnection: close\r\n\r\n";
    if (n > 0 && str_starts(bytes, "GET /new/file "))
        text = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n"
               "Connection: close\r\n\r\nfetched\n";
    if (n > 0)
        cr_expect_eq(write(peer, text, strlen(text)), (ssize_t)strlen(text));
    loop_fd_remove(self, peer);
    close(peer);
}

static void on_peer(void *self, int fd, int events UNUSED)
{
    int peer = accept(fd, NULL, NULL);
    if (peer >= 0)
        loop_fd(self, peer, LOOP_READ, answer, self);
}

Test(agent_sandboxes, files_are_downloaded)
{
    struct world w;
    int port;
    world_begin(&w);
    int fd = listen_somewhere(&port);
    loop_fd(w.loop, fd, LOOP_READ, on_peer, w.loop);
    AUTO_FREE char *task = xasprintf(
        "{'name':'t1','task_id':{'value':'t1'},'agent_id':{'value':'A1'},"
        "'command':{'value':'cat file','uris':[{'value':"
        "'http://127.0.0.1:%d/old/file'}]}},"
        "{'name':'t2','task_id':{'value':'t2'},'agent_id':{'value':'A1'},"
        "'command':{'value':'sleep 1000'}}",
        port);
    world_launch(&w, task);
    world_wait_for(&w, "t1 TASK_FINISHED\n");
    EXPECT_FILE(&w, "t1", "stdout", "fetched\n");
    AUTO_FREE char *missing = xasprintf(
        "{'name':'t3','task_id':{'value':'t3'},'agent_id':{'value':'A1'},"
        "'command':{'value':'cat file','uris':[{'value':"
        "'http://127.0.0.1:%d/none'}]}}",
        port);
    world_launch(&w, missing);
    world_wait_for(&w, "t3 TASK_FAILED\n");
    loop_fd_remove(w.loop, fd);
    close(fd);
    world_finish(&w);
}

Test(agent_sandboxes, failed_fetch_fails_the_task)
{
    struct world w;
    world_begin(&w);
    world_launch(&w,
                 "{'name':'t1','task_id':{'value':'t1'},'agent_id':"
                 "{'value':'A1'},'command':{'value':'true','uris':[{'value':"
                 "'http://127.0.0.1:1/none.tgz'}]}}");
    world_wait_for(&w, "exited e1 0\n");
    cr_expect_str_eq(buf_text(&w.log),
                     "t1 TASK_STARTING\nt1 TASK_FAILED\nexited e1 0\n");
    cr_expect_str_eq(w.message, "Command exited with status 1");
    AUTO_FREE char *text = world_read(&w, "t1", "stderr");
    cr_expect(strstr(str_or_empty(text), "Failed to fetch"), "%s", text);
    world_finish(&w);
}

/* ---- checks ----------------------------------------------------------- */

Test(agent_sandboxes, command_check)
{
    struct world w;
    world_begin(&w);
    world_launch(
        &w, TASK("t1", "sleep 1000",
                 ",'check':{'type':'COMMAND','command':{'command':{'value':"
                 "'test -e ready || exit 7'}},'delay_seconds':0,"
                 "'interval_seconds':0.1,'timeout_seconds':5}"));
    world_wait_for(&w, "check=7\n");
    AUTO_FREE char *sandbox = NULL;
    agent_find_task(w.agent, "F1", "t1", world_keep_sandbox, &sandbox);
    AUTO_FREE char *ready = fs_join(sandbox, "ready");
    cr_assert_eq(fs_write_atomic(ready, "", 0, 0644, NULL), 0);
    world_wait_for(&w, "check=0\n");
    world_finish(&w);
}

Test(agent_sandboxes, health_check_that_hangs_kills)
{
    struct world w;
    world_begin(&w);
    world_launch(&w,
                 TASK("t1", "sleep 1000",
                      ",'health_check':{'type':'COMMAND','command':{'value':"
                      "'sleep 1000'},'delay_seconds':0,'interval_seconds':0.1,"
                      "'timeout_seconds':0.2,'grace_period_seconds':0,"
                      "'consecutive_failures':2}"));
    world_wait_for(&w, "t1 TASK_KILLED healthy=0\n");
    cr_expect(world_has(&w,
                        "t1 TASK_RUNNING healthy=0\nt1 TASK_RUNNING healthy=0\n"
                        "t1 TASK_KILLING\n"),
              "%s", buf_text(&w.log));
    world_finish(&w);
}

Test(agent_sandboxes, tcp_check)
{
    struct world w;
    int port;
    world_begin(&w);
    int fd = listen_somewhere(&port);
    AUTO_FREE char *check =
        xasprintf("'check':{'type':'TCP','tcp':{'port':%d},'delay_seconds':0,"
                  "'interval_seconds':0.05,'timeout_seconds':5}",
                  port);
    AUTO_FREE char *task = xasprintf(TASK("t1", "sleep 1000", ",%s"), check);
    world_launch(&w, task);
    world_wait_for(&w, "tcp=1\n");
    close(fd);
    world_wait_for(&w, "tcp=0\n");
    world_finish(&w);
}

Test(agent_sandboxes, http_check)
{
    struct world w;
    int port;
    world_begin(&w);
    int fd = listen_somewhere(&port);
    loop_fd(w.loop, fd, LOOP_READ, on_peer, w.loop);
    AUTO_FREE char *check = xasprintf(
        "'check':{'type':'HTTP','http':{'port':%d,'path':'/x'},"
        "'delay_seconds':0,'interval_seconds':0.05,'timeout_seconds':5}",
        port);
    AUTO_FREE char *task = xasprintf(TASK("t1", "sleep 1000", ",%s"), check);
    world_launch(&w, task);
    world_wait_for(&w, "http=404\n");
    loop_fd_remove(w.loop, fd);
    close(fd);
    world_finish(&w);
}

/* ---- without processes ----------------------------------------------------
 */

Test(agent_sandboxes, simulated_tasks)
{
    struct world w;
    world_begin(&w);
    w.config.launcher = &launcher_simulated;
    world_restart(&w);
    world_wait_registered(&w);
    world_launch(&w, TASK("t1", "exit 3", ""));
    world_wait_for(&w, "t1 TASK_FAILED\n");
    cr_expect_str_eq(w.message, "Command exited with status 3");
    world_wait_for(&w, "exited e1 0\n");
    buf_clear(&w.log);
    world_launch(&w, TASK("t2", "sleep 0.1", ""));
    world_wait_for(&w, "t2 TASK_FINISHED\n");
    world_wait_for(&w, "exited e1 0\n");
    world_launch(&w, TASK("t3", "anything",
                          ",'check':{'type':'COMMAND','command':{'command':"
                          "{'value':'x'}},'delay_seconds':0}"));
    world_wait_for(&w, "t3 TASK_RUNNING check=0\n");
    world_restart(&w);
    world_wait_registered(&w);
    cr_expect_str_eq(buf_text(&w.registered), "t3 TASK_RUNNING\n");
    world_kill(&w, "t3");
    world_wait_for(&w, "t3 TASK_KILLED\n");
    cr_expect_str_eq(w.message, "Command terminated with signal Terminated");
    world_finish(&w);
}
