/* SPDX-License-Identifier: Apache-2.0 */
/* master_accept - ACCEPT and DECLINE: offers in, operations in order, rest back
 *
 * The offers are checked as a set and used up.  Then every operation works on
 * what remains of them; a failing one is skipped.  What RESERVE, UNRESERVE,
 * CREATE and DESTROY made is taken as done at once, before the agent did it.
 */
#include "devcluster/master_state.h"

#include <string.h>

/* ---- the offers --------------------------------------------------------- */

static int check_unique(char *const *ids, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (str_eq(ids[i], ids[k]))
                return err_set(err, ERR_INVALID,
                               "Duplicate offer %s in offer list", ids[i]);
        }
    }
    return 0;
}

static int check_one(const struct framework *fw, const struct moffer *first,
                     const struct moffer *offer, struct err *err)
{
    if (offer->framework != fw)
        return err_set(err, ERR_INVALID,
                       "Offer %s has invalid framework %s while framework %s "
                       "is expected",
                       offer->id, offer->framework->id, fw->id);
    if (!str_eq(offer->role, first->role))
        return err_set(err, ERR_INVALID,
                       "Aggregated offers must be allocated to the same role. "
                       "Offer %s uses role '%s' but another is using role "
                       "'%s'",
                       offer->id, offer->role, first->role);
    if (offer->agent != first->agent)
        return err_set(err, ERR_INVALID,
                       "Aggregated offers must belong to one single agent. "
                       "Offer %s uses agent %s and agent %s",
                       offer->id, offer->agent->id, first->agent->id);
    return 0;
}

static int check_offers(const struct master *m, const struct framework *fw,
                        const Mesos__V1__Scheduler__Call__Accept *accept,
                        struct err *err)
{
    size_t count = accept->n_offer_ids;
    char **ids = xcalloc(count + 1, sizeof *ids);
    int rc = 0;

    if (!count)
        rc = err_set(err, ERR_INVALID, "No offers specified");
    for (size_t i = 0; i < count; i++)
        ids[i] = accept->offer_ids[i]->value;
    if (rc == 0)
        rc = check_unique(ids, count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (!find_offer(m, ids[i]))
            rc = err_set(err, ERR_INVALID, "Offer %s is no longer valid",
                         ids[i]);
    }
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = check_one(fw, find_offer(m, ids[0]), find_offer(m, ids[i]), err);
    free(ids);
    return rc;
}

static void refuse_operation(struct master *m, struct framework *fw,
                             const Mesos__V1__Offer__Operation *op,
                             const char *why)
{
    AUTO_FREE char *text =
        xasprintf("Task launched with invalid offers: %s", why);
    struct status_spec lost = {
        NULL, NULL, NULL, TASK(DROPPED), REASON(INVALID_OFFERS), text};

    if (op->type == OP(LAUNCH) || op->type == OP(LAUNCH_GROUP))
        launch_refuse(m, fw, op, &lost);
}

static void refuse_feedback(struct master *m, struct framework *fw,
                            const Mesos__V1__Offer__Operation *op,
                            const char *why)
{
    AUTO_FREE char *text =
        xasprintf("Operation attempted with invalid offers: %s", why);
    struct operation_spec spec = {ID_OF(op->id), NULL, OP_STATE(ERROR), text};

    if (op->type != OP(LAUNCH) && op->type != OP(LAUNCH_GROUP))
        send_operation_status(m, fw, &spec);
}

/* The whole call is void: valid offers go back, all else is refused. */
static void refuse_all(struct master *m, struct framework *fw,
                       const Mesos__V1__Scheduler__Call__Accept *accept,
                       const char *why)
{
    for (size_t i = 0; i < accept->n_offer_ids; i++) {
        struct moffer *offer = find_offer(m, accept->offer_ids[i]->value);

        if (offer && offer->framework == fw)
            offer_withdraw(m, offer, false);
    }
    for (size_t i = 0; i < accept->n_operations; i++) {
        refuse_operation(m, fw, accept->operations[i], why);
        refuse_feedback(m, fw, accept->operations[i], why);
    }
}

/* ---- the operations ----------------------------------------------------- */

static bool is_speculative(int type)
{
    return type == OP(RESERVE) || type == OP(UNRESERVE) || type == OP(CREATE) ||
           type == OP(DESTROY);
}

static bool is_known(int type)
{
    return is_speculative(type) || type == OP(GROW_VOLUME) ||
           type == OP(SHRINK_VOLUME) || type == OP(CREATE_DISK) ||
           type == OP(DESTROY_DISK);
}

static void drop(struct master *m, const struct acceptance *acc,
                 const Mesos__V1__Offer__Operation *op, const char *text)
{
    struct operation_spec spec = {ID_OF(op->id), NULL, OP_STATE(ERROR), text};

    send_operation_status(m, acc->framework, &spec);
}

/* A copy without allocation, as agents and totals have it. */
static Mesos__V1__Offer__Operation *
unallocated(const Mesos__V1__Offer__Operation *op)
{
    Mesos__V1__Offer__Operation *copy = PB_DUP(op);
    struct {
        Mesos__V1__Resource **list;
        size_t count;
    } parts[] = {
        {copy->reserve ? copy->reserve->resources : NULL,
         copy->reserve ? copy->reserve->n_resources : 0},
        {copy->unreserve ? copy->unreserve->resources : NULL,
         copy->unreserve ? copy->unreserve->n_resources : 0},
        {copy->create ? copy->create->volumes : NULL,
         copy->create ? copy->create->n_volumes : 0},
        {copy->destroy ? copy->destroy->volumes : NULL,
         copy->destroy ? copy->destroy->n_volumes : 0},
        {copy->grow_volume ? &copy->grow_volume->volume : NULL,
         copy->grow_volume != NULL},
        {copy->grow_volume ? &copy->grow_volume->addition : NULL,
         copy->grow_volume != NULL},
        {copy->shrink_volume ? &copy->shrink_volume->volume : NULL,
         copy->shrink_volume != NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        for (size_t k = 0; k < parts[i].count; k++)
            resource_allocate(parts[i].list[k], NULL);
    }
    return copy;
}

/* A destroyed shared volume is also in other offers of this agent. */
static void forget_shared(struct master *m, struct acceptance *acc,
                          const Mesos__V1__Offer__Operation *op)
{
    for (size_t i = 0; op->destroy && i < op->destroy->n_volumes; i++) {
        Mesos__V1__Resource *plain = resource_dup(op->destroy->volumes[i]);
        struct moffer *offer, *next;

        resource_allocate(plain, NULL);
        DL_FOREACH_SAFE2(acc->agent->offers, offer, next, ag_next)
        {
            const Mesos__V1__Resource *held = resources_find_volume(
                offer->pool, str_or_empty(resource_volume_id(plain)));

            if (held && resource_is_shared(held))
                offer_withdraw(m, offer, true);
        }
        while (resource_is_shared(plain) &&
               resources_contains(acc->agent->free, plain))
            resources_subtract(acc->agent->free, plain, NULL);
        resource_free(&plain);
    }
}

/* What the operation takes out of the offer. */
static struct resources *inputs_of(const Mesos__V1__Offer__Operation *op)
{
    struct resources *inputs = resources_new();
    Mesos__V1__Resource *const *list = op->reserve ? op->reserve->resources
                                       : op->unreserve
                                           ? op->unreserve->resources
                                       : op->create ? op->create->volumes
                                                    : op->destroy->volumes;
    size_t count = op->reserve     ? op->reserve->n_resources
                   : op->unreserve ? op->unreserve->n_resources
                   : op->create    ? op->create->n_volumes
                                   : op->destroy->n_volumes;

    for (size_t i = 0; i < count; i++) {
        Mesos__V1__Resource *one = resource_dup(list[i]);

        if (op->reserve)
            resource_pop_reservation(one);
        else if (op->create)
            resource_strip_volume(one);
        resources_add(inputs, one);
        resource_free(&one);
    }
    return inputs;
}

/* What is in one list is of different kinds, so that each can be looked for
 * alone; but for copies of shared volumes. */
static bool contains_each(const struct resources *whole,
                          const struct resources *part)
{
    for (size_t i = 0; i < resources_count(part); i++) {
        if (resources_copies(part, i) > 1)
            return resources_contains_all(whole, part);
        if (!resources_contains(whole, resources_at(part, i)))
            return false;
    }
    return true;
}

/* The whole text, however long the lists are; NULL when they are there. */
static char *not_contained(const struct resources *whole,
                           const struct resources *part)
{
    AUTO_FREE char *x = NULL, *y = NULL;

    if (contains_each(whole, part))
        return NULL;
    x = resources_text(whole);
    y = resources_text(part);
    return xasprintf("%s does not contain %s", x, y);
}

/* What the operation puts in the place of its inputs. */
static struct resources *outputs_of(const Mesos__V1__Offer__Operation *op)
{
    AUTO(resources) struct resources *inputs = NULL;
    struct resources *made;

    if (op->reserve)
        return resources_from(op->reserve->resources, op->reserve->n_resources);
    if (op->create)
        return resources_from(op->create->volumes, op->create->n_volumes);
    made = inputs_of(op);
    inputs = resources_dup(made);
    if (resources_apply(made, op, NULL) < 0)
        resources_swap(made, inputs); /* as it fails on more than these too */
    return made;
}

static void apply_speculative(struct master *m, struct acceptance *acc,
                              const Mesos__V1__Offer__Operation *op)
{
    AUTO_MESSAGE Mesos__V1__Offer__Operation *plain = unallocated(op);
    AUTO(resources) struct resources *inputs = inputs_of(op);
    AUTO(resources) struct resources *made = outputs_of(op);
    AUTO_FREE char *missing = not_contained(acc->remaining, inputs);
    struct err err;

    if (missing || resources_apply(acc->remaining, op, &err) < 0) {
        drop(m, acc, op, missing ? missing : err.text);
        return;
    }
    resources_add_all(acc->converted, made);
    /* No amount changes: the totals stay. */
    if (resources_apply(acc->agent->total, plain, &err) < 0)
        note(m, "event=total_mismatch agent=%s", acc->agent->id);
    if (op->type == OP(DESTROY))
        forget_shared(m, acc, op);
    operation_start(m, acc->framework, acc->agent, plain, NULL);
}

/* Takes the inputs of GROW and SHRINK out of what remains. */
static void apply_resize(struct master *m, struct acceptance *acc,
                         const Mesos__V1__Offer__Operation *op)
{
    AUTO_MESSAGE Mesos__V1__Offer__Operation *plain = unallocated(op);
    struct resources *consumed = resources_new();
    AUTO_FREE char *missing = NULL;

    if (op->type == OP(GROW_VOLUME)) {
        resources_add(consumed, op->grow_volume->volume);
        resources_add(consumed, op->grow_volume->addition);
    } else {
        resources_add(consumed, op->shrink_volume->volume);
    }
    missing = not_contained(acc->remaining, consumed);
    if (missing) {
        AUTO_FREE char *text = xasprintf(
            "Invalid %s operation: %s", operation_name((int)op->type), missing);

        drop(m, acc, op, text);
        resources_destroy(&consumed);
        return;
    }
    ASSERT(resources_subtract_all(acc->remaining, consumed, NULL) == 0);
    operation_start(m, acc->framework, acc->agent, plain, consumed);
}

static void run_operation(struct master *m, struct acceptance *acc,
                          const Mesos__V1__Offer__Operation *op)
{
    struct err err;

    if (!is_known((int)op->type)) {
        note(m, "event=operation_type_unknown framework=%s",
             acc->framework->id);
        return;
    }
    if (m->refuse_operations) {
        m->refuse_operations--;
        drop(m, acc, op, "Operation refused on command");
        return;
    }
    if (operation_validate(acc->framework, acc->agent, op, &err) < 0) {
        AUTO_FREE char *suffix = agent_suffix(acc->agent);
        AUTO_FREE char *text = xasprintf("%s; %s", err.text, suffix);

        drop(m, acc, op, text);
        return;
    }
    if (is_speculative((int)op->type))
        apply_speculative(m, acc, op);
    else
        apply_resize(m, acc, op);
}

/* Syntax errors are told apart from everything that needs state. */
static void refuse_syntax(struct master *m, struct acceptance *acc,
                          const Mesos__V1__Offer__Operation *op,
                          const char *why)
{
    AUTO_FREE char *text =
        xasprintf("Operation attempted with invalid resources: %s", why);
    struct status_spec spec = {NULL,
                               NULL,
                               NULL,
                               TASK(ERROR),
                               op->type == OP(LAUNCH)
                                   ? REASON(TASK_INVALID)
                                   : REASON(TASK_GROUP_INVALID),
                               why};

    if (op->type == OP(LAUNCH) || op->type == OP(LAUNCH_GROUP))
        launch_refuse(m, acc->framework, op, &spec);
    else
        drop(m, acc, op, text);
}

static void run_one(struct master *m, struct acceptance *acc,
                    const Mesos__V1__Offer__Operation *given)
{
    AUTO_MESSAGE Mesos__V1__Offer__Operation *op = PB_DUP(given);
    struct err err;

    if (operation_normalize(op, acc->role, &err) < 0)
        refuse_syntax(m, acc, op, err.text);
    else if (op->type == OP(LAUNCH))
        launch_tasks(m, acc, op);
    else if (op->type == OP(LAUNCH_GROUP))
        launch_group(m, acc, op);
    else
        run_operation(m, acc, op);
}

/* The untouched part comes back with a filter, what was made here without. */
static void return_rest(struct master *m, struct acceptance *acc,
                        int64_t refuse_ms)
{
    AUTO(resources) struct resources *untouched = resources_dup(acc->remaining);

    resources_subtract_some(untouched, acc->converted);
    ledger_give_back(m, acc->agent, acc->framework, acc->remaining);
    filter_add(m, acc->agent, acc->framework, acc->role, untouched, refuse_ms);
}

/* Uses the offers up; their resources are the acceptance's now. */
static void take_offers(struct master *m, struct acceptance *acc,
                        const Mesos__V1__Scheduler__Call__Accept *accept)
{
    for (size_t i = 0; i < accept->n_offer_ids; i++) {
        struct moffer *offer = find_offer(m, accept->offer_ids[i]->value);

        resources_add_all(acc->remaining, offer->pool);
        offer_free(m, offer);
    }
}

void call_accept(struct master *m, struct framework *fw,
                 const Mesos__V1__Scheduler__Call *call)
{
    const Mesos__V1__Scheduler__Call__Accept *accept = call->accept;
    struct acceptance acc = {.framework = fw};
    struct moffer *first;
    struct err err;

    if (check_offers(m, fw, accept, &err) < 0) {
        refuse_all(m, fw, accept, err.text);
        return;
    }
    first = find_offer(m, accept->offer_ids[0]->value);
    AUTO_FREE char *role = xstrdup(first->role);
    acc.role = role;
    acc.agent = first->agent;
    acc.remaining = resources_new();
    acc.converted = resources_new();
    take_offers(m, &acc, accept);
    if (accept->n_operations)
        fw->offers_accepted += accept->n_offer_ids;
    else
        fw->offers_declined += accept->n_offer_ids;
    for (size_t i = 0; i < accept->n_operations; i++)
        run_one(m, &acc, accept->operations[i]);
    return_rest(m, &acc, filter_ms(m, accept->filters));
    resources_destroy(&acc.remaining);
    resources_destroy(&acc.converted);
}

void call_decline(struct master *m, struct framework *fw,
                  const Mesos__V1__Scheduler__Call *call)
{
    int64_t refuse_ms = filter_ms(m, call->decline->filters);

    for (size_t i = 0; i < call->decline->n_offer_ids; i++) {
        const char *id = call->decline->offer_ids[i]->value;
        struct moffer *offer = find_offer(m, id);

        if (!offer || offer->framework != fw) {
            note(m, "event=decline_unknown_offer framework=%s offer=%s", fw->id,
                 id);
            continue;
        }
        filter_add(m, offer->agent, fw, offer->role, offer->pool, refuse_ms);
        fw->offers_declined++;
        offer_withdraw(m, offer, false);
    }
}
