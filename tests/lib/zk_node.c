/* SPDX-License-Identifier: Apache-2.0 */
/* zk_node - an ephemeral sequential node, as a contending master has one
 *
 *   zk_node HOST:PORT /mesos/json.info_ DATA
 *
 * Makes the parent if need be, prints the node's path, and keeps the node until
 * stdin ends.  A prefix that ends in / makes a lasting node of that name.
 * Without DATA it prints what the node holds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#define THREADED /* the calls that wait */
#include <zookeeper/zookeeper.h>

#include "lib/base/base.h"

#define SESSION_MS 10000
#define WAIT_MS    20000

static void on_event(zhandle_t *zh UNUSED, int type UNUSED, int state UNUSED,
                     const char *path UNUSED, void *context UNUSED)
{
}

static int fail(const char *what, int rc)
{
    fprintf(stderr, "zk_node: %s: %s\n", what, zerror(rc));
    return 1;
}

static int wait_connected(zhandle_t *zh)
{
    for (int ms = 0; ms < WAIT_MS; ms += 20) {
        if (zoo_state(zh) == ZOO_CONNECTED_STATE)
            return 0;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    return -1;
}

static int make_parent(zhandle_t *zh, const char *path)
{
    AUTO_FREE char *parent = xstrdup(path);
    int rc;

    *strrchr(parent, '/') = '\0';
    if (!*parent)
        return ZOK;
    rc = zoo_create(zh, parent, NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    return rc == ZNODEEXISTS ? ZOK : rc;
}

static int make_node(zhandle_t *zh, const char *path, const char *data)
{
    AUTO_FREE char *name = xstrdup(path);
    size_t len = strlen(name);
    bool lasts = len > 1 && name[len - 1] == '/';
    int flags = lasts ? 0 : ZOO_EPHEMERAL | ZOO_SEQUENCE, rc;
    char made[512];

    if (lasts)
        name[len - 1] = '\0';
    rc = make_parent(zh, name);
    if (rc != ZOK)
        return rc;
    rc = zoo_create(zh, name, data, (int)strlen(data), &ZOO_OPEN_ACL_UNSAFE,
                    flags, made, sizeof(made));
    if (rc != ZOK)
        return rc;
    puts(made);
    fflush(stdout);
    return ZOK;
}

static int print_node(zhandle_t *zh, const char *path)
{
    char data[4096];
    int len = (int)sizeof data;
    int rc = zoo_get(zh, path, 0, data, &len, NULL);
    if (rc == ZOK)
        printf("%.*s\n", MAX(len, 0), data);
    return rc;
}

int main(int argc, char **argv)
{
    zhandle_t *zh;
    char c;
    int rc;

    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: zk_node HOST:PORT PATH [DATA]\n");
        return 2;
    }
    zoo_set_debug_level((ZooLogLevel)0); /* nothing */
    zh = zookeeper_init(argv[1], on_event, SESSION_MS, NULL, NULL, 0);
    if (!zh || wait_connected(zh) < 0)
        return fail(argv[1], ZCONNECTIONLOSS);
    rc = argc == 3 ? print_node(zh, argv[2]) : make_node(zh, argv[2], argv[3]);
    if (rc != ZOK)
        return fail(argv[2], rc);
    while (argc == 4 && read(0, &c, 1) > 0)
        ;
    zookeeper_close(zh);
    return 0;
}
