/* SPDX-License-Identifier: Apache-2.0 */
/* fetch - brings the files named by a task's URIs into its sandbox
 *
 * Runs in a child of the shim, as the task's user, and blocks.  No cache: each
 * task downloads anew.
 */
#ifndef REEVE_DEVCLUSTER_FETCH_H
#define REEVE_DEVCLUSTER_FETCH_H

#include "proto/devagent.pb-c.h"

struct err;

/* One after the other; stops at the first failure.  Absolute paths and file://
 * are copied; http(s):// and ftp(s):// are downloaded.  Parts of the target
 * path that are missing are made. */
int fetch_all(const Reeve__Devagent__ContainerSpec *spec, struct err *err);

enum fetch_archive {
    FETCH_PLAIN,
    FETCH_TAR, /* any tar, compressed or not */
    FETCH_GZIP,
    FETCH_ZIP,
};
/* By the name's ending, as a real fetcher decides it. */
enum fetch_archive fetch_archive_of(const char *name);

/* The local name: output_file, or what follows the last slash of the URI (the
 * query included).  ERR_INVALID when there is none or it leaves the sandbox;
 * malloc'd. */
char *fetch_local_name(const char *uri, const char *output_file,
                       struct err *err);

#endif
