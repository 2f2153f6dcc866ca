/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/meter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t meter_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void meter_start(struct meter *m, double warm_up_s, double seconds)
{
    m->start_us = meter_now_us() + (int64_t)(warm_up_s * 1e6);
    m->end_us = m->start_us + (int64_t)(seconds * 1e6);
}

void meter_ok(struct meter *m, int64_t sent_us, int64_t now_us)
{
    if (now_us < m->start_us || now_us >= m->end_us)
        return;
    if (m->done == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 65536;
        m->latency_us = realloc(m->latency_us, m->cap * sizeof(uint32_t));
        if (!m->latency_us)
            abort();
    }
    m->latency_us[m->done++] = (uint32_t)(now_us - sent_us);
}

void meter_failed(struct meter *m, const char *why)
{
    if (!m->failed++)
        snprintf(m->why, sizeof m->why, "%s", why);
}

bool meter_is_over(const struct meter *m, int64_t now_us)
{
    return now_us >= m->end_us;
}

static int compare(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static uint32_t quantile(const struct meter *m, double q)
{
    if (!m->done)
        return 0;
    uint64_t at = (uint64_t)((double)m->done * q);
    return m->latency_us[at < m->done ? at : m->done - 1];
}

int meter_print(struct meter *m)
{
    double seconds = (double)(m->end_us - m->start_us) / 1e6;
    if (m->done)
        qsort(m->latency_us, m->done, sizeof *m->latency_us, compare);
    printf(
        "{\"done\": %" PRIu64 ", \"failed\": %" PRIu64
        ", \"per_s\": %.1f, \"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u}\n",
        m->done, m->failed, (double)m->done / seconds, quantile(m, 0.5),
        quantile(m, 0.99), quantile(m, 1));
    if (m->failed)
        fprintf(stderr, "%" PRIu64 " failed, the first: %s\n", m->failed,
                m->why);
    free(m->latency_us);
    return m->failed ? 1 : 0;
}

uint64_t meter_number(const char *text, uint64_t min, uint64_t max)
{
    char *end;
    uint64_t n = strtoull(text, &end, 10);
    if (!*text || *end || n < min || n > max) {
        fprintf(stderr, "%s: not a number from %" PRIu64 " to %" PRIu64 "\n",
                text, min, max);
        exit(2);
    }
    return n;
}

double meter_seconds(const char *text)
{
    char *end;
    double s = strtod(text, &end);
    if (!*text || *end || !(s > 0 && s <= 3600)) {
        fprintf(stderr, "%s: not a number of seconds\n", text);
        exit(2);
    }
    return s;
}
