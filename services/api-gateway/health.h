/* SPDX-License-Identifier: Apache-2.0 */
/* health - GET /v1/health: one code for a whole service; pure
 *
 * The codes are the SDK's (docs/api.md); a Marathon check takes 200-399 as
 * healthy, which is why some are odd.
 */
#ifndef REEVE_API_GATEWAY_HEALTH_H
#define REEVE_API_GATEWAY_HEALTH_H

#include <jansson.h>
#include <stdbool.h>

#include "services/api-gateway/view.h"

struct health_facts {
    bool has_framework_id;
    const struct view_plans *plans;
    const char *framework_error; /* the master gave it up; NULL or "": no */
    const char *hindrance;       /* why it does not register; likewise */
};

/* The first condition that holds decides. */
int health_code(const struct health_facts *facts);
/* Sentences for ?verbose, one for each condition in order. */
json_t *health_reasons(const struct health_facts *facts);

#endif
