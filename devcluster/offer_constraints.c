/* SPDX-License-Identifier: Apache-2.0 */
/* offer_constraints - does an agent pass a role's offer constraints?
 *
 * Any group is enough; within a group every predicate must hold.  Text
 * predicates hold for attributes that are not text, as in the master.  Regular
 * expressions are POSIX extended ones here, where the master has RE2; each must
 * match the whole text.
 */
#include "devcluster/master_state.h"

#include <regex.h>
#include <string.h>

#define CONSTRAINT(name) Mesos__V1__Scheduler__AttributeConstraint__##name
#define SELECT(name)                                                           \
    MESOS__V1__SCHEDULER__ATTRIBUTE_CONSTRAINT__SELECTOR__PSEUDOATTRIBUTE_TYPE__##name
#define SELECT_BY(name)                                                        \
    MESOS__V1__SCHEDULER__ATTRIBUTE_CONSTRAINT__SELECTOR__SELECTOR_##name
#define PREDICATE(name)                                                        \
    MESOS__V1__SCHEDULER__ATTRIBUTE_CONSTRAINT__PREDICATE__PREDICATE_##name

/* What a selector finds on an agent. */
struct found {
    bool exists;
    const char *text; /* NULL: not a text */
};

static struct found pseudo_of(int type, const Mesos__V1__AgentInfo *agent)
{
    const Mesos__V1__DomainInfo__FaultDomain *domain =
        agent->domain ? agent->domain->fault_domain : NULL;
    struct found found = {false, NULL};

    if (type == SELECT(HOSTNAME))
        found = (struct found){true, agent->hostname};
    else if (type == SELECT(REGION) && domain)
        found = (struct found){true, domain->region->name};
    else if (type == SELECT(ZONE) && domain)
        found = (struct found){true, domain->zone->name};
    return found;
}

static struct found select_of(const CONSTRAINT(Selector) * selector,
                              const Mesos__V1__AgentInfo *agent)
{
    struct found found = {false, NULL};

    if (selector->selector_case == SELECT_BY(PSEUDOATTRIBUTE_TYPE))
        return pseudo_of((int)selector->pseudoattribute_type, agent);
    if (selector->selector_case != SELECT_BY(ATTRIBUTE_NAME))
        return found;
    for (size_t i = 0; i < agent->n_attributes; i++) {
        const Mesos__V1__Attribute *attribute = agent->attributes[i];

        if (!str_eq(attribute->name, selector->attribute_name))
            continue;
        found.exists = true;
        found.text = attribute->text ? attribute->text->value : NULL;
        return found;
    }
    return found;
}

static bool matches(const char *regex, const char *text)
{
    char *whole = xasprintf("^(%s)$", regex);
    regex_t re;
    bool yes = false;

    if (regcomp(&re, whole, REG_EXTENDED | REG_NOSUB) == 0) {
        yes = regexec(&re, text, 0, NULL, 0) == 0;
        regfree(&re);
    }
    free(whole);
    return yes;
}

static bool text_holds(const CONSTRAINT(Predicate) * predicate,
                       const char *text)
{
    switch ((int)predicate->predicate_case) {
    case PREDICATE(TEXT_EQUALS):
        return str_eq(text, predicate->text_equals->value);
    case PREDICATE(TEXT_NOT_EQUALS):
        return !str_eq(text, predicate->text_not_equals->value);
    case PREDICATE(TEXT_MATCHES):
        return matches(predicate->text_matches->regex, text);
    case PREDICATE(TEXT_NOT_MATCHES):
        return !matches(predicate->text_not_matches->regex, text);
    default:
        return false;
    }
}

static bool predicate_holds(const CONSTRAINT(Predicate) * predicate,
                            const struct found *found)
{
    int kind = (int)predicate->predicate_case;

    if (kind == PREDICATE(EXISTS))
        return found->exists;
    if (kind == PREDICATE(NOT_EXISTS))
        return !found->exists;
    if (!found->exists)
        return kind == PREDICATE(TEXT_NOT_EQUALS) ||
               kind == PREDICATE(TEXT_NOT_MATCHES);
    return !found->text || text_holds(predicate, found->text);
}

static bool
role_admits(const Mesos__V1__Scheduler__OfferConstraints__RoleConstraints *role,
            const Mesos__V1__AgentInfo *agent)
{
    for (size_t i = 0; i < role->n_groups; i++) {
        bool all = true;

        for (size_t k = 0; all && k < role->groups[i]->n_attribute_constraints;
             k++) {
            const Mesos__V1__Scheduler__AttributeConstraint *one =
                role->groups[i]->attribute_constraints[k];
            struct found found = select_of(one->selector, agent);

            all = predicate_holds(one->predicate, &found);
        }
        if (all)
            return true;
    }
    return false;
}

bool constraints_admit(
    const Mesos__V1__Scheduler__OfferConstraints *constraints, const char *role,
    const Mesos__V1__AgentInfo *agent)
{
    for (size_t i = 0; constraints && i < constraints->n_role_constraints;
         i++) {
        if (str_eq(constraints->role_constraints[i]->key, role) &&
            constraints->role_constraints[i]->value)
            return role_admits(constraints->role_constraints[i]->value, agent);
    }
    return true;
}
