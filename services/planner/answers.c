/* SPDX-License-Identifier: Apache-2.0 */
#include "services/planner/answers.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/wire/wire.h"

static const char property_name[] = "planner-answers";

/* The property is lines of "<request id> <body in base64>", newest first. */
static const char *stored_lines(const struct facts *facts)
{
    const struct fact_property *p = facts_property(facts, property_name);
    return p ? p->text : "";
}

bool answers_find(const struct facts *facts, const char *request_id,
                  struct buf *body)
{
    size_t id_len = strlen(request_id);
    const char *line = stored_lines(facts);
    while (*line) {
        const char *end = strchrnul(line, '\n');
        if (id_len > 0 && strncmp(line, request_id, id_len) == 0 &&
            line[id_len] == ' ') {
            const char *text = line + id_len + 1;
            return base64_decode(text, (size_t)(end - text), body);
        }
        line = *end ? end + 1 : end;
    }
    return false;
}

void answers_keep(const struct facts *facts, const char *request_id,
                  const struct buf *body, struct changes *changes)
{
    AUTO_BUF struct buf text = {0};
    buf_addf(&text, "%s ", request_id);
    base64_encode(body->len ? body->data : "", body->len, &text);
    buf_add_char(&text, '\n');

    const char *line = stored_lines(facts);
    for (int kept = 1; kept < ANSWERS_KEPT && *line; kept++) {
        const char *end = strchrnul(line, '\n');
        buf_add(&text, line, (size_t)(end - line));
        buf_add_char(&text, '\n');
        line = *end ? end + 1 : end;
    }
    changes_put_text(changes, facts_key(facts, "property", property_name),
                     buf_text(&text));
}
