/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "services/api-gateway/kept.h"

static void add(struct kept *k, const char *path, const void *body, size_t len)
{
    kept_add(
        k, path,
        &(struct kept_answer){
            .status = 202, .type = "text/plain", .body = body, .len = len});
}

static const struct {
    const char *name;
    struct kept_state state;
    bool is_same;
} states[] = {
    {"the same", {7, 20, 1}, true},
    {"another revision", {8, 20, 1}, false},
    {"the same revision by another event", {7, 21, 1}, false},
    {"the same revision after a snapshot", {7, 20, 2}, false},
    {"an older one", {6, 20, 1}, false},
};

Test(kept, only_for_the_state_it_was_made_from)
{
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        struct kept *k = kept_new();
        struct kept_state first = {7, 20, 1};
        cr_expect_null(kept_find(k, &first, "/a"));
        char body[] = "hello";
        add(k, "/a", body, 5);
        body[0] = 'x'; /* it was copied */
        const struct kept_answer *got = kept_find(k, &states[i].state, "/a");
        cr_expect_eq(got != NULL, states[i].is_same, "case: %s",
                     states[i].name);
        cr_expect(!got || (got->status == 202 && got->len == 5 &&
                           memcmp(got->body, "hello", 5) == 0));
        cr_expect_null(kept_find(k, &states[i].state, "/b"));
        kept_destroy(&k);
    }
}

Test(kept, is_bounded_in_number)
{
    struct kept *k = kept_new();
    struct kept_state state = {1, 1, 1};
    char path[32];
    kept_find(k, &state, "/");
    for (int i = 0; i < 2 * KEPT_MAX_ANSWERS; i++) {
        snprintf(path, sizeof path, "/%d", i);
        add(k, path, "", 0);
        cr_expect_eq(kept_find(k, &state, path) != NULL, i < KEPT_MAX_ANSWERS);
    }
    kept_destroy(&k);
}

Test(kept, is_bounded_in_bytes_until_the_next_state)
{
    struct kept *k = kept_new();
    struct kept_state state = {1, 1, 1};
    size_t len = KEPT_MAX_BYTES / 2 + 1;
    AUTO_FREE char *large = xcalloc(1, len);
    kept_find(k, &state, "/");
    add(k, "/a", large, len);
    add(k, "/b", large, len);
    add(k, "/c", large, 10);
    cr_expect(kept_find(k, &state, "/a"));
    cr_expect_null(kept_find(k, &state, "/b"));
    cr_expect(kept_find(k, &state, "/c"));
    state.revision++;
    cr_expect_null(kept_find(k, &state, "/b"));
    add(k, "/b", large, len);
    cr_expect(kept_find(k, &state, "/b"));
    kept_destroy(&k);
}
