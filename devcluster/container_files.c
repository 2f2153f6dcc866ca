/* SPDX-License-Identifier: Apache-2.0 */
#include "devcluster/container_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/wire/wire.h"

#define BOOT_SIZE      64
#define MAX_SPEC_BYTES (64u << 20)

static const char *const phase_names[] = {
    [CONTAINER_FETCH] = "fetch",
    [CONTAINER_LAUNCH] = "launch",
    [CONTAINER_RUN] = "run",
};

static bool phase_parse(const char *text, enum container_phase *out)
{
    for (size_t i = 0; i < ARRAY_LEN(phase_names); i++) {
        if (strcmp(text, phase_names[i]) == 0) {
            *out = (enum container_phase)i;
            return true;
        }
    }
    return false;
}

/* ---- processes -------------------------------------------------------- */

uint64_t process_start_time(pid_t pid)
{
    char path[64];
    char text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    /* The name, in parentheses, may hold anything: count from its end. */
    const char *p = strrchr(text, ')');
    char state = 0;
    uint64_t start = 0;
    if (!p || sscanf(p + 1,
                     " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d"
                     " %*d %*d %*d %*d %*d %" SCNu64,
                     &state, &start) != 2)
        return 0;
    if (state == 'Z' || state == 'X')
        return 0;
    return start;
}

static const char *boot_id(void)
{
    static char id[BOOT_SIZE];
    if (id[0])
        return id;
    snprintf(id, sizeof(id), "unknown");
    AUTO_CLOSE int fd =
        open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return id;
    ssize_t n = read(fd, id, sizeof(id) - 1);
    id[n > 0 ? n : 0] = '\0';
    id[strcspn(id, "\n")] = '\0';
    return id;
}

static bool same_process_lives(pid_t pid, uint64_t start, const char *boot)
{
    return pid > 0 && start > 0 && strcmp(boot, boot_id()) == 0 &&
           process_start_time(pid) == start;
}

/* ---- files ------------------------------------------------------------ */

/* Renamed into place but not synced: it has to outlive processes, not the host
 * (nothing it tells of does either). */
static int write_file(const char *meta_dir, const char *name, const void *data,
                      size_t len, struct err *err)
{
    AUTO_FREE char *path = fs_join(meta_dir, name);
    AUTO_FREE char *tmp = xasprintf("%s.tmp", path);
    AUTO_CLOSE int fd =
        open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(err, "%s: cannot create", tmp);
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, "%s: cannot write", tmp);
        p += n;
        len -= (size_t)n;
    }
    if (rename(tmp, path) < 0)
        return err_sys(err, "%s: cannot rename into place", path);
    return 0;
}

static bool read_file(const char *meta_dir, const char *name, struct buf *out)
{
    AUTO_FREE char *path = fs_join(meta_dir, name);
    return fs_read(path, 4096, out, NULL) == 0;
}

int container_write_spec(const Reeve__Devagent__ContainerSpec *spec,
                         struct err *err)
{
    AUTO_BUF struct buf bytes = {0};
    wire_encode(&spec->base, &bytes);
    return write_file(spec->meta_dir, "spec", bytes.data, bytes.len, err);
}

Reeve__Devagent__ContainerSpec *container_read_spec(const char *meta_dir,
                                                    struct err *err)
{
    AUTO_BUF struct buf bytes = {0};
    AUTO_FREE char *path = fs_join(meta_dir, "spec");
    if (fs_read(path, MAX_SPEC_BYTES, &bytes, err) < 0)
        return NULL;
    return WIRE_DECODE(reeve__devagent__container_spec, bytes.data, bytes.len,
                       err);
}

int container_write_shim(const char *meta_dir, pid_t pid, struct err *err)
{
    AUTO_FREE char *text = xasprintf("%d %" PRIu64 " %s\n", (int)pid,
                                     process_start_time(pid), boot_id());
    return write_file(meta_dir, "shim", text, strlen(text), err);
}

int container_write_command(const char *meta_dir, enum container_phase phase,
                            pid_t pid, struct err *err)
{
    AUTO_FREE char *text =
        xasprintf("%s %d %" PRIu64 " %s\n", phase_names[phase], (int)pid,
                  process_start_time(pid), boot_id());
    return write_file(meta_dir, "command", text, strlen(text), err);
}

int container_write_exit(const char *meta_dir, enum container_phase phase,
                         int status, struct err *err)
{
    AUTO_FREE char *text = xasprintf("%s %d\n", phase_names[phase], status);
    return write_file(meta_dir, "exit", text, strlen(text), err);
}

static void look_shim(const char *meta_dir, struct container_seen *seen)
{
    AUTO_BUF struct buf text = {0};
    int pid;
    uint64_t start;
    char boot[BOOT_SIZE];
    if (!read_file(meta_dir, "shim", &text))
        return;
    /* Even a damaged one says that a shim was here. */
    seen->has_shim = true;
    if (sscanf(buf_text(&text), "%d %" SCNu64 " %63s", &pid, &start, boot) != 3)
        return;
    seen->shim_pid = pid;
    seen->shim_lives = same_process_lives(pid, start, boot);
}

static void look_command(const char *meta_dir, struct container_seen *seen)
{
    AUTO_BUF struct buf text = {0};
    char phase[16];
    int pid;
    uint64_t start;
    char boot[BOOT_SIZE];
    if (!read_file(meta_dir, "command", &text) ||
        sscanf(buf_text(&text), "%15s %d %" SCNu64 " %63s", phase, &pid, &start,
               boot) != 4 ||
        !phase_parse(phase, &seen->command_phase))
        return;
    seen->has_command = true;
    seen->command_pid = pid;
    seen->command_lives = same_process_lives(pid, start, boot);
}

static void look_exit(const char *meta_dir, struct container_seen *seen)
{
    AUTO_BUF struct buf text = {0};
    char phase[16];
    int status;
    if (!read_file(meta_dir, "exit", &text) ||
        sscanf(buf_text(&text), "%15s %d", phase, &status) != 2 ||
        !phase_parse(phase, &seen->exit_phase))
        return;
    seen->has_exit = true;
    seen->status = status;
}

bool container_is_claimed(const char *meta_dir)
{
    AUTO_FREE char *path = fs_join(meta_dir, "lock");
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
    /* Ours goes with the descriptor; a shim that tries just now gives way, and
     * is then told from one that never was by its start being asked for anew.
     */
    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

void container_look(const char *meta_dir, struct container_seen *seen)
{
    memset(seen, 0, sizeof(*seen));
    AUTO_FREE char *spec = fs_join(meta_dir, "spec");
    seen->has_spec = access(spec, R_OK) == 0;
    /* Liveness before exit: a shim seen dead has written its exit file by then,
     * if it ever will. */
    look_shim(meta_dir, seen);
    look_command(meta_dir, seen);
    look_exit(meta_dir, seen);
}
