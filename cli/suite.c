/* SPDX-License-Identifier: Apache-2.0 */
/* suite - tables of processes, suite.json, back-off */
#include "cli/suite.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"

#define FIRST_BACKOFF_MS 100
#define LAST_BACKOFF_MS  5000
#define STABLE_MS        10000

/* ---- processes -------------------------------------------------------------
 */

static bool always(const struct suite *suite)
{
    (void)suite;
    return true;
}

static bool has_own_redis(const struct suite *suite)
{
    return suite->own_redis;
}

static bool has_own_master(const struct suite *suite)
{
    return suite->own_master;
}

static const struct {
    const char *name;
    int stop_stage;
    bool (*is_there)(const struct suite *suite);
} kinds[SUITE_MAX_PROCESSES] = {
    {"redis", 4, has_own_redis}, {"devcluster", 1, has_own_master},
    {"state-store", 3, always},  {"offer-broker", 2, always},
    {"planner", 0, always},      {"api-gateway", 0, always},
};

struct suite *suite_new(void)
{
    return xcalloc(1, sizeof(struct suite));
}

void suite_destroy(struct suite **suite)
{
    struct suite *s = *suite;

    if (!s)
        return;
    free(s->run_dir);
    free(s->bin_dir);
    free(s->spec);
    free(s->service);
    free(s->master);
    free(s->redis);
    free(s);
    *suite = NULL;
}

void suite_list_processes(struct suite *suite)
{
    suite->n_processes = 0;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (kinds[i].is_there(suite))
            suite->process[suite->n_processes++] =
                (struct suite_process){.name = kinds[i].name};
}

struct suite_process *suite_find(struct suite *suite, const char *name)
{
    for (size_t i = 0; i < suite->n_processes; i++)
        if (strcmp(suite->process[i].name, name) == 0)
            return &suite->process[i];
    return NULL;
}

int suite_stop_stage(const char *process)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].name, process) == 0)
            return kinds[i].stop_stage;
    return 0;
}

/* ---- command lines ---- */

static void add(struct suite_command *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void add(struct suite_command *c, const char *fmt, ...)
{
    char *text;
    va_list ap;

    ASSERT(c->n < SUITE_MAX_ARGS);
    va_start(ap, fmt);
    ASSERT(vasprintf(&text, fmt, ap) >= 0);
    va_end(ap);
    c->argv[c->n++] = text;
}

static void add_flag(struct suite_command *c, const char *flag,
                     const char *value)
{
    add(c, "%s", flag);
    add(c, "%s", value);
}

/* A URL with a password is given by its variable. */
static void add_url(struct suite_command *c, const char *option,
                    const char *variable, const char *url)
{
    if (!strchr(url, '@') && !strchr(url, '?')) {
        add_flag(c, option, url);
        return;
    }
    ASSERT(c->n_secrets < SUITE_MAX_SECRETS);
    c->secrets[c->n_secrets++] = xasprintf("%s=%s", variable, url);
}

static void redis_args(const struct suite *s, struct suite_command *c)
{
    add(c, "--port");
    add(c, "%d", s->redis_port);
    add_flag(c, "--bind", "127.0.0.1");
    add(c, "--dir");
    add(c, "%s/redis", s->run_dir);
    add_flag(c, "--appendonly", "yes");
    add_flag(c, "--appendfsync", "everysec");
    add_flag(c, "--save", "");
    add_flag(c, "--daemonize", "no");
}

static void devcluster_args(const struct suite *s, struct suite_command *c)
{
    add(c, "--work-dir");
    add(c, "%s/devcluster", s->run_dir);
    add(c, "--port");
    add(c, "%d", s->master_port);
    add(c, "--agents");
    add(c, "%d", s->agents);
    add(c, "--allocation-interval-ms");
    add(c, "%" PRId64, s->allocation_interval_ms);
}

static void service_args(const struct suite *s, const char *process,
                         struct suite_command *c)
{
    add_flag(c, "--run-dir", s->run_dir);
    /* Where the processes of a suite meet is not what a variable of the caller
     * says, which all of them would follow. */
    add(c, "--name=");
    add(c, "--endpoint=");
    if (strcmp(process, "state-store") == 0)
        add_url(c, "--redis", "REEVE_REDIS", s->redis);
    if (strcmp(process, "offer-broker") == 0) {
        add_url(c, "--master", "REEVE_MASTER", s->master);
        add(c, "--api-port");
        add(c, "%d", s->port);
        if (s->own_master) /* its tasks run on this host */
            add_flag(c, "--api-host", "127.0.0.1");
    }
    if (strcmp(process, "planner") == 0) {
        add(c, "--store=");
        add(c, "--store-feed=");
        add_flag(c, "--spec", s->spec);
    }
    if (strcmp(process, "api-gateway") == 0) {
        add(c, "--store=");
        add(c, "--store-feed=");
        add(c, "--planner=");
        add(c, "--broker=");
        add(c, "--port");
        add(c, "%d", s->port);
    }
}

void suite_command(const struct suite *suite, const char *process,
                   const char *redis_server, struct suite_command *out)
{
    *out = (struct suite_command){0};
    if (strcmp(process, "redis") == 0) {
        add(out, "%s", redis_server);
        redis_args(suite, out);
        return;
    }
    add(out, "%s/reeve-%s", suite->bin_dir, process);
    if (strcmp(process, "devcluster") == 0)
        devcluster_args(suite, out);
    else
        service_args(suite, process, out);
}

void suite_command_free(struct suite_command *command)
{
    for (size_t i = 0; i < command->n; i++)
        free(command->argv[i]);
    for (size_t i = 0; i < command->n_secrets; i++)
        free(command->secrets[i]);
    *command = (struct suite_command){0};
}

/* ---- suite.json ---- */

char *suite_gateway_url(const struct suite *suite)
{
    return xasprintf("http://127.0.0.1:%d", suite->port);
}

char *suite_shown_url(const char *url)
{
    const char *begin = strstr(url, "://");
    const char *who = begin ? begin + 3 : url;
    const char *host = memrchr(who, '@', strcspn(who, "/"));
    const char *colon = host ? memchr(who, ':', (size_t)(host - who)) : NULL;
    const char *rest = colon ? host : url;
    size_t len = strcspn(rest, "?"); /* sentinel_password=… may follow */

    return xasprintf("%.*s%s%.*s%s", colon ? (int)(colon - url) : 0, url,
                     colon ? ":***" : "", (int)len, rest,
                     rest[len] ? "?***" : "");
}

char *suite_log_path(const struct suite *suite, const char *process)
{
    return xasprintf("%s/log/%s.log", suite->run_dir, process);
}

static json_t *encode_processes(const struct suite *suite)
{
    json_t *list = json_array();

    for (size_t i = 0; i < suite->n_processes; i++) {
        const struct suite_process *p = &suite->process[i];
        AUTO_FREE char *log = suite_log_path(suite, p->name);
        json_array_append_new(
            list, json_pack("{s:s, s:i, s:s, s:i, s:i}", "name", p->name, "pid",
                            p->pid, "log", log, "restarts", (int)p->restarts,
                            "exit_code", p->exit_code));
    }
    return list;
}

char *suite_encode(const struct suite *suite)
{
    AUTO_FREE char *gateway = suite_gateway_url(suite);
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:i, s:I, s:b, s:b, s:i, s:i, s:i,"
        " s:o}",
        "gateway", gateway, "master", suite->master, "redis", suite->redis,
        "run_dir", suite->run_dir, "pid", suite->pid, "spec", suite->spec,
        "service", str_or_empty(suite->service), "agents", suite->agents,
        "allocation_interval_ms", (json_int_t)suite->allocation_interval_ms,
        "own_master", suite->own_master, "own_redis", suite->own_redis, "port",
        suite->port, "master_port", suite->master_port, "redis_port",
        suite->redis_port, "processes", encode_processes(suite));

    ASSERT(json);
    char *text = json_dumps(json, JSON_INDENT(2));
    json_decref(json);
    return text;
}

static char *dup_text(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));

    return xstrdup(text ? text : "");
}

static int whole(const json_t *json, const char *key)
{
    return (int)json_integer_value(json_object_get(json, key));
}

static void decode_processes(struct suite *suite, const json_t *list)
{
    size_t i;
    json_t *item;

    suite_list_processes(suite);
    json_array_foreach(list, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        struct suite_process *p = name ? suite_find(suite, name) : NULL;
        if (!p)
            continue;
        p->pid = whole(item, "pid");
        p->restarts = (unsigned)whole(item, "restarts");
        p->exit_code = whole(item, "exit_code");
    }
}

struct suite *suite_decode(const char *text, size_t len, struct err *err)
{
    json_error_t why;
    json_t *json = json_loadb(text, len, 0, &why);

    if (!json_is_object(json)) {
        json_decref(json);
        err_set(err, ERR_CORRUPT, "not a suite.json: %s", why.text);
        return NULL;
    }
    struct suite *suite = suite_new();
    suite->run_dir = dup_text(json, "run_dir");
    suite->spec = dup_text(json, "spec");
    suite->service = dup_text(json, "service");
    suite->master = dup_text(json, "master");
    suite->redis = dup_text(json, "redis");
    suite->own_master = json_is_true(json_object_get(json, "own_master"));
    suite->own_redis = json_is_true(json_object_get(json, "own_redis"));
    suite->port = whole(json, "port");
    suite->master_port = whole(json, "master_port");
    suite->redis_port = whole(json, "redis_port");
    suite->agents = whole(json, "agents");
    suite->allocation_interval_ms =
        json_integer_value(json_object_get(json, "allocation_interval_ms"));
    suite->pid = whole(json, "pid");
    decode_processes(suite, json_object_get(json, "processes"));
    json_decref(json);
    return suite;
}

/* ---- back-off ---- */

int64_t suite_backoff_ms(int64_t previous_ms, int64_t alive_ms)
{
    if (previous_ms <= 0 || alive_ms >= STABLE_MS)
        return FIRST_BACKOFF_MS;
    return MIN(previous_ms * 2, (int64_t)LAST_BACKOFF_MS);
}

/* ---- environments ---- */

char *suite_encode_env(const char *const *env)
{
    json_t *list = json_array();

    for (; *env; env++)
        /* What is not UTF-8 cannot be in JSON, nor in a YAML file. */
        if (json_array_append_new(list, json_string(*env)) < 0)
            continue;
    char *text = json_dumps(list, JSON_INDENT(1));
    json_decref(list);
    return text;
}

char **suite_decode_env(const char *text, size_t len, struct err *err)
{
    json_error_t why;
    json_t *list = json_loadb(text, len, 0, &why), *item;
    size_t i, n = 0;

    if (!json_is_array(list)) {
        json_decref(list);
        err_set(err, ERR_CORRUPT, "not a list of variables: %s", why.text);
        return NULL;
    }
    char **env = xcalloc(json_array_size(list) + 1, sizeof(*env));
    json_array_foreach(list, i, item) if (json_is_string(item)) env[n++] =
        xstrdup(json_string_value(item));
    json_decref(list);
    return env;
}

void suite_free_env(char ***env)
{
    for (char **e = *env; e && *e; e++)
        free(*e);
    free(*env);
    *env = NULL;
}
