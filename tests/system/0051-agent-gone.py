#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An operator marks an agent gone: its task and volume are lost for good.  The
suite says so and puts nothing elsewhere by itself, but at the operator's word."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import Suite, check, done, wait_for

NAMES = ["data-0", "data-1", "meta-data-0", "meta-data-1"]
VICTIM = "data-0"


def recovery_says(s):
    return " ".join(step.get("message", "")
                    for phase in s.get("/v1/plans/recovery")["phases"]
                    for step in phase["steps"])


with Suite(agents=4) as s:
    s.up("examples/data-store/svc.yml", DATA_COUNT="2")
    s.wait_running(NAMES)
    before = s.task_ids()
    at_master = s.master("/state")["frameworks"][0]["tasks"]
    agent = [t["slave_id"] for t in at_master if t["id"] == before[VICTIM]][0]
    hit = [t["name"] for t in at_master if t["slave_id"] == agent]
    check("the agent is marked gone", s.operator(
        "MARK_AGENT_GONE", agent_id={"value": agent})[0] == 200)
    wait_for("its tasks are gone for the suite",
             lambda: all(s.tasks()[n]["status"] == "GONE_BY_OPERATOR"
                         for n in hit), 30)
    wait_for("the recovery plan says why it waits",
             lambda: f"volume data-volume of {VICTIM} is lost" in
             recovery_says(s) and "gone" in recovery_says(s), 30)
    check("the recovery plan says that the volume is lost", True)
    now = s.task_ids()
    check("nothing was launched in its place", now == before, (before, now))
    check("nor at the master", not [
        t for t in s.master("/state")["frameworks"][0]["tasks"]
        if t["name"] in hit and t["id"] not in before.values()])
    rest = [n for n in NAMES if n not in hit]
    check("the others were left alone",
          all(s.task_ids()[n] == before[n] for n in rest))
    for name in hit:
        s.reeve("pod", "replace", name, "--run-dir", s.run_dir)
    wait_for("replaced elsewhere", lambda: all(
        s.task_ids()[n] != before[n] and s.tasks()[n]["status"] == "RUNNING"
        for n in hit), 60)
    check("the others were left alone still",
          all(s.task_ids()[n] == before[n] for n in rest))
    check("no level=bad line", not s.bad_lines(), s.bad_lines())
done()
