/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as placement constraints: rules that can be asked, or an error. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/spec/placement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void use(const struct placement_rule *rule, int depth)
{
    ASSERT(depth < 100);
    if (rule->match)
        placement_compare(rule->match, "rack:aaaaaaaaaaaaaaaaaaaaaaaaaaaaa1");
    if (rule->tasks)
        placement_compare(rule->tasks, "data-0");
    for (size_t i = 0; i < rule->n_children; i++)
        use(&rule->children[i], depth + 1);
}

static void see(void *self, const char *name)
{
    ASSERT(!self && name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    AUTO_FREE char *text = xstrndup((const char *)data, len);
    struct err err = {0};
    struct placement_rules *rules = placement_parse(text, &err);

    if (!rules) {
        ASSERT(err.code == ERR_INVALID && *err.text);
        return 0;
    }
    for (size_t i = 0; i < placement_count(rules); i++)
        use(placement_at(rules, i), 0);
    placement_mentions(rules, "@zone");
    placement_each_hook(rules, see, NULL);
    placement_free(&rules);
    return 0;
}
