/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"

#define MAX_ARGS 8

static const struct {
    const char *name;
    char *argv[MAX_ARGS];
    const char *words, *flags;
} cases[] = {
    {"nothing", {"reeve"}, "", ""},
    {"words", {"reeve", "plan", "list"}, "plan list", ""},
    {"flag first", {"reeve", "--run-dir", "x", "plan"}, "plan", "--run-dir x"},
    {"flag last", {"reeve", "plan", "--run-dir", "x"}, "plan", "--run-dir x"},
    {"with equals", {"reeve", "--run-dir=x", "up"}, "up", "--run-dir=x"},
    {"bool takes none", {"reeve", "--wait", "up"}, "up", "--wait"},
    {"of a command",
     {"reeve", "up", "--agents", "3", "s"},
     "up s",
     "--agents 3"},
    {"short", {"reeve", "-o", "json", "up"}, "up", "--output json"},
    {"short list",
     {"reeve", "-p", "A=b", "-p", "C=d"},
     "",
     "--params A=b --params C=d"},
    {"negative value", {"reeve", "up", "--agents", "-1"}, "up", "--agents -1"},
    {"no value left", {"reeve", "up", "--agents"}, "up", "--agents"},
    {"unknown", {"reeve", "--nope", "x"}, "x", "--nope"},
    {"after --", {"reeve", "up", "--", "--x"}, "up --x", ""},
    {"a dash is a word", {"reeve", "up", "-"}, "up -", ""},
};

static void join(struct buf *out, char **texts, size_t n)
{
    buf_add_str(out, "");
    for (size_t i = 0; i < n; i++)
        buf_addf(out, "%s%s", i ? " " : "", texts[i]);
}

Test(args, split)
{
    const struct service_option *const tables[] = {
        cli_common_options, cmd_up_options, cmd_down_options, NULL};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF struct buf words = {0}, flags = {0};
        struct args args;
        int argc = 0;
        while (argc < MAX_ARGS && cases[i].argv[argc])
            argc++;
        args_split(argc, (char **)cases[i].argv, tables, &args);
        join(&words, args.words, args.n_words);
        join(&flags, args.flags + 1, args.n_flags - 1);
        cr_expect_str_eq(buf_text(&words), cases[i].words, "case: %s",
                         cases[i].name);
        cr_expect_str_eq(buf_text(&flags), cases[i].flags, "case: %s",
                         cases[i].name);
        args_free(&args);
    }
}

/* ---- the table of commands ---- */

Test(commands, table_is_sound)
{
    for (const struct command *c = cli_commands; c->words; c++) {
        cr_expect(c->run, "case: %s", c->words);
        cr_expect(c->min_args <= c->max_args, "case: %s", c->words);
        cr_expect(*c->help, "case: %s", c->words);
        bool has_hole = c->path && strstr(c->path, "%s");
        cr_expect_eq(has_hole, c->path && c->min_args == 1, "case: %s",
                     c->words);
    }
}

static const struct {
    const char *name;
    char *argv[MAX_ARGS];
    int code;
} runs[] = {
    {"no command", {"reeve"}, EXIT_USAGE},
    {"unknown", {"reeve", "frobnicate"}, EXIT_USAGE},
    {"unknown below plan", {"reeve", "plan", "dance"}, EXIT_USAGE},
    {"only plan", {"reeve", "plan"}, EXIT_USAGE},
    {"missing argument", {"reeve", "up"}, EXIT_USAGE},
    {"too many", {"reeve", "plan", "list", "x"}, EXIT_USAGE},
    {"unknown flag", {"reeve", "plan", "list", "--nope"}, EXIT_USAGE},
    {"flag of another", {"reeve", "plan", "list", "--agents", "3"}, EXIT_USAGE},
    {"bad number", {"reeve", "up", "--agents", "many", "x"}, EXIT_USAGE},
    {"bad output", {"reeve", "-o", "xml", "plan", "list"}, EXIT_USAGE},
    {"bad port", {"reeve", "up", "--port", "x", "s"}, EXIT_USAGE},
    {"no suite", {"reeve", "--run-dir", "/nope", "plans", "show"}, EXIT_FAILED},
    {"alias",
     {"reeve", "--run-dir", "/nope", "debug", "configs", "list"},
     EXIT_FAILED},
    {"no run dir", {"reeve", "--run-dir", "/nope", "down"}, EXIT_FAILED},
    {"no spec", {"reeve", "validate", "/nope.yml"}, EXIT_BAD_INPUT},
    {"no spec to run", {"reeve", "up", "/nope.yml"}, EXIT_BAD_INPUT},
    {"help", {"reeve", "--help"}, EXIT_OK},
    {"help of a command", {"reeve", "up", "--help"}, EXIT_OK},
    {"version", {"reeve", "version"}, EXIT_OK},
    {"version flag", {"reeve", "--version"}, EXIT_OK},
};

Test(commands, exit_codes)
{
    freopen("/dev/null", "w", stdout);
    for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
        int argc = 0;
        while (argc < MAX_ARGS && runs[i].argv[argc])
            argc++;
        cr_expect_eq(cli_main(argc, (char **)runs[i].argv), runs[i].code,
                     "case: %s", runs[i].name);
    }
}
