/* SPDX-License-Identifier: Apache-2.0 */
/* reeve-devcluster - a Mesos-compatible master and agents in one process
 *
 * For development and tests.  Next: config.c, cluster.h, master.h, agent.h.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devcluster/cluster.h"
#include "devcluster/config.h"
#include "devcluster/shim.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"

#define GIVE_BACK_MS 3000

static void on_signal(void *self, int signo)
{
    log_info("signal", "signo=%d", signo);
    loop_stop(self);
}

static int exit_code_of(const struct err *err)
{
    switch (err->code) {
    case ERR_EXISTS:
        return EXIT_IN_USE;
    case ERR_IO:
    case ERR_NOT_FOUND:
        return EXIT_UNWRITABLE;
    case ERR_CORRUPT:
        return EXIT_CORRUPT;
    case ERR_INVALID:
        return EXIT_USAGE;
    case ERR_NONE:
    case ERR_FULL:
    case ERR_TIMEOUT:
    case ERR_CONFLICT:
    case ERR_FENCED:
    case ERR_UNAVAILABLE:
    case ERR_UNSUPPORTED:
    case ERR_NOOP:
        return EXIT_FAILED;
    }
    return EXIT_FAILED;
}

static int write_port_file(const char *path, const struct cluster *cluster,
                           struct err *err)
{
    AUTO_FREE char *listens = cluster_listens(cluster);
    AUTO_FREE char *text = xasprintf("%s\n", listens);

    return *path ? fs_write_atomic(path, text, strlen(text), 0644, err) : 0;
}

static int run(const struct options *options)
{
    struct loop *loop = loop_new();
    struct cluster_config config;
    struct cluster *cluster;
    struct err err = {0};
    int code = EXIT_OK;

    config_from_options(&config, options);
    loop_signal(loop, SIGTERM, on_signal, loop);
    loop_signal(loop, SIGINT, on_signal, loop);
    loop_timer(loop, GIVE_BACK_MS, GIVE_BACK_MS, heap_give_back, NULL);
    cluster = cluster_new(loop, &config, &err);
    if (!cluster ||
        write_port_file(options_str(options, "port-file"), cluster, &err) < 0) {
        fprintf(stderr, "reeve-devcluster: %s\n", err.text);
        code = exit_code_of(&err);
    } else {
        log_info("listening", "url=http%s://%s:%d agents=%zu work_dir=%s",
                 *config.tls_cert ? "s" : "", cluster_address(cluster),
                 cluster_port(cluster), config.agents, log_q(config.work_dir));
        loop_run(loop);
    }
    cluster_destroy(&cluster);
    loop_destroy(&loop);
    return code;
}

static void print_help(const struct options *options)
{
    AUTO_BUF struct buf text = {0};

    options_help(options, &text);
    printf("reeve-devcluster - a Mesos-compatible master with agents, for "
           "development\n\n%s",
           buf_text(&text));
}

static int read_and_run(struct options *options, int argc, char **argv)
{
    enum log_level level;
    struct err err;

    if (options_read(options, argc, argv, getenv, &err) < 0) {
        fprintf(stderr, "reeve-devcluster: %s\n", err.text);
        return EXIT_USAGE;
    }
    switch (options_wish(options)) {
    case OPTIONS_HELP:
        print_help(options);
        return EXIT_OK;
    case OPTIONS_VERSION:
        puts("reeve-devcluster " REEVE_VERSION);
        return EXIT_OK;
    case OPTIONS_RUN:
        break;
    }
    if (!log_level_parse(options_str(options, "log-level"), &level)) {
        fprintf(stderr,
                "reeve-devcluster: --log-level: expected debug, info, odd or "
                "bad\n");
        return EXIT_USAGE;
    }
    log_set_level(level);
    return run(options);
}

int main(int argc, char **argv)
{
    struct options *options;
    int code;

    if (shim_wanted(argc, argv))
        return shim_main(argc, argv);
    log_set_service("devcluster");
    signal(SIGPIPE, SIG_IGN);
    options = options_new(devcluster_options, NULL);
    code = read_and_run(options, argc, argv);
    options_destroy(&options);
    return code;
}
