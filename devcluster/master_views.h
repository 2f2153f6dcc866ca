/* SPDX-License-Identifier: Apache-2.0 */
/* master_views - pieces of JSON that several plain endpoints show */
#ifndef REEVE_DEVCLUSTER_MASTER_VIEWS_H
#define REEVE_DEVCLUSTER_MASTER_VIEWS_H

#include <jansson.h>

#include "devcluster/json_view.h"
#include "devcluster/master_state.h"

/* only: an id, or NULL for all. */
json_t *view_agents(const struct master *m, const char *only, bool full);
json_t *view_recovered(const struct master *m);
json_t *view_frameworks(const struct master *m, const char *only);
json_t *view_completed(const struct master *m, const char *only);
/* What /state and /state-summary both show of a framework. */
void view_framework_head(const struct master *m, const struct framework *fw,
                         json_t *out);
Mesos__V1__Master__Response__GetRoles *view_roles(const struct master *m);

#endif
