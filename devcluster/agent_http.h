/* SPDX-License-Identifier: Apache-2.0 */
/* agent_http - an agent's own HTTP endpoints: /health, /version, /state, /files
 *
 * Each also below "/slave(1)".  Reads only; what is no sandbox or volume of
 * this agent is refused.
 */
#ifndef REEVE_DEVCLUSTER_AGENT_HTTP_H
#define REEVE_DEVCLUSTER_AGENT_HTTP_H

struct agent;
struct agent_http;
struct err;
struct loop;

/* port 0, or one that is taken: any free one. */
struct agent_http *agent_http_new(struct loop *loop, const char *address,
                                  int port, struct err *err);
void agent_http_destroy(struct agent_http **http);
int agent_http_port(const struct agent_http *http);
/* NULL: the agent is down; everything answers 503. */
void agent_http_set(struct agent_http *http, struct agent *agent);

#endif
