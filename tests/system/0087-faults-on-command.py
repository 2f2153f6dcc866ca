#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each fault of the devcluster that is told by a command does what it says, as a
framework sees it."""
import json
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scheduler import Cluster, Framework
from suite import check, done, patient, together, wait_for

QUICK = ("--allocation-interval-ms", "100", "--resend-ms", "300",
         "--recovery-wait-ms", "100", "--heartbeat-interval-ms", "500")
# Missed by a busy machine too, so for those who wait for it alone.
SOON_LOST = ("--agent-ping-timeout-ms", "500", "--max-ping-timeouts", "3")


def operations(fw, name):
    return [e["update_operation_status"]["status"]
            for e in fw.of("UPDATE_OPERATION_STATUS")
            if e["update_operation_status"]["status"]["operation_id"]["value"]
            == name]


def agents_are_lost():
    with Cluster("lost", "--agents", "2", "--agent-ports", "22000",
                 *QUICK, *SOON_LOST) as c:
        c.wait_agents(2)
        fw = Framework(c.masters[0])
        first = fw.offers("agent-0.local")[0]
        fw.launch(first, "t0")
        fw.wait_state("t0", "TASK_RUNNING")
        c.fault("/agents/0/hang")
        fw.wait_state("t0", "TASK_UNREACHABLE")
        c.fault("/agents/0/return")
        fw.wait("its return", lambda s: [
            u for u in s.statuses("t0")
            if u["state"] == "TASK_RUNNING" and
            u.get("reason") == "REASON_AGENT_REREGISTERED"])
        check("a hung agent comes back with its task", True)
        c.fault("/agents/0/lose")
        fw.wait("the loss", lambda s: len([
            u for u in s.statuses("t0")
            if u["state"] == "TASK_UNREACHABLE"]) >= 2)
        wait_for("its tasks have ended", lambda: c.ask(
            "/devcluster/agents/0/return", "POST", "")[0] == 200, 10)
        c.wait_agents(2)
        check("what comes back is another agent",
              c.agents()["agent-0.local"]["id"] != first["agent_id"]["value"])
        # A bystander's agent leaves in good order: lost at once.
        fw.launch(fw.offers("agent-1.local")[0], "t1")
        fw.wait_state("t1", "TASK_RUNNING")
        c.fault("/agents/1/unregister")
        fw.wait_state("t1", "TASK_LOST")
        fw.close()


def messages_are_lost():
    with Cluster("messages", "--agents", "1", "--agent-ports", "22200",
                 *QUICK) as c:
        c.wait_agents(1)
        fw = Framework(c.masters[0])
        c.fault("/accepts/drop")
        offer = fw.offers()[0]
        check("a dropped ACCEPT is answered", fw.launch(offer, "t0") == 202)
        c.fault("/offers/rescind")
        fw.wait("RESCIND", lambda s: s.of("RESCIND"))
        offer = fw.offers()[-1]
        check("nothing came of it", not fw.statuses("t0"))
        c.fault("/launches/lose")
        fw.launch(offer, "t1")
        wait_for("the master thinks that it runs", lambda: "t1" in c.ask(
            "/tasks")[1])
        c.fault("/agents/0/partition")
        c.fault("/agents/0/return")
        why = fw.wait_state("t1", "TASK_DROPPED")
        check("a lost launch comes to light when the agent registers again",
              why["reason"] == "REASON_RECONCILIATION", why)
        c.fault("/operations/lose")
        fw.reserve(fw.offers()[-1], "op1")
        c.fault("/agents/0/partition")
        c.fault("/agents/0/return")
        got = fw.wait("the end of op1", lambda s: operations(s, "op1"))
        check("so does a lost operation",
              got[0]["state"] == "OPERATION_DROPPED", got)
        c.fault("/operations/refuse")
        fw.reserve(fw.offers()[-1], "op2")
        got = fw.wait("the end of op2", lambda s: operations(s, "op2"))
        check("a refused operation is an error",
              got[0]["state"] == "OPERATION_ERROR", got)
        fw.close()


def updates_are_disturbed():
    with Cluster("updates", "--agents", "1", "--agent-ports", "22400",
                 *QUICK) as c:
        c.wait_agents(1)
        fw = Framework(c.masters[0])
        c.fault("/updates?delay_ms=300&repeats=2")
        began = time.monotonic()
        fw.launch(fw.offers()[0], "t")
        fw.wait_state("t", "TASK_STARTING")
        check("updates come late", time.monotonic() - began >= 0.3)
        fw.wait("three of each", lambda s: len([
            u for u in s.statuses("t") if u["state"] == "TASK_RUNNING"]) >= 3)
        uuids = {u["uuid"] for u in fw.statuses("t")
                 if u["state"] == "TASK_RUNNING"}
        check("and repeated, with one uuid", len(uuids) == 1, uuids)
        fw.close()


def first_chunk(master):
    """Of a new subscription's stream: its records, what is left, its size."""
    body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": {
        "user": "root", "name": "raw", "roles": ["raw"],
        "capabilities": [{"type": "MULTI_ROLE"}]}}}).encode()
    host, port = master.split(":")
    with socket.create_connection((host, int(port)), patient(15)) as s:
        s.sendall(b"POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nContent-Type: "
                  b"application/json\r\nContent-Length: %d\r\n\r\n%s" %
                  (len(body), body))
        f = s.makefile("rb")
        while f.readline() != b"\r\n":
            pass
        size = int(f.readline(), 16)
        rest, records = f.read(size), []
    while b"\n" in rest:
        length, rest = rest.split(b"\n", 1)
        records.append(json.loads(rest[:int(length)])["type"])
        rest = rest[int(length):]
    return records, rest, size


def records_and_calls():
    with Cluster("records", "--agents", "1", "--agent-ports", "22800",
                 *QUICK) as c:
        c.wait_agents(1)
        check("a record is a chunk", first_chunk(c.masters[0])[0] ==
              ["SUBSCRIBED"])
        c.fault("/streams/split?bytes=3")
        records, rest, size = first_chunk(c.masters[0])
        check("split, it is many", (records, len(rest), size) == ([], 3, 3),
              (records, rest))
        c.fault("/streams/split")
        c.fault("/streams/join?ms=300")
        records, rest, _ = first_chunk(c.masters[0])
        check("several joined are one chunk", records[:2] ==
              ["SUBSCRIBED", "HEARTBEAT"] and not rest, (records, rest))
        fw = Framework(c.masters[0])
        offer = fw.offers()[0]
        check("a framework reads them all the same", offer["hostname"] ==
              "agent-0.local")
        c.fault("/streams/join")
        # The ACCEPT is overtaken by a DECLINE of its offer.
        c.fault("/calls/delay?count=1&ms=700")
        late = threading.Thread(target=fw.launch, args=(offer, "t"))
        late.start()
        wait_for("the call is held back", lambda: json.loads(c.ask(
            "/devcluster/status")[1])["late_calls"] == 1, 10)
        fw.call("DECLINE", offer_ids=[offer["id"]])
        late.join()
        why = fw.wait_state("t", "TASK_DROPPED")
        check("a late call meets what overtook it",
              why["reason"] == "REASON_INVALID_OFFERS", why)
        c.fault("/offers/rescind?percent=0")
        c.fault("/streams/hang")

        def is_silent():
            count = len(fw.all)
            time.sleep(1.1)
            return len(fw.all) == count
        wait_for("nothing comes any more", is_silent, 10)
        check("a hung stream is not ended", not fw.ended)
        again = Framework(c.masters[0], fid=fw.id)
        check("another subscription takes over, unheard by the hung one",
              again.id == fw.id and not fw.of("ERROR") and not fw.ended)
        fw.close()
        again.close()


def masters_and_streams():
    with Cluster("streams", "--agents", "1", "--agent-ports", "22600",
                 "--start-window-ms", "2500", *QUICK) as c:
        seen = []

        def started():
            status, text = c.ask("/state")
            if not seen or seen[-1][0] != status:
                seen.append((status, text))
            return status == 200
        wait_for("the master serves", started, 20, 0.02)
        check("a starting master says 404, then 503, then 200",
              [s for s, _ in seen] == [404, 503, 200] and
              seen[1][1] == "Master has not finished recovery", seen[:2])
        c.wait_agents(1)
        c.fault("/streams/split?bytes=3")
        fw = Framework(c.masters[0])
        check("records in small chunks are whole", fw.offers()[0]["hostname"]
              == "agent-0.local")
        c.fault("/streams/split")
        c.fault("/heartbeats/stop")

        def is_silent():
            """What was sent before may be read late, but comes to an end."""
            count = len(fw.of("HEARTBEAT"))
            time.sleep(1.1)
            return len(fw.of("HEARTBEAT")) == count
        wait_for("no heartbeats", is_silent, 10)
        check("no heartbeats", True)
        count = len(fw.of("HEARTBEAT"))
        c.fault("/heartbeats/start")
        fw.wait("heartbeats", lambda s: len(s.of("HEARTBEAT")) > count)
        c.fault("/streams/cut")
        fw.wait("the end of the stream", lambda s: s.ended)
        check("cut in the middle of a record", fw.broken)
        c.fault("/unavailable?seconds=2")
        check("unavailable", c.ask("/state")[0] == 503)
        wait_for("and back", lambda: c.ask("/state")[0] == 200, 10)
        master = json.loads(c.ask("/devcluster/status")[1])["master_id"]
        c.fault("/failover?start_ms=1500")
        check("the new master starts first", c.ask("/state")[0] in (404, 503))
        wait_for("it serves", lambda: c.ask("/state")[0] == 200, 10)
        check("it is another one", json.loads(
            c.ask("/devcluster/status")[1])["master_id"] != master)
        again = Framework(c.masters[0], fid=fw.id)
        check("which takes the framework back", again.id == fw.id)
        again.close()


together(agents_are_lost, messages_are_lost, updates_are_disturbed,
         masters_and_streams, records_and_calls)
done()
