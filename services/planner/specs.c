/* SPDX-License-Identifier: Apache-2.0 */
/* specs - svc.yml files given with --spec: read, and handed to their services
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/spec/spec.h"
#include "lib/spec/supported.h"
#include "lib/wire/wire.h"
#include "services/planner/planner.h"

#define MAX_UNSUPPORTED 20

static void forget_file(struct spec_file *file)
{
    free(file->svc);
    free(file->error);
    file->svc = NULL;
    file->error = NULL;
}

void specs_free(struct planner *planner)
{
    for (size_t i = 0; i < planner->n_files; i++) {
        forget_file(&planner->files[i]);
        free(planner->files[i].path);
    }
    free(planner->files);
    planner->files = NULL;
    planner->n_files = 0;
}

static void list_files(struct planner *planner)
{
    const char *const *paths;
    size_t n = service_list(planner->service, "spec", &paths);
    planner->files = xcalloc(n + 1, sizeof *planner->files);
    for (size_t i = 0; i < n; i++)
        planner->files[i].path = xstrdup(paths[i]);
    planner->n_files = n;
}

static bool is_taken(const struct planner *planner, size_t index,
                     const char *svc)
{
    for (size_t i = 0; i < index; i++)
        if (planner->files[i].svc && str_eq(planner->files[i].svc, svc))
            return true;
    return false;
}

static void log_warnings(const char *path, const Reeve__ServiceSpec *spec)
{
    for (size_t i = 0; i < spec->n_warnings; i++)
        log_info("spec_warning", "path=%s text=%s", log_q(path),
                 log_q(spec->warnings[i]));
}

/* A spec that asks for what no suite runs is refused whole. */
static Reeve__ServiceSpec *load(const char *path, struct err *err)
{
    Reeve__ServiceSpec *spec =
        spec_load(path, (const char *const *)environ, err);
    char *texts[MAX_UNSUPPORTED];
    size_t n = spec ? spec_unsupported(spec, texts, MAX_UNSUPPORTED) : 0;
    AUTO_BUF struct buf all = {0};
    for (size_t i = 0; i < n; i++) {
        buf_addf(&all, "%s%s", i ? "; " : "", texts[i]);
        free(texts[i]);
    }
    if (n == 0)
        return spec;
    ProtobufCMessage *message = &spec->base;
    wire_free(&message);
    err_set(err, ERR_UNSUPPORTED, "%s: %s", path, buf_text(&all));
    return NULL;
}

static int read_file(struct planner *planner, size_t index, struct err *err)
{
    struct spec_file *file = &planner->files[index];
    struct err why = {0};
    Reeve__ServiceSpec *spec = load(file->path, &why);
    if (!spec) {
        file->error = xstrdup(why.text);
        log_odd("spec_refused", "path=%s text=%s", log_q(file->path),
                log_q(why.text));
        return 0;
    }
    AUTO_FREE char *svc = spec_service_key(spec->name);
    if (is_taken(planner, index, svc)) {
        ProtobufCMessage *message = &spec->base;
        wire_free(&message);
        return err_set(err, ERR_INVALID,
                       "%s: service %s is declared by another file too",
                       file->path, svc);
    }
    log_info("spec_read", "path=%s service=%s pods=%zu", log_q(file->path), svc,
             spec->n_pods);
    log_warnings(file->path, spec);
    struct managed *managed = planner_get(planner, svc);
    intent_destroy(&managed->intent);
    managed->intent = intent_new(spec, NULL);
    file->svc = MOVE(svc);
    return 0;
}

int specs_read(struct planner *planner, struct err *err)
{
    if (!planner->files)
        list_files(planner);
    for (size_t i = 0; i < planner->n_files; i++)
        forget_file(&planner->files[i]);
    for (size_t i = 0; i < planner->n_files; i++)
        if (read_file(planner, i, err) < 0)
            return -1;
    return 0;
}

static bool is_declared(const struct planner *planner, const char *svc)
{
    for (size_t i = 0; i < planner->n_files; i++)
        if (planner->files[i].svc && str_eq(planner->files[i].svc, svc))
            return true;
    return false;
}

/* The one running service that no readable file declares; NULL: none, or more
 * than one. */
static struct managed *only_undeclared(const struct planner *planner,
                                       size_t *count)
{
    struct managed *found = NULL;
    *count = 0;
    for (struct managed *m = planner->managed; m; m = m->hh.next) {
        if (!m->facts->target || is_declared(planner, m->svc))
            continue;
        found = m;
        (*count)++;
    }
    return *count == 1 ? found : NULL;
}

static const struct managed *any_undeclared(const struct planner *planner)
{
    for (struct managed *m = planner->managed; m; m = m->hh.next)
        if (m->facts->target && !is_declared(planner, m->svc))
            return m;
    return NULL;
}

/* With another name the same file would be deployed a second time, on new
 * volumes, beside the service that it described before. */
static void refuse_rename(struct planner *planner, struct spec_file *file)
{
    struct managed *managed =
        file->svc ? planner_get(planner, file->svc) : NULL;
    if (!managed || managed->facts->target)
        return;
    const struct managed *lost = any_undeclared(planner);
    if (!lost)
        return;
    file->error = xasprintf(
        "%s: declares the new service %s, and nothing declares %s any more, "
        "which runs: if this is another name for it, change it back, as it "
        "would be deployed anew on empty volumes; to run both, declare both "
        "(--spec may be given several times) or say --allow-new-service",
        file->path, file->svc, lost->svc);
    log_odd("spec_refused", "path=%s text=%s", log_q(file->path),
            log_q(file->error));
    intent_destroy(&managed->intent);
    free(file->svc);
    file->svc = NULL;
}

int specs_settle(struct planner *planner, struct err *err)
{
    bool allows = service_bool(planner->service, "allow-new-service");
    for (size_t i = 0; !allows && i < planner->n_files; i++)
        refuse_rename(planner, &planner->files[i]);
    for (size_t i = 0; i < planner->n_files; i++) {
        struct spec_file *file = &planner->files[i];
        if (!file->error)
            continue;
        size_t count;
        struct managed *managed = only_undeclared(planner, &count);
        if (count == 0)
            return err_set(err, ERR_INVALID, "%s", file->error);
        if (!managed)
            continue; /* whose it is cannot be told; health says it */
        intent_destroy(&managed->intent);
        managed->intent = intent_new(NULL, xstrdup(file->error));
    }
    return 0;
}

/* The first fault of a specification; NULL: none. */
static const char *first_fault(const struct planner *planner)
{
    for (size_t i = 0; i < planner->n_files; i++)
        if (planner->files[i].error)
            return planner->files[i].error;
    for (struct managed *m = planner->managed; m; m = m->hh.next)
        if (m->facts->target && m->facts->target->n_errors > 0)
            return m->facts->target->errors[0];
    return NULL;
}

void specs_report(struct planner *planner)
{
    const char *fault = first_fault(planner);
    service_health(planner->service, "spec", !fault, "%s",
                   fault ? fault : "all specifications are accepted");
}
