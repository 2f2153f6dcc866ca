/* SPDX-License-Identifier: Apache-2.0 */
/* text_format - protobuf's text form of a message, for refusals that quote one
 */
#ifndef REEVE_DEVCLUSTER_TEXT_FORMAT_H
#define REEVE_DEVCLUSTER_TEXT_FORMAT_H

#include <protobuf-c/protobuf-c.h>

/* malloc'd; one "name: value" or "name { … }" per line. */
char *text_format(const ProtobufCMessage *message);

#endif
