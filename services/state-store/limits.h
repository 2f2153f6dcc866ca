/* SPDX-License-Identifier: Apache-2.0 */
/* limits - every bound of the store in one place (proto/store.proto says the
 * same to callers)
 */
#ifndef REEVE_STATE_STORE_LIMITS_H
#define REEVE_STATE_STORE_LIMITS_H

enum {
    KEY_MAX_BYTES = 512,
    VALUE_MAX_BYTES = 16 << 20,
    OPS_MAX = 4096,           /* operations, and preconditions, of one txn */
    TXN_MAX_BYTES = 64 << 20, /* keys and values of one txn together */
    REQUEST_ID_MAX = 64,
    REQUESTS_REMEMBERED = 65536,
    LEASE_NAME_MAX = 64,
    LEASE_HOLDER_MAX = 255,
    LEASES_MAX = 1024,
    LEASE_TTL_MAX_MS = 3600 * 1000,
    RUNS_REMEMBERED = 4096, /* starts of the store in its history */
};

#endif
