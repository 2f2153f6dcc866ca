/* SPDX-License-Identifier: Apache-2.0 */
/* crash_point - dies by SIGKILL at a named place, for the crash tests
 *
 * REEVE_CRASH_AT=<name>[:<n>] kills the process the n-th time (1 is the first)
 * it comes to that place.  Unset, which is the rule, it costs one comparison.
 *
 *   wal_before_write wal_after_write wal_after_sync rotate_mid
 *   snapshot_mid snapshot_before_rename snapshot_after_rename
 *   wal_before_reply redis_before_send redis_after_apply
 */
#ifndef REEVE_STATE_STORE_CRASH_POINT_H
#define REEVE_STATE_STORE_CRASH_POINT_H

/* Once, before threads start. */
void crash_point_init(void);
void crash_point(const char *name);

#endif
