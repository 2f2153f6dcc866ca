/* SPDX-License-Identifier: Apache-2.0 */
/* env_route - TASKCFG_<POD TYPE>_<NAME> and TASKCFG_ALL_<NAME> become variables
 * of tasks
 *
 * A pod type is written in upper case with '_' for all but letters and digits.
 * The specific form beats ALL, whatever the order of the environment; where
 * several pod types are prefixes of a name, the longest one takes it.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/spec/loader.h"

#define PREFIX "TASKCFG_"

static void set_all_tasks(Reeve__PodSpec *pod, const char *name,
                          const char *value)
{
    for (size_t i = 0; i < pod->n_tasks; i++)
        load_set_env(pod->tasks[i], name, value);
}

/* Length of "<TYPE>_" when entry ("DATA_FOO=x") begins with it and a name
 * follows, else 0. */
static size_t match(const char *entry, const char *type)
{
    size_t i = 0;

    for (; type[i]; i++) {
        char c = isalnum((unsigned char)type[i])
                     ? (char)toupper((unsigned char)type[i])
                     : '_';
        if (entry[i] != c)
            return 0;
    }
    return entry[i] == '_' && entry[i + 1] && entry[i + 1] != '=' ? i + 1 : 0;
}

/* How many distinct pod types match, and the longest match. */
static size_t longest_match(const Reeve__ServiceSpec *spec, const char *entry,
                            size_t *distinct)
{
    size_t longest = 0;

    *distinct = 0;
    for (size_t i = 0; i < spec->n_pods; i++) {
        size_t len = match(entry, spec->pods[i]->type);
        if (len && len != longest)
            ++*distinct;
        longest = MAX(longest, len);
    }
    return longest;
}

static void route_all(struct loader *l, const char *entry)
{
    size_t len = match(entry, "all");
    const char *equals = strchr(entry, '=');

    if (!len || !equals)
        return;
    AUTO_FREE char *name =
        xstrndup(entry + len, (size_t)(equals - entry) - len);
    for (size_t i = 0; i < l->spec->n_pods; i++)
        set_all_tasks(l->spec->pods[i], name, equals + 1);
}

static void route_specific(struct loader *l, const char *entry)
{
    const char *equals = strchr(entry, '=');
    size_t distinct, len = longest_match(l->spec, entry, &distinct);

    if (!equals || (!len && match(entry, "all")))
        return;
    int full = (int)(equals - entry);
    if (!len) {
        load_note(l, PREFIX "%.*s names no pod of the service, ignored",
                  MIN(full, 200), entry);
        return;
    }
    AUTO_FREE char *name = xstrndup(entry + len, (size_t)full - len);
    if (distinct > 1)
        load_note(l,
                  PREFIX "%.*s fits several pods; taken as %s of the "
                         "longest pod name",
                  MIN(full, 200), entry, name);
    for (size_t i = 0; i < l->spec->n_pods; i++)
        if (match(entry, l->spec->pods[i]->type) == len)
            set_all_tasks(l->spec->pods[i], name, equals + 1);
}

void load_route_env(struct loader *l)
{
    const char *const *env = l->source->env;

    for (size_t i = 0; env && env[i]; i++)
        if (str_starts(env[i], PREFIX))
            route_all(l, env[i] + strlen(PREFIX));
    for (size_t i = 0; env && env[i]; i++)
        if (str_starts(env[i], PREFIX))
            route_specific(l, env[i] + strlen(PREFIX));
}
