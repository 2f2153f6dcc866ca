/* SPDX-License-Identifier: Apache-2.0 */
/* traces - see traces.h */
#include "tests/unit/wire/traces.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/fs.h"

const char *traces_dir(void)
{
    const char *dir = getenv("REEVE_MESOS_TRACES");
    if (!dir)
        dir = "../shared/mesos-traces";
    if (access(dir, R_OK) == 0)
        return dir;
    cr_log_warn("no recordings at %s: skipped\n", dir);
    return NULL;
}

int traces_each(const char *pattern,
                void (*fn)(const char *path, const struct buf *data))
{
    AUTO_FREE char *path = fs_join(traces_dir(), pattern);
    glob_t found;
    int files = 0;
    if (glob(path, 0, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        AUTO_BUF struct buf data = {0};
        cr_assert_eq(fs_read(found.gl_pathv[i], 1 << 26, &data, NULL), 0);
        fn(found.gl_pathv[i], &data);
        files++;
    }
    globfree(&found);
    return files;
}
