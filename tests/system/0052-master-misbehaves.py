#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A master that answers 503, cuts its stream in mid-record, goes silent, refuses
an operation, delays and repeats updates, and fails over: the suite converges,
and no task is launched twice or lost."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import Suite, check, done, wait_for

NAMES = ["data-0", "data-1", "data-2", "meta-data-0", "meta-data-1"]


def framework(s):
    return s.master("/state")["frameworks"][0]


def tasks_at_master(s):
    return sorted(t["id"] for t in framework(s)["tasks"])


def connected(s):
    state = s.master("/state")
    return isinstance(state, dict) and state["frameworks"] and \
        state["frameworks"][0]["connected"]


with Suite(REEVE_RESEND_MS="300", REEVE_HEARTBEAT_INTERVAL_MS="500") as s:
    s.up("examples/data-store/svc.yml", wait=False, timeout=30)
    # From the first second on every update comes late and three times.
    s.fault("/updates?delay_ms=200&repeats=2")
    s.fault("/operations/refuse?count=1")
    s.fault("/unavailable?seconds=1")
    s.wait_running(["meta-data-0"])
    s.fault("/streams/cut")
    s.wait_plan()
    s.wait_running(NAMES)
    check("the deployment completes all the same", True)
    ids = s.task_ids()
    check("the master runs these tasks and no others",
          tasks_at_master(s) == sorted(ids.values()), tasks_at_master(s))
    s.fault("/updates")

    # Silence on an open connection: only missing heartbeats tell.
    subscribed = framework(s)["reregistered_time"]
    s.fault("/heartbeats/stop")
    wait_for("a new subscription out of silence",
             lambda: framework(s)["reregistered_time"] > subscribed, 30)
    check("silence is taken for a dead stream", True)
    s.fault("/heartbeats/start")

    master = s.master("/devcluster/status")["master_id"]
    s.fault("/failover")
    check("another master", s.master("/devcluster/status")["master_id"] !=
          master)
    wait_for("agents and framework at the new master",
             lambda: connected(s) and
             tasks_at_master(s) == sorted(ids.values()), 30)
    check("the new master has the framework and its tasks", True)
    s.kill_task("data-1")
    wait_for("data-1 as a new task",
             lambda: s.tasks()["data-1"]["status"] == "RUNNING" and
             s.tasks()["data-1"]["id"] != ids["data-1"], 30)
    check("a killed task comes back by the new master", True)
    now = s.task_ids()
    check("the others are as before",
          all(now[n] == ids[n] for n in NAMES if n != "data-1"), (ids, now))
    check("no level=bad line", not s.bad_lines(), s.bad_lines())
done()
