/* SPDX-License-Identifier: Apache-2.0 */
/* resources - a list of Mesos resources with the master's arithmetic
 *
 * Pure.  What can be added is merged on the way in; empty resources are left
 * out.  Invariant: every item is in the reservations[] format and no two items
 * are addable to each other.  Copies of one shared volume are counted.
 */
#ifndef REEVE_LIB_MESOS_RESOURCES_H
#define REEVE_LIB_MESOS_RESOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/mesos/resource.h"

struct err;
struct resources;

struct resources *resources_new(void);
/* *resources may be NULL; set to NULL. */
void resources_destroy(struct resources **resources);
struct resources *resources_dup(const struct resources *resources);
/* From a message's repeated field (copies; old format is upgraded, what cannot
 * be is left out: check it first where that matters). */
struct resources *resources_from(Mesos__V1__Resource *const *list,
                                 size_t count);
/* Deep copies for a message's repeated field, which must be empty; a shared
 * volume with N copies appears N times. */
void resources_to(const struct resources *resources,
                  Mesos__V1__Resource ***list, size_t *count);
/* Upgrades in place and validates a repeated field from outside.  ERR_INVALID
 * "Resource '…' is invalid: …" (the first bad one). */
int resources_check(Mesos__V1__Resource **list, size_t count, struct err *err);

size_t resources_count(const struct resources *resources);
/* Borrowed until the list changes. */
const Mesos__V1__Resource *resources_at(const struct resources *resources,
                                        size_t index);
/* 1 but for shared volumes. */
unsigned resources_copies(const struct resources *resources, size_t index);
bool resources_is_empty(const struct resources *resources);

/* ---- arithmetic ---------------------------------------------------------- */
void resources_add(struct resources *resources,
                   const Mesos__V1__Resource *resource);
void resources_add_all(struct resources *resources,
                       const struct resources *other);
bool resources_contains(const struct resources *resources,
                        const Mesos__V1__Resource *resource);
bool resources_contains_all(const struct resources *resources,
                            const struct resources *other);
/* ERR_NOT_FOUND "A does not contain B"; unchanged then. */
int resources_subtract(struct resources *resources,
                       const Mesos__V1__Resource *resource, struct err *err);
int resources_subtract_all(struct resources *resources,
                           const struct resources *other, struct err *err);
/* Takes away as much of other as is there. */
void resources_subtract_some(struct resources *resources,
                             const struct resources *other);
bool resources_equal(const struct resources *a, const struct resources *b);

/* Exchanges the contents. */
void resources_swap(struct resources *a, struct resources *b);

/* Carries out RESERVE, UNRESERVE, CREATE, DESTROY, GROW_VOLUME or SHRINK_VOLUME
 * on the list, whose resources must be in the reservations[] format and carry
 * the same allocation_info as the operation's.  Only what can be done at all is
 * checked, not permission.  Unchanged on error:
 *   ERR_NOT_FOUND    "A does not contain B"
 *   ERR_CONFLICT     DESTROY of a shared volume of which there are more copies
 *   ERR_INVALID      nothing reserved to pop, no volume, an amount of 0
 *   ERR_UNSUPPORTED  other operations */
int resources_apply(struct resources *resources,
                    const Mesos__V1__Offer__Operation *operation,
                    struct err *err);

/* ---- asking ---------------------------------------------------------------
 */
/* Sum over all items of that name: scalars in milli, ranges and sets the number
 * of members * 1000. */
int64_t resources_sum(const struct resources *resources, const char *name);
/* Calls fn once per name, in order of first appearance, with its sum. */
void resources_each_sum(const struct resources *resources,
                        void (*fn)(void *self, const char *name, int64_t milli),
                        void *self);
/* All ranges of that name (usually "ports") that keep accepts, merged and
 * sorted; keep NULL: all.  A new message. */
Mesos__V1__Value__Ranges *
resources_ranges(const struct resources *resources, const char *name,
                 bool (*keep)(const Mesos__V1__Resource *, const void *arg),
                 const void *arg);

/* New lists. */
struct resources *resources_filter(const struct resources *resources,
                                   bool (*keep)(const Mesos__V1__Resource *,
                                                const void *arg),
                                   const void *arg);
struct resources *resources_unreserved(const struct resources *resources);
/* role NULL: for any. */
struct resources *resources_reserved(const struct resources *resources,
                                     const char *role);
struct resources *resources_volumes(const struct resources *resources);
/* Whose current reservation has this label; value NULL: any value. */
struct resources *resources_labelled(const struct resources *resources,
                                     const char *key, const char *value);
struct resources *resources_named(const struct resources *resources,
                                  const char *name);
/* The item whose volume has this persistence id, or NULL. */
const Mesos__V1__Resource *
resources_find_volume(const struct resources *resources,
                      const char *persistence_id);

/* Sets (NULL: unsets) allocation_info.role everywhere. */
void resources_allocate(struct resources *resources, const char *role);

/* ---- text ------------------------------------------------------------------
 */
/* "cpus:4; ports:[31000-31099]", as the master writes it; "{}" when empty;
 * malloc'd. */
char *resources_text(const struct resources *resources);
/* An agent's --resources: "cpus:4;mem:4096;cpus(role):2;ports:[1-2,5-9]" or a
 * JSON array of Resource messages.  A role in parentheses is a static
 * reservation.  NULL with ERR_INVALID. */
struct resources *resources_parse(const char *text, struct err *err);

/* ---- ranges ----------------------------------------------------------------
 */
/* In place, on sorted and merged ranges (ranges_normalize makes them so). */
void ranges_normalize(Mesos__V1__Value__Ranges *ranges);
void ranges_add(Mesos__V1__Value__Ranges *ranges, uint64_t begin, uint64_t end);
void ranges_subtract(Mesos__V1__Value__Ranges *ranges, uint64_t begin,
                     uint64_t end);
bool ranges_contains(const Mesos__V1__Value__Ranges *ranges, uint64_t begin,
                     uint64_t end);
uint64_t ranges_count(const Mesos__V1__Value__Ranges *ranges);

#endif
