/* SPDX-License-Identifier: Apache-2.0 */
/* http_streams - the endless answers to subscriptions, and how they may fail
 *
 * Records of events go out whole, each as one chunk, unless a fault says
 * otherwise.
 */
#ifndef REEVE_DEVCLUSTER_HTTP_STREAMS_H
#define REEVE_DEVCLUSTER_HTTP_STREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cluster;
struct http_streams;
struct httpd_request;
struct loop;
struct master_out;

struct http_streams *http_streams_new(struct loop *loop,
                                      struct cluster *cluster);
/* From here on the master is not told of streams that end. */
void http_streams_close(struct http_streams *streams);
/* After the server that carries them. */
void http_streams_destroy(struct http_streams **streams);

/* Its number for the master. */
uint64_t http_streams_open(struct http_streams *streams,
                           struct httpd_request *request,
                           const char *const *headers);
/* MASTER_OUT_EVENT and MASTER_OUT_CLOSE. */
void http_streams_output(struct http_streams *streams,
                         const struct master_out *out);
/* Ends all; the master is not told. */
void http_streams_drop(struct http_streams *streams);

/* ---- faults ------------------------------------------------------------- */
/* Half a record on each, then the connection breaks. */
void http_streams_cut(struct http_streams *streams);
/* Nothing is sent any more on those there are, not even their end. */
void http_streams_hang(struct http_streams *streams);
/* Records go out in pieces of so many bytes, each a chunk; 0: whole. */
void http_streams_split(struct http_streams *streams, size_t bytes);
/* What is said within so long goes out as one chunk; 0: at once. */
void http_streams_join(struct http_streams *streams, int64_t ms);
/* HEARTBEAT events are swallowed. */
void http_streams_mute(struct http_streams *streams, bool mute);

#endif
