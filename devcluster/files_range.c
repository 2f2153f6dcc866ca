/* SPDX-License-Identifier: Apache-2.0 */
/* files_range - see files_range.h */
#include "devcluster/files_range.h"

#include "lib/base/base.h"
#include "lib/httpd/httpd.h"

const char *files_path_asked(struct httpd_request *request)
{
    const char *path = httpd_query(request, "path");

    if (path && *path)
        return path;
    httpd_reply_text(request, 400, "Expecting 'path=value' in query.\n");
    return NULL;
}

static bool number_asked(struct httpd_request *request, const char *name,
                         int64_t *out)
{
    const char *text = httpd_query(request, name);

    *out = -1;
    if (!text)
        return true;
    if (!parse_i64(text, out)) {
        httpd_reply_text(request, 400,
                         "Failed to parse %s: Failed to convert '%s' to "
                         "number.\n",
                         name, text);
        return false;
    }
    /* Just -1 is what the web page of a master asks with. */
    if (*out >= -1)
        return true;
    httpd_reply_text(request, 400, "Negative %s provided: %lld.\n", name,
                     (long long)*out);
    return false;
}

bool files_range_asked(struct httpd_request *request, struct files_range *range)
{
    return number_asked(request, "offset", &range->offset) &&
           number_asked(request, "length", &range->length);
}
