/* SPDX-License-Identifier: Apache-2.0 */
/* cli - one call of `reeve`: its command, options and arguments
 *
 * Exit codes are those of lib/service/service.h.  What was asked for goes to
 * stdout, everything else to stderr.
 */
#ifndef REEVE_CLI_CLI_H
#define REEVE_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/service/options.h"

struct cli;

struct command {
    const char *words; /* "plan status"; NULL ends the table */
    const char *args;  /* "<plan> [phase]", for --help */
    const char *help;
    size_t min_args, max_args;
    const struct service_option *options; /* besides the common ones */
    int (*run)(struct cli *cli);
    const char *path; /* of a plain GET, "/v1/…", %s is args[0] */
};

struct cli {
    const struct command *command;
    struct options *options;
    char **args;
    size_t n_args;
};

/* Everything after main(). */
int cli_main(int argc, char **argv);

extern const struct command cli_commands[];
extern const struct service_option cli_common_options[];

/* Prints "reeve: …" on stderr; returns code. */
int cli_fail(int code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The argument, or NULL when it was not given. */
const char *cli_arg(const struct cli *cli, size_t index);
bool cli_wants_json(const struct cli *cli);
/* Prints JSON with two blanks of indentation. */
void cli_print_json(const json_t *json);

/* cmd_*.c */
int cmd_up(struct cli *cli);
int cmd_down(struct cli *cli);
int cmd_validate(struct cli *cli);
int cmd_version(struct cli *cli);
int cmd_help(struct cli *cli);
int cmd_get(struct cli *cli); /* prints what GET command->path answers */
int cmd_plan_status(struct cli *cli);
int cmd_plan_start(struct cli *cli);
int cmd_plan_stop(struct cli *cli);
int cmd_plan_pause(struct cli *cli);
int cmd_plan_resume(struct cli *cli);
int cmd_plan_force_restart(struct cli *cli);
int cmd_plan_force_complete(struct cli *cli);
int cmd_pod_status(struct cli *cli);
int cmd_pod_restart(struct cli *cli);
int cmd_pod_replace(struct cli *cli);
int cmd_pod_pause(struct cli *cli);
int cmd_pod_resume(struct cli *cli);
int cmd_state_refresh(struct cli *cli);
int cmd_state_new_framework(struct cli *cli);
int cmd_state_ignore_foreign(struct cli *cli);
int cmd_explain(struct cli *cli);
int cmd_suite(struct cli *cli);
int cmd_state_release(struct cli *cli);
int cmd_state_kill_unknown(struct cli *cli);
int cmd_state_export(struct cli *cli);
int cmd_state_import(struct cli *cli);

extern const struct service_option cmd_up_options[];
extern const struct service_option cmd_down_options[];
extern const struct service_option cmd_new_framework_options[];
extern const struct service_option cmd_ignore_foreign_options[];
extern const struct service_option cmd_release_options[];
extern const struct service_option cmd_kill_unknown_options[];

#endif
