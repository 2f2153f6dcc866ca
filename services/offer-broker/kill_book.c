/* SPDX-License-Identifier: Apache-2.0 */
/* kill_book - see kill_book.h */
#include "services/offer-broker/kill_book.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/base/base.h"

struct sent {
    char *task_id;
    int64_t next_ms;
    int64_t pause_ms;
    UT_hash_handle hh;
};

struct kill_book {
    struct sent *sent;
};

struct kill_book *kill_book_new(void)
{
    return xcalloc(1, sizeof(struct kill_book));
}

static void drop(struct kill_book *book, struct sent *sent)
{
    HASH_DEL(book->sent, sent);
    free(sent->task_id);
    free(sent);
}

void kill_book_clear(struct kill_book *book)
{
    struct sent *sent, *next;

    HASH_ITER(hh, book->sent, sent, next)
    {
        drop(book, sent);
    }
}

void kill_book_destroy(struct kill_book **book)
{
    if (!*book)
        return;
    kill_book_clear(*book);
    free(*book);
    *book = NULL;
}

bool kill_book_is_due(struct kill_book *book, const char *task_id,
                      int64_t now_ms)
{
    struct sent *sent = NULL;

    HASH_FIND_STR(book->sent, task_id, sent);
    if (sent && sent->next_ms > now_ms)
        return false;
    if (!sent) {
        sent = xcalloc(1, sizeof(*sent));
        sent->task_id = xstrdup(task_id);
        sent->pause_ms = KILL_FIRST_MS;
        HASH_ADD_KEYPTR(hh, book->sent, sent->task_id, strlen(sent->task_id),
                        sent);
    }
    sent->next_ms = now_ms + sent->pause_ms;
    sent->pause_ms = MIN(sent->pause_ms * 2, KILL_MOST_MS);
    return true;
}

bool kill_book_has(const struct kill_book *book, const char *task_id)
{
    struct sent *sent = NULL;

    HASH_FIND_STR(book->sent, task_id, sent);
    return sent != NULL;
}

void kill_book_forget(struct kill_book *book, const char *task_id)
{
    struct sent *sent = NULL;

    HASH_FIND_STR(book->sent, task_id, sent);
    if (sent)
        drop(book, sent);
}

void kill_book_sweep(struct kill_book *book,
                     bool (*stands)(const void *self, const char *task_id),
                     const void *self)
{
    struct sent *sent, *next;

    HASH_ITER(hh, book->sent, sent, next)
    {
        if (!stands(self, sent->task_id))
            drop(book, sent);
    }
}

size_t kill_book_count(const struct kill_book *book)
{
    return HASH_COUNT(book->sent);
}
