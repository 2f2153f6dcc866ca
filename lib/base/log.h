/* SPDX-License-Identifier: Apache-2.0 */
/* log - structured lines on stderr: key=value, one event each
 *
 *   log_info("offer_declined", "offer=%s agent=%s", id, agent);
 *   ts=2026-01-02T03:04:05.678Z level=info svc=offer-broker \
 *       event=offer_declined offer=… agent=…
 *
 * Levels say who is at fault: odd = the other side erred and we coped, bad =
 * we erred or data is at risk (a bad line fails the test that caused it).
 * Values with blanks are written with log_q().  Not for pure code.
 */
#ifndef REEVE_LIB_BASE_LOG_H
#define REEVE_LIB_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_ODD, LOG_BAD };

/* Name in svc=; borrowed for the life of the process. */
void log_set_service(const char *name);
void log_set_level(enum log_level level);
enum log_level log_level(void);
/* "debug", "info", "odd", "bad" (also "warn" = odd, "error" = bad). */
bool log_level_parse(const char *text, enum log_level *out);
const char *log_level_name(enum log_level level);
/* Lines written so far at this level; for metrics. */
uint64_t log_count(enum log_level level);

/* fmt gives further key=value pairs, "" for none. */
void log_event(enum log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define log_debug(event, ...) log_event(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...)  log_event(LOG_INFO, event, __VA_ARGS__)
#define log_odd(event, ...)   log_event(LOG_ODD, event, __VA_ARGS__)
#define log_bad(event, ...)   log_event(LOG_BAD, event, __VA_ARGS__)

/* text in double quotes with quotes, backslashes and control bytes escaped;
 * good until 7 further calls. */
const char *log_q(const char *text);

#endif
