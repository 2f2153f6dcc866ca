/* SPDX-License-Identifier: Apache-2.0 */
/* meter - counts successes and their latencies, and says them in one line
 *
 * Only what is reported by meter_ok() counts as done.  The first part of a run
 * (warm-up) is not counted.
 */
#ifndef REEVE_TESTS_BENCH_METER_H
#define REEVE_TESTS_BENCH_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct meter {
    int64_t start_us, end_us; /* what is counted, on the monotonic clock */
    uint64_t done, failed;
    uint32_t *latency_us; /* of each that is done */
    size_t cap;
    char why[200]; /* the first failure */
};

int64_t meter_now_us(void);
void meter_start(struct meter *meter, double warm_up_s, double seconds);
/* One that was sent at sent_us succeeded now. */
void meter_ok(struct meter *meter, int64_t sent_us, int64_t now_us);
void meter_failed(struct meter *meter, const char *why);
bool meter_is_over(const struct meter *meter, int64_t now_us);
/* One line of JSON on stdout; exit code 1 when something failed. */
int meter_print(struct meter *meter);

/* A number from the command line; ends the program when it is none. */
uint64_t meter_number(const char *text, uint64_t min, uint64_t max);
double meter_seconds(const char *text);

#endif
