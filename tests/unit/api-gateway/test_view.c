/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/unit/api-gateway/fake_source.h"
#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/wire/pb.h"
#include "services/api-gateway/task_json.h"

static void put_target(struct fake_source *fake, const char *service,
                       const char *name)
{
    Reeve__Target target = REEVE__TARGET__INIT;
    target.service_name = (char *)name;
    AUTO_FREE char *key = xasprintf("service/%s/target", service);
    fake_source_put(fake, key, &target.base);
}

static const struct {
    const char *name, *wanted;
    const char *services[3];
    const char *found;
    enum err_code code;
} pick_cases[] = {
    {"nothing there", NULL, {NULL}, NULL, ERR_NOT_FOUND},
    {"the only one", NULL, {"a"}, "a", ERR_NONE},
    {"several", NULL, {"a", "b"}, NULL, ERR_CONFLICT},
    {"by name", "b", {"a", "b"}, "b", ERR_NONE},
    {"folder with dots", "x.y", {"a", "x__y"}, "x__y", ERR_NONE},
    {"folder as key", "x__y", {"a", "x__y"}, "x__y", ERR_NONE},
    {"unknown", "c", {"a", "b"}, NULL, ERR_NOT_FOUND},
};

Test(view, pick_service)
{
    for (size_t i = 0; i < ARRAY_LEN(pick_cases); i++) {
        AUTO(fake_source) struct fake_source *fake = fake_source_new();
        for (size_t k = 0; k < 3 && pick_cases[i].services[k]; k++)
            put_target(fake, pick_cases[i].services[k], "x");
        struct view_source source = fake_source_view(fake);
        struct err err = {0};
        AUTO_FREE char *found =
            view_pick_service(&source, pick_cases[i].wanted, &err);
        if (pick_cases[i].found)
            cr_expect(found && str_eq(found, pick_cases[i].found), "case: %s",
                      pick_cases[i].name);
        else
            cr_expect(!found && err.code == pick_cases[i].code, "case: %s",
                      pick_cases[i].name);
    }
}

static void expect(json_t *got, const char *want, const char *name)
{
    cr_assert(got, "case: %s", name);
    char *text = json_dumps(got, JSON_COMPACT | JSON_ENCODE_ANY);
    cr_expect_str_eq(text, want, "case: %s", name);
    free(text);
    json_decref(got);
}

Test(view, pods_and_tasks)
{
    AUTO(fake_source) struct fake_source *fake = fake_source_new();
    struct view view = {fake_source_view(fake), "data-store"};
    put_target(fake, "data-store", "/data-store");
    expect(task_json_pods(&view), "[]", "no pods");
    expect(task_json_statuses(&view), "{\"service\":\"/data-store\"}",
           "no tasks: no pods key");

    fake_source_task(fake, "data", 10, "TASK_RUNNING");
    fake_source_task(fake, "data", 2, NULL);
    fake_source_task(fake, "meta", 0, "TASK_FAILED");
    expect(task_json_pods(&view), "[\"data-10\",\"data-2\",\"meta-0\"]",
           "sorted names");
    expect(task_json_pod_status(&view, "data-10"),
           "{\"name\":\"data-10\",\"tasks\":[{\"id\":"
           "\"data-store__data-10__1\",\"name\":\"data-10\",\"status\":"
           "\"RUNNING\"}]}",
           "one pod");
    cr_expect_null(task_json_pod_status(&view, "data-1"));
    cr_expect_null(task_json_pod_info(&view, "nope"));
    json_t *all = task_json_statuses(&view);
    json_t *data = json_array_get(json_object_get(all, "pods"), 0);
    json_t *instances = json_object_get(data, "instances");
    cr_expect_eq(json_array_size(instances), 2);
    cr_expect_str_eq(json_string_value(
                         json_object_get(json_array_get(instances, 0), "name")),
                     "data-2", "instances by number, not by text");
    json_decref(all);
}

Test(view, host_names_of_a_service_in_a_folder)
{
    AUTO(fake_source) struct fake_source *fake = fake_source_new();
    struct view view = {fake_source_view(fake), "data-store"};
    put_target(fake, "data-store", "/shop/eu/kv");
    fake_source_task(fake, "data", 1, "TASK_RUNNING");
    expect(task_json_endpoint(&view, "http"),
           "{\"dns\":[\"data-1.shopeukv.mesos:9001\"],"
           "\"address\":[\"host.example:9001\"]}",
           "endpoint");
    AUTO_TASKS struct view_tasks task = view_task(&view, "data-1");
    expect(task_json_connection(&view, &task.items[0]),
           "{\"dns\":\"data-1.shopeukv.mesos\",\"ports\":\"9001\"}",
           "connection");
}

Test(view, endpoints_and_connection)
{
    AUTO(fake_source) struct fake_source *fake = fake_source_new();
    struct view view = {fake_source_view(fake), "data-store"};
    put_target(fake, "data-store", "data-store");
    fake_source_task(fake, "data", 1, "TASK_RUNNING");
    expect(task_json_endpoints(&view), "[\"http\"]", "endpoints");
    expect(task_json_endpoint(&view, "http"),
           "{\"dns\":[\"data-1.data-store.mesos:9001\"],"
           "\"address\":[\"host.example:9001\"]}",
           "one endpoint");
    cr_expect_null(task_json_endpoint(&view, "ftp"));
    AUTO_TASKS struct view_tasks task = view_task(&view, "data-1");
    cr_assert_eq(task.n, 1);
    expect(task_json_connection(&view, &task.items[0]),
           "{\"dns\":\"data-1.data-store.mesos\",\"ports\":\"9001\"}",
           "connection");
    json_t *info = task_json_info(&task.items[0]);
    cr_expect(json_equal(json_object_get(info, "agent_id"),
                         json_object_get(info, "slave_id")));
    json_decref(info);
}

Test(view, damaged_records_are_left_out)
{
    AUTO(fake_source) struct fake_source *fake = fake_source_new();
    struct view view = {fake_source_view(fake), "data-store"};
    fake_source_put_bytes(fake, "service/data-store/task/x/info", "\xff\xff",
                          2);
    fake_source_put_bytes(fake, "service/data-store/plan/y", "\xff\xff", 2);
    AUTO_TASKS struct view_tasks tasks = view_tasks(&view, NULL);
    cr_expect_eq(tasks.n, 0);
    AUTO_PLANS struct view_plans plans = view_plans(&view);
    cr_expect_eq(plans.n, 0);
    cr_expect_null(view_plan(&view, "y"));
    cr_expect_null(view_target(&view));
}

/* Pod "node" with task "server" and template "conf"; pod "one" with an inline
 * task that has the template "x". */
static void fill_config(Reeve__Config *config)
{
    static const char *const texts[][3] = {{"node", "server", "conf"},
                                           {"one", "", "x"}};
    config->spec = PB_NEW(reeve__service_spec);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        Reeve__PodSpec *pod = PB_NEW(reeve__pod_spec);
        Reeve__TaskSpec *task = PB_NEW(reeve__task_spec);
        Reeve__ConfigTemplate *template = PB_NEW(reeve__config_template);

        pod->type = xstrdup(texts[i][0]);
        PB_SET(pod, inline_task, !*texts[i][1]);
        task->name = xstrdup(texts[i][1]);
        template->name = xstrdup(texts[i][2]);
        PB_ADD(task, configs, template);
        PB_ADD(pod, tasks, task);
        PB_ADD(config->spec, pods, pod);
    }
}

static const struct {
    const char *path[3], *missing; /* NULL: found */
} template_cases[] = {
    {{"node", "server", "conf"}, NULL},    {{"one", "one", "x"}, NULL},
    {{"none", "server", "conf"}, "Pod"},   {{"node", "none", "conf"}, "Task"},
    {{"node", "server", "x"}, "Template"}, {{"one", "one", "y"}, "Template"},
};

Test(view, templates)
{
    AUTO_MESSAGE Reeve__Config *config = PB_NEW(reeve__config);

    fill_config(config);
    for (size_t i = 0; i < ARRAY_LEN(template_cases); i++) {
        const char *what = NULL, *name = NULL;
        const Reeve__ConfigTemplate *found =
            view_template(config, template_cases[i].path, &what, &name);
        const char *wanted = template_cases[i].missing;

        cr_expect_eq(!found, wanted != NULL, "case %zu", i);
        cr_expect(!wanted || str_eq(what, wanted), "case %zu: %s", i, what);
    }
}
