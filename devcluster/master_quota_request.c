/* SPDX-License-Identifier: Apache-2.0 */
/* master_quota_request - quotas in their old form: SET_QUOTA, REMOVE_QUOTA
 *
 * A request guarantees a role some amounts, and limits it to them.  A role that
 * has a quota in whichever form is given no other one.
 */
#include "devcluster/master_state.h"

#include <stdlib.h>
#include <string.h>

#define REQUEST Mesos__V1__Master__QuotaRequest
#define UPDATE  Mesos__V1__Master__Call__UpdateQuota
#define CONFIG  Mesos__V1__Master__QuotaConfig

static const char *odd_part(const REQUEST *request, size_t at)
{
    const Mesos__V1__Resource *r = request->guarantee[at];

    return r->n_reservations || r->reservation ||
                   (r->role && strcmp(r->role, "*") != 0)
               ? "must not contain any ReservationInfo"
           : r->disk      ? "must not contain DiskInfo"
           : r->revocable ? "must not contain RevocableInfo"
           : r->type != MESOS__V1__VALUE__TYPE__SCALAR
               ? "must not include non-scalar resources"
               : NULL;
}

static int guarantee_validate(const REQUEST *request, size_t at,
                              struct err *err)
{
    const Mesos__V1__Resource *r = request->guarantee[at];
    const char *odd = odd_part(request, at);

    if (odd)
        return err_set(err, ERR_INVALID, "QuotaInfo %s", odd);
    for (size_t i = 0; i < at; i++) {
        if (strcmp(request->guarantee[i]->name, r->name) == 0)
            return err_set(err, ERR_INVALID,
                           "QuotaInfo contains duplicate resource name '%s'",
                           r->name);
    }
    if (resource_validate(r, err) < 0) {
        AUTO_FREE char *text = resource_text(r);

        err_wrap(err, "Resource '%s' is invalid", text);
        return err_wrap(err, "QuotaInfo with invalid resource");
    }
    return 0;
}

static int request_validate(const struct master *m, const REQUEST *request,
                            struct err *err)
{
    const char *role = str_or_empty(request->role);

    if (mesos_role_validate(role, err) < 0)
        return err_wrap(err, "QuotaInfo with invalid role");
    if (!request->n_guarantee)
        return err_set(err, ERR_INVALID, "QuotaInfo with empty 'guarantee'");
    for (size_t i = 0; i < request->n_guarantee; i++) {
        if (guarantee_validate(request, i, err) < 0)
            return -1;
    }
    if (quota_of(m, role))
        return err_set(err, ERR_INVALID,
                       "Cannot set quota for role '%s' which already has quota",
                       role);
    return 0;
}

static Mesos__V1__Value__Scalar *amount_of(const Mesos__V1__Resource *r)
{
    Mesos__V1__Value__Scalar *out = PB_NEW(mesos__v1__value__scalar);

    out->value = r->scalar->value;
    return out;
}

/* The same in the form of today. */
static UPDATE *update_of(const REQUEST *request)
{
    UPDATE *out = PB_NEW(mesos__v1__master__call__update_quota);
    CONFIG *config = PB_NEW(mesos__v1__master__quota_config);

    config->role = xstrdup(request->role);
    for (size_t i = 0; i < request->n_guarantee; i++) {
        const Mesos__V1__Resource *r = request->guarantee[i];
        Mesos__V1__Master__QuotaConfig__GuaranteesEntry *least =
            PB_NEW(mesos__v1__master__quota_config__guarantees_entry);
        Mesos__V1__Master__QuotaConfig__LimitsEntry *most =
            PB_NEW(mesos__v1__master__quota_config__limits_entry);

        least->key = xstrdup(r->name);
        least->value = amount_of(r);
        most->key = xstrdup(r->name);
        most->value = amount_of(r);
        PB_ADD(config, guarantees, least);
        PB_ADD(config, limits, most);
    }
    PB_ADD(out, quota_configs, config);
    return out;
}

/* A role below another may have what that one has; yet it never gets so far. */
static void refuse_nested(const struct master *m, const UPDATE *update,
                          struct master_reply *reply)
{
    const CONFIG *config = update->quota_configs[0];
    size_t above = (size_t)(strrchr(config->role, '/') - config->role);
    AUTO_FREE char *parent = xstrndup(config->role, above);
    const struct mquota *quota = quota_of(m, parent);
    AUTO_FREE char *has = NULL, *wants = NULL;
    struct quantities wanted = {0}, none = {0};
    bool fits;

    for (size_t i = 0; i < config->n_guarantees; i++) {
        int64_t milli = milli_of(config->guarantees[i]->value->value);

        if (milli)
            quantities_set(&wanted, config->guarantees[i]->key, milli);
    }
    fits = quantities_within(&wanted, quota ? &quota->guarantees : &none, 0);
    has = quantities_text(quota ? &quota->guarantees : &none);
    wants = quantities_text(&wanted);
    quantities_clear(&wanted);
    if (fits)
        reply_set(reply, 400,
                  "Setting quota on nested role '%s' is not supported yet",
                  config->role);
    else
        reply_set(reply, 400,
                  "Failed to validate set quota request: Invalid quota "
                  "configuration. Parent role '%s' with guarantees (%s) does "
                  "not contain the sum of its children's guarantees (%s)",
                  parent, has, wants);
}

void quota_request_set(struct master *m, const REQUEST *request,
                       struct master_reply *reply)
{
    AUTO_FREE char *wanted = NULL, *capacity = NULL;
    AUTO_MESSAGE UPDATE *update = NULL;
    struct err err;

    if (request_validate(m, request, &err) < 0) {
        reply_set(reply, 400, "Failed to validate set quota request: %s",
                  err.text);
        return;
    }
    update = update_of(request);
    if (strchr(request->role, '/'))
        refuse_nested(m, update, reply);
    else if (!request->force &&
             !quota_fits_cluster(m, update, &wanted, &capacity))
        reply_set(reply, 409,
                  "Quota guarantees overcommit the cluster (use 'force' to "
                  "bypass this check): Total quota guarantees '%s' exceed "
                  "cluster capacity '%s'",
                  wanted, capacity);
    else
        quota_put(m, update, reply);
}

void quota_request_remove(struct master *m, const char *role,
                          struct master_reply *reply)
{
    if (quota_drop(m, role)) {
        reply_set(reply, 200, "%s", "");
        return;
    }
    /* Of the plain endpoint; the same call ends a real master. */
    note(m, "event=would_abort_real_master why=remove_no_quota role=%s", role);
    reply_set(reply, 400, "Role '%s' has no quota set", role);
}
