/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/base/id.h"
#include "services/state-store/crash_point.h"
#include "services/state-store/data_dir.h"
#include "services/state-store/discard.h"
#include "services/state-store/table.h"

#define SNAPSHOT_MAX_BYTES ((size_t)64 << 30)
/* Synced as it is written: a sync of the log that comes meanwhile waits for no
 * more than this. */
#define SYNC_EVERY_BYTES ((uint64_t)2 << 20)

char *snapshot_path(const char *dir, uint64_t seq)
{
    return xasprintf("%s/snapshot-%020" PRIu64 ".snap", dir, seq);
}

static int write_view(int fd, const struct snapshot_plan *plan, uint64_t *bytes)
{
    struct snapshot_encoder encoder = {
        .view = plan->view,
        .wall_ms = plan->wall_ms,
        .is_base = plan->is_base,
    };
    uint8_t salt[16];
    uuid_new_bytes(salt);
    for (int i = 8; i < 16; i++)
        encoder.salt = encoder.salt << 8 | salt[i];
    AUTO_BUF struct buf block = {0};
    uint64_t synced = 0;
    *bytes = 0;
    while (snapshot_encode(&encoder, &block)) {
        if (fs_write_all(fd, block.data, block.len) < 0)
            return -1;
        *bytes += block.len;
        if (*bytes - synced > SYNC_EVERY_BYTES) {
            if (fdatasync(fd) < 0)
                return -1;
            synced = *bytes;
        }
        buf_clear(&block);
        crash_point("snapshot_mid");
    }
    return fsync(fd);
}

int snapshot_write(const struct snapshot_plan *plan, uint64_t *bytes,
                   struct err *err)
{
    AUTO_FREE char *path = snapshot_path(plan->dir, plan->view->seq);
    AUTO_FREE char *beside = xasprintf("%s.tmp", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(err, "%s: open", beside);
    int written = write_view(fd, plan, bytes);
    if (written < 0)
        err_sys(err, "%s: write", beside);
    close(fd);
    crash_point("snapshot_before_rename");
    if (written == 0 && rename(beside, path) < 0)
        written = err_sys(err, "%s: rename", beside);
    if (written < 0) {
        unlink(beside);
        return -1;
    }
    crash_point("snapshot_after_rename");
    return fs_sync_dir(plan->dir, err);
}

struct table *snapshot_read(const char *path, struct snapshot_info *info,
                            uint64_t *bytes, struct err *err)
{
    AUTO_BUF struct buf data = {0};
    if (fs_read(path, SNAPSHOT_MAX_BYTES, &data, err) < 0)
        return NULL;
    *bytes = data.len;
    struct table *table =
        snapshot_decode((const uint8_t *)data.data, data.len, info, err);
    if (!table)
        err_wrap(err, "%s", path);
    return table;
}

void snapshot_remove_before(const char *dir, uint64_t seq,
                            struct discard *discard)
{
    AUTO_FREE uint64_t *seqs = NULL;
    size_t n;
    if (data_dir_list(dir, "snapshot-", ".snap", &seqs, &n, NULL) < 0)
        return;
    for (size_t i = 0; i < n && seqs[i] < seq; i++) {
        AUTO_FREE char *path = snapshot_path(dir, seqs[i]);
        discard_file(discard, path);
    }
}

/* ---- in a thread ---- */

struct snapshot_job {
    struct snapshot_plan plan;
    pthread_t thread;
    bool is_joined;
    int fd;
    /* Written by the thread; read after it was joined. */
    int result;
    uint64_t bytes;
    struct err err;
};

static void *run(void *self)
{
    struct snapshot_job *job = self;
    job->result = snapshot_write(&job->plan, &job->bytes, &job->err);
    uint64_t one = 1;
    while (write(job->fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    return NULL;
}

struct snapshot_job *snapshot_job_start(const struct snapshot_plan *plan)
{
    struct snapshot_job *job = xcalloc(1, sizeof *job);
    job->plan = *plan;
    job->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ASSERT(job->fd >= 0);
    ASSERT(pthread_create(&job->thread, NULL, run, job) == 0);
    return job;
}

int snapshot_job_fd(const struct snapshot_job *job)
{
    return job->fd;
}

static void join(struct snapshot_job *job)
{
    if (!job->is_joined)
        pthread_join(job->thread, NULL);
    job->is_joined = true;
}

int snapshot_job_result(struct snapshot_job *job, uint64_t *bytes,
                        struct err *err)
{
    join(job);
    *bytes = job->bytes;
    if (job->result < 0 && err)
        *err = job->err;
    return job->result;
}

void snapshot_job_destroy(struct snapshot_job **job)
{
    if (!*job)
        return;
    join(*job);
    close((*job)->fd);
    free(*job);
    *job = NULL;
}
