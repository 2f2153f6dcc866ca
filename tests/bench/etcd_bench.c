/* SPDX-License-Identifier: Apache-2.0 */
/* etcd_bench - puts over etcd's HTTP/JSON gateway
 *
 *   etcd_bench URL CLIENTS BYTES SECONDS
 *
 * CLIENTS connections that are kept open, one put under way on each.  Counts
 * only an answer of status 200 that tells a revision: etcd answers a put that
 * it does not understand, too, and fast.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/meter.h"

enum { KEYS = 1000, MAX_ANSWER = 1024 };

struct client {
    CURL *easy;
    char *body;
    int64_t sent_us;
    char answer[MAX_ANSWER];
    size_t len;
};

static char *base64(const char *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrs"
                                 "tuvwxyz0123456789+/";
    char *out = calloc(1, len / 3 * 4 + 5), *at = out;
    for (size_t i = 0; i < len; i += 3) {
        unsigned n = 0;
        for (size_t j = 0; j < 3; j++)
            n = n << 8 | (i + j < len ? (unsigned char)data[i + j] : 0);
        *at++ = digits[n >> 18];
        *at++ = digits[n >> 12 & 63];
        *at++ = i + 1 < len ? digits[n >> 6 & 63] : '=';
        *at++ = i + 2 < len ? digits[n & 63] : '=';
    }
    return out;
}

static size_t on_data(char *data, size_t size, size_t n, void *self)
{
    struct client *c = self;
    size_t room = sizeof c->answer - 1 - c->len;
    size_t len = size * n < room ? size * n : room;
    memcpy(c->answer + c->len, data, len);
    c->len += len;
    c->answer[c->len] = '\0';
    return size * n;
}

static void ask(struct client *c, CURLM *multi, const char *value)
{
    static unsigned next;
    char key[32];
    snprintf(key, sizeof key, "bench/%07u", next++ % KEYS);
    char *key64 = base64(key, strlen(key));
    size_t size = strlen(value) + strlen(key64) + 64;
    free(c->body);
    c->body = malloc(size);
    snprintf(c->body, size, "{\"key\":\"%s\",\"value\":\"%s\"}", key64, value);
    free(key64);
    c->len = 0;
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, c->body);
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(c->body));
    c->sent_us = meter_now_us();
    curl_multi_add_handle(multi, c->easy);
}

static void dial(struct client *c, const char *url, struct curl_slist *headers)
{
    c->easy = curl_easy_init();
    curl_easy_setopt(c->easy, CURLOPT_URL, url);
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
    curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->easy, CURLOPT_NOPROXY, "*");
}

static void hear(struct client *c, CURLcode code, struct meter *meter)
{
    long status = 0;
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK)
        meter_failed(meter, curl_easy_strerror(code));
    else if (status != 200 || !strstr(c->answer, "\"revision\""))
        meter_failed(meter, c->answer);
    else
        meter_ok(meter, c->sent_us, meter_now_us());
}

static void turn(CURLM *multi, struct meter *meter, const char *value)
{
    int running, left;
    curl_multi_perform(multi, &running);
    CURLMsg *m;
    while ((m = curl_multi_info_read(multi, &left))) {
        struct client *c;
        CURL *easy = m->easy_handle;
        CURLcode code = m->data.result;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &c);
        curl_multi_remove_handle(multi, easy);
        hear(c, code, meter);
        ask(c, multi, value);
    }
    curl_multi_poll(multi, NULL, 0, 100, NULL);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    size_t count = meter_number(argv[2], 1, 10000);
    size_t bytes = meter_number(argv[3], 1, 1 << 20);
    char *raw = malloc(bytes);
    memset(raw, 'f', bytes);
    char *value = base64(raw, bytes);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM *multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)count);
    struct curl_slist *headers =
        curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    struct client *clients = calloc(count, sizeof *clients);
    struct meter meter = {0};
    meter_start(&meter, 0.5, meter_seconds(argv[4]));
    for (size_t i = 0; i < count; i++) {
        dial(&clients[i], argv[1], headers);
        ask(&clients[i], multi, value);
    }
    while (!meter_is_over(&meter, meter_now_us()))
        turn(multi, &meter, value);
    return meter_print(&meter);
}
