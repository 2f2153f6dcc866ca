/* SPDX-License-Identifier: Apache-2.0 */
/* http_control - faults on command: POST /devcluster/agents/N/VERB
 *
 * VERB: partition, hang, kill, return, unregister.  GET /devcluster/status
 * shows every agent.  This is ours; a real master has no such thing.
 */
#ifndef REEVE_DEVCLUSTER_HTTP_CONTROL_H
#define REEVE_DEVCLUSTER_HTTP_CONTROL_H

struct cluster;
struct httpd_request;

void http_control(struct cluster *cluster, struct httpd_request *request);

#endif
