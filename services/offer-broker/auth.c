/* SPDX-License-Identifier: Apache-2.0 */
/* auth - see auth.h */
#include "services/offer-broker/auth.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "services/offer-broker/broker.h"
#include "services/offer-broker/jwt.h"

#define MAX_SECRET_BYTES 65536
#define LOGIN_TIMEOUT_MS 20000
#define LOGIN_TOKEN_S    300 /* life of the token that we sign */
#define FIRST_PAUSE_MS   500
#define LAST_PAUSE_MS    60000

struct auth {
    struct broker *broker;
    const char *principal; /* option; "": the service's own */
    const char *ca_file;   /* NULL: the system's */
    bool insecure;
    char *secret;           /* basic */
    const char *token_file; /* bearer */
    char *token;            /* bearer, or of the service account */
    struct service_account *account;
    struct http_request *login; /* under way */
    uint64_t timer;             /* of the next login */
    unsigned failures;          /* logins that failed, tokens refused */
    char problem[300];
};

/* ---- reading ------------------------------------------------------ */
static void wipe(char **secret)
{
    if (*secret)
        OPENSSL_cleanse(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

/* The file without the line end at its end. */
static char *read_secret(const char *path, struct err *err)
{
    AUTO_BUF struct buf text = {0};
    char *secret;

    if (fs_read(path, MAX_SECRET_BYTES, &text, err) < 0)
        return NULL;
    secret = buf_take(&text, NULL);
    secret = secret ? secret : xstrdup("");
    secret[strcspn(secret, "\r\n")] = '\0';
    if (*secret)
        return secret;
    free(secret);
    err_set(err, ERR_INVALID, "%s is empty", path);
    return NULL;
}

static int read_basic(struct auth *a, struct err *err)
{
    const char *file = service_str(a->broker->service, "principal-secret-file");
    const char *env = getenv("REEVE_SECRET");

    if (*file)
        a->secret = read_secret(file, err);
    else
        a->secret = env && *env ? xstrdup(env) : NULL;
    if (*file && !a->secret)
        return err_wrap(
            err, "%s",
            service_source(a->broker->service, "principal-secret-file"));
    if (a->secret && strchr(a->secret, ':'))
        return err_set(err, ERR_INVALID,
                       "a master takes no secret with a colon in it");
    return 0;
}

static int read_bearer(struct auth *a, struct err *err)
{
    a->token_file = service_str(a->broker->service, "token-file");
    if (!*a->token_file)
        return 0;
    a->token = read_secret(a->token_file, err);
    return a->token
               ? 0
               : err_wrap(err, "%s",
                          service_source(a->broker->service, "token-file"));
}

static int read_account(struct auth *a, struct err *err)
{
    const char *text = getenv("DCOS_SERVICE_ACCOUNT_CREDENTIAL");
    AUTO_FREE char *probe = NULL;

    if (!text || !*text)
        return 0;
    a->account = service_account_parse(text, err);
    probe = a->account ? jwt_login_token(a->account, 1, err) : NULL;
    if (!probe)
        return err_wrap(err, "DCOS_SERVICE_ACCOUNT_CREDENTIAL");
    snprintf(a->problem, sizeof(a->problem), "not yet logged in at %s",
             a->account->login_endpoint);
    return 0;
}

static int read_all(struct auth *a, struct err *err)
{
    const char *ca_file = service_str(a->broker->service, "ca-file");
    AUTO_BUF struct buf probe = {0};

    a->principal = service_str(a->broker->service, "principal");
    a->insecure = service_bool(a->broker->service, "insecure");
    a->ca_file = *ca_file ? ca_file : NULL;
    if (a->ca_file && fs_read(a->ca_file, 16 << 20, &probe, err) < 0)
        return err_wrap(err, "%s",
                        service_source(a->broker->service, "ca-file"));
    if (read_basic(a, err) < 0 || read_bearer(a, err) < 0 ||
        read_account(a, err) < 0)
        return -1;
    if (!!a->secret + !!a->token + !!a->account > 1)
        return err_set(err, ERR_INVALID,
                       "more than one way to authenticate is given: take one "
                       "of --principal-secret-file (REEVE_SECRET), "
                       "--token-file, DCOS_SERVICE_ACCOUNT_CREDENTIAL");
    if (strchr(a->principal, ':'))
        return err_set(err, ERR_INVALID, "%s: holds a colon",
                       service_source(a->broker->service, "principal"));
    return 0;
}

struct auth *auth_new(struct broker *broker, struct err *err)
{
    struct auth *a = xcalloc(1, sizeof(*a));

    a->broker = broker;
    if (read_all(a, err) < 0)
        auth_destroy(&a);
    return a;
}

void auth_destroy(struct auth **auth)
{
    struct auth *a = *auth;

    if (!a)
        return;
    http_request_cancel(&a->login);
    loop_timer_cancel(a->broker->loop, a->timer);
    if (a->account && a->account->private_key)
        OPENSSL_cleanse(a->account->private_key,
                        strlen(a->account->private_key));
    service_account_destroy(&a->account);
    wipe(&a->secret);
    wipe(&a->token);
    free(a);
    *auth = NULL;
}

/* ---- logging in --------------------------------------------------- */
static void log_in(void *self);

static void plan_login(struct auth *a, int64_t pause_ms)
{
    loop_timer_cancel(a->broker->loop, a->timer);
    a->timer = loop_timer(a->broker->loop, pause_ms, 0, log_in, a);
}

static int64_t pause_of(unsigned failures)
{
    return failures > 7 ? LAST_PAUSE_MS
                        : MIN((int64_t)FIRST_PAUSE_MS << failures,
                              (int64_t)LAST_PAUSE_MS);
}

static void login_failed(struct auth *a, const char *why)
{
    snprintf(a->problem, sizeof(a->problem), "login at %.100s failed: %.150s",
             a->account->login_endpoint, why);
    log_odd("login_failed", "why=%s", log_q(a->problem));
    plan_login(a, pause_of(a->failures++));
}

static void on_login(void *self, const struct http_answer *answer)
{
    struct auth *a = self;
    int64_t expires_s;
    struct err err = {0};
    char *token;

    a->login = NULL;
    if (answer->err.code) {
        login_failed(a, answer->err.text);
        return;
    }
    if (answer->status != 200) {
        err_set(&err, ERR_INVALID, "it answered %d", answer->status);
        login_failed(a, err.text);
        return;
    }
    token = jwt_login_answer(answer->body, answer->body_len, &err);
    if (!token) {
        login_failed(a, err.text);
        return;
    }
    wipe(&a->token);
    a->token = token;
    expires_s = jwt_expires_s(token);
    log_info("logged_in", "uid=%s expires_s=%lld", log_q(a->account->uid),
             (long long)expires_s);
    plan_login(a, jwt_renew_ms(expires_s, clock_wall_ms()));
    broker_wake(a->broker);
}

static void log_in(void *self)
{
    static const char *const headers[] = {"Content-Type: application/json",
                                          "Accept: application/json", NULL};
    struct auth *a = self;
    int64_t expires_s = clock_wall_ms() / 1000 + LOGIN_TOKEN_S;
    struct err err = {0};
    AUTO_FREE char *token = jwt_login_token(a->account, expires_s, &err);
    AUTO_FREE char *body =
        token ? jwt_login_body(a->account, token, expires_s) : NULL;
    struct http_call call = {.method = "POST",
                             .url = a->account->login_endpoint,
                             .headers = headers,
                             .body = body,
                             .body_len = body ? strlen(body) : 0,
                             .timeout_ms = LOGIN_TIMEOUT_MS,
                             .max_body_bytes = 1 << 20};

    a->timer = 0;
    if (!body) {
        login_failed(a, err.text);
        return;
    }
    if (a->login)
        return;
    auth_trust(a, &call);
    a->login = http_client_send(a->broker->http, &call, on_login, a);
}

void auth_start(struct auth *a)
{
    if (a->account)
        plan_login(a, 0);
}

/* ---- being used --------------------------------------------------- */
bool auth_is_ready(const struct auth *a, const char **why)
{
    *why = a->problem;
    return !a->account || a->token;
}

static char *basic_header(const struct auth *a, const char *principal)
{
    AUTO_FREE char *pair = xasprintf("%s:%s", principal, a->secret);
    AUTO_FREE char *text = base64url_encode(pair, strlen(pair));
    size_t len = strlen(text);

    for (char *c = text; *c; c++)
        *c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
    OPENSSL_cleanse(pair, strlen(pair));
    return xasprintf("Authorization: Basic %s%.*s", text,
                     (int)((4 - len % 4) % 4), "==");
}

char *auth_header(const struct auth *a, const char *principal)
{
    if (a->secret)
        return basic_header(a, *a->principal ? a->principal
                                             : str_or_empty(principal));
    if (a->account && a->token)
        return xasprintf("Authorization: token=%s", a->token);
    if (a->token)
        return xasprintf("Authorization: Bearer %s", a->token);
    return NULL;
}

void auth_trust(const struct auth *a, struct http_call *call)
{
    call->ca_file = a->ca_file;
    call->insecure = a->insecure;
}

static void read_token_again(struct auth *a)
{
    struct err err = {0};
    char *token = read_secret(a->token_file, &err);

    if (!token) {
        log_odd("token_not_read", "why=%s", log_q(err.text));
        return;
    }
    wipe(&a->token);
    a->token = token;
}

void auth_refused(struct auth *a)
{
    if (*a->token_file)
        read_token_again(a);
    if (!a->account || !a->token)
        return; /* a login is under way or planned */
    wipe(&a->token);
    snprintf(a->problem, sizeof(a->problem),
             "the master refused the token; logging in again at %.150s",
             a->account->login_endpoint);
    log_info("token_refused", "uid=%s", log_q(a->account->uid));
    plan_login(a, a->failures ? pause_of(a->failures) : 0);
    a->failures++;
}

void auth_accepted(struct auth *a)
{
    a->failures = 0;
}
