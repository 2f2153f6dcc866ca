/* SPDX-License-Identifier: Apache-2.0 */
/* cluster_files - see cluster_files.h */
#include "devcluster/cluster_files.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/wire/wire.h"

#define MAX_FILE_BYTES (64u << 20)

static char *path_of(const char *work_dir, const char *name)
{
    return xasprintf("%s/master/%s", work_dir, name);
}

/* ---- lock --------------------------------------------------------------- */

static int take_lock(const char *work_dir, struct cluster_ports *ports,
                     struct err *err)
{
    AUTO_FREE char *path = path_of(work_dir, "lock");
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_sys(err, "%s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            return err_set(err, ERR_EXISTS,
                           "%s: the work directory is used by another "
                           "devcluster",
                           work_dir);
        return err_sys(err, "%s: lock", path);
    }
    ports->lock_fd = fd;
    fd = -1;
    return 0;
}

void cluster_files_close(struct cluster_ports *ports)
{
    if (ports->lock_fd > 0)
        close(ports->lock_fd);
    free(ports->agents);
    memset(ports, 0, sizeof *ports);
}

/* ---- ports -------------------------------------------------------------- */

/* NULL when absent or no JSON. */
static json_t *read_json(const char *path)
{
    AUTO_BUF struct buf text = {0};

    if (fs_read(path, MAX_FILE_BYTES, &text, NULL) < 0)
        return NULL;
    return json_loadb(buf_text(&text), text.len, 0, NULL);
}

int cluster_files_open(const char *work_dir, struct cluster_ports *ports,
                       struct err *err)
{
    AUTO_FREE char *folder = fs_join(work_dir, "master");
    AUTO_FREE char *path = path_of(work_dir, "ports.json");
    json_t *json, *agents;

    if (fs_mkdirs(folder, 0700, err) < 0 || take_lock(work_dir, ports, err) < 0)
        return -1;
    json = read_json(path);
    agents = json_object_get(json, "agents");
    ports->master = (int)json_integer_value(json_object_get(json, "master"));
    for (size_t i = 0; i < json_array_size(agents); i++)
        cluster_ports_set_agent(
            ports, i, (int)json_integer_value(json_array_get(agents, i)));
    json_decref(json);
    return 0;
}

int cluster_ports_master(const struct cluster_ports *ports)
{
    return ports->master;
}

int cluster_ports_agent(const struct cluster_ports *ports, size_t number)
{
    return number < ports->n_agents ? ports->agents[number] : 0;
}

void cluster_ports_set_master(struct cluster_ports *ports, int port)
{
    ports->master = port;
}

void cluster_ports_set_agent(struct cluster_ports *ports, size_t number,
                             int port)
{
    if (number >= ports->n_agents) {
        ports->agents =
            xrealloc(ports->agents, (number + 1) * sizeof *ports->agents);
        while (ports->n_agents <= number)
            ports->agents[ports->n_agents++] = 0;
    }
    ports->agents[number] = port;
}

int cluster_ports_save(const char *work_dir, const struct cluster_ports *ports,
                       struct err *err)
{
    AUTO_FREE char *path = path_of(work_dir, "ports.json");
    AUTO_FREE char *text = NULL;
    json_t *agents = json_array(), *json;

    for (size_t i = 0; i < ports->n_agents; i++)
        json_array_append_new(agents, json_integer(ports->agents[i]));
    json = json_pack("{s:i, s:o}", "master", ports->master, "agents", agents);
    text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return fs_write_atomic(path, text, strlen(text), 0600, err);
}

/* ---- registry ----------------------------------------------------------- */

int cluster_registry_load(const char *work_dir,
                          Reeve__Devcluster__Registry **registry,
                          struct err *err)
{
    AUTO_FREE char *path = path_of(work_dir, "registry.json");
    json_t *json;

    *registry = NULL;
    if (access(path, F_OK) < 0)
        return 0;
    json = read_json(path);
    if (!json)
        return err_set(err, ERR_CORRUPT,
                       "%s: not JSON; remove it to let all agents register "
                       "anew",
                       path);
    *registry = (void *)wire_from_json(&reeve__devcluster__registry__descriptor,
                                       json, err);
    json_decref(json);
    return *registry ? 0 : err_wrap(err, "%s", path);
}

int cluster_registry_save(const char *work_dir,
                          const Reeve__Devcluster__Registry *registry,
                          struct err *err)
{
    AUTO_FREE char *path = path_of(work_dir, "registry.json");
    json_t *json = wire_to_json(&registry->base, WIRE_JSON_PROTO);
    AUTO_FREE char *text = json_dumps(json, JSON_INDENT(1));

    json_decref(json);
    if (!text)
        return err_set(err, ERR_INVALID, "%s: cannot be written as JSON", path);
    return fs_write_atomic(path, text, strlen(text), 0600, err);
}
