/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/history.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"

void history_add(struct history *h, struct run run)
{
    if (h->n == RUNS_REMEMBERED) {
        h->n--;
        memmove(h->runs, h->runs + 1, h->n * sizeof *h->runs);
    }
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 8;
        h->runs = xrealloc(h->runs, h->cap * sizeof *h->runs);
    }
    h->runs[h->n++] = run;
}

uint64_t history_run_at(const struct history *h, uint64_t seq)
{
    for (size_t i = h->n; i-- > 0;)
        if (h->runs[i].first_seq <= seq)
            return h->runs[i].id;
    return 0;
}

void history_copy(struct history *to, const struct history *from)
{
    to->n = 0;
    for (size_t i = 0; i < from->n; i++)
        history_add(to, from->runs[i]);
}

void history_free(struct history *h)
{
    free(h->runs);
    memset(h, 0, sizeof *h);
}
