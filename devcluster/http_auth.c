/* SPDX-License-Identifier: Apache-2.0 */
/* http_auth - see http_auth.h */
#include "devcluster/http_auth.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/wire/wire.h"

#define MAX_FILE_BYTES (1u << 20)

struct http_auth {
    json_t *file;
    json_t *credentials; /* borrowed from file; checked */
};

static bool is_credential(const json_t *one)
{
    const char *principal =
        json_string_value(json_object_get(one, "principal"));

    return principal && *principal && !strchr(principal, ':') &&
           json_is_string(json_object_get(one, "secret"));
}

struct http_auth *http_auth_parse(const char *text, struct err *err)
{
    struct http_auth *auth = xcalloc(1, sizeof *auth);
    json_error_t why = {0};
    const json_t *one;
    size_t i;

    auth->file = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    auth->credentials = json_object_get(auth->file, "credentials");
    if (!json_is_array(auth->credentials)) {
        err_set(err, ERR_INVALID,
                "expected {\"credentials\":[{\"principal\":…,\"secret\":…}]}"
                "%s%s",
                *why.text ? ": " : "", why.text);
        http_auth_destroy(&auth);
        return NULL;
    }
    json_array_foreach(auth->credentials, i, one)
    {
        if (is_credential(one))
            continue;
        err_set(err, ERR_INVALID,
                "credential %zu: expected a principal without ':' and a secret",
                i);
        http_auth_destroy(&auth);
        return NULL;
    }
    return auth;
}

struct http_auth *http_auth_load(const char *path, struct err *err)
{
    AUTO_BUF struct buf text = {0};
    struct http_auth *auth;

    if (fs_read(path, MAX_FILE_BYTES, &text, err) < 0)
        return NULL;
    auth = http_auth_parse(buf_text(&text), err);
    if (!auth)
        err_wrap(err, "%s", path);
    return auth;
}

void http_auth_destroy(struct http_auth **auth)
{
    if (!*auth)
        return;
    json_decref((*auth)->file);
    free(*auth);
    *auth = NULL;
}

const char *http_auth_principal(const struct http_auth *auth,
                                const char *header)
{
    AUTO_BUF struct buf text = {0};
    const json_t *one;
    char *colon;
    size_t i;

    if (!header || !str_starts(header, "Basic "))
        return NULL;
    header += strlen("Basic ");
    if (!base64_decode(header, strlen(header), &text) || !text.len)
        return NULL;
    colon = strchr(buf_text(&text), ':');
    if (!colon || strchr(colon + 1, ':') || strlen(buf_text(&text)) != text.len)
        return NULL;
    *colon = '\0';
    json_array_foreach(auth->credentials, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "principal"));

        if (str_eq(name, buf_text(&text)) &&
            str_eq(json_string_value(json_object_get(one, "secret")),
                   colon + 1))
            return name;
    }
    return NULL;
}
