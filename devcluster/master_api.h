/* SPDX-License-Identifier: Apache-2.0 */
/* master_api - answers of POST /api/v1's GET_* calls; for master_api.c */
#ifndef REEVE_DEVCLUSTER_MASTER_API_H
#define REEVE_DEVCLUSTER_MASTER_API_H

#include "devcluster/master_state.h"

/* A new answer of the same type name; NULL when type is no GET call we know. */
Mesos__V1__Master__Response *api_get(const struct master *m, int call_type);
/* Parts of them, also sent as events. */
Mesos__V1__Master__Response__GetState *api_state(const struct master *m);
Mesos__V1__Master__Response__GetAgents__Agent *
api_agent(const struct magent *agent);
Mesos__V1__Master__Response__GetFrameworks__Framework *
api_framework(const struct master *m, const struct framework *fw);

#endif
