/* SPDX-License-Identifier: Apache-2.0 */
/* err - the one error shape: a code to branch on, a text for people
 *
 * Functions that can fail take `struct err *err` last and return 0 or -1, or a
 * pointer or NULL.  err may be NULL where the caller does not care.  Nothing
 * here allocates or logs: whoever decides what to do with a failure logs it.
 */
#ifndef REEVE_LIB_BASE_ERR_H
#define REEVE_LIB_BASE_ERR_H

#include <stddef.h>

/* The numbers travel in bus replies (proto/bus.proto): never renumber. */
enum err_code {
    ERR_NONE = 0,
    ERR_INVALID = 1,      /* their input is wrong; retrying will not help */
    ERR_NOT_FOUND = 2,    /* the named thing is not there */
    ERR_EXISTS = 3,       /* it is there already */
    ERR_FULL = 4,         /* a bound is reached; try later */
    ERR_IO = 5,           /* disk, network, another process */
    ERR_TIMEOUT = 6,      /* no answer before the deadline */
    ERR_CONFLICT = 7,     /* a precondition did not hold */
    ERR_FENCED = 8,       /* a lease was lost: stop writing */
    ERR_UNAVAILABLE = 9,  /* not ready yet; try later */
    ERR_UNSUPPORTED = 10, /* understood, but not done here */
    ERR_CORRUPT = 11,     /* stored bytes are damaged */
    ERR_NOOP = 12,        /* nothing to do: already so */
};

struct err {
    enum err_code code; /* what the caller may branch on */
    char text[1024];    /* what a person reads; never parsed */
};

/* Fill *err (if not NULL) and return -1. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* ERR_IO (ENOENT: ERR_NOT_FOUND, EEXIST: ERR_EXISTS), with ": strerror". */
int err_sys(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Puts "context: " before the old text; the code stays. */
int err_wrap(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void err_clear(struct err *err);
/* "invalid", "not-found" …; never NULL. */
const char *err_code_name(enum err_code code);

#endif
