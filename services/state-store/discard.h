/* SPDX-License-Identifier: Apache-2.0 */
/* discard - files that nobody needs any more, removed beside the work
 *
 * To remove a gigabyte takes a file system a second, so a thread does it, in
 * small steps.  A file loses its name at once; what is not removed when the
 * process ends goes at the next start (data_dir.h).
 */
#ifndef REEVE_STATE_STORE_DISCARD_H
#define REEVE_STATE_STORE_DISCARD_H

struct discard;

struct discard *discard_new(void);
/* Ends after the step under way. */
void discard_destroy(struct discard **discard);

/* NULL for discard: here and now. */
void discard_file(struct discard *discard, const char *path);

#endif
