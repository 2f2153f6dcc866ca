/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/wal_replay.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "services/state-store/data_dir.h"
#include "services/state-store/snapshot.h"
#include "services/state-store/table.h"
#include "services/state-store/wal_format.h"

#define TAIL_BYTES        ((size_t)16 << 20)
#define SEGMENT_MAX_BYTES ((size_t)4 << 30)

static const char what_to_do[] =
    "nothing was changed. Bring this file back from a backup of the folder; or "
    "move the folder aside and start again with --redis, which rebuilds the "
    "state from Redis";

struct replay {
    const char *dir;
    struct wal_found *found;
    uint64_t *firsts; /* first seq of each needed segment */
    size_t n;
    bool is_base;  /* the snapshot may stand without segments */
    uint64_t next; /* seq of the record expected next */
};

/* One segment in memory. */
struct segment {
    const char *path;
    const uint8_t *data;
    size_t len;
    size_t at; /* next record */
    bool is_last;
    struct wal_header header;
};

char *wal_segment_path(const char *dir, uint64_t first_seq)
{
    return xasprintf("%s/wal-%020" PRIu64 ".log", dir, first_seq);
}

void wal_found_free(struct wal_found *found)
{
    table_destroy(&found->table);
    free(found->segments);
    record_queue_free(&found->tail);
    memset(found, 0, sizeof *found);
}

static int damaged(const struct segment *s, const char *what, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "%s: offset %zu: %s; %s", s->path, s->at,
                   what, what_to_do);
}

static int check_header(struct replay *r, struct segment *s, struct err *err)
{
    struct err why = {0};
    if (wal_header_decode(s->data, s->len, &s->header, &why) < 0) {
        if (why.code == ERR_CORRUPT)
            return damaged(s, why.text, err);
        return err_set(err, why.code, "%s: %s", s->path, why.text);
    }
    if (!r->found->table) /* the first segment of all says the lineage */
        r->found->table = table_new(s->header.lineage);
    if (memcmp(s->header.lineage, table_lineage(r->found->table), 16) != 0)
        return damaged(s, "this segment is of another lineage", err);
    AUTO_FREE char *name = wal_segment_path(r->dir, s->header.first_seq);
    if (strcmp(name, s->path) != 0)
        return damaged(s, "the file's name is not the one it was made with",
                       err);
    s->at = WAL_HEADER_BYTES;
    r->next = s->header.first_seq;
    return 0;
}

/* Records up to the snapshot's are only checked. */
static int take_record(struct replay *r, struct segment *s,
                       struct record *record, struct err *err)
{
    struct err why = {0};
    if (record->seq != r->next)
        return damaged(s, "a record is missing before this one", err);
    r->next++;
    if (record->seq <= table_seq(r->found->table))
        return 0;
    if (table_apply(r->found->table, record, &why) < 0)
        return damaged(s, why.text, err);
    r->found->records++;
    record_queue_push(&r->found->tail, record);
    while (r->found->tail.bytes > TAIL_BYTES)
        record_unref(record_queue_pop(&r->found->tail));
    return 0;
}

static bool is_zero(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i])
            return false;
    return true;
}

/* No whole record at s->at: the end, a torn write, or damage? */
static int check_end(struct replay *r, struct segment *s, struct err *err)
{
    const uint8_t *rest = s->data + s->at;
    size_t len = s->len - s->at;
    if (!s->is_last)
        return 0; /* the next segment tells whether all were there */
    if (wal_has_later_batch(rest, len, s->header.salt, r->next))
        return damaged(s,
                       "a record fails its checksum, and later records "
                       "follow it",
                       err);
    if (!is_zero(rest, len) &&
        (!s->header.is_reused || wal_record_is_begun(rest, len, r->next)))
        r->found->torn_bytes = len;
    return 0;
}

static int replay_records(struct replay *r, struct segment *s, struct err *err)
{
    enum wal_verdict verdict = WAL_WHOLE;
    while (s->at < s->len && verdict == WAL_WHOLE) {
        struct record *record = NULL;
        size_t used = 0;
        verdict = wal_record_decode(s->data + s->at, s->len - s->at,
                                    s->header.salt, &record, &used);
        if (verdict == WAL_NONSENSE)
            return damaged(s, "a record that no store writes", err);
        if (verdict == WAL_BROKEN)
            break;
        int taken = take_record(r, s, record, err);
        record_unref(record);
        if (taken < 0)
            return -1;
        s->at += used;
    }
    return check_end(r, s, err);
}

/* After a sync that failed the kernel may hold for written what the disk does
 * not have: that is dropped, so that the disk is read.  What was never synced
 * stays. */
static void forget_cached(const char *path)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static int replay_segment(struct replay *r, size_t i, struct err *err)
{
    AUTO_FREE char *path = wal_segment_path(r->dir, r->firsts[i]);
    AUTO_BUF struct buf data = {0};
    if (i + 1 == r->n)
        forget_cached(path);
    if (fs_read(path, SEGMENT_MAX_BYTES, &data, err) < 0)
        return -1;
    struct segment s = {
        .path = path,
        .data = (const uint8_t *)buf_text(&data),
        .len = data.len,
        .is_last = i + 1 == r->n,
    };
    if (check_header(r, &s, err) < 0 || replay_records(r, &s, err) < 0)
        return -1;
    if (!s.is_last && r->next != r->firsts[i + 1])
        return damaged(&s,
                       "records are missing between this segment and the "
                       "next",
                       err);
    r->found->segments[i] = (struct wal_segment){r->firsts[i], (uint64_t)s.at};
    r->found->salt = s.header.salt;
    return 0;
}

static int snapshot_refused(const struct err *why, struct err *err)
{
    if (why->code != ERR_CORRUPT)
        return err_set(err, why->code, "%s", why->text);
    return err_set(err, ERR_CORRUPT, "%.600s; %s", why->text, what_to_do);
}

static int load_snapshot(struct replay *r, struct err *err)
{
    AUTO_FREE uint64_t *seqs = NULL;
    size_t n;
    if (data_dir_list(r->dir, "snapshot-", ".snap", &seqs, &n, err) < 0)
        return -1;
    if (n == 0)
        return 0;
    AUTO_FREE char *path = snapshot_path(r->dir, seqs[n - 1]);
    struct snapshot_info info = {0};
    struct err why = {0};
    r->found->table =
        snapshot_read(path, &info, &r->found->snapshot_bytes, &why);
    if (!r->found->table)
        return snapshot_refused(&why, err);
    r->found->snapshot_seq = info.seq;
    r->found->snapshot_revision = info.revision;
    r->is_base = info.is_base;
    return 0;
}

/* Which segments hold records behind the snapshot. */
static int choose_segments(struct replay *r, struct err *err)
{
    uint64_t wanted = r->found->snapshot_seq + 1;
    if (data_dir_list(r->dir, "wal-", ".log", &r->firsts, &r->n, err) < 0)
        return -1;
    size_t skip = 0;
    while (skip + 1 < r->n && r->firsts[skip + 1] <= wanted)
        skip++;
    r->n -= r->n ? skip : 0;
    if (skip)
        memmove(r->firsts, r->firsts + skip, r->n * sizeof *r->firsts);
    if (r->n && r->firsts[0] > wanted)
        return err_set(err, ERR_CORRUPT,
                       "%s: records %" PRIu64 " to %" PRIu64 " are missing; %s",
                       r->dir, wanted, r->firsts[0] - 1, what_to_do);
    if (r->n == 0 && r->found->table && !r->is_base)
        return err_set(err, ERR_CORRUPT,
                       "%s: there is a snapshot but no segment of the log; %s",
                       r->dir, what_to_do);
    return 0;
}

static int replay_segments(struct replay *r, struct err *err)
{
    r->found->segments = xcalloc(r->n + 1, sizeof *r->found->segments);
    for (size_t i = 0; i < r->n; i++)
        if (replay_segment(r, i, err) < 0)
            return -1;
    r->found->n_segments = r->n;
    if (r->n == 0 || r->next > r->found->snapshot_seq)
        return 0;
    /* The log ends before the snapshot: so it is only after a rebuild that a
     * crash cut short, before the old log was removed. */
    if (!r->is_base)
        return err_set(err, ERR_CORRUPT,
                       "%s: the log ends at record %" PRIu64
                       ", before the snapshot; %s",
                       r->dir, r->next - 1, what_to_do);
    r->found->n_segments = 0;
    return 0;
}

/* What replay read may still be only in the page cache, and the name of a file
 * only in memory: sync before it is shown to anybody. */
static int settle_newest(const struct replay *r, struct err *err)
{
    const struct wal_found *found = r->found;
    if (fs_sync_dir(r->dir, err) < 0)
        return -1;
    if (found->n_segments == 0)
        return 0;
    const struct wal_segment *newest = &found->segments[found->n_segments - 1];
    AUTO_FREE char *path = wal_segment_path(r->dir, newest->first_seq);
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, "%s: open", path);
    if (ftruncate(fd, (off_t)newest->bytes) < 0 || fsync(fd) < 0)
        return err_sys(err, "%s: settle", path);
    return 0;
}

/* What a crash kept from being removed. */
static void tidy(const struct replay *r)
{
    const struct wal_found *found = r->found;
    data_dir_remove_unfinished(r->dir);
    snapshot_remove_before(r->dir, found->snapshot_seq, NULL);
    data_dir_remove_segments(
        r->dir, found->n_segments ? found->segments[0].first_seq : UINT64_MAX);
}

int wal_recover(const char *dir, struct wal_found *found, struct err *err)
{
    struct replay r = {.dir = dir, .found = found, .next = 1};
    int result = 0;
    if (load_snapshot(&r, err) < 0 || choose_segments(&r, err) < 0 ||
        replay_segments(&r, err) < 0 || settle_newest(&r, err) < 0)
        result = -1;
    free(r.firsts);
    if (result < 0)
        wal_found_free(found);
    else
        tidy(&r);
    return result;
}
