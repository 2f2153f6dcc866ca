/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/base/id.h"
#include "services/state-store/crash_point.h"
#include "services/state-store/data_dir.h"
#include "services/state-store/discard.h"
#include "services/state-store/record.h"
#include "services/state-store/wal_format.h"
#include "services/state-store/wal_replay.h"

enum {
    AHEAD_BYTES = 1 << 20,       /* zeros written ahead of the records */
    BUFFER_KEEP_BYTES = 1 << 20, /* a larger buffer is given back after use */
    HERE_MAX_BYTES = 64 << 10,   /* larger goes to the thread */
    HERE_MAX_US = 2000,          /* while the disk is slower, too */
    SPARES_MAX = 64,
};

/* Never written to, so they cost no memory. */
static char zeros[AHEAD_BYTES];

/* Records on their way to one fdatasync. */
struct batch {
    struct buf bytes;
    uint64_t first_seq, last_seq; /* 0: empty */
    uint64_t revision;            /* before the first record */
    uint64_t last_revision;
    bool starts_segment;
    uint64_t spare; /* a segment that was, to be used again; 0: none */
};

struct wal {
    char *dir;
    uint8_t lineage[16];
    uint64_t salt;
    uint64_t segment_bytes;

    /* The loop's side. */
    struct batch batches[2];
    int filling;  /* which of the two takes appends */
    bool is_busy; /* the thread has the other one */
    bool must_cut, has_failed;
    uint64_t durable_seq, revision;
    uint64_t droppable_seq; /* segments up to here may go */
    int64_t last_sync_us;
    struct wal_segment *segments;
    size_t n_segments;
    struct wal_segment spares[SPARES_MAX];
    size_t n_spares;
    uint64_t keep_bytes; /* of segments and spares */
    struct discard *discard;

    /* Shared, under the lock. */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    const struct batch *job; /* NULL: none */
    bool must_stop;
    bool is_done; /* the job's outcome is below */
    struct wal_batch outcome;
    struct err err; /* code not 0: failed */

    /* The thread's side; the loop's while the thread has nothing to do. */
    int fd;
    uint64_t end;       /* of the records in the segment */
    uint64_t allocated; /* zeros written up to here */
    int event_fd;
};

/* ---- the thread's side ---- */

static int write_at(int fd, const char *data, size_t len, uint64_t at)
{
    while (len) {
        ssize_t n = pwrite(fd, data, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
        at += (uint64_t)n;
    }
    return 0;
}

/* Removed at start, as all that ends so. */
static char *spare_path(const struct wal *w, uint64_t first_seq)
{
    return xasprintf("%s/wal-%020" PRIu64 ".spare.tmp", w->dir, first_seq);
}

/* A spare has its blocks and size: a sync of what is written there waits for no
 * more than the bytes.  -1 when it cannot be had: then a new one is made. */
static int open_spare(const struct wal *w, const struct batch *batch,
                      const char *beside, uint64_t *bytes)
{
    AUTO_FREE char *spare = spare_path(w, batch->spare);
    struct stat st;
    if (rename(spare, beside) < 0)
        return -1;
    int fd = open(beside, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) == 0)
        *bytes = fd < 0 ? 0 : (uint64_t)st.st_size;
    return fd;
}

static int open_beside(struct wal *w, const struct batch *batch,
                       const char *beside)
{
    int fd = -1;
    w->allocated = 0;
    if (batch->spare)
        fd = open_spare(w, batch, beside, &w->allocated);
    if (fd < 0)
        fd = open(beside, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return fd;
}

static void encode_header(const struct wal *w, const struct batch *batch,
                          uint8_t bytes[WAL_HEADER_BYTES])
{
    struct wal_header header = {
        .first_seq = batch->first_seq,
        .first_revision = batch->revision,
        .salt = w->salt,
        .is_reused = w->allocated > 0,
    };
    memcpy(header.lineage, w->lineage, sizeof header.lineage);
    wal_header_encode(&header, bytes);
}

/* -1 with errno set. */
static int lay_out(struct wal *w, const struct batch *batch, const char *beside)
{
    uint8_t bytes[WAL_HEADER_BYTES];
    if (w->fd >= 0)
        close(w->fd);
    w->fd = open_beside(w, batch, beside);
    if (w->fd < 0)
        return -1;
    encode_header(w, batch, bytes);
    w->end = WAL_HEADER_BYTES;
    w->allocated = MAX(w->allocated, w->end);
    return write_at(w->fd, (char *)bytes, sizeof bytes, 0) < 0 ? -1
                                                               : fsync(w->fd);
}

/* Complete under another name before it gets its own: a segment that is there
 * has a whole header. */
static int create_segment(struct wal *w, const struct batch *batch,
                          bool *gave_up_reserve, struct err *err)
{
    AUTO_FREE char *path = wal_segment_path(w->dir, batch->first_seq);
    AUTO_FREE char *beside = xasprintf("%s.tmp", path);
    int made = lay_out(w, batch, beside);
    if (made < 0 && errno == ENOSPC && data_dir_give_up_reserve(w->dir) == 0) {
        *gave_up_reserve = true;
        made = lay_out(w, batch, beside);
    }
    if (made < 0)
        return err_sys(err, "%s: write", beside);
    crash_point("rotate_mid");
    if (rename(beside, path) < 0)
        return err_sys(err, "%s: rename", beside);
    return fs_sync_dir(w->dir, err);
}

/* Room for the batch, taken before any byte of it is written: a full disk is
 * met here, where the reserve can still help. */
static int allocate(struct wal *w, uint64_t end, bool *gave_up_reserve)
{
    uint64_t size = end + AHEAD_BYTES;
    if (fallocate(w->fd, 0, (off_t)w->allocated,
                  (off_t)(size - w->allocated)) == 0)
        return 0;
    if (errno == EOPNOTSUPP || errno == ENOSYS)
        return 0;
    if (errno != ENOSPC || data_dir_give_up_reserve(w->dir) < 0)
        return -1;
    *gave_up_reserve = true;
    return fallocate(w->fd, 0, (off_t)w->allocated,
                     (off_t)(size - w->allocated));
}

/* Zeros behind the batch: the next ones overwrite them, and a sync that changes
 * neither size nor blocks of the file costs half. */
static int write_batch(struct wal *w, const struct batch *batch,
                       bool *gave_up_reserve)
{
    uint64_t end = w->end + batch->bytes.len;
    bool is_growing = end > w->allocated;
    if (is_growing && allocate(w, end, gave_up_reserve) < 0)
        return -1;
    crash_point("wal_before_write");
    if (write_at(w->fd, batch->bytes.data, batch->bytes.len, w->end) < 0)
        return -1;
    if (is_growing) {
        if (write_at(w->fd, zeros, sizeof zeros, end) < 0)
            return -1;
        w->allocated = end + AHEAD_BYTES;
    }
    crash_point("wal_after_write");
    if (fdatasync(w->fd) < 0)
        return -1;
    crash_point("wal_after_sync");
    w->end = end;
    return 0;
}

static void do_job(struct wal *w, const struct batch *batch,
                   struct wal_batch *outcome, struct err *err)
{
    int64_t start_us = clock_mono_us();
    bool *gave_up = &outcome->gave_up_reserve;
    if (batch->starts_segment && create_segment(w, batch, gave_up, err) < 0)
        return;
    if (write_batch(w, batch, gave_up) < 0)
        err_sys(err, "%s: write the log", w->dir);
    outcome->sync_us = clock_mono_us() - start_us;
    outcome->seq = batch->last_seq;
    outcome->bytes = batch->bytes.len;
    outcome->records = batch->last_seq - batch->first_seq + 1;
}

static void *run(void *self)
{
    struct wal *w = self;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->job && !w->must_stop)
            pthread_cond_wait(&w->wake, &w->lock);
        if (!w->job)
            break;
        const struct batch *batch = w->job;
        pthread_mutex_unlock(&w->lock);
        struct wal_batch outcome = {0};
        struct err err = {0};
        do_job(w, batch, &outcome, &err);
        pthread_mutex_lock(&w->lock);
        w->job = NULL;
        w->outcome = outcome;
        w->err = err;
        w->is_done = true;
        uint64_t one = 1;
        while (write(w->event_fd, &one, sizeof one) < 0 && errno == EINTR)
            ;
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* ---- the loop's side ---- */

static void add_segment(struct wal *w, struct wal_segment segment)
{
    w->segments =
        xrealloc(w->segments, (w->n_segments + 1) * sizeof *w->segments);
    w->segments[w->n_segments++] = segment;
}

static int open_newest(struct wal *w, const struct wal_found *found,
                       struct err *err)
{
    for (size_t i = 0; i < found->n_segments; i++)
        add_segment(w, found->segments[i]);
    const struct wal_segment *newest = &w->segments[w->n_segments - 1];
    AUTO_FREE char *path = wal_segment_path(w->dir, newest->first_seq);
    w->fd = open(path, O_RDWR | O_CLOEXEC);
    if (w->fd < 0)
        return err_sys(err, "%s: open", path);
    w->salt = found->salt;
    w->end = w->allocated = newest->bytes;
    return 0;
}

static uint64_t new_salt(void)
{
    uint8_t bytes[16];
    uint64_t salt;
    uuid_new_bytes(bytes);
    memcpy(&salt, bytes + 8, sizeof salt);
    return salt;
}

static struct wal *wal_alloc(const struct wal_config *config)
{
    struct wal *w = xcalloc(1, sizeof *w);
    w->dir = xstrdup(config->dir);
    memcpy(w->lineage, config->lineage, sizeof w->lineage);
    w->segment_bytes = config->segment_bytes;
    w->keep_bytes = config->keep_bytes;
    w->discard = config->discard;
    w->durable_seq = config->next_seq - 1;
    w->revision = config->revision;
    w->fd = w->event_fd = -1;
    w->salt = new_salt();
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    return w;
}

static void wal_free(struct wal *w)
{
    if (w->fd >= 0)
        close(w->fd);
    if (w->event_fd >= 0)
        close(w->event_fd);
    buf_free(&w->batches[0].bytes);
    buf_free(&w->batches[1].bytes);
    free(w->segments);
    free(w->dir);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->wake);
    free(w);
}

struct wal *wal_open(const struct wal_config *config, struct err *err)
{
    crc32c(0, "", 0); /* its tables are made before threads use them */
    struct wal *w = wal_alloc(config);
    bool has_segments = config->found && config->found->n_segments;
    int opened = 0;
    if (has_segments) {
        opened = open_newest(w, config->found, err);
    } else {
        struct batch first = {.first_seq = config->next_seq,
                              .revision = config->revision};
        bool gave_up_reserve;
        opened = create_segment(w, &first, &gave_up_reserve, err);
        add_segment(w, (struct wal_segment){first.first_seq, w->end});
    }
    if (opened < 0) {
        wal_free(w);
        return NULL;
    }
    w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ASSERT(w->event_fd >= 0);
    ASSERT(pthread_create(&w->thread, NULL, run, w) == 0);
    return w;
}

void wal_append(struct wal *w, const struct record *record)
{
    struct batch *batch = &w->batches[w->filling];
    if (!batch->first_seq) {
        batch->first_seq = record->seq;
        batch->revision = w->revision;
    }
    wal_record_encode(record, (uint32_t)(record->seq - batch->first_seq),
                      w->salt, &batch->bytes);
    batch->last_seq = record->seq;
    w->revision = record->revision;
}

/* A salt that no segment had before: what an earlier use left in a file never
 * passes for a record. */
static void start_segment(struct wal *w, struct batch *batch)
{
    w->salt++;
    wal_records_seal(&batch->bytes, w->salt);
    batch->spare = w->n_spares ? w->spares[--w->n_spares].first_seq : 0;
    add_segment(w, (struct wal_segment){batch->first_seq, WAL_HEADER_BYTES});
}

/* The batch that was filled becomes the one that is written. */
static struct batch *close_batch(struct wal *w)
{
    struct batch *batch = &w->batches[w->filling];
    const struct wal_segment *newest = &w->segments[w->n_segments - 1];
    batch->starts_segment =
        (w->must_cut || newest->bytes >= w->segment_bytes) &&
        newest->first_seq != batch->first_seq;
    if (batch->starts_segment)
        start_segment(w, batch);
    w->segments[w->n_segments - 1].bytes += batch->bytes.len;
    w->must_cut = false;
    w->filling = !w->filling;
    w->is_busy = true;
    return batch;
}

static void hand_over(struct wal *w)
{
    const struct batch *batch = close_batch(w);
    pthread_mutex_lock(&w->lock);
    w->job = batch;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

void wal_flush(struct wal *w)
{
    if (!w->is_busy && !w->has_failed && w->batches[w->filling].first_seq)
        hand_over(w);
}

int wal_fd(const struct wal *w)
{
    return w->event_fd;
}

static void clear(struct batch *batch)
{
    batch->first_seq = batch->last_seq = 0;
    buf_reset(&batch->bytes, BUFFER_KEEP_BYTES);
}

static uint64_t bytes_of(const struct wal_segment *segments, size_t n)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += segments[i].bytes;
    return bytes;
}

/* As long as all of them need no more than the log may. */
static bool keep_spare(struct wal *w, const struct wal_segment *segment)
{
    if (w->n_spares == SPARES_MAX ||
        segment->bytes > w->segment_bytes + AHEAD_BYTES ||
        wal_bytes(w) + bytes_of(w->spares, w->n_spares) > w->keep_bytes)
        return false;
    AUTO_FREE char *path = wal_segment_path(w->dir, segment->first_seq);
    AUTO_FREE char *spare = spare_path(w, segment->first_seq);
    if (rename(path, spare) < 0)
        return false;
    w->spares[w->n_spares++] = *segment;
    return true;
}

static void drop_oldest(struct wal *w)
{
    struct wal_segment oldest = w->segments[0];
    w->n_segments--;
    memmove(w->segments, w->segments + 1, w->n_segments * sizeof *w->segments);
    AUTO_FREE char *path = wal_segment_path(w->dir, oldest.first_seq);
    if (!keep_spare(w, &oldest))
        discard_file(w->discard, path);
}

/* The newest segment may be but planned: until its first batch is durable, the
 * one before it stays, or a failure would leave a folder without a log. */
static void drop_segments(struct wal *w)
{
    uint64_t until = MIN(w->droppable_seq + 1, w->durable_seq);
    size_t drop = 0;
    while (drop + 1 < w->n_segments && w->segments[drop + 1].first_seq <= until)
        drop++;
    for (size_t i = 0; i < drop; i++)
        drop_oldest(w);
}

static int conclude(struct wal *w, const struct wal_batch *outcome,
                    const struct err *failure, struct err *err)
{
    w->is_busy = false;
    if (failure->code) {
        w->has_failed = true;
        return err_set(err, failure->code, "%s", failure->text);
    }
    w->last_sync_us = outcome->sync_us;
    w->durable_seq = outcome->seq;
    if (outcome->gave_up_reserve)
        wal_drop_spares(w);
    drop_segments(w);
    clear(&w->batches[!w->filling]);
    return 1;
}

bool wal_may_sync_here(const struct wal *w)
{
    const struct batch *batch = &w->batches[w->filling];
    const struct wal_segment *newest = &w->segments[w->n_segments - 1];
    return !w->is_busy && !w->has_failed && batch->first_seq &&
           batch->first_seq == batch->last_seq &&
           batch->bytes.len <= HERE_MAX_BYTES &&
           w->last_sync_us <= HERE_MAX_US && !w->must_cut &&
           newest->bytes < w->segment_bytes &&
           w->end + batch->bytes.len <= w->allocated;
}

int wal_sync_here(struct wal *w, struct wal_batch *outcome, struct err *err)
{
    struct err failure = {0};
    memset(outcome, 0, sizeof *outcome);
    do_job(w, close_batch(w), outcome, &failure);
    return conclude(w, outcome, &failure, err);
}

int wal_collect(struct wal *w, struct wal_batch *batch, struct err *err)
{
    uint64_t events;
    while (read(w->event_fd, &events, sizeof events) < 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&w->lock);
    bool is_done = w->is_done;
    w->is_done = false;
    *batch = w->outcome;
    struct err failure = w->err;
    pthread_mutex_unlock(&w->lock);
    if (!is_done)
        return 0;
    if (conclude(w, batch, &failure, err) < 0)
        return -1;
    wal_flush(w);
    return 1;
}

void wal_destroy(struct wal **wal)
{
    struct wal *w = *wal;
    if (!w)
        return;
    /* Once for the batch under way, once for what was filled meanwhile. */
    for (int i = 0; i < 2; i++) {
        struct wal_batch batch;
        wal_flush(w);
        pthread_mutex_lock(&w->lock);
        w->must_stop = true;
        pthread_cond_signal(&w->wake);
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->thread, NULL);
        if (wal_collect(w, &batch, NULL) <= 0 || !w->is_busy)
            break;
        w->must_stop = false;
        ASSERT(pthread_create(&w->thread, NULL, run, w) == 0);
    }
    wal_free(w);
    *wal = NULL;
}

uint64_t wal_durable_seq(const struct wal *w)
{
    return w->durable_seq;
}

size_t wal_unsynced_bytes(const struct wal *w)
{
    return w->batches[0].bytes.len + w->batches[1].bytes.len;
}

uint64_t wal_bytes(const struct wal *w)
{
    return bytes_of(w->segments, w->n_segments);
}

size_t wal_segments(const struct wal *w)
{
    return w->n_segments;
}

void wal_cut(struct wal *w)
{
    w->must_cut = true;
}

void wal_drop_until(struct wal *w, uint64_t seq)
{
    w->droppable_seq = MAX(w->droppable_seq, seq);
    drop_segments(w);
}

void wal_drop_spares(struct wal *w)
{
    while (w->n_spares) {
        AUTO_FREE char *path =
            spare_path(w, w->spares[--w->n_spares].first_seq);
        discard_file(w->discard, path);
    }
}
