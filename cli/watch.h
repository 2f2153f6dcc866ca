/* SPDX-License-Identifier: Apache-2.0 */
/* watch - shows a plan as it changes
 *
 * On a terminal the tree is drawn again in place; elsewhere the tree is printed
 * once, then a line for each change, and the tree again at the end.
 */
#ifndef REEVE_CLI_WATCH_H
#define REEVE_CLI_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct cli;

struct watch {
    const struct cli *cli;
    const char *plan;
    bool until_complete; /* else until the plan is gone, or for ever */
    bool is_quiet;       /* show nothing */
    bool is_coming;      /* 404 is "not yet": the store has it, the gateway's
                            copy may be a moment behind */
    int64_t timeout_ms;  /* 0: none */
    /* Asked often; true ends it with EXIT_OK. May be NULL. */
    bool (*is_over)(void *self);
    void *self;
};

/* EXIT_OK: complete, or is_over.  EXIT_TIMED_OUT, EXIT_FAILED: said on
 * stderr.  A gateway that does not answer is asked again. */
int watch_plan(const struct watch *watch);

#endif
