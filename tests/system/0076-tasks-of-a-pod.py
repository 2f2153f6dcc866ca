#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tasks launched in one step end each for itself: a task that is not essential
comes back alone, an essential one takes the pod along.  They share the pod's
volume, and what was written there is there after each of them."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import FOLDER, Suite, check, done, wait_for

SPEC = os.path.join(FOLDER, "svc.yml")
MAIN, SIDE = "pair-0-main", "pair-0-side"
CMD = 'echo "$TASK_NAME" >> shared/log && exec sleep 100000'

with open(SPEC, "w") as f:
    f.write(f"""
name: pairs
pods:
  pair:
    count: 1
    volumes:
      all: {{path: shared, type: ROOT, size: 32}}
    tasks:
      main: {{goal: RUNNING, cmd: '{CMD}', cpus: 0.1, memory: 32}}
      side: {{goal: RUNNING, essential: false, cmd: '{CMD}',
             cpus: 0.1, memory: 32}}
""")


def executors(s):
    return {t["name"]: t["executor_id"]
            for f in s.master("/state")["frameworks"] for t in f["tasks"]}


def log(s):
    logs = [v for k, v in s.volumes().items() if k.endswith("/log")]
    return sorted(logs[0].split()) if len(logs) == 1 else logs


def wait_other(s, name, old):
    def is_other():
        now = s.tasks().get(name, {})
        return now.get("status") == "RUNNING" and now["id"] != old
    wait_for(f"another {name}", is_other)


with Suite() as s:
    s.up(SPEC)
    s.wait_running([MAIN, SIDE])
    first = s.task_ids()
    wait_for("both have written", lambda: log(s) == [MAIN, SIDE])
    check("both tasks write to the volume of their pod", True)
    check("under one executor", len(set(executors(s).values())) == 1,
          executors(s))

    s.kill_task(SIDE)
    wait_other(s, SIDE, first[SIDE])
    second = s.task_ids()
    check("the task that is not essential came back alone",
          second[MAIN] == first[MAIN], (first, second))
    check("under the same executor", len(set(executors(s).values())) == 1,
          executors(s))
    wait_for("it has written", lambda: log(s) == [MAIN, SIDE, SIDE])
    check("on the same volume", True)

    s.kill_task(MAIN)
    wait_other(s, MAIN, second[MAIN])
    wait_other(s, SIDE, second[SIDE])
    check("the essential one took the other along", True)
    wait_for("all have written",
             lambda: log(s) == [MAIN, MAIN, SIDE, SIDE, SIDE])
    check("on the same volume", True)
    s.wait_plan()
    check("nothing odd in the logs", not s.bad_lines(), s.bad_lines())

done()
