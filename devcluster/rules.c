/* SPDX-License-Identifier: Apache-2.0 */
/* rules - see rules.h */
#include "devcluster/rules.h"

#include <math.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/mesos/states.h"
#include "lib/wire/wire.h"

#define CALL(name) MESOS__V1__SCHEDULER__CALL__TYPE__##name
#define CAP(name)  MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__##name

/* Does the call carry the message its type needs?  NULL: fine; else its name.
 */
static const char *missing_part(const Mesos__V1__Scheduler__Call *call)
{
    const struct {
        int type;
        const void *part;
        const char *name;
    } parts[] = {
        {CALL(ACCEPT), call->accept, "accept"},
        {CALL(DECLINE), call->decline, "decline"},
        {CALL(ACCEPT_INVERSE_OFFERS), call->accept_inverse_offers,
         "accept_inverse_offers"},
        {CALL(DECLINE_INVERSE_OFFERS), call->decline_inverse_offers,
         "decline_inverse_offers"},
        {CALL(KILL), call->kill, "kill"},
        {CALL(SHUTDOWN), call->shutdown, "shutdown"},
        {CALL(ACKNOWLEDGE), call->acknowledge, "acknowledge"},
        {CALL(ACKNOWLEDGE_OPERATION_STATUS), call->acknowledge_operation_status,
         "acknowledge_operation_status"},
        {CALL(RECONCILE), call->reconcile, "reconcile"},
        {CALL(RECONCILE_OPERATIONS), call->reconcile_operations,
         "reconcile_operations"},
        {CALL(MESSAGE), call->message, "message"},
        {CALL(REQUEST), call->request, "request"},
        {CALL(UPDATE_FRAMEWORK), call->update_framework, "update_framework"},
    };

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i].type == (int)call->type && !parts[i].part)
            return parts[i].name;
    }
    return NULL;
}

/* 16 bytes and one of the versions 1 to 5. */
static bool is_uuid(const ProtobufCBinaryData *data)
{
    return data->len == 16 && (data->data[6] >> 4) >= 1 &&
           (data->data[6] >> 4) <= 5;
}

static bool same_id(const Mesos__V1__FrameworkID *a,
                    const Mesos__V1__FrameworkID *b)
{
    return (!a && !b) || (a && b && str_eq(a->value, b->value));
}

static int validate_subscribe(const Mesos__V1__Scheduler__Call *call,
                              struct err *err)
{
    if (!call->subscribe)
        return err_set(err, ERR_INVALID, "Expecting 'subscribe' to be present");
    if (!same_id(call->framework_id, call->subscribe->framework_info->id))
        return err_set(
            err, ERR_INVALID,
            "'framework_id' differs from 'subscribe.framework_info.id'");
    return 0;
}

static int validate_parts(const Mesos__V1__Scheduler__Call *call,
                          struct err *err)
{
    if (call->type == CALL(ACKNOWLEDGE) && !is_uuid(&call->acknowledge->uuid))
        return err_set(err, ERR_INVALID, "Not a valid UUID");
    if (call->type == CALL(ACKNOWLEDGE_OPERATION_STATUS)) {
        if (!is_uuid(&call->acknowledge_operation_status->uuid))
            return err_set(err, ERR_INVALID, "Not a valid UUID");
        if (!call->acknowledge_operation_status->agent_id)
            return err_set(err, ERR_INVALID,
                           "Expecting 'agent_id' to be present");
    }
    if (call->type == CALL(UPDATE_FRAMEWORK) &&
        !same_id(call->framework_id,
                 call->update_framework->framework_info->id))
        return err_set(
            err, ERR_INVALID,
            "'framework_id' differs from 'update_framework.framework_info.id'");
    return 0;
}

int scheduler_call_validate(const Mesos__V1__Scheduler__Call *call,
                            struct err *err)
{
    const char *missing;

    if (!call->has_type ||
        !wire_enum_name(&mesos__v1__scheduler__call__type__descriptor,
                        (int)call->type))
        return err_set(err, ERR_INVALID, "Expecting 'type' to be present");
    if (call->type == CALL(SUBSCRIBE))
        return validate_subscribe(call, err);
    if (!call->framework_id)
        return err_set(err, ERR_INVALID,
                       "Expecting 'framework_id' to be present");
    missing = missing_part(call);
    if (missing)
        return err_set(err, ERR_INVALID, "Expecting '%s' to be present",
                       missing);
    return validate_parts(call, err);
}

/* ---- FrameworkInfo ------------------------------------------------------ */

static bool has_capability(const Mesos__V1__FrameworkInfo *info, int type)
{
    for (size_t i = 0; i < info->n_capabilities; i++) {
        if ((int)info->capabilities[i]->type == type)
            return true;
    }
    return false;
}

const char *framework_info_old_role(const Mesos__V1__FrameworkInfo *info)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(info->base.descriptor,
                                                        "role");
    const char *role;

    /* By its offset: the field is marked deprecated, which warns.  Unset
     * strings with a default point to that default. */
    memcpy(&role, (const char *)info + field->offset, sizeof role);
    return role == field->default_value ? NULL : role;
}

static bool lists(char *const *list, size_t count, const char *item)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(list[i], item))
            return true;
    }
    return false;
}

/* "{ a, b }" of the items for which wanted says yes, each once. */
static bool set_text(char *const *list, size_t count,
                     bool (*wanted)(char *const *, size_t, size_t),
                     struct buf *out)
{
    bool any = false;

    buf_add_str(out, "{ ");
    for (size_t i = 0; i < count; i++) {
        if (!wanted(list, count, i))
            continue;
        buf_addf(out, "%s%s", any ? ", " : "", list[i]);
        any = true;
    }
    buf_add_str(out, " }");
    return any;
}

/* The second of equal items. */
static bool is_duplicate(char *const *list, size_t count UNUSED, size_t i)
{
    size_t seen = 0;

    for (size_t k = 0; k < i; k++)
        seen += str_eq(list[k], list[i]);
    return seen == 1;
}

static int validate_roles(const Mesos__V1__FrameworkInfo *info, struct err *err)
{
    AUTO_BUF struct buf text = {0};
    struct err why;
    const char *old = framework_info_old_role(info);
    bool multi = has_capability(info, CAP(MULTI_ROLE));

    if (!multi && info->n_roles)
        return err_set(err, ERR_INVALID,
                       "'FrameworkInfo.roles' must not be set when the "
                       "framework is not MULTI_ROLE capable");
    if (!multi) {
        if (old && mesos_role_validate(old, &why) < 0)
            return err_set(err, ERR_INVALID,
                           "'FrameworkInfo.role' is not a valid role: %s",
                           why.text);
        return 0;
    }
    if (old)
        return err_set(err, ERR_INVALID,
                       "'FrameworkInfo.role' must not be set when the "
                       "framework is MULTI_ROLE capable");
    if (set_text(info->roles, info->n_roles, is_duplicate, &text))
        return err_set(err, ERR_INVALID,
                       "'FrameworkInfo.roles' contains duplicate items: %s",
                       buf_text(&text));
    for (size_t i = 0; i < info->n_roles; i++) {
        if (mesos_role_validate(info->roles[i], &why) < 0)
            return err_set(err, ERR_INVALID,
                           "'FrameworkInfo.roles' contains invalid role: %s",
                           why.text);
    }
    return 0;
}

static int validate_filters(const Mesos__V1__FrameworkInfo *info,
                            struct err *err)
{
    for (size_t i = 0; i < info->n_offer_filters; i++) {
        const Mesos__V1__OfferFilters *f = info->offer_filters[i]->value;
        const Mesos__V1__OfferFilters__MinAllocatableResources *min =
            f ? f->min_allocatable_resources : NULL;

        for (size_t k = 0; min && k < min->n_quantities; k++) {
            if (!min->quantities[k]->n_quantities)
                return err_set(err, ERR_INVALID,
                               "Resource quantities must contain at least "
                               "one quantity");
        }
    }
    return 0;
}

int framework_info_validate(const Mesos__V1__FrameworkInfo *info,
                            struct err *err)
{
    if (validate_roles(info, err) < 0)
        return -1;
    if (info->id && *info->id->value &&
        mesos_id_validate(info->id->value, err) < 0)
        return -1;
    if (validate_filters(info, err) < 0)
        return -1;
    /* It has to fit 64 bits of nanoseconds. */
    if (info->has_failover_timeout &&
        !(fabs(info->failover_timeout) <= 9223372036.0))
        return err_set(err, ERR_INVALID,
                       "The framework failover_timeout (%g) is invalid",
                       info->failover_timeout);
    return 0;
}

/* ---- SUBSCRIBE's other lists -------------------------------------------- */

static int validate_groups(
    const char *role,
    const Mesos__V1__Scheduler__OfferConstraints__RoleConstraints *c,
    struct err *err)
{
    if (!c->n_groups)
        return err_set(err, ERR_INVALID,
                       "Offer constraints are not valid: "
                       "'OfferConstraints::RoleConstraints::groups' for role "
                       "%s is empty",
                       role);
    for (size_t i = 0; i < c->n_groups; i++) {
        if (!c->groups[i]->n_attribute_constraints)
            return err_set(
                err, ERR_INVALID,
                "Offer constraints are not valid: "
                "'OfferConstraints::RoleConstraints::groups' for role "
                "%scontains an empty RoleConstraints::Group",
                role);
        for (size_t k = 0; k < c->groups[i]->n_attribute_constraints; k++) {
            const Mesos__V1__Scheduler__AttributeConstraint *one =
                c->groups[i]->attribute_constraints[k];

            if (!one->selector->selector_case ||
                !one->predicate->predicate_case)
                return err_set(err, ERR_INVALID,
                               "Offer constraints are not valid: a selector "
                               "or predicate for role %s is not set",
                               role);
        }
    }
    return 0;
}

static const char *role_of(const Mesos__V1__FrameworkInfo *info, size_t i)
{
    const char *old = framework_info_old_role(info);

    if (has_capability(info, CAP(MULTI_ROLE)))
        return i < info->n_roles ? info->roles[i] : NULL;
    if (i > 0)
        return NULL;
    return old ? old : "*";
}

static bool subscribes(const Mesos__V1__FrameworkInfo *info, const char *role)
{
    for (size_t i = 0; role_of(info, i); i++) {
        if (str_eq(role_of(info, i), role))
            return true;
    }
    return false;
}

int subscribe_roles_validate(
    const Mesos__V1__FrameworkInfo *info, char *const *suppressed,
    size_t n_suppressed,
    const Mesos__V1__Scheduler__OfferConstraints *constraints, struct err *err)
{
    AUTO_BUF struct buf foreign = {0};

    for (size_t i = 0; i < n_suppressed; i++) {
        if (!subscribes(info, suppressed[i]) &&
            !lists(suppressed, i, suppressed[i]))
            buf_addf(&foreign, "%s%s", foreign.len ? ", " : "", suppressed[i]);
    }
    if (foreign.len)
        return err_set(err, ERR_INVALID,
                       "Suppressed roles { %s } are not contained in the set "
                       "of roles",
                       buf_text(&foreign));
    for (size_t i = 0; constraints && i < constraints->n_role_constraints;
         i++) {
        const char *role = str_or_empty(constraints->role_constraints[i]->key);

        if (constraints->role_constraints[i]->value &&
            validate_groups(role, constraints->role_constraints[i]->value,
                            err) < 0)
            return -1;
        if (!subscribes(info, role))
            return err_set(err, ERR_INVALID,
                           "Offer constraints specify `role_constraints` for "
                           "a role '%s'not contained in the set of roles",
                           role);
    }
    return 0;
}
