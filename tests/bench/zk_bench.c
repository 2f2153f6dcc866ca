/* SPDX-License-Identifier: Apache-2.0 */
/* zk_bench - sets of nodes in ZooKeeper
 *
 *   zk_bench HOST:PORT CLIENTS BYTES SECONDS
 *
 * CLIENTS sets under way, spread over up to 10 sessions, by the asynchronous
 * client of libzookeeper-mt; only ZOK counts.
 */
#define THREADED /* the calls that wait are declared only then */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

#include "tests/bench/meter.h"

enum { KEYS = 1000, MAX_SESSIONS = 10, MAX_PATH = 32, CONNECT_S = 20 };

struct client {
    zhandle_t *session;
    int64_t sent_us;
};

static struct meter meter;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *value;
static int value_len;

static void node(char path[MAX_PATH], unsigned n)
{
    snprintf(path, MAX_PATH, "/bench-%07u", n % KEYS);
}

static void ask(struct client *c);

/* Several sessions have a thread each. */
static void on_set(int rc, const struct Stat *stat, const void *self)
{
    struct client *c = (struct client *)self;
    int64_t now_us = meter_now_us();
    (void)stat;
    pthread_mutex_lock(&lock);
    bool is_over = meter_is_over(&meter, now_us);
    if (rc == ZOK)
        meter_ok(&meter, c->sent_us, now_us);
    else if (!is_over)
        meter_failed(&meter, zerror(rc));
    pthread_mutex_unlock(&lock);
    if (!is_over)
        ask(c);
}

static void ask(struct client *c)
{
    static unsigned next;
    char path[MAX_PATH];
    node(path, __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED));
    c->sent_us = meter_now_us();
    int rc = zoo_aset(c->session, path, value, value_len, -1, on_set, c);
    if (rc != ZOK) {
        fprintf(stderr, "zoo_aset: %s\n", zerror(rc));
        exit(1);
    }
}

static zhandle_t *dial(const char *host)
{
    zhandle_t *session = zookeeper_init(host, NULL, 30000, NULL, NULL, 0);
    for (int i = 0; session && i < CONNECT_S * 100; i++) {
        if (zoo_state(session) == ZOO_CONNECTED_STATE)
            return session;
        usleep(10000);
    }
    fprintf(stderr, "%s: no ZooKeeper answers\n", host);
    exit(1);
}

static void make_nodes(zhandle_t *session)
{
    for (unsigned i = 0; i < KEYS; i++) {
        char path[MAX_PATH];
        node(path, i);
        int rc = zoo_exists(session, path, 0, NULL);
        if (rc == ZNONODE)
            rc = zoo_create(session, path, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL,
                            0);
        if (rc != ZOK) {
            fprintf(stderr, "%s: %s\n", path, zerror(rc));
            exit(1);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    size_t count = meter_number(argv[2], 1, 10000);
    value_len = (int)meter_number(argv[3], 1, 1 << 20);
    double seconds = meter_seconds(argv[4]);
    value = malloc((size_t)value_len);
    memset(value, 'f', (size_t)value_len);
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    size_t n_sessions = count < MAX_SESSIONS ? count : MAX_SESSIONS;
    zhandle_t *sessions[MAX_SESSIONS];
    for (size_t i = 0; i < n_sessions; i++)
        sessions[i] = dial(argv[1]);
    make_nodes(sessions[0]);
    struct client *clients = calloc(count, sizeof *clients);
    meter_start(&meter, 0.5, seconds);
    for (size_t i = 0; i < count; i++) {
        clients[i].session = sessions[i % n_sessions];
        ask(&clients[i]);
    }
    while (!meter_is_over(&meter, meter_now_us()))
        usleep(20000);
    usleep(100000);
    pthread_mutex_lock(&lock);
    int code = meter_print(&meter);
    fflush(stdout);
    _exit(code); /* closing sessions is not measured */
}
