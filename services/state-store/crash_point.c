/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/crash_point.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/base.h"

static char wanted[64]; /* "" = none */
static atomic_int left = 1;

void crash_point_init(void)
{
    const char *env = getenv("REEVE_CRASH_AT");
    size_t len = env ? strcspn(env, ":") : 0;
    if (len == 0 || len >= sizeof wanted)
        return;
    memcpy(wanted, env, len);
    int64_t n;
    if (env[len] == ':' && parse_i64(env + len + 1, &n) && n > 0)
        left = (int)MIN(n, 1 << 30);
}

void crash_point(const char *name)
{
    if (!wanted[0] || strcmp(wanted, name) != 0)
        return;
    if (atomic_fetch_sub(&left, 1) == 1)
        kill(getpid(), SIGKILL);
}
