/* SPDX-License-Identifier: Apache-2.0 */
/* scan - look over foreign protobuf bytes before they are unpacked
 *
 * Private to lib/wire.  protobuf-c recurses as deep as the bytes say and takes
 * memory by the number of fields, so both are bounded here first.
 */
#ifndef REEVE_LIB_WIRE_SCAN_H
#define REEVE_LIB_WIRE_SCAN_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* ERR_INVALID when the bytes are no sequence of fields, nest deeper than
 * WIRE_MAX_DEPTH or would need too much memory. */
int wire_scan(const ProtobufCMessageDescriptor *type, const uint8_t *data,
              size_t len, struct err *err);

#endif
