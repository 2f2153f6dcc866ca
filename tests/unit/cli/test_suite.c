/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "cli/suite.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

static struct suite *sample(bool own_master, bool own_redis)
{
    struct suite *s = suite_new();

    s->run_dir = xstrdup("/r");
    s->bin_dir = xstrdup("/b");
    s->spec = xstrdup("/s/svc.yml");
    s->service = xstrdup("data-store");
    s->master = xstrdup("http://127.0.0.1:5050");
    s->redis = xstrdup("redis://127.0.0.1:6379/0");
    s->own_master = own_master;
    s->own_redis = own_redis;
    s->port = 8080;
    s->master_port = 5050;
    s->redis_port = 6379;
    s->agents = 3;
    s->allocation_interval_ms = 100;
    s->pid = 12;
    suite_list_processes(s);
    return s;
}

static const struct {
    int64_t previous, alive, want;
} backoffs[] = {
    {0, 0, 100},     {100, 5, 200},      {200, 0, 400},      {3200, 0, 5000},
    {5000, 0, 5000}, {5000, 9999, 5000}, {5000, 10000, 100}, {100, 60000, 100},
};

Test(suite, backoff)
{
    for (size_t i = 0; i < ARRAY_LEN(backoffs); i++)
        cr_expect_eq(suite_backoff_ms(backoffs[i].previous, backoffs[i].alive),
                     backoffs[i].want, "case: %zu", i);
}

Test(suite, processes)
{
    struct suite *all = sample(true, true), *none = sample(false, false);

    cr_expect_eq(all->n_processes, 6);
    cr_expect_eq(none->n_processes, 4);
    cr_expect(suite_find(all, "devcluster") && suite_find(all, "redis"));
    cr_expect(!suite_find(none, "devcluster") && !suite_find(none, "redis"));
    cr_expect(suite_stop_stage("planner") < suite_stop_stage("devcluster"));
    cr_expect(suite_stop_stage("devcluster") <
              suite_stop_stage("offer-broker"));
    cr_expect(suite_stop_stage("offer-broker") <
              suite_stop_stage("state-store"));
    cr_expect(suite_stop_stage("state-store") < suite_stop_stage("redis"));
    for (size_t i = 0; i < all->n_processes; i++)
        cr_expect(suite_stop_stage(all->process[i].name) < SUITE_STAGES);
    suite_destroy(&all);
    suite_destroy(&none);
}

static const struct {
    const char *process, *want;
} commands[] = {
    {"redis", "/usr/bin/redis-server --port 6379 --bind 127.0.0.1 --dir "
              "/r/redis --appendonly yes --appendfsync everysec --save  "
              "--daemonize no"},
    {"devcluster", "/b/reeve-devcluster --work-dir /r/devcluster --port 5050 "
                   "--agents 3 --allocation-interval-ms 100"},
    {"state-store", "/b/reeve-state-store --run-dir /r --name= --endpoint= "
                    "--redis redis://127.0.0.1:6379/0"},
    {"offer-broker", "/b/reeve-offer-broker --run-dir /r --name= --endpoint= "
                     "--master http://127.0.0.1:5050 --api-port 8080 "
                     "--api-host 127.0.0.1"},
    {"planner", "/b/reeve-planner --run-dir /r --name= --endpoint= --store= "
                "--store-feed= --spec /s/svc.yml"},
    {"api-gateway",
     "/b/reeve-api-gateway --run-dir /r --name= --endpoint= --store= "
     "--store-feed= --planner= --broker= --port 8080"},
};

Test(suite, command_lines)
{
    struct suite *s = sample(true, true);

    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        struct suite_command c;
        AUTO_BUF struct buf got = {0};
        suite_command(s, commands[i].process, "/usr/bin/redis-server", &c);
        for (size_t j = 0; j < c.n; j++)
            buf_addf(&got, "%s%s", j ? " " : "", c.argv[j]);
        cr_expect_eq(c.argv[c.n], NULL);
        cr_expect_str_eq(buf_text(&got), commands[i].want);
        suite_command_free(&c);
    }
    suite_destroy(&s);
}

static const struct {
    const char *process, *want, *secret;
} secrets[] = {
    {"state-store", "/b/reeve-state-store --run-dir /r --name= --endpoint=",
     "REEVE_REDIS=redis://:pw@127.0.0.1:6379/0"},
    {"offer-broker",
     "/b/reeve-offer-broker --run-dir /r --name= --endpoint= --api-port 8080",
     "REEVE_MASTER=zk://u:pw@127.0.0.1:2181/mesos"},
};

Test(suite, passwords_are_not_in_command_lines)
{
    struct suite *s = sample(false, false);

    free(s->redis);
    s->redis = xstrdup("redis://:pw@127.0.0.1:6379/0");
    free(s->master);
    s->master = xstrdup("zk://u:pw@127.0.0.1:2181/mesos");
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        struct suite_command c;
        AUTO_BUF struct buf got = {0};
        suite_command(s, secrets[i].process, NULL, &c);
        for (size_t j = 0; j < c.n; j++)
            buf_addf(&got, "%s%s", j ? " " : "", c.argv[j]);
        cr_expect_str_eq(buf_text(&got), secrets[i].want);
        cr_expect_eq(c.n_secrets, 1);
        cr_expect_str_eq(c.secrets[0], secrets[i].secret);
        cr_expect_eq(c.secrets[1], NULL);
        suite_command_free(&c);
    }
    suite_destroy(&s);
}

static const struct {
    const char *url, *want;
} shown[] = {
    {"redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"},
    {"redis://:p@w@h:6379/0", "redis://:***@h:6379/0"},
    {"redis+sentinel://u:pw@h,i/m", "redis+sentinel://u:***@h,i/m"},
    {"zk://u:pw@h:2181,i:2181/mesos", "zk://u:***@h:2181,i:2181/mesos"},
    {"zk://h:2181/a@b:c", "zk://h:2181/a@b:c"},
    {"@", "@"},
    {"redis+sentinel://u:pw@h/m?sentinel_password=x",
     "redis+sentinel://u:***@h/m?***"},
    {"redis+sentinel://h/m?sentinel_password=x", "redis+sentinel://h/m?***"},
};

Test(suite, shown_urls)
{
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        AUTO_FREE char *got = suite_shown_url(shown[i].url);
        cr_expect_str_eq(got, shown[i].want, "case: %s: %s", shown[i].url, got);
    }
}

Test(suite, json_there_and_back)
{
    struct suite *s = sample(true, false);
    struct err err = {0};

    suite_find(s, "planner")->pid = 77;
    suite_find(s, "planner")->restarts = 2;
    suite_find(s, "planner")->exit_code = 137;
    AUTO_FREE char *text = suite_encode(s);
    struct suite *back = suite_decode(text, strlen(text), &err);
    cr_assert(back, "%s", err.text);
    cr_expect_str_eq(back->run_dir, "/r");
    cr_expect_str_eq(back->master, s->master);
    cr_expect_str_eq(back->service, "data-store");
    cr_expect_eq(back->port, 8080);
    cr_expect_eq(back->pid, 12);
    cr_expect(back->own_master && !back->own_redis);
    cr_expect_eq(back->n_processes, 5);
    cr_expect_eq(suite_find(back, "planner")->pid, 77);
    cr_expect_eq(suite_find(back, "planner")->restarts, 2);
    cr_expect_eq(suite_find(back, "planner")->exit_code, 137);
    cr_expect(strstr(text, "\"gateway\": \"http://127.0.0.1:8080\""));
    cr_expect(strstr(text, "\"log\": \"/r/log/planner.log\""));
    suite_destroy(&s);
    suite_destroy(&back);
}

static const char *const garbage[] = {
    "",
    "[]",
    "{",
    "null",
    "{\"processes\": 3}",
    "{\"processes\": [3, {\"name\": 4}, {\"name\": \"nobody\"}], \"pid\": []}"};

Test(suite, damaged_json)
{
    for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
        struct err err = {0};
        struct suite *s = suite_decode(garbage[i], strlen(garbage[i]), &err);
        cr_expect_eq(s != NULL, garbage[i][0] == '{' && garbage[i][1],
                     "case: %s", garbage[i]);
        cr_expect(s || err.code == ERR_CORRUPT, "case: %s", garbage[i]);
        suite_destroy(&s);
    }
}

Test(suite, environment_there_and_back)
{
    const char *const env[] = {"A=1", "B=x\ny \"z\"", "BAD=\xff\xfe",
                               "C=", NULL};
    AUTO_FREE char *text = suite_encode_env(env);
    char **back = suite_decode_env(text, strlen(text), NULL);

    cr_assert(back);
    cr_expect_str_eq(back[0], "A=1");
    cr_expect_str_eq(back[1], "B=x\ny \"z\"");
    cr_expect_str_eq(back[2], "C=", "what is not UTF-8 is left out");
    cr_expect_eq(back[3], NULL);
    suite_free_env(&back);
    cr_expect_eq(suite_decode_env("{}", 2, NULL), NULL);
}
