/* SPDX-License-Identifier: Apache-2.0 */
/* files_range - which file, and which part of it, a request for files asks for
 *
 * The same for a master's and an agent's /files/….
 */
#ifndef REEVE_DEVCLUSTER_FILES_RANGE_H
#define REEVE_DEVCLUSTER_FILES_RANGE_H

#include <stdbool.h>
#include <stdint.h>

struct httpd_request;

/* -1: not given, which means "how long is it?" for the offset. */
struct files_range {
    int64_t offset, length;
};

/* NULL: it replied 400. */
const char *files_path_asked(struct httpd_request *request);
/* false: it replied 400. */
bool files_range_asked(struct httpd_request *request,
                       struct files_range *range);

#endif
