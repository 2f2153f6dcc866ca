/* SPDX-License-Identifier: Apache-2.0 */
/* writes - a transaction under way, and the same changes for our own facts
 *
 * What we wrote must be known here before Mesos can answer to it, so the facts
 * get it with the commit's answer, before the replica brings it.
 */
#ifndef REEVE_OFFER_BROKER_WRITES_H
#define REEVE_OFFER_BROKER_WRITES_H

#include <stddef.h>
#include <stdint.h>

#include "lib/bus/store_client.h"
#include "services/offer-broker/facts.h"

struct writes;

struct writes *writes_new(void);
void writes_destroy(struct writes **writes);
/* key is copied. */
void writes_require(struct writes *writes, const char *key, uint64_t revision);
void writes_put(struct writes *writes, const char *key,
                const ProtobufCMessage *value);
/* Twice is once. */
void writes_delete(struct writes *writes, const char *key);
/* All of *from comes behind what is in writes; takes it. */
void writes_append(struct writes *writes, struct writes **from);
size_t writes_count(const struct writes *writes);
/* The transaction; once. */
struct txn *writes_take_txn(struct writes *writes);
/* Applies all puts and deletes as of this revision. */
void writes_apply(const struct writes *writes, struct facts *facts,
                  uint64_t revision);

#endif
