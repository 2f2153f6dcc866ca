/* SPDX-License-Identifier: Apache-2.0 */
#include "services/offer-broker/jwt.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"

static EVP_PKEY *make_key(char **pem)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long len;

    cr_assert(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
    len = BIO_get_mem_data(bio, &text);
    *pem = xstrndup(text, (size_t)len);
    BIO_free(bio);
    return key;
}

static const struct {
    const char *name, *json, *error; /* NULL: good */
} account_cases[] = {
    {"good",
     "{\"scheme\":\"RS256\",\"uid\":\"svc\",\"private_key\":\"K\","
     "\"login_endpoint\":\"https://l/acs/api/v1/auth/login\"}",
     NULL},
    {"no JSON", "svc", "not a JSON object"},
    {"other scheme",
     "{\"scheme\":\"HS256\",\"uid\":\"svc\",\"private_key\":\"K\","
     "\"login_endpoint\":\"https://l\"}",
     "HS256 is not RS256"},
    {"no uid",
     "{\"scheme\":\"RS256\",\"private_key\":\"K\",\"login_endpoint\":"
     "\"https://l\"}",
     "names no uid"},
    {"no key",
     "{\"scheme\":\"RS256\",\"uid\":\"svc\",\"login_endpoint\":\"https://l\"}",
     "names no private_key"},
    {"no URL",
     "{\"scheme\":\"RS256\",\"uid\":\"svc\",\"private_key\":\"K\","
     "\"login_endpoint\":\"file:///etc/passwd\"}",
     "no http(s) URL"},
};

Test(jwt, account)
{
    for (size_t i = 0; i < ARRAY_LEN(account_cases); i++) {
        struct err err = {0};
        struct service_account *account =
            service_account_parse(account_cases[i].json, &err);

        cr_expect_eq(account != NULL, account_cases[i].error == NULL,
                     "case %s: %s", account_cases[i].name, err.text);
        if (!account)
            cr_expect(strstr(err.text, account_cases[i].error), "case %s: %s",
                      account_cases[i].name, err.text);
        service_account_destroy(&account);
    }
}

Test(jwt, base64url)
{
    static const struct {
        const char *plain, *text;
    } cases[] = {{"", ""},          {"f", "Zg"},        {"fo", "Zm8"},
                 {"foo", "Zm9v"},   {"foob", "Zm9vYg"}, {"\xfb\xff", "-_8"},
                 {"?>?>", "Pz4_Pg"}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t len = 99;
        AUTO_FREE char *text =
            base64url_encode(cases[i].plain, strlen(cases[i].plain));
        AUTO_FREE char *plain =
            base64url_decode(cases[i].text, strlen(cases[i].text), &len);

        cr_expect_str_eq(text, cases[i].text);
        cr_assert(plain);
        cr_expect_str_eq(plain, cases[i].plain);
        cr_expect_eq(len, strlen(cases[i].plain));
    }
    size_t len;
    cr_expect_null(base64url_decode("a", 1, &len));
    cr_expect_null(base64url_decode("a+b/", 4, &len));
}

/* Does the key's public half vouch for the token? */
static bool is_signed_by(EVP_PKEY *key, const char *token)
{
    const char *dot = strrchr(token, '.');
    size_t len;
    AUTO_FREE char *signature =
        base64url_decode(dot + 1, strlen(dot + 1), &len);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestVerify(ctx, (unsigned char *)signature, len,
                                 (const unsigned char *)token,
                                 (size_t)(dot - token)) == 1;

    EVP_MD_CTX_free(ctx);
    return good;
}

Test(jwt, a_login_token_is_signed_and_says_who_and_until_when)
{
    char *pem;
    EVP_PKEY *key = make_key(&pem);
    struct service_account account = {"svc", pem, "http://l"};
    struct err err = {0};
    AUTO_FREE char *token = jwt_login_token(&account, 1700000000, &err);
    size_t len;

    cr_assert(token, "%s", err.text);
    cr_expect(is_signed_by(key, token));
    cr_expect_eq(jwt_expires_s(token), 1700000000);
    AUTO_FREE char *header = base64url_decode(token, strcspn(token, "."), &len);
    cr_expect_str_eq(header, "{\"typ\":\"JWT\",\"alg\":\"RS256\"}");
    AUTO_FREE char *body = jwt_login_body(&account, token, 1700000000);
    json_t *json = json_loads(body, 0, NULL);
    cr_expect_str_eq(json_string_value(json_object_get(json, "uid")), "svc");
    cr_expect_str_eq(json_string_value(json_object_get(json, "token")), token);
    json_decref(json);
    EVP_PKEY_free(key);
    free(pem);
}

Test(jwt, a_bad_key_is_refused_without_being_shown)
{
    struct service_account account = {"svc", "SECRET", "http://l"};
    struct err err = {0};

    cr_expect_null(jwt_login_token(&account, 1, &err));
    cr_expect_eq(err.code, ERR_INVALID);
    cr_expect_null(strstr(err.text, "SECRET"));
}

Test(jwt, login_answer)
{
    static const struct {
        const char *body, *token; /* NULL: refused */
    } cases[] = {{"{\"token\":\"a.b.c\"}", "a.b.c"},
                 {"{\"token\":\"a\\r\\nX: y\"}", NULL},
                 {"{\"token\":\"\"}", NULL},
                 {"{\"token\":7}", NULL},
                 {"[]", NULL},
                 {"", NULL}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        AUTO_FREE char *token =
            jwt_login_answer(cases[i].body, strlen(cases[i].body), &err);

        cr_expect(str_eq(token, cases[i].token), "case %s", cases[i].body);
        cr_expect_eq(err.code != ERR_NONE, cases[i].token == NULL);
    }
}

Test(jwt, expiry)
{
    static const char *const none[] = {
        "", "a", "a.b", "a.b.c", "a.e30.c", "a.eyJleHAiOi01fQ.c" /* -5 */};

    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        cr_expect_eq(jwt_expires_s(none[i]), 0, "case %s", none[i]);
    cr_expect_eq(jwt_expires_s("a.eyJleHAiOjEyM30.c"), 123);
}

Test(jwt, renewal)
{
    static const struct {
        int64_t expires_s, now_ms, wait_ms;
    } cases[] = {
        {0, 5000, 1800000},           /* names no end */
        {100, 0, 75000},              /* three quarters */
        {100, 99000, 1000},           /* never hot */
        {100, 200000, 1000},          /* over already */
        {INT64_MAX / 2, 0, 86400000}, /* no overflow */
        {10000000, 0, 86400000},      /* at least once a day */
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        cr_expect_eq(jwt_renew_ms(cases[i].expires_s, cases[i].now_ms),
                     cases[i].wait_ms, "case %zu", i);
}
