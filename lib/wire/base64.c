/* SPDX-License-Identifier: Apache-2.0 */
/* base64 - the standard alphabet with padding */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/wire/wire.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t len, struct buf *out)
{
    const uint8_t *in = data;
    buf_reserve(out, (len + 2) / 3 * 4);
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t bits = (uint32_t)in[i] << 16;
        bits |= left > 1 ? (uint32_t)in[i + 1] << 8 : 0;
        bits |= left > 2 ? in[i + 2] : 0;
        buf_add_char(out, alphabet[bits >> 18 & 63]);
        buf_add_char(out, alphabet[bits >> 12 & 63]);
        buf_add_char(out, left > 1 ? alphabet[bits >> 6 & 63] : '=');
        buf_add_char(out, left > 2 ? alphabet[bits & 63] : '=');
    }
}

static int digit_of(char c)
{
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

/* Four characters to 1..3 bytes; pad is the number of '=' at the end. */
static bool decode_four(const char *four, int pad, struct buf *out)
{
    uint32_t bits = 0;
    for (int i = 0; i < 4; i++) {
        int digit = i >= 4 - pad ? 0 : digit_of(four[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
    }
    char bytes[3] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
    buf_add(out, bytes, (size_t)(3 - pad));
    return true;
}

bool base64_decode(const char *text, size_t len, struct buf *out)
{
    size_t before = out->len;
    bool ok = len % 4 == 0;
    for (size_t i = 0; ok && i < len; i += 4) {
        int pad = 0;
        if (i + 4 == len && text[len - 1] == '=')
            pad = text[len - 2] == '=' ? 2 : 1;
        ok = decode_four(text + i, pad, out);
    }
    if (!ok && out->data) {
        out->len = before;
        out->data[before] = '\0';
    }
    return ok;
}
