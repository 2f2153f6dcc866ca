/* SPDX-License-Identifier: Apache-2.0 */
/* fake_source - a store of a few records for view tests */
#ifndef REEVE_TESTS_FAKE_SOURCE_H
#define REEVE_TESTS_FAKE_SOURCE_H

#include "services/api-gateway/view.h"

struct fake_source;

struct fake_source *fake_source_new(void);
void fake_source_destroy(struct fake_source **fake);
/* Keys may come in any order; a key given twice is replaced. */
void fake_source_put(struct fake_source *fake, const char *key,
                     const ProtobufCMessage *value);
void fake_source_put_bytes(struct fake_source *fake, const char *key,
                           const void *value, size_t len);
struct view_source fake_source_view(struct fake_source *fake);

/* A task of data-store with a TaskInfo and a status; state NULL: no status. */
void fake_source_task(struct fake_source *fake, const char *pod_type,
                      unsigned index, const char *state);

#endif
