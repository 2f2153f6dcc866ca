/* SPDX-License-Identifier: Apache-2.0 */
/* id - random UUIDs, SHA-256 and CRC32C
 *
 * uuid_new reads the kernel's random numbers, so pure code gets its ids from
 * the caller.
 */
#ifndef REEVE_LIB_BASE_ID_H
#define REEVE_LIB_BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_TEXT_SIZE 37 /* 36 characters and the NUL */

/* Version 4, lower case, "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx". */
void uuid_new(char out[UUID_TEXT_SIZE]);
/* Sixteen random bytes with version and variant bits set. */
void uuid_new_bytes(uint8_t out[16]);
void uuid_format(const uint8_t bytes[16], char out[UUID_TEXT_SIZE]);
bool uuid_parse(const char *text, uint8_t out[16]);
/* A stable UUID from a name (version 8, bytes of its SHA-256). */
void uuid_from_name(const char *name, char out[UUID_TEXT_SIZE]);

#define SHA256_HEX_SIZE 65
void sha256_hex(const void *data, size_t len, char out[SHA256_HEX_SIZE]);

/* CRC32C (Castagnoli) of data, continuing from crc (0 to start). */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

#endif
