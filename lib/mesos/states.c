/* SPDX-License-Identifier: Apache-2.0 */
/* states - see states.h */
#include "lib/mesos/states.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/wire/wire.h"

enum { MAX_ID_BYTES = 255, NAMES_KEPT = 8 };

bool task_state_proves_death(int state)
{
    return task_state_is_terminal(state) &&
           state != MESOS__V1__TASK_STATE__TASK_LOST;
}

bool task_state_is_terminal(int state)
{
    static const int terminal[] = {
        MESOS__V1__TASK_STATE__TASK_FINISHED,
        MESOS__V1__TASK_STATE__TASK_FAILED,
        MESOS__V1__TASK_STATE__TASK_KILLED,
        MESOS__V1__TASK_STATE__TASK_ERROR,
        MESOS__V1__TASK_STATE__TASK_LOST,
        MESOS__V1__TASK_STATE__TASK_DROPPED,
        MESOS__V1__TASK_STATE__TASK_GONE,
        MESOS__V1__TASK_STATE__TASK_GONE_BY_OPERATOR,
    };
    for (size_t i = 0; i < ARRAY_LEN(terminal); i++)
        if (terminal[i] == state)
            return true;
    return false;
}

bool operation_state_is_terminal(int state)
{
    return state == MESOS__V1__OPERATION_STATE__OPERATION_FINISHED ||
           state == MESOS__V1__OPERATION_STATE__OPERATION_FAILED ||
           state == MESOS__V1__OPERATION_STATE__OPERATION_ERROR ||
           state == MESOS__V1__OPERATION_STATE__OPERATION_DROPPED ||
           state == MESOS__V1__OPERATION_STATE__OPERATION_GONE_BY_OPERATOR;
}

static const char *name_of(const ProtobufCEnumDescriptor *type,
                           const char *prefix, int value)
{
    static char made[NAMES_KEPT][40];
    static unsigned next;
    const char *name = wire_enum_name(type, value);
    if (name)
        return name;
    char *text = made[next++ % NAMES_KEPT];
    snprintf(text, sizeof(made[0]), "%s_%d", prefix, value);
    return text;
}

const char *task_state_name(int state)
{
    return name_of(&mesos__v1__task_state__descriptor, "TASK", state);
}

const char *task_reason_name(int reason)
{
    return name_of(&mesos__v1__task_status__reason__descriptor, "REASON",
                   reason);
}

const char *task_source_name(int source)
{
    return name_of(&mesos__v1__task_status__source__descriptor, "SOURCE",
                   source);
}

const char *operation_state_name(int state)
{
    return name_of(&mesos__v1__operation_state__descriptor, "OPERATION", state);
}

int mesos_id_validate(const char *id, struct err *err)
{
    size_t len = strlen(id);
    if (len == 0)
        return err_set(err, ERR_INVALID, "ID must not be empty");
    if (len > MAX_ID_BYTES)
        return err_set(err, ERR_INVALID,
                       "ID must not be greater than %d characters",
                       MAX_ID_BYTES);
    if (!strcmp(id, ".") || !strcmp(id, ".."))
        return err_set(err, ERR_INVALID, "'%s' is disallowed", id);
    for (size_t i = 0; i < len; i++)
        if (iscntrl((unsigned char)id[i]) || id[i] == '/' || id[i] == '\\')
            return err_set(err, ERR_INVALID, "'%s' contains invalid characters",
                           id);
    return 0;
}

/* One part of a role between slashes. */
static int validate_component(const char *role, const char *part, size_t len,
                              struct err *err)
{
    static const char *const forbidden[] = {".", "..", "*"};
    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++)
        if (len == strlen(forbidden[i]) && !strncmp(part, forbidden[i], len))
            return err_set(err, ERR_INVALID,
                           "Role '%s' cannot include '%s' as a component", role,
                           forbidden[i]);
    if (part[0] == '-')
        return err_set(err, ERR_INVALID,
                       "Role component '%.*s' is invalid because it begins "
                       "with a dash",
                       (int)len, part);
    for (size_t i = 0; i < len; i++)
        if (strchr("\t\n\v\f\r \x7f", part[i]))
            return err_set(err, ERR_INVALID,
                           "Role component '%.*s' is invalid because it "
                           "contains backspace or whitespace",
                           (int)len, part);
    return 0;
}

int mesos_role_validate(const char *role, struct err *err)
{
    size_t len = strlen(role);
    if (!strcmp(role, "*"))
        return 0;
    if (len == 0)
        return err_set(err, ERR_INVALID, "Role names cannot be the empty string");
    if (role[0] == '/')
        return err_set(err, ERR_INVALID, "Role '%s' cannot start with a slash",
                       role);
    if (role[len - 1] == '/')
        return err_set(err, ERR_INVALID, "Role '%s' cannot end with a slash",
                       role);
    if (strstr(role, "//"))
        return err_set(err, ERR_INVALID,
                       "Role '%s' cannot contain two adjacent slashes", role);
    for (const char *part = role; part;) {
        const char *slash = strchr(part, '/');
        size_t n = slash ? (size_t)(slash - part) : strlen(part);
        if (validate_component(role, part, n, err) < 0)
            return -1;
        part = slash ? slash + 1 : NULL;
    }
    return 0;
}

bool mesos_role_is_below(const char *child, const char *parent, bool or_same)
{
    size_t len = strlen(parent);
    if (strncmp(child, parent, len) != 0)
        return false;
    return child[len] == '/' || (or_same && child[len] == '\0');
}
