/* SPDX-License-Identifier: Apache-2.0 */
/* heap - see heap.h */
#include "lib/base/heap.h"

#include <malloc.h>
#include <stddef.h>

#include "lib/base/base.h"

#define MIN_GIVE_BACK (2u << 20)

/* jemalloc reads this by its name.  One arena: beside the loop only the threads
 * of 0MQ and of the log's fsync allocate, and little.  What is free goes back
 * to the system after 0.3 s instead of 10 s. */
extern const char *malloc_conf;
const char *malloc_conf = "narenas:1,dirty_decay_ms:300,muzzy_decay_ms:0";

/* NULL without jemalloc. */
extern int mallctl(const char *name, void *old, size_t *old_len, void *new,
                   size_t new_len) __attribute__((weak));

void heap_give_back(void *unused UNUSED)
{
    struct mallinfo2 memory;

    if (mallctl) {
        mallctl("arena.0.decay", NULL, NULL, NULL, 0);
        return;
    }
    memory = mallinfo2();
    if (memory.fordblks > MIN_GIVE_BACK &&
        memory.fordblks > memory.uordblks / 4)
        malloc_trim(0);
}
