/* SPDX-License-Identifier: Apache-2.0 */
/* What a shim is told: folders, links, environment; and what cannot be had. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "agent_harness.h"
#include "devcluster/fetch.h"
#include "lib/base/base.h"
#include "lib/base/err.h"

#define VOLUME_AT(path) VOLUME("v1", path)
#define VOLUME(id, path)                                                       \
    "'resources':[{'name':'disk','type':'SCALAR','scalar':{'value':64},"       \
    "'allocation_info':{'role':'r'},'reservations':[{'type':'DYNAMIC',"        \
    "'role':'r'}],'disk':{'persistence':{'id':'" id                            \
    "'},'volume':{'mode':'RW',"                                                \
    "'container_path':'" path "'}}}]"
#define CONTAINER(volume)                                                      \
    "{'task_id':{'value':'t1'},'command':{'value':'x'},'container':"           \
    "{'type':'MESOS','volumes':[" volume "]}}"
#define SANDBOX_PATH(type, at, path)                                           \
    "{'mode':'RW','container_path':'" at "','source':{'type':'SANDBOX_PATH'"   \
    ",'sandbox_path':{'type':'" type "','path':'" path "'}}}"

static const char *env_of(const Reeve__Devagent__ContainerSpec *spec)
{
    static struct buf text;
    buf_clear(&text);
    for (size_t i = 0; i < spec->n_environment; i++)
        buf_addf(&text, "%s\n", spec->environment[i]);
    return buf_text(&text);
}

static const Reeve__Devagent__ContainerSpec *
spec_of(struct harness *h, const char *task, bool command)
{
    harness_start(h);
    if (command)
        harness_command(h, task);
    else
        harness_pod(h, "e1", task);
    harness_pass(h, 0);
    return harness_spec(h, "t1");
}

Test(agent_spec, environment_of_a_pod_task)
{
    struct harness h;
    const Reeve__Devagent__ContainerSpec *spec = spec_of(
        &h,
        "{'task_id':{'value':'t1'},'command':{'value':'x','environment':"
        "{'variables':[{'name':'MINE','value':'x'},{'name':'SECRET',"
        "'type':'SECRET','secret':{'type':'VALUE','value':"
        "{'data':'cHN0'}}}]}}}",
        false);
    AUTO_FREE char *want =
        xasprintf("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                  "/sbin:/bin\nMESOS_SANDBOX=%s\nMESOS_ALLOCATION_ROLE=r\n"
                  "MESOS_CONTAINER_IP=127.0.0.1\nMINE=x\nSECRET=pst\n",
                  spec->sandbox);
    cr_expect_str_eq(env_of(spec), want);
    harness_stop(&h);
}

Test(agent_spec, own_variables_win)
{
    struct harness h;
    const Reeve__Devagent__ContainerSpec *spec = spec_of(
        &h,
        "{'task_id':{'value':'t1'},'command':{'value':'x','environment':"
        "{'variables':[{'name':'PATH','value':'/p'}]}}}",
        false);
    cr_expect(str_starts(env_of(spec), "PATH=/p\nMESOS_SANDBOX="));
    harness_stop(&h);
}

Test(agent_spec, environment_of_a_command_task)
{
    struct harness h;
    const Reeve__Devagent__ContainerSpec *spec =
        spec_of(&h, "{'task_id':{'value':'t1'},'command':{'value':'x'}}", true);
    AUTO_FREE char *want = xasprintf(
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
        "MESOS_SANDBOX=%s\nMESOS_ALLOCATION_ROLE=r\nLIBPROCESS_IP=127.0.0.1\n"
        "LIBPROCESS_PORT=0\nMESOS_AGENT_ENDPOINT=127.0.0.1:5051\n"
        "MESOS_CHECKPOINT=1\nMESOS_DIRECTORY=%s\nMESOS_EXECUTOR_ID=t1\n"
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD=5secs\nMESOS_FRAMEWORK_ID=F1\n"
        "MESOS_HTTP_COMMAND_EXECUTOR=0\nMESOS_RECOVERY_TIMEOUT=15mins\n"
        "MESOS_SUBSCRIPTION_BACKOFF_MAX=2secs\nMESOS_SLAVE_ID=A1\n"
        "MESOS_SLAVE_PID=slave(1)@127.0.0.1:5051\n",
        spec->sandbox, spec->sandbox);
    cr_expect_str_eq(env_of(spec), want);
    harness_stop(&h);
}

Test(agent_spec, folders)
{
    struct harness h;
    const Reeve__Devagent__ContainerSpec *spec =
        spec_of(&h,
                "{'task_id':{'value':'t1'},'command':{'value':'x'}," VOLUME_AT(
                    "data") "}",
                false);
    cr_expect(str_starts(spec->sandbox,
                         "/w/slaves/A1/frameworks/F1/executors/e1/runs/"));
    cr_expect_not_null(strstr(spec->sandbox, "/containers/"));
    cr_expect(str_starts(spec->meta_dir,
                         "/w/meta/slaves/A1/frameworks/F1/executors/e1/runs/"));
    cr_expect_eq(spec->n_volumes, 1);
    cr_expect_str_eq(spec->volumes[0], "/w/volumes/roles/r/v1");
    cr_assert_eq(spec->n_links, 4);
    cr_expect(str_ends(spec->links[0]->path, "/executors/e1/runs/latest"));
    cr_expect(str_ends(spec->links[1]->path, "/tasks/t1"));
    cr_expect_str_eq(spec->links[1]->target, spec->sandbox);
    cr_expect(str_ends(spec->links[2]->path, "/data"));
    cr_expect_str_eq(spec->links[2]->target, "/w/volumes/roles/r/v1");
    cr_expect(str_starts(spec->links[3]->path, spec->sandbox));
    cr_expect_str_eq(spec->links[3]->target, spec->links[2]->path);
    harness_stop(&h);
}

Test(agent_spec, folder_shared_within_the_pod)
{
    struct harness h;
    const Reeve__Devagent__ContainerSpec *spec = spec_of(
        &h, CONTAINER(SANDBOX_PATH("PARENT", "here", "shared/x")), false);
    cr_assert_eq(spec->n_links, 3);
    cr_expect(str_ends(spec->links[2]->path, "/here"));
    cr_expect(str_ends(spec->links[2]->target, "/shared/x"));
    cr_expect(str_ends(spec->dirs[spec->n_dirs - 1], "/shared/x"));
    harness_stop(&h);
}

/* A pod's own volume, seen by its tasks: linked, never made. */
static const struct {
    const char *path, *made; /* made: end of the last folder */
} pod_volume_cases[] = {
    {"data", "/tasks"},
    {"data/sub", "/w/volumes/roles/r/v1/sub"},
    {"data2", "/data2"},
};

Test(agent_spec, volume_of_the_pod_is_seen_by_its_tasks)
{
    for (size_t i = 0; i < ARRAY_LEN(pod_volume_cases); i++) {
        const char *path = pod_volume_cases[i].path;
        struct harness h;
        AUTO_FREE char *task =
            xasprintf(CONTAINER(SANDBOX_PATH("PARENT", "data", "%s")), path);
        const Reeve__Devagent__ContainerSpec *spec;

        harness_start(&h);
        harness_pod_with(&h, "e1", "," VOLUME_AT("data"), task);
        harness_pass(&h, 0);
        spec = harness_spec(&h, "t1");
        cr_assert_eq(spec->n_volumes, 1, "case %s", path);
        cr_assert_eq(spec->n_links, 4, "case %s", path);
        cr_expect_str_eq(spec->links[2]->target, "/w/volumes/roles/r/v1");
        cr_expect(str_ends(spec->links[3]->target, path), "case %s", path);
        cr_expect(
            str_ends(spec->dirs[spec->n_dirs - 1], pod_volume_cases[i].made),
            "case %s: %s", path, spec->dirs[spec->n_dirs - 1]);
        harness_stop(&h);
    }
}

Test(agent_spec, paths_of_the_host_are_linked)
{
    struct harness h;
    const Reeve__Devagent__ContainerSpec *spec = spec_of(
        &h,
        CONTAINER("{'mode':'RO','container_path':'a/b','source':{'type':"
                  "'HOST_PATH','host_path':{'path':'/etc/hosts'}}},"
                  "{'mode':'RW','container_path':'c','host_path':'/tmp'}"),
        false);
    cr_assert_eq(spec->n_host_paths, 2);
    cr_expect_str_eq(spec->host_paths[0], "/etc/hosts");
    cr_assert_eq(spec->n_links, 4);
    cr_expect(str_ends(spec->dirs[spec->n_dirs - 1], "/a"));
    cr_expect(str_ends(spec->links[2]->path, "/a/b"));
    cr_expect_str_eq(spec->links[2]->target, "/etc/hosts");
    cr_expect(str_ends(spec->links[3]->path, "/c"));
    cr_expect_str_eq(spec->links[3]->target, "/tmp");
    harness_stop(&h);
}

/* Virtual: an address of its own, told in the environment and by updates. */
Test(agent_spec, named_networks)
{
    struct harness h;
    const Mesos__V1__ContainerStatus *status;
    const char *ip, *told;

    harness_start(&h);
    harness_pod_with(&h, "e1",
                     ",'container':{'type':'MESOS','network_infos':[{'name':"
                     "'dcos','labels':{'labels':[{'key':'k','value':'v'}]}},"
                     "{'name':'other'}]}",
                     "{'task_id':{'value':'t1'},'command':{'value':'x'}}");
    harness_pass(&h, 0);
    told = strstr(env_of(harness_spec(&h, "t1")), "MESOS_CONTAINER_IP=127.");
    cr_assert_not_null(told);
    harness_started(&h, "t1");
    harness_ack(&h, "t1");
    status = harness_update(&h, "t1")->container_status;
    cr_assert_eq(status->n_network_infos, 2);
    cr_expect_str_eq(status->network_infos[0]->name, "dcos");
    cr_expect_eq(status->network_infos[0]->labels->n_labels, 1);
    ip = status->network_infos[0]->ip_addresses[0]->ip_address;
    cr_expect(str_starts(told + strlen("MESOS_CONTAINER_IP="), ip), "%s", told);
    cr_expect_str_neq(ip, "127.0.0.1");
    cr_expect_str_neq(ip,
                      status->network_infos[1]->ip_addresses[0]->ip_address);
    harness_stop(&h);
}

Test(agent_spec, networks_that_map_ports_are_refused)
{
    struct harness h;

    harness_start(&h);
    h.auto_ack = true;
    harness_pod_with(&h, "e1",
                     ",'container':{'type':'MESOS','network_infos':[{'name':"
                     "'bridge','port_mappings':[{'host_port':1,"
                     "'container_port':2}]}]}",
                     "{'task_id':{'value':'t1'},'command':{'value':'x'}}");
    harness_pass(&h, 0);
    cr_expect(strstr(harness_log(&h), "Network 'bridge' maps ports"), "%s",
              harness_log(&h));
    harness_stop(&h);
}

Test(agent_spec, limits_and_uris)
{
    struct harness h;
    const Reeve__Devagent__ContainerSpec *spec = spec_of(
        &h,
        "{'task_id':{'value':'t1'},'command':{'value':'x','uris':["
        "{'value':'http://h/a.tgz?x=1'},{'value':'/b','output_file':'c/d',"
        "'executable':true}]},'container':{'type':'MESOS','rlimit_info':"
        "{'rlimits':[{'type':'RLMT_NOFILE','soft':10,'hard':20},"
        "{'type':'RLMT_CORE'}]}}}",
        false);
    cr_assert_eq(spec->n_uris, 2);
    cr_expect(str_ends(spec->uris[0]->path, "/a.tgz?x=1"));
    cr_expect(spec->uris[0]->extract);
    cr_expect(str_ends(spec->uris[1]->path, "/c/d"));
    cr_expect(spec->uris[1]->executable);
    cr_expect_not(spec->uris[1]->extract);
    cr_assert_eq(spec->n_limits, 2);
    cr_expect_eq(spec->limits[0]->resource, RLIMIT_NOFILE);
    cr_expect_eq(spec->limits[0]->soft, 10);
    cr_expect_eq(spec->limits[0]->hard, 20);
    cr_expect_eq(spec->limits[1]->resource, RLIMIT_CORE);
    cr_expect_not(spec->limits[1]->has_soft);
    harness_stop(&h);
}

static const struct {
    const char *name, *task, *why;
} refused_cases[] = {
    {"absolute source", CONTAINER(SANDBOX_PATH("PARENT", "x", "/abs")),
     "'Path '/abs' in SANDBOX_PATH volume is absolute'"},
    {"escaping source", CONTAINER(SANDBOX_PATH("PARENT", "x", "../../y")),
     "leaves the sandbox"},
    {"escaping target", CONTAINER(SANDBOX_PATH("PARENT", "../x", "y")),
     "leaves the sandbox"},
    {"self", CONTAINER(SANDBOX_PATH("SELF", "/x", "y")), "needs a mount"},
    {"absolute target", CONTAINER(SANDBOX_PATH("PARENT", "/x", "y")),
     "needs a mount"},
    {"relative host path",
     CONTAINER("{'mode':'RW','container_path':'x','host_path':'tmp'}"),
     "Path 'tmp' in HOST_PATH volume is not absolute"},
    {"host path at an absolute one",
     CONTAINER("{'mode':'RW','container_path':'/x','host_path':'/tmp'}"),
     "needs a mount"},
    {"host path outside",
     CONTAINER("{'mode':'RW','container_path':'../x','host_path':'/tmp'}"),
     "leaves the sandbox"},
    {"secret volume",
     CONTAINER("{'mode':'RW','container_path':'x','source':{'type':'SECRET',"
               "'secret':{'type':'REFERENCE','reference':{'name':'n'}}}}"),
     "needs a mount"},
    {"image",
     "{'task_id':{'value':'t1'},'command':{'value':'x'},'container':"
     "{'type':'MESOS','mesos':{'image':{'type':'DOCKER','docker':"
     "{'name':'i'}}}}}",
     "images are not supported"},
    {"volume with a slash",
     "{'task_id':{'value':'t1'},'command':{'value':'x'}," VOLUME_AT("a/b") "}",
     "No such file or directory'"},
    {"volume at the root",
     "{'task_id':{'value':'t1'},'command':{'value':'x'}," VOLUME_AT("/a") "}",
     "'Path '/a' in SANDBOX_PATH volume is absolute'"},
    {"volume upstairs",
     "{'task_id':{'value':'t1'},'command':{'value':'x'}," VOLUME_AT("..") "}",
     "no container path"},
    {"secret reference",
     "{'task_id':{'value':'t1'},'command':{'value':'x','environment':"
     "{'variables':[{'name':'S','type':'SECRET','secret':{'type':'REFERENCE',"
     "'reference':{'name':'n'}}}]}}}",
     "is a reference"},
    {"output file outside",
     "{'task_id':{'value':'t1'},'command':{'value':'x','uris':[{'value':'/b',"
     "'output_file':'../d'}]}}",
     "leaves the sandbox"},
    {"half a limit",
     "{'task_id':{'value':'t1'},'command':{'value':'x'},'container':{'type':"
     "'MESOS','rlimit_info':{'rlimits':[{'type':'RLMT_NOFILE','soft':1}]}}}",
     "limit 0 of the container"},
};

Test(agent_spec, what_cannot_be_had_fails_the_task)
{
    for (size_t i = 0; i < ARRAY_LEN(refused_cases); i++) {
        struct harness h;
        harness_start(&h);
        h.auto_ack = true;
        harness_pod(&h, "e1", refused_cases[i].task);
        harness_pass(&h, 0);
        const char *log = harness_log(&h);
        cr_expect(str_starts(log, "update t1 STARTING\nupdate t1 FAILED '"),
                  "case %s: %s", refused_cases[i].name, log);
        cr_expect(strstr(log, refused_cases[i].why), "case %s: %s",
                  refused_cases[i].name, log);
        harness_stop(&h);
    }
}

/* A volume somewhere else in the executor's sandbox, seen where it belongs. */
Test(agent_spec, own_volume_is_seen_at_another_path)
{
    struct harness h;
    const Reeve__Devagent__ContainerSpec *spec = spec_of(
        &h,
        "{'task_id':{'value':'t1'},'command':{'value':'x'}," VOLUME_AT(
            "data.a") ",'container':{'type':'MESOS','volumes':"
                      "[" SANDBOX_PATH("PARENT", "data", "data.a") "]}}",
        false);
    cr_assert_eq(spec->n_links, 5);
    cr_expect(str_ends(spec->links[2]->path, "/data.a"));
    cr_expect_str_eq(spec->links[2]->target, "/w/volumes/roles/r/v1");
    cr_expect(str_ends(spec->links[4]->path, "/data"));
    cr_expect(str_ends(spec->links[4]->target, "/data.a"));
    cr_expect(str_ends(spec->dirs[spec->n_dirs - 1], "/tasks"));
    harness_stop(&h);
}

Test(agent_spec, two_volumes_at_one_path_of_a_pod)
{
    struct harness h;

    harness_start(&h);
    h.auto_ack = true;
    harness_pod(&h, "e1",
                "{'task_id':{'value':'t1'},'command':{'value':'x'}," VOLUME(
                    "v1", "data") "}");
    harness_pass(&h, 0);
    harness_pod(&h, "e1",
                "{'task_id':{'value':'t2'},'command':{'value':'x'}," VOLUME(
                    "v2", "data") "}");
    harness_pass(&h, 0);
    const char *log = harness_log(&h);
    cr_expect(strstr(log, "update t2 FAILED 'Failed to update resources for "
                          "container: Collect failed: The existing symlink"),
              "%s", log);
    cr_expect_not(strstr(log, "update t1 FAILED"), "%s", log);
    harness_stop(&h);
}

Test(agent_spec, volume_of_a_command_task_with_a_slash_is_left_out)
{
    struct harness h;
    const Reeve__Devagent__ContainerSpec *spec =
        spec_of(&h,
                "{'task_id':{'value':'t1'},'command':{'value':'x'}," VOLUME_AT(
                    "a/b") "}",
                true);
    cr_expect_eq(spec->n_links, 1);
    harness_stop(&h);
}

static const struct {
    const char *name;
    enum fetch_archive kind;
} archive_cases[] = {
    {"a.tar", FETCH_TAR},     {"a.tar.gz", FETCH_TAR}, {"a.tgz", FETCH_TAR},
    {"a.tar.bz2", FETCH_TAR}, {"a.tbz2", FETCH_TAR},   {"a.tar.xz", FETCH_TAR},
    {"a.txz", FETCH_TAR},     {"a.gz", FETCH_GZIP},    {"a.zip", FETCH_ZIP},
    {"a.jar", FETCH_PLAIN},   {"tar", FETCH_PLAIN},    {"", FETCH_PLAIN},
};

Test(agent_spec, archives)
{
    for (size_t i = 0; i < ARRAY_LEN(archive_cases); i++)
        cr_expect_eq(fetch_archive_of(archive_cases[i].name),
                     archive_cases[i].kind, "case %s", archive_cases[i].name);
}

static const struct {
    const char *uri, *output, *name;
} name_cases[] = {
    {"http://h/a/b.tgz", NULL, "b.tgz"},
    {"http://h/b?c=d", NULL, "b?c=d"},
    {"/x/y", "z/w", "z/w"},
    {"file:///x", NULL, "x"},
    {"http://h/a/", NULL, NULL},
    {"http://h/..", NULL, NULL},
    {"/x", "/abs", NULL},
    {"/x", "a/../../b", NULL},
};

Test(agent_spec, local_names)
{
    for (size_t i = 0; i < ARRAY_LEN(name_cases); i++) {
        struct err err;
        AUTO_FREE char *name =
            fetch_local_name(name_cases[i].uri, name_cases[i].output, &err);
        cr_expect(str_eq(name, name_cases[i].name), "%s: %s", name_cases[i].uri,
                  name ? name : "(none)");
    }
}
