/* SPDX-License-Identifier: Apache-2.0 */
/* quota - see quota.h */
#include "services/offer-broker/quota.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"

#define MOST_MILLI 1e15 /* more is no limit that a pod could meet */

struct limit {
    char *role, *name; /* "cpus" … */
    int64_t limit_milli, used_milli;
};

struct quotas {
    struct limit *list;
    size_t count;
};

struct quotas *quotas_new(void)
{
    return xcalloc(1, sizeof(struct quotas));
}

static void drop_all(struct quotas *q)
{
    for (size_t i = 0; i < q->count; i++) {
        free(q->list[i].role);
        free(q->list[i].name);
    }
    free(q->list);
    q->list = NULL;
    q->count = 0;
}

void quotas_destroy(struct quotas **quotas)
{
    if (!*quotas)
        return;
    drop_all(*quotas);
    free(*quotas);
    *quotas = NULL;
}

static int64_t milli_of(const json_t *number)
{
    double value = json_number_value(number) * 1000;

    return value > 0 && value < MOST_MILLI ? llround(value) : 0;
}

static void read_role(struct quotas *q, const json_t *role)
{
    const char *name = json_string_value(json_object_get(role, "name")), *key;
    const json_t *quota = json_object_get(role, "quota"), *value;
    const json_t *used = json_object_get(quota, "consumed");
    json_t *limits = json_object_get(quota, "limit");

    if (!name)
        return;
    json_object_foreach(limits, key, value)
    {
        if (!json_is_number(value) ||
            json_number_value(value) * 1000 >= MOST_MILLI)
            continue;
        q->list = xrealloc(q->list, (q->count + 1) * sizeof(*q->list));
        q->list[q->count++] =
            (struct limit){.role = xstrdup(name),
                           .name = xstrdup(key),
                           .limit_milli = milli_of(value),
                           .used_milli = milli_of(json_object_get(used, key))};
    }
}

int quotas_read(struct quotas *q, const char *text, size_t len, struct err *err)
{
    json_error_t why;
    json_t *root = json_loadb(text, len, 0, &why), *role;
    json_t *list = json_object_get(root, "roles");
    size_t i;

    drop_all(q);
    if (!json_is_array(list)) {
        err_set(err, ERR_INVALID, "the answer has no list \"roles\"%s%s",
                root ? "" : ": ", root ? "" : why.text);
        json_decref(root);
        return -1;
    }
    json_array_foreach(list, i, role)
    {
        read_role(q, role);
    }
    json_decref(root);
    return 0;
}

static bool counts_for(const struct limit *limit, const char *role)
{
    size_t len = strlen(limit->role);

    return strncmp(role, limit->role, len) == 0 &&
           (role[len] == '\0' || role[len] == '/');
}

static int64_t has_milli(const struct want *want,
                         const Reeve__PodRecord *record)
{
    for (size_t i = 0; record && i < record->n_resources; i++)
        if (want_is_record(want, record->resources[i]))
            return record->resources[i]->amount_milli;
    return 0;
}

/* A reservation that becomes smaller gives back nothing before it is made. */
static int64_t needed_milli(const struct wants *wants, const char *name,
                            const Reeve__PodRecord *record)
{
    int64_t sum = 0;

    for (size_t i = 0; i < wants->count; i++) {
        const struct want *want = &wants->list[i];

        if (want->kind != WANT_PORT && str_eq(want->name, name))
            sum += MAX(want->milli - has_milli(want, record), 0);
    }
    return sum;
}

char *quotas_short_of(const struct quotas *q, const char *role,
                      const struct wants *wants, const Reeve__PodRecord *record)
{
    for (size_t i = 0; i < q->count; i++) {
        const struct limit *limit = &q->list[i];
        int64_t needed;

        if (!counts_for(limit, role))
            continue;
        needed = needed_milli(wants, limit->name, record);
        if (needed == 0 || limit->used_milli + needed <= limit->limit_milli)
            continue;
        AUTO_FREE char *most = milli_text(limit->limit_milli);
        AUTO_FREE char *used = milli_text(limit->used_milli);
        AUTO_FREE char *more = milli_text(needed);
        return xasprintf("the quota of role %s allows %s %s, of which %s are "
                         "used; %s more are needed",
                         limit->role, limit->name, most, used, more);
    }
    return NULL;
}
