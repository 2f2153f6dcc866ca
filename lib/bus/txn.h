/* SPDX-License-Identifier: Apache-2.0 */
/* txn - the message behind struct txn (internal to lib/bus) */
#ifndef REEVE_LIB_BUS_TXN_H
#define REEVE_LIB_BUS_TXN_H

#include "lib/bus/store_client.h"
#include "proto/store.pb-c.h"

/* Takes *txn; the caller frees the message with its free_unpacked. */
Reeve__TxnRequest *txn_take(struct txn **txn);

#endif
