#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two tasks of a pod with a volume each at the same path: each writes to its
own, launched one after another and both again in one go."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import FOLDER, Suite, check, done, wait_for

SPEC = os.path.join(FOLDER, "svc.yml")
TASK = ("{goal: RUNNING, cmd: 'echo \"$TASK_NAME\" >> data/log && "
        "exec sleep 100000', cpus: 0.1, memory: 32, "
        "volume: {path: data, type: ROOT, size: 32}}")
A, B = "pair-0-a", "pair-0-b"

with open(SPEC, "w") as f:
    f.write(f"""
name: pairs
pods:
  pair:
    count: 1
    tasks:
      a: {TASK}
      b: {TASK}
plans:
  deploy:
    phases:
      pair: {{pod: pair, steps: [{{default: [[a], [b]]}}]}}
""")


def logs(s):
    return sorted(v.split() for k, v in s.volumes().items()
                  if k.endswith("/log"))


with Suite() as s:
    s.up(SPEC)
    s.wait_running([A, B])
    wait_for("each to its own volume", lambda: logs(s) == [[A], [B]])
    check("each task writes to its own volume", True)

    first = s.task_ids()
    s.reeve("--run-dir", s.run_dir, "pod", "restart", "pair-0")
    wait_for("both again", lambda: all(
        t["status"] == "RUNNING" and t["id"] != first[n]
        for n, t in s.tasks().items()))
    wait_for("both wrote again", lambda: sum(map(len, logs(s))) == 4)
    check("and to the same when both come back together",
          logs(s) == [[A, A], [B, B]], logs(s))
    check("nothing odd in the logs", not s.bad_lines(), s.bad_lines())

done()
