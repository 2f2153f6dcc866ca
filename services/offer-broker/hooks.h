/* SPDX-License-Identifier: Apache-2.0 */
/* hooks - the placement hooks that are configured, and asking them
 *
 * Sends what hook_book wants to know and gives it the answers.  Nothing waits
 * for a hook: a silent one means that its pods are not placed.
 */
#ifndef REEVE_OFFER_BROKER_HOOKS_H
#define REEVE_OFFER_BROKER_HOOKS_H

#include <stdint.h>

#include "services/offer-broker/hook_book.h"

struct broker;
struct hooks;

/* NULL: an option is bad. */
struct hooks *hooks_new(struct broker *broker, struct err *err);
void hooks_destroy(struct hooks **hooks);
/* For the placement of one pass; hooks NULL: no rule asks for one. */
struct hook_asker hooks_asker(struct hooks *hooks, const char *service,
                              int64_t now_ms);
/* Asks what came up. */
void hooks_flush(struct hooks *hooks);
/* Health and gauges. */
void hooks_report(struct hooks *hooks);

#endif
