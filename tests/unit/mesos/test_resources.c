/* SPDX-License-Identifier: Apache-2.0 */
/* The master's arithmetic.  Lists are written as an agent's --resources text
 * ("cpus:4;cpus(r):2") or as JSON where that cannot say it. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/mesos/resources.h"
#include "lib/wire/wire.h"

#define RESERVED(role, id)                                                     \
    "\"reservations\":[{\"type\":\"DYNAMIC\",\"role\":\"" role                 \
    "\",\"principal\":\"p\",\"labels\":{\"labels\":[{\"key\":\"id\","          \
    "\"value\":\"" id "\"}]}}]"
#define SCALAR(name, value)                                                    \
    "\"name\":\"" name "\",\"type\":\"SCALAR\",\"scalar\":{\"value\":" value "}"
#define VOLUME(id, path)                                                       \
    "\"disk\":{\"persistence\":{\"id\":\"" id                                  \
    "\",\"principal\":\"p\"},\"volume\":{\"mode\":\"RW\",\"container_path\":"  \
    "\"" path "\"}}"
#define MOUNT                                                                  \
    "\"disk\":{\"source\":{\"type\":\"MOUNT\",\"mount\":{\"root\":\"/m\"}}}"
#define PATH                                                                   \
    "\"disk\":{\"source\":{\"type\":\"PATH\",\"path\":{\"root\":\"/p\"}}}"

#define R_CPU "{" SCALAR("cpus", "1") "," RESERVED("r", "a") "}"
#define R_VOL                                                                  \
    "{" SCALAR("disk", "64") "," RESERVED("r", "a") "," VOLUME("v", "data") "}"
#define R_DISK "{" SCALAR("disk", "100") "," RESERVED("r", "a") "}"
#define R_SHARED                                                               \
    "{" SCALAR("disk", "64") "," RESERVED("r", "a") "," VOLUME(                \
        "v", "data") ",\"shared\":{}}"
#define R_VOL_W                                                                \
    "{" SCALAR("disk", "64") "," RESERVED("r", "a") "," VOLUME("w", "x") "}"
#define R_DISK_8 "{" SCALAR("disk", "8") "," RESERVED("r", "a") "}"

static struct resources *list(const char *text)
{
    struct err err;
    struct resources *all = resources_parse(text, &err);
    cr_assert(all, "%s: %s", text, err.text);
    return all;
}

static Mesos__V1__Resource *one(const char *json)
{
    struct err err;
    ProtobufCMessage *message = wire_from_json_text(
        &mesos__v1__resource__descriptor, json, strlen(json), &err);
    cr_assert(message, "%s: %s", json, err.text);
    return (Mesos__V1__Resource *)message;
}

static void expect_text(const struct resources *got, const char *want,
                        const char *name)
{
    AUTO_FREE char *text = resources_text(got);
    cr_expect_str_eq(text, want, "case: %s", name);
}

static const struct {
    const char *name, *text, *want; /* want NULL: refused */
} parse_cases[] = {
    {"plain", "cpus:4;mem:4096;disk:10240;ports:[31000-31099]",
     "cpus:4; mem:4096; disk:10240; ports:[31000-31099]"},
    {"blanks", " cpus : 4 ; mem:\t512;; ", "cpus:4; mem:512"},
    {"static", "cpus(r):1.5", "cpus(reservations: [(STATIC,r)]):1.5"},
    {"star", "cpus(*):1", "cpus:1"},
    {"sum", "cpus:1;cpus:0.5", "cpus:1.5"},
    {"third decimal", "cpus:0.0005;mem:1.9994", "cpus:0.001; mem:1.999"},
    {"zero is left out", "cpus:0;mem:1", "mem:1"},
    {"nothing", "", "{}"},
    {"ranges merge", "ports:[5-9, 1-3,10-12]", "ports:[1-3, 5-12]"},
    {"set", "zones:{a,b}", "zones:{a, b}"},
    {"json", "[{" SCALAR("disk", "64") "," MOUNT "}]", "disk[MOUNT:/m]:64"},
    {"old format",
     "[{" SCALAR("cpus", "1") ",\"role\":\"r\",\"reservation\":{\"principal\":"
                              "\"p\"}}]",
     "cpus(reservations: [(DYNAMIC,r,p)]):1"},
    {"no colon", "cpus", NULL},
    {"no number", "cpus:many", NULL},
    {"negative", "cpus:-1", NULL},
    {"too small", "cpus:0.0001", NULL},
    {"range backwards", "ports:[9-5]", NULL},
    {"range open", "ports:[5]", NULL},
    {"ranges overlap",
     "[{\"name\":\"ports\",\"type\":\"RANGES\",\"ranges\":{"
     "\"range\":[{\"begin\":1,\"end\":5},{\"begin\":5,\"end\":6}]}}]",
     NULL},
    {"bad role", "cpus(a//b):1", NULL},
    {"unclosed role", "cpus(a:1", NULL},
    {"no name", ":1", NULL},
    {"half a gpu", "gpus:0.5", NULL},
    {"infinite", "cpus:inf", NULL},
    {"no json", "[{", NULL},
    {"json no resource", "[7]", NULL},
};

Test(resources, parse)
{
    for (size_t i = 0; i < ARRAY_LEN(parse_cases); i++) {
        struct err err = {0};
        AUTO(resources)
        struct resources *got = resources_parse(parse_cases[i].text, &err);
        if (!parse_cases[i].want) {
            cr_expect_null(got, "case: %s", parse_cases[i].name);
            cr_expect(err.text[0], "case: %s", parse_cases[i].name);
            continue;
        }
        cr_assert(got, "case: %s: %s", parse_cases[i].name, err.text);
        expect_text(got, parse_cases[i].want, parse_cases[i].name);
    }
}

static const struct {
    const char *name, *all, *part;
    const char *rest; /* NULL: not contained */
} subtract_cases[] = {
    {"part", "cpus:4", "cpus:1.1", "cpus:2.9"},
    {"all of it", "cpus:4;mem:1", "cpus:4", "mem:1"},
    {"exact decimals", "cpus:0.3", "cpus:0.1;cpus:0.2", "{}"},
    {"too much", "cpus:4", "cpus:4.001", NULL},
    {"other role", "cpus(r):4", "cpus:1", NULL},
    {"static is not plain", "cpus:4", "cpus(r):1", NULL},
    {"two at once", "cpus:4;mem:10", "cpus:1;mem:10", "cpus:3"},
    {"second missing", "cpus:4;mem:10", "cpus:1;mem:11", NULL},
    {"ports inside", "ports:[1-10]", "ports:[4-5]", "ports:[1-3, 6-10]"},
    {"ports at the edge", "ports:[1-10]", "ports:[10-10]", "ports:[1-9]"},
    {"ports across a hole", "ports:[1-3,5-9]", "ports:[2-6]", NULL},
    {"ports, two ranges", "ports:[1-3,5-9]", "ports:[2-3,5-6]",
     "ports:[1-1, 7-9]"},
    {"set", "z:{a,b,c}", "z:{b}", "z:{a, c}"},
    {"set, foreign item", "z:{a}", "z:{b}", NULL},
    {"nothing", "cpus:1", "", "cpus:1"},
    {"path disk, part", "[{" SCALAR("disk", "100") "," PATH "}]",
     "[{" SCALAR("disk", "40") "," PATH "}]", "disk[PATH:/p]:60"},
    {"mount disk, part", "[{" SCALAR("disk", "100") "," MOUNT "}]",
     "[{" SCALAR("disk", "40") "," MOUNT "}]", NULL},
    {"mount disk, whole", "[{" SCALAR("disk", "100") "," MOUNT "}]",
     "[{" SCALAR("disk", "100") "," MOUNT "}]", "{}"},
    {"label differs", "[{" SCALAR("cpus", "1") "," RESERVED("r", "a") "}]",
     "[{" SCALAR("cpus", "1") "," RESERVED("r", "b") "}]", NULL},
    {"label same", "[{" SCALAR("cpus", "1") "," RESERVED("r", "a") "}]",
     "[{" SCALAR("cpus", "1") "," RESERVED("r", "a") "}]", "{}"},
    {"volume, other path and principal",
     "[{" SCALAR("disk", "64") "," RESERVED("r", "a") "," VOLUME("v",
                                                                 "data") "}]",
     "[{" SCALAR("disk", "64") "," RESERVED(
         "r", "a") ",\"disk\":{\"persistence\":{\"id\":"
                   "\"v\"},\"volume\":{\"mode\":\"RO\","
                   "\"container_path\":\"x\"}}}]",
     "{}"},
    {"volume, part",
     "[{" SCALAR("disk", "64") "," RESERVED("r", "a") "," VOLUME("v",
                                                                 "data") "}]",
     "[{" SCALAR("disk", "32") "," RESERVED("r", "a") "," VOLUME("v",
                                                                 "data") "}]",
     NULL},
    {"revocable differs", "[{" SCALAR("cpus", "1") ",\"revocable\":{}}]",
     "cpus:1", NULL},
    {"provider differs",
     "[{" SCALAR("cpus", "1") ",\"provider_id\":{\"value\":\"x\"}}]", "cpus:1",
     NULL},
    {"allocation differs",
     "[{" SCALAR("cpus", "1") ",\"allocation_info\":{\"role\":\"r\"}}]",
     "cpus:1", NULL},
};

Test(resources, subtract)
{
    for (size_t i = 0; i < ARRAY_LEN(subtract_cases); i++) {
        const char *name = subtract_cases[i].name;
        struct err err = {0};
        AUTO(resources) struct resources *all = list(subtract_cases[i].all);
        AUTO(resources) struct resources *before = resources_dup(all);
        AUTO(resources) struct resources *part = list(subtract_cases[i].part);
        bool want = subtract_cases[i].rest != NULL;
        cr_expect_eq(resources_contains_all(all, part), want, "case: %s", name);
        int rc = resources_subtract_all(all, part, &err);
        cr_expect_eq(rc, want ? 0 : -1, "case: %s", name);
        if (want) {
            expect_text(all, subtract_cases[i].rest, name);
            resources_add_all(all, part);
        } else {
            cr_expect_eq(err.code, ERR_NOT_FOUND, "case: %s", name);
        }
        cr_expect(resources_equal(all, before), "case: %s", name);
    }
}

static const struct {
    const char *name, *all, *part, *rest;
} some_cases[] = {
    {"less than asked", "cpus:1;mem:5", "cpus:2;mem:1", "mem:4"},
    {"ports overlap", "ports:[1-5]", "ports:[4-9]", "ports:[1-3]"},
    {"other kind", "cpus(r):1", "cpus:1", "cpus(reservations: [(STATIC,r)]):1"},
    {"set", "z:{a,b}", "z:{b,c}", "z:{a}"},
};

Test(resources, subtract_some)
{
    for (size_t i = 0; i < ARRAY_LEN(some_cases); i++) {
        AUTO(resources) struct resources *all = list(some_cases[i].all);
        AUTO(resources) struct resources *part = list(some_cases[i].part);
        resources_subtract_some(all, part);
        expect_text(all, some_cases[i].rest, some_cases[i].name);
    }
}

Test(resources, not_contained_text)
{
    struct err err;
    AUTO(resources)
    struct resources *all = list("ports:[31000-31099];cpus:4;mem:4096");
    resources_allocate(all, "svc-role");
    Mesos__V1__Resource *r = resource_scalar("cpus", 40000);
    resource_allocate(r, "svc-role");
    cr_expect_eq(resources_subtract(all, r, &err), -1);
    cr_expect_str_eq(err.text, "ports(allocated: svc-role):[31000-31099]; "
                               "cpus(allocated: svc-role):4; mem(allocated: "
                               "svc-role):4096 does not contain "
                               "cpus(allocated: svc-role):40");
    resource_free(&r);
}

Test(resources, volumes_do_not_merge)
{
    AUTO(resources)
    struct resources *all =
        list("[" R_VOL "," R_VOL_W "," R_DISK_8 "," R_DISK_8 "]");
    cr_expect_eq(resources_count(all), 3);
    cr_expect_eq(resources_sum(all, "disk"), 144000);
    cr_expect(resources_find_volume(all, "w"));
    cr_expect_null(resources_find_volume(all, "u"));
    AUTO(resources) struct resources *volumes = resources_volumes(all);
    cr_expect_eq(resources_count(volumes), 2);
}

Test(resources, shared_copies)
{
    Mesos__V1__Resource *r = one("{" SCALAR("disk", "64") "," RESERVED(
        "r", "a") "," VOLUME("v", "data") ",\"shared\":{}}");
    AUTO(resources) struct resources *all = resources_new();
    resources_add(all, r);
    resources_add(all, r);
    expect_text(all,
                "disk(reservations: [(DYNAMIC,r,p,{id: a})])[v:data]"
                "<SHARED>:64<2>",
                "two copies");
    Mesos__V1__Resource **fields;
    size_t count;
    resources_to(all, &fields, &count);
    cr_expect_eq(count, 2);
    for (size_t i = 0; i < count; i++)
        resource_free(&fields[i]);
    free(fields);
    cr_expect_eq(resources_subtract(all, r, NULL), 0);
    cr_expect_eq(resources_subtract(all, r, NULL), 0);
    cr_expect(resources_is_empty(all));
    cr_expect_eq(resources_subtract(all, r, NULL), -1);
    resource_free(&r);
}

#define OP(type, field, body) "{\"type\":\"" type "\",\"" field "\":{" body "}}"

static const struct {
    const char *name, *before, *operation;
    const char *after; /* or the error's text */
    enum err_code code;
} apply_cases[] = {
    {"reserve", "cpus:4", OP("RESERVE", "reserve", "\"resources\":[" R_CPU "]"),
     "cpus:3; cpus(reservations: [(DYNAMIC,r,p,{id: a})]):1", ERR_NONE},
    {"reserve, not there", "cpus:0.5",
     OP("RESERVE", "reserve", "\"resources\":[" R_CPU "]"),
     "cpus:0.5 does not contain cpus:1", ERR_NOT_FOUND},
    {"reserve, the second is not there", "cpus:1.5",
     OP("RESERVE", "reserve", "\"resources\":[" R_CPU "," R_CPU "]"),
     "cpus:0.5; cpus(reservations: [(DYNAMIC,r,p,{id: a})]):1 does not contain "
     "cpus:1",
     ERR_NOT_FOUND},
    {"unreserve, the second is not there", "[" R_CPU "]",
     OP("UNRESERVE", "unreserve", "\"resources\":[" R_CPU "," R_CPU "]"),
     "cpus:1 does not contain cpus(reservations: [(DYNAMIC,r,p,{id: a})]):1",
     ERR_NOT_FOUND},
    {"create, then no more disk", "[" R_DISK "]",
     OP("CREATE", "create", "\"volumes\":[" R_VOL "," R_VOL_W "]"),
     "disk(reservations: [(DYNAMIC,r,p,{id: a})]):36; "
     "disk(reservations: [(DYNAMIC,r,p,{id: a})])[v:data]:64 does not contain "
     "disk(reservations: [(DYNAMIC,r,p,{id: a})]):64",
     ERR_NOT_FOUND},
    {"destroy, the second is not there", "[" R_VOL "]",
     OP("DESTROY", "destroy", "\"volumes\":[" R_VOL "," R_VOL_W "]"),
     "disk(reservations: [(DYNAMIC,r,p,{id: a})]):64 does not contain "
     "disk(reservations: [(DYNAMIC,r,p,{id: a})])[w:x]:64",
     ERR_NOT_FOUND},
    {"reserve zero", "cpus:4",
     OP("RESERVE", "reserve",
        "\"resources\":[{" SCALAR("cpus", "0") "," RESERVED("r", "a") "}]"),
     "Resources must not be empty", ERR_INVALID},
    {"reserve what is unreserved", "cpus:4",
     OP("RESERVE", "reserve", "\"resources\":[{" SCALAR("cpus", "1") "}]"),
     "Resource is not dynamically reserved", ERR_INVALID},
    {"unreserve", "[" R_CPU "]",
     OP("UNRESERVE", "unreserve", "\"resources\":[" R_CPU "]"), "cpus:1",
     ERR_NONE},
    {"unreserve a volume", "[" R_VOL "]",
     OP("UNRESERVE", "unreserve", "\"resources\":[" R_VOL "]"),
     "Resource is not dynamically reserved or is a persistent volume",
     ERR_INVALID},
    {"create", "[" R_DISK "]",
     OP("CREATE", "create", "\"volumes\":[" R_VOL "]"),
     "disk(reservations: [(DYNAMIC,r,p,{id: a})]):36; "
     "disk(reservations: [(DYNAMIC,r,p,{id: a})])[v:data]:64",
     ERR_NONE},
    {"create, not reserved", "disk:100",
     OP("CREATE", "create", "\"volumes\":[" R_VOL "]"),
     "disk:100 does not contain disk(reservations: [(DYNAMIC,r,p,{id: "
     "a})]):64",
     ERR_NOT_FOUND},
    {"destroy", "[" R_VOL "," R_DISK "]",
     OP("DESTROY", "destroy", "\"volumes\":[" R_VOL "]"),
     "disk(reservations: [(DYNAMIC,r,p,{id: a})]):164", ERR_NONE},
    {"destroy a shared copy", "[" R_SHARED "," R_SHARED "]",
     OP("DESTROY", "destroy", "\"volumes\":[" R_SHARED "]"),
     "Persistent volume disk(reservations: [(DYNAMIC,r,p,{id: "
     "a})])[v:data]<SHARED>:64 cannot be removed due to additional shared "
     "copies",
     ERR_CONFLICT},
    {"grow", "[" R_VOL "," R_DISK "]",
     OP("GROW_VOLUME", "grow_volume",
        "\"volume\":" R_VOL
        ",\"addition\":{" SCALAR("disk", "10") "," RESERVED("r", "a") "}"),
     "disk(reservations: [(DYNAMIC,r,p,{id: a})]):90; "
     "disk(reservations: [(DYNAMIC,r,p,{id: a})])[v:data]:74",
     ERR_NONE},
    {"shrink", "[" R_VOL "]",
     OP("SHRINK_VOLUME", "shrink_volume",
        "\"volume\":" R_VOL ",\"subtract\":{\"value\":4}"),
     "disk(reservations: [(DYNAMIC,r,p,{id: a})])[v:data]:60; "
     "disk(reservations: [(DYNAMIC,r,p,{id: a})]):4",
     ERR_NONE},
    {"shrink to nothing", "[" R_VOL "]",
     OP("SHRINK_VOLUME", "shrink_volume",
        "\"volume\":" R_VOL ",\"subtract\":{\"value\":64}"),
     "Not a persistent volume or not a smaller size", ERR_INVALID},
    {"launch", "cpus:1", OP("LAUNCH", "launch", ""),
     "operation type 1 changes no resources", ERR_UNSUPPORTED},
};

Test(resources, apply)
{
    for (size_t i = 0; i < ARRAY_LEN(apply_cases); i++) {
        const char *name = apply_cases[i].name;
        struct err err = {0};
        AUTO(resources) struct resources *all = list(apply_cases[i].before);
        AUTO(resources) struct resources *before = resources_dup(all);
        ProtobufCMessage *op = wire_from_json_text(
            &mesos__v1__offer__operation__descriptor, apply_cases[i].operation,
            strlen(apply_cases[i].operation), &err);
        cr_assert(op, "case: %s: %s", name, err.text);
        int rc = resources_apply(all, (Mesos__V1__Offer__Operation *)op, &err);
        wire_free(&op);
        if (apply_cases[i].code == ERR_NONE) {
            cr_expect_eq(rc, 0, "case: %s: %s", name, err.text);
            expect_text(all, apply_cases[i].after, name);
            cr_expect_eq(resources_sum(all, "disk"),
                         resources_sum(before, "disk"), "case: %s", name);
        } else {
            cr_expect_eq(rc, -1, "case: %s", name);
            cr_expect_eq(err.code, apply_cases[i].code, "case: %s", name);
            cr_expect_str_eq(err.text, apply_cases[i].after, "case: %s", name);
            cr_expect(resources_equal(all, before), "case: %s", name);
        }
    }
}

static const struct {
    const char *name, *json, *why; /* NULL: valid */
} valid_cases[] = {
    {"fine", R_CPU, NULL},
    {"zero", "{" SCALAR("cpus", "0") "}", NULL},
    {"negative", "{" SCALAR("cpus", "-1") "}",
     "Resource 'cpus:-1' is invalid: Invalid scalar resource: value <= 0"},
    {"rounds to zero", "{" SCALAR("cpus", "0.0001") "}",
     "Resource 'cpus:0' is invalid: Invalid scalar resource: value <= 0"},
    {"refined",
     "{" SCALAR("cpus",
                "1") ",\"reservations\":[{\"type\":\"STATIC\",\"role\":\"a\"},{"
                     "\"type\":\"DYNAMIC\",\"role\":\"a/b\"}]}",
     NULL},
    {"refined to itself",
     "{" SCALAR("cpus",
                "0.5") ",\"reservations\":[{\"type\":\"STATIC\",\"role\":\"a\"}"
                       ",{\"type\":\"DYNAMIC\",\"role\":\"a\",\"principal\":"
                       "\"p\"}]}",
     "Resource 'cpus(reservations: [(STATIC,a),(DYNAMIC,a,p)]):0.5' is "
     "invalid: Invalid refined reservation: role 'a' is not a refinement of "
     "'a'"},
    {"disk on cpus", "{" SCALAR("cpus", "1") "," MOUNT "}",
     "Resource 'cpus[MOUNT:/m]:1' is invalid: DiskInfo should not be set for "
     "cpus resource"},
    {"shared cpus", "{" SCALAR("cpus", "1") ",\"shared\":{}}",
     "Resource 'cpus<SHARED>:1' is invalid: Resource cpus cannot be shared"},
    {"shared disk", "{" SCALAR("disk", "1") ",\"shared\":{}}",
     "Resource 'disk<SHARED>:1' is invalid: Only persistent volumes can be "
     "shared"},
    {"two formats that agree",
     "{" SCALAR("cpus",
                "1") ",\"role\":\"r\",\"reservation\":{\"principal\":\"p\"},"
                     "\"reservations\":[{\"type\":\"DYNAMIC\",\"role\":\"r\","
                     "\"principal\":\"p\"}]}",
     NULL},
    {"two formats that do not",
     "{" SCALAR("cpus",
                "1") ",\"role\":\"s\",\"reservations\":[{\"type\":\"STATIC\","
                     "\"role\":\"r\"}]}",
     "Resource 'cpus(reservations: [(STATIC,r)]):1' is invalid: Invalid "
     "resource format: 'Resource.role' and 'Resource.reservation' do not agree "
     "with 'Resource.reservations'"},
    {"wrong value field",
     "{\"name\":\"cpus\",\"type\":\"RANGES\",\"scalar\":{\"value\":1}}",
     "Resource 'cpus:[]' is invalid: Invalid ranges resource"},
    {"text", "{\"name\":\"x\",\"type\":\"TEXT\"}",
     "Resource 'x:0' is invalid: Unsupported resource type"},
};

Test(resources, validate)
{
    for (size_t i = 0; i < ARRAY_LEN(valid_cases); i++) {
        struct err err = {0};
        Mesos__V1__Resource *r = one(valid_cases[i].json);
        int rc = resources_check(&r, 1, &err);
        cr_expect_eq(rc, valid_cases[i].why ? -1 : 0, "case: %s: %s",
                     valid_cases[i].name, err.text);
        if (valid_cases[i].why)
            cr_expect_str_eq(err.text, valid_cases[i].why, "case: %s",
                             valid_cases[i].name);
        resource_free(&r);
    }
}

static const struct {
    const char *name, *json, *why;
} disk_cases[] = {
    {"none", R_CPU, NULL},
    {"volume", R_VOL, NULL},
    {"mount", "{" SCALAR("disk", "1") "," MOUNT "}", NULL},
    {"unreserved", "{" SCALAR("disk", "1") "," VOLUME("v", "d") "}",
     "Invalid DiskInfo: Persistent volumes cannot be created from unreserved "
     "resources"},
    {"bad id",
     "{" SCALAR("disk", "1") "," RESERVED("r", "a") "," VOLUME("a/b", "d") "}",
     "Invalid DiskInfo: Invalid persistence ID for persistent volume: 'a/b' "
     "contains invalid characters"},
    {"no volume",
     "{" SCALAR("disk", "1") "," RESERVED(
         "r", "a") ",\"disk\":{\"persistence\":{\"id\":\"v\"}}}",
     "Invalid DiskInfo: Expecting 'volume' to be set for persistent volume"},
    {"empty", "{" SCALAR("disk", "1") ",\"disk\":{}}",
     "Invalid DiskInfo: DiskInfo is set but empty"},
};

Test(resources, validate_disk)
{
    for (size_t i = 0; i < ARRAY_LEN(disk_cases); i++) {
        struct err err = {0};
        Mesos__V1__Resource *r = one(disk_cases[i].json);
        int rc = resource_validate_disk(r, &err);
        cr_expect_eq(rc, disk_cases[i].why ? -1 : 0, "case: %s",
                     disk_cases[i].name);
        cr_expect_str_eq(err.text, str_or_empty(disk_cases[i].why), "case: %s",
                         disk_cases[i].name);
        resource_free(&r);
    }
}

static const struct {
    const char *name, *json, *old_role;
    bool has_reservation;
} format_cases[] = {
    {"unreserved", "{" SCALAR("cpus", "1") "}", "*", false},
    {"dynamic", R_CPU, "r", true},
    {"static",
     "{" SCALAR("cpus",
                "1") ",\"reservations\":[{\"type\":\"STATIC\",\"role\":\"r\"}]"
                     "}",
     "r", false},
};

Test(resources, formats_and_back)
{
    for (size_t i = 0; i < ARRAY_LEN(format_cases); i++) {
        const char *name = format_cases[i].name;
        Mesos__V1__Resource *r = one(format_cases[i].json);
        Mesos__V1__Resource *old = resource_dup(r);
        Mesos__V1__Resource *endpoint = resource_dup(r);

        cr_expect_eq(resource_to_old_format(old, NULL), 0, "case: %s", name);
        cr_expect_str_eq(old->role, format_cases[i].old_role, "case: %s", name);
        cr_expect_eq(old->reservation != NULL, format_cases[i].has_reservation,
                     "case: %s", name);
        cr_expect_eq(old->n_reservations, 0, "case: %s", name);
        cr_expect_eq(resource_upgrade(old, NULL), 0, "case: %s", name);
        cr_expect(wire_equal(&old->base, &r->base), "case: %s", name);

        resource_to_endpoint_format(endpoint);
        cr_expect_str_eq(endpoint->role, format_cases[i].old_role, "case: %s",
                         name);
        cr_expect_eq(endpoint->n_reservations, r->n_reservations, "case: %s",
                     name);
        cr_expect_eq(resource_upgrade(endpoint, NULL), 0, "case: %s", name);
        cr_expect(wire_equal(&endpoint->base, &r->base), "case: %s", name);
        resource_free(&r);
        resource_free(&old);
        resource_free(&endpoint);
    }
}

static void note_sum(void *self, const char *name, int64_t milli)
{
    char *text = self;
    size_t len = strlen(text);
    snprintf(text + len, 200 - len, "%s=%lld ", name, (long long)milli);
}

Test(resources, sums_and_filters)
{
    AUTO(resources)
    struct resources *all =
        list("cpus:1;cpus(r):2;ports:[1-10];ports(r):[20-21];z:{a,b}");
    char sums[200] = "";
    resources_each_sum(all, note_sum, sums);
    cr_expect_str_eq(sums, "cpus=3000 ports=12000 z=2000 ");
    AUTO(resources) struct resources *plain = resources_unreserved(all);
    expect_text(plain, "cpus:1; ports:[1-10]; z:{a, b}", "unreserved");
    AUTO(resources) struct resources *reserved = resources_reserved(all, "r");
    cr_expect_eq(resources_sum(reserved, "cpus"), 2000);
    AUTO(resources) struct resources *other = resources_reserved(all, "q");
    cr_expect(resources_is_empty(other));
    Mesos__V1__Value__Ranges *ports =
        resources_ranges(all, "ports", NULL, NULL);
    cr_expect_eq(ranges_count(ports), 12);
    cr_expect(ranges_contains(ports, 20, 21));
    wire_auto_free(&ports);
}

Test(resources, labels_of_reservations)
{
    AUTO(resources)
    struct resources *all =
        list("[" R_CPU ",{" SCALAR("cpus", "2") "," RESERVED("r", "b") "}]");
    AUTO(resources) struct resources *a = resources_labelled(all, "id", "a");
    cr_expect_eq(resources_sum(a, "cpus"), 1000);
    AUTO(resources) struct resources *any = resources_labelled(all, "id", NULL);
    cr_expect_eq(resources_count(any), 2);
    AUTO(resources) struct resources *none = resources_labelled(all, "x", NULL);
    cr_expect(resources_is_empty(none));
}

Test(resources, offered_to_whom)
{
    Mesos__V1__Resource *r = resource_scalar("cpus", 1000);
    cr_expect(resource_is_allocatable_to(r, "any"));
    Mesos__V1__Resource__ReservationInfo *eng =
        reservation_new("eng", "p", "id", "1");
    resource_push_reservation(r, eng);
    cr_expect(resource_is_allocatable_to(r, "eng"));
    cr_expect(resource_is_allocatable_to(r, "eng/db"));
    cr_expect_not(resource_is_allocatable_to(r, "engine"));
    cr_expect_str_eq(resource_role(r), "eng");
    cr_expect_str_eq(resource_label(r, "id"), "1");
    resource_pop_reservation(r);
    cr_expect_str_eq(resource_role(r), "*");
    reservation_free(&eng);
    resource_free(&r);
}

static const struct {
    const char *name;
    double value;
    int64_t milli;
} milli_cases[] = {
    {"half up", 1.0005, 1001},       {"tenth", 0.1, 100},
    {"below half", 0.0004, 0},       {"negative half", -1.0005, -1001},
    {"big", 1e18, 9000000000000000}, {"sum of tenths", 0.1 + 0.2, 300},
};

Test(resources, milli)
{
    for (size_t i = 0; i < ARRAY_LEN(milli_cases); i++)
        cr_expect_eq(milli_of(milli_cases[i].value), milli_cases[i].milli,
                     "case: %s", milli_cases[i].name);
}
