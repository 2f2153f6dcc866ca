/* SPDX-License-Identifier: Apache-2.0 */
/* jwt - see jwt.h */
#include "services/offer-broker/jwt.h"

#include <jansson.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

#define DEFAULT_RENEW_MS (30 * 60 * 1000) /* of a token that names no end */
#define MIN_RENEW_MS     1000
#define MAX_RENEW_MS     (24 * 3600 * (int64_t)1000)

/* ---- base64url ---------------------------------------------------- */
static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *base64url_encode(const void *data, size_t len)
{
    const unsigned char *bytes = data;
    AUTO_BUF struct buf out = {0};

    buf_add_str(&out, "");
    for (size_t i = 0; i < len; i += 3) {
        size_t n = MIN(len - i, (size_t)3);
        uint32_t v = (uint32_t)bytes[i] << 16;

        v |= n > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        v |= n > 2 ? bytes[i + 2] : 0;
        for (size_t k = 0; k <= n; k++)
            buf_add_char(&out, alphabet[v >> (18 - 6 * k) & 63]);
    }
    return xstrdup(buf_text(&out));
}

char *base64url_decode(const char *text, size_t len, size_t *out_len)
{
    AUTO_BUF struct buf out = {0};
    uint32_t v = 0;
    unsigned bits = 0;

    while (len > 0 && text[len - 1] == '=')
        len--;
    if (len % 4 == 1)
        return NULL;
    buf_add_str(&out, "");
    for (size_t i = 0; i < len; i++) {
        const char *at = text[i] ? strchr(alphabet, text[i]) : NULL;

        if (!at)
            return NULL;
        v = v << 6 | (uint32_t)(at - alphabet);
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        buf_add_char(&out, (char)(v >> bits & 255));
    }
    *out_len = out.len;
    buf_reserve(&out, 1);
    return buf_take(&out, NULL);
}

/* ---- the account -------------------------------------------------- */
void service_account_destroy(struct service_account **account)
{
    struct service_account *a = *account;

    if (!a)
        return;
    free(a->uid);
    free(a->private_key);
    free(a->login_endpoint);
    free(a);
    *account = NULL;
}

static char *text_of(const json_t *json, const char *key, struct err *err)
{
    const char *text = json_string_value(json_object_get(json, key));

    if (!*str_or_empty(text))
        err_set(err, ERR_INVALID, "the service account names no %s", key);
    return xstrdup(text);
}

static bool is_url(const char *text)
{
    return str_starts(text, "https://") || str_starts(text, "http://");
}

struct service_account *service_account_parse(const char *text, struct err *err)
{
    json_t *json = json_loads(text, 0, NULL);
    struct service_account *account;
    const char *scheme;
    struct err why = {0};

    if (!json_is_object(json)) {
        json_decref(json);
        err_set(err, ERR_INVALID, "the service account is not a JSON object");
        return NULL;
    }
    scheme = json_string_value(json_object_get(json, "scheme"));
    account = xcalloc(1, sizeof(*account));
    account->uid = text_of(json, "uid", &why);
    account->private_key = text_of(json, "private_key", &why);
    account->login_endpoint = text_of(json, "login_endpoint", &why);
    if (scheme && !str_eq(scheme, "RS256"))
        err_set(&why, ERR_INVALID,
                "the service account's scheme %s is not RS256", scheme);
    if (!why.code && !is_url(account->login_endpoint))
        err_set(&why, ERR_INVALID, "login_endpoint %s is no http(s) URL",
                account->login_endpoint);
    json_decref(json);
    if (!why.code)
        return account;
    err_set(err, why.code, "%s", why.text);
    service_account_destroy(&account);
    return NULL;
}

/* ---- signing ------------------------------------------------------ */
static EVP_PKEY *read_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    if (key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

/* base64url of the signature, or NULL. */
static char *sign(EVP_PKEY *key, const char *text)
{
    const unsigned char *bytes = (const unsigned char *)text;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    AUTO_FREE unsigned char *signature = NULL;
    char *out = NULL;
    size_t len = 0;

    if (ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
        EVP_DigestSign(ctx, NULL, &len, bytes, strlen(text)) == 1) {
        signature = xmalloc(len);
        if (EVP_DigestSign(ctx, signature, &len, bytes, strlen(text)) == 1)
            out = base64url_encode(signature, len);
    }
    EVP_MD_CTX_free(ctx);
    return out;
}

static char *encode_json(json_t *json)
{
    AUTO_FREE char *text = json_dumps(json, JSON_COMPACT);

    json_decref(json);
    return base64url_encode(text, strlen(text));
}

char *jwt_login_token(const struct service_account *account, int64_t expires_s,
                      struct err *err)
{
    AUTO_FREE char *header =
        encode_json(json_pack("{s:s, s:s}", "typ", "JWT", "alg", "RS256"));
    AUTO_FREE char *claims = encode_json(json_pack(
        "{s:s, s:I}", "uid", account->uid, "exp", (json_int_t)expires_s));
    AUTO_FREE char *signed_part = xasprintf("%s.%s", header, claims);
    EVP_PKEY *key = read_key(account->private_key);
    AUTO_FREE char *signature = key ? sign(key, signed_part) : NULL;

    EVP_PKEY_free(key);
    if (signature)
        return xasprintf("%s.%s", signed_part, signature);
    err_set(err, ERR_INVALID,
            "the service account's private_key is no RSA key in PEM form");
    return NULL;
}

char *jwt_login_body(const struct service_account *account,
                     const char *login_token, int64_t expires_s)
{
    json_t *json = json_pack("{s:s, s:s, s:I}", "uid", account->uid, "token",
                             login_token, "exp", (json_int_t)expires_s);
    char *text = json_dumps(json, JSON_COMPACT);

    json_decref(json);
    return text;
}

/* ---- what came back ----------------------------------------------- */
static bool is_header_safe(const char *token)
{
    for (const char *c = token; *c; c++)
        if (*c <= ' ' || *c > '~')
            return false;
    return *token != '\0';
}

char *jwt_login_answer(const char *body, size_t len, struct err *err)
{
    json_t *json = json_loadb(body, len, 0, NULL);
    const char *token = json_string_value(json_object_get(json, "token"));
    char *out = token && is_header_safe(token) ? xstrdup(token) : NULL;

    json_decref(json);
    if (!out)
        err_set(err, ERR_INVALID, "the login's answer holds no token");
    return out;
}

int64_t jwt_expires_s(const char *token)
{
    const char *begin = strchr(token, '.');
    const char *end = begin ? strchr(begin + 1, '.') : NULL;
    AUTO_FREE char *claims = NULL;
    size_t len = 0;
    int64_t expires_s;
    json_t *json;

    if (end)
        claims = base64url_decode(begin + 1, (size_t)(end - begin - 1), &len);
    if (!claims)
        return 0;
    json = json_loadb(claims, len, 0, NULL);
    expires_s = (int64_t)json_number_value(json_object_get(json, "exp"));
    json_decref(json);
    return expires_s > 0 ? expires_s : 0;
}

int64_t jwt_renew_ms(int64_t expires_s, int64_t now_wall_ms)
{
    int64_t left_ms;

    if (expires_s <= 0)
        return DEFAULT_RENEW_MS;
    if (expires_s > INT64_MAX / 2000)
        return MAX_RENEW_MS;
    left_ms = expires_s * 1000 - now_wall_ms;
    return MIN(MAX(left_ms * 3 / 4, (int64_t)MIN_RENEW_MS), MAX_RENEW_MS);
}
