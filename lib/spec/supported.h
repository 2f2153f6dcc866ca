/* SPDX-License-Identifier: Apache-2.0 */
/* supported - what a spec may ask for that this suite does not run yet
 *
 * Such a spec is refused before anything is started: nothing of it is ever
 * ignored in silence.  One table; a feature that comes to run loses its row.
 */
#ifndef REEVE_LIB_SPEC_SUPPORTED_H
#define REEVE_LIB_SPEC_SUPPORTED_H

#include <stddef.h>

#include "lib/spec/spec.h"

/* What no suite runs: at most `max` malloc'd texts into out[] ("pods.hello:
 * configs is not supported yet"); returns how many. */
size_t spec_unsupported(const Reeve__ServiceSpec *spec, char **out, size_t max);

/* What needs agents of a real cluster: the devcluster's start plain processes
 * of this machine. */
size_t spec_unsupported_by_devcluster(const Reeve__ServiceSpec *spec,
                                      char **out, size_t max);

/* Placement hooks that are asked for and that `configured`, the broker's list
 * ("NAME[=ENDPOINT],…"; NULL: none), does not name: texts as above. */
size_t spec_unconfigured_hooks(const Reeve__ServiceSpec *spec,
                               const char *configured, char **out, size_t max);

#endif
