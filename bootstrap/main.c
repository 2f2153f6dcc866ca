/* SPDX-License-Identifier: Apache-2.0 */
/* bootstrap - prepares a task's sandbox before its command runs
 *
 * Waits until the task's own name (and others) resolve, renders the config
 * templates that were fetched for it over its environment, and puts them where
 * svc.yml says.  Needs nothing but a C library: it is fetched into sandboxes
 * and images of others.  Exit codes: 0 done, 1 failed, 2 usage.
 */
#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bootstrap/plan.h"
#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/spec/mustache.h"

#define RETRY_MS      1000
#define NO_BOUND      (1 << 30)
#define CA_BUNDLE     ".ssl/ca-bundle.crt"
#define TRUSTED_CERTS "lib/security/cacerts"

extern char **environ;

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *fmt, ...)
{
    va_list args;

    fprintf(stderr, "bootstrap: ");
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

/* ---- environment -------------------------------------------------- */
static void print_env(void)
{
    for (char **var = environ; *var; var++) {
        AUTO_FREE char *name = xstrndup(*var, strcspn(*var, "="));

        if (plan_is_secret(name))
            say("%s=(masked)", name);
        else
            say("%s", *var);
    }
}

/* ---- names -------------------------------------------------------- */
/* The first address; malloc'd, NULL when there is none. */
static char *resolve(const char *host, int *why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    char text[NI_MAXHOST];

    *why = getaddrinfo(host, NULL, &hints, &list);
    if (*why != 0)
        return NULL;
    *why = getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof(text),
                       NULL, 0, NI_NUMERICHOST);
    freeaddrinfo(list);
    return *why == 0 ? xstrdup(text) : NULL;
}

static int wait_for_name(const struct plan *plan, const char *host)
{
    int64_t start_ms = clock_mono_ms();
    AUTO_FREE char *address = NULL;
    int why;

    while (!(address = resolve(host, &why))) {
        if (plan->is_verbose)
            say("%s: %s", host, gai_strerror(why));
        if (plan->resolve_for_ms &&
            clock_mono_ms() - start_ms >= plan->resolve_for_ms) {
            say("%s does not resolve: %s", host, gai_strerror(why));
            return -1;
        }
        nanosleep(&(struct timespec){0, RETRY_MS * 1000000L - 1}, NULL);
    }
    say("%s is %s", host, address);
    return 0;
}

/* Own name; NULL: there is none to wait for. malloc'd. */
static char *own_name(const struct plan *plan)
{
    const char *task = plan_env(environ, "TASK_NAME");
    const char *framework = plan_env(environ, "FRAMEWORK_HOST");
    const char *address = plan_env(environ, "MESOS_CONTAINER_IP");

    if (!plan->resolves_self || !task || !framework)
        return NULL;
    if (address && str_starts(address, "127.")) {
        say("on a loopback address (%s): no name to wait for", address);
        return NULL;
    }
    return xasprintf("%s.%s", task, framework);
}

static int wait_for_names(const struct plan *plan)
{
    AUTO_FREE char *self = own_name(plan);
    const char *at = str_or_empty(plan->hosts);

    if (self && wait_for_name(plan, self) < 0)
        return -1;
    while (*at) {
        size_t len = strcspn(at, ",");
        AUTO_FREE char *host = xstrndup(at, len);

        if (*host && wait_for_name(plan, host) < 0)
            return -1;
        at += len + (at[len] == ',');
    }
    return 0;
}

static int print_ip(void)
{
    const char *address = plan_env(environ, "MESOS_CONTAINER_IP");
    char host[256] = "";
    int why = 0;

    if (address) {
        puts(address);
        return 0;
    }
    gethostname(host, sizeof(host) - 1);
    AUTO_FREE char *found = resolve(host, &why);
    if (!found) {
        say("%s: %s", host, gai_strerror(why));
        return -1;
    }
    puts(found);
    return 0;
}

/* ---- templates ---------------------------------------------------- */
/* A variable named like the task is "true"; some shells drop it on the way,
 * because its name has dashes. */
static const char *get_var(void *self, const char *name, size_t len)
{
    AUTO_FREE char *text = xstrndup(name, len);
    const char *value = plan_env(environ, text);

    (void)self;
    if (!value && str_eq(text, plan_env(environ, "TASK_NAME")))
        value = "true";
    return value;
}

static char *in_sandbox(const char *path)
{
    const char *sandbox = plan_env(environ, "MESOS_SANDBOX");

    return *path == '/' || !sandbox ? xstrdup(path)
                                    : xasprintf("%s/%s", sandbox, path);
}

static int write_out(const char *path, const struct buf *text, struct err *err)
{
    const char *slash = strrchr(path, '/');
    AUTO_FREE char *folder =
        slash && slash > path ? xstrndup(path, (size_t)(slash - path)) : NULL;

    if (folder && fs_mkdirs(folder, 0755, err) < 0)
        return -1;
    return fs_write_atomic(path, buf_text(text), text->len, 0644, err);
}

static int render(const struct plan *plan, const char *from, const char *to)
{
    const struct mustache_vars vars = {get_var, NULL};
    struct mustache_result result = {0};
    AUTO_FREE char *source = in_sandbox(from);
    AUTO_FREE char *target = in_sandbox(to);
    AUTO_BUF struct buf text = {0};
    struct err err = {0};
    size_t bound = plan->max_template_bytes ? (size_t)plan->max_template_bytes
                                            : (size_t)NO_BOUND;
    int rc = fs_read(source, bound, &text, &err);

    if (rc == 0)
        rc = mustache_render(buf_text(&text), text.len, &vars, &result, &err);
    for (size_t i = 0; rc == 0 && i < result.n_missing; i++)
        say("%s:%zu: %s is not set", from, result.missing[i].line,
            result.missing[i].name);
    if (rc == 0)
        rc = write_out(target, &result.text, &err);
    mustache_result_free(&result);
    if (rc < 0)
        say("template %s: %s", from, err.text);
    else
        say("wrote %s", target);
    return rc;
}

static int render_all(const struct plan *plan)
{
    for (char **var = environ; *var; var++) {
        AUTO_FREE char *from = NULL, *to = NULL;

        if (!plan_template(*var, &from, &to))
            continue;
        if (!from) {
            say("not \"template,target\": %s", *var);
            return -1;
        }
        if (render(plan, from, to) < 0)
            return -1;
    }
    return 0;
}

/* ---- certificates ------------------------------------------------- */
static int run_keytool(const char *java, const char *store)
{
    AUTO_FREE char *tool = xasprintf("%s/bin/keytool", java);
    char *argv[] = {tool,
                    (char[]){"-importcert"},
                    (char[]){"-noprompt"},
                    (char[]){"-alias"},
                    (char[]){"cluster-ca"},
                    (char[]){"-keystore"},
                    (char *)(uintptr_t)store,
                    (char[]){"-storepass"},
                    (char[]){"changeit"},
                    (char[]){"-file"},
                    (char[]){CA_BUNDLE},
                    NULL};
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        execv(tool, argv);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
        return -1;
    return 0;
}

/* Agents of DC/OS put their CA there.  Without a JRE nobody needs it. */
static int install_certs(void)
{
    const char *java = plan_env(environ, "JAVA_HOME");
    AUTO_FREE char *store = NULL;

    if (!java || access(CA_BUNDLE, R_OK) != 0)
        return 0;
    store = xasprintf("%s/%s", java, TRUSTED_CERTS);
    if (access(store, W_OK) != 0) {
        say("%s: %s: no certificate is added", store, strerror(errno));
        return 0;
    }
    if (run_keytool(java, store) < 0) {
        say("keytool did not add %s to %s", CA_BUNDLE, store);
        return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct plan plan;
    struct err err = {0};

    if (plan_read(&plan, argc, argv, &err) < 0) {
        AUTO_FREE char *usage = plan_usage();

        say("%s", err.text);
        fputs(usage, stderr);
        return 2;
    }
    if (plan.prints_help) {
        AUTO_FREE char *usage = plan_usage();

        fputs(usage, stdout);
        return 0;
    }
    if (plan.prints_ip)
        return print_ip() < 0;
    if (plan.prints_env)
        print_env();
    if (plan.resolves && wait_for_names(&plan) < 0)
        return 1;
    if (plan.renders && render_all(&plan) < 0)
        return 1;
    if (plan.installs_certs && install_certs() < 0)
        return 1;
    return 0;
}
