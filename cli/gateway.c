/* SPDX-License-Identifier: Apache-2.0 */
/* gateway - finds the API, asks it, and words its refusals */
#include "cli/gateway.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/suite.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/http/http_client.h"

#define TIMEOUT_MS 15000

void gateway_reply_free(struct gateway_reply *reply)
{
    free(reply->body);
    free(reply->url);
    *reply = (struct gateway_reply){0};
}

static char *without_end_slash(const char *url)
{
    size_t len = strlen(url);

    while (len && url[len - 1] == '/')
        len--;
    return xstrndup(url, len);
}

char *gateway_base(const struct cli *cli, struct err *err)
{
    const char *run_dir = options_str(cli->options, "run-dir");
    const char *url = options_str(cli->options, "url");
    AUTO_FREE char *path = fs_join(run_dir, "suite.json");
    AUTO_BUF struct buf text = {0};

    if (*url)
        return without_end_slash(url);
    if (fs_read(path, 1 << 20, &text, err) < 0) {
        err_set(err, ERR_NOT_FOUND,
                "no suite in %s (%s is not there): start one with `reeve up`, "
                "or say where it is with --run-dir or --url",
                run_dir, path);
        return NULL;
    }
    struct suite *suite = suite_decode(text.data, text.len, err);
    if (!suite) {
        err_wrap(err, "%s", path);
        return NULL;
    }
    char *base = suite_gateway_url(suite);
    suite_destroy(&suite);
    return base;
}

char *gateway_quote(const char *text)
{
    struct buf out = {0};

    buf_add_str(&out, "");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (isalnum(c) || strchr("-_.~", c))
            buf_add_char(&out, (char)c);
        else
            buf_addf(&out, "%%%02X", c);
    }
    return buf_take(&out, NULL);
}

/* "/v1/service/a.b/plans" for service "/a/b". */
static char *full_url(const struct cli *cli, const char *base, const char *path)
{
    const char *service = options_str(cli->options, "service");

    if (!*service || !str_starts(path, "/v1/"))
        return xasprintf("%s%s", base, path);
    AUTO_FREE char *name = xstrdup(*service == '/' ? service + 1 : service);
    for (char *p = name; *p; p++)
        if (*p == '/')
            *p = '.';
    AUTO_FREE char *quoted = gateway_quote(name);
    return xasprintf("%s/v1/service/%s/%s", base, quoted, path + 4);
}

int gateway_call(const struct cli *cli, const char *method, const char *path,
                 const char *body, struct gateway_reply *out, struct err *err)
{
    static const char *const headers[] = {"Content-Type: application/json",
                                          NULL};
    AUTO_FREE char *base = gateway_base(cli, err);

    *out = (struct gateway_reply){0};
    if (!base)
        return -1;
    out->url = full_url(cli, base, path);
    struct http_call call = {.method = method,
                             .url = out->url,
                             .headers = headers,
                             .body = body,
                             .body_len = body ? strlen(body) : 0,
                             .timeout_ms = TIMEOUT_MS,
                             .connect_timeout_ms = TIMEOUT_MS};
    return http_once(&call, &out->status, &out->body, &out->len, err);
}

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {{400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {409, "Conflict"},
                   {500, "Internal Server Error"},
                   {501, "Not Implemented"},
                   {502, "Bad Gateway"},
                   {503, "Service Unavailable"}};

    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "";
}

static int fail_http(const struct cli *cli, const char *method,
                     const struct gateway_reply *r)
{
    const char *service = options_str(cli->options, "service");
    const char *body = str_or_empty(r->body);
    const char *gap = *body ? ": " : "";

    if (r->status == 401)
        return cli_fail(EXIT_FAILED, "Got 401 Unauthorized response from %s",
                        r->url);
    if (r->status == 404)
        return cli_fail(EXIT_FAILED,
                        "Got 404 Not Found response from %s%s%s\n"
                        "- Is the item's name right?  `reeve plan list` and "
                        "`reeve pod list` show what there is.\n"
                        "- Is it the right service?  Name it with --service.",
                        r->url, gap, body);
    if (r->status == 500 || r->status == 502)
        return cli_fail(EXIT_FAILED,
                        "Could not reach the service%s%s: %s answered %d %s%s"
                        "%s\n- Do its processes run?  See suite.json and the "
                        "logs in the run dir.\n"
                        "- Is it the right service?  Name it with --service.",
                        *service ? " " : "", service, r->url, r->status,
                        reason(r->status), gap, body);
    return cli_fail(EXIT_FAILED, "HTTP %s Query for %s failed: %d %s%s%s",
                    method, r->url, r->status, reason(r->status), gap, body);
}

int gateway_check(const struct cli *cli, const char *method,
                  const struct gateway_reply *r)
{
    bool is_plan = strstr(r->url, "/plan") != NULL;
    bool is_health = strstr(r->url, "/v1/health") != NULL;

    if (r->status == 208 && strcmp(method, "GET") != 0)
        return cli_fail(EXIT_FAILED, "Cannot execute command. Command has "
                                     "already been issued or the plan has "
                                     "completed");
    if ((r->status >= 200 && r->status < 300) ||
        (is_plan && strcmp(method, "GET") == 0 && r->status == 417) ||
        (is_health && r->status < 400)) /* 318 and the like say how it is */
        return EXIT_OK;
    return fail_http(cli, method, r);
}

int gateway_request(const struct cli *cli, const char *method, const char *path,
                    const char *body, struct gateway_reply *out)
{
    struct err err = {0};

    if (gateway_call(cli, method, path, body, out, &err) < 0)
        return cli_fail(EXIT_FAILED, "%s", err.text);
    return gateway_check(cli, method, out);
}
