/* SPDX-License-Identifier: Apache-2.0 */
/* resources_parse - an agent's --resources text
 *
 *   text   := entry { ";" entry }
 *   entry  := name [ "(" role ")" ] ":" ( number | "[" a-b {"," a-b} "]" |
 *             "{" item {"," item} "}" )
 * or a JSON array of Resource messages.  Blanks around anything are ignored.
 */
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/mesos/resources.h"
#include "lib/wire/pb.h"
#include "lib/wire/wire.h"

/* Cuts blanks at both ends, in place. */
static char *trim(char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    size_t n = strlen(s);
    while (n && isspace((unsigned char)s[n - 1]))
        s[--n] = '\0';
    return s;
}

static int parse_range(Mesos__V1__Value__Ranges *ranges, char *text,
                       struct err *err)
{
    uint64_t begin, end;
    char *dash = strchr(text, '-');
    if (dash)
        *dash = '\0';
    if (!dash || !parse_u64(trim(text), &begin) ||
        !parse_u64(trim(dash + 1), &end) || begin > end)
        return err_set(err, ERR_INVALID, "'%s': expected ranges as [a-b,c-d]",
                       text);
    if (ranges->n_range >= 10000)
        return err_set(err, ERR_INVALID, "more than 10000 ranges");
    ranges_add(ranges, begin, end);
    return 0;
}

/* Splits at commas, calling fn for each part. */
static int parse_list(char *text, void *into, struct err *err,
                      int (*fn)(void *into, char *part, struct err *err))
{
    char *rest = text, *part;
    while ((part = strsep(&rest, ",")))
        if (fn(into, trim(part), err) < 0)
            return -1;
    return 0;
}

static int parse_range_part(void *into, char *part, struct err *err)
{
    return parse_range(into, part, err);
}

static int parse_item_part(void *into, char *part, struct err *err)
{
    Mesos__V1__Value__Set *set = into;
    if (!*part)
        return err_set(err, ERR_INVALID, "an empty item in a set");
    set->item = xrealloc(set->item, (set->n_item + 1) * sizeof(*set->item));
    set->item[set->n_item++] = xstrdup(part);
    return 0;
}

static int parse_value(Mesos__V1__Resource *r, char *text, struct err *err)
{
    size_t n = strlen(text);
    double number;
    if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
        text[n - 1] = '\0';
        r->type = MESOS__V1__VALUE__TYPE__RANGES;
        r->ranges = PB_NEW(mesos__v1__value__ranges);
        return parse_list(text + 1, r->ranges, err, parse_range_part);
    }
    if (n >= 2 && text[0] == '{' && text[n - 1] == '}') {
        text[n - 1] = '\0';
        r->type = MESOS__V1__VALUE__TYPE__SET;
        r->set = PB_NEW(mesos__v1__value__set);
        return parse_list(text + 1, r->set, err, parse_item_part);
    }
    if (!parse_double(text, &number))
        return err_set(err, ERR_INVALID, "'%s' is no number, range or set",
                       text);
    r->type = MESOS__V1__VALUE__TYPE__SCALAR;
    r->scalar = PB_NEW(mesos__v1__value__scalar);
    r->scalar->value = number;
    return 0;
}

/* Splits "name(role)"; *role is NULL without one. */
static int parse_name(char *text, char **role, struct err *err)
{
    char *open = strchr(text, '(');
    *role = NULL;
    if (!open)
        return 0;
    char *close = strchr(open, ')');
    if (!close || *trim(close + 1))
        return err_set(err, ERR_INVALID, "'%s': expected name(role)", text);
    *open = *close = '\0';
    *role = trim(open + 1);
    return 0;
}

static void reserve_statically(Mesos__V1__Resource *r, const char *role)
{
    Mesos__V1__Resource__ReservationInfo *reservation =
        reservation_new(role, NULL, NULL, NULL);
    reservation->type = MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__STATIC;
    resource_push_reservation(r, reservation);
    reservation_free(&reservation);
}

static int parse_entry(struct resources *into, char *entry, struct err *err)
{
    char *role, *colon = strchr(entry, ':');
    if (!colon)
        return err_set(err, ERR_INVALID, "'%s': expected name:value", entry);
    *colon = '\0';
    if (parse_name(entry, &role, err) < 0)
        return -1;
    Mesos__V1__Resource *r = PB_NEW(mesos__v1__resource);
    r->name = xstrdup(trim(entry));
    int rc = parse_value(r, trim(colon + 1), err);
    if (rc == 0 && role && strcmp(role, "*") != 0)
        reserve_statically(r, role);
    if (rc == 0)
        rc = resources_check(&r, 1, err);
    if (rc == 0)
        resources_add(into, r);
    resource_free(&r);
    return rc;
}

static int parse_text(struct resources *into, const char *text, struct err *err)
{
    AUTO_FREE char *copy = xstrdup(text);
    char *rest = copy, *entry;
    while ((entry = strsep(&rest, ";"))) {
        entry = trim(entry);
        if (*entry && parse_entry(into, entry, err) < 0)
            return -1;
    }
    return 0;
}

static int parse_json_item(struct resources *into, const json_t *json,
                           struct err *err)
{
    ProtobufCMessage *message =
        wire_from_json(&mesos__v1__resource__descriptor, json, err);
    if (!message)
        return -1;
    Mesos__V1__Resource *r = (Mesos__V1__Resource *)message;
    int rc = resources_check(&r, 1, err);
    if (rc == 0)
        resources_add(into, r);
    resource_free(&r);
    return rc;
}

static int parse_json(struct resources *into, const char *text, struct err *err)
{
    json_error_t where;
    json_t *list = json_loads(text, 0, &where);
    if (!list)
        return err_set(err, ERR_INVALID, "line %d: %s", where.line, where.text);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++)
        rc = parse_json_item(into, json_array_get(list, i), err);
    json_decref(list);
    return rc;
}

struct resources *resources_parse(const char *text, struct err *err)
{
    AUTO(resources) struct resources *all = resources_new();
    while (isspace((unsigned char)*text))
        text++;
    int rc =
        *text == '[' ? parse_json(all, text, err) : parse_text(all, text, err);
    if (rc < 0) {
        err_wrap(err, "resources");
        return NULL;
    }
    return MOVE(all);
}
