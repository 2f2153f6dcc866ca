/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "lib/base/base.h"
#include "services/api-gateway/router.h"

static const struct {
    const char *name, *pattern, *path;
    bool matches;
    const char *params; /* joined by '|' */
} match_cases[] = {
    {"exact", "/v1/plans", "/v1/plans", true, ""},
    {"other", "/v1/plans", "/v1/plan", false, ""},
    {"longer path", "/v1/plans", "/v1/plans/x", false, ""},
    {"shorter path", "/v1/plans/{}", "/v1/plans", false, ""},
    {"one part", "/v1/plans/{}", "/v1/plans/deploy", true, "deploy"},
    {"part with colon and brackets", "/v1/plans/{}", "/v1/plans/a:[b, c]", true,
     "a:[b, c]"},
    {"part then verb", "/v1/pod/{}/info", "/v1/pod/data-0/info", true,
     "data-0"},
    {"empty part", "/v1/plans/{}", "/v1/plans/", false, ""},
    {"trailing slash", "/v1/plans", "/v1/plans/", true, ""},
    {"two parts", "/a/{}/b/{}", "/a/1/b/2", true, "1|2"},
    {"empty path", "/v1", "", false, ""},
};

Test(router, match)
{
    for (size_t i = 0; i < ARRAY_LEN(match_cases); i++) {
        struct router_params params;
        bool matches =
            router_match(match_cases[i].pattern, match_cases[i].path, &params);
        cr_expect_eq(matches, match_cases[i].matches, "case: %s",
                     match_cases[i].name);
        if (!matches)
            continue;
        char joined[256] = "";
        for (size_t k = 0; k < params.n; k++) {
            if (k)
                strncat(joined, "|", sizeof joined - strlen(joined) - 1);
            strncat(joined, params.text[k], sizeof joined - strlen(joined) - 1);
        }
        cr_expect_str_eq(joined, match_cases[i].params, "case: %s",
                         match_cases[i].name);
    }
}

Test(router, a_part_that_is_too_long_does_not_match)
{
    char path[ROUTER_MAX_PARAM_BYTES + 32] = "/v1/plans/";
    memset(path + 10, 'x', ROUTER_MAX_PARAM_BYTES);
    path[10 + ROUTER_MAX_PARAM_BYTES] = '\0';
    struct router_params params;
    cr_expect(!router_match("/v1/plans/{}", path, &params));
    path[10 + ROUTER_MAX_PARAM_BYTES - 1] = '\0';
    cr_expect(router_match("/v1/plans/{}", path, &params));
}

static const struct {
    const char *path, *service, *rest;
    bool fits;
} service_cases[] = {
    {"/v1/plans", "", "/v1/plans", true},
    {"/v1/service/a/plans", "a", "/v1/plans", true},
    {"/v1/service/a.b/pod/x/info", "a.b", "/v1/pod/x/info", true},
    {"/v1/service/a", "a", "/v1", true},
    {"/v1/service//plans", "", "", false},
};

Test(router, split_service)
{
    for (size_t i = 0; i < ARRAY_LEN(service_cases); i++) {
        char name[64], rest[128];
        bool fits = router_split_service(service_cases[i].path, name,
                                         sizeof name, rest, sizeof rest);
        cr_expect_eq(fits, service_cases[i].fits, "%s", service_cases[i].path);
        if (!fits)
            continue;
        cr_expect_str_eq(name, service_cases[i].service, "%s",
                         service_cases[i].path);
        cr_expect_str_eq(rest, service_cases[i].rest, "%s",
                         service_cases[i].path);
    }
    char name[4], rest[8];
    cr_expect(!router_split_service("/v1/service/long/x", name, sizeof name,
                                    rest, sizeof rest));
    cr_expect(!router_split_service("/v1/long/path", name, sizeof name, rest,
                                    sizeof rest));
}
