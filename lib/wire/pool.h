/* SPDX-License-Identifier: Apache-2.0 */
/* pool - decoded messages that stay, in little memory
 *
 * Each message is one block, and texts that many messages have (a host, a
 * digest) are there once.  Does not change what a message says, but for fields
 * that a rule leaves out.  Messages are read only; a copy by wire_dup is as any
 * other.  Not safe for several threads.
 */
#ifndef REEVE_LIB_WIRE_POOL_H
#define REEVE_LIB_WIRE_POOL_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

struct err;
struct wire_pool;

/* Names of fields at any depth, each list ended by NULL. */
struct wire_pool_rule {
    const char *const *own;  /* texts that hardly any other message has */
    const char *const *drop; /* bytes that become empty, though set */
};

struct wire_pool *wire_pool_new(void);
/* When all its messages are freed. */
void wire_pool_destroy(struct wire_pool **pool);

/* As wire_decode.  rule may be NULL. */
ProtobufCMessage *wire_pool_decode(struct wire_pool *pool,
                                   const ProtobufCMessageDescriptor *type,
                                   const void *data, size_t len,
                                   const struct wire_pool_rule *rule,
                                   struct err *err);
/* *message may be NULL; set to NULL. */
void wire_pool_free(struct wire_pool *pool, ProtobufCMessage **message);

/* WIRE_POOL_FREE(pool, task->info) */
#define WIRE_POOL_FREE(pool, field)                                            \
    do {                                                                       \
        ProtobufCMessage *pool_free_ = (void *)(field);                        \
        wire_pool_free(pool, &pool_free_);                                     \
        (field) = NULL;                                                        \
    } while (0)

#endif
