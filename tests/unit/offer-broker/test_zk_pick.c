/* SPDX-License-Identifier: Apache-2.0 */
#include "services/offer-broker/zk_pick.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/wire/wire.h"
#include "proto/mesos/v1/mesos.pb-c.h"

static const struct {
    const char *text;
    const char *hosts; /* NULL: refused */
    const char *path, *auth;
} url_cases[] = {
    {"zk://h:2181/mesos", "h:2181", "/mesos", NULL},
    {"zk://h/mesos", "h:2181", "/mesos", NULL},
    {"zk://a:1,b:2,c:3/x/y", "a:1,b:2,c:3", "/x/y", NULL},
    {"zk://u:p@h:1/mesos/", "h:1", "/mesos", "u:p"},
    {"zk://u:p/q@w@h:1/mesos", "h:1", "/mesos", "u:p/q@w"},
    {"zk://[::1]:2181/mesos", "[::1]:2181", "/mesos", NULL},
    {"zk://u@h:1/mesos", NULL, NULL, NULL},
    {"zk://h:2181", NULL, NULL, NULL},
    {"zk://h:2181/", NULL, NULL, NULL},
    {"zk://h:2181//mesos", NULL, NULL, NULL},
    {"zk:///mesos", NULL, NULL, NULL},
    {"zk://h:99999/mesos", NULL, NULL, NULL},
    {"zk://:2181/mesos", NULL, NULL, NULL},
    {"zk://a:1,,b:2/mesos", NULL, NULL, NULL},
    {"zk://a b:1/mesos", NULL, NULL, NULL},
    {"http://h:5050", NULL, NULL, NULL},
};

Test(zk_pick, url)
{
    for (size_t i = 0; i < ARRAY_LEN(url_cases); i++) {
        struct zk_url url;
        struct err err = {0};
        int rc = zk_url_parse(url_cases[i].text, &url, &err);

        cr_expect_eq(rc == 0, url_cases[i].hosts != NULL, "case %s: %s",
                     url_cases[i].text, err.text);
        if (rc < 0) {
            cr_expect_eq(err.code, ERR_INVALID);
            continue;
        }
        cr_expect_str_eq(url.hosts, url_cases[i].hosts);
        cr_expect_str_eq(url.path, url_cases[i].path);
        cr_expect(str_eq(url.auth, url_cases[i].auth), "case %s",
                  url_cases[i].text);
        zk_url_free(&url);
    }
}

static const struct {
    const char *name;
    const char *children[5];
    int leader;
} leader_cases[] = {
    {"nobody", {NULL}, -1},
    {"no master", {"log_replicas", "info_", "x"}, -1},
    {"one", {"json.info_0000000007"}, 0},
    {"smallest",
     {"json.info_0000000012", "log_replicas", "json.info_0000000009"},
     2},
    {"whatever the label",
     {"json.info_0000000012", "info_0000000011", "0000000010"},
     2},
    {"old and new of one master",
     {"info_0000000003", "json.info_0000000004"},
     0},
    {"numbers, not texts", {"json.info_0000000010", "json.info_9"}, 1},
    {"odd endings", {"json.info_-0000001", "json.info_1x", "json.info_2"}, 2},
    {"too long a number", {"info_99999999999999999999", "info_5"}, 1},
};

Test(zk_pick, leader)
{
    for (size_t i = 0; i < ARRAY_LEN(leader_cases); i++) {
        size_t count = 0;

        while (count < 5 && leader_cases[i].children[count])
            count++;
        cr_expect_eq(zk_pick_leader(leader_cases[i].children, count),
                     leader_cases[i].leader, "case %s", leader_cases[i].name);
    }
}

#define JSON "json.info_0000000001"

static const struct {
    const char *name, *node, *data;
    bool by_name;
    const char *address; /* NULL: refused */
} address_cases[] = {
    {"as masters write it", JSON,
     "{\"address\":{\"hostname\":\"m1.example\",\"ip\":\"10.0.0.5\",\"port\":"
     "5050},\"hostname\":\"m1.example\",\"id\":\"x\",\"ip\":83886090,\"pid\":"
     "\"master@10.0.0.5:5050\",\"port\":5050,\"version\":\"1.11.0\"}",
     false, "10.0.0.5:5050"},
    {"by name", JSON,
     "{\"address\":{\"hostname\":\"m1.example\",\"ip\":\"10.0.0.5\",\"port\":"
     "5051}}",
     true, "m1.example:5051"},
    {"a name only", JSON, "{\"address\":{\"hostname\":\"m1\",\"port\":1}}",
     false, "m1:1"},
    {"without address: pid", JSON,
     "{\"hostname\":\"m1\",\"port\":5050,\"pid\":\"master@10.0.0.6:5055\"}",
     false, "10.0.0.6:5055"},
    {"without address: name", JSON, "{\"hostname\":\"m1\",\"port\":5050}", true,
     "m1:5050"},
    {"IPv6", JSON, "{\"address\":{\"ip\":\"fd00::1\",\"port\":5050}}", false,
     "[fd00::1]:5050"},
    {"no port", JSON, "{\"address\":{\"ip\":\"10.0.0.5\"}}", false, NULL},
    {"bad host", JSON, "{\"address\":{\"ip\":\"a/b\",\"port\":1}}", false,
     NULL},
    {"types", JSON, "{\"address\":[1],\"port\":\"x\",\"pid\":7}", false, NULL},
    {"no JSON", JSON, "{", false, NULL},
    {"empty", JSON, "", false, NULL},
    {"not a message", "info_0000000001", "\xff\xff\xff", false, NULL},
    {"text", "0000000001", "master@10.0.0.7:5050", false, "10.0.0.7:5050"},
    {"text IPv6", "0000000001", "master@[::1]:5050", false, "[::1]:5050"},
    {"text without @", "0000000001", "10.0.0.7:5050", false, NULL},
    {"text without port", "0000000001", "master@10.0.0.7", false, NULL},
};

Test(zk_pick, address)
{
    for (size_t i = 0; i < ARRAY_LEN(address_cases); i++) {
        struct err err = {0};
        AUTO_FREE char *address = zk_pick_address(
            address_cases[i].node, address_cases[i].data,
            strlen(address_cases[i].data), address_cases[i].by_name, &err);

        cr_expect(str_eq(address, address_cases[i].address),
                  "case %s: got %s, %s", address_cases[i].name,
                  str_or_empty(address), err.text);
        cr_expect_eq(err.code != ERR_NONE, address == NULL);
    }
}

Test(zk_pick, address_of_a_message)
{
    Mesos__V1__MasterInfo info = MESOS__V1__MASTER_INFO__INIT;
    Mesos__V1__Address where = MESOS__V1__ADDRESS__INIT;
    AUTO_BUF struct buf bytes = {0}, more = {0};

    info.id = "id";
    info.ip = inet_addr("10.0.0.5");
    info.port = 5050;
    info.hostname = "m1";
    wire_encode(&info.base, &bytes);
    AUTO_FREE char *by_ip =
        zk_pick_address("info_1", bytes.data, bytes.len, false, NULL);
    AUTO_FREE char *by_name =
        zk_pick_address("info_1", bytes.data, bytes.len, true, NULL);
    cr_expect_str_eq(by_ip, "10.0.0.5:5050");
    cr_expect_str_eq(by_name, "m1:5050");
    where.ip = "10.0.0.9";
    where.port = 5051;
    info.address = &where;
    wire_encode(&info.base, &more);
    AUTO_FREE char *addressed =
        zk_pick_address("info_1", more.data, more.len, false, NULL);
    cr_expect_str_eq(addressed, "10.0.0.9:5051");
}
