/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http/header.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/base.h"

char *header_value(const char *line, size_t len, const char *name)
{
    size_t n = strlen(name);
    if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
        return NULL;
    const char *begin = line + n + 1;
    const char *end = line + len;
    while (begin < end && (*begin == ' ' || *begin == '\t'))
        begin++;
    while (end > begin && strchr("\r\n \t", end[-1]))
        end--;
    return xstrndup(begin, (size_t)(end - begin));
}

void header_keep(char **slot, const char *line, size_t len, const char *name)
{
    char *value = header_value(line, len, name);
    if (!value)
        return;
    free(*slot);
    *slot = value;
}
