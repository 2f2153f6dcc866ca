/* SPDX-License-Identifier: Apache-2.0 */
/* pb - small macros to fill protobuf messages by hand
 *
 * Everything put into a message is malloc'd, so that wire_free() takes the
 * whole thing down.  Pure.
 */
#ifndef REEVE_PLANNER_PB_H
#define REEVE_PLANNER_PB_H

#include <stdlib.h>

#include "lib/base/base.h"
#include "lib/wire/wire.h"
#include "proto/records.pb-c.h"

/* PB_NEW(reeve__demand): a fresh Reeve__Demand *. */
#define PB_NEW(prefix)                                                         \
    ({                                                                         \
        __typeof__(prefix##__unpack(NULL, 0, NULL)) pb_new_ =                  \
            xmalloc(sizeof(*pb_new_));                                         \
        prefix##__init(pb_new_);                                               \
        pb_new_;                                                               \
    })
/* Appends to a repeated field; the message takes the item. */
#define PB_ADD(msg, field, item)                                               \
    do {                                                                       \
        __typeof__(msg) pb_msg_ = (msg);                                       \
        pb_msg_->field =                                                       \
            xrealloc(pb_msg_->field,                                           \
                     (pb_msg_->n_##field + 1) * sizeof(*pb_msg_->field));      \
        pb_msg_->field[pb_msg_->n_##field++] = (item);                         \
    } while (0)
#define PB_ADD_STR(msg, field, text) PB_ADD(msg, field, xstrdup(text))
/* Empties a repeated string field. */
#define PB_CLEAR_STRS(msg, field)                                              \
    do {                                                                       \
        for (size_t pb_i_ = 0; pb_i_ < (msg)->n_##field; pb_i_++)              \
            free((msg)->field[pb_i_]);                                         \
        free((msg)->field);                                                    \
        (msg)->field = NULL;                                                   \
        (msg)->n_##field = 0;                                                  \
    } while (0)
/* An optional number, bool or enum. */
#define PB_SET(msg, field, value)                                              \
    do {                                                                       \
        (msg)->has_##field = true;                                             \
        (msg)->field = (value);                                                \
    } while (0)
/* Replaces a string field by a copy (NULL: unset). */
#define PB_STR(msg, field, text)                                               \
    do {                                                                       \
        char *pb_text_ = xstrdup(text);                                        \
        free((msg)->field);                                                    \
        (msg)->field = pb_text_;                                               \
    } while (0)

#endif
