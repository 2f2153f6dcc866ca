/* SPDX-License-Identifier: Apache-2.0 */
#include "services/api-gateway/router.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"

static size_t part_length(const char *p)
{
    return strcspn(p, "/");
}

static bool take_param(struct router_params *out, const char *p, size_t len)
{
    if (len == 0 || len >= ROUTER_MAX_PARAM_BYTES ||
        out->n == ROUTER_MAX_PARAMS)
        return false;
    memcpy(out->text[out->n], p, len);
    out->text[out->n++][len] = '\0';
    return true;
}

bool router_match(const char *pattern, const char *path,
                  struct router_params *out)
{
    out->n = 0;
    for (;;) {
        size_t want = part_length(pattern), have = part_length(path);
        bool any = want == 2 && memcmp(pattern, "{}", 2) == 0;
        if (any && !take_param(out, path, have))
            return false;
        if (!any && (want != have || memcmp(pattern, path, want) != 0))
            return false;
        pattern += want;
        path += have;
        if (*pattern != *path)
            return *pattern == '\0' && strcmp(path, "/") == 0;
        if (*pattern == '\0')
            return true;
        pattern++;
        path++;
    }
}

bool router_split_service(const char *path, char *name, size_t name_size,
                          char *rest, size_t rest_size)
{
    static const char prefix[] = "/v1/service/";
    name[0] = '\0';
    if (!str_starts(path, prefix))
        return (size_t)snprintf(rest, rest_size, "%s", path) < rest_size;
    const char *start = path + strlen(prefix);
    size_t len = part_length(start);
    if (len >= name_size || len == 0)
        return false;
    memcpy(name, start, len);
    name[len] = '\0';
    return (size_t)snprintf(rest, rest_size, "/v1%s", start + len) < rest_size;
}
