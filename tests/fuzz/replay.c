/* SPDX-License-Identifier: Apache-2.0 */
/* replay - runs a fuzz target over files and over mutations of them
 *
 * The short form of fuzzing that needs no fuzzer: each file of the corpus
 * folders given, then a number of seeded mutations of each.  A crash fails it.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MUTATIONS = 200, MAX_FILE_BYTES = 1 << 20 };

static uint64_t seed = 88172645463325252ull;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void run_exact(const char *data, size_t len)
{
    /* A block of just this size, so that a sanitizer sees one byte too many. */
    uint8_t *copy = xmemdup(data, len);
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static void mutate(struct buf *b)
{
    size_t changes = 1 + next_random() % 4;
    for (size_t i = 0; i < changes && b->len > 0; i++) {
        size_t at = next_random() % b->len;
        switch (next_random() % 4) {
        case 0:
            b->data[at] = (char)next_random();
            break;
        case 1:
            b->data[at] ^= (char)(1u << next_random() % 8);
            break;
        case 2:
            b->len = at;
            break;
        default:
            buf_reserve(b, 16); /* the data must not move while copied */
            buf_add(b, b->data, MIN(b->len, (size_t)16));
            break;
        }
    }
}

static size_t run_file(const char *path)
{
    AUTO_BUF struct buf file = {0};
    struct err err;
    if (fs_read(path, MAX_FILE_BYTES, &file, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    run_exact(buf_text(&file), file.len);
    for (int i = 0; i < MUTATIONS; i++) {
        AUTO_BUF struct buf changed = {0};
        buf_add(&changed, buf_text(&file), file.len);
        mutate(&changed);
        run_exact(buf_text(&changed), changed.len);
    }
    return 1 + MUTATIONS;
}

static size_t run_folder(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return 0;
    size_t runs = 0;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (e->d_name[0] == '.')
            continue;
        AUTO_FREE char *file = fs_join(path, e->d_name);
        runs += run_file(file);
    }
    closedir(dir);
    return runs;
}

int main(int argc, char **argv)
{
    size_t runs = 0;
    run_exact("", 0);
    for (int i = 1; i < argc; i++)
        runs += run_folder(argv[i]);
    /* No corpus yet: random bytes alone. */
    for (int i = 0; i < 2000; i++) {
        char bytes[256];
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (char)next_random();
        run_exact(bytes, next_random() % sizeof bytes);
    }
    printf("%zu inputs from files, 2000 random\n", runs);
    return 0;
}
