/* SPDX-License-Identifier: Apache-2.0 */
/* spec_test - what the tests of lib/spec share */
#ifndef REEVE_TESTS_UNIT_SPEC_SPEC_TEST_H
#define REEVE_TESTS_UNIT_SPEC_SPEC_TEST_H

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/spec/spec.h"

/* Parses text as "svc.yml"; env may be NULL. No template can be read. */
static inline Reeve__ServiceSpec *
parse_env(const char *text, const char *const *env, struct err *err)
{
    const struct spec_source source = {
        .path = "svc.yml", .text = text, .len = strlen(text), .env = env};

    return spec_parse(&source, err);
}

static inline Reeve__ServiceSpec *parse(const char *text, struct err *err)
{
    return parse_env(text, NULL, err);
}

static inline void free_spec(Reeve__ServiceSpec **spec)
{
    if (*spec)
        reeve__service_spec__free_unpacked(*spec, NULL);
}
#define AUTO_SPEC __attribute__((cleanup(free_spec)))

/* Where the data of other projects is; NULL when it is not there. */
const char *acceptance_dir(void);

#endif
