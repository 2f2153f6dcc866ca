/* SPDX-License-Identifier: Apache-2.0 */
/* master_quota - what operators grant to roles, and hold them to
 *
 * Quotas are of top-level roles and of scalars; they are in the registry.  A
 * quota set back to nothing stays listed until it is removed or the master
 * starts again, as a real one's does.  Requests in their old form, with
 * guarantees only, are in master_quota_request.c.
 */
#include "devcluster/master_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG      Mesos__V1__Master__QuotaConfig
#define EXABYTE_MB  INT64_C(1099511627776)
#define MOST_OTHERS INT64_C(1000000000000)

/* ---- what is consumed --------------------------------------------------- */

/* Of that role or one below it? */
static bool is_of(const char *role, const char *top)
{
    size_t len = strlen(top);

    return role && strncmp(role, top, len) == 0 &&
           (role[len] == '\0' || role[len] == '/');
}

static void add_unreserved(const struct resources *held, const char *role,
                           struct quantities *out)
{
    for (size_t i = 0; i < resources_count(held); i++) {
        const Mesos__V1__Resource *r = resources_at(held, i);

        if (r->type == MESOS__V1__VALUE__TYPE__SCALAR &&
            resource_is_unreserved(r) &&
            is_of(resource_allocated_role(r), role))
            quantities_add(out, r->name, resource_milli(r));
    }
}

void quota_consumed(const struct master *m, const char *role, bool offered,
                    struct quantities *out)
{
    struct magent *agent, *next;

    HASH_ITER(hh, m->agents, agent, next)
    {
        AUTO(resources) struct resources *used = agent_used(agent, NULL);

        for (size_t i = 0; i < resources_count(agent->total); i++) {
            const Mesos__V1__Resource *r = resources_at(agent->total, i);

            if (r->type == MESOS__V1__VALUE__TYPE__SCALAR &&
                !resource_is_unreserved(r) && is_of(resource_role(r), role))
                quantities_add(out, r->name, resource_milli(r));
        }
        add_unreserved(used, role, out);
        if (offered) {
            AUTO(resources) struct resources *shown = agent_offered(agent);

            add_unreserved(shown, role, out);
        }
    }
}

/* ---- quotas ------------------------------------------------------------- */

static struct mquota *find_quota(const struct master *m, const char *role)
{
    struct mquota *quota;

    HASH_FIND_STR(m->quotas, role, quota);
    return quota;
}

static const char *scalar_odd(double value)
{
    return isinf(value)   ? "Infinite values not supported"
           : isnan(value) ? "NaN not supported"
           : fpclassify(value) == FP_SUBNORMAL
               ? "Subnormal values not supported"
           : value < 0 ? "Negative values not supported"
                       : NULL;
}

static int amount_validate(const char *of, const char *name, double value,
                           struct err *err)
{
    bool is_mb = str_eq(name, "mem") || str_eq(name, "disk");
    const char *odd = scalar_odd(value);

    if (!odd && value > (double)(is_mb ? EXABYTE_MB : MOST_OTHERS))
        return err_set(err, ERR_INVALID,
                       "Invalid 'QuotaConfig.%ss': {'%s': %g} is invalid: "
                       "values greater than 1 %s (%lld) are not supported",
                       of, name, value, is_mb ? "exabyte" : "trillion",
                       (long long)(is_mb ? EXABYTE_MB : MOST_OTHERS));
    if (odd)
        return err_set(err, ERR_INVALID,
                       "Invalid %s configuration {'%s': %g}: %s", of, name,
                       value, odd);
    return 0;
}

/* What a config says. */
static int quota_read(const CONFIG *config, struct mquota *out, struct err *err)
{
    for (size_t i = 0; i < config->n_guarantees; i++) {
        const char *name = str_or_empty(config->guarantees[i]->key);
        double value = config->guarantees[i]->value
                           ? config->guarantees[i]->value->value
                           : 0;

        if (amount_validate("guarantee", name, value, err) < 0)
            return -1;
        if (milli_of(value))
            quantities_set(&out->guarantees, name, milli_of(value));
    }
    for (size_t i = 0; i < config->n_limits; i++) {
        const char *name = str_or_empty(config->limits[i]->key);
        double value =
            config->limits[i]->value ? config->limits[i]->value->value : 0;

        if (amount_validate("limit", name, value, err) < 0)
            return -1;
        quantities_set(&out->limits, name, milli_of(value));
    }
    return 0;
}

static void quota_clear(struct mquota *quota)
{
    quantities_clear(&quota->guarantees);
    quantities_clear(&quota->limits);
}

static int config_validate(const CONFIG *config, struct mquota *read,
                           struct err *err)
{
    AUTO_FREE char *guarantees = NULL, *limits = NULL;

    if (strchr(config->role, '/'))
        return err_set(err, ERR_INVALID,
                       "Updating quota on nested role '%s' is not supported "
                       "yet",
                       config->role);
    if (mesos_role_validate(config->role, err) < 0) {
        err_wrap(err, "Invalid 'QuotaConfig.role'");
        return err_wrap(err, "Invalid QuotaConfig");
    }
    if (quota_read(config, read, err) < 0)
        return err_wrap(err, "Invalid QuotaConfig");
    if (quantities_within(&read->guarantees, &read->limits, INT64_MAX))
        return 0;
    guarantees = quantities_text(&read->guarantees);
    limits = quantities_text(&read->limits);
    return err_set(err, ERR_INVALID,
                   "Invalid QuotaConfig: 'QuotaConfig.guarantees' %s is not "
                   "contained within the 'QuotaConfig.limits' %s",
                   guarantees, limits);
}

static int fits_consumed(const struct master *m, const CONFIG *config,
                         const struct mquota *read, struct err *err)
{
    AUTO_FREE char *is = NULL, *wanted = NULL;
    struct quantities consumed = {0};
    bool fits;

    quota_consumed(m, config->role, false, &consumed);
    fits = quantities_within(&consumed, &read->limits, INT64_MAX);
    is = quantities_text(&consumed);
    wanted = quantities_text(&read->limits);
    quantities_clear(&consumed);
    if (fits)
        return 0;
    return err_set(err, ERR_INVALID,
                   "Invalid QuotaConfig: Role '%s' is already consuming '%s'; "
                   "this is more than the requested limits '%s' (use 'force' "
                   "flag to bypass this check)",
                   config->role, is, wanted);
}

static const CONFIG *changed(const Mesos__V1__Master__Call__UpdateQuota *call,
                             const char *role)
{
    for (size_t i = call->n_quota_configs; i > 0; i--) {
        if (str_eq(call->quota_configs[i - 1]->role, role))
            return call->quota_configs[i - 1];
    }
    return NULL;
}

static void add_all(struct quantities *to, const struct quantities *from)
{
    for (size_t i = 0; i < from->count; i++)
        quantities_add(to, from->list[i].name, from->list[i].milli);
}

static void sum_guarantees(const struct master *m,
                           const Mesos__V1__Master__Call__UpdateQuota *call,
                           struct quantities *out)
{
    struct mquota *quota, *next;

    for (size_t i = 0; i < call->n_quota_configs; i++) {
        struct mquota read = {0};

        if (changed(call, call->quota_configs[i]->role) ==
            call->quota_configs[i])
            quota_read(call->quota_configs[i], &read, NULL);
        add_all(out, &read.guarantees);
        quota_clear(&read);
    }
    HASH_ITER(hh, m->quotas, quota, next)
    {
        if (!changed(call, quota->role))
            add_all(out, &quota->guarantees);
    }
}

bool quota_fits_cluster(const struct master *m,
                        const Mesos__V1__Master__Call__UpdateQuota *call,
                        char **wanted_text, char **capacity_text)
{
    struct quantities wanted = {0}, capacity = {0};
    struct magent *agent, *next;
    bool fits;

    sum_guarantees(m, call, &wanted);
    HASH_ITER(hh, m->agents, agent, next)
    quantities_add_scalars(&capacity, agent->total);
    fits = quantities_within(&wanted, &capacity, 0);
    *wanted_text = quantities_text(&wanted);
    *capacity_text = quantities_text(&capacity);
    quantities_clear(&wanted);
    quantities_clear(&capacity);
    return fits;
}

static int fits_cluster(const struct master *m,
                        const Mesos__V1__Master__Call__UpdateQuota *call,
                        struct err *err)
{
    AUTO_FREE char *wanted = NULL, *capacity = NULL;

    if (quota_fits_cluster(m, call, &wanted, &capacity))
        return 0;
    return err_set(err, ERR_INVALID,
                   "Invalid QuotaConfig: total quota guarantees '%s' exceed "
                   "cluster capacity '%s' (use 'force' flag to bypass this "
                   "check)",
                   wanted, capacity);
}

static int update_validate(const struct master *m,
                           const Mesos__V1__Master__Call__UpdateQuota *call,
                           struct err *err)
{
    for (size_t i = 0; i < call->n_quota_configs; i++) {
        struct mquota read = {0};
        int rc = config_validate(call->quota_configs[i], &read, err);

        if (rc == 0 && !call->force)
            rc = fits_consumed(m, call->quota_configs[i], &read, err);
        quota_clear(&read);
        if (rc < 0)
            return -1;
    }
    return call->force ? 0 : fits_cluster(m, call, err);
}

static void quota_set(struct master *m, const CONFIG *config)
{
    struct mquota *quota = find_quota(m, config->role);

    if (!quota) {
        quota = xcalloc(1, sizeof *quota);
        quota->role = xstrdup(config->role);
        HASH_ADD_KEYPTR(hh, m->quotas, quota->role, strlen(quota->role), quota);
    }
    quota_clear(quota);
    quota_read(config, quota, NULL);
}

/* Offers to the role go back until what it holds is within its limit. */
static void rescind_above(struct master *m, const struct mquota *quota)
{
    struct quantities held = {0};
    struct moffer *offer, *next;

    quota_consumed(m, quota->role, true, &held);
    HASH_ITER(hh, m->offers, offer, next)
    {
        if (quantities_within(&held, &quota->limits, INT64_MAX))
            break;
        if (!is_of(offer->role, quota->role))
            continue;
        for (size_t i = 0; i < resources_count(offer->pool); i++) {
            const Mesos__V1__Resource *r = resources_at(offer->pool, i);

            if (r->type == MESOS__V1__VALUE__TYPE__SCALAR)
                quantities_add(&held, r->name, -resource_milli(r));
        }
        offer_withdraw(m, offer, true);
    }
    quantities_clear(&held);
}

/* Offers to others go back until its guarantee could be met. */
static void rescind_for(struct master *m, const struct mquota *quota)
{
    struct quantities held = {0};
    struct moffer *offer, *next;

    quota_consumed(m, quota->role, true, &held);
    HASH_ITER(hh, m->offers, offer, next)
    {
        if (quantities_within(&quota->guarantees, &held, 0))
            break;
        if (is_of(offer->role, quota->role))
            continue;
        quantities_add_scalars(&held, offer->pool);
        offer_withdraw(m, offer, true);
    }
    quantities_clear(&held);
}

void quota_put(struct master *m,
               const Mesos__V1__Master__Call__UpdateQuota *call,
               struct master_reply *reply)
{
    for (size_t i = 0; i < call->n_quota_configs; i++)
        quota_set(m, call->quota_configs[i]);
    save_registry(m);
    for (size_t i = 0; i < call->n_quota_configs; i++) {
        const struct mquota *quota =
            find_quota(m, call->quota_configs[i]->role);

        rescind_above(m, quota);
        rescind_for(m, quota);
    }
    reply_set(reply, 200, "%s", "");
}

void quota_update(struct master *m,
                  const Mesos__V1__Master__Call__UpdateQuota *call,
                  struct master_reply *reply)
{
    struct err err;

    if (update_validate(m, call, &err) < 0)
        reply_set(reply, 400, "%s", err.text);
    else
        quota_put(m, call, reply);
}

/* ---- kept and shown ----------------------------------------------------- */

static CONFIG *config_of(const struct mquota *quota)
{
    CONFIG *out = PB_NEW(mesos__v1__master__quota_config);

    out->role = xstrdup(quota->role);
    for (size_t i = 0; i < quota->guarantees.count; i++) {
        Mesos__V1__Master__QuotaConfig__GuaranteesEntry *entry =
            PB_NEW(mesos__v1__master__quota_config__guarantees_entry);

        entry->key = xstrdup(quota->guarantees.list[i].name);
        entry->value = PB_NEW(mesos__v1__value__scalar);
        entry->value->value = milli_to_double(quota->guarantees.list[i].milli);
        PB_ADD(out, guarantees, entry);
    }
    for (size_t i = 0; i < quota->limits.count; i++) {
        Mesos__V1__Master__QuotaConfig__LimitsEntry *entry =
            PB_NEW(mesos__v1__master__quota_config__limits_entry);

        entry->key = xstrdup(quota->limits.list[i].name);
        entry->value = PB_NEW(mesos__v1__value__scalar);
        entry->value->value = milli_to_double(quota->limits.list[i].milli);
        PB_ADD(out, limits, entry);
    }
    return out;
}

static Mesos__V1__Master__QuotaInfo *info_of(const struct mquota *quota)
{
    Mesos__V1__Master__QuotaInfo *out = PB_NEW(mesos__v1__master__quota_info);

    out->role = xstrdup(quota->role);
    for (size_t i = 0; i < quota->guarantees.count; i++)
        PB_ADD(out, guarantee,
               resource_scalar(quota->guarantees.list[i].name,
                               quota->guarantees.list[i].milli));
    return out;
}

Mesos__V1__Master__QuotaStatus *quota_status(const struct master *m)
{
    Mesos__V1__Master__QuotaStatus *out =
        PB_NEW(mesos__v1__master__quota_status);
    struct mquota *quota, *next;

    HASH_ITER(hh, m->quotas, quota, next)
    {
        PB_ADD(out, infos, info_of(quota));
        PB_ADD(out, configs, config_of(quota));
    }
    return out;
}

const struct mquota *quota_of(const struct master *m, const char *role)
{
    return find_quota(m, role);
}

static void quota_free(struct master *m, struct mquota *quota)
{
    HASH_DEL(m->quotas, quota);
    quota_clear(quota);
    free(quota->role);
    free(quota);
}

bool quota_drop(struct master *m, const char *role)
{
    struct mquota *quota = find_quota(m, role);

    if (!quota)
        return false;
    quota_free(m, quota);
    save_registry(m);
    return true;
}

void quotas_to_registry(const struct master *m,
                        Reeve__Devcluster__Registry *registry)
{
    struct mquota *quota, *next;

    HASH_ITER(hh, m->quotas, quota, next)
    {
        if (quota->guarantees.count || quota->limits.count)
            PB_ADD(registry, quotas, config_of(quota));
    }
    weights_list(m, &registry->weights, &registry->n_weights);
}

void quotas_from_registry(struct master *m,
                          const Reeve__Devcluster__Registry *registry)
{
    for (size_t i = 0; i < registry->n_quotas; i++)
        quota_set(m, registry->quotas[i]);
    for (size_t i = 0; i < registry->n_weights; i++)
        role_get(m, str_or_empty(registry->weights[i]->role))->weight =
            registry->weights[i]->weight;
}

void quotas_free(struct master *m)
{
    struct mquota *quota, *next;

    HASH_ITER(hh, m->quotas, quota, next)
    quota_free(m, quota);
}
