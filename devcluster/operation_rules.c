/* SPDX-License-Identifier: Apache-2.0 */
/* operation_rules - may RESERVE, UNRESERVE, CREATE, DESTROY, GROW, SHRINK be?
 *
 * Checks everything but whether the resources are there; the texts are the
 * master's own.  Resources are upgraded and syntactically right already
 * (operation_normalize).
 */
#include "devcluster/master_state.h"

#include <string.h>

#include "lib/base/buf.h"

const char *operation_name(int type)
{
    const char *name =
        wire_enum_name(&mesos__v1__offer__operation__type__descriptor, type);

    return name ? name : "UNKNOWN";
}

char *agent_suffix(const struct magent *agent)
{
    return xasprintf("on agent %s at slave(1)@%s:%d (%s)", agent->id, agent->ip,
                     agent->info->port, agent->info->hostname);
}

/* ---- normalizing -------------------------------------------------------- */

struct normalizing {
    const char *role;
    struct err *err;
};

static int normalize_list(Mesos__V1__Resource **list, size_t count,
                          const struct normalizing *how)
{
    for (size_t i = 0; how->role && i < count; i++) {
        if (!resource_allocated_role(list[i]))
            resource_allocate(list[i], how->role);
    }
    return resources_check(list, count, how->err);
}

static int normalize_tasks(Mesos__V1__TaskInfo **tasks, size_t count,
                           const struct normalizing *how)
{
    for (size_t i = 0; i < count; i++) {
        Mesos__V1__ExecutorInfo *executor = tasks[i]->executor;

        if (normalize_list(tasks[i]->resources, tasks[i]->n_resources, how) < 0)
            return -1;
        if (executor &&
            normalize_list(executor->resources, executor->n_resources, how) < 0)
            return -1;
    }
    return 0;
}

/* An addition of nothing gets its own refusal later. */
static int normalize_grow(Mesos__V1__Offer__Operation__GrowVolume *grow,
                          const struct normalizing *how)
{
    if (normalize_list(&grow->volume, 1, how) < 0)
        return -1;
    if (resource_milli(grow->addition) == 0) {
        if (how->role && !resource_allocated_role(grow->addition))
            resource_allocate(grow->addition, how->role);
        return resource_upgrade(grow->addition, how->err);
    }
    return normalize_list(&grow->addition, 1, how);
}

static int normalize_launches(Mesos__V1__Offer__Operation *op,
                              const struct normalizing *how)
{
    Mesos__V1__Offer__Operation__LaunchGroup *group = op->launch_group;

    if (op->launch && normalize_tasks(op->launch->task_infos,
                                      op->launch->n_task_infos, how) < 0)
        return -1;
    if (!group)
        return 0;
    if (normalize_list(group->executor->resources, group->executor->n_resources,
                       how) < 0)
        return -1;
    return normalize_tasks(group->task_group->tasks, group->task_group->n_tasks,
                           how);
}

int operation_normalize(Mesos__V1__Offer__Operation *op, const char *role,
                        struct err *err)
{
    struct normalizing how = {role, err};

    if (op->reserve && role && op->reserve->n_source)
        return err_set(err, ERR_INVALID,
                       "Reservation updates are not yet implemented for the "
                       "scheduler API.");
    if (op->reserve &&
        (normalize_list(op->reserve->resources, op->reserve->n_resources,
                        &how) < 0 ||
         normalize_list(op->reserve->source, op->reserve->n_source, &how) < 0))
        return -1;
    if (op->unreserve && normalize_list(op->unreserve->resources,
                                        op->unreserve->n_resources, &how) < 0)
        return -1;
    if (op->create &&
        normalize_list(op->create->volumes, op->create->n_volumes, &how) < 0)
        return -1;
    if (op->destroy &&
        normalize_list(op->destroy->volumes, op->destroy->n_volumes, &how) < 0)
        return -1;
    if (op->grow_volume && normalize_grow(op->grow_volume, &how) < 0)
        return -1;
    if (op->shrink_volume &&
        normalize_list(&op->shrink_volume->volume, 1, &how) < 0)
        return -1;
    return normalize_launches(op, &how);
}

/* ---- parts -------------------------------------------------------------- */

struct list {
    Mesos__V1__Resource *const *at;
    size_t count;
};

static int disk_check(const Mesos__V1__Resource *r, struct err *err)
{
    const Mesos__V1__Resource__DiskInfo *disk = r->disk;
    struct err why;

    if (!disk)
        return 0;
    if (!disk->persistence) {
        if (disk->volume)
            return err_set(err, ERR_INVALID,
                           "Non-persistent volume not supported");
        return disk->source
                   ? 0
                   : err_set(err, ERR_INVALID, "DiskInfo is set but empty");
    }
    if (r->revocable)
        return err_set(err, ERR_INVALID,
                       "Persistent volumes cannot be created from revocable "
                       "resources");
    if (resource_is_unreserved(r))
        return err_set(err, ERR_INVALID,
                       "Persistent volumes cannot be created from unreserved "
                       "resources");
    if (!disk->volume)
        return err_set(err, ERR_INVALID,
                       "Expecting 'volume' to be set for persistent volume");
    if (disk->volume->host_path)
        return err_set(err, ERR_INVALID,
                       "Expecting 'host_path' to be unset for persistent "
                       "volume");
    if (mesos_id_validate(disk->persistence->id, &why) < 0)
        return err_set(err, ERR_INVALID,
                       "Invalid persistence ID for persistent volume: %s",
                       why.text);
    return 0;
}

static int list_check(struct list list, struct err *err)
{
    for (size_t i = 0; i < list.count; i++) {
        if (disk_check(list.at[i], err) < 0) {
            err_wrap(err, "Invalid DiskInfo");
            return err_wrap(err, "Invalid resources");
        }
    }
    if (!list.count)
        return err_set(err, ERR_INVALID,
                       "Invalid resources: The resources have multiple "
                       "resource providers: ");
    return 0;
}

static int volume_check(const Mesos__V1__Resource *r, struct err *err)
{
    if (!r->disk) {
        AUTO_FREE char *text = resource_text(r);

        return err_set(err, ERR_INVALID, "Resource %s does not have DiskInfo",
                       text);
    }
    if (!r->disk->persistence)
        return err_set(err, ERR_INVALID,
                       "'persistence' is not set in DiskInfo");
    if (r->disk->volume && r->disk->volume->mode == MESOS__V1__VOLUME__MODE__RO)
        return err_set(err, ERR_INVALID,
                       "Read-only persistent volume not supported");
    return 0;
}

static int volumes_check(struct list list, struct err *err)
{
    for (size_t i = 0; i < list.count; i++) {
        if (volume_check(list.at[i], err) < 0)
            return err_wrap(err, "Not a persistent volume");
    }
    return 0;
}

/* principal: of the framework; NULL: free choice. */
static int reservation_principal_check(const Mesos__V1__Resource *r,
                                       const char *principal, struct err *err)
{
    const char *given = resource_reservation(r)->principal;

    if (!principal)
        return 0;
    if (!given)
        return err_set(err, ERR_INVALID,
                       "A reserve operation was attempted by principal '%s', "
                       "but there is a reserved resource in the request with "
                       "no principal set",
                       principal);
    if (!str_eq(given, principal))
        return err_set(err, ERR_INVALID,
                       "A reserve operation was attempted by authenticated "
                       "principal '%s', which does not match a reserved "
                       "resource in the request with principal '%s'",
                       principal, given);
    return 0;
}

static char *roles_text(const struct framework *fw)
{
    struct buf text = {0};

    buf_add_str(&text, "{ ");
    for (size_t i = 0; i < fw->n_roles; i++)
        buf_addf(&text, "%s%s", i ? ", " : "", fw->roles[i].name);
    buf_add_str(&text, " }");
    return buf_take(&text, NULL);
}

static int reserve_role_check(const struct framework *fw,
                              const Mesos__V1__Resource *r, struct err *err)
{
    const char *allocated = resource_allocated_role(r);

    if (!str_eq(allocated, resource_role(r)))
        return err_set(err, ERR_INVALID,
                       "A reserve operation was attempted for a resource with "
                       "role '%s', but the resource was allocated to role "
                       "'%s'",
                       resource_role(r), allocated);
    if (!framework_role(fw, allocated)) {
        AUTO_FREE char *roles = roles_text(fw);

        return err_set(err, ERR_INVALID,
                       "A reserve operation was attempted for a resource "
                       "allocated to role '%s', but the framework only has "
                       "roles '%s'",
                       allocated, roles);
    }
    return 0;
}

/* All with the same reservations. */
static int same_reservations_check(struct list list, struct err *err)
{
    if (!list.count)
        return err_set(err, ERR_INVALID, "Resource cannot be empty");
    for (size_t i = 1; i < list.count; i++) {
        if (!resource_same_reservations(list.at[0], list.at[i]))
            return err_set(err, ERR_INVALID,
                           "Mixed reservations are not supported");
    }
    return 0;
}

/* The role an agent's configuration reserves it for; NULL: none. */
static const char *static_role(const Mesos__V1__Resource *r)
{
    bool is_static = r->n_reservations &&
                     r->reservations[0]->type ==
                         MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__STATIC;

    return is_static ? r->reservations[0]->role : NULL;
}

static struct resources *unreserved(struct list list)
{
    struct resources *out = resources_new();

    for (size_t i = 0; i < list.count; i++) {
        Mesos__V1__Resource *r = resource_dup(list.at[i]);

        while (!resource_is_unreserved(r))
            resource_pop_reservation(r);
        resources_add(out, r);
        resource_free(&r);
    }
    return out;
}

/* A new reservation in place of another one. */
static int source_check(const Mesos__V1__Offer__Operation__Reserve *reserve,
                        struct err *err)
{
    struct list source = {reserve->source, reserve->n_source};
    struct list target = {reserve->resources, reserve->n_resources};
    AUTO(resources) struct resources *from = unreserved(source);
    AUTO(resources) struct resources *to = unreserved(target);

    if (same_reservations_check(source, err) < 0)
        return err_wrap(err, "Invalid source");
    if (same_reservations_check(target, err) < 0)
        return err_wrap(err, "Invalid resources");
    if (!resources_contains_all(from, to) ||
        !resources_contains_all(to, from)) {
        AUTO_FREE char *is = resources_text(from);
        AUTO_FREE char *wanted = resources_text(to);

        return err_set(err, ERR_INVALID,
                       "Source and target resources should refer to identical "
                       "resource quantities: %s vs. %s",
                       is, wanted);
    }
    /* No agent could start on what came of it. */
    if (!str_eq(static_role(source.at[0]), static_role(target.at[0])))
        return err_set(err, ERR_INVALID,
                       "Static reservations cannot be changed");
    return 0;
}

static int reserve_check(const struct framework *fw,
                         const Mesos__V1__Offer__Operation__Reserve *reserve,
                         struct err *err)
{
    struct list list = {reserve->resources, reserve->n_resources};

    if (reserve->n_source && source_check(reserve, err) < 0)
        return -1;
    if (list_check(list, err) < 0)
        return -1;
    for (size_t i = 0; i < list.count; i++) {
        const Mesos__V1__Resource *r = list.at[i];
        AUTO_FREE char *text = resource_text(r);

        if (!resource_is_dynamic(r))
            return err_set(err, ERR_INVALID,
                           "Resource %s is not dynamically reserved", text);
        if (fw && reserve_role_check(fw, r, err) < 0)
            return -1;
        if (!fw && resource_allocated_role(r))
            return err_set(err, ERR_INVALID,
                           "A reserve operation was attempted with an "
                           "allocated resource, but the operator API only "
                           "allows reservations to unallocated resources");
        if (fw && reservation_principal_check(r, fw->info->principal, err) < 0)
            return -1;
        if (resource_is_volume(r))
            return err_set(err, ERR_INVALID,
                           "A persistent volume %s must already be reserved",
                           text);
    }
    return 0;
}

static int
unreserve_check(const Mesos__V1__Offer__Operation__Unreserve *unreserve,
                struct err *err)
{
    struct list list = {unreserve->resources, unreserve->n_resources};

    if (list_check(list, err) < 0)
        return -1;
    for (size_t i = 0; i < list.count; i++) {
        AUTO_FREE char *text = resource_text(list.at[i]);

        if (!resource_is_dynamic(list.at[i]))
            return err_set(err, ERR_INVALID,
                           "Resource %s is not dynamically reserved", text);
        if (resource_is_volume(list.at[i]))
            return err_set(err, ERR_INVALID,
                           "A dynamically reserved persistent volume %s "
                           "cannot be unreserved directly. Please destroy the "
                           "persistent volume first then unreserve the "
                           "resource",
                           text);
    }
    return 0;
}

static int create_principal_check(const Mesos__V1__Resource *volume,
                                  const char *principal, struct err *err)
{
    const char *given = volume->disk->persistence->principal;

    if (!principal || str_eq(given, principal))
        return 0;
    if (!given)
        return err_set(err, ERR_INVALID,
                       "Create volume operation attempted by principal '%s', "
                       "but there is a volume in the operation with no "
                       "principal set in 'disk.persistence'",
                       principal);
    return err_set(err, ERR_INVALID,
                   "Create volume operation attempted by principal '%s', but "
                   "there is a volume in the operation with principal '%s' "
                   "set in 'disk.persistence'",
                   principal, given);
}

/* Unique for each role on the agent, and within the list. */
static int unique_check(const struct magent *agent, struct list list,
                        struct err *err)
{
    for (size_t i = 0; i < list.count; i++) {
        const char *id = resource_volume_id(list.at[i]);
        const char *role = resource_role(list.at[i]);
        bool twice = false;

        for (size_t k = 0; k < i; k++)
            twice |= str_eq(resource_volume_id(list.at[k]), id) &&
                     str_eq(resource_role(list.at[k]), role);
        for (size_t k = 0; k < resources_count(agent->total); k++) {
            const Mesos__V1__Resource *r = resources_at(agent->total, k);

            twice |= resource_is_volume(r) &&
                     str_eq(resource_volume_id(r), id) &&
                     str_eq(resource_role(r), role);
        }
        if (twice)
            return err_set(err, ERR_INVALID,
                           "Persistence ID '%s' is not unique", id);
    }
    return 0;
}

static int create_check(const struct framework *fw, const struct magent *agent,
                        const Mesos__V1__Offer__Operation__Create *create,
                        struct err *err)
{
    struct list list = {create->volumes, create->n_volumes};

    if (list_check(list, err) < 0 || volumes_check(list, err) < 0 ||
        unique_check(agent, list, err) < 0)
        return -1;
    for (size_t i = 0; i < list.count; i++) {
        AUTO_FREE char *text = resource_text(list.at[i]);

        if (fw && resource_is_shared(list.at[i]) &&
            !framework_has(fw, CAP(SHARED_RESOURCES)))
            return err_set(err, ERR_INVALID,
                           "Create volume operation for '%s' has been "
                           "attempted by framework '%s' with no "
                           "SHARED_RESOURCES capability",
                           text, fw->id);
        if (fw &&
            create_principal_check(list.at[i], fw->info->principal, err) < 0)
            return -1;
    }
    return 0;
}

static bool in_use(const struct magent *agent, const Mesos__V1__Resource *r)
{
    AUTO(resources) struct resources *used = agent_used(agent, NULL);

    resources_allocate(used, NULL);
    return resources_contains(used, r);
}

static int destroy_check(const struct magent *agent,
                         const Mesos__V1__Offer__Operation__Destroy *destroy,
                         struct err *err)
{
    struct list list = {destroy->volumes, destroy->n_volumes};
    int rc = 0;

    if (list_check(list, err) < 0 || volumes_check(list, err) < 0)
        return -1;
    for (size_t i = 0; rc == 0 && i < list.count; i++) {
        Mesos__V1__Resource *plain = resource_dup(list.at[i]);

        resource_allocate(plain, NULL);
        if (!resources_contains(agent->total, plain))
            rc = err_set(err, ERR_INVALID, "Persistent volumes not found");
        else if (in_use(agent, plain))
            rc = err_set(err, ERR_INVALID, "Persistent volumes in use");
        resource_free(&plain);
    }
    return rc;
}

static int resize_check(const struct magent *agent,
                        const Mesos__V1__Resource *volume, const char *what,
                        struct err *err)
{
    AUTO_FREE char *text = NULL;

    if (!agent->no_resize_volume)
        return 0;
    text = resource_text(volume);
    return err_set(err, ERR_INVALID,
                   "Volume %s cannot be %s on an agent without RESIZE_VOLUME "
                   "capability",
                   text, what);
}

static int grow_check(const struct magent *agent,
                      const Mesos__V1__Offer__Operation__GrowVolume *grow,
                      struct err *err)
{
    Mesos__V1__Resource *bare;
    bool fits;

    if (disk_check(grow->volume, err) < 0)
        return err_wrap(err, "Invalid resource in the 'GrowVolume.volume' "
                             "field");
    if (resource_milli(grow->addition) <= 0)
        return err_set(err, ERR_INVALID,
                       "The size of 'GrowVolume.addition' field must be "
                       "greater than zero");
    if (grow->volume->provider_id)
        return err_set(err, ERR_INVALID,
                       "Growing a volume from a resource provider is not "
                       "supported");
    if (volume_check(grow->volume, err) < 0)
        return err_wrap(err, "Invalid persistent volume in the "
                             "'GrowVolume.volume' field");
    if (resource_is_shared(grow->volume))
        return err_set(err, ERR_INVALID,
                       "Growing a shared persistent volume is not supported");
    bare = resource_dup(grow->volume);
    resource_strip_volume(bare);
    fits = resource_addable(bare, grow->addition);
    resource_free(&bare);
    if (!fits)
        return err_set(err, ERR_INVALID,
                       "Incompatible resources in the 'GrowVolume.volume' and "
                       "'GrowVolume.addition' fields");
    return resize_check(agent, grow->volume, "grown", err);
}

static int shrink_check(const struct magent *agent,
                        const Mesos__V1__Offer__Operation__ShrinkVolume *shrink,
                        struct err *err)
{
    int64_t subtract = milli_of(shrink->subtract->value);

    if (disk_check(shrink->volume, err) < 0)
        return err_wrap(err, "Invalid resource in the 'ShrinkVolume.volume' "
                             "field");
    if (subtract <= 0)
        return err_set(err, ERR_INVALID,
                       "Value of 'ShrinkVolume.subtract' must be greater than "
                       "zero");
    if (subtract >= resource_milli(shrink->volume))
        return err_set(err, ERR_INVALID,
                       "Value of 'ShrinkVolume.subtract' must be smaller than "
                       "the size of 'ShrinkVolume.volume'");
    if (shrink->volume->provider_id)
        return err_set(err, ERR_INVALID,
                       "Shrinking a volume from a resource provider is not "
                       "supported");
    if (resource_disk_kind(shrink->volume) == DISK_MOUNT)
        return err_set(err, ERR_INVALID,
                       "Shrinking a volume on a MOUNT disk is not supported");
    if (volume_check(shrink->volume, err) < 0)
        return err_wrap(err, "Invalid persistent volume in the "
                             "'ShrinkVolume.volume' field");
    if (resource_is_shared(shrink->volume))
        return err_set(err, ERR_INVALID,
                       "Shrinking a shared persistent volume is not supported");
    return resize_check(agent, shrink->volume, "shrunk", err);
}

int operation_validate(const struct framework *fw, const struct magent *agent,
                       const Mesos__V1__Offer__Operation *op, struct err *err)
{
    switch ((int)op->type) {
    case OP(RESERVE):
        if (op->reserve)
            return reserve_check(fw, op->reserve, err);
        break;
    case OP(UNRESERVE):
        if (op->unreserve)
            return unreserve_check(op->unreserve, err);
        break;
    case OP(CREATE):
        if (op->create)
            return create_check(fw, agent, op->create, err);
        break;
    case OP(DESTROY):
        if (op->destroy)
            return destroy_check(agent, op->destroy, err);
        break;
    case OP(GROW_VOLUME):
        if (op->grow_volume)
            return grow_check(agent, op->grow_volume, err);
        break;
    case OP(SHRINK_VOLUME):
        if (op->shrink_volume)
            return shrink_check(agent, op->shrink_volume, err);
        break;
    default:
        return err_set(err, ERR_UNSUPPORTED,
                       "%s needs a storage resource provider, which this "
                       "cluster does not have",
                       operation_name((int)op->type));
    }
    return err_set(err, ERR_INVALID,
                   "Expecting the message of %s to be present",
                   operation_name((int)op->type));
}
