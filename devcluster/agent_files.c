/* SPDX-License-Identifier: Apache-2.0 */
/* agent_files - see agent_files.h */
#include "devcluster/agent_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devcluster/agent.h"
#include "devcluster/files_range.h"
#include "devcluster/json_view.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/httpd/httpd.h"

#define READ_MAX_BYTES     (16 * 4096)
#define DOWNLOAD_MAX_BYTES (256u << 20)

/* ---- paths -------------------------------------------------------------- */

struct virtual_path {
    const char *framework;
    const char *executor;
    char *dir; /* found; malloc'd */
};

static void match_run(void *self, const struct agent_task_view *view)
{
    struct virtual_path *path = self;

    if (!path->dir && str_eq(view->framework_id, path->framework) &&
        str_eq(view->executor_id, path->executor))
        path->dir = xstrdup(view->executor_dir);
}

/* "/frameworks/F/executors/E/runs/R[/rest]" to a real path; NULL when it is not
 * of that form or not known. */
static char *resolve_virtual(const struct agent *agent, const char *text)
{
    char framework[256], executor[256];
    struct virtual_path path = {framework, executor, NULL};
    int end = 0;
    char *whole;

    if (sscanf(text, "/frameworks/%255[^/]/executors/%255[^/]/runs/%*[^/]%n",
               framework, executor, &end) != 2 ||
        !end)
        return NULL;
    agent_each_task(agent, match_run, &path);
    if (!path.dir)
        return NULL;
    whole = xasprintf("%s%s", path.dir, text + end);
    free(path.dir);
    return whole;
}

/* The real path asked for; NULL and answered when there is none. */
static char *path_asked(const struct agent *agent,
                        struct httpd_request *request)
{
    const char *asked = files_path_asked(request);
    AUTO_FREE char *real = NULL;
    char *allowed = NULL;

    if (!asked)
        return NULL;
    real = resolve_virtual(agent, asked);
    if (!agent_path_allowed(agent, real ? real : asked, &allowed)) {
        httpd_reply(request, 404, "text/plain; charset=utf-8", "", 0, NULL);
        return NULL;
    }
    return allowed;
}

/* ---- browse ------------------------------------------------------------- */

static void mode_text(mode_t mode, char out[11])
{
    static const char letters[] = "rwxrwxrwx";

    out[0] = S_ISDIR(mode) ? 'd' : S_ISLNK(mode) ? 'l' : '-';
    for (int i = 0; i < 9; i++)
        out[i + 1] = mode & (0400u >> i) ? letters[i] : '-';
    out[10] = '\0';
}

static json_t *entry_json(const char *shown, const struct stat *st)
{
    const struct passwd *user = getpwuid(st->st_uid);
    const struct group *group = getgrgid(st->st_gid);
    char mode[11];

    mode_text(st->st_mode, mode);
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:f}", "path", shown,
                     "mode", mode, "uid", user ? user->pw_name : "", "size",
                     (json_int_t)st->st_size, "nlink", (json_int_t)st->st_nlink,
                     "gid", group ? group->gr_name : "", "mtime",
                     (double)st->st_mtime);
}

void agent_files_browse(struct agent *agent, struct httpd_request *request)
{
    AUTO_FREE char *dir = path_asked(agent, request);
    struct dirent **names;
    json_t *list;
    char *text;
    int count;

    if (!dir)
        return;
    count = scandir(dir, &names, NULL, alphasort);
    if (count < 0) {
        httpd_reply_text(request, 400, "'%s' is inaccessible.\n", dir);
        return;
    }
    list = json_array();
    for (int i = 0; i < count; i++) {
        AUTO_FREE char *real = fs_join(dir, names[i]->d_name);
        AUTO_FREE char *shown =
            fs_join(httpd_query(request, "path"), names[i]->d_name);
        struct stat st;

        if (names[i]->d_name[0] != '.' && lstat(real, &st) == 0)
            json_array_append_new(list, entry_json(shown, &st));
        free(names[i]);
    }
    free(names);
    text = json_dumps(list, VIEW_JSON);
    json_decref(list);
    httpd_reply(request, 200, "application/json", str_or_empty(text),
                strlen(str_or_empty(text)), NULL);
    free(text);
}

/* ---- read --------------------------------------------------------------- */

/* Bytes that are no UTF-8 become '?': JSON cannot carry them. */
static json_t *text_json(char *bytes, size_t len)
{
    json_t *json = json_stringn(bytes, len);

    if (json)
        return json;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)bytes[i] >= 0x80)
            bytes[i] = '?';
    }
    return json_stringn(bytes, len);
}

static void reply_piece(struct httpd_request *request, int fd, int64_t offset,
                        int64_t length)
{
    AUTO_FREE char *bytes = NULL;
    char *text;
    json_t *json;
    ssize_t got;

    if (length < 0 || length > READ_MAX_BYTES)
        length = READ_MAX_BYTES;
    bytes = xmalloc((size_t)length + 1);
    got = pread(fd, bytes, (size_t)length, (off_t)offset);
    if (got < 0) {
        httpd_reply_text(request, 500, "read: %s\n", strerror(errno));
        return;
    }
    json = json_pack("{s:o, s:I}", "data", text_json(bytes, (size_t)got),
                     "offset", (json_int_t)offset);
    text = json_dumps(json, VIEW_JSON);
    json_decref(json);
    httpd_reply(request, 200, "application/json", str_or_empty(text),
                strlen(str_or_empty(text)), NULL);
    free(text);
}

void agent_files_read(struct agent *agent, struct httpd_request *request)
{
    AUTO_FREE char *path = NULL;
    struct files_range range;
    struct stat st;

    if (!files_path_asked(request) || !files_range_asked(request, &range))
        return;
    path = path_asked(agent, request);
    if (!path)
        return;
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        httpd_reply_text(request, 400, "Cannot read '%s'.\n", path);
        return;
    }
    if (range.offset < 0)
        reply_piece(request, fd, st.st_size, 0);
    else
        reply_piece(request, fd, range.offset, range.length);
}

/* ---- download ----------------------------------------------------------- */

void agent_files_download(struct agent *agent, struct httpd_request *request)
{
    AUTO_FREE char *path = path_asked(agent, request);
    AUTO_FREE char *header = NULL;
    AUTO_BUF struct buf bytes = {0};
    const char *base;
    struct err err;

    if (!path)
        return;
    if (fs_read(path, DOWNLOAD_MAX_BYTES, &bytes, &err) < 0) {
        httpd_reply_text(request, 400, "%s\n", err.text);
        return;
    }
    base = strrchr(path, '/');
    header = xasprintf("Content-Disposition: attachment; filename=%s",
                       base ? base + 1 : path);
    const char *const headers[] = {header, NULL};
    httpd_reply(request, 200, "application/octet-stream", buf_text(&bytes),
                bytes.len, headers);
}
