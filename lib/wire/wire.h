/* SPDX-License-Identifier: Apache-2.0 */
/* wire - protobuf messages to bytes, to JSON and back, by their descriptors
 *
 * Works for every message of proto/: ours and Mesos's.  Unknown fields are kept
 * by decode + encode.
 */
#ifndef REEVE_LIB_WIRE_WIRE_H
#define REEVE_LIB_WIRE_WIRE_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

/* Appends the encoded message. */
void wire_encode(const ProtobufCMessage *message, struct buf *out);
/* NULL with ERR_INVALID when the bytes do not parse, a required field is not
 * there, messages nest deeper than 64, or the message would take much more
 * memory than its bytes (64 times, but 16 MiB is always allowed).  Never
 * crashes on any bytes.  Free with wire_free. */
ProtobufCMessage *wire_decode(const ProtobufCMessageDescriptor *type,
                              const void *data, size_t len, struct err *err);
/* A deep copy, unknown fields included.  Every required field must be set. */
ProtobufCMessage *wire_dup(const ProtobufCMessage *message);
/* *message may be NULL; set to NULL. */
void wire_free(ProtobufCMessage **message);
/* Same bytes when encoded. */
bool wire_equal(const ProtobufCMessage *a, const ProtobufCMessage *b);

/* Typed forms.  WIRE_DECODE(reeve__demand, bytes, len, err) is a pointer to a
 * Reeve__Demand; only for messages outside others.  WIRE_DUP(reeve__demand,
 * message) has the type of message, for any. */
#define WIRE_DECODE(prefix, data, len, err)                                    \
    ((__typeof__(prefix##__unpack(NULL, 0, NULL)))(void *)wire_decode(         \
        &prefix##__descriptor, data, len, err))
#define WIRE_DUP(prefix, message)                                              \
    ((__typeof__((void)0, *(message)) *)(void *)wire_dup(&(message)->base))
/* AUTO_MESSAGE Reeve__Demand *d = …: freed with the scope. */
#define AUTO_MESSAGE __attribute__((cleanup(wire_auto_free)))
void wire_auto_free(void *pointer_to_message);

enum wire_json_style {
    WIRE_JSON_PROTO = 0, /* field names as in the .proto, as Mesos prints */
    WIRE_JSON_CAMEL = 1, /* lowerCamelCase names */
    /* Also prints unset optional fields that have a default, as the master's
     * own writer does (reference: mesos v1 JSON). */
    WIRE_JSON_DEFAULTS = 2,
};
/* enums by name, bytes as base64, maps as objects, infinity as "Infinity",
 * 64-bit numbers as numbers.  A new reference. */
json_t *wire_to_json(const ProtobufCMessage *message, int style);
/* Unknown keys are ignored; numbers and enums also as strings.  NULL with
 * ERR_INVALID and the path of the bad field. */
ProtobufCMessage *wire_from_json(const ProtobufCMessageDescriptor *type,
                                 const json_t *json, struct err *err);

/* A JSON string of any text of others: bytes that are no UTF-8 become U+FFFD
 * (jansson's json_string gives NULL for them).  A new reference. */
json_t *wire_json_string(const char *text);

/* Appends compact JSON text.  Doubles in the shortest form that reads back the
 * same and always with a point or exponent ("0.1", "15.0"), as Mesos prints
 * them; jansson's own dump gives 0.10000000000000001. */
void wire_json_text(const json_t *json, struct buf *out);
/* Both in one: message to JSON text. */
void wire_to_json_text(const ProtobufCMessage *message, int style,
                       struct buf *out);
/* JSON text to message; ERR_INVALID also when the text is not JSON. */
ProtobufCMessage *wire_from_json_text(const ProtobufCMessageDescriptor *type,
                                      const char *text, size_t len,
                                      struct err *err);

/* Name of an enum value, or NULL; and back. */
const char *wire_enum_name(const ProtobufCEnumDescriptor *type, int value);
bool wire_enum_value(const ProtobufCEnumDescriptor *type, const char *name,
                     int *out);

/* Standard base64 with padding. */
void base64_encode(const void *data, size_t len, struct buf *out);
bool base64_decode(const char *text, size_t len, struct buf *out);

#endif
