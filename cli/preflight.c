/* SPDX-License-Identifier: Apache-2.0 */
/* preflight - run dir, lock, programs, ports, master, Redis */
#include "cli/preflight.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/base/id.h"
#include "lib/base/redis_url.h"
#include "lib/bus/bus.h"
#include "lib/http/http_client.h"
#include "lib/service/service.h"

#define MARK ".reeve-run-dir"
#define MARK_TEXT                                                              \
    "The run dir of a Reeve suite; `reeve down --purge` empties it.\n"
#define PEER_TIMEOUT_MS 5000
#define MIN_FREE_KIB    4096
/* Where a suite's own servers listen when nothing else is asked for: below the
 * ports that connections are given (and those of the devcluster's tasks). */
#define FIRST_OWN_PORT 20000
#define LAST_OWN_PORT  29999
#define MIN_OWN_PORTS  1000
#define PORT_TRIES     200

/* ---- run dir ---- */

bool preflight_is_run_dir(const char *path)
{
    AUTO_FREE char *mark = fs_join(path, MARK);

    return access(mark, F_OK) == 0;
}

/* Nothing but maybe the mark that another `up` is just making. */
static bool is_empty(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;

    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
             !str_starts(e->d_name, MARK);
    if (dir)
        closedir(dir);
    return n == 0;
}

static int make_folders(const char *run_dir, struct err *err)
{
    static const char *const folders[] = {"log", "pids", "redis", "devcluster"};
    AUTO_FREE char *mark = fs_join(run_dir, MARK);

    if (fs_write_atomic(mark, MARK_TEXT, strlen(MARK_TEXT), 0600, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        AUTO_FREE char *path = fs_join(run_dir, folders[i]);
        if (fs_mkdirs(path, 0700, err) < 0)
            return -1;
    }
    return 0;
}

/* Less, and nothing could even say what is wrong.  How much the log wants is
 * the state-store's to say. */
static int check_space(const char *path, struct err *err)
{
    struct statvfs fs;

    if (statvfs(path, &fs) < 0)
        return 0;
    unsigned long long kib = fs.f_bavail * fs.f_frsize >> 10;
    if (kib >= MIN_FREE_KIB)
        return 0;
    return err_set(err, ERR_FULL,
                   "%llu KiB free on its disk, at least %d needed: make room, "
                   "or give another one with --run-dir",
                   kib, MIN_FREE_KIB);
}

int preflight_run_dir(const char *path, char **absolute, struct err *err)
{
    char endpoint[PATH_MAX];

    if (fs_mkdirs(path, 0700, err) < 0 || !(*absolute = realpath(path, NULL))) {
        err_wrap(err, "run dir %s cannot be made", path);
        return EXIT_UNWRITABLE;
    }
    if (!is_empty(*absolute) && !preflight_is_run_dir(*absolute)) {
        err_set(err, ERR_EXISTS,
                "%s is not empty and no run dir of a suite: give another one "
                "with --run-dir",
                *absolute);
        return EXIT_IN_USE;
    }
    if (bus_endpoint(*absolute, "state-store.pub", endpoint, sizeof(endpoint),
                     err) < 0) {
        rmdir(*absolute); /* ours when it is empty */
        return EXIT_USAGE;
    }
    if (check_space(*absolute, err) < 0 || make_folders(*absolute, err) < 0) {
        err_wrap(err, "run dir %s cannot be written", *absolute);
        return EXIT_UNWRITABLE;
    }
    return EXIT_OK;
}

/* Entries that many levels below the folder. */
static size_t count_below(const char *folder, int level)
{
    DIR *dir = opendir(folder);
    size_t n = 0;

    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        AUTO_FREE char *path = fs_join(folder, e->d_name);
        n += level == 1 ? 1 : count_below(path, level - 1);
    }
    if (dir)
        closedir(dir);
    return n;
}

/* devcluster/<agent>/volumes/roles/<role>/<volume> */
static size_t count_volumes(const char *run_dir)
{
    AUTO_FREE char *devcluster = fs_join(run_dir, "devcluster");
    DIR *dir = opendir(devcluster);
    size_t n = 0;

    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        AUTO_FREE char *roles =
            xasprintf("%s/%s/volumes/roles", devcluster, e->d_name);
        if (str_starts(e->d_name, "agent-"))
            n += count_below(roles, 2);
    }
    if (dir)
        closedir(dir);
    return n;
}

int preflight_records(const char *run_dir, struct err *err)
{
    AUTO_FREE char *store = fs_join(run_dir, "store");
    AUTO_FREE char *redis = fs_join(run_dir, "redis");
    size_t n;

    if (count_below(store, 1) || count_below(redis, 1) ||
        (n = count_volumes(run_dir)) == 0)
        return EXIT_OK;
    err_set(err, ERR_NOT_FOUND,
            "%s: the records (store and redis) are gone, but there are %zu "
            "volumes in devcluster that they told the owners of: put one of "
            "the two back, or remove all with `reeve down --purge`",
            run_dir, n);
    return EXIT_FAILED;
}

int preflight_lock(const char *run_dir, int *fd, struct err *err)
{
    AUTO_FREE char *path = fs_join(run_dir, "suite.lock");

    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0) {
        err_sys(err, "%s", path);
        return EXIT_UNWRITABLE;
    }
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
        return EXIT_OK;
    int why = errno;
    close(*fd);
    *fd = -1;
    if (why == EWOULDBLOCK)
        return EXIT_OK;
    errno = why;
    err_sys(err, "%s: lock", path);
    return EXIT_UNWRITABLE;
}

/* ---- programs ---- */

static int check_program(const char *bin_dir, const char *name, struct err *err)
{
    AUTO_FREE char *path = xasprintf("%s/%s", bin_dir, name);

    if (access(path, X_OK) == 0)
        return EXIT_OK;
    err_sys(err, "%s is part of the suite and cannot be run", path);
    return EXIT_FAILED;
}

int preflight_programs(char **bin_dir, bool want_devcluster, struct err *err)
{
    static const char *const programs[] = {
        "reeve-state-store", "reeve-offer-broker", "reeve-planner",
        "reeve-api-gateway", "reeve-devcluster"};
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (n <= 0) {
        err_sys(err, "/proc/self/exe");
        return EXIT_FAILED;
    }
    path[n] = '\0';
    *strrchr(path, '/') = '\0';
    *bin_dir = xstrdup(path);
    for (size_t i = 0; i < ARRAY_LEN(programs) - !want_devcluster; i++)
        if (check_program(path, programs[i], err) != EXIT_OK)
            return EXIT_FAILED;
    return EXIT_OK;
}

int preflight_redis_server(char **path, struct err *err)
{
    const char *env = getenv("PATH");
    AUTO_FREE char *folders =
        xasprintf("%s:/usr/local/bin:/usr/bin:/usr/sbin", env ? env : "");
    char *rest = folders;

    for (char *folder; (folder = strsep(&rest, ":")) != NULL;) {
        if (!*folder)
            continue;
        *path = xasprintf("%s/redis-server", folder);
        if (access(*path, X_OK) == 0)
            return EXIT_OK;
        free(*path);
        *path = NULL;
    }
    err_set(err, ERR_NOT_FOUND,
            "no redis-server is installed: install it (make deps), or name a "
            "running one with --redis redis://host:port");
    return EXIT_FAILED;
}

/* ---- ports ---- */

static int bind_loopback(int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
        listen(fd, 1) == 0)
        return fd;
    close(fd);
    return -1;
}

bool preflight_port_is_free(int port)
{
    AUTO_CLOSE int fd = bind_loopback(port);

    return fd >= 0;
}

int preflight_port(int port, struct err *err)
{
    if (preflight_port_is_free(port))
        return EXIT_OK;
    err_set(err, ERR_EXISTS,
            "port %d is in use: give another one with --port (0: any free one)",
            port);
    return EXIT_IN_USE;
}

/* The first of the ports that connections are given. */
static int first_given_port(void)
{
    AUTO_BUF struct buf text = {0};

    if (fs_read("/proc/sys/net/ipv4/ip_local_port_range", 256, &text, NULL) < 0)
        return LAST_OWN_PORT + 1;
    return atoi(text.data); /* allowed: the kernel wrote it */
}

static int random_port(void)
{
    uint8_t bytes[16];
    int low = first_given_port();
    int count = MIN(low - 1, LAST_OWN_PORT) - FIRST_OWN_PORT + 1;

    uuid_new_bytes(bytes);
    return count < MIN_OWN_PORTS
               ? 0 /* any */
               : FIRST_OWN_PORT + (bytes[0] << 8 | bytes[1]) % count;
}

static int port_of(int fd)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof(addr);

    if (fd < 0 || getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
        return 0;
    return ntohs(addr.sin_port);
}

static bool is_among(int port, const int *ports, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ports[i] == port)
            return true;
    return false;
}

int preflight_free_port(const int *taken, size_t n)
{
    for (int i = 0; i < PORT_TRIES; i++) {
        AUTO_CLOSE int fd =
            bind_loopback(i < PORT_TRIES / 2 ? random_port() : 0);
        int port = port_of(fd);
        if (port && !is_among(port, taken, n))
            return port;
    }
    return 0;
}

/* ---- peers ---- */

static int connect_within(const struct addrinfo *ai, int timeout_ms)
{
    int fd =
        socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int why = 0;
    socklen_t len = sizeof(why);

    if (fd < 0)
        return -1;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0 && errno != EINPROGRESS)
        why = errno;
    else if (poll(&p, 1, timeout_ms) <= 0)
        why = ETIMEDOUT;
    else
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len);
    if (!why)
        return fd;
    close(fd);
    errno = why;
    return -1;
}

static int connect_host(const char *host, const char *port, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    int fd = -1;

    int rc = getaddrinfo(host, port, &hints, &list);
    if (rc != 0)
        return err_set(err, ERR_NOT_FOUND, "%s:%s: %s", host, port,
                       gai_strerror(rc));
    for (struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next)
        fd = connect_within(ai, PEER_TIMEOUT_MS);
    if (fd < 0)
        err_sys(err, "%s:%s", host, port);
    freeaddrinfo(list);
    return fd;
}

/* ---- master
 * ----------------------------------------------------------------------------
 */

static int ask_master(const char *url, struct err *err)
{
    AUTO_FREE char *health = xasprintf("%s/health", url);
    /* The broker's own options; it is given our environment. */
    const char *ca_file = getenv("REEVE_CA_FILE");
    const char *insecure = str_or_empty(getenv("REEVE_INSECURE"));
    struct http_call call = {.method = "GET",
                             .ca_file = ca_file && *ca_file ? ca_file : NULL,
                             .insecure = str_eq(insecure, "true") ||
                                         str_eq(insecure, "yes") ||
                                         str_eq(insecure, "1"),
                             .url = health,
                             .timeout_ms = PEER_TIMEOUT_MS,
                             .connect_timeout_ms = PEER_TIMEOUT_MS,
                             .max_body_bytes = 1 << 16};
    AUTO_FREE char *body = NULL;
    size_t len;
    int status;

    if (http_once(&call, &status, &body, &len, err) < 0)
        return -1;
    if (status == 404)
        return err_set(err, ERR_NOT_FOUND,
                       "%s: 404: is that the address of a Mesos master?",
                       health);
    if (status >= 500)
        return err_set(err, ERR_UNAVAILABLE, "%s: %d", health, status);
    return 0;
}

/* "http://a:1,b:2,c:3": each part with the scheme of the first. */
static char *master_url(const char *part, const char *scheme)
{
    return strstr(part, "://") ? xstrdup(part)
                               : xasprintf("%s%s", scheme, part);
}

/* "h:p" or "h"; cut in place.  -1: nobody listens there. */
static int reach_zookeeper(char *part, struct err *err)
{
    char *bracket = strrchr(part, ']');
    char *colon = strrchr(bracket ? bracket : part, ':');
    char port[] = "2181";

    if (colon)
        *colon = '\0';
    if (bracket)
        *bracket = '\0';
    AUTO_CLOSE int fd =
        connect_host(part + (*part == '['), colon ? colon + 1 : port, err);
    return fd < 0 ? -1 : 0;
}

/* Whether one of the hosts of zk://[user:password@]h:p[,h:p…]/path listens. */
static int preflight_zookeeper(const char *url, struct err *err)
{
    const char *at = strrchr(url, '@');
    const char *begin = at ? at + 1 : url + strlen("zk://");
    size_t len = strcspn(begin, "/");
    AUTO_FREE char *hosts = xstrndup(begin, len);
    AUTO_FREE char *copy = xstrdup(hosts);
    char *rest = copy;

    if (len == 0 || strlen(begin + len) < 2) {
        err_set(err, ERR_INVALID,
                "--master: must be zk://[user:password@]host:port"
                "[,host:port…]/path");
        return EXIT_USAGE;
    }
    for (char *part; (part = strsep(&rest, ",")) != NULL;)
        if (*part && reach_zookeeper(part, err) == 0)
            return EXIT_OK;
    err_wrap(err, "no ZooKeeper answers at %s", hosts);
    return EXIT_FAILED;
}

int preflight_master(const char *urls, struct err *err)
{
    const char *scheme = str_starts(urls, "https://") ? "https://" : "http://";
    AUTO_FREE char *copy = xstrdup(urls);
    char *rest = copy;

    if (str_starts(urls, "zk://"))
        return preflight_zookeeper(urls, err);
    for (char *part; (part = strsep(&rest, ",")) != NULL;) {
        AUTO_FREE char *url = master_url(part, scheme);
        if (*part && ask_master(url, err) == 0)
            return EXIT_OK;
    }
    err_wrap(err, "no master answers at %s", urls);
    return EXIT_FAILED;
}

/* ---- Redis
 * --------------------------------------------------------------------------------
 */

/* Sends one line, gives the first line of the answer. */
static int ask_redis(int fd, const char *line, char *answer, size_t size,
                     struct err *err)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
        return err_sys(err, "send");
    if (poll(&p, 1, PEER_TIMEOUT_MS) <= 0)
        return err_set(err, ERR_TIMEOUT, "no answer to PING");
    ssize_t n = read(fd, answer, size - 1);
    if (n <= 0)
        return err_set(err, ERR_IO, "the connection was closed");
    answer[n] = '\0';
    answer[strcspn(answer, "\r\n")] = '\0';
    return 0;
}

static int ping(int fd, const struct redis_url *url, struct err *err)
{
    char answer[256];

    if (url->password) {
        AUTO_FREE char *user =
            url->user
                ? xasprintf("$%zu\r\n%s\r\n", strlen(url->user), url->user)
                : xstrdup("");
        AUTO_FREE char *auth = xasprintf(
            "*%d\r\n$4\r\nAUTH\r\n%s$%zu\r\n%s\r\n", url->user ? 3 : 2, user,
            strlen(url->password), url->password);
        if (ask_redis(fd, auth, answer, sizeof(answer), err) < 0)
            return -1;
        if (*answer != '+')
            return err_set(err, ERR_INVALID, "password refused: %s", answer);
    }
    if (ask_redis(fd, "PING\r\n", answer, sizeof(answer), err) < 0)
        return -1;
    if (*answer != '+')
        return err_set(err, ERR_INVALID, "PING was answered \"%s\"", answer);
    return 0;
}

static int connect_unix(const char *path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (fd < 0)
        return err_sys(err, "socket");
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    err_sys(err, "%s", path);
    close(fd);
    return -1;
}

static int connect_redis(const struct redis_url *url, struct err *err)
{
    char port[16];

    snprintf(port, sizeof(port), "%d", url->port);
    return url->is_unix ? connect_unix(url->host, err)
                        : connect_host(url->host, port, err);
}

/* TLS and sentinels are left to the state-store, which can talk to them. */
int preflight_redis(const char *text, struct err *err)
{
    __attribute__((cleanup(redis_url_free))) struct redis_url url;
    char where[256];

    if (redis_url_parse(text, &url, err) < 0) {
        err_wrap(err, "--redis");
        return EXIT_USAGE;
    }
    if (url.is_tls || url.n_sentinels)
        return EXIT_OK;
    AUTO_CLOSE int fd = connect_redis(&url, err);
    if (fd >= 0 && ping(fd, &url, err) == 0)
        return EXIT_OK;
    redis_url_text(&url, where, sizeof(where));
    err_wrap(err, "no Redis answers at %s", where);
    return EXIT_FAILED;
}
