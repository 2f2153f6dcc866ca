/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/id.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/base/base.h"

/* Asked for by the page.  A child of fork has the same page: it asks anew. */
static void random_bytes(uint8_t out[16])
{
    static _Thread_local uint8_t page[256];
    static _Thread_local size_t left;
    static _Thread_local pid_t owner;
    pid_t self = getpid();

    if (owner != self) {
        owner = self;
        left = 0;
    }
    if (left < 16)
        for (left = 0; left < sizeof page;) { /* so much comes at once */
            ssize_t n = getrandom(page + left, sizeof page - left, 0);
            if (n > 0)
                left += (size_t)n;
        }
    left -= 16;
    memcpy(out, page + left, 16);
}

void uuid_new_bytes(uint8_t out[16])
{
    random_bytes(out);
    out[6] = (uint8_t)((out[6] & 0x0f) | 0x40);
    out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
}

void uuid_format(const uint8_t bytes[16], char out[UUID_TEXT_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    char *p = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = hex[bytes[i] >> 4];
        *p++ = hex[bytes[i] & 15];
    }
    *p = '\0';
}

void uuid_new(char out[UUID_TEXT_SIZE])
{
    uint8_t bytes[16];
    uuid_new_bytes(bytes);
    uuid_format(bytes, out);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool uuid_parse(const char *text, uint8_t out[16])
{
    if (!text || strlen(text) != 36)
        return false;
    uint8_t bytes[16];
    const char *p = text;
    for (int i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *p++ != '-')
            return false;
        int hi = hex_value(p[0]), lo = hex_value(p[1]);
        if (hi < 0 || lo < 0)
            return false;
        bytes[i] = (uint8_t)(hi << 4 | lo);
        p += 2;
    }
    memcpy(out, bytes, 16);
    return true;
}

void uuid_from_name(const char *name, char out[UUID_TEXT_SIZE])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256((const uint8_t *)name, strlen(name), digest);
    digest[6] = (uint8_t)((digest[6] & 0x0f) | 0x80);
    digest[8] = (uint8_t)((digest[8] & 0x3f) | 0x80);
    uuid_format(digest, out);
}

void sha256_hex(const void *data, size_t len, char out[SHA256_HEX_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256(data, len, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        out[2 * i] = hex[digest[i] >> 4];
        out[2 * i + 1] = hex[digest[i] & 15];
    }
    out[2 * sizeof digest] = '\0';
}

static uint32_t crc_table[8][256];

static void crc_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? (c >> 1) ^ 0x82f63b78u : c >> 1;
        crc_table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++)
            crc_table[t][i] = (crc_table[t - 1][i] >> 8) ^
                              crc_table[0][crc_table[t - 1][i] & 0xff];
}

/* Eight bytes a step from tables: on any CPU. */
static uint32_t crc_by_table(uint32_t crc, const uint8_t *p, size_t len)
{
    for (; len >= 8; len -= 8, p += 8) {
        uint32_t lo = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 |
                             (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
        crc = crc_table[7][lo & 0xff] ^ crc_table[6][(lo >> 8) & 0xff] ^
              crc_table[5][(lo >> 16) & 0xff] ^ crc_table[4][lo >> 24] ^
              crc_table[3][p[4]] ^ crc_table[2][p[5]] ^ crc_table[1][p[6]] ^
              crc_table[0][p[7]];
    }
    while (len--)
        crc = (crc >> 8) ^ crc_table[0][(crc ^ *p++) & 0xff];
    return crc;
}

#ifdef __x86_64__
/* The CPU's own instruction, where it has it. */
__attribute__((target("sse4.2"))) static uint32_t
crc_by_cpu(uint32_t crc, const uint8_t *p, size_t len)
{
    uint64_t wide = crc;
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    while (len--)
        crc = __builtin_ia32_crc32qi(crc, *p++);
    return crc;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    static uint32_t (*best)(uint32_t, const uint8_t *, size_t);
    if (!best) {
        crc_init();
        best = crc_by_table;
#ifdef __x86_64__
        if (__builtin_cpu_supports("sse4.2"))
            best = crc_by_cpu;
#endif
    }
    return ~best(~crc, data, len);
}
