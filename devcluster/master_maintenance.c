/* SPDX-License-Identifier: Apache-2.0 */
/* master_maintenance - machines that will be, or are, away for maintenance
 *
 * A machine in the schedule is draining until it is taken down; one that is
 * not in it is up.  Schedule and downed machines are in the registry.  Every
 * change of the schedule rescinds the offers of all agents, also of those it
 * does not concern: so does a real master.
 */
#include "devcluster/master_state.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define SCHEDULE Mesos__V1__Master__Schedule
#define WINDOW   Mesos__V1__Master__Window

enum mode { MODE_UP, MODE_DRAINING, MODE_DOWN };

/* ---- machines ----------------------------------------------------------- */

static bool same_machine(const Mesos__V1__MachineID *a,
                         const Mesos__V1__MachineID *b)
{
    return !a->hostname == !b->hostname && !a->ip == !b->ip &&
           strcasecmp(str_or_empty(a->hostname), str_or_empty(b->hostname)) ==
               0 &&
           str_eq(str_or_empty(a->ip), str_or_empty(b->ip));
}

/* Borrows both strings. */
static Mesos__V1__MachineID machine_named(const char *hostname, const char *ip)
{
    Mesos__V1__MachineID id = MESOS__V1__MACHINE_ID__INIT;

    id.hostname = (char *)(uintptr_t)hostname;
    id.ip = (char *)(uintptr_t)ip;
    return id;
}

static Mesos__V1__MachineID machine_of(const struct magent *agent)
{
    return machine_named(agent->info->hostname, agent->ip);
}

static const WINDOW *window_of(const SCHEDULE *schedule,
                               const Mesos__V1__MachineID *id)
{
    for (size_t i = 0; schedule && i < schedule->n_windows; i++) {
        const WINDOW *window = schedule->windows[i];

        for (size_t k = 0; k < window->n_machine_ids; k++) {
            if (same_machine(window->machine_ids[k], id))
                return window;
        }
    }
    return NULL;
}

static enum mode mode_of(const struct master *m, const Mesos__V1__MachineID *id)
{
    for (size_t i = 0; i < m->n_down; i++) {
        if (same_machine(m->down[i], id))
            return MODE_DOWN;
    }
    return window_of(m->schedule, id) ? MODE_DRAINING : MODE_UP;
}

static bool has_agents(const struct master *m, const Mesos__V1__MachineID *id)
{
    struct magent *agent, *next;

    HASH_ITER(hh, m->agents, agent, next)
    {
        Mesos__V1__MachineID its = machine_of(agent);

        if (same_machine(&its, id))
            return true;
    }
    return false;
}

const Mesos__V1__Unavailability *maintenance_of(const struct master *m,
                                                const struct magent *agent)
{
    Mesos__V1__MachineID id;
    const WINDOW *window;

    if (!m->schedule)
        return NULL;
    id = machine_of(agent);
    window = window_of(m->schedule, &id);
    return window ? window->unavailability : NULL;
}

bool machine_is_down(const struct master *m, const char *hostname,
                     const char *ip)
{
    Mesos__V1__MachineID id = machine_named(hostname, ip);

    return m->n_down && mode_of(m, &id) == MODE_DOWN;
}

char *maintenance_machine_text(const struct master *m,
                               const struct magent *agent)
{
    return maintenance_of(m, agent)
               ? xasprintf("%s (%s)", agent->info->hostname, agent->ip)
               : NULL;
}

/* ---- what is valid ------------------------------------------------------ */

static char *id_text(const Mesos__V1__MachineID *id)
{
    json_t *json = wire_to_json(&id->base, WIRE_JSON_PROTO);
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);

    json_decref(json);
    return text;
}

static int id_validate(const Mesos__V1__MachineID *id, struct err *err)
{
    struct in_addr ip;

    if (!*str_or_empty(id->hostname) && !*str_or_empty(id->ip))
        return err_set(err, ERR_INVALID,
                       "Both 'hostname' and 'ip' for a machine are empty");
    if (*str_or_empty(id->ip) && inet_pton(AF_INET, id->ip, &ip) != 1)
        return err_set(err, ERR_INVALID, "Failed to parse the IP");
    return 0;
}

static int twice(const Mesos__V1__MachineID *id, struct err *err)
{
    AUTO_FREE char *text = id_text(id);

    return err_set(err, ERR_INVALID,
                   "Machine '%s' appears more than once in the schedule", text);
}

static int ids_validate(Mesos__V1__MachineID *const *ids, size_t count,
                        struct err *err)
{
    if (!count)
        return err_set(err, ERR_INVALID, "List of machines is empty");
    for (size_t i = 0; i < count; i++) {
        if (id_validate(ids[i], err) < 0)
            return -1;
        for (size_t k = 0; k < i; k++) {
            if (same_machine(ids[i], ids[k]))
                return twice(ids[i], err);
        }
    }
    return 0;
}

static int window_validate(const SCHEDULE *schedule, const WINDOW *window,
                           struct err *err)
{
    const Mesos__V1__DurationInfo *duration = window->unavailability->duration;

    if (!window->n_machine_ids)
        return err_set(err, ERR_INVALID,
                       "List of machines in the maintenance window is empty");
    if (duration && duration->nanoseconds < 0)
        return err_set(err, ERR_INVALID,
                       "Unavailability 'duration' is negative");
    if (ids_validate(window->machine_ids, window->n_machine_ids, err) < 0)
        return -1;
    for (size_t i = 0; i < window->n_machine_ids; i++) {
        if (window_of(schedule, window->machine_ids[i]) != window)
            return twice(window->machine_ids[i], err);
    }
    return 0;
}

static int schedule_validate(const struct master *m, const SCHEDULE *schedule,
                             struct err *err)
{
    for (size_t i = 0; i < schedule->n_windows; i++) {
        if (window_validate(schedule, schedule->windows[i], err) < 0)
            return -1;
    }
    for (size_t i = 0; i < m->n_down; i++) {
        AUTO_FREE char *text = id_text(m->down[i]);

        if (!window_of(schedule, m->down[i]))
            return err_set(err, ERR_INVALID,
                           "Machine '%s' is deactivated and cannot be removed "
                           "from the schedule",
                           text);
    }
    return 0;
}

/* All of them in this mode? */
static int modes_validate(const struct master *m,
                          Mesos__V1__MachineID *const *ids, size_t count,
                          enum mode mode, struct err *err)
{
    if (ids_validate(ids, count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        enum mode is = mode_of(m, ids[i]);
        AUTO_FREE char *text = id_text(ids[i]);

        if (is == MODE_UP && !has_agents(m, ids[i]))
            return err_set(err, ERR_INVALID,
                           "Machine '%s' is not part of a maintenance schedule",
                           text);
        if (is != mode)
            return err_set(err, ERR_INVALID,
                           "Machine '%s' is not in %s mode and cannot be "
                           "brought %s",
                           text, mode == MODE_DOWN ? "DOWN" : "DRAINING",
                           mode == MODE_DOWN ? "up" : "down");
    }
    return 0;
}

/* ---- changing it -------------------------------------------------------- */

/* Those that were planned for first, then the others. */
static void rescind_all(struct master *m, const SCHEDULE *old)
{
    for (int planned = 1; planned >= 0; planned--) {
        struct magent *agent, *next;

        HASH_ITER(hh, m->agents, agent, next)
        {
            Mesos__V1__MachineID id = machine_of(agent);

            if ((window_of(old, &id) != NULL) != planned)
                continue;
            agent_offers_withdraw(m, agent);
            inverse_offers_forget(m, agent);
        }
    }
}

void maintenance_update(struct master *m, const SCHEDULE *schedule,
                        struct master_reply *reply)
{
    SCHEDULE *old = m->schedule;
    struct err err;

    if (schedule_validate(m, schedule, &err) < 0) {
        reply_set(reply, 400, "%s", err.text);
        return;
    }
    m->schedule = schedule->n_windows ? PB_DUP(schedule) : NULL;
    save_registry(m);
    rescind_all(m, old);
    PB_FREE(old);
    m->allocate_soon = true;
    reply_set(reply, 200, "%s", "");
}

void maintenance_start(struct master *m, Mesos__V1__MachineID *const *ids,
                       size_t count, struct master_reply *reply)
{
    struct magent *agent, *next;
    struct err err;

    if (modes_validate(m, ids, count, MODE_DRAINING, &err) < 0) {
        reply_set(reply, 400, "%s", err.text);
        return;
    }
    for (size_t i = 0; i < count; i++)
        PB_ADD(m, down, PB_DUP(ids[i]));
    save_registry(m);
    HASH_ITER(hh, m->agents, agent, next)
    {
        Mesos__V1__MachineID id = machine_of(agent);

        if (mode_of(m, &id) == MODE_DOWN)
            agent_take_down(m, agent);
    }
    reply_set(reply, 200, "%s", "");
}

static void take_out(Mesos__V1__MachineID **list, size_t *count,
                     const Mesos__V1__MachineID *id)
{
    size_t kept = 0;

    for (size_t i = 0; i < *count; i++) {
        if (same_machine(list[i], id))
            PB_FREE(list[i]);
        else
            list[kept++] = list[i];
    }
    *count = kept;
}

static void unschedule(struct master *m, const Mesos__V1__MachineID *id)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->schedule->n_windows; i++) {
        WINDOW *window = m->schedule->windows[i];

        take_out(window->machine_ids, &window->n_machine_ids, id);
        if (window->n_machine_ids)
            m->schedule->windows[kept++] = window;
        else
            PB_FREE(window);
    }
    m->schedule->n_windows = kept;
}

void maintenance_stop(struct master *m, Mesos__V1__MachineID *const *ids,
                      size_t count, struct master_reply *reply)
{
    struct err err;

    if (modes_validate(m, ids, count, MODE_DOWN, &err) < 0) {
        reply_set(reply, 400, "%s", err.text);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        unschedule(m, ids[i]);
        take_out(m->down, &m->n_down, ids[i]);
    }
    if (!m->schedule->n_windows)
        PB_FREE(m->schedule);
    save_registry(m);
    reply_set(reply, 200, "%s", "");
}

void maintenance_free(struct master *m)
{
    PB_FREE(m->schedule);
    for (size_t i = 0; i < m->n_down; i++)
        PB_FREE(m->down[i]);
    free(m->down);
}

/* ---- what operators see ------------------------------------------------- */

SCHEDULE *maintenance_schedule(const struct master *m)
{
    return m->schedule ? PB_DUP(m->schedule)
                       : PB_NEW(mesos__v1__master__schedule);
}

static void put_answers(const struct magent *agent,
                        Mesos__V1__Master__ClusterStatus__DrainingMachine *out)
{
    const struct minverse *one;

    LL_FOREACH(agent->inverse, one)
    {
        Mesos__V1__Master__InverseOfferStatus *status;

        if (!one->status)
            continue;
        status = PB_NEW(mesos__v1__master__inverse_offer_status);
        status->status =
            (Mesos__V1__Master__InverseOfferStatus__Status)one->status;
        status->framework_id = pb_framework_id(one->framework->id);
        status->timestamp = pb_time(one->said_us * 1000);
        PB_ADD(out, statuses, status);
    }
}

static Mesos__V1__Master__ClusterStatus__DrainingMachine *
draining_machine(const struct master *m, const Mesos__V1__MachineID *id)
{
    Mesos__V1__Master__ClusterStatus__DrainingMachine *out =
        PB_NEW(mesos__v1__master__cluster_status__draining_machine);
    struct magent *agent, *next;

    out->id = PB_DUP(id);
    HASH_ITER(hh, m->agents, agent, next)
    {
        Mesos__V1__MachineID its = machine_of(agent);

        if (same_machine(&its, id))
            put_answers(agent, out);
    }
    return out;
}

Mesos__V1__Master__ClusterStatus *maintenance_status(const struct master *m)
{
    Mesos__V1__Master__ClusterStatus *out =
        PB_NEW(mesos__v1__master__cluster_status);

    for (size_t i = 0; m->schedule && i < m->schedule->n_windows; i++) {
        const WINDOW *window = m->schedule->windows[i];

        for (size_t k = 0; k < window->n_machine_ids; k++) {
            if (mode_of(m, window->machine_ids[k]) == MODE_DRAINING)
                PB_ADD(out, draining_machines,
                       draining_machine(m, window->machine_ids[k]));
        }
    }
    for (size_t i = 0; i < m->n_down; i++)
        PB_ADD(out, down_machines, PB_DUP(m->down[i]));
    return out;
}
