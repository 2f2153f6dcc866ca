/* SPDX-License-Identifier: Apache-2.0 */
/* The log, its snapshots and what replaces both, on a disk that fails, dies or
 * loses power at each call: nothing acknowledged is lost, nothing is there that
 * was never written, no start is refused, and it goes on.
 *
 * What threads do at the same time meets here at each call of the other, and in
 * the same order each time.  REEVE_ROUNDS=50 does all of it, else a part. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/fs.h"
#include "services/state-store/data_dir.h"
#include "services/state-store/replace.h"
#include "services/state-store/snapshot.h"
#include "services/state-store/wal.h"
#include "services/state-store/wal_replay.h"
#include "tests/unit/state-store/disk_model.h"
#include "tests/unit/state-store/tools.h"

enum { SEGMENT_BYTES = 500, KEEP_BYTES = 1 << 20, NEVER = 0 };

static const uint8_t other_lineage[16] = "another lineage";

/* What the parent knows of a child that died. */
struct known {
    uint64_t acked, tried; /* seq, of test_lineage */
    uint64_t other_acked, other_tried;
    bool may_be_gone; /* the old state was on its way out */
    bool has_met;
    unsigned calls;
};

struct life {
    const char *dir;
    struct known *known;
    struct data_dir *lock;
    struct wal_found found;
    struct table *table;
    struct wal *wal;
    struct view *view; /* of the snapshot that is due */
    bool is_snapshotting;
};

/* ---- what is written: settled by its seq ----------------------------------
 */

static struct record *next_record(struct table *t)
{
    uint64_t seq = table_seq(t) + 1;
    char id[32], key[32], value[128];
    snprintf(id, sizeof id, "r%d", (int)seq);
    snprintf(key, sizeof key, "k%d", (int)seq % 5);
    snprintf(value, sizeof value, "%060d", (int)seq);
    if (seq % 9 == 1)
        return table_start_run(t, seq, 5);
    if (seq % 9 == 5)
        return grant(t, "broker", "h");
    return put_as(t, id, key, seq % 9 == 7 ? NULL : value);
}

static struct table *table_at(const uint8_t lineage[16], uint64_t seq)
{
    struct table *t = table_new(lineage);
    while (table_seq(t) < seq)
        record_unref(next_record(t));
    return t;
}

/* ---- the store's part ------------------------------------------------------
 */

static bool is_other(const struct table *t)
{
    return memcmp(table_lineage(t), other_lineage, 16) == 0;
}

static void open_log(struct life *r)
{
    struct wal_config config = {
        .dir = r->dir,
        .segment_bytes = SEGMENT_BYTES,
        .keep_bytes = KEEP_BYTES,
        .next_seq = table_seq(r->table) + 1,
        .revision = table_revision(r->table),
        .found = &r->found,
    };
    memcpy(config.lineage, table_lineage(r->table), 16);
    r->wal = wal_open(&config, NULL);
    if (!r->wal)
        disk_model_leave();
}

static void start(struct life *r)
{
    r->lock = data_dir_open(r->dir, NULL);
    if (!r->lock || wal_recover(r->dir, &r->found, NULL) < 0)
        disk_model_leave();
    r->table = r->found.table ? MOVE(r->found.table) : table_new(test_lineage);
    open_log(r);
}

static void stop(struct life *r)
{
    view_destroy(&r->view);
    wal_destroy(&r->wal);
    wal_found_free(&r->found);
    table_destroy(&r->table);
    data_dir_destroy(&r->lock);
}

static void append(struct life *r, int n)
{
    for (int i = 0; i < n; i++) {
        struct record *record = next_record(r->table);
        wal_append(r->wal, record);
        record_unref(record);
    }
    *(is_other(r->table) ? &r->known->other_tried : &r->known->tried) =
        table_seq(r->table);
}

static void wait_durable(struct life *r)
{
    wal_flush(r->wal);
    while (wal_durable_seq(r->wal) < table_seq(r->table)) {
        struct pollfd p = {wal_fd(r->wal), POLLIN, 0};
        struct wal_batch batch;
        poll(&p, 1, 1000);
        if (wal_collect(r->wal, &batch, NULL) < 0)
            disk_model_leave();
    }
    *(is_other(r->table) ? &r->known->other_acked : &r->known->acked) =
        table_seq(r->table);
}

static void batch(struct life *r, int n)
{
    append(r, n);
    wait_durable(r);
}

static void begin_snapshot(struct life *r)
{
    r->view = table_view(r->table);
    wal_cut(r->wal);
}

/* As the thread and then the loop do it; a failure is for later. */
static void end_snapshot(struct life *r)
{
    struct view *view = MOVE(r->view);
    uint64_t bytes;
    struct snapshot_plan plan = {r->dir, view, 5, false};
    r->is_snapshotting = true;
    int written = snapshot_write(&plan, &bytes, NULL);
    r->is_snapshotting = false;
    if (written == 0) {
        snapshot_remove_before(r->dir, view->seq, NULL);
        wal_drop_until(r->wal, view->seq);
    }
    view_destroy(&view);
}

/* When the view is durable. */
static void meet_snapshot(void *self)
{
    struct life *r = self;
    if (!r->view || wal_durable_seq(r->wal) < r->view->seq)
        return;
    r->known->has_met = true;
    end_snapshot(r);
}

static void meet_log(void *self)
{
    struct life *r = self;
    if (!r->is_snapshotting)
        return;
    r->known->has_met = true;
    batch(r, 2);
    batch(r, 1);
}

/* ---- what is looked at
 * ------------------------------------------------------- */

/* A snapshot is on disk and two segments. */
static void prepare(struct life *r)
{
    start(r);
    batch(r, 3);
    batch(r, 2);
    begin_snapshot(r);
    batch(r, 3);
    end_snapshot(r);
    batch(r, 4);
    stop(r);
}

static void prepare_nothing(struct life *r UNUSED)
{
}

/* A snapshot ends at any call of a log that goes on. */
static void write_log(struct life *r)
{
    start(r);
    batch(r, 1);
    begin_snapshot(r);
    batch(r, 2);
    batch(r, 4);
    batch(r, 1);
    if (r->view)
        end_snapshot(r);
    batch(r, 1);
    stop(r);
}

/* The log goes on, into its next segment, at any call of a snapshot. */
static void take_snapshot(struct life *r)
{
    start(r);
    batch(r, 1);
    begin_snapshot(r);
    end_snapshot(r);
    batch(r, 1);
    stop(r);
}

/* What Redis holds comes in place of what is there. */
static void replace_by(struct life *r, struct table *table, bool sets_aside)
{
    struct replacement plan = {r->dir, table, 5, sets_aside};
    uint64_t bytes;
    r->lock = data_dir_open(r->dir, NULL);
    if (!r->lock)
        disk_model_leave();
    r->table = table;
    *(is_other(table) ? &r->known->other_tried : &r->known->tried) =
        table_seq(table);
    r->known->may_be_gone = sets_aside;
    if (replace_state(&plan, &bytes, NULL) < 0)
        disk_model_leave();
    r->known->acked = sets_aside ? 0 : table_seq(table);
    r->known->other_acked = sets_aside ? table_seq(table) : 0;
    open_log(r);
    batch(r, 3);
    batch(r, 3);
    stop(r);
}

static void go_on_from_redis(struct life *r)
{
    replace_by(r, table_at(test_lineage, r->known->tried + 4), false);
}

static void set_aside(struct life *r)
{
    replace_by(r, table_at(other_lineage, 7), true);
}

/* ---- a process that dies, and the next
 * ---------------------------------------- */

struct scenario {
    const char *name;
    void (*prepare)(struct life *r);
    void (*run)(struct life *r);
    void (*meet)(void *run);
    unsigned step; /* in a short round: every n-th fault */
};

/* In a process of its own. */
static void die(const struct scenario *scenario, struct disk_plan *plan,
                struct known *known)
{
    struct life run = {.dir = plan->dir, .known = known};
    scenario->prepare(&run);
    plan->meet = scenario->meet;
    plan->context = &run;
    disk_model_begin(plan);
    scenario->run(&run);
    known->calls = disk_model_calls();
    disk_model_leave();
}

/* Files of the store that nobody needs any more. */
static const char *leftover(const char *dir)
{
    static char name[256];
    DIR *folder = opendir(dir);
    const struct dirent *entry;
    int snapshots = 0;
    name[0] = '\0';
    while ((entry = readdir(folder))) {
        snapshots += str_ends(entry->d_name, ".snap");
        if (str_ends(entry->d_name, ".tmp") ||
            str_ends(entry->d_name, ".part") || snapshots > 1)
            snprintf(name, sizeof name, "%.200s", entry->d_name);
    }
    closedir(folder);
    return name;
}

/* "" when what is there is what may be there. */
static const char *check_found(const struct wal_found *found,
                               const struct known *known)
{
    static char text[128];
    uint64_t seq = found->table ? table_seq(found->table) : 0;
    bool other = found->table && is_other(found->table);
    uint64_t least = other ? known->other_acked : known->acked;
    uint64_t most = other ? known->other_tried : known->tried;
    if (known->other_acked && !other)
        return "the old state is there again";
    if (!found->table && known->may_be_gone && !known->other_acked)
        return "";
    snprintf(text, sizeof text, "%d is there, not %d to %d", (int)seq,
             (int)least, (int)most);
    if (seq < least || seq > most)
        return text;
    struct table *t = table_at(other ? other_lineage : test_lineage, seq);
    bool is_equal = !found->table || tables_equal(t, found->table);
    table_destroy(&t);
    return is_equal ? "" : "other values are there";
}

/* Written to, with a snapshot; then read once more. */
static const char *check_goes_on(const char *dir)
{
    struct known known = {0};
    struct life run = {.dir = dir, .known = &known};
    start(&run);
    batch(&run, 3);
    begin_snapshot(&run);
    batch(&run, 2);
    end_snapshot(&run);
    batch(&run, 1);
    struct table *t = table_at(table_lineage(run.table), table_seq(run.table));
    stop(&run);
    struct wal_found found = {0};
    const char *wrong = "";
    if (wal_recover(dir, &found, NULL) < 0 || !tables_equal(t, found.table))
        wrong = "later it is not what was written";
    wal_found_free(&found);
    table_destroy(&t);
    return *wrong ? wrong : leftover(dir);
}

static const char *check_after(const char *dir, const struct known *known)
{
    static struct err err;
    struct wal_found found = {0};
    struct data_dir *lock = data_dir_open(dir, &err);
    if (!lock || wal_recover(dir, &found, &err) < 0)
        return err.text;
    const char *wrong = check_found(&found, known);
    wal_found_free(&found);
    data_dir_destroy(&lock);
    return *wrong ? wrong : check_goes_on(dir);
}

static struct known *known_memory(void)
{
    void *at = mmap(NULL, sizeof(struct known), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(at, MAP_FAILED);
    return at;
}

static void live_and_die(const struct scenario *scenario, struct disk_plan plan,
                         struct known *known)
{
    char *dir = temp_dir();
    plan.dir = dir;
    plan.seed = plan.at * 31 + plan.meet_at * 7 + (unsigned)plan.fault;
    memset(known, 0, sizeof *known);
    pid_t pid = fork();
    if (pid == 0)
        die(scenario, &plan, known);
    int status;
    waitpid(pid, &status, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == DISK_EXIT,
              "%s: call %u fault %d met at %u: status %x", scenario->name,
              plan.at, plan.fault, plan.meet_at, (unsigned)status);
    const char *wrong = check_after(dir, known);
    cr_expect_str_empty(wrong, "%s: call %u fault %d met at %u: %s",
                        scenario->name, plan.at, plan.fault, plan.meet_at,
                        wrong);
    temp_dir_remove(dir);
}

static bool is_thorough(void)
{
    const char *rounds = getenv("REEVE_ROUNDS");
    return rounds && atoi(rounds) >= 50;
}

/* The number of pairs of calls. */
static int each_fault(const struct scenario *scenario, unsigned meet_at,
                      struct known *known)
{
    unsigned step = is_thorough() ? 1 : scenario->step, calls = known->calls;
    int n = 0;
    for (unsigned at = MAX(meet_at, 1u); at <= calls; at++)
        for (unsigned fault = DISK_KILL; fault < DISK_FAULTS; fault++, n++) {
            struct disk_plan plan = {
                .at = at, .fault = fault, .meet_at = meet_at};
            if ((at * 7 + meet_at + fault) % step == 0)
                live_and_die(scenario, plan, known);
        }
    return n;
}

static void run_scenario(const struct scenario *s)
{
    struct known *known = known_memory();
    struct disk_plan plan = {0};
    live_and_die(s, plan, known);
    unsigned calls = known->calls;
    int n = s->meet ? 0 : each_fault(s, NEVER, known);
    while (s->meet && plan.meet_at++ < calls) {
        live_and_die(s, plan, known);
        n += known->has_met ? each_fault(s, plan.meet_at, known) : 0;
    }
    fprintf(stderr, "%s: %d\n", s->name, n);
    cr_assert_gt(n, 100);
    munmap(known, sizeof *known);
}

#define SCENARIO(id, ...)                                                      \
    Test(disk, id)                                                             \
    {                                                                          \
        static const struct scenario scenario = {#id, __VA_ARGS__};            \
        run_scenario(&scenario);                                               \
    }
SCENARIO(a_new_store, prepare_nothing, write_log, NULL, 2)
SCENARIO(a_log_met_by_a_snapshot, prepare, write_log, meet_snapshot, 19)
SCENARIO(a_snapshot_met_by_the_log, prepare, take_snapshot, meet_log, 19)
SCENARIO(redis_is_ahead, prepare, go_on_from_redis, NULL, 2)
SCENARIO(the_folder_is_empty, prepare_nothing, go_on_from_redis, NULL, 2)
SCENARIO(another_state_is_taken, prepare, set_aside, NULL, 2)
