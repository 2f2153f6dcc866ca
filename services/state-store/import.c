/* SPDX-License-Identifier: Apache-2.0 */
/* import - begins a new store with what a state file holds, and leaves
 *
 * Only where there is nothing: one rename makes the new state, so a crash
 * leaves either an empty folder or the whole.  Keys keep their revisions; the
 * lineage is new, because the store that the file is from may go on.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/id.h"
#include "lib/base/log.h"
#include "lib/bus/state_file.h"
#include "services/state-store/data_dir.h"
#include "services/state-store/snapshot.h"
#include "services/state-store/store.h"
#include "services/state-store/table.h"

static const size_t file_max_bytes = (size_t)64 << 30;

static int check_empty(const char *dir, struct err *err)
{
    static const char *const kinds[][2] = {{"wal-", ".log"},
                                           {"snapshot-", ".snap"}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        AUTO_FREE uint64_t *numbers = NULL;
        size_t n = 0;
        if (data_dir_list(dir, kinds[i][0], kinds[i][1], &numbers, &n, err) < 0)
            return -1;
        if (n > 0)
            return err_set(err, ERR_EXISTS,
                           "%s holds a store already; a state file is taken "
                           "into an empty suite only: nothing was changed",
                           dir);
    }
    return 0;
}

static void restore_item(void *self, const struct state_file_item *from)
{
    struct key key = {from->key, from->key_len};
    table_restore_item(self,
                       item_new(key, from->value, from->len, from->revision));
}

static struct table *read_table(const char *path, struct err *err)
{
    AUTO_BUF struct buf file = {0};
    struct state_file_head head;
    if (fs_read(path, file_max_bytes, &file, err) < 0)
        return NULL;
    if (state_file_read(file, &head, NULL, NULL, err) < 0) {
        err_wrap(err, "%s", path);
        return NULL;
    }
    uint8_t lineage[16];
    uuid_new_bytes(lineage);
    struct table *table = table_new(lineage);
    state_file_read(file, &head, restore_item, table, NULL);
    table_restore_position(table, MAX(head.revision, 1), head.revision);
    return table;
}

static int write_table(struct store *s, struct table *table, struct err *err)
{
    struct view *view = table_view(table);
    struct snapshot_plan plan = {.dir = data_dir_path(s->data_dir),
                                 .view = view,
                                 .wall_ms = clock_wall_ms(),
                                 .is_base = true};
    uint64_t bytes;
    int result = snapshot_write(&plan, &bytes, err);
    if (result == 0)
        log_info("imported", "keys=%zu revision=%" PRIu64 " bytes=%" PRIu64,
                 view->n_items, view->revision, bytes);
    view_destroy(&view);
    return result;
}

int store_import(struct store *s, const char *path, struct err *err)
{
    if (check_empty(data_dir_path(s->data_dir), err) < 0)
        return err->code == ERR_EXISTS ? EXIT_IN_USE : EXIT_UNWRITABLE;
    struct table *table = read_table(path, err);
    if (!table)
        return err->code == ERR_NOT_FOUND ? EXIT_USAGE : EXIT_BAD_INPUT;
    int result = write_table(s, table, err);
    table_destroy(&table);
    if (result < 0)
        return EXIT_UNWRITABLE;
    s->stage = STORE_FAILED; /* nothing is served */
    service_exit(s->service, EXIT_OK);
    return EXIT_OK;
}
