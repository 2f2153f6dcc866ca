/* SPDX-License-Identifier: Apache-2.0 */
/* names - how services, pods, tasks and executors are called */
#include "lib/spec/names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/spec/spec.h"

/* The name without its leading slash and with `by` for the other slashes. */
static char *without_slashes(const char *name, const char *by)
{
    struct buf out = {0};

    buf_add_str(&out, "");
    if (*name == '/')
        name++;
    for (; *name; name++) {
        if (*name == '/')
            buf_add_str(&out, by);
        else
            buf_add_char(&out, *name);
    }
    return buf_take(&out, NULL);
}

bool spec_name_is_valid(const char *name, bool may_have_slash, const char **why)
{
    const char *p = name;

    *why = may_have_slash ? "must hold letters, digits, '-', '_', '.' and '/'"
                          : "must hold letters, digits, '-', '_' and '.'";
    if (may_have_slash && *p == '/')
        p++;
    if (!*p)
        return false;
    for (; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("-_.", *p) &&
            !(may_have_slash && *p == '/' && p[1] && p[1] != '/'))
            return false;
    return true;
}

char *spec_role(const char *service_name)
{
    AUTO_FREE char *key = without_slashes(service_name, "__");

    return xasprintf("%s-role", key);
}

char *spec_service_key(const char *service_name)
{
    return without_slashes(service_name, "__");
}

const char *spec_pre_reserved_role(const Reeve__PodSpec *pod)
{
    const char *role = str_or_empty(pod->pre_reserved_role);

    return *role && !str_eq(role, "*") ? role : NULL;
}

char *spec_pod_role(const Reeve__ServiceSpec *spec, const Reeve__PodSpec *pod)
{
    const char *above = spec_pre_reserved_role(pod);
    const char *role = str_or_empty(spec->role);

    return above ? xasprintf("%s/%s", above, role) : xstrdup(role);
}

char *spec_pod_instance(const char *pod_type, unsigned index)
{
    return xasprintf("%s-%u", pod_type, index);
}

char *spec_task_name(const char *pod_type, unsigned index, const char *task)
{
    if (!task || !*task)
        return spec_pod_instance(pod_type, index);
    return xasprintf("%s-%u-%s", pod_type, index, task);
}

char *spec_task_id(const char *service_name, const char *task_name,
                   const char *uuid)
{
    AUTO_FREE char *service = without_slashes(service_name, ".");

    return xasprintf("%s__%s__%s", service, task_name, uuid);
}

char *spec_executor_id(const char *service_name, const char *pod_type,
                       const char *uuid)
{
    return spec_task_id(service_name, pod_type, uuid);
}
