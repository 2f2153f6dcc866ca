/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_state - backup: everything the store of a run dir holds, to a file; and a
 * file into a run dir where there is no store yet (lib/bus/state_file.h)
 *
 * Both need the run dir: export asks its running store, page by page, all at
 * one revision; import runs the state-store itself, which takes all or nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/preflight.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/base/id.h"
#include "lib/bus/bus.h"
#include "lib/bus/state_file.h"
#include "lib/wire/wire.h"
#include "proto/store.pb-c.h"

enum { ASK_MS = 30000, PAGE_ITEMS = 10000 };

struct export_job {
    char endpoint[PATH_MAX];
    const char *path;
    char *beside;
    int fd;
    struct state_file_writer writer;
    struct state_file_head head;
    uint64_t cursor; /* 0: the first page, or there is no more */
    char *last_key;
};

/* ---- export ---- */

static Reeve__SnapshotReply *ask_page(const struct export_job *x,
                                      struct err *err)
{
    Reeve__SnapshotRequest m = REEVE__SNAPSHOT_REQUEST__INIT;
    uint8_t *body = NULL;
    size_t len;

    m.has_limit = 1;
    m.limit = PAGE_ITEMS;
    m.has_cursor = x->cursor != 0;
    m.cursor = x->cursor;
    m.start_after = x->last_key;
    if (bus_call_once(x->endpoint, "reeve", "store.snapshot", &m.base, ASK_MS,
                      &body, &len, err) < 0)
        return NULL;
    Reeve__SnapshotReply *page = reeve__snapshot_reply__unpack(NULL, len, body);
    free(body);
    if (!page)
        err_set(err, ERR_CORRUPT, "the store's answer does not parse");
    return page;
}

static int begin(struct export_job *x, const Reeve__SnapshotReply *page,
                 struct buf *out, struct err *err)
{
    if (!page->lineage || !uuid_parse(page->lineage, x->head.lineage))
        return err_set(err, ERR_CORRUPT, "the store's lineage is no UUID");
    x->head.revision = page->revision;
    x->head.wall_ms = clock_wall_ms();
    state_file_begin(&x->writer, &x->head, out);
    return 0;
}

static void add_items(struct export_job *x, const Reeve__SnapshotReply *page,
                      struct buf *out)
{
    for (size_t i = 0; i < page->n_items; i++) {
        const Reeve__Item *from = page->items[i];
        struct state_file_item item = {.key = from->key,
                                       .key_len = strlen(from->key),
                                       .value = from->value.data,
                                       .len = from->value.len,
                                       .revision = from->revision};
        state_file_item(&x->writer, &item, out);
    }
}

static int write_all(const struct export_job *x, const struct buf *out,
                     struct err *err)
{
    for (size_t at = 0; at < out->len;) {
        ssize_t n = write(x->fd, out->data + at, out->len - at);
        if (n < 0 && errno != EINTR)
            return err_sys(err, "%s: write", x->beside);
        at += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* One page to the file; x->cursor is 0 afterwards when it was the last. */
static int do_page(struct export_job *x, struct err *err)
{
    AUTO_BUF struct buf out = {0};
    bool is_first = x->cursor == 0;
    AUTO_MESSAGE Reeve__SnapshotReply *page = ask_page(x, err);

    if (!page || (is_first && begin(x, page, &out, err) < 0))
        return -1;
    if (page->revision != x->head.revision ||
        (page->has_cursor && page->n_items == 0))
        return err_set(err, ERR_CORRUPT, "the store's page does not follow");
    add_items(x, page, &out);
    free(x->last_key);
    x->last_key =
        page->n_items ? xstrdup(page->items[page->n_items - 1]->key) : NULL;
    x->cursor = page->has_cursor ? page->cursor : 0;
    if (x->cursor == 0)
        state_file_end(&x->writer, &out);
    return write_all(x, &out, err);
}

static int finish(struct export_job *x, struct err *err)
{
    AUTO_FREE char *real = NULL;

    if (fsync(x->fd) < 0)
        return err_sys(err, "%s: sync", x->beside);
    if (rename(x->beside, x->path) < 0)
        return err_sys(err, "%s: rename", x->path);
    real = realpath(x->path, NULL);
    if (real && strrchr(real, '/') != real)
        *strrchr(real, '/') = '\0';
    return real ? fs_sync_dir(real, err) : 0;
}

static int export_to(struct export_job *x, struct err *err)
{
    x->fd = open(x->beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (x->fd < 0)
        return err_sys(err, "%s", x->beside);
    int rc;
    do
        rc = do_page(x, err);
    while (rc == 0 && x->cursor != 0);
    if (rc == 0)
        rc = finish(x, err);
    close(x->fd);
    if (rc < 0)
        unlink(x->beside);
    return rc;
}

/* A running store holds the lock beside its socket (lib/bus/endpoint.h). */
static bool store_runs(const char *run_dir)
{
    AUTO_FREE char *path = xasprintf("%s/state-store.lock", run_dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return false;
    bool is_held = flock(fd, LOCK_EX | LOCK_NB) < 0;
    close(fd);
    return is_held;
}

int cmd_state_export(struct cli *cli)
{
    const char *run_dir = options_str(cli->options, "run-dir");
    struct export_job x = {.path = cli_arg(cli, 0)};
    struct err err = {0};

    if (!preflight_is_run_dir(run_dir))
        return cli_fail(EXIT_FAILED,
                        "%s is not the run dir of a suite: name it with "
                        "--run-dir",
                        run_dir);
    if (bus_endpoint(run_dir, "state-store", x.endpoint, sizeof(x.endpoint),
                     &err) < 0)
        return cli_fail(EXIT_USAGE, "%s", err.text);
    if (!store_runs(run_dir))
        return cli_fail(EXIT_FAILED,
                        "no export: no state-store runs in %s; start the suite",
                        run_dir);
    if (access(x.path, F_OK) == 0)
        return cli_fail(EXIT_USAGE, "%s is there already", x.path);
    x.beside = xasprintf("%s.tmp", x.path);
    int rc = export_to(&x, &err);
    free(x.beside);
    free(x.last_key);
    if (rc < 0)
        return cli_fail(EXIT_FAILED, "no export: %s", err.text);
    printf("exported %" PRIu64 " keys at revision %" PRIu64 " to %s\n",
           x.writer.items, x.head.revision, x.path);
    return EXIT_OK;
}

/* ---- import ---- */

/* The exit code of the state-store, which says on stderr what is wrong. */
static int run_store(const char *bin_dir, const char *run_dir, const char *file)
{
    AUTO_FREE char *program = xasprintf("%s/reeve-state-store", bin_dir);
    int status;
    pid_t pid = fork();

    if (pid < 0)
        return cli_fail(EXIT_FAILED, "fork: %s", strerror(errno));
    if (pid == 0) {
        execl(program, program, "--run-dir", run_dir, "--import", file,
              "--log-level", "bad", (char *)NULL);
        fprintf(stderr, "reeve: %s: %s\n", program, strerror(errno));
        _exit(EXIT_FAILED);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return cli_fail(EXIT_FAILED, "wait: %s", strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
}

int cmd_state_import(struct cli *cli)
{
    const char *file = cli_arg(cli, 0);
    AUTO_FREE char *run_dir = NULL, *bin_dir = NULL;
    struct err err = {0};

    if (access(file, R_OK) < 0)
        return cli_fail(EXIT_USAGE, "%s: %s", file, strerror(errno));
    int code =
        preflight_run_dir(options_str(cli->options, "run-dir"), &run_dir, &err);
    if (code == EXIT_OK)
        code = preflight_programs(&bin_dir, false, &err);
    if (code != EXIT_OK)
        return cli_fail(code, "%s", err.text);
    code = run_store(bin_dir, run_dir, file);
    if (code != EXIT_OK)
        return cli_fail(code, "no import: nothing was changed");
    printf("imported %s into %s\n", file, run_dir);
    return EXIT_OK;
}
