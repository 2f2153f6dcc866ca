/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/discard.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "lib/base/base.h"

#define STEP_BYTES ((off_t)8 << 20)

struct gone {
    char *path;
    struct gone *next;
};

struct discard {
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct gone *files; /* under the lock, as all below */
    bool must_stop;
};

static bool is_stopping(struct discard *d)
{
    pthread_mutex_lock(&d->lock);
    bool must_stop = d->must_stop;
    pthread_mutex_unlock(&d->lock);
    return must_stop;
}

/* Piece by piece, so that a sync that comes meanwhile waits for one only. */
static void remove_slowly(struct discard *d, const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    struct stat st;
    off_t left = fd >= 0 && fstat(fd, &st) == 0 ? st.st_size : 0;
    while (left > STEP_BYTES && !is_stopping(d)) {
        left -= STEP_BYTES;
        if (ftruncate(fd, left) < 0)
            break;
    }
    if (fd >= 0)
        close(fd);
    if (!is_stopping(d))
        unlink(path);
}

static struct gone *next_of(struct discard *d)
{
    struct gone *gone = NULL;
    pthread_mutex_lock(&d->lock);
    while (!d->files && !d->must_stop)
        pthread_cond_wait(&d->wake, &d->lock);
    if (!d->must_stop) {
        gone = d->files;
        LL_DELETE(d->files, gone);
    }
    pthread_mutex_unlock(&d->lock);
    return gone;
}

static void gone_free(struct gone *gone)
{
    free(gone->path);
    free(gone);
}

static void *run(void *self)
{
    struct gone *gone;
    while ((gone = next_of(self))) {
        remove_slowly(self, gone->path);
        gone_free(gone);
    }
    return NULL;
}

struct discard *discard_new(void)
{
    struct discard *d = xcalloc(1, sizeof *d);
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->wake, NULL);
    return d;
}

static void hand_over(struct discard *d, char *path)
{
    struct gone *gone = xcalloc(1, sizeof *gone);
    gone->path = path;
    pthread_mutex_lock(&d->lock);
    LL_APPEND(d->files, gone);
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
    if (!d->has_thread)
        ASSERT(pthread_create(&d->thread, NULL, run, d) == 0);
    d->has_thread = true;
}

void discard_file(struct discard *d, const char *path)
{
    char *gone = d ? xasprintf("%s.gone.tmp", path) : NULL;
    if (gone && rename(path, gone) == 0) {
        hand_over(d, gone);
        return;
    }
    free(gone);
    unlink(path);
}

void discard_destroy(struct discard **discard)
{
    struct discard *d = *discard;
    struct gone *gone, *next;
    if (!d)
        return;
    pthread_mutex_lock(&d->lock);
    d->must_stop = true;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
    if (d->has_thread)
        pthread_join(d->thread, NULL);
    LL_FOREACH_SAFE(d->files, gone, next)
    {
        gone_free(gone);
    }
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->wake);
    free(d);
    *discard = NULL;
}
