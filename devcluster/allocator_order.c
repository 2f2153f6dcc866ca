/* SPDX-License-Identifier: Apache-2.0 */
/* allocator_order - who is offered first: dominant shares
 *
 * Roles form a tree; at each level the one with the least share of the cluster
 * (divided by its weight) comes first, then the one that was offered least
 * often, then by name.  Within a role frameworks are ordered the same way.
 */
#include "devcluster/master_state.h"

#include <string.h>

/* A role and all below it; or a role alone beside those below it. */
struct node {
    const char *name;
    double share;
    uint64_t allocations;
};

static double dominant(const struct master *m, const int64_t *shares)
{
    double most = 0;

    for (int k = 0; k < SHARE_COUNT; k++) {
        if (m->totals[k] > 0 && (double)shares[k] / (double)m->totals[k] > most)
            most = (double)shares[k] / (double)m->totals[k];
    }
    return most;
}

static double weight_of(const struct master *m, const char *name, size_t len)
{
    struct mrole *role;

    HASH_FIND(hh, m->roles, name, len, role);
    return role && role->weight > 0 ? role->weight : 1.0;
}

static bool is_below(const char *role, const char *name, size_t len)
{
    return strncmp(role, name, len) == 0 &&
           (role[len] == '\0' || role[len] == '/');
}

static struct node node_of(const struct master *m, const char *name, size_t len,
                           bool alone)
{
    struct node node = {.name = name};
    int64_t shares[SHARE_COUNT] = {0};
    struct mrole *role, *next;

    if (alone || !m->nested_roles) {
        HASH_FIND(hh, m->roles, name, len, role);
        node.share = role ? dominant(m, role->shares) : 0;
        node.allocations = role ? role->allocations : 0;
    } else {
        HASH_ITER(hh, m->roles, role, next)
        {
            if (!is_below(role->name, name, len))
                continue;
            node.allocations += role->allocations;
            for (int k = 0; k < SHARE_COUNT; k++)
                shares[k] += role->shares[k];
        }
        node.share = dominant(m, shares);
    }
    if (!alone)
        node.share /= weight_of(m, name, len);
    return node;
}

/* Length of the part of `role` that stands at the level where the two differ;
 * *alone: it is the other one's parent. */
static size_t level_of(const char *role, size_t common, bool *alone)
{
    *alone = role[common] == '\0';
    return *alone ? common : common + 1 + strcspn(role + common + 1, "/");
}

/* Where both paths are still the same, up to a '/' or an end. */
static size_t common_of(const char *a, const char *b)
{
    size_t common = 0, i = 0;

    for (; a[i] && a[i] == b[i]; i++) {
        if (a[i] == '/')
            common = i;
    }
    if ((!a[i] || a[i] == '/') && (!b[i] || b[i] == '/'))
        common = i;
    return common;
}

static int compare_roles(const struct master *m, const char *a, const char *b)
{
    size_t common = common_of(a, b), a_len, b_len;
    bool a_alone = false, b_alone = false;
    struct node x, y;

    if (common == 0) {
        a_len = strcspn(a, "/");
        b_len = strcspn(b, "/");
    } else {
        a_len = level_of(a, common, &a_alone);
        b_len = level_of(b, common, &b_alone);
    }
    x = node_of(m, a, a_len, a_alone);
    y = node_of(m, b, b_len, b_alone);
    if (x.share != y.share)
        return x.share < y.share ? -1 : 1;
    if (x.allocations != y.allocations)
        return x.allocations < y.allocations ? -1 : 1;
    return strcmp(a, b);
}

bool claimant_before(const struct master *m, const struct claimant *a,
                     const struct claimant *b)
{
    double x, y;

    if (!str_eq(a->role, b->role))
        return compare_roles(m, a->role, b->role) < 0;
    x = dominant(m, a->framework->shares);
    y = dominant(m, b->framework->shares);
    if (x != y)
        return x < y;
    return a->framework->offers_sent < b->framework->offers_sent;
}
