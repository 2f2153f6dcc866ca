/* SPDX-License-Identifier: Apache-2.0 */
/* spec - the pipeline: render, parse, map, route the environment, validate */
#include "lib/spec/spec.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/spec/loader.h"
#include "lib/wire/pb.h"

#define MAX_FILE ((size_t)16 << 20)

static const char *get_env(void *self, const char *name, size_t len)
{
    const char *const *env = self;

    if (memchr(name, '\0', len) || memchr(name, '=', len))
        return NULL; /* no name of a variable */
    for (; env && *env; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    return NULL;
}

/* An unset variable renders as nothing: legal, but worth a word. */
static void warn_missing(struct loader *l)
{
    const struct mustache_result *r = l->rendered;

    for (size_t i = 0; i < r->n_missing; i++)
        load_note(l, "%s:%zu: %.100s is not set, taken as empty",
                  l->source->path, r->missing[i].line, r->missing[i].name);
}

static int load_rendered(struct loader *l)
{
    size_t line;
    struct err why = {0};
    struct yaml_node *root = yaml_tree_parse(
        buf_text(&l->rendered->text), l->rendered->text.len, &line, &why);
    int rc = 0;

    if (!root)
        return load_fail_line(l, line, "%s", why.text);
    if (load_service(l, root) < 0)
        rc = -1;
    if (rc == 0) {
        load_route_env(l);
        rc = load_validate(l, root);
    }
    if (rc == 0)
        warn_missing(l);
    yaml_tree_free(root);
    return rc;
}

Reeve__ServiceSpec *spec_parse(const struct spec_source *source,
                               struct err *err)
{
    struct mustache_result rendered;
    struct mustache_vars vars = {.get = get_env,
                                 .self = (void *)(uintptr_t)source->env};
    struct loader l = {.source = source, .rendered = &rendered, .err = err};

    if (mustache_render(source->text, source->len, &vars, &rendered, err) < 0) {
        err_wrap(err, "%s", source->path);
        return NULL;
    }
    l.spec = PB_NEW(reeve__service_spec);
    int rc = load_rendered(&l);
    mustache_result_free(&rendered);
    buf_free(&l.path);
    if (rc == 0)
        return l.spec;
    reeve__service_spec__free_unpacked(l.spec, NULL);
    return NULL;
}

static int read_real_file(void *self, const char *path, struct buf *out,
                          struct err *err)
{
    (void)self;
    return fs_read(path, MAX_FILE, out, err);
}

Reeve__ServiceSpec *spec_load(const char *path, const char *const *env,
                              struct err *err)
{
    AUTO_BUF struct buf text = {0};

    if (fs_read(path, MAX_FILE, &text, err) < 0)
        return NULL;
    const struct spec_source source = {.path = path,
                                       .text = buf_text(&text),
                                       .len = text.len,
                                       .env = env,
                                       .read_file = read_real_file};
    return spec_parse(&source, err);
}

const Reeve__PodSpec *spec_find_pod(const Reeve__ServiceSpec *spec,
                                    const char *type)
{
    for (size_t i = 0; i < spec->n_pods; i++)
        if (str_eq(spec->pods[i]->type, type))
            return spec->pods[i];
    return NULL;
}

const Reeve__TaskSpec *spec_find_task(const Reeve__PodSpec *pod,
                                      const char *name)
{
    for (size_t i = 0; i < pod->n_tasks; i++)
        if (str_eq(pod->tasks[i]->name, name))
            return pod->tasks[i];
    return NULL;
}

const Reeve__ResourceSet *spec_find_resource_set(const Reeve__PodSpec *pod,
                                                 const char *id)
{
    for (size_t i = 0; i < pod->n_resource_sets; i++)
        if (str_eq(pod->resource_sets[i]->id, id))
            return pod->resource_sets[i];
    return NULL;
}
