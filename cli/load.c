/* SPDX-License-Identifier: Apache-2.0 */
/* load - spec_load for people */
#include "cli/load.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/spec/supported.h"

#define MAX_TEXTS 20

static size_t print_all(char **texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cli_fail(EXIT_BAD_INPUT, "%s", texts[i]);
        free(texts[i]);
    }
    return n;
}

/* Texts that are errors; the others are printed as warnings. */
static size_t check_where(const Reeve__ServiceSpec *spec, enum load_where where)
{
    char *texts[MAX_TEXTS];
    size_t n = where == LOAD_FOR_CLUSTER
                   ? 0
                   : spec_unsupported_by_devcluster(spec, texts, MAX_TEXTS);

    if (where == LOAD_FOR_DEVCLUSTER)
        return print_all(texts, n);
    for (size_t i = 0; i < n; i++) {
        fprintf(stderr, "warning: %s\n", texts[i]);
        free(texts[i]);
    }
    return 0;
}

Reeve__ServiceSpec *load_spec(const char *path, char **env,
                              enum load_where where)
{
    struct err err = {0};
    char *texts[MAX_TEXTS];
    bool is_fatal;
    Reeve__ServiceSpec *spec = spec_load(path, (const char *const *)env, &err);

    if (!spec) {
        cli_fail(EXIT_BAD_INPUT, "%s", err.text);
        return NULL;
    }
    for (size_t i = 0; i < spec->n_warnings; i++)
        fprintf(stderr, "warning: %s\n", spec->warnings[i]);
    size_t n = print_all(texts, spec_unsupported(spec, texts, MAX_TEXTS));
    /* The broker's own option; it is given our environment. */
    n += print_all(texts,
                   spec_unconfigured_hooks(spec, getenv("REEVE_PLACEMENT_HOOK"),
                                           texts, MAX_TEXTS));
    /* What would be refused even as a first installation. */
    n += print_all(texts,
                   spec_check_change(NULL, spec, texts, MAX_TEXTS, &is_fatal));
    n += check_where(spec, where);
    if (n == 0)
        return spec;
    reeve__service_spec__free_unpacked(spec, NULL);
    return NULL;
}
