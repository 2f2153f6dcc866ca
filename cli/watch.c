/* SPDX-License-Identifier: Apache-2.0 */
/* watch - polls a plan and draws it */
#include "cli/watch.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/gateway.h"
#include "cli/output.h"
#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"

#define POLL_MS 200

struct screen {
    bool is_terminal;
    size_t rows; /* lines to go up before drawing again */
    json_t *shown;
};

static struct winsize terminal_size(void)
{
    struct winsize size = {0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col ||
        !size.ws_row)
        return (struct winsize){.ws_col = 80, .ws_row = 24};
    return size;
}

static size_t count_lines(const char *text)
{
    size_t n = 1;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* Columns of UTF-8 text: every byte that begins a character. */
static size_t columns(const char *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

/* Prints a line that is cut to the terminal's width, so that rows can be
 * counted. */
static void print_cut(const char *line, size_t len, size_t width)
{
    while (columns(line, len) >= width)
        do
            len--;
        while (len && ((unsigned char)line[len] & 0xC0) == 0x80);
    printf("\033[2K%.*s\n", (int)len, line);
}

static void draw(struct screen *screen, const char *tree)
{
    size_t width = terminal_size().ws_col;

    if (screen->rows)
        printf("\033[%zuA", screen->rows);
    screen->rows = 0;
    for (const char *line = tree;;) {
        size_t len = strcspn(line, "\n");
        print_cut(line, len, width);
        screen->rows++;
        if (!line[len])
            break;
        line += len + 1;
    }
    /* What an earlier, longer tree left below. */
    printf("\033[J");
}

static void show(struct screen *screen, const char *plan, json_t *now)
{
    if (screen->shown && json_equal(screen->shown, now))
        return;
    if (screen->is_terminal || !screen->shown) {
        AUTO_FREE char *tree = output_plan_tree(now, plan, true);
        /* What has scrolled away cannot be drawn again. */
        if (count_lines(tree) >= terminal_size().ws_row)
            screen->is_terminal = false;
        if (screen->is_terminal)
            draw(screen, tree);
        else
            printf("%s\n", tree);
    } else {
        AUTO_FREE char *lines = output_plan_changes(screen->shown, now, plan);
        if (*lines)
            printf("%s\n", lines);
    }
    fflush(stdout);
    json_decref(screen->shown);
    screen->shown = json_incref(now);
}

static void show_last(const struct screen *screen, const char *plan)
{
    AUTO_FREE char *tree = NULL;

    if (screen->is_terminal || !screen->shown)
        return;
    tree = output_plan_tree(screen->shown, plan, false);
    printf("%s\n", tree);
    fflush(stdout);
}

static bool is_complete(const json_t *plan)
{
    return str_eq(json_string_value(json_object_get(plan, "status")),
                  "COMPLETE");
}

static bool has_errors(const json_t *plan)
{
    return json_array_size(json_object_get(plan, "errors")) > 0;
}

/* The plan as it is now; NULL when there was no usable answer. */
static json_t *ask(const struct watch *w, struct gateway_reply *reply)
{
    AUTO_FREE char *quoted = gateway_quote(w->plan);
    AUTO_FREE char *path = xasprintf("/v1/plans/%s", quoted);
    struct err err;

    if (gateway_call(w->cli, "GET", path, NULL, reply, &err) < 0)
        return NULL;
    return json_loadb(str_or_empty(reply->body), reply->len, 0, NULL);
}

static void pause_a_bit(void)
{
    struct timespec t = {.tv_nsec = POLL_MS * 1000000};

    nanosleep(&t, NULL);
}

/* -1: go on; else the exit code. */
static int look(const struct watch *w, struct screen *screen)
{
    AUTO_REPLY struct gateway_reply reply = {0};
    json_t *plan = ask(w, &reply);
    int code = -1;

    if (json_is_object(plan)) {
        if (!w->is_quiet)
            show(screen, w->plan, plan);
        if (w->until_complete && is_complete(plan))
            code = EXIT_OK;
        else if (w->until_complete && has_errors(plan))
            code = cli_fail(EXIT_FAILED, "plan %s has errors: %s", w->plan,
                            str_or_empty(json_string_value(json_array_get(
                                json_object_get(plan, "errors"), 0))));
    } else if (reply.status == 404 && !w->is_coming) {
        code = gateway_check(w->cli, "GET", &reply);
    }
    json_decref(plan);
    return code;
}

int watch_plan(const struct watch *w)
{
    struct screen screen = {.is_terminal = isatty(STDOUT_FILENO)};
    int64_t end = clock_mono_ms() + w->timeout_ms;
    int code;

    for (;;) {
        code = look(w, &screen);
        if (code < 0 && w->is_over && w->is_over(w->self))
            code = EXIT_OK;
        if (code < 0 && w->timeout_ms && clock_mono_ms() > end)
            code = cli_fail(EXIT_TIMED_OUT,
                            "plan %s is not complete after "
                            "%lld s",
                            w->plan, (long long)(w->timeout_ms / 1000));
        if (code >= 0)
            break;
        pause_a_bit();
    }
    if (!w->is_quiet && code == EXIT_OK && w->until_complete)
        show_last(&screen, w->plan);
    json_decref(screen.shown);
    return code;
}
