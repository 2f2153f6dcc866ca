/* SPDX-License-Identifier: Apache-2.0 */
/* reply - the few ways in which an exchange is answered */
#ifndef REEVE_API_GATEWAY_REPLY_H
#define REEVE_API_GATEWAY_REPLY_H

#include <jansson.h>

#include "services/api-gateway/gateway.h"

/* Answers with what was kept of this state under x->kept_as; false: nothing. */
bool reply_kept(struct exchange *x);
/* Takes the reference.  NULL: 404 with "<kind> <name> not found". */
void reply_json(struct exchange *x, int status, json_t *body);
void reply_json_or_404(struct exchange *x, json_t *body, const char *kind,
                       const char *name);
/* {"message":"…"} */
void reply_message(struct exchange *x, const char *message);
void reply_text(struct exchange *x, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* As it is. */
void reply_raw(struct exchange *x, const char *type, const void *data,
               size_t len);
/* The HTTP status that an error of the bus or of a view means. */
int reply_status_of(const struct err *err);

#endif
