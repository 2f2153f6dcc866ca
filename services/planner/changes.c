/* SPDX-License-Identifier: Apache-2.0 */
#include "services/planner/changes.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/wire/wire.h"

void changes_free(struct changes *changes)
{
    for (size_t i = 0; i < changes->n_ops; i++) {
        free(changes->ops[i].key);
        free(changes->ops[i].value);
    }
    for (size_t i = 0; i < changes->n_needs; i++)
        free(changes->needs[i].key);
    free(changes->ops);
    free(changes->needs);
    *changes = (struct changes){0};
}

static struct change *add_op(struct changes *c, char *key)
{
    if (c->n_ops == c->cap_ops) {
        c->cap_ops = c->cap_ops ? 2 * c->cap_ops : 16;
        c->ops = xrealloc(c->ops, c->cap_ops * sizeof *c->ops);
    }
    struct change *op = &c->ops[c->n_ops++];
    *op = (struct change){.key = key};
    return op;
}

void changes_need(struct changes *changes, char *key, uint64_t revision)
{
    if (changes->n_needs == changes->cap_needs) {
        changes->cap_needs = changes->cap_needs ? 2 * changes->cap_needs : 16;
        changes->needs = xrealloc(changes->needs,
                                  changes->cap_needs * sizeof *changes->needs);
    }
    changes->needs[changes->n_needs++] =
        (struct change_need){.key = key, .revision = revision};
}

void changes_put(struct changes *changes, char *key,
                 const ProtobufCMessage *value)
{
    struct buf bytes = {0};
    /* Never NULL: an empty message is a value, NULL is a deletion. */
    buf_reserve(&bytes, 1);
    wire_encode(value, &bytes);

    struct change *op = add_op(changes, key);
    op->value = buf_take(&bytes, &op->len);
}

void changes_put_text(struct changes *changes, char *key, const char *text)
{
    struct change *op = add_op(changes, key);
    op->value = xstrdup(text);
    op->len = strlen(text);
}

void changes_delete(struct changes *changes, char *key)
{
    add_op(changes, key);
}

void changes_replace(struct changes *changes, char *key, uint64_t revision,
                     const ProtobufCMessage *value)
{
    changes_need(changes, xstrdup(key), revision);
    changes_put(changes, key, value);
}

void changes_remove(struct changes *changes, char *key, uint64_t revision)
{
    changes_need(changes, xstrdup(key), revision);
    changes_delete(changes, key);
}
