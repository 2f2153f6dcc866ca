/* SPDX-License-Identifier: Apache-2.0 */
/* acceptance - finds the data of other projects that some tests use */
#include <sys/stat.h>

#include "tests/unit/spec/spec_test.h"

const char *acceptance_dir(void)
{
    const char *dir = getenv("REEVE_ACCEPTANCE");
    struct stat st;

    if (!dir || !*dir)
        dir = "../shared/acceptance";
    return stat(dir, &st) == 0 && S_ISDIR(st.st_mode) ? dir : NULL;
}
