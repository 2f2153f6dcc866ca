/* SPDX-License-Identifier: Apache-2.0 */
/* agent_files - /files/{browse,read,download} of an agent
 *
 * A path is a real one or /frameworks/F/executors/E/runs/latest[/…]; anything
 * outside this agent's sandboxes and volumes is refused.
 */
#ifndef REEVE_DEVCLUSTER_AGENT_FILES_H
#define REEVE_DEVCLUSTER_AGENT_FILES_H

struct agent;
struct httpd_request;

void agent_files_browse(struct agent *agent, struct httpd_request *request);
void agent_files_read(struct agent *agent, struct httpd_request *request);
void agent_files_download(struct agent *agent, struct httpd_request *request);

#endif
