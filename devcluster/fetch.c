/* SPDX-License-Identifier: Apache-2.0 */
#include "devcluster/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/http/http_client.h"
#include "lib/loop/loop.h"

enum fetch_archive fetch_archive_of(const char *name)
{
    static const char *const tars[] = {".tar",  ".tar.gz", ".tgz", ".tar.bz2",
                                       ".tbz2", ".tar.xz", ".txz"};
    for (size_t i = 0; i < ARRAY_LEN(tars); i++) {
        if (str_ends(name, tars[i]))
            return FETCH_TAR;
    }
    if (str_ends(name, ".gz"))
        return FETCH_GZIP;
    return str_ends(name, ".zip") ? FETCH_ZIP : FETCH_PLAIN;
}

static bool leaves_sandbox(const char *path)
{
    AUTO_FREE char *copy = xstrdup(path);
    char *save = NULL;
    for (char *part = strtok_r(copy, "/", &save); part;
         part = strtok_r(NULL, "/", &save)) {
        if (strcmp(part, "..") == 0)
            return true;
    }
    return path[0] == '/';
}

char *fetch_local_name(const char *uri, const char *output_file,
                       struct err *err)
{
    if (output_file && output_file[0]) {
        if (!leaves_sandbox(output_file))
            return xstrdup(output_file);
        err_set(err, ERR_INVALID, "output_file '%s' leaves the sandbox",
                output_file);
        return NULL;
    }
    const char *slash = strrchr(uri, '/');
    const char *name = slash ? slash + 1 : uri;
    if (name[0] && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
        return xstrdup(name);
    err_set(err, ERR_INVALID, "URI '%s' names no file", uri);
    return NULL;
}

/* ---- getting the bytes ------------------------------------------------ */

static int open_target(const char *path, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return fd < 0 ? err_sys(err, "%s: cannot create", path) : fd;
}

static int copy_file(const char *from, const char *to, struct err *err)
{
    struct stat st;
    AUTO_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return err_sys(err, "%s: cannot open", from);
    if (fstat(in, &st) < 0)
        return err_sys(err, "%s: cannot stat", from);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "%s: not a regular file", from);
    AUTO_CLOSE int out = open_target(to, err);
    if (out < 0)
        return -1;
    for (;;) {
        ssize_t n = sendfile(out, in, NULL, 1 << 20);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, "%s: cannot copy to %s", from, to);
        if (n == 0)
            return fchmod(out, st.st_mode & 0777) < 0
                       ? err_sys(err, "%s: cannot chmod", to)
                       : 0;
    }
}

struct download {
    struct loop *loop;
    int fd;
    struct err err; /* first failure */
    char *moved;    /* where a redirect points to */
};

static void download_end(struct download *d, const struct err *why)
{
    if (d->err.code == ERR_NONE)
        d->err = *why;
    loop_stop(d->loop);
}

static void on_head(void *self UNUSED, const struct http_answer *head UNUSED)
{
}

static void on_data(void *self, const void *data, size_t len)
{
    struct download *d = self;
    const char *p = data;
    struct err err;
    while (len > 0) {
        ssize_t n = write(d->fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err_sys(&err, "cannot write");
            download_end(d, &err);
            return;
        }
        p += n;
        len -= (size_t)n;
    }
}

static void on_done(void *self, const struct http_answer *answer)
{
    struct download *d = self;
    struct err err = answer->err;
    if (err.code == ERR_NONE && answer->status != 200)
        err_set(&err, ERR_IO, "server answered with status %d", answer->status);
    if (answer->status >= 300 && answer->status < 400 && answer->location)
        d->moved = xstrdup(answer->location);
    download_end(d, &err);
}

static int download_once(const char *url, const char *to, int64_t timeout_ms,
                         char **moved, struct err *err)
{
    static const struct http_stream_events events = {on_head, on_data, on_done};
    struct http_call call = {
        .method = "GET", .url = url, .timeout_ms = timeout_ms};
    AUTO_CLOSE int fd = open_target(to, err);
    if (fd < 0)
        return -1;
    AUTO(loop) struct loop *loop = loop_new();
    AUTO(http_client) struct http_client *client = http_client_new(loop);
    struct download d = {.loop = loop, .fd = fd};
    http_client_stream(client, &call, &events, &d);
    loop_run(loop);
    *moved = d.moved;
    if (d.err.code == ERR_NONE)
        return 0;
    if (err)
        *err = d.err;
    return err_wrap(err, "%s", url);
}

/* A Location may be a path on the same server. */
static char *follow(const char *from, const char *location)
{
    const char *host = strstr(from, "://");
    if (location[0] != '/' || !host)
        return xstrdup(location);
    if (location[1] == '/')
        return xasprintf("%.*s:%s", (int)(host - from), from, location);
    size_t server = (size_t)(host + 3 - from) + strcspn(host + 3, "/?");
    return xasprintf("%.*s%s", (int)server, from, location);
}

static int download(const char *url, const char *to, int64_t timeout_ms,
                    struct err *err)
{
    AUTO_FREE char *at = xstrdup(url);
    for (int hops = 0; hops < 10; hops++) {
        AUTO_FREE char *moved = NULL;
        if (download_once(at, to, timeout_ms, &moved, err) == 0)
            return 0;
        if (!moved)
            return -1;
        char *next = follow(at, moved);
        free(at);
        at = next;
    }
    return err_set(err, ERR_IO, "%s: too many redirects", url);
}

static int get(const char *uri, const char *to, int64_t timeout_ms,
               struct err *err)
{
    static const char *const remote[] = {"http://", "https://", "ftp://",
                                         "ftps://"};
    if (uri[0] == '/')
        return copy_file(uri, to, err);
    if (str_starts(uri, "file://")) {
        const char *path = uri + strlen("file://");
        if (str_starts(path, "localhost/"))
            path += strlen("localhost");
        return copy_file(path, to, err);
    }
    for (size_t i = 0; i < ARRAY_LEN(remote); i++) {
        if (str_starts(uri, remote[i]))
            return download(uri, to, timeout_ms, err);
    }
    return err_set(err, ERR_UNSUPPORTED, "URI '%s' has an unknown scheme", uri);
}

/* ---- unpacking -------------------------------------------------------- */

static int run_tool(char *const argv[], int stdout_fd, struct err *err)
{
    int status = 0;
    pid_t pid = fork();
    if (pid < 0)
        return err_sys(err, "cannot fork");
    if (pid == 0) {
        if (stdout_fd >= 0)
            dup2(stdout_fd, STDOUT_FILENO);
        execvp(argv[0], argv);
        fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (status != 0)
        return err_set(err, ERR_IO, "%s failed with wait status %d", argv[0],
                       status);
    return 0;
}

#define ARG(text) ((char *)(uintptr_t)(text))

static int unpack(char *path, struct err *err)
{
    AUTO_FREE char *dir = xstrdup(path);
    *strrchr(dir, '/') = '\0';
    switch (fetch_archive_of(path)) {
    case FETCH_PLAIN:
        return 0;
    case FETCH_TAR: {
        char *argv[] = {ARG("tar"), ARG("-C"), dir, ARG("-xf"), path, NULL};
        return run_tool(argv, -1, err);
    }
    case FETCH_ZIP: {
        char *argv[] = {ARG("unzip"), ARG("-q"), ARG("-o"), ARG("-d"),
                        dir,          path,      NULL};
        return run_tool(argv, -1, err);
    }
    case FETCH_GZIP: {
        char *argv[] = {ARG("gzip"), ARG("-dc"), path, NULL};
        AUTO_FREE char *plain = xstrndup(path, strlen(path) - strlen(".gz"));
        AUTO_CLOSE int fd = open_target(plain, err);
        return fd < 0 ? -1 : run_tool(argv, fd, err);
    }
    }
    return 0;
}

static int fetch_one(const Reeve__Devagent__ContainerSpec__Uri *uri,
                     int64_t timeout_ms, struct err *err)
{
    AUTO_FREE char *dir = xstrdup(uri->path);
    *strrchr(dir, '/') = '\0';
    if (fs_mkdirs(dir, 0755, err) < 0 ||
        get(uri->value, uri->path, timeout_ms, err) < 0)
        return -1;
    if (uri->executable)
        return chmod(uri->path, 0755) < 0
                   ? err_sys(err, "%s: cannot chmod", uri->path)
                   : 0;
    return uri->extract ? unpack(uri->path, err) : 0;
}

int fetch_all(const Reeve__Devagent__ContainerSpec *spec, struct err *err)
{
    for (size_t i = 0; i < spec->n_uris; i++) {
        if (fetch_one(spec->uris[i], spec->fetch_timeout_ms, err) < 0)
            return -1;
    }
    return 0;
}
