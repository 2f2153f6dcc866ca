/* SPDX-License-Identifier: Apache-2.0 */
/* heap - see heap.h */
#include "lib/base/heap.h"

#include <malloc.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/fs.h"

#define MIN_GIVE_BACK (1u << 20)

/* jemalloc reads this by its name.  One arena: beside the loop only the threads
 * of 0MQ and of the log's fsync allocate, and little.  What is free goes back
 * to the system after 0.3 s instead of 10 s. */
extern const char *malloc_conf;
const char *malloc_conf = "narenas:1,dirty_decay_ms:300,muzzy_decay_ms:0";

/* NULL without jemalloc. */
extern int mallctl(const char *name, void *old, size_t *old_len, void *new,
                   size_t new_len) __attribute__((weak));
extern void *mallocx(size_t size, int flags) __attribute__((weak));
extern void dallocx(void *kept, int flags) __attribute__((weak));

/* MALLOCX_ZERO, MALLOCX_TCACHE_NONE and MALLOCX_ARENA of its header. */
enum { ZERO = 0x40, NO_CACHE = 1 << 8, ARENA_SHIFT = 20 };
#define ALL_ARENAS "arena.4096.decay"

/* An arena of its own; 0: there can be none. */
static int keep_flags(void)
{
    static int flags = -1;
    unsigned arena = 0;
    size_t len = sizeof(arena);

    if (flags < 0)
        flags = mallctl && mallocx && dallocx &&
                        mallctl("arenas.create", &arena, &len, NULL, 0) == 0
                    ? (int)((arena + 1) << ARENA_SHIFT) | NO_CACHE
                    : 0;
    return flags;
}

void *heap_keep(size_t size)
{
    int flags = keep_flags();
    void *kept;

    if (!flags)
        return xcalloc(1, size);
    kept = mallocx(size, flags | ZERO);
    if (!kept)
        abort();
    return kept;
}

void heap_keep_free(void *kept)
{
    if (kept && keep_flags())
        dallocx(kept, NO_CACHE);
    else
        free(kept);
}

/* Bytes in memory that nothing was asked for, code and libraries included; 0:
 * unknown. */
static size_t idle_bytes(void)
{
    AUTO_BUF struct buf text = {0};
    struct mallinfo2 memory = mallinfo2();
    size_t used = memory.uordblks + memory.hblkhd, resident = 0;
    unsigned long pages;

    if (fs_read("/proc/self/statm", 4096, &text, NULL) == 0 &&
        sscanf(buf_text(&text), "%*u %lu", &pages) == 1)
        resident = pages * (size_t)sysconf(_SC_PAGESIZE);
    return resident - MIN(used, resident);
}

/* What the C library cannot give back, because something is left beside it, is
 * not tried again until more is there. */
static void trim(void)
{
    static size_t left; /* when it was tried last */
    size_t idle = idle_bytes();

    left = MIN(left, idle);
    if (idle - left < MIN_GIVE_BACK)
        return;
    malloc_trim(0);
    left = idle_bytes();
}

void heap_give_back(void *unused UNUSED)
{
    if (mallctl)
        mallctl(ALL_ARENAS, NULL, NULL, NULL, 0);
    else
        trim();
}
