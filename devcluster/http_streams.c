/* SPDX-License-Identifier: Apache-2.0 */
/* http_streams - see http_streams.h */
#include "devcluster/http_streams.h"

#include <jansson.h>
#include <stdlib.h>

#include <uthash.h>

#include "devcluster/cluster.h"
#include "devcluster/http_rules.h"
#include "devcluster/json_view.h"
#include "devcluster/master.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/http/recordio.h"
#include "lib/httpd/httpd.h"
#include "lib/loop/loop.h"
#include "lib/mesos/pb_mesos.h"

#define CUT_AFTER_MS 100

/* One subscription's reply. */
struct stream {
    uint64_t id;
    struct http_streams *all;
    struct httpd_stream *body;
    bool json;
    bool hangs;
    uint64_t cut_timer; /* half a record went out: nothing else may */
    struct buf joined;  /* records that wait to go out together */
    uint64_t join_timer;
    UT_hash_handle hh;
};

struct http_streams {
    struct loop *loop;
    struct cluster *cluster;
    struct stream *streams;
    uint64_t next;
    size_t split_bytes; /* 0: records are not split */
    int64_t join_ms;    /* 0: nor joined */
    bool mute_heartbeats;
    bool closing;
};

/* ---- one ---------------------------------------------------------------- */

static void stream_free(struct stream *stream)
{
    HASH_DEL(stream->all->streams, stream);
    loop_timer_cancel(stream->all->loop, stream->cut_timer);
    loop_timer_cancel(stream->all->loop, stream->join_timer);
    buf_free(&stream->joined);
    free(stream);
}

static void on_closed(void *self)
{
    struct stream *stream = self;
    struct http_streams *all = stream->all;
    uint64_t id = stream->id;

    stream_free(stream);
    if (all->closing)
        return;
    master_stream_closed(cluster_master(all->cluster), id);
    cluster_flush(all->cluster);
}

uint64_t http_streams_open(struct http_streams *all,
                           struct httpd_request *request,
                           const char *const *headers)
{
    struct stream *stream = xcalloc(1, sizeof *stream);

    stream->id = ++all->next;
    stream->all = all;
    stream->json =
        http_accepted(httpd_header(request, "Accept")) == HTTP_AS_JSON;
    HASH_ADD(hh, all->streams, id, sizeof stream->id, stream);
    stream->body = httpd_stream_start(request, 200,
                                      stream->json ? HTTP_JSON : HTTP_PROTOBUF,
                                      headers, on_closed, stream);
    return stream->id;
}

static void encode_event(const struct stream *stream,
                         const ProtobufCMessage *event, struct buf *out)
{
    AUTO_BUF struct buf bytes = {0};

    if (stream->json) {
        json_t *json = wire_to_json(event, WIRE_JSON_DEFAULTS);
        char *text;

        if (event->descriptor == &mesos__v1__master__event__descriptor)
            view_fill_lists(json);
        text = json_dumps(json, VIEW_JSON);
        buf_add_str(&bytes, str_or_empty(text));
        free(text);
        json_decref(json);
    } else {
        wire_encode(event, &bytes);
    }
    recordio_encode(bytes.data, bytes.len, out);
}

static bool is_heartbeat(const ProtobufCMessage *message)
{
    const Mesos__V1__Scheduler__Event *event = (const void *)message;
    const Mesos__V1__Master__Event *told = (const void *)message;

    return message->descriptor == &mesos__v1__scheduler__event__descriptor
               ? event->type == MESOS__V1__SCHEDULER__EVENT__TYPE__HEARTBEAT
               : told->type == MESOS__V1__MASTER__EVENT__TYPE__HEARTBEAT;
}

/* ---- sending ------------------------------------------------------------ */

static int send_pieces(struct stream *stream, const struct buf *bytes,
                       struct err *err)
{
    size_t piece = stream->all->split_bytes;

    for (size_t at = 0; piece && at < bytes->len; at += piece) {
        if (httpd_stream_send(stream->body, bytes->data + at,
                              MIN(piece, bytes->len - at), err) < 0)
            return -1;
    }
    return piece
               ? 0
               : httpd_stream_send(stream->body, bytes->data, bytes->len, err);
}

static void send_bytes(struct stream *stream, const struct buf *bytes)
{
    struct err err;

    if (send_pieces(stream, bytes, &err) == 0)
        return;
    log_odd("stream_overrun", "stream=%llu error=%s",
            (unsigned long long)stream->id, log_q(err.text));
    /* Nobody tells us of a stream that we cut ourselves. */
    httpd_stream_abort(&stream->body);
    on_closed(stream);
}

static void on_join(void *self)
{
    struct stream *stream = self;
    struct buf bytes = stream->joined;

    stream->join_timer = 0;
    stream->joined = (struct buf){0};
    send_bytes(stream, &bytes);
    buf_free(&bytes);
}

static void end_stream(struct stream *stream)
{
    if (stream->joined.len) {
        loop_timer_cancel(stream->all->loop, stream->join_timer);
        stream->join_timer = 0;
        httpd_stream_send(stream->body, stream->joined.data, stream->joined.len,
                          NULL);
        buf_clear(&stream->joined);
    }
    httpd_stream_close(&stream->body);
}

void http_streams_output(struct http_streams *all, const struct master_out *out)
{
    AUTO_BUF struct buf record = {0};
    struct stream *stream;

    HASH_FIND(hh, all->streams, &out->to, sizeof out->to, stream);
    /* It closed meanwhile; the core knows or is about to. */
    if (!stream || !stream->body || stream->cut_timer || stream->hangs)
        return;
    if (out->kind == MASTER_OUT_CLOSE) {
        end_stream(stream);
        return;
    }
    if (all->mute_heartbeats && is_heartbeat(out->message))
        return;
    encode_event(stream, out->message, &record);
    if (!all->join_ms && !stream->joined.len) {
        send_bytes(stream, &record);
        return;
    }
    buf_add(&stream->joined, record.data, record.len);
    if (!stream->join_timer)
        stream->join_timer =
            loop_timer(all->loop, MAX(all->join_ms, 1), 0, on_join, stream);
}

/* ---- faults on command --------------------------------------------------- */

static void on_cut(void *self)
{
    struct stream *stream = self;

    stream->cut_timer = 0;
    httpd_stream_abort(&stream->body);
    on_closed(stream);
}

static void cut_stream(struct stream *stream)
{
    Mesos__V1__Scheduler__Event event = MESOS__V1__SCHEDULER__EVENT__INIT;
    AUTO_BUF struct buf record = {0};

    if (!stream->body || stream->cut_timer)
        return;
    event.type = MESOS__V1__SCHEDULER__EVENT__TYPE__HEARTBEAT;
    event.has_type = true;
    encode_event(stream, &event.base, &record);
    httpd_stream_send(stream->body, record.data, record.len - 1, NULL);
    /* Time for the half record to reach the other side. */
    stream->cut_timer =
        loop_timer(stream->all->loop, CUT_AFTER_MS, 0, on_cut, stream);
}

void http_streams_cut(struct http_streams *all)
{
    struct stream *stream, *next;

    HASH_ITER(hh, all->streams, stream, next)
    cut_stream(stream);
}

void http_streams_hang(struct http_streams *all)
{
    struct stream *stream, *next;

    HASH_ITER(hh, all->streams, stream, next)
    {
        stream->hangs = true;
        loop_timer_cancel(all->loop, stream->join_timer);
        stream->join_timer = 0;
    }
}

void http_streams_drop(struct http_streams *all)
{
    struct stream *stream, *next;

    HASH_ITER(hh, all->streams, stream, next)
    {
        httpd_stream_abort(&stream->body);
        stream_free(stream);
    }
}

void http_streams_split(struct http_streams *all, size_t bytes)
{
    all->split_bytes = bytes;
}

void http_streams_join(struct http_streams *all, int64_t ms)
{
    all->join_ms = ms;
}

void http_streams_mute(struct http_streams *all, bool mute)
{
    all->mute_heartbeats = mute;
}

/* ---- life --------------------------------------------------------------- */

struct http_streams *http_streams_new(struct loop *loop,
                                      struct cluster *cluster)
{
    struct http_streams *all = xcalloc(1, sizeof *all);

    all->loop = loop;
    all->cluster = cluster;
    return all;
}

void http_streams_close(struct http_streams *all)
{
    all->closing = true;
}

void http_streams_destroy(struct http_streams **all)
{
    struct stream *stream, *next;

    HASH_ITER(hh, (*all)->streams, stream, next)
    stream_free(stream);
    free(*all);
    *all = NULL;
}
