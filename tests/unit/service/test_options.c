/* SPDX-License-Identifier: Apache-2.0 */
/* Options: flags, environment, defaults, and what is refused. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/service/options.h"

static const struct service_option table[] = {
    {"port", OPTION_INT, "8080", "PORT", "where to listen", 1, 65535,
     "PORT_API,PORT0"},
    {"offset", OPTION_INT, "-3", NULL, "any number", 0, 0, NULL},
    {"ratio", OPTION_DOUBLE, "0.5", NULL, "a share", 0, 0, NULL},
    {"mode", OPTION_STRING, "wal", NULL, "how", 0, 0, NULL},
    {"verbose", OPTION_BOOL, "false", NULL, "say more", 0, 0, NULL},
    {"peer", OPTION_LIST, "", "URL", "others", 0, 0, NULL},
    {NULL, OPTION_STRING, NULL, NULL, NULL, 0, 0, NULL},
};
static const struct service_option required[] = {
    {"spec", OPTION_STRING, NULL, "FILE", "what to run", 0, 0, NULL},
    {NULL, OPTION_STRING, NULL, NULL, NULL, 0, 0, NULL},
};

static const char *const *fake_env; /* name, value, name, value, NULL */
static char *fake_getenv(const char *name)
{
    for (size_t i = 0; fake_env && fake_env[i]; i += 2)
        if (strcmp(fake_env[i], name) == 0)
            return (char *)fake_env[i + 1];
    return NULL;
}

/* All values in one line, to compare. */
static void render(const struct options *o, struct buf *out)
{
    buf_addf(out, "%lld %lld %g %s %d", (long long)options_int(o, "port"),
             (long long)options_int(o, "offset"), options_double(o, "ratio"),
             options_str(o, "mode"), options_bool(o, "verbose"));
    const char *const *list;
    size_t n = options_list(o, "peer", &list);
    for (size_t i = 0; i < n; i++)
        buf_addf(out, " [%s]", list[i]);
}

static const struct {
    const char *name;
    const char *args[8];
    const char *env[8];
    const char *expected; /* values, or "! error text" */
} cases[] = {
    {"defaults", {NULL}, {NULL}, "8080 -3 0.5 wal 0"},
    {"flags",
     {"--port", "1", "--mode=x", "--verbose", "--ratio=2"},
     {NULL},
     "1 -3 2 x 1"},
    {"environment",
     {NULL},
     {"REEVE_PORT", "7", "REEVE_VERBOSE", "yes", "REEVE_PEER", "a,,b"},
     "7 -3 0.5 wal 1 [a] [b]"},
    {"a flag beats the environment",
     {"--port=9"},
     {"REEVE_PORT", "junk"},
     "9 -3 0.5 wal 0"},
    {"the other variable", {NULL}, {"PORT0", "31000"}, "31000 -3 0.5 wal 0"},
    {"the first of the others that is set",
     {NULL},
     {"PORT0", "31000", "PORT_API", "31001"},
     "31001 -3 0.5 wal 0"},
    {"ours beats the other variable",
     {NULL},
     {"PORT0", "31000", "REEVE_PORT", "4"},
     "4 -3 0.5 wal 0"},
    {"an empty variable is unset",
     {NULL},
     {"REEVE_PORT", "", "REEVE_MODE", ""},
     "8080 -3 0.5 wal 0"},
    {"an empty flag is a value", {"--mode="}, {NULL}, "8080 -3 0.5  0"},
    {"the last flag wins", {"--port=1", "--port=2"}, {NULL}, "2 -3 0.5 wal 0"},
    {"a list adds up and replaces the environment",
     {"--peer", "x,y", "--peer=z"},
     {"REEVE_PEER", "a"},
     "8080 -3 0.5 wal 0 [x,y] [z]"},
    {"a value with an equals sign",
     {"--mode=a=b"},
     {NULL},
     "8080 -3 0.5 a=b 0"},
    {"a negative value", {"--offset", "-9"}, {NULL}, "8080 -9 0.5 wal 0"},
    {"a bool switched off",
     {"--verbose=no"},
     {"REEVE_VERBOSE", "1"},
     "8080 -3 0.5 wal 0"},
    {"unknown flag",
     {"--prot=1"},
     {NULL},
     "! --prot: no such option; did you mean --port? (--help lists them all)"},
    {"not a number",
     {"--port=many"},
     {NULL},
     "! --port: \"many\" is not a whole number from 1 to 65535"},
    {"out of range, from the environment",
     {NULL},
     {"REEVE_PORT", "0"},
     "! REEVE_PORT: \"0\" is not a whole number from 1 to 65535"},
    {"too large for 64 bits",
     {"--offset=99999999999999999999"},
     {NULL},
     "! --offset: \"99999999999999999999\" is not a whole number"},
    {"not a bool",
     {"--verbose=perhaps"},
     {NULL},
     "! --verbose: \"perhaps\" is not true or false"},
    {"not a ratio",
     {"--ratio=nan"},
     {NULL},
     "! --ratio: \"nan\" is not a number"},
    {"a value is missing", {"--port"}, {NULL}, "! --port: a value must follow"},
    {"a stray word",
     {"stray"},
     {NULL},
     "! \"stray\": unexpected argument; options begin with --"},
    {"one dash",
     {"-p"},
     {NULL},
     "! \"-p\": unexpected argument; options begin with --"},
};

Test(options, values)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *argv[10] = {(char *)"prog"};
        int argc = 1;
        for (; cases[i].args[argc - 1]; argc++)
            argv[argc] = (char *)cases[i].args[argc - 1];
        fake_env = cases[i].env;
        struct options *o = options_new(table, NULL);
        struct err err = {0};
        AUTO_BUF struct buf got = {0};
        if (options_read(o, argc, argv, fake_getenv, &err) < 0)
            buf_addf(&got, "! %s", err.text);
        else
            render(o, &got);
        cr_expect_str_eq(buf_text(&got), cases[i].expected, "case: %s\n%s",
                         cases[i].name, buf_text(&got));
        options_destroy(&o);
    }
}

Test(options, a_required_one_must_be_given)
{
    char *argv[] = {(char *)"prog", NULL};
    fake_env = NULL;
    struct options *o = options_new(required, table);
    struct err err = {0};
    cr_expect_eq(options_read(o, 1, argv, fake_getenv, &err), -1);
    cr_expect_str_eq(err.text,
                     "--spec (or REEVE_SPEC) must be given: what to run");
    options_destroy(&o);
}

Test(options, own_table_beats_the_common_one)
{
    static const struct service_option own[] = {
        {"mode", OPTION_STRING, "mine", NULL, "how", 0, 0, NULL},
        {NULL, OPTION_STRING, NULL, NULL, NULL, 0, 0, NULL},
    };
    char *argv[] = {(char *)"prog", NULL};
    fake_env = NULL;
    struct options *o = options_new(own, table);
    cr_expect_eq(options_read(o, 1, argv, fake_getenv, NULL), 0);
    cr_expect_str_eq(options_str(o, "mode"), "mine");
    options_destroy(&o);
}

Test(options, help_names_everything)
{
    static const char *const wanted[] = {
        "--port PORT",    "REEVE_PORT or PORT_API", "default 8080",
        "1 to 65535",     "where to listen",        "REEVE_PEER",
        "may be repeated"};
    struct options *o = options_new(table, NULL);
    AUTO_BUF struct buf text = {0};
    options_help(o, &text);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        cr_expect(strstr(buf_text(&text), wanted[i]) != NULL, "%s in:\n%s",
                  wanted[i], buf_text(&text));
    options_destroy(&o);
}

Test(options, help_comes_before_every_error)
{
    char *argv[] = {(char *)"prog", (char *)"--nonsense", (char *)"--help",
                    NULL};
    struct options *o = options_new(required, NULL);
    cr_expect_eq(options_read(o, 3, argv, fake_getenv, NULL), 0);
    cr_expect_eq(options_wish(o), OPTIONS_HELP);
    options_destroy(&o);
}
