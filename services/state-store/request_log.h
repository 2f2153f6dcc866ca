/* SPDX-License-Identifier: Apache-2.0 */
/* request_log - the last 65,536 request ids and what they got
 *
 * A repeat of a request is answered with its first result as long as it is
 * remembered here.  At the bound the oldest is forgotten.  Pure state.
 */
#ifndef REEVE_STATE_STORE_REQUEST_LOG_H
#define REEVE_STATE_STORE_REQUEST_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/state-store/limits.h"

struct request {
    uint64_t revision;
    char id[REQUEST_ID_MAX + 1];
};

struct request_log;

struct request_log *request_log_new(size_t max);
void request_log_destroy(struct request_log **log);

/* false: not (or no longer) known. */
bool request_log_find(const struct request_log *log, const char *id,
                      uint64_t *revision);
/* An id that is known already keeps its first result. */
void request_log_add(struct request_log *log, const char *id,
                     uint64_t revision);
size_t request_log_count(const struct request_log *log);
/* i = 0 is the oldest; borrowed until the log changes. */
const struct request *request_log_at(const struct request_log *log, size_t i);

#endif
