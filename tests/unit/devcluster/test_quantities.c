/* SPDX-License-Identifier: Apache-2.0 */
/* test_quantities - amounts by name */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "devcluster/quantities.h"
#include "lib/base/base.h"

Test(quantities, are_sorted_and_shown)
{
    struct quantities q = {0}, copy = {0};
    AUTO_FREE char *none = quantities_text(&q);
    AUTO_FREE char *text = NULL;

    cr_expect_str_eq(none, "{}");
    quantities_add(&q, "mem", 1024000);
    quantities_set(&q, "cpus", 500);
    quantities_add(&q, "mem", 1);
    quantities_add(&q, "disk", 7000);
    quantities_copy(&copy, &q);
    quantities_clear(&q);
    text = quantities_text(&copy);
    cr_expect_str_eq(text, "cpus:0.5; disk:7; mem:1024.001");
    cr_expect_eq(quantities_get(&copy, "mem", 0), 1024001);
    cr_expect_eq(quantities_get(&copy, "gpus", 5), 5);
    quantities_clear(&copy);
}

static const struct {
    const char *name;
    int64_t part, whole, absent; /* -1: not there */
    bool within;
} cases[] = {
    {"equal", 5, 5, 0, true},
    {"less", 4, 5, 0, true},
    {"more", 6, 5, 0, false},
    {"absent is nothing", 1, -1, 0, false},
    {"absent is no limit", 1, -1, INT64_MAX, true},
    {"nothing in nothing", -1, -1, 0, true},
    {"zero of nothing", 0, -1, 0, true},
};

Test(quantities, within)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct quantities part = {0}, whole = {0};

        if (cases[i].part >= 0)
            quantities_set(&part, "cpus", cases[i].part);
        if (cases[i].whole >= 0)
            quantities_set(&whole, "cpus", cases[i].whole);
        cr_expect_eq(quantities_within(&part, &whole, cases[i].absent),
                     cases[i].within, "%s", cases[i].name);
        quantities_clear(&part);
        quantities_clear(&whole);
    }
}
