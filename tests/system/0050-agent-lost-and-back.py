#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An agent is cut off in the middle of a deployment: its task is UNREACHABLE and
is launched nowhere else; the agent returns, and the very same task goes on."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import Suite, Watch, check, done, wait_for

NAMES = ["data-0", "data-1", "data-2", "meta-data-0", "meta-data-1"]
VICTIM = "meta-data-0"


def master_states(s, task_id):
    f = s.master("/state")["frameworks"][0]
    return [t["state"] for key in ("tasks", "unreachable_tasks",
                                   "completed_tasks")
            for t in f.get(key, []) if t["id"] == task_id]


with Suite(REEVE_AGENT_PING_TIMEOUT_MS="500", REEVE_MAX_PING_TIMEOUTS="2",
           REEVE_RESEND_MS="500") as s:
    s.up("examples/data-store/svc.yml", wait=False)
    with Watch(s) as watch:
        s.wait_running([VICTIM])
        victim = s.tasks()[VICTIM]["id"]
        pids = s.task_processes().get(VICTIM)
        number = s.agent_number(victim)
        s.fault(f"/agents/{number}/partition")
        wait_for("unreachable for the suite",
                 lambda: s.tasks()[VICTIM]["status"] == "UNREACHABLE", 30)
        check("the suite says UNREACHABLE", True)
        check("the master says so too",
              master_states(s, victim) == ["TASK_UNREACHABLE"],
              master_states(s, victim))
        # Whatever else can be deployed meanwhile is, elsewhere.
        seen = {n: t["id"] for n, t in s.tasks().items()}
        check("the task has the same id", seen.get(VICTIM) == victim, seen)
        check("its process lives on", s.task_processes().get(VICTIM) == pids)
        s.fault(f"/agents/{number}/return")
        s.wait_running([VICTIM])
        s.wait_plan()
        s.wait_running(NAMES)
        check("the deployment completes", True)
        check("the task that was away has the same id",
              s.tasks()[VICTIM]["id"] == victim, s.tasks())
        check("it is the same process",
              s.task_processes().get(VICTIM) == pids)
        ids = {}
        for e in watch.events():
            part = e["key"].split("/")
            if part[2:3] == ["task"] and part[4:] == ["info"] and "value" in e:
                ids.setdefault(part[3], set()).add(str(e["value"].get(
                    "task_id", e["value"].get("info", e["value"]))))
        check("no task was ever launched twice",
              sorted(ids) == NAMES and all(len(v) == 1 for v in ids.values()),
              ids)
    launched = [t["id"] for f in s.master("/state")["frameworks"]
                for k in ("tasks", "completed_tasks", "unreachable_tasks")
                for t in f.get(k, [])]
    check("the master never saw another", len(launched) == len(NAMES),
          launched)
    check("no level=bad line", not s.bad_lines(), s.bad_lines())
done()
