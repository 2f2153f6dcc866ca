/* SPDX-License-Identifier: Apache-2.0 */
/* recordio - "<decimal length>\n<bytes>" framing of the Mesos event stream
 *
 * Pure: bytes in, records out; independent of HTTP chunks.
 */
#ifndef REEVE_LIB_HTTP_RECORDIO_H
#define REEVE_LIB_HTTP_RECORDIO_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct recordio;

/* max_record_bytes: a longer record is an error (64 MiB is sensible). */
struct recordio *recordio_new(size_t max_record_bytes);
void recordio_destroy(struct recordio **recordio);
/* Feeds bytes; fn is called for each whole record (borrowed bytes).  fn returns
 * non-zero to stop early (returned as is; the rest of this data is lost, so
 * destroy the recordio then, but not from inside fn).  -1 with ERR_INVALID on a
 * bad header or an oversized record: the stream is unusable from then on. */
int recordio_feed(struct recordio *recordio, const void *data, size_t len,
                  int (*fn)(void *self, const uint8_t *record, size_t len),
                  void *self, struct err *err);
/* Appends one framed record. */
void recordio_encode(const void *record, size_t len, struct buf *out);

#endif
