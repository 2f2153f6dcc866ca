/* SPDX-License-Identifier: Apache-2.0 */
/* resource - one Mesos resource: its amount, reservations, kind and text
 *
 * Pure.  All functions but upgrade expect the reservations[] format; every
 * resource from outside goes through resource_upgrade + resource_validate first
 * (resources_check does both for a list).
 *
 * Amounts are fixed point with three decimals, as in the master: int64 milli.
 * Next: resources.h (lists of them).
 */
#ifndef REEVE_LIB_MESOS_RESOURCE_H
#define REEVE_LIB_MESOS_RESOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/mesos/v1/mesos.pb-c.h"

struct err;

/* ---- making ------------------------------------------------------------ */
/* New messages; free with wire_free or resource_free. */
Mesos__V1__Resource *resource_scalar(const char *name, int64_t milli);
Mesos__V1__Resource *resource_range(const char *name, uint64_t begin,
                                    uint64_t end);
Mesos__V1__Resource *resource_dup(const Mesos__V1__Resource *resource);
/* *resource may be NULL; set to NULL. */
void resource_free(Mesos__V1__Resource **resource);
/* A new ReservationInfo: type DYNAMIC; principal, label key (and value) may be
 * NULL. */
Mesos__V1__Resource__ReservationInfo *reservation_new(const char *role,
                                                      const char *principal,
                                                      const char *label_key,
                                                      const char *label_value);
void reservation_free(Mesos__V1__Resource__ReservationInfo **reservation);

/* ---- amount ---------------------------------------------------------------
 */
/* 1.0005 -> 1001 (half away from zero); out of range is clamped. */
int64_t milli_of(double value);
double milli_to_double(int64_t milli);
/* Scalars only; 0 for other types. */
int64_t resource_milli(const Mesos__V1__Resource *resource);
void resource_set_milli(Mesos__V1__Resource *resource, int64_t milli);
/* Scalar 0, no ranges, no items. */
bool resource_is_empty(const Mesos__V1__Resource *resource);

/* ---- reservations -----------------------------------------------------------
 */
/* The current (last) one; NULL when unreserved. */
const Mesos__V1__Resource__ReservationInfo *
resource_reservation(const Mesos__V1__Resource *resource);
/* Role of the current reservation; "*" when unreserved. */
const char *resource_role(const Mesos__V1__Resource *resource);
bool resource_is_unreserved(const Mesos__V1__Resource *resource);
/* role NULL: for any role. */
bool resource_is_reserved(const Mesos__V1__Resource *resource,
                          const char *role);
bool resource_is_dynamic(const Mesos__V1__Resource *resource);
/* Value of the label in the current reservation; NULL when not there. */
const char *resource_label(const Mesos__V1__Resource *resource,
                           const char *key);
/* May a framework subscribed to role get this (reserved for it, for an
 * ancestor of it, or unreserved)? */
bool resource_is_allocatable_to(const Mesos__V1__Resource *resource,
                                const char *role);
/* Adds a copy as the new current reservation. */
void resource_push_reservation(
    Mesos__V1__Resource *resource,
    const Mesos__V1__Resource__ReservationInfo *reservation);
/* Drops the current one; must be reserved. */
void resource_pop_reservation(Mesos__V1__Resource *resource);
void resource_unreserve_all(Mesos__V1__Resource *resource);
/* allocation_info.role; NULL when unset. */
const char *resource_allocated_role(const Mesos__V1__Resource *resource);
/* role NULL: unsets it. */
void resource_allocate(Mesos__V1__Resource *resource, const char *role);

/* ---- disks -------------------------------------------------------------- */
bool resource_is_volume(const Mesos__V1__Resource *resource); /* persistent */
/* Persistence id; NULL when not a persistent volume. */
const char *resource_volume_id(const Mesos__V1__Resource *resource);
/* ROOT when there is no source. */
enum disk_kind { DISK_ROOT, DISK_PATH, DISK_MOUNT, DISK_BLOCK, DISK_RAW };
enum disk_kind resource_disk_kind(const Mesos__V1__Resource *resource);
/* Root of a PATH or MOUNT disk; NULL otherwise. */
const char *resource_disk_root(const Mesos__V1__Resource *resource);
/* Makes the volume the disk it was created from: no persistence, no volume, no
 * shared, no disk at all when there is no source. */
void resource_strip_volume(Mesos__V1__Resource *resource);
bool resource_is_shared(const Mesos__V1__Resource *resource);
bool resource_is_revocable(const Mesos__V1__Resource *resource);

/* ---- kinds -------------------------------------------------------------- */
/* Agree in all but the amount: name, type, allocation, reservation stack with
 * labels and principals, disk source and persistence id, revocable, provider,
 * shared. */
bool resource_same_kind(const Mesos__V1__Resource *a,
                        const Mesos__V1__Resource *b);
/* Are the whole stacks of reservations the same? */
bool resource_same_reservations(const Mesos__V1__Resource *a,
                                const Mesos__V1__Resource *b);
/* Same kind and same amount (ranges and sets: same members). */
bool resource_equal(const Mesos__V1__Resource *a, const Mesos__V1__Resource *b);
/* May the two become one by adding their amounts? */
bool resource_addable(const Mesos__V1__Resource *a,
                      const Mesos__V1__Resource *b);
/* Can "part" be cut out of "whole"? (amounts included) */
bool resource_contains(const Mesos__V1__Resource *whole,
                       const Mesos__V1__Resource *part);
/* whole += part; must be addable. */
void resource_add(Mesos__V1__Resource *whole, const Mesos__V1__Resource *part);
/* whole -= part; must be contained; whole may be empty afterwards. */
void resource_subtract(Mesos__V1__Resource *whole,
                       const Mesos__V1__Resource *part);

/* ---- formats and validation ---- */
/* Old format (role, reservation) to reservations[]; nothing to do is fine.
 * ERR_INVALID when the two are mixed in a way that makes no sense; unchanged.
 */
int resource_upgrade(Mesos__V1__Resource *resource, struct err *err);
/* Also fills role/reservation when there is at most one reservation: what
 * operator endpoints print. */
void resource_to_endpoint_format(Mesos__V1__Resource *resource);
/* Back to role/reservation alone, for frameworks without
 * RESERVATION_REFINEMENT.  ERR_UNSUPPORTED for refined ones; unchanged. */
int resource_to_old_format(Mesos__V1__Resource *resource, struct err *err);
/* Well-formed?  ERR_INVALID with the master's words, e.g. "Invalid scalar
 * resource: value <= 0".  A scalar of exactly 0 passes, as it does there, and
 * is empty; in RESERVE and UNRESERVE it must be refused (a real master dies of
 * it; resources_apply refuses). */
int resource_validate(const Mesos__V1__Resource *resource, struct err *err);

/* What else the master asks of the disk of an operation's or task's resource:
 * ERR_INVALID "Invalid DiskInfo: Expecting 'volume' to be set for persistent
 * volume". */
int resource_validate_disk(const Mesos__V1__Resource *resource,
                           struct err *err);

/* As the master's log and refusals write it:
 * "cpus(allocated: r)(reservations: [(DYNAMIC,r,p,{k: v})]):0.5"; malloc'd. */
char *resource_text(const Mesos__V1__Resource *resource);

#endif
