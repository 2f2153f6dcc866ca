/* SPDX-License-Identifier: Apache-2.0 */
/* bus_pub - publishes topic, revision, body on one PUB socket
 *
 * Does not wait and does not keep anything: a subscriber that reads too slowly
 * loses messages, sees the gap by the numbers and takes a new snapshot.
 */
#include <endian.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "lib/base/base.h"
#include "lib/bus/bus.h"
#include "lib/bus/endpoint.h"

/* Bodies that wait in sockets; lives until the last of them was freed, which
 * threads of 0MQ do, maybe after the bus_pub is gone. */
struct waiting {
    atomic_size_t bytes;
    atomic_size_t refs;
};

struct bus_pub {
    void *socket;
    int lock_fd;
    struct waiting *waiting;
};

struct body {
    struct waiting *waiting;
    size_t len;
    uint8_t bytes[];
};

static void waiting_unref(struct waiting *waiting)
{
    if (atomic_fetch_sub(&waiting->refs, 1) == 1)
        free(waiting);
}

static void body_free(void *bytes UNUSED, void *hint)
{
    struct body *body = hint;
    atomic_fetch_sub(&body->waiting->bytes, body->len);
    waiting_unref(body->waiting);
    free(body);
}

static void send_body(struct bus_pub *pub, const ProtobufCMessage *message)
{
    size_t len = message ? protobuf_c_message_get_packed_size(message) : 0;
    struct body *body = xmalloc(sizeof *body + len);
    body->waiting = pub->waiting;
    body->len = len;
    if (message)
        protobuf_c_message_pack(message, body->bytes);
    atomic_fetch_add(&pub->waiting->refs, 1);
    atomic_fetch_add(&pub->waiting->bytes, len);
    zmq_msg_t frame;
    int rc = zmq_msg_init_data(&frame, body->bytes, len, body_free, body);
    ASSERT(rc == 0);
    if (zmq_msg_send(&frame, pub->socket, ZMQ_DONTWAIT) < 0)
        zmq_msg_close(&frame);
}

struct bus_pub *bus_pub_new(const char *endpoint, int high_water,
                            struct err *err)
{
    void *socket = bus_socket(ZMQ_PUB, high_water);
    int lock_fd = -1;
    if (bus_bind(socket, endpoint, &lock_fd, err) < 0) {
        bus_unbind(&socket, &lock_fd);
        return NULL;
    }
    struct bus_pub *pub = xcalloc(1, sizeof *pub);
    pub->socket = socket;
    pub->lock_fd = lock_fd;
    pub->waiting = xcalloc(1, sizeof *pub->waiting);
    atomic_store(&pub->waiting->refs, 1);
    return pub;
}

void bus_pub_destroy(struct bus_pub **pub_p)
{
    struct bus_pub *pub = *pub_p;
    if (!pub)
        return;
    bus_unbind(&pub->socket, &pub->lock_fd);
    waiting_unref(pub->waiting);
    free(pub);
    *pub_p = NULL;
}

void bus_pub_send(struct bus_pub *pub, const char *topic, uint64_t revision,
                  const ProtobufCMessage *body)
{
    uint64_t big_endian = htobe64(revision);
    zmq_send(pub->socket, topic, strlen(topic), ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(pub->socket, &big_endian, sizeof big_endian,
             ZMQ_SNDMORE | ZMQ_DONTWAIT);
    send_body(pub, body);
}

size_t bus_pub_in_flight(const struct bus_pub *pub)
{
    return atomic_load(&pub->waiting->bytes);
}
