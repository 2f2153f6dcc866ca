/* SPDX-License-Identifier: Apache-2.0 */
/* load - reads a svc.yml and says on stderr what is wrong or odd about it */
#ifndef REEVE_CLI_LOAD_H
#define REEVE_CLI_LOAD_H

#include "lib/spec/spec.h"

/* NULL when it is not valid, or asks for what the suite does not do yet; free
 * with reeve__service_spec__free_unpacked. */
Reeve__ServiceSpec *load_spec(const char *path, char **env);

#endif
