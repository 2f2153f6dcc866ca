#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Planned maintenance and a drain are facts that an operator can read: inverse
offers are answered, a drained pod waits for its agent and comes back there."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import Suite, check, done, wait_for

NAMES = ["data-0", "data-1", "meta-data-0", "meta-data-1"]


def machines(s):
    """agent id -> machine id as the maintenance schedule wants it."""
    agents = s.operator("GET_AGENTS")[1]["get_agents"]["agents"]
    return {a["agent_info"]["id"]["value"]:
            {"hostname": a["agent_info"]["hostname"],
             "ip": a["pid"].split("@")[1].split(":")[0]} for a in agents}


def note(s, agent):
    return next((a for a in s.get("/v1/debug/agents") if a["agent"] == agent),
                None)


def agent_of(s, task_id):
    return [t["slave_id"] for f in s.master("/state")["frameworks"]
            for t in f["tasks"] if t["id"] == task_id][0]


with Suite(agents=3) as s:
    s.up("examples/data-store/svc.yml", DATA_COUNT="2")
    s.wait_running(NAMES)
    before = s.task_ids()
    agent = agent_of(s, before["data-0"])
    there = [n for n in NAMES if agent_of(s, before[n]) == agent]

    # Maintenance in an hour, for two hours.
    start = (int(time.time()) + 3600) * 10**9
    window = {"machine_ids": [machines(s)[agent]], "unavailability": {
        "start": {"nanoseconds": start},
        "duration": {"nanoseconds": 7200 * 10**9}}}
    s.operator("UPDATE_MAINTENANCE_SCHEDULE",
             schedule={"windows": [window]})
    wait_for("the plan is a fact", lambda: note(s, agent), 40)
    seen = note(s, agent)
    check("with its beginning and end", seen["unavailable_from"] ==
          start // 10**6 and seen["unavailable_for_ms"] == 7200 * 1000, seen)
    wait_for("we were asked to leave and cannot", lambda: note(s, agent).get(
        "answer") == "cannot vacate", 20)
    status = wait_for("the master knows our answer", lambda: (
        lambda text: text if "DECLINE" in text else None)(json.dumps(
            s.operator("GET_MAINTENANCE_STATUS"))), 20)
    check("nothing is killed for it", s.task_ids() == before)
    s.kill("offer-broker")
    wait_for("it is still known after kill -9", lambda: note(s, agent))
    s.operator("UPDATE_MAINTENANCE_SCHEDULE", schedule={"windows": []})
    other = next(n for n in NAMES if n not in there)
    s.post(f"/v1/pod/{other}/restart")
    wait_for("the plan is withdrawn, so is the fact",
             lambda: note(s, agent) is None, 40)
    s.wait_running(NAMES)

    # A drain ends the tasks; they wait for their volumes.
    before = s.task_ids()
    s.operator("DRAIN_AGENT", agent_id={"value": agent},
             max_grace_period={"seconds": 1})
    wait_for("the drain is a fact", lambda: (note(s, agent) or {}).get(
        "draining"), 30)
    text = wait_for("explain tells of it", lambda: (
        lambda t: t if "drained" in t and "REACTIVATE" in t else None)(
            s.reeve("explain", there[0], "--run-dir", s.run_dir).stdout), 30)
    wait_for("so does the recovery plan", lambda: "being drained" in json.dumps(
        s.get("/v1/plans/recovery")), 30)
    check("nothing is launched elsewhere",
          all(s.task_ids()[n] == before[n] for n in NAMES))
    wait_for("the agent is drained", lambda: "DRAINED" in json.dumps(
        s.operator("GET_AGENTS")), 30)
    s.operator("REACTIVATE_AGENT", agent_id={"value": agent})
    wait_for("the tasks are back", lambda: all(
        s.tasks()[n]["id"] != before[n] and s.tasks()[n]["status"] == "RUNNING"
        for n in there), 60)
    check("on the same agent", all(
        agent_of(s, s.task_ids()[n]) == agent for n in there))
    wait_for("nothing is noted any more", lambda: note(s, agent) is None, 20)
    check("no level=bad line", not s.bad_lines(), s.bad_lines())
done()
