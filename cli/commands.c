/* SPDX-License-Identifier: Apache-2.0 */
/* commands - the table of commands, help, and dispatch */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

#define MAX_WORDS 3

const struct service_option cli_common_options[] = {
    {"run-dir", OPTION_STRING, "./.reeve", "DIR",
     "folder of the local suite; its suite.json tells where the API is", 0, 0,
     NULL},
    {"url", OPTION_STRING, "", "URL",
     "where the API is, instead of the run dir's", 0, 0, NULL},
    {"service", OPTION_STRING, "", "NAME",
     "which service, where a suite has several", 0, 0, NULL},
    {"output", OPTION_STRING, "text", "text|json",
     "-o: json prints what the API answered", 0, 0, NULL},
    {"json", OPTION_BOOL, "false", NULL, "the same as -o json", 0, 0, NULL},
    {"wait", OPTION_BOOL, "false", NULL,
     "come back only when it is done (the plan is COMPLETE)", 0, 0, NULL},
    {"timeout", OPTION_INT, "600", "s",
     "how long --wait waits; then the exit code is 3", 1, 1000000, NULL},
    {"watch", OPTION_BOOL, "false", NULL, "show a plan as it changes", 0, 0,
     NULL},
    {"params", OPTION_LIST, "", "NAME=VALUE", "-p: a variable for `plan start`",
     0, 0, NULL},
    {"tasks", OPTION_LIST, "", "TASK",
     "-t: only these tasks, for `pod pause` and `pod resume`", 0, 0, NULL},
    {NULL, OPTION_STRING, NULL, NULL, NULL, 0, 0, NULL},
};

#define GET(text, arguments, n, url, what)                                     \
    {                                                                          \
        .words = text, .args = arguments, .help = what, .min_args = n,         \
        .max_args = n, .run = cmd_get, .path = url                             \
    }

const struct command cli_commands[] = {
    {"up", "SPEC", "start or change a local suite that runs this svc.yml", 1, 1,
     cmd_up_options, cmd_up, NULL},
    {"down", "", "stop the local suite", 0, 0, cmd_down_options, cmd_down,
     NULL},
    {"validate", "SPEC", "say whether a svc.yml is good, and why not", 1, 1,
     NULL, cmd_validate, NULL},
    GET("plan list", "", 0, "/v1/plans", "names of the plans"),
    {"plan status", "[plan]", "a plan as a tree (deploy unless named)", 0, 1,
     NULL, cmd_plan_status, NULL},
    {"plan start", "<plan>", "start a plan, with --params", 1, 1, NULL,
     cmd_plan_start, NULL},
    {"plan stop", "<plan>", "interrupt a plan and set it back", 1, 1, NULL,
     cmd_plan_stop, NULL},
    {"plan pause", "<plan> [phase]", "take no further step", 1, 2, NULL,
     cmd_plan_pause, NULL},
    {"plan resume", "<plan> [phase]", "go on", 1, 2, NULL, cmd_plan_resume,
     NULL},
    {"plan force-restart", "<plan> [phase [step]]", "do it again", 1, 3, NULL,
     cmd_plan_force_restart, NULL},
    {"plan force-complete", "<plan> <phase> <step>", "take a step as done", 3,
     3, NULL, cmd_plan_force_complete, NULL},
    GET("pod list", "", 0, "/v1/pod", "names of the pod instances"),
    {"pod status", "[pod]", "pods and their tasks as a tree", 0, 1, NULL,
     cmd_pod_status, NULL},
    GET("pod info", "<pod>", 1, "/v1/pod/%s/info", "records of a pod's tasks"),
    {"pod restart", "<pod>", "restart its tasks where they are", 1, 1, NULL,
     cmd_pod_restart, NULL},
    {"pod replace", "<pod>", "give it up and start it elsewhere", 1, 1, NULL,
     cmd_pod_replace, NULL},
    {"pod pause", "<pod>", "keep its tasks idle", 1, 1, NULL, cmd_pod_pause,
     NULL},
    {"pod resume", "<pod>", "let its tasks work again", 1, 1, NULL,
     cmd_pod_resume, NULL},
    GET("endpoints", "", 0, "/v1/endpoints", "names of the endpoints"),
    GET("endpoints", "<name>", 1, "/v1/endpoints/%s", "one endpoint"),
    GET("config list", "", 0, "/v1/configurations", "ids of configurations"),
    GET("config show", "<id>", 1, "/v1/configurations/%s", "one configuration"),
    GET("config target", "", 0, "/v1/configurations/target",
        "the configuration that is aimed at"),
    GET("config target_id", "", 0, "/v1/configurations/targetId", "its id"),
    GET("state framework_id", "", 0, "/v1/state/frameworkId",
        "id of the framework at Mesos"),
    GET("state tasks", "", 0, "/v1/state/tasks", "names of stored tasks"),
    GET("state task", "<task>", 1, "/v1/state/tasks/info/%s",
        "one task as launched"),
    GET("state status", "<task>", 1, "/v1/state/tasks/status/%s",
        "its last status"),
    GET("state properties", "", 0, "/v1/state/properties",
        "names of properties"),
    GET("state property", "<name>", 1, "/v1/state/properties/%s",
        "one property"),
    {"state refresh_cache", "", "read the state afresh", 0, 0, NULL,
     cmd_state_refresh, NULL},
    {"state export", "<file>",
     "back up the state of the run dir's suite at one revision", 1, 1, NULL,
     cmd_state_export, NULL},
    {"state import", "<file>",
     "begin an empty run dir with an exported state, before `up`", 1, 1, NULL,
     cmd_state_import, NULL},
    {"state new-framework", "<framework id>",
     "give up the id of a framework that the master removed", 1, 1,
     cmd_new_framework_options, cmd_state_new_framework, NULL},
    {"state ignore-foreign", "<framework id>",
     "launch beside reservations that no record names", 1, 1,
     cmd_ignore_foreign_options, cmd_state_ignore_foreign, NULL},
    GET("debug plans", "", 0, "/v1/debug/plans", "all plans, for debugging"),
    {"state release", "<resource id> [more ids]",
     "free quarantined reservations, and destroy what they hold", 1, 500,
     cmd_release_options, cmd_state_release, NULL},
    {"state kill-unknown", "<task id>", "end a task that no record names", 1, 1,
     cmd_kill_unknown_options, cmd_state_kill_unknown, NULL},
    {"explain", "[pod]", "why a pod does not run, and what would unblock it", 0,
     1, NULL, cmd_explain, NULL},
    GET("debug offers", "", 0, "/v1/debug/offers", "why offers did not fit"),
    GET("debug tasks", "", 0, "/v1/debug/tasks",
        "tasks that no record names, questions and kills under way"),
    GET("debug agents", "", 0, "/v1/debug/agents",
        "agents that drain, go down or are gone"),
    GET("debug task_statuses", "", 0, "/v1/debug/taskStatuses",
        "statuses along the plans"),
    GET("debug reservations", "", 0, "/v1/debug/reservations?verbose=true",
        "what is reserved, whose it is, and since when"),
    {"suite", "", "how the suite's own processes fare", 0, 0, NULL, cmd_suite,
     NULL},
    GET("health", "", 0, "/v1/health?verbose=true", "how the service fares"),
    {"version", "", "print the version", 0, 0, NULL, cmd_version, NULL},
    {"help", "", "print this", 0, 3, NULL, cmd_help, NULL},
    {0},
};

/* Words that mean the same, at a place of the command line. */
static const struct {
    const char *first, *word, *means;
} aliases[] = {
    {NULL, "plans", "plan"},
    {NULL, "pods", "pod"},
    {NULL, "endpoint", "endpoints"},
    {NULL, "configs", "config"},
    {"plan", "show", "status"},
    {"plan", "interrupt", "pause"},
    {"plan", "continue", "resume"},
    {"plan", "restart", "force-restart"},
    {"plan", "force", "force-complete"},
};

int cli_fail(int code, const char *fmt, ...)
{
    va_list ap;

    fflush(stdout);
    fputs("reeve: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return code;
}

const char *cli_arg(const struct cli *cli, size_t index)
{
    return index < cli->n_args ? cli->args[index] : NULL;
}

bool cli_wants_json(const struct cli *cli)
{
    return options_bool(cli->options, "json") ||
           strcmp(options_str(cli->options, "output"), "json") == 0;
}

void cli_print_json(const json_t *json)
{
    AUTO_FREE char *text = json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY);

    puts(str_or_empty(text));
}

/* ---- help ---- */

static void print_options(const struct service_option *own,
                          const struct service_option *common)
{
    AUTO_BUF struct buf text = {0};
    struct options *options = options_new(own, common);

    options_help(options, &text);
    options_destroy(&options);
    printf("%s", buf_text(&text));
}

static void print_all_help(void)
{
    printf("reeve: runs stateful services on Mesos and ClusterD\n\n"
           "Usage: reeve [--OPTION VALUE]... COMMAND [ARGUMENT]...\n\n"
           "Commands (`reeve COMMAND --help` tells more):\n");
    for (const struct command *c = cli_commands; c->words; c++) {
        AUTO_FREE char *left = xasprintf("%s %s", c->words, c->args);
        printf("  %-42s%s\n", left, c->help);
    }
    printf("\nOptions of all commands:\n");
    print_options(NULL, cli_common_options);
    printf("\nExit codes: 0 done, 1 failed, 2 wrong use, 3 timed out, 4 a spec "
           "that is not valid,\n5 port or run dir in use, 6 run dir cannot be "
           "written.\n");
}

static void print_command_help(const struct command *command)
{
    printf("Usage: reeve %s %s\n\n%s\n\nOptions:\n", command->words,
           command->args, command->help);
    print_options(command->options, cli_common_options);
}

int cmd_help(struct cli *cli)
{
    (void)cli;
    print_all_help();
    return EXIT_OK;
}

/* ---- dispatch ---- */

static const char *canonical(const char *first, const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
        if (strcmp(aliases[i].word, word) == 0 &&
            (first ? str_eq(aliases[i].first, first) : !aliases[i].first))
            return aliases[i].means;
    return word;
}

/* "debug config list" is "config list", "debug pod pause" "pod pause". */
static size_t skip_debug(char **words, size_t n)
{
    static const char *const below[] = {"config", "state", "pod"};

    for (size_t i = 0; n > 1 && i < ARRAY_LEN(below); i++)
        if (strcmp(words[0], "debug") == 0 &&
            strcmp(canonical(NULL, words[1]), below[i]) == 0)
            return 1;
    return 0;
}

/* How many of the words a command's own are, 0 when they differ. */
static size_t match(const struct command *command, char **words, size_t n)
{
    const char *first = n ? canonical(NULL, words[0]) : "";
    const char *second = n > 1 ? canonical(first, words[1]) : "";
    AUTO_FREE char *two = xasprintf("%s %s", first, second);

    if (n > 1 && strcmp(command->words, two) == 0)
        return 2;
    return n && strcmp(command->words, first) == 0 ? 1 : 0;
}

/* The command and where its arguments begin; of several with the same words
 * the one that takes so many arguments. */
static const struct command *find_command(char **words, size_t n, size_t *n_own)
{
    const struct command *found = NULL;

    for (const struct command *c = cli_commands; c->words; c++) {
        size_t own = match(c, words, n);
        if (!own)
            continue;
        bool fits = n - own >= c->min_args && n - own <= c->max_args;
        if (found && !fits)
            continue;
        found = c;
        *n_own = own;
    }
    return found;
}

static int fail_unknown(char **words, size_t n)
{
    if (n == 0)
        return cli_fail(EXIT_USAGE, "no command given; `reeve --help` lists "
                                    "them");
    return cli_fail(EXIT_USAGE,
                    "\"%s%s%s\": no such command; `reeve --help` lists them",
                    words[0], n > 1 ? " " : "", n > 1 ? words[1] : "");
}

static int check_output(const struct cli *cli)
{
    const char *output = options_str(cli->options, "output");

    if (strcmp(output, "text") == 0 || strcmp(output, "json") == 0)
        return EXIT_OK;
    return cli_fail(EXIT_USAGE, "--output: \"%s\" is not text or json", output);
}

static int run_command(struct cli *cli, const struct args *args)
{
    struct err err = {0};

    if (options_read(cli->options, (int)args->n_flags, args->flags, getenv,
                     &err) < 0)
        return cli_fail(EXIT_USAGE, "%s", err.text);
    if (options_wish(cli->options) == OPTIONS_HELP) {
        print_command_help(cli->command);
        return EXIT_OK;
    }
    if (options_wish(cli->options) == OPTIONS_VERSION)
        return cmd_version(cli);
    if (cli->n_args < cli->command->min_args ||
        cli->n_args > cli->command->max_args)
        return cli_fail(EXIT_USAGE, "usage: reeve %s %s", cli->command->words,
                        cli->command->args);
    if (check_output(cli) != EXIT_OK)
        return EXIT_USAGE;
    return cli->command->run(cli);
}

static bool has_flag(const struct args *args, const char *flag)
{
    for (size_t i = 1; i < args->n_flags; i++)
        if (strcmp(args->flags[i], flag) == 0)
            return true;
    return false;
}

/* No command: only --help and --version may stand alone. */
static int without_command(const struct args *args)
{
    if (args->n_words == 0 && has_flag(args, "--help"))
        return cmd_help(NULL);
    if (args->n_words == 0 && has_flag(args, "--version"))
        return cmd_version(NULL);
    return fail_unknown(args->words, args->n_words);
}

int cli_main(int argc, char **argv)
{
    const struct service_option *const tables[] = {
        cli_common_options,         cmd_up_options,
        cmd_down_options,           cmd_new_framework_options,
        cmd_ignore_foreign_options, NULL};
    struct args args;
    struct cli cli = {0};
    size_t n_own = 0;
    int code;

    args_split(argc, argv, tables, &args);
    size_t skipped = skip_debug(args.words, args.n_words);
    cli.command =
        find_command(args.words + skipped, args.n_words - skipped, &n_own);
    if (cli.command) {
        cli.options = options_new(cli.command->options, cli_common_options);
        cli.args = args.words + skipped + n_own;
        cli.n_args = args.n_words - skipped - n_own;
        code = run_command(&cli, &args);
        options_destroy(&cli.options);
    } else {
        code = without_command(&args);
    }
    args_free(&args);
    return code;
}
