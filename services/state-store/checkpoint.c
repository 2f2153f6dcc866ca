/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint - snapshots, so that the log stays short
 *
 * The view is taken in one go, the log starts a new segment, and once the view
 * is durable in the log a thread writes it.  Then the segments and snapshots
 * before it can go.
 */
#include <inttypes.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "services/state-store/data_dir.h"
#include "services/state-store/snapshot.h"
#include "services/state-store/store.h"
#include "services/state-store/table.h"
#include "services/state-store/wal.h"

enum { RETRY_MS = 30000, GROWTH = 4 };

static void on_snapshot(void *self, int fd UNUSED, int events UNUSED)
{
    struct store *s = store_of(self);
    struct err err;
    uint64_t bytes;
    int result = snapshot_job_result(s->snapshot_job, &bytes, &err);
    loop_fd_remove(service_loop(s->service), snapshot_job_fd(s->snapshot_job));
    snapshot_job_destroy(&s->snapshot_job);
    if (result < 0) {
        service_health(s->service, "snapshot", false,
                       "%s; tried again in %d s; the log grows meanwhile",
                       err.text, RETRY_MS / 1000);
        s->snapshot_retry_ms = clock_mono_ms() + RETRY_MS;
    } else {
        const char *dir = data_dir_path(s->data_dir);
        s->snapshot_seq = s->snapshot_view->seq;
        s->snapshot_revision = s->snapshot_view->revision;
        s->snapshot_bytes = bytes;
        snapshot_remove_before(dir, s->snapshot_seq, s->discard);
        wal_drop_until(s->wal, s->snapshot_seq);
        log_info("snapshot", "revision=%" PRIu64 " bytes=%" PRIu64,
                 s->snapshot_revision, bytes);
        service_count(s->service, "store.snapshots", 1, "snapshots taken");
        service_health(s->service, "snapshot", true, "at revision %" PRIu64,
                       s->snapshot_revision);
    }
    view_destroy(&s->snapshot_view);
}

static void start_job(struct store *s)
{
    struct snapshot_plan plan = {
        .dir = data_dir_path(s->data_dir),
        .view = s->snapshot_view,
        .wall_ms = clock_wall_ms(),
    };
    s->snapshot_job = snapshot_job_start(&plan);
    loop_fd(service_loop(s->service), snapshot_job_fd(s->snapshot_job),
            LOOP_READ, on_snapshot, s);
}

static bool is_due(const struct store *s)
{
    uint64_t limit = (uint64_t)service_int(s->service, "snapshot-log-kib")
                     << 10;
    return wal_bytes(s->wal) > MAX(limit, GROWTH * s->snapshot_bytes) &&
           clock_mono_ms() >= s->snapshot_retry_ms;
}

void store_checkpoint(struct store *s)
{
    if (s->snapshot_job)
        return;
    if (!s->snapshot_view) {
        if (!is_due(s))
            return;
        s->snapshot_view = table_view(s->table);
        wal_cut(s->wal);
    }
    if (wal_durable_seq(s->wal) >= s->snapshot_view->seq)
        start_job(s);
}

void store_checkpoint_stop(struct store *s)
{
    snapshot_job_destroy(&s->snapshot_job);
    view_destroy(&s->snapshot_view);
}
