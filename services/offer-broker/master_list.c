/* SPDX-License-Identifier: Apache-2.0 */
/* master_list - see master_list.h */
#include "services/offer-broker/master_list.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"

#define MAX_MASTERS  64
#define DEFAULT_PORT "5050"

struct master_list {
    char *urls[MAX_MASTERS];
    size_t count, at;
    char *leader; /* named by a redirect; NULL: none */
    char *scheme;
};

void master_list_destroy(struct master_list **list)
{
    struct master_list *l = *list;

    if (!l)
        return;
    for (size_t i = 0; i < l->count; i++)
        free(l->urls[i]);
    free(l->leader);
    free(l->scheme);
    free(l);
    *list = NULL;
}

static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' ||
           c == ':' || c == '[' || c == ']';
}

/* Port at the end of an authority; NULL: none. */
static const char *port_of(const char *authority)
{
    const char *bracket = strrchr(authority, ']');
    const char *colon = strrchr(bracket ? bracket : authority, ':');

    return colon ? colon + 1 : NULL;
}

/* "h:p", "h", "[::1]:p" -> "scheme://h:p"; NULL with an error. */
static char *url_of(const char *scheme, const char *authority, struct err *err)
{
    const char *port = port_of(authority);
    int64_t number;

    for (const char *c = authority; *c; c++)
        if (!is_host_char(*c)) {
            err_set(err, ERR_INVALID, "'%s' is no host:port", authority);
            return NULL;
        }
    if (*authority == '\0' || authority[0] == ':') {
        err_set(err, ERR_INVALID, "a master without a host name");
        return NULL;
    }
    if (!port)
        return xasprintf("%s://%s:" DEFAULT_PORT, scheme, authority);
    if (!parse_i64(port, &number) || number < 1 || number > 65535) {
        err_set(err, ERR_INVALID, "'%s' has no valid port", authority);
        return NULL;
    }
    return xasprintf("%s://%s", scheme, authority);
}

/* Cuts "scheme://" off *rest if it is there; malloc'd or NULL. */
static char *cut_scheme(const char **rest)
{
    const char *mark = strstr(*rest, "://");
    char *scheme;

    if (!mark)
        return NULL;
    scheme = xstrndup(*rest, (size_t)(mark - *rest));
    *rest = mark + 3;
    return scheme;
}

static int check_scheme(const char *scheme, struct err *err)
{
    if (str_eq(scheme, "http") || str_eq(scheme, "https"))
        return 0;
    return err_set(err, ERR_INVALID, "'%s://' is no scheme of a master",
                   scheme);
}

static int add_one(struct master_list *list, const char *item, struct err *err)
{
    const char *rest = item;
    AUTO_FREE char *scheme = cut_scheme(&rest);
    AUTO_FREE char *authority = NULL;
    char *url;

    if (scheme && check_scheme(scheme, err) < 0)
        return -1;
    if (scheme && !list->scheme)
        list->scheme = xstrdup(scheme);
    authority = xstrndup(rest, strcspn(rest, "/"));
    if (rest[strlen(authority)] != '\0' &&
        !str_eq(rest + strlen(authority), "/"))
        return err_set(err, ERR_INVALID, "'%s': a path is not expected", item);
    if (list->count == MAX_MASTERS)
        return err_set(err, ERR_FULL, "more than %d masters", MAX_MASTERS);
    url = url_of(scheme         ? scheme
                 : list->scheme ? list->scheme
                                : "http",
                 authority, err);
    if (!url)
        return -1;
    list->urls[list->count++] = url;
    return 0;
}

struct master_list *master_list_parse(const char *text, struct err *err)
{
    struct master_list *list = xcalloc(1, sizeof(*list));
    AUTO_FREE char *copy = xstrdup(str_or_empty(text));
    char *save = NULL;

    for (char *item = strtok_r(copy, ", ", &save); item;
         item = strtok_r(NULL, ", ", &save)) {
        if (add_one(list, item, err) == 0)
            continue;
        master_list_destroy(&list);
        return NULL;
    }
    if (list->count == 0) {
        err_set(err, ERR_INVALID, "no master is named");
        master_list_destroy(&list);
    }
    return list;
}

struct master_list *master_list_new(void)
{
    return xcalloc(1, sizeof(struct master_list));
}

void master_list_follow(struct master_list *list, const char *url)
{
    char *copy = xstrdup(url);
    const char *rest = copy;

    for (size_t i = 0; i < list->count; i++)
        free(list->urls[i]);
    free(list->leader);
    free(list->scheme);
    *list = (struct master_list){.urls = {copy}, .count = 1};
    list->scheme = cut_scheme(&rest);
}

const char *master_list_current(const struct master_list *list)
{
    if (!list->leader && list->count == 0)
        return NULL;
    return list->leader ? list->leader : list->urls[list->at];
}

void master_list_failed(struct master_list *list)
{
    if (list->leader) {
        free(list->leader);
        list->leader = NULL;
    } else if (list->count > 0) {
        list->at = (list->at + 1) % list->count;
    }
}

int master_list_redirect(struct master_list *list, const char *location,
                         struct err *err)
{
    const char *rest = str_or_empty(location);
    AUTO_FREE char *scheme = cut_scheme(&rest);
    AUTO_FREE char *authority = NULL;
    char *url;

    if (scheme && check_scheme(scheme, err) < 0)
        return -1;
    if (str_eq(scheme, "http") && str_eq(list->scheme, "https"))
        return err_set(err, ERR_INVALID, "it would leave https for http");
    if (!scheme && str_starts(rest, "//"))
        rest += 2;
    authority = xstrndup(rest, strcspn(rest, "/?#"));
    url = url_of(scheme         ? scheme
                 : list->scheme ? list->scheme
                                : "http",
                 authority, err);
    if (!url)
        return -1;
    free(list->leader);
    list->leader = url;
    return 0;
}

size_t master_list_count(const struct master_list *list)
{
    return list->count;
}
