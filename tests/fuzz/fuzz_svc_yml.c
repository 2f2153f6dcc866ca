/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as svc.yml: a spec that can be hashed and compared, or an error. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/spec/spec.h"
#include "lib/spec/supported.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int read_template(void *self, const char *path, struct buf *out,
                         struct err *err)
{
    (void)self;
    (void)err;
    buf_add_str(out, path);
    return 0;
}

static void use(const Reeve__ServiceSpec *spec)
{
    char *texts[8], digest[65];
    bool is_fatal;

    for (size_t i = 0; i < spec->n_pods; i++)
        spec_pod_digest(spec, spec->pods[i], digest);
    size_t n = spec_unsupported(spec, texts, ARRAY_LEN(texts));
    for (size_t i = 0; i < n; i++)
        free(texts[i]);
    n = spec_check_change(spec, spec, texts, ARRAY_LEN(texts), &is_fatal);
    for (size_t i = 0; i < n; i++)
        free(texts[i]);
    ASSERT(!is_fatal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const env[] = {"A=1", "B=x: y", "TASKCFG_ALL_C=d",
                                      "F=false", NULL};
    const struct spec_source source = {.path = "dir/svc.yml",
                                       .text = (const char *)data,
                                       .len = len,
                                       .env = env,
                                       .read_file = read_template};
    struct err err = {0};
    Reeve__ServiceSpec *spec = spec_parse(&source, &err);

    if (!spec) {
        ASSERT(err.code == ERR_INVALID && *err.text);
        return 0;
    }
    use(spec);
    reeve__service_spec__free_unpacked(spec, NULL);
    return 0;
}
