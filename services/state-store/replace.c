/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/replace.h"

#include <inttypes.h>
#include <stdio.h>

#include "services/state-store/data_dir.h"
#include "services/state-store/snapshot.h"
#include "services/state-store/table.h"

static int write_base(const struct replacement *plan, uint64_t *bytes,
                      struct err *err)
{
    struct view *view = table_view(plan->table);
    struct snapshot_plan snapshot = {plan->dir, view, plan->wall_ms, true};
    int written = snapshot_write(&snapshot, bytes, err);
    view_destroy(&view);
    return written;
}

int replace_state(const struct replacement *plan, uint64_t *bytes,
                  struct err *err)
{
    char tag[32];
    snprintf(tag, sizeof tag, "%" PRId64, plan->wall_ms);
    if (plan->sets_aside && data_dir_set_aside(plan->dir, tag, err) < 0)
        return -1;
    if (write_base(plan, bytes, err) < 0)
        return -1;
    data_dir_remove_segments(plan->dir, UINT64_MAX);
    snapshot_remove_before(plan->dir, table_seq(plan->table), NULL);
    return 0;
}
