/* SPDX-License-Identifier: Apache-2.0 */
/* master_list - the masters we were told about, and which one to try next
 *
 * Pure.  Tried in turn; a redirect (any of the forms "scheme://h:p/path",
 * "//h:p/path", "h:p") names the leader, which is tried until it fails.
 */
#ifndef REEVE_OFFER_BROKER_MASTER_LIST_H
#define REEVE_OFFER_BROKER_MASTER_LIST_H

#include <stddef.h>

struct err;
struct master_list;

/* "http://h:p[,h:p…]"; the scheme of the first counts for those without one;
 * no port: 5050; no scheme at all: http.  ERR_INVALID for anything else. */
struct master_list *master_list_parse(const char *text, struct err *err);
/* An empty list, for masters that ZooKeeper names. */
struct master_list *master_list_new(void);
/* The leader is at this URL: the list is it alone. */
void master_list_follow(struct master_list *list, const char *url);
void master_list_destroy(struct master_list **list);
/* "http://h:p" to try now; borrowed until the list changes.  NULL: empty. */
const char *master_list_current(const struct master_list *list);
/* The current one failed: go to the next (after a redirect: back to the list).
 */
void master_list_failed(struct master_list *list);
/* -1 with ERR_INVALID when the location cannot be used, or leads from https to
 * http. */
int master_list_redirect(struct master_list *list, const char *location,
                         struct err *err);
size_t master_list_count(const struct master_list *list);

#endif
