/* SPDX-License-Identifier: Apache-2.0 */
#include "devcluster/attributes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/wire/pb.h"

static int parse_ranges(char *text, Mesos__V1__Attribute *out, struct err *err)
{
    char *save = NULL;
    out->type = MESOS__V1__VALUE__TYPE__RANGES;
    out->ranges = PB_NEW(mesos__v1__value__ranges);
    text[strlen(text) - 1] = '\0';
    for (char *part = strtok_r(text + 1, ",", &save); part;
         part = strtok_r(NULL, ",", &save)) {
        char *dash = strchr(part, '-');
        Mesos__V1__Value__Range *range = PB_NEW(mesos__v1__value__range);
        PB_ADD(out->ranges, range, range);
        if (dash)
            *dash = '\0';
        if (!dash || !parse_u64(part, &range->begin) ||
            !parse_u64(dash + 1, &range->end) || range->begin > range->end)
            return err_set(err, ERR_INVALID, "attribute '%s': bad range",
                           out->name);
    }
    return 0;
}

static int parse_value(char *text, Mesos__V1__Attribute *out, struct err *err)
{
    double number;
    if (text[0] == '[' && str_ends(text, "]"))
        return parse_ranges(text, out, err);
    if (parse_double(text, &number)) {
        out->type = MESOS__V1__VALUE__TYPE__SCALAR;
        out->scalar = PB_NEW(mesos__v1__value__scalar);
        out->scalar->value = number;
        return 0;
    }
    out->type = MESOS__V1__VALUE__TYPE__TEXT;
    out->text = PB_NEW(mesos__v1__value__text);
    out->text->value = xstrdup(text);
    return 0;
}

int attributes_parse(const char *text, Mesos__V1__Attribute ***list,
                     size_t *count, struct err *err)
{
    AUTO_FREE char *copy = xstrdup(text);
    char *save = NULL;
    for (char *part = strtok_r(copy, ";\n", &save); part;
         part = strtok_r(NULL, ";\n", &save)) {
        char *colon = strchr(part, ':');
        if (!colon || colon == part || !colon[1])
            return err_set(err, ERR_INVALID,
                           "attribute '%s': expected name:value", part);
        *colon = '\0';
        Mesos__V1__Attribute *attribute = PB_NEW(mesos__v1__attribute);
        attribute->name = xstrdup(part);
        PB_PUSH(*list, *count, attribute);
        if (parse_value(colon + 1, attribute, err) < 0)
            return -1;
    }
    return 0;
}

Mesos__V1__DomainInfo *attributes_fault_domain(Mesos__V1__DomainInfo *info,
                                               const char *region,
                                               const char *zone)
{
    Mesos__V1__DomainInfo__FaultDomain *domain =
        PB_NEW(mesos__v1__domain_info__fault_domain);
    domain->region = PB_NEW(mesos__v1__domain_info__fault_domain__region_info);
    domain->zone = PB_NEW(mesos__v1__domain_info__fault_domain__zone_info);
    domain->region->name = xstrdup(region);
    domain->zone->name = xstrdup(zone);
    info->fault_domain = domain;
    return info;
}
