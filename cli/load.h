/* SPDX-License-Identifier: Apache-2.0 */
/* load - reads a svc.yml and says on stderr what is wrong or odd about it */
#ifndef REEVE_CLI_LOAD_H
#define REEVE_CLI_LOAD_H

#include "lib/spec/spec.h"

enum load_where {
    LOAD_FOR_ANY,        /* what only real agents can do is a warning */
    LOAD_FOR_DEVCLUSTER, /* ... an error */
    LOAD_FOR_CLUSTER,    /* ... fine */
};

/* NULL when it is not valid, or asks for what cannot be done there; free with
 * reeve__service_spec__free_unpacked. */
Reeve__ServiceSpec *load_spec(const char *path, char **env,
                              enum load_where where);

#endif
