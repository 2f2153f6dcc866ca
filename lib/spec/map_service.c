/* SPDX-License-Identifier: Apache-2.0 */
/* map_service - the top level of svc.yml and its scheduler block */
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/spec/loader.h"
#include "lib/spec/names.h"
#include "lib/spec/schema.h"

static const struct schema_key scheduler_keys[] = {
    {.key = "principal", .kind = SCHEMA_TEXT},
    {.key = "user", .kind = SCHEMA_TEXT},
    {.key = "zookeeper", .kind = SCHEMA_KNOWN}, /* no ZooKeeper is used */
    {0}};

static int read_scheduler(struct loader *l, const struct yaml_node *node,
                          ProtobufCMessage *into)
{
    return schema_object(l, node, scheduler_keys, into);
}

static const struct schema_key service_keys[] = {
    {.key = "name", .kind = SCHEMA_TEXT},
    {.key = "web-url", .kind = SCHEMA_TEXT},
    {.key = "scheduler", .kind = SCHEMA_CUSTOM, .read = read_scheduler},
    {.key = "pods", .kind = SCHEMA_CUSTOM, .required = true, .read = load_pods},
    {.key = "plans", .kind = SCHEMA_CUSTOM, .read = load_plans},
    {0}};

static const char *env_value(const struct loader *l, const char *name)
{
    const char *const *env = l->source->env;
    size_t len = strlen(name);

    for (; env && *env; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return (*env)[len + 1] ? *env + len + 1 : NULL;
    return NULL;
}

static int check_name(struct loader *l, const struct yaml_node *root)
{
    const struct yaml_node *node = yaml_tree_get(root, "name");
    const char *why;

    if (yaml_tree_is_null(node) || node->kind != YAML_KIND_SCALAR ||
        !*node->text)
        return load_fail(l, node ? node : root,
                         "Missing required 'name' in Service Spec");
    size_t mark = load_enter(l, "name");
    if (strstr(node->text, "__"))
        return load_fail(
            l, node, "Service name may not contain double underscores: %.100s",
            node->text);
    if (!spec_name_is_valid(node->text, true, &why))
        return load_fail(l, node, "%s, got '%.100s'", why, node->text);
    load_leave(l, mark);
    return 0;
}

static bool unset(const char *text)
{
    return !text || !*text;
}

static void fill_defaults(struct loader *l)
{
    Reeve__ServiceSpec *spec = l->spec;
    const char *region = env_value(l, "SERVICE_REGION");
    const char *user = env_value(l, "FRAMEWORK_USER");

    spec->role = spec_role(spec->name);
    if (unset(spec->principal)) {
        free(spec->principal);
        spec->principal = xasprintf("%s-principal", spec->name);
    }
    if (unset(spec->user)) {
        free(spec->user);
        spec->user = xstrdup(user ? user : "root");
    }
    if (region)
        spec->region = xstrdup(region);
    for (size_t i = 0; i < spec->n_pods; i++)
        spec->pods[i]->user = xstrdup(spec->user);
}

int load_service(struct loader *l, const struct yaml_node *root)
{
    if (root->kind != YAML_KIND_MAP)
        return load_fail(l, root, "a service must be a map of keys, got %s",
                         yaml_tree_what(root));
    if (check_name(l, root) < 0 ||
        schema_object(l, root, service_keys, &l->spec->base) < 0)
        return -1;
    fill_defaults(l);
    return 0;
}
