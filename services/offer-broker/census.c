/* SPDX-License-Identifier: Apache-2.0 */
/* census - see census.h */
#include "services/offer-broker/census.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/mesos/resources.h"
#include "lib/wire/wire.h"

struct agent {
    char *id;
    bool can_resize;
    UT_hash_handle hh;
};

/* A labelled reservation; key "<agent id> <resource id>". */
struct holding {
    char *key;
    char *role, *framework_id, *hostname;
    bool has_bare; /* some of it is no volume */
    UT_hash_handle hh;
};

struct framework {
    char *id, *name;
    size_t tasks;
    bool is_connected;
    UT_hash_handle hh;
};

struct census {
    struct agent *agents;
    struct holding *holdings;
    struct framework *frameworks;
};

struct census *census_new(void)
{
    return xcalloc(1, sizeof(struct census));
}

void census_destroy(struct census **census)
{
    struct census *c = *census;
    struct agent *agent, *next_agent;
    struct holding *holding, *next_holding;
    struct framework *framework, *next_framework;

    if (!c)
        return;
    HASH_ITER(hh, c->agents, agent, next_agent)
    {
        HASH_DEL(c->agents, agent);
        free(agent->id);
        free(agent);
    }
    HASH_ITER(hh, c->holdings, holding, next_holding)
    {
        HASH_DEL(c->holdings, holding);
        free(holding->key);
        free(holding->role);
        free(holding->framework_id);
        free(holding->hostname);
        free(holding);
    }
    HASH_ITER(hh, c->frameworks, framework, next_framework)
    {
        HASH_DEL(c->frameworks, framework);
        free(framework->id);
        free(framework->name);
        free(framework);
    }
    free(c);
    *census = NULL;
}

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* The list under the key of the answer; *root is to be freed. */
static json_t *read_list(const char *text, size_t len, const char *key,
                         json_t **root, struct err *err)
{
    json_error_t why;
    json_t *list;

    *root = json_loadb(text, len, 0, &why);
    list = json_object_get(*root, key);
    if (json_is_array(list))
        return list;
    err_set(err, ERR_INVALID, "the answer has no list \"%s\"%s%s", key,
            *root ? "" : ": ", *root ? "" : why.text);
    json_decref(*root);
    *root = NULL;
    return NULL;
}

/* ---- agents ------------------------------------------------------- */
static const char *label_of(const json_t *reservation, const char *key)
{
    const json_t *labels =
        json_object_get(json_object_get(reservation, "labels"), "labels");
    const json_t *label;
    size_t i;

    json_array_foreach(labels, i, label)
    {
        if (str_eq(text_at(label, "key"), key))
            return text_at(label, "value");
    }
    return NULL;
}

static struct holding *add_holding(struct census *c, const json_t *slave,
                                   const char *role, const json_t *reservation)
{
    const char *id = label_of(reservation, "resource_id");
    AUTO_FREE char *key = NULL;
    struct holding *holding = NULL;

    if (!id || !*id)
        return NULL;
    key = xasprintf("%s %s", text_at(slave, "id"), id);
    HASH_FIND_STR(c->holdings, key, holding);
    if (holding)
        return holding;
    holding = xcalloc(1, sizeof(*holding));
    holding->key = MOVE(key);
    holding->role = xstrdup(role);
    holding->framework_id =
        xstrdup(str_or_empty(label_of(reservation, "framework_id")));
    holding->hostname = xstrdup(str_or_empty(text_at(slave, "hostname")));
    HASH_ADD_KEYPTR(hh, c->holdings, holding->key, strlen(holding->key),
                    holding);
    return holding;
}

/* The last of its reservations counts; older masters write only the old form.
 */
static void read_resource(struct census *c, const json_t *slave,
                          const char *role, const json_t *resource)
{
    const json_t *list = json_object_get(resource, "reservations");
    size_t n = json_array_size(list);
    const json_t *last = n > 0 ? json_array_get(list, n - 1)
                               : json_object_get(resource, "reservation");
    struct holding *holding = add_holding(c, slave, role, last);

    if (holding &&
        !json_object_get(json_object_get(resource, "disk"), "persistence"))
        holding->has_bare = true;
}

static bool has_text(const json_t *list, const char *text)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (str_eq(json_string_value(item), text))
            return true;
    }
    return false;
}

static void read_agent(struct census *c, json_t *slave)
{
    const char *id = text_at(slave, "id"), *role;
    json_t *roles = json_object_get(slave, "reserved_resources_full"), *list;
    struct agent *agent = NULL;
    const json_t *resource;
    size_t i;

    if (!id || !json_is_object(roles))
        return; /* without that list nothing is known of the agent */
    HASH_FIND_STR(c->agents, id, agent);
    if (!agent) {
        agent = xcalloc(1, sizeof(*agent));
        agent->id = xstrdup(id);
        HASH_ADD_KEYPTR(hh, c->agents, agent->id, strlen(agent->id), agent);
    }
    agent->can_resize =
        has_text(json_object_get(slave, "capabilities"), "RESIZE_VOLUME");
    json_object_foreach(roles, role, list)
    {
        json_array_foreach(list, i, resource)
        {
            read_resource(c, slave, role, resource);
        }
    }
}

int census_read_agents(struct census *c, const char *text, size_t len,
                       struct err *err)
{
    json_t *root, *slave, *list = read_list(text, len, "slaves", &root, err);
    size_t i;

    if (!list)
        return -1;
    json_array_foreach(list, i, slave)
    {
        read_agent(c, slave);
    }
    json_decref(root);
    return 0;
}

/* Masters write a reservation in both forms, which is one too many. */
static Mesos__V1__Resource *read_reserved(const json_t *json)
{
    json_t *plain = json_is_object(json) ? json_copy((json_t *)json) : NULL;
    Mesos__V1__Resource *resource = NULL;

    if (json_array_size(json_object_get(plain, "reservations")) > 0) {
        json_object_del(plain, "role");
        json_object_del(plain, "reservation");
    }
    if (plain)
        resource = (Mesos__V1__Resource *)wire_from_json(
            &mesos__v1__resource__descriptor, plain, NULL);
    json_decref(plain);
    if (resource && resources_check(&resource, 1, NULL) < 0)
        resource_free(&resource);
    return resource;
}

static void add_labelled(struct resources *out, const json_t *json)
{
    Mesos__V1__Resource *resource = read_reserved(json);

    if (resource && *str_or_empty(resource_label(resource, "resource_id")))
        resources_add(out, resource);
    if (resource)
        resource_free(&resource);
}

static struct resources *reserved_of(const json_t *slave,
                                     const char *const *roles, size_t n_roles)
{
    const json_t *by_role = json_object_get(slave, "reserved_resources_full");
    struct resources *out = resources_new();
    const json_t *resource;
    size_t k;

    for (size_t i = 0; i < n_roles; i++)
        json_array_foreach(json_object_get(by_role, roles[i]), k, resource)
        {
            add_labelled(out, resource);
        }
    return out;
}

struct resources *census_reserved(const char *text, size_t len,
                                  const char *agent_id,
                                  const char *const *roles, size_t n_roles,
                                  char **hostname)
{
    json_t *root, *slave, *list = read_list(text, len, "slaves", &root, NULL);
    struct resources *out = NULL;
    size_t i;

    *hostname = NULL;
    json_array_foreach(list, i, slave)
    {
        if (out || !str_eq(text_at(slave, "id"), agent_id))
            continue;
        *hostname = xstrdup(str_or_empty(text_at(slave, "hostname")));
        out = reserved_of(slave, roles, n_roles);
    }
    json_decref(root);
    return out;
}

/* ---- frameworks --------------------------------------------------- */
static void read_framework(struct census *c, const json_t *from)
{
    const char *id = text_at(from, "id");
    struct framework *framework = NULL;

    if (!id)
        return;
    HASH_FIND_STR(c->frameworks, id, framework);
    if (framework)
        return;
    framework = xcalloc(1, sizeof(*framework));
    framework->id = xstrdup(id);
    framework->name = xstrdup(str_or_empty(text_at(from, "name")));
    framework->tasks = json_array_size(json_object_get(from, "tasks")) +
                       json_array_size(json_object_get(from, "unreachable_"
                                                             "tasks"));
    framework->is_connected = json_is_true(json_object_get(from, "connected"));
    HASH_ADD_KEYPTR(hh, c->frameworks, framework->id, strlen(framework->id),
                    framework);
}

int census_read_frameworks(struct census *c, const char *text, size_t len,
                           struct err *err)
{
    json_t *root, *from, *list = read_list(text, len, "frameworks", &root, err);
    size_t i;

    if (!list)
        return -1;
    json_array_foreach(list, i, from)
    {
        read_framework(c, from);
    }
    json_decref(root);
    return 0;
}

/* ---- questions ---------------------------------------------------- */
bool census_has_agent(const struct census *c, const char *agent_id)
{
    struct agent *agent = NULL;

    HASH_FIND_STR(c->agents, agent_id, agent);
    return agent != NULL;
}

bool census_can_resize(const struct census *c, const char *agent_id)
{
    struct agent *agent = NULL;

    HASH_FIND_STR(c->agents, agent_id, agent);
    return agent && agent->can_resize;
}

static const struct holding *find_holding(const struct census *c,
                                          const char *agent_id,
                                          const char *resource_id)
{
    AUTO_FREE char *key = xasprintf("%s %s", agent_id, resource_id);
    struct holding *holding = NULL;

    HASH_FIND_STR(c->holdings, key, holding);
    return holding;
}

bool census_has(const struct census *c, const char *agent_id,
                const char *resource_id)
{
    return find_holding(c, agent_id, resource_id) != NULL;
}

bool census_has_bare(const struct census *c, const char *agent_id,
                     const char *resource_id)
{
    const struct holding *holding = find_holding(c, agent_id, resource_id);

    return holding && holding->has_bare;
}

/* Is it a registered framework's, and that one another service? */
static bool is_others(const struct census *c, const struct holding *holding,
                      const char *name)
{
    struct framework *framework = NULL;

    HASH_FIND_STR(c->frameworks, holding->framework_id, framework);
    return framework && !str_eq(framework->name, name);
}

static bool is_rival(const struct framework *f, const struct census_self *self)
{
    if (str_eq(f->id, self->framework_id))
        return f->tasks > 0;
    return str_eq(f->name, self->name) && (f->is_connected || f->tasks > 0);
}

static bool find_rival(const struct census *c, const struct census_self *self,
                       char **why, char **confirm)
{
    const struct framework *f = c->frameworks;

    while (f && !is_rival(f, self))
        f = f->hh.next;
    if (!f)
        return false;
    *why = xasprintf("framework %s is registered as \"%s\" already (%s, %zu "
                     "task(s)), and the store knows nothing of it: it may be "
                     "this service, which would be deployed a second time. "
                     "Bring its state back, or tear it down",
                     f->id, f->name, f->is_connected ? "connected" : "away",
                     f->tasks);
    *confirm = xstrdup(f->id);
    return true;
}

static bool find_holdings(const struct census *c,
                          const struct census_self *self, char **why,
                          char **confirm)
{
    const struct holding *h, *first = NULL;
    size_t count = 0;

    for (h = c->holdings; h; h = h->hh.next) {
        if (!str_eq(h->role, self->role) || is_others(c, h, self->name))
            continue;
        first = first ? first : h;
        count++;
    }
    if (count == 0)
        return false;
    *why = xasprintf("%zu reservation(s) of role %s carry labels of a service "
                     "like this, the first on %s of framework %s, and the "
                     "store knows nothing of them: they may hold this "
                     "service's data. Bring its state back, or free them",
                     count, self->role, first->hostname,
                     *first->framework_id ? first->framework_id : "(none)");
    *confirm = xstrdup(self->role);
    return true;
}

bool census_may_register(const struct census *c, const struct census_self *self,
                         char **why, char **confirm)
{
    *why = *confirm = NULL;
    return !find_rival(c, self, why, confirm) &&
           !find_holdings(c, self, why, confirm);
}
