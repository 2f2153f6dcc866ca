/* SPDX-License-Identifier: Apache-2.0 */
/* output - what people read: trees of plans and pods, sentences; pure */
#ifndef REEVE_CLI_OUTPUT_H
#define REEVE_CLI_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* All return malloc'd text without a newline at the end. */

/* GET /v1/plans/<plan>; with_messages: steps that are not complete say what
 * they wait for. */
char *output_plan_tree(const json_t *plan, const char *plan_name,
                       bool with_messages);
/* "Waiting:" and a line for each step that is not complete and can say what it
 * waits for; neighbours that say the same share a line.  "" when there is none.
 * Beside the tree and not in it: scripts read the tree. */
char *output_plan_reasons(const json_t *plan);
/* GET /v1/pod/status, or /v1/pod/<pod>/status. */
char *output_pod_tree(const json_t *status);
/* One line for each element of `now` that differs from `before`:
 * "data-1 (STARTING)"; "" when none does.  before may be NULL. */
char *output_plan_changes(const json_t *before, const json_t *now,
                          const char *plan_name);
/* GET /v1/debug/explain. */
char *output_explain(const json_t *explained);
/* GET /v1/suite/health; times are told as of now_ms since 1970. */
char *output_suite(const json_t *health, int64_t now_ms);
/* `"deploy" plan: phase "hello" has been paused.`; phase and step may be NULL.
 * done: "has been paused", or "could not be paused". */
char *output_sentence(const char *plan, const char *phase, const char *step,
                      const char *done);

#endif
