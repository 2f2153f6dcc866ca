/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a template: renders or refuses, and every line of the output
 * has a line of the template. */
#include <stdint.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/spec/mustache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *get(void *self, const char *name, size_t len)
{
    (void)self;
    if (len == 0 || name[0] == 'U')
        return NULL;
    return name[0] == 'F' ? "false" : "<a & 'b'\n>";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct mustache_vars vars = {.get = get};
    struct mustache_result result;
    struct err err = {0};
    size_t newlines = 1;

    if (mustache_render((const char *)data, len, &vars, &result, &err) < 0)
        ASSERT(err.code == ERR_INVALID && *err.text);
    for (size_t i = 0; i < len; i++)
        newlines += data[i] == '\n';
    for (size_t i = 0; i < result.n_lines; i++)
        ASSERT(result.lines[i] >= 1 && result.lines[i] <= newlines);
    mustache_result_free(&result);
    return 0;
}
