#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever is sent to whichever endpoint of the devcluster, by any method and in
whatever form of HTTP: an answer, nothing worse than 501, and the cluster serves
on, beside a thousand idle connections and readers that do not read."""
import http.client
import json
import os
import random
import re
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scheduler import Cluster, Framework
from suite import check, done, patient

PATHS = [
    "/api/v1/scheduler", "/api/v1", "/health", "/redirect", "/state",
    "/state-summary", "/slaves", "/frameworks", "/tasks", "/roles", "/flags",
    "/version", "/metrics/snapshot", "/maintenance/schedule",
    "/maintenance/status", "/machine/down", "/machine/up", "/quota", "/weights",
    "/teardown", "/reserve", "/unreserve", "/create-volumes",
    "/destroy-volumes", "/files/browse", "/files/read?path=/&offset=-2",
    "/files/download?path=%2e%2e", "/files/debug", "/quota/*", "/quota/a%2fb",
    "/devcluster/streams/join?ms=-1", "/devcluster/calls/delay?count=x",
    "/devcluster/offers/rescind?percent=101", "/devcluster/status", "/devcluster/nothing",
    "/devcluster/agents/99999999999/kill", "/devcluster/agents/0/fry",
    "/devcluster/updates?delay_ms=-1", "/devcluster/streams/split?bytes=x",
    "/master/state?jsonp=f", "/tasks?limit=-9&offset=9999999999999",
    "/%00", "/" + "a" * 3000, "/slaves?slave_id=%ff%fe", "//state", "/..",
]
METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "BREW"]
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


HEALTH = b'{"type":"GET_HEALTH"}'
POST = b"POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(HEALTH)
CHUNKS = b"".join(b"%x\r\n%s\r\n" % (len(p), p)
                  for p in (HEALTH[:7], HEALTH[7:], b""))
# What is sent, and the statuses of the answers.
FORMS = [
    ("a whole request", POST + LENGTH + b"\r\n" + HEALTH, [200]),
    ("two at once", (POST + LENGTH + b"\r\n" + HEALTH) * 2, [200, 200]),
    ("a body in chunks", POST + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS,
     [200]),
    ("HTTP/1.0", b"GET /health HTTP/1.0\r\n\r\n", [200]),
    ("a client that closes",
     b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", [200]),
    ("no host", b"GET /health HTTP/1.1\r\n\r\n", [200]),
    ("no head", b"\0\1\2\r\n\r\n", []),
    ("a negative length", POST + b"Content-Length: -5\r\n\r\n", []),
    ("a body of 40 MiB", POST + b"Content-Length: 41943040\r\n\r\n", [413]),
    ("parameters of the type",
     POST.replace(b"json\r", b"json; charset=utf-8\r") + LENGTH + b"\r\n" +
     HEALTH, [415]),
    ("OPTIONS", b"OPTIONS /api/v1/scheduler HTTP/1.1\r\nHost: x\r\n\r\n", [405]),
    ("half a head", b"POST /api/v1 HTT", []),
]


def answers(master, data, count):
    """Statuses of so many answers, or of those until it hangs up."""
    host, port = master.split(":")
    with socket.create_connection((host, int(port)), patient(15)) as s:
        s.sendall(data)
        got, statuses = b"", []
        while len(statuses) < count:
            try:
                piece = s.recv(65536)
            except ConnectionResetError:
                break
            if not piece:
                break
            got += piece
            statuses = [int(n) for n in re.findall(rb"HTTP/1\.1 (\d+) ", got)]
    return statuses


def forms_of_http(c):
    odd = [(what, got) for what, data, want in FORMS
           if (got := answers(c.masters[0], data, len(want))) != want]
    check("requests in all forms of HTTP are answered as they should", not odd,
          odd)


def many_and_slow(c):
    host, port = c.masters[0].split(":")
    idle = [socket.create_connection((host, int(port)), patient(15))
            for _ in range(1000)]
    # Subscribers that read nothing.
    for s in idle[:50]:
        body = json.dumps({"type": "SUBSCRIBE"}).encode()
        s.sendall(b"POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: "
                  b"application/json\r\nContent-Length: %d\r\n\r\n%s" %
                  (len(body), body))
    began = time.monotonic()
    check("a request is answered beside 1,000 idle connections",
          c.ask("/state")[0] == 200)
    other = Framework(c.masters[0], role="other")
    other.launch(other.offers()[0], "u")
    other.wait_state("u", "TASK_RUNNING")
    check("and a task starts, in seconds",
          time.monotonic() - began < patient(10))
    other.close()
    for s in idle:
        s.close()


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
    forms_of_http(c)
    fw.call("SUPPRESS")
    c.fault("/offers/rescind")
    many_and_slow(c)
    check("the cluster is as before", list(c.agents()) == ["agent-0.local"])
    check("and so is the task", fw.statuses("t")[-1]["state"] ==
          "TASK_RUNNING" and not fw.ended, fw.all[-2:])
done()
