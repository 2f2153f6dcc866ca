#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever is sent to whichever endpoint of the devcluster, by any method: an
answer, nothing worse than 501, and the cluster serves on."""
import http.client
import json
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scheduler import Cluster, Framework
from suite import check, done, patient

PATHS = [
    "/api/v1/scheduler", "/api/v1", "/health", "/redirect", "/state",
    "/state-summary", "/slaves", "/frameworks", "/tasks", "/roles", "/flags",
    "/version", "/metrics/snapshot", "/maintenance/schedule",
    "/maintenance/status", "/machine/down", "/machine/up", "/quota", "/weights",
    "/teardown", "/reserve", "/unreserve", "/create-volumes",
    "/destroy-volumes", "/devcluster/status", "/devcluster/nothing",
    "/devcluster/agents/99999999999/kill", "/devcluster/agents/0/fry",
    "/devcluster/updates?delay_ms=-1", "/devcluster/streams/split?bytes=x",
    "/master/state?jsonp=f", "/tasks?limit=-9&offset=9999999999999",
    "/%00", "/" + "a" * 3000, "/slaves?slave_id=%ff%fe", "//state", "/..",
]
METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "BREW"]
DEEP = "[" * 3000 + "]" * 3000
CALLS = ["DRAIN_AGENT", "DEACTIVATE_AGENT", "REACTIVATE_AGENT",
         "MARK_AGENT_GONE", "UPDATE_QUOTA", "UPDATE_WEIGHTS",
         "UPDATE_MAINTENANCE_SCHEDULE", "START_MAINTENANCE", "GROW_VOLUME",
         "STOP_MAINTENANCE", "SHRINK_VOLUME", "RESERVE_RESOURCES", "TEARDOWN",
         "SET_QUOTA", "REMOVE_QUOTA", "READ_FILE", "LIST_FILES", "UNKNOWN"]
BODIES = [
    b"", b"{", b"null", b"[]", b"[null]", b"{}", b"[{}]", b"\x00\xff" * 50,
    DEEP.encode(), b'{"type":1e400}', b'{"type":"GET_STATE","type":"GET_STATE"}',
    b"frameworkId=%zz&slaveId=&resources=[{}]&volumes=[1]",
    b"slaveId=x&resources=[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":"
    b"{\"value\":-1e308}}]", b'[{"role":"a/b","weight":-1}]',
    b'[{"hostname":"' + b"h" * 5000 + b'"}]',
    b'{"windows":[{"machine_ids":[{}],"unavailability":{"start":{'
    b'"nanoseconds":-9223372036854775808}}}]}',
] + [json.dumps({"type": t}).encode() for t in CALLS] + [
    json.dumps({"type": t, t.lower(): {}}).encode() for t in CALLS] + [
    json.dumps({"type": t, t.lower(): {
        "agent_id": {"value": "../x"}, "max_grace_period": {"seconds": -2**63},
        "framework_id": {"value": ""}, "machines": [{"ip": "x"}],
        "schedule": {"windows": [{}]},
        "quota_configs": [{"role": "*", "limits": {"": {"value": 1e300}}}],
        "weight_infos": [{"weight": 0}]}}).encode() for t in CALLS]
TYPES = ["application/json", "application/x-protobuf", "text/plain", None]


def send(master, method, path, body, kind):
    c = http.client.HTTPConnection(master, timeout=patient(15))
    headers = {"Mesos-Stream-Id": "x"} if kind == TYPES[1] else {}
    if kind:
        headers["Content-Type"] = kind
    c.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers.items():
        c.putheader(name, value)
    c.putheader("Content-Length", str(len(body)))
    c.endheaders(body)
    status = c.getresponse().status
    c.close()
    return status


with Cluster("nonsense", "--agents", "1", "--agent-ports", "23600",
             "--allocation-interval-ms", "100") as c:
    c.wait_agents(1)
    fw = Framework(c.masters[0])
    fw.launch(fw.offers()[0], "t")
    fw.wait_state("t", "TASK_RUNNING")
    draw, odd, count = random.Random(7), [], 0
    for path in PATHS:
        for method in METHODS:
            bodies = BODIES if path == "/api/v1" and method == "POST" else \
                [BODIES[0], *draw.sample(BODIES, 4)]
            for body in bodies:
                kind = TYPES[0] if bodies is BODIES else draw.choice(TYPES)
                count += 1
                try:
                    status = send(c.masters[0], method, path, body, kind)
                except (OSError, http.client.HTTPException) as e:
                    status = repr(e)
                if not isinstance(status, int) or status in (500, 502, 503) or \
                        status > 501:
                    odd.append((method, path[:40], body[:60], kind, status))
    check(f"{count} requests are answered, none by worse than 501", not odd,
          odd[:5])
    check("the cluster is as before", list(c.agents()) == ["agent-0.local"])
    check("and so is the task", fw.statuses("t")[-1]["state"] ==
          "TASK_RUNNING" and not fw.ended, fw.all[-2:])
done()
