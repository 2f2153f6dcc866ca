/* SPDX-License-Identifier: Apache-2.0 */
/* labels - see labels.h */
#include "lib/mesos/labels.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/wire/pb.h"

static Mesos__V1__Label *find(const Mesos__V1__Labels *labels, const char *key)
{
    for (size_t i = 0; labels && i < labels->n_labels; i++)
        if (!strcmp(labels->labels[i]->key, key))
            return labels->labels[i];
    return NULL;
}

const char *labels_find(const Mesos__V1__Labels *labels, const char *key)
{
    const Mesos__V1__Label *label = find(labels, key);
    return label ? str_or_empty(label->value) : NULL;
}

void labels_add(Mesos__V1__Labels **labels, const char *key, const char *value)
{
    if (!*labels)
        *labels = PB_NEW(mesos__v1__labels);
    Mesos__V1__Label *label = PB_NEW(mesos__v1__label);
    label->key = xstrdup(key);
    label->value = xstrdup(value);

    Mesos__V1__Labels *list = *labels;
    list->labels =
        xrealloc(list->labels, (list->n_labels + 1) * sizeof(*list->labels));
    list->labels[list->n_labels++] = label;
}

void labels_set(Mesos__V1__Labels **labels, const char *key, const char *value)
{
    Mesos__V1__Label *label = find(*labels, key);
    if (!label) {
        labels_add(labels, key, value);
        return;
    }
    char *copy = xstrdup(value); /* value may be the old one */
    free(label->value);
    label->value = copy;
}

static bool label_equal(const Mesos__V1__Label *a, const Mesos__V1__Label *b)
{
    return !strcmp(a->key, b->key) && !a->value == !b->value &&
           str_eq(a->value, b->value);
}

static size_t count(const Mesos__V1__Labels *labels,
                    const Mesos__V1__Label *label)
{
    size_t n = 0;
    for (size_t i = 0; i < labels->n_labels; i++)
        n += label_equal(labels->labels[i], label);
    return n;
}

bool labels_equal(const Mesos__V1__Labels *a, const Mesos__V1__Labels *b)
{
    if (!a || !b)
        return !a && !b;
    if (a->n_labels != b->n_labels)
        return false;
    for (size_t i = 0; i < a->n_labels; i++)
        if (count(a, a->labels[i]) != count(b, a->labels[i]))
            return false;
    return true;
}
