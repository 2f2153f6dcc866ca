/* SPDX-License-Identifier: Apache-2.0 */
/* zk_pick - see zk_pick.h */
#include "services/offer-broker/zk_pick.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/wire/wire.h"
#include "proto/mesos/v1/mesos.pb-c.h"

#define DEFAULT_PORT "2181"
#define MAX_HOST_LEN 255

/* ---- the URL ------------------------------------------------------ */
void zk_url_free(struct zk_url *url)
{
    free(url->hosts);
    free(url->path);
    free(url->auth);
    *url = (struct zk_url){0};
}

static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || strchr(".-_:[]", c);
}

static bool is_host(const char *host)
{
    for (const char *c = host; *c; c++)
        if (!is_host_char(*c))
            return false;
    return *host && strlen(host) <= MAX_HOST_LEN;
}

static bool is_port(const char *text)
{
    int64_t port;

    return parse_i64(text, &port) && port >= 1 && port <= 65535;
}

/* One "h:p" or "h". */
static int add_host(struct buf *out, const char *item, struct err *err)
{
    const char *bracket = strrchr(item, ']');
    const char *colon = strrchr(bracket ? bracket : item, ':');

    if (!is_host(item) || colon == item || (colon && !is_port(colon + 1)))
        return err_set(err, ERR_INVALID, "'%s' is no host:port of a ZooKeeper",
                       item);
    buf_addf(out, "%s%s%s", out->len ? "," : "", item,
             colon ? "" : ":" DEFAULT_PORT);
    return 0;
}

static int parse_hosts(const char *text, struct zk_url *out, struct err *err)
{
    AUTO_FREE char *copy = xstrdup(text);
    AUTO_BUF struct buf hosts = {0};
    char *rest = copy;

    for (char *item; (item = strsep(&rest, ",")) != NULL;)
        if (add_host(&hosts, item, err) < 0)
            return -1;
    out->hosts = buf_take(&hosts, NULL);
    return 0;
}

static int parse_path(const char *text, struct zk_url *out, struct err *err)
{
    size_t len = strlen(text);

    while (len > 1 && text[len - 1] == '/')
        len--;
    if (len < 2 || strstr(text, "//"))
        return err_set(err, ERR_INVALID,
                       "a zk:// URL must end in the path of the masters, as "
                       "in zk://host:2181/mesos");
    out->path = xstrndup(text, len);
    return 0;
}

int zk_url_parse(const char *text, struct zk_url *out, struct err *err)
{
    const char *rest = text + strlen("zk://");
    AUTO_FREE char *authority = NULL;
    const char *at;

    *out = (struct zk_url){0};
    if (!str_starts(text, "zk://"))
        return err_set(err, ERR_INVALID, "not a zk:// URL");
    /* A password may hold slashes; hosts hold no @. */
    at = strrchr(rest, '@');
    if (at && at != rest) {
        out->auth = xstrndup(rest, (size_t)(at - rest));
        rest = at + 1;
    }
    authority = xstrndup(rest, strcspn(rest, "/"));
    if (out->auth && !strchr(out->auth, ':'))
        err_set(err, ERR_INVALID, "zk://…@: must be user:password");
    else if (parse_hosts(authority, out, err) == 0 &&
             parse_path(rest + strlen(authority), out, err) == 0)
        return 0;
    zk_url_free(out);
    return -1;
}

/* ---- the leader --------------------------------------------------- */
/* The number behind the last _; false: no master's node. */
static bool sequence_of(const char *name, int64_t *out)
{
    const char *mark = strrchr(name, '_');
    const char *digits = mark ? mark + 1 : name;

    return strspn(digits, "0123456789") == strlen(digits) &&
           parse_i64(digits, out);
}

int zk_pick_leader(const char *const *names, size_t count)
{
    int64_t best = 0, number;
    int leader = -1;

    for (size_t i = 0; i < count; i++) {
        if (!sequence_of(names[i], &number) || (leader >= 0 && number >= best))
            continue;
        best = number;
        leader = (int)i;
    }
    return leader;
}

/* ---- its address -------------------------------------------------- */
static char *join(const char *host, int64_t port, struct err *err)
{
    bool is_v6 = host && strchr(host, ':') && *host != '[';

    if (host && is_host(host) && port >= 1 && port <= 65535)
        return xasprintf(is_v6 ? "[%s]:%d" : "%s:%d", host, (int)port);
    err_set(err, ERR_INVALID, "the leader's node names no usable address");
    return NULL;
}

/* What one source says, in whatever form. */
struct said {
    const char *hostname, *ip;
    int64_t port;
    const char *pid;        /* "master@ip:port" */
    const char *other_name; /* outside of address */
};

static char *from_pid(const char *pid, struct err *err)
{
    const char *at = strchr(str_or_empty(pid), '@');
    const char *colon = at ? strrchr(at, ':') : NULL;
    int64_t port = 0;
    AUTO_FREE char *host = NULL;

    if (colon && parse_i64(colon + 1, &port))
        host = xstrndup(at + 1, (size_t)(colon - at - 1));
    if (host && *host == '[')
        host[strcspn(host, "]")] = '\0';
    return join(host ? host + (*host == '[') : NULL, port, err);
}

static char *choose(const struct said *said, bool by_name, struct err *err)
{
    const char *name = said->hostname ? said->hostname : said->other_name;
    const char *first = by_name ? name : said->ip;
    const char *second = by_name ? said->ip : name;

    if (!by_name && !said->ip && said->pid)
        return from_pid(said->pid, err);
    if (first || second)
        return join(first ? first : second, said->port, err);
    return from_pid(said->pid, err);
}

static const char *text_in(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));

    return text && *text ? text : NULL;
}

static char *from_json(const void *data, size_t len, bool by_name,
                       struct err *err)
{
    json_t *json = json_loadb(data, len, 0, NULL);
    const json_t *address = json_object_get(json, "address");
    const json_t *port = json_object_get(address, "port");
    struct said said = {.hostname = text_in(address, "hostname"),
                        .ip = text_in(address, "ip"),
                        .pid = text_in(json, "pid"),
                        .other_name = text_in(json, "hostname")};
    char *out;

    said.port = json_integer_value(port ? port : json_object_get(json, "port"));
    out = choose(&said, by_name, err);
    json_decref(json);
    return out;
}

static char *from_message(const void *data, size_t len, bool by_name,
                          struct err *err)
{
    AUTO_MESSAGE Mesos__V1__MasterInfo *info =
        WIRE_DECODE(mesos__v1__master_info, data, len, err);
    struct said said = {0};
    char ip[INET_ADDRSTRLEN];
    struct in_addr in;

    if (!info)
        return NULL;
    in.s_addr = info->ip; /* as it was in the master's memory */
    if (info->ip)
        said.ip = inet_ntop(AF_INET, &in, ip, sizeof(ip));
    said.pid = info->pid;
    said.port = info->port;
    said.other_name = info->hostname;
    if (info->address) {
        said.hostname = info->address->hostname;
        said.port = info->address->port;
        if (info->address->ip)
            said.ip = info->address->ip;
    }
    return choose(&said, by_name, err);
}

static char *from_text(const void *data, size_t len, struct err *err)
{
    AUTO_FREE char *text = xstrndup(data ? data : "", len);

    return from_pid(text, err);
}

char *zk_pick_address(const char *name, const void *data, size_t len,
                      bool by_name, struct err *err)
{
    if (str_starts(name, "json.info_"))
        return from_json(data, len, by_name, err);
    if (str_starts(name, "info_"))
        return from_message(data, len, by_name, err);
    return from_text(data, len, err);
}
