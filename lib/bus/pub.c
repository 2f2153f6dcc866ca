/* SPDX-License-Identifier: Apache-2.0 */
/* bus_pub - publishes topic, revision, body on one PUB socket
 *
 * Does not wait and does not keep anything: a subscriber that reads too slowly
 * loses messages, sees the gap by the numbers and takes a new snapshot.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/bus/bus.h"
#include "lib/bus/endpoint.h"
#include "lib/bus/envelope.h"

struct bus_pub {
    void *socket;
    int lock_fd;
    struct buf scratch;
};

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
    return pub;
}

void bus_pub_destroy(struct bus_pub **pub_p)
{
    struct bus_pub *pub = *pub_p;
    if (!pub)
        return;
    bus_unbind(&pub->socket, &pub->lock_fd);
    buf_free(&pub->scratch);
    free(pub);
    *pub_p = NULL;
}

void bus_pub_send(struct bus_pub *pub, const char *topic, uint64_t revision,
                  const ProtobufCMessage *body)
{
    uint64_t big_endian = htobe64(revision);
    buf_clear(&pub->scratch);
    envelope_pack(body, &pub->scratch);
    zmq_send(pub->socket, topic, strlen(topic), ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(pub->socket, &big_endian, sizeof big_endian,
             ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(pub->socket, buf_text(&pub->scratch), pub->scratch.len,
             ZMQ_DONTWAIT);
}
