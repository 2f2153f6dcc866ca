/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "lib/base/base.h"
#include "services/state-store/succession.h"

enum { TTL_MS = 1000, NOW_MS = 5000 };

static const struct {
    const char *name;
    struct succession_ask ask;
    struct succession seen;
    bool is_ours;
} cases[] = {
    {"nothing there, no partner", {0}, {0}, true},
    {"nothing there, a partner", {.has_partner = true}, {0}, false},
    {"held by another",
     {.owner = "3 other", .last_epoch = 3, .last = "other"},
     {0},
     false},
    {"held by the process before in this folder",
     {.owner = "3 me",
      .last_epoch = 3,
      .last = "me",
      .has_partner = true,
      .is_same_run = true},
     {0},
     true},
    {"our name, but a newer epoch than this process had",
     {.owner = "4 me", .last_epoch = 4, .last = "me", .our_epoch = 3},
     {0},
     false},
    {"an owner that does not read", {.owner = "what"}, {0}, false},
    {"vacant, the last was another",
     {.has_partner = true, .last = "other", .last_epoch = 3},
     {0},
     false},
    {"vacant, another, no partner configured",
     {.last = "other", .last_epoch = 3},
     {0},
     true},
    {"vacant, given back",
     {.has_partner = true,
      .last = "other",
      .last_epoch = 3,
      .given_back = 3,
      .is_same_run = true},
     {0},
     true},
    {"vacant, given back, but Redis was started anew since",
     {.has_partner = true, .last = "other", .last_epoch = 3, .given_back = 3},
     {0},
     false},
    {"vacant, an older one was given back",
     {.has_partner = true, .last = "other", .last_epoch = 3, .given_back = 2},
     {0},
     false},
    {"vacant, the last was ours",
     {.has_partner = true, .last = "me", .last_epoch = 3, .is_same_run = true},
     {0},
     true},
    {"vacant, the last was ours in what a started Redis still has",
     {.has_partner = true, .last = "me", .last_epoch = 3},
     {0},
     false},
    {"held by us in what a started Redis still has",
     {.has_partner = true, .owner = "3 me", .last = "me", .last_epoch = 3},
     {0},
     false},
    {"the same, and no partner",
     {.owner = "3 me", .last = "me", .last_epoch = 3},
     {0},
     true},
    {"the same, and it is this process'",
     {.has_partner = true,
      .our_epoch = 3,
      .owner = "3 me",
      .last = "me",
      .last_epoch = 3},
     {0},
     true},
    {"vacant long enough, but it went back",
     {.has_partner = true,
      .last = "other",
      .last_epoch = 3,
      .seq = 7,
      .lineage = {1}},
     {true, 3, 7, NOW_MS - TTL_MS, 8, {1}},
     false},
    {"went back, and we have it all",
     {.has_partner = true,
      .our_epoch = 3,
      .last_epoch = 3,
      .seq = 7,
      .lineage = {1}},
     {true, 3, 7, NOW_MS - TTL_MS, 8, {1}},
     true},
    {"another suite began there",
     {.has_partner = true,
      .last = "other",
      .last_epoch = 3,
      .seq = 7,
      .lineage = {2}},
     {true, 3, 7, NOW_MS - TTL_MS, 8, {1}},
     true},
    {"emptied under us", {.has_partner = true, .our_epoch = 3}, {0}, true},
    {"vacant, another had it since",
     {.has_partner = true, .our_epoch = 3, .last = "other", .last_epoch = 4},
     {0},
     false},
    {"seen vacant long enough",
     {.has_partner = true, .last = "other", .last_epoch = 3, .seq = 7},
     {true, 3, 7, NOW_MS - TTL_MS, 0, {0}},
     true},
    {"not long enough",
     {.has_partner = true, .last = "other", .last_epoch = 3, .seq = 7},
     {true, 3, 7, NOW_MS - TTL_MS + 1, 0, {0}},
     false},
    {"written meanwhile",
     {.has_partner = true, .last = "other", .last_epoch = 3, .seq = 8},
     {true, 3, 7, 0, 0, {0}},
     false},
    {"claimed meanwhile",
     {.has_partner = true, .last = "other", .last_epoch = 4, .seq = 7},
     {true, 3, 7, 0, 0, {0}},
     false},
    {"elected over a living one",
     {.owner = "3 other", .last_epoch = 3, .granted = 9, .has_partner = true},
     {0},
     true},
    {"elected before the living one",
     {.owner = "10 other", .last_epoch = 10, .granted = 9},
     {0},
     false},
    {"elected before the last one",
     {.last = "other", .last_epoch = 10, .granted = 9},
     {0},
     false},
};

Test(succession, cases)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct succession_ask ask = cases[i].ask;
        struct succession seen = cases[i].seen;
        char why[256];
        ask.holder = "me";
        ask.ttl_ms = TTL_MS;
        ask.now_ms = NOW_MS;
        bool is_ours = succession_is_ours(&seen, &ask, why, sizeof why);
        cr_expect_eq(is_ours, cases[i].is_ours, "%s", cases[i].name);
        cr_expect_eq(is_ours, why[0] == '\0', "%s: %s", cases[i].name, why);
    }
}
