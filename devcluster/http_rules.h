/* SPDX-License-Identifier: Apache-2.0 */
/* http_rules - what a master says to a request before it knows the caller
 *
 * Pure: method, headers and body in; a decoded call, or the status and text of
 * a refusal, in the order in which a real master decides.
 */
#ifndef REEVE_DEVCLUSTER_HTTP_RULES_H
#define REEVE_DEVCLUSTER_HTTP_RULES_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto/mesos/v1/scheduler.pb-c.h"

#define HTTP_JSON     "application/json"
#define HTTP_PROTOBUF "application/x-protobuf"

/* Headers are NULL when absent. */
struct http_given {
    const char *method;
    const char *content_type;
    const char *accept;
    const char *stream_id;
    const char *body;
    size_t body_len;
    const char *path; /* without "/master" */
};
struct http_refusal {
    int status; /* 0: not refused */
    char text[1200];
};

/* The text as JSON of any type; NULL and a refusal in the master's words. */
json_t *http_json(const char *text, size_t len, struct http_refusal *refusal);
/* Puts something before the text of a refusal. */
void http_refusal_wrap(struct http_refusal *refusal, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Decodes the body as its Content-Type says; NULL and a refusal otherwise. */
ProtobufCMessage *http_decode(const struct http_given *given,
                              const ProtobufCMessageDescriptor *type,
                              struct http_refusal *refusal);
/* Rows up to the caller's framework, for the scheduler endpoint. */
Mesos__V1__Scheduler__Call *http_scheduler_call(const struct http_given *given,
                                                struct http_refusal *refusal);

/* What a reply will be in.  JSON is tried first, as a master does: no header,
 * wildcards and lists with both give JSON. */
enum http_encoding { HTTP_NEITHER, HTTP_AS_JSON, HTTP_AS_PROTOBUF };
enum http_encoding http_accepted(const char *accept);

/* Longest route that is path itself or a parent folder of it; with or without
 * a "/master" in front.  Index into routes, or -1. */
int http_route(const char *const *routes, size_t count, const char *path);

#endif
