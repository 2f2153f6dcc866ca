/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/redis_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"

enum {
    DEFAULT_PORT = 6379,
    SENTINEL_PORT = 26379,
    SENTINELS_MAX = 32,
    DATABASE_MAX = 65535,
};

bool redis_url_is_set(const struct redis_url *url)
{
    return url->host || url->n_sentinels;
}

void redis_url_free(struct redis_url *url)
{
    for (size_t i = 0; i < url->n_sentinels; i++)
        free(url->sentinels[i].host);
    free(url->sentinels);
    free(url->master);
    free(url->sentinel_user);
    free(url->sentinel_password);
    free(url->host);
    free(url->user);
    free(url->password);
    memset(url, 0, sizeof *url);
}

void redis_url_text(const struct redis_url *url, char *out, size_t size)
{
    const char *s = url->is_tls ? "s" : "";
    if (url->n_sentinels)
        snprintf(out, size, "redis%s+sentinel://%s:%d%s/%s/%d", s,
                 url->sentinels[0].host, url->sentinels[0].port,
                 url->n_sentinels > 1 ? ",..." : "", url->master,
                 url->database);
    else if (url->is_unix)
        snprintf(out, size, "unix://%s?db=%d", url->host, url->database);
    else
        snprintf(out, size, "redis%s://%s:%d/%d", s, url->host, url->port,
                 url->database);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %XX undone; NULL when it is not well formed. */
static char *unescape(const char *text, size_t len)
{
    char *out = xmalloc(len + 1), *p = out;
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            *p++ = text[i];
            continue;
        }
        int hi = i + 2 < len ? hex_value(text[i + 1]) : -1;
        int lo = i + 2 < len ? hex_value(text[i + 2]) : -1;
        if (hi >= 0 && lo >= 0 && (hi || lo)) {
            *p++ = (char)(hi << 4 | lo);
            i += 2;
            continue;
        }
        free(out);
        return NULL;
    }
    *p = '\0';
    return out;
}

static int parse_number(const char *text, int max, int *out)
{
    int64_t number;
    if (!parse_i64(text, &number) || number < 0 || number > max)
        return -1;
    *out = (int)number;
    return 0;
}

/* [[user]:password@]; *text moves behind it. */
static int parse_account(const char **text, size_t len, struct redis_url *url,
                         struct err *err)
{
    const char *at = memrchr(*text, '@', len);
    if (!at)
        return 0;
    const char *colon = memchr(*text, ':', (size_t)(at - *text));
    if (!colon)
        return err_set(err, ERR_INVALID,
                       "Redis URL: write the password as "
                       "user:password@ or :password@");
    if (colon > *text)
        url->user = unescape(*text, (size_t)(colon - *text));
    url->password = unescape(colon + 1, (size_t)(at - colon - 1));
    if ((colon > *text && !url->user) || !url->password)
        return err_set(err, ERR_INVALID,
                       "Redis URL: bad %%XX in user or password");
    *text = at + 1;
    return 0;
}

static int parse_unix(const char *text, struct redis_url *url, struct err *err)
{
    const char *query = strchr(text, '?');
    size_t len = query ? (size_t)(query - text) : strlen(text);
    url->is_unix = true;
    url->host = unescape(text, len);
    if (!url->host || url->host[0] != '/')
        return err_set(err, ERR_INVALID,
                       "Redis URL: unix:// takes the whole "
                       "path of a socket, as unix:///run/redis.sock");
    if (strlen(url->host) > 107)
        return err_set(err, ERR_INVALID,
                       "Redis URL: a socket's path has at most 107 bytes");
    if (query && (!str_starts(query, "?db=") ||
                  parse_number(query + 4, DATABASE_MAX, &url->database) < 0))
        return err_set(err, ERR_INVALID, "Redis URL: after ? only db=NUMBER");
    return 0;
}

/* host or [v6 address]; *text moves behind it. */
static char *take_host(const char **text)
{
    const char *start = *text, *end;
    if (*start == '[') {
        end = strchr(++start, ']');
        if (!end)
            return NULL;
        *text = end + 1;
    } else {
        end = start + strcspn(start, ":/,");
        *text = end;
    }
    return end > start ? xstrndup(start, (size_t)(end - start)) : NULL;
}

/* host[:port]; *text moves behind it. The host is the caller's. */
static int take_address(const char **text, struct redis_host *at,
                        struct err *err)
{
    at->host = take_host(text);
    if (!at->host)
        return err_set(err, ERR_INVALID, "Redis URL: no host");
    if (**text != ':')
        return 0;
    size_t len = strcspn(++*text, "/,");
    AUTO_FREE char *port = xstrndup(*text, len);
    if (parse_number(port, 65535, &at->port) < 0 || at->port == 0)
        return err_set(err, ERR_INVALID, "Redis URL: bad port");
    *text += len;
    return 0;
}

static int parse_sentinels(const char **text, struct redis_url *url,
                           struct err *err)
{
    for (;;) {
        struct redis_host at = {NULL, SENTINEL_PORT};
        int taken = take_address(text, &at, err);
        url->sentinels = xrealloc(url->sentinels, (url->n_sentinels + 1) *
                                                      sizeof *url->sentinels);
        url->sentinels[url->n_sentinels++] = at;
        if (taken < 0)
            return -1;
        if (**text != ',')
            return 0;
        if (url->n_sentinels == SENTINELS_MAX)
            return err_set(err, ERR_INVALID, "Redis URL: at most %d sentinels",
                           SENTINELS_MAX);
        ++*text;
    }
}

/* sentinel_user=U&sentinel_password=P, each at most once. */
static int parse_sentinel_account(const char *text, struct redis_url *url,
                                  struct err *err)
{
    static const char user[] = "sentinel_user=";
    static const char password[] = "sentinel_password=";
    for (;;) {
        bool is_user = str_starts(text, user);
        char **to = is_user ? &url->sentinel_user : &url->sentinel_password;
        if ((!is_user && !str_starts(text, password)) || *to)
            break;
        text = strchr(text, '=') + 1;
        size_t len = strcspn(text, "&");
        *to = len ? unescape(text, len) : NULL;
        if (!*to)
            break;
        text += len;
        if (!*text && url->sentinel_password)
            return 0;
        if (!*text++)
            break;
    }
    return err_set(err, ERR_INVALID,
                   "Redis URL: after ? only sentinel_user=USER&"
                   "sentinel_password=PASSWORD, or the password alone");
}

static int parse_sentinel(const char *text, struct redis_url *url,
                          struct err *err)
{
    if (parse_sentinels(&text, url, err) < 0)
        return -1;
    size_t len = *text == '/' ? strcspn(text + 1, "/?") : 0;
    url->master = len ? unescape(text + 1, len) : NULL;
    if (!url->master)
        return err_set(err, ERR_INVALID,
                       "Redis URL: after the sentinels / and the name of the "
                       "master");
    text += 1 + len;
    len = strcspn(text, "?");
    AUTO_FREE char *database = xstrndup(text, len);
    if (*database == '/' && database[1] &&
        parse_number(database + 1, DATABASE_MAX, &url->database) < 0)
        return err_set(err, ERR_INVALID,
                       "Redis URL: after the master's name / and the number "
                       "of a database");
    text += len;
    return *text ? parse_sentinel_account(text + 1, url, err) : 0;
}

static int parse_tcp(const char *text, struct redis_url *url, struct err *err)
{
    struct redis_host at = {NULL, DEFAULT_PORT};
    int taken = take_address(&text, &at, err);
    url->host = at.host;
    url->port = at.port;
    if (taken < 0)
        return -1;
    if (*text == '/' && text[1] &&
        parse_number(text + 1, DATABASE_MAX, &url->database) < 0)
        return err_set(err, ERR_INVALID,
                       "Redis URL: after / the number of a "
                       "database");
    if (*text && *text != '/')
        return err_set(err, ERR_INVALID,
                       "Redis URL: what follows the host "
                       "does not read");
    return 0;
}

static const struct {
    const char *scheme;
    bool is_tls;
    int (*parse)(const char *text, struct redis_url *url, struct err *err);
} schemes[] = {
    {"redis://", false, parse_tcp},
    {"rediss://", true, parse_tcp},
    {"redis+sentinel://", false, parse_sentinel},
    {"rediss+sentinel://", true, parse_sentinel},
    {"unix://", false, parse_unix},
};

/* Where the master's account must be: a password may hold any sign, but a path
 * starts with a slash, and what is for the sentinels stands behind. */
static size_t account_len(const struct redis_url *url, const char *text)
{
    const char *behind = strstr(text, "?sentinel_");
    if (url->is_unix)
        return strcspn(text, "/");
    return behind ? (size_t)(behind - text) : strlen(text);
}

static int parse_as(size_t scheme, const char *text, struct redis_url *url,
                    struct err *err)
{
    url->is_unix = schemes[scheme].parse == parse_unix;
    url->is_tls = schemes[scheme].is_tls;
    if (parse_account(&text, account_len(url, text), url, err) == 0 &&
        schemes[scheme].parse(text, url, err) == 0)
        return 0;
    redis_url_free(url);
    return -1;
}

int redis_url_parse(const char *text, struct redis_url *url, struct err *err)
{
    memset(url, 0, sizeof *url);
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (str_starts(text, schemes[i].scheme))
            return parse_as(i, text + strlen(schemes[i].scheme), url, err);
    return err_set(err,
                   str_starts(text, "redis") ? ERR_UNSUPPORTED : ERR_INVALID,
                   "Redis URL: redis[s]://[user:password@]host[:port][/db], "
                   "unix:///path[?db=N] or "
                   "redis[s]+sentinel://host[:port],.../master[/db]");
}
