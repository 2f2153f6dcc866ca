/* SPDX-License-Identifier: Apache-2.0 */
/* replay - plays a recording of a real cluster against the master core
 *
 * The recorded calls are made at their time; what agents said then is said by a
 * stand-in that knows what it was told; every event and reply of the core is
 * compared with the recorded one.  Tolerated: the order of events of one type,
 * of resources in an offer and of offers in an event, and when allocations run
 * (they run when the recording shows offers).
 */
#ifndef REEVE_TESTS_UNIT_DEVCLUSTER_REPLAY_H
#define REEVE_TESTS_UNIT_DEVCLUSTER_REPLAY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"

struct replay_result {
    size_t events;    /* compared */
    size_t replies;   /* compared */
    struct buf wrong; /* one line for each difference */
    bool cut_short;   /* a call that this cluster does not implement */
};
/* dir: of one scenario. */
void replay(const char *dir, struct replay_result *result);

#endif
