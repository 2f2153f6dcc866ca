#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of a task: same agent, same volume, old lines still there."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import Suite, check, done, wait_for

with Suite() as s:
    s.up("examples/data-store/svc.yml")
    info = s.get("/v1/pod/data-1/info")[0]["info"]
    ids, volumes = s.task_ids(), s.volumes()
    s.kill_task("data-1")
    wait_for("data-1 runs under a new id",
             lambda: s.task_ids()["data-1"] != ids["data-1"] and
             s.tasks()["data-1"]["status"] == "RUNNING")
    again = s.get("/v1/pod/data-1/info")[0]["info"]
    check("on the same agent",
          again["agentId" if "agentId" in again else "slaveId"] ==
          info["agentId" if "agentId" in info else "slaveId"])

    def volume_ids(i):
        return [r["disk"]["persistence"]["id"] for r in i["resources"]
                if "disk" in r]
    check("on the same volume", volume_ids(again) == volume_ids(info) != [])
    now = wait_for("a second line", lambda: (lambda v: v if sum(
        t.count("\n") for t in v.values()) == 6 else None)(s.volumes()))
    check("the old lines are still in the files",
          sorted(now) == sorted(volumes) and
          all(now[v].startswith(t) for v, t in volumes.items()))
    check("no other task was touched",
          {n: t for n, t in s.task_ids().items() if n != "data-1"} ==
          {n: t for n, t in ids.items() if n != "data-1"})
    check("the deploy plan stays COMPLETE", s.plan_status() == "COMPLETE")
    s.wait_plan("COMPLETE", "recovery")
    check("the recovery plan is COMPLETE again", True)
    check("one process a task",
          all(len(s.task_processes()[n]) >= 1 for n in ids))
    check("no level=bad line", not s.bad_lines(), s.bad_lines())
done()
