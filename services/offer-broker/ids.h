/* SPDX-License-Identifier: Apache-2.0 */
/* ids - where pure code gets its random ids from: the caller */
#ifndef REEVE_OFFER_BROKER_IDS_H
#define REEVE_OFFER_BROKER_IDS_H

#include "lib/base/id.h"

struct id_source {
    void (*next)(struct id_source *self, char out[UUID_TEXT_SIZE]);
};

#endif
