/* SPDX-License-Identifier: Apache-2.0 */
/* disk_bench - what the disk can do: pwrite and fdatasync, one after the other
 *
 *   disk_bench FILE BYTES SECONDS
 *
 * The file is written full of zeros and synced first, and its blocks are then
 * overwritten: a sync that need not record a new size, as a log does it that
 * was laid out beforehand.  One caller; nothing else can be faster than it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/meter.h"

enum { FILE_BYTES = 8 << 20 };

static int lay_out(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    char *zeros = calloc(1, FILE_BYTES);
    if (fd < 0 || !zeros || write(fd, zeros, FILE_BYTES) != FILE_BYTES ||
        fsync(fd) < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
    free(zeros);
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    size_t bytes = meter_number(argv[2], 1, 1 << 20);
    int fd = lay_out(argv[1]);
    char *data = malloc(bytes);
    memset(data, 'f', bytes);
    struct meter meter = {0};
    meter_start(&meter, 0.1, meter_seconds(argv[3]));
    off_t at = 0;
    for (int64_t sent = meter_now_us(); !meter_is_over(&meter, sent);) {
        if (pwrite(fd, data, bytes, at) != (ssize_t)bytes || fdatasync(fd) < 0)
            meter_failed(&meter, strerror(errno));
        int64_t now = meter_now_us();
        meter_ok(&meter, sent, now);
        sent = now;
        at += (off_t)bytes;
        if (at + (off_t)bytes > FILE_BYTES)
            at = 0;
    }
    free(data);
    close(fd);
    return meter_print(&meter);
}
