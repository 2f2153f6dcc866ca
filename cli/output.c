/* SPDX-License-Identifier: Apache-2.0 */
/* output - draws trees */
#include "cli/output.h"

#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"

#define UNKNOWN     "<UNKNOWN>"
#define BRANCH      "├─ "
#define LAST        "└─ "
#define PASS        "│  "
#define NOTHING     "   "
#define MAX_TEXT    160 /* of a step's message in a tree */
#define MAX_REASONS 20  /* lines of what steps wait for */

static const char *text_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));

    return text && *text ? text : UNKNOWN;
}

static void cut_newline(struct buf *out)
{
    if (out->len && out->data[out->len - 1] == '\n')
        out->data[--out->len] = '\0';
}

/* ---- plans ---- */

static void add_message(struct buf *out, const json_t *step)
{
    const char *message = json_string_value(json_object_get(step, "message"));

    if (!message || !*message ||
        strcmp(text_of(step, "status"), "COMPLETE") == 0)
        return;
    size_t len = strcspn(message, "\r\n");
    buf_addf(out, ": %.*s%s", (int)MIN(len, (size_t)MAX_TEXT), message,
             len > MAX_TEXT ? "…" : "");
}

static void add_phase(struct buf *out, const json_t *phase, bool is_last,
                      bool with_messages)
{
    const json_t *steps = json_object_get(phase, "steps");
    size_t n = json_array_size(steps);

    buf_addf(out, "%s%s (%s strategy) (%s)\n", is_last ? LAST : BRANCH,
             text_of(phase, "name"), text_of(phase, "strategy"),
             text_of(phase, "status"));
    for (size_t i = 0; i < n; i++) {
        const json_t *step = json_array_get(steps, i);
        buf_addf(out, "%s%s%s (%s)", is_last ? NOTHING : PASS,
                 i + 1 == n ? LAST : BRANCH, text_of(step, "name"),
                 text_of(step, "status"));
        if (with_messages)
            add_message(out, step);
        buf_add_char(out, '\n');
    }
}

static void add_errors(struct buf *out, const json_t *errors)
{
    size_t i;
    json_t *item;

    if (json_array_size(errors) == 0)
        return;
    buf_add_str(out, "\nErrors:\n");
    json_array_foreach(errors, i, item)
        buf_addf(out, "- %s\n", str_or_empty(json_string_value(item)));
}

char *output_plan_tree(const json_t *plan, const char *plan_name,
                       bool with_messages)
{
    struct buf out = {0};
    const json_t *phases = json_object_get(plan, "phases");
    size_t n = json_array_size(phases);

    buf_addf(&out, "%s (%s strategy) (%s)\n", plan_name,
             text_of(plan, "strategy"), text_of(plan, "status"));
    for (size_t i = 0; i < n; i++)
        add_phase(&out, json_array_get(phases, i), i + 1 == n, with_messages);
    add_errors(&out, json_object_get(plan, "errors"));
    cut_newline(&out);
    return buf_take(&out, NULL);
}

/* ---- what steps wait for ---- */

/* Neighbours that wait for the same. */
struct waiting {
    const char *name, *status, *message;
    size_t n;
};

static void add_waiting(struct buf *out, const struct waiting *w, size_t *lines)
{
    if (w->n == 0 || (*lines)++ >= MAX_REASONS)
        return;
    buf_addf(out, "\n- %s", w->name);
    if (w->n > 1)
        buf_addf(out, " and %zu more", w->n - 1);
    buf_addf(out, " (%s): %.*s", w->status, (int)strcspn(w->message, "\r\n"),
             w->message);
}

static void add_waiting_step(struct buf *out, const json_t *step,
                             struct waiting *last, size_t *lines)
{
    struct waiting now = {
        .name = text_of(step, "name"),
        .status = text_of(step, "status"),
        .message = json_string_value(json_object_get(step, "message")),
        .n = 1};

    if (!now.message || !*now.message || str_eq(now.status, "COMPLETE"))
        return;
    if (last->n && str_eq(last->status, now.status) &&
        str_eq(last->message, now.message)) {
        last->n++;
        return;
    }
    add_waiting(out, last, lines);
    *last = now;
}

char *output_plan_reasons(const json_t *plan)
{
    struct buf out = {0};
    struct waiting last = {0};
    size_t lines = 0, i, k;
    json_t *phase, *step;

    json_array_foreach(json_object_get(plan, "phases"), i, phase)
        json_array_foreach(json_object_get(phase, "steps"), k, step)
            add_waiting_step(&out, step, &last, &lines);
    add_waiting(&out, &last, &lines);
    if (lines > MAX_REASONS)
        buf_addf(&out, "\n- and %zu more: -o json has them all",
                 lines - MAX_REASONS);
    AUTO_FREE char *text = buf_take(&out, NULL);
    return xasprintf("%s%s", lines ? "Waiting:" : "", str_or_empty(text));
}

/* ---- what changed ---- */

/* The element of a list with the same id, or name where there is no id. */
static const json_t *same_in(const json_t *list, const json_t *wanted)
{
    const char *key = json_object_get(wanted, "id") ? "id" : "name";
    size_t i;
    json_t *item;

    json_array_foreach(
        list, i, item) if (str_eq(json_string_value(json_object_get(item, key)),
                                  json_string_value(json_object_get(
                                      wanted, key)))) return item;
    return NULL;
}

static bool differs(const json_t *before, const json_t *now, const char *key)
{
    return !before ||
           !json_equal(json_object_get(before, key), json_object_get(now, key));
}

static void add_step_changes(struct buf *out, const json_t *before,
                             const json_t *phase)
{
    size_t i;
    json_t *step;

    json_array_foreach(json_object_get(phase, "steps"), i, step)
    {
        const json_t *old = same_in(json_object_get(before, "steps"), step);
        if (!differs(old, step, "status") && !differs(old, step, "message"))
            continue;
        buf_addf(out, "%s (%s)", text_of(step, "name"),
                 text_of(step, "status"));
        add_message(out, step);
        buf_add_char(out, '\n');
    }
}

char *output_plan_changes(const json_t *before, const json_t *now,
                          const char *plan_name)
{
    struct buf out = {0};
    size_t i;
    json_t *phase;

    buf_add_str(&out, "");
    json_array_foreach(json_object_get(now, "phases"), i, phase)
        add_step_changes(
            &out, same_in(json_object_get(before, "phases"), phase), phase);
    if (differs(before, now, "status"))
        buf_addf(&out, "%s (%s)\n", plan_name, text_of(now, "status"));
    cut_newline(&out);
    return buf_take(&out, NULL);
}

/* ---- pods
 * ----------------------------------------------------------------------------
 */

static void add_tasks(struct buf *out, const char *indent, const json_t *tasks)
{
    size_t n = json_array_size(tasks);

    for (size_t i = 0; i < n; i++) {
        const json_t *task = json_array_get(tasks, i);
        const char *note =
            str_or_empty(json_string_value(json_object_get(task, "note")));
        buf_addf(out, "%s%s%s (%s%s%s)\n", indent, i + 1 == n ? LAST : BRANCH,
                 text_of(task, "name"), text_of(task, "status"),
                 *note ? ", " : "", note);
    }
}

static void add_pod(struct buf *out, const json_t *pod, bool is_last)
{
    const json_t *instances = json_object_get(pod, "instances");
    size_t n = json_array_size(instances);

    buf_addf(out, "%s%s\n", is_last ? LAST : BRANCH, text_of(pod, "name"));
    for (size_t i = 0; i < n; i++) {
        const json_t *instance = json_array_get(instances, i);
        bool last = i + 1 == n;
        AUTO_FREE char *indent =
            xasprintf("%s%s", is_last ? NOTHING : PASS, last ? NOTHING : PASS);
        buf_addf(out, "%s%s%s\n", is_last ? NOTHING : PASS,
                 last ? LAST : BRANCH, text_of(instance, "name"));
        add_tasks(out, indent, json_object_get(instance, "tasks"));
    }
}

char *output_pod_tree(const json_t *status)
{
    struct buf out = {0};
    const json_t *pods = json_object_get(status, "pods");
    size_t n = json_array_size(pods);
    bool is_service = json_object_get(status, "service") != NULL;

    buf_addf(&out, "%s\n", text_of(status, is_service ? "service" : "name"));
    for (size_t i = 0; i < n; i++)
        add_pod(&out, json_array_get(pods, i), i + 1 == n);
    if (!is_service)
        add_tasks(&out, "", json_object_get(status, "tasks"));
    cut_newline(&out);
    return buf_take(&out, NULL);
}

static void add_findings(struct buf *out, const json_t *findings)
{
    size_t i;
    json_t *item;

    json_array_foreach(findings, i, item)
    {
        const char *unblock =
            json_string_value(json_object_get(item, "unblock"));

        buf_addf(out, "- %s\n", text_of(item, "why"));
        if (unblock)
            buf_addf(out, "  unblocked by: %s\n", unblock);
    }
}

char *output_explain(const json_t *explained)
{
    struct buf out = {0};
    const json_t *service = json_object_get(explained, "service");
    const json_t *pods = json_object_get(explained, "pods");
    size_t i;
    json_t *pod;

    if (json_array_size(service) > 0)
        buf_add_str(&out, "the service\n");
    add_findings(&out, service);
    /* The master may be away, or have ended them: it is not known now. */
    if (json_array_size(pods) == 0)
        buf_add_str(&out, json_array_size(service) > 0
                              ? "all pods ran when last heard of\n"
                              : "all pods run\n");
    json_array_foreach(pods, i, pod)
    {
        bool runs = json_is_true(json_object_get(pod, "runs"));

        buf_addf(&out, "%s %s\n", text_of(pod, "pod"),
                 runs ? "runs" : "does not run");
        add_findings(&out, json_object_get(pod, "findings"));
    }
    cut_newline(&out);
    return buf_take(&out, NULL);
}

/* ---- the suite's own processes ---- */

/* " for 42 s": rough, the largest unit that fits. */
static void add_age(struct buf *out, const char *word, int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}};
    size_t i = 0;

    while (i + 1 < ARRAY_LEN(units) && ms < 2 * units[i].ms)
        i++;
    buf_addf(out, " %s %lld %s", word,
             (long long)(MAX(ms, (int64_t)0) / units[i].ms), units[i].name);
}

static int64_t age_of(const json_t *json, const char *key, int64_t now_ms)
{
    return now_ms - json_integer_value(json_object_get(json, key));
}

static void add_check(struct buf *out, const json_t *check, int64_t now_ms)
{
    bool ok = json_is_true(json_object_get(check, "ok"));

    buf_addf(out, "  %s %s", ok ? "ok    " : "NOT OK", text_of(check, "name"));
    add_age(out, "for", age_of(check, "since_ms", now_ms));
    buf_addf(out, ": %s\n", text_of(check, "text"));
}

char *output_suite(const json_t *health, int64_t now_ms)
{
    struct buf out = {0};
    size_t i, k;
    json_t *p, *check;

    buf_add_str(&out, "");
    json_array_foreach(json_object_get(health, "processes"), i, p)
    {
        if (!json_is_true(json_object_get(p, "answers"))) {
            buf_addf(&out, "%-13s DOES NOT ANSWER: %s\n", text_of(p, "name"),
                     text_of(p, "error"));
            continue;
        }
        buf_addf(&out, "%-13s %s, pid %lld,", text_of(p, "name"),
                 json_is_true(json_object_get(p, "healthy")) ? "healthy"
                                                             : "NOT HEALTHY",
                 (long long)json_integer_value(json_object_get(p, "pid")));
        add_age(&out, "up", age_of(p, "started_ms", now_ms));
        buf_add_char(&out, '\n');
        json_array_foreach(json_object_get(p, "checks"), k, check)
            add_check(&out, check, now_ms);
    }
    cut_newline(&out);
    return buf_take(&out, NULL);
}

char *output_sentence(const char *plan, const char *phase, const char *step,
                      const char *done)
{
    if (step)
        return xasprintf("\"%s\" plan: step \"%s\" in phase \"%s\" %s.", plan,
                         step, phase, done);
    if (phase)
        return xasprintf("\"%s\" plan: phase \"%s\" %s.", plan, phase, done);
    return xasprintf("\"%s\" plan %s.", plan, done);
}
