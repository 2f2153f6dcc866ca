#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`pod replace`: an empty volume elsewhere, what the pod had is freed by exact id;
a task out of reach is replaced, and killed when its agent is back."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import Suite, check, done, wait_for

NAMES = ["data-0", "data-1", "meta-data-0", "meta-data-1"]


def reservations(s, pod):
    found = wait_for("a broker that answers", lambda: s.get(
        "/v1/debug/reservations?verbose=true")["reservations"])
    return {r["resource_id"]: r for r in found if r.get("pod") == pod}


def at_master(s):
    return json.dumps(s.master("/slaves"))


def replaced(s, pod, before):
    wait_for(f"another {pod}", lambda: s.tasks()[pod]["id"] != before[pod] and
             s.tasks()[pod]["status"] == "RUNNING", 60)


with Suite(agents=4, REEVE_AGENT_PING_TIMEOUT_MS="500",
           REEVE_MAX_PING_TIMEOUTS="2", REEVE_RESEND_MS="500") as s:
    s.up("examples/data-store/svc.yml", DATA_COUNT="2")
    s.wait_running(NAMES)

    # A pod that runs.
    before, old = s.task_ids(), reservations(s, "data-0")
    volume = [r["persistence_id"] for r in old.values()
              if r.get("persistence_id")][0]
    p = s.reeve("pod", "replace", "data-0", "--run-dir", s.run_dir)
    check("the answer names the task", "data-0" in p.stdout, p.stdout)
    s.kill("offer-broker")
    replaced(s, "data-0", before)
    now = s.task_ids()
    check("the others were left alone", all(
        now[n] == before[n] for n in NAMES if n != "data-0"))
    wait_for("what it had is freed", lambda: not any(
        i in at_master(s) for i in [*old, volume]), 40)
    check("its new reservations are others",
          not set(old) & set(reservations(s, "data-0")))
    wait_for("and nothing of it is left in the records", lambda: all(
        r["standing"] == "wanted"
        for r in reservations(s, "data-0").values()), 20)
    s.wait_plan(plan="recovery")
    check("the recovery plan is COMPLETE", s.plan_status() == "COMPLETE")

    # One that is out of reach.
    before, old = s.task_ids(), reservations(s, "data-1")
    pids = s.task_processes()["data-1"]
    number = s.agent_number(before["data-1"])
    s.fault(f"/agents/{number}/partition")
    wait_for("unreachable", lambda: s.tasks()["data-1"]["status"] ==
             "UNREACHABLE", 30)
    text = wait_for("it says what would unblock it", lambda: s.reeve(
        "explain", "data-1", "--run-dir", s.run_dir).stdout)
    check("namely a replacement", "reeve pod replace data-1" in text, text)
    s.reeve("pod", "replace", "data-1", "--run-dir", s.run_dir)
    replaced(s, "data-1", before)
    check("the old one still runs where nobody sees it",
          set(pids) <= set(s.task_processes()["data-1"]))
    killing = s.get("/v1/debug/tasks")["killing"]
    check("the order to kill it stands",
          [t["task_id"] for t in killing] == [before["data-1"]], killing)
    s.kill("offer-broker")
    s.kill("planner")
    s.fault(f"/agents/{number}/return")
    wait_for("the old one ends", lambda: not set(pids) & set(
        s.task_processes()["data-1"]), 40)
    wait_for("what it had is freed", lambda: not any(
        i in at_master(s) for i in old), 60)
    wait_for("no order is left", lambda: not s.get(
        "/v1/debug/tasks")["killing"])
    check("the new one runs on", s.tasks()["data-1"]["status"] == "RUNNING")
    check("as one process", len(s.task_sessions()["data-1"]) == 1)
    check("no level=bad line", not s.bad_lines(), s.bad_lines())
done()
