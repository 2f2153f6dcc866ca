/* SPDX-License-Identifier: Apache-2.0 */
/* The 39 specs of a framework that others wrote must load unmodified, with the
 * environment that its package would give: the defaults of config.json through
 * the env block of marathon.json.mustache. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>

#include "lib/base/buf.h"
#include "lib/base/fs.h"
#include "lib/spec/mustache.h"
#include "tests/unit/spec/spec_test.h"

#define MAX_ENV 200

struct env {
    char *entry[MAX_ENV + 1];
    size_t n;
};

static void env_add(struct env *env, const char *name, const char *text)
{
    cr_assert(env->n < MAX_ENV);
    env->entry[env->n++] = xasprintf("%s=%s", name, text);
}

static void env_free(struct env *env)
{
    for (size_t i = 0; i < env->n; i++)
        free(env->entry[i]);
}

/* ---- defaults of config.json ---- */

static void add_default(json_t *into, const char *name, json_t *value)
{
    AUTO_FREE char *text = NULL;

    if (json_is_string(value))
        text = xstrdup(json_string_value(value));
    else if (value)
        text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(10));
    if (text)
        json_object_set_new(into, name, json_string(text));
}

static void gather(json_t *into, const char *prefix, json_t *schema)
{
    const char *key;
    json_t *item;

    json_object_foreach(json_object_get(schema, "properties"), key, item)
    {
        AUTO_FREE char *name =
            xasprintf("%s%s%s", prefix, *prefix ? "." : "", key);
        if (json_object_get(item, "properties"))
            gather(into, name, item);
        else
            add_default(into, name, json_object_get(item, "default"));
    }
}

static const char *get(void *self, const char *name, size_t len)
{
    AUTO_FREE char *key = xstrndup(name, len);

    return json_string_value(json_object_get(self, key));
}

/* ---- the env block ---- */

/* Lines `"NAME": "value",` of the rendered block; good enough for what a
 * scheduler's environment holds. */
static void read_line(struct env *env, char *line)
{
    char *name = strchr(line, '"');
    char *end = name ? strchr(name + 1, '"') : NULL;
    char *value = end ? strchr(end + 1, '"') : NULL;
    char *last = strrchr(line, '"');

    if (!value || last == value)
        return;
    *end = *last = '\0';
    env_add(env, name + 1, value + 1);
}

static void read_env(struct env *env, const char *dir)
{
    AUTO_FREE char *config_path =
        xasprintf("%s/helloworld/universe/config.json", dir);
    AUTO_FREE char *path =
        xasprintf("%s/helloworld/universe/marathon.json.mustache", dir);
    AUTO_BUF struct buf text = {0};
    struct mustache_result result;
    json_t *config = json_load_file(config_path, 0, NULL);
    json_t *defaults = json_object();
    struct mustache_vars vars = {.get = get, .self = defaults};
    struct err err = {0};

    cr_assert(config);
    gather(defaults, "", config);
    cr_assert_eq(fs_read(path, 1 << 20, &text, &err), 0, "%s", err.text);
    cr_assert_eq(mustache_render(text.data, text.len, &vars, &result, &err), 0,
                 "%s", err.text);
    char *at = strstr(result.text.data, "\"env\": {");
    cr_assert(at);
    *strstr(at, "\"fetch\":") = '\0';
    for (char *line = strtok(strchr(at, '\n'), "\n"); line;
         line = strtok(NULL, "\n"))
        read_line(env, line);
    mustache_result_free(&result);
    json_decref(defaults);
    json_decref(config);
}

/* What single files want beyond the package's defaults. */
static const char *const more[][2] = {
    {"PORT_API", "8080"},
    {"HELLO_SECRET1", "hello-world/secret1"},
    {"HELLO_SECRET2", "hello-world/secret2"},
    {"WORLD_SECRET1", "hello-world/secret1"},
    {"WORLD_SECRET2", "hello-world/secret2"},
    {"WORLD_SECRET3", "hello-world/secret3"},
    {"DEPLOY_STRATEGY", "serial"},
    {"DEPLOY_STEPS", "[[first], [second], [third]]"},
    {"HELLO_VOLUME_PROFILE", "xfs"},
    {"JAVA_URI", "http://example.com/jre.tar.gz"},
    {"KEYSTORE_APP_URI", "http://example.com/keystore.zip"},
    {"BOOTSTRAP_URI", "http://example.com/bootstrap.zip"},
};

static void load_one(const char *path, const struct env *env)
{
    struct err err = {0};
    AUTO_SPEC Reeve__ServiceSpec *spec =
        spec_load(path, (const char *const *)env->entry, &err);

    cr_expect(spec, "case: %s", err.text);
    if (!spec)
        return;
    cr_expect(spec->n_pods > 0, "case: %s", path);
    for (size_t i = 0; i < spec->n_pods; i++) {
        char digest[65];
        spec_pod_digest(spec, spec->pods[i], digest);
        cr_expect(spec->pods[i]->n_tasks > 0, "case: %s", path);
    }
}

Test(helloworld, all_specs_load)
{
    const char *dir = acceptance_dir();
    struct env env = {0};
    size_t n = 0;

    if (!dir)
        cr_skip_test("skipped: no acceptance data (REEVE_ACCEPTANCE)");
    AUTO_FREE char *folder = xasprintf("%s/helloworld", dir);
    for (size_t i = 0; i < ARRAY_LEN(more); i++)
        env_add(&env, more[i][0], more[i][1]);
    read_env(&env, dir);
    DIR *d = opendir(folder);
    cr_assert(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (!str_ends(e->d_name, ".yml"))
            continue;
        AUTO_FREE char *path = xasprintf("%s/%s", folder, e->d_name);
        load_one(path, &env);
        n++;
    }
    closedir(d);
    env_free(&env);
    cr_expect_eq(n, 39, "%zu files", n);
}
