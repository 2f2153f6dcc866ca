/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/base.h"

static const char *service_name = "reeve";
static enum log_level threshold = LOG_INFO;
static uint64_t counts[LOG_BAD + 1];

static const char *const level_names[] = {"debug", "info", "odd", "bad"};

void log_set_service(const char *name)
{
    service_name = name;
}

void log_set_level(enum log_level level)
{
    threshold = level;
}

enum log_level log_level(void)
{
    return threshold;
}

bool log_level_parse(const char *text, enum log_level *out)
{
    static const struct {
        const char *name;
        enum log_level level;
    } names[] = {{"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"odd", LOG_ODD},
                 {"warn", LOG_ODD},    {"bad", LOG_BAD},   {"error", LOG_BAD}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq(text, names[i].name)) {
            *out = names[i].level;
            return true;
        }
    }
    return false;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

uint64_t log_count(enum log_level level)
{
    return counts[level];
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
    counts[level]++;
    if (level < threshold)
        return;
    struct timeval tv;
    gettimeofday(&tv, NULL);
    struct tm tm;
    gmtime_r(&tv.tv_sec, &tm);
    char line[4096];
    size_t n = strftime(line, sizeof line, "ts=%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof line - n,
                          ".%03dZ level=%s svc=%s event=%s ",
                          (int)(tv.tv_usec / 1000), level_names[level],
                          service_name, event);
    va_list ap;
    va_start(ap, fmt);
    int m = vsnprintf(line + n, sizeof line - n - 1, fmt, ap);
    va_end(ap);
    if (m > 0)
        n += MIN((size_t)m, sizeof line - n - 2);
    else if (line[n - 1] == ' ')
        n--;
    line[n++] = '\n';
    /* One write a line, so that lines of several processes never mix. */
    ssize_t ignored UNUSED = write(STDERR_FILENO, line, n);
}

const char *log_q(const char *text)
{
    static char ring[8][512];
    static unsigned next;
    char *out = ring[next++ % ARRAY_LEN(ring)];
    size_t n = 0, max = sizeof ring[0] - 6;
    out[n++] = '"';
    for (const char *p = str_or_empty(text); *p && n < max; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\') {
            out[n++] = '\\';
            out[n++] = (char)c;
        } else if (c == '\n') {
            out[n++] = '\\';
            out[n++] = 'n';
        } else {
            out[n++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
        }
    }
    out[n++] = '"';
    out[n] = '\0';
    return out;
}
