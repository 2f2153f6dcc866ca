#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A change that fits nowhere does not cost the instance that runs: its task goes
on, the step says what is missing, and going back touches nothing.  A change that
grows and fits replaces it, on its volume."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import FOLDER, Suite, check, done, wait_for

SPEC = os.path.join(FOLDER, "svc.yml")


def spec(cpus, port=0):
    with open(SPEC, "w") as f:
        f.write(f"""
name: grow
pods:
  db:
    count: 2
    cmd: "echo $TASK_NAME >> data/log && exec sleep 100000"
    cpus: {cpus}
    memory: 32
    ports: {{db: {{port: {port}}}}}
    volume: {{path: data, type: ROOT, size: 32}}
""")


def message(s):
    return " ".join(s.step_messages().values())


with Suite(agents=2) as s:
    spec(0.5)
    s.up(SPEC)
    s.wait_running(["db-0", "db-1"])
    first = s.task_ids()

    spec(50)
    s.up(SPEC, wait=False)
    text = wait_for("the reason", lambda: (
        lambda m: m if "goes on until it does" in m else None)(message(s)))
    check("the step says what is missing", "49.5 more needed" in text, text)
    wait_for("some more rounds", lambda: s.plan_status() == "IN_PROGRESS")
    s.kill("offer-broker")
    wait_for("the broker again", lambda: s.pid("offer-broker") and
             "goes on until it does" in message(s))
    check("the tasks go on, also over a crash of the broker",
          s.task_ids() == first and
          all(t["status"] == "RUNNING" for t in s.tasks().values()), s.tasks())

    spec(0.5)
    s.up(SPEC)
    check("going back touches nothing", s.task_ids() == first,
          (first, s.task_ids()))

    spec(1)
    s.up(SPEC)
    second = s.task_ids()
    check("a change that fits replaces them",
          all(second[n] != first[n] for n in first), second)
    check("on their volumes", sorted(s.volumes().values()) ==
          ["db-0\ndb-0\n", "db-1\ndb-1\n"], s.volumes())

    # A fixed port that no agent has.
    spec(1, port=1)
    s.up(SPEC, wait=False)
    wait_for("the reason", lambda: "port db (1) is not offered" in message(s))
    check("a port that no agent has is told", s.task_ids() == second)
    p = s.reeve("pod", "restart", "db-0", "--run-dir", s.run_dir)
    wait_for("another db-0", lambda: s.task_ids()["db-0"] != second["db-0"] or
             s.tasks()["db-0"]["status"] != "RUNNING")
    check("the operator's restart does not wait", True)
    check("nothing odd in the logs", not s.bad_lines(), s.bad_lines())

done()
