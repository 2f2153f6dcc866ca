#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`reeve up --wait` does not take a task that fails again and again for one
that runs, and waits until a task that failed once stays up."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import FOLDER, SLOW, Suite, check, done

SPEC = """name: %s
pods:
  a:
    count: 1
    cmd: "%s"
    cpus: 0.1
    memory: 32
"""


def up(name, cmd, timeout, settle):
    path = os.path.join(FOLDER, name + ".yml")
    with open(path, "w") as f:
        f.write(SPEC % (name, cmd))
    with Suite(agents=1) as s:
        begun = time.monotonic()
        p = s.reeve("up", "--detach", "--wait", "--timeout", str(int(timeout)),
                    "--settle", str(int(settle)), "--run-dir", s.run_dir, "--port",
                    "0", "--agents", "1", "--allocation-interval-ms", "100",
                    path, ok_codes=None)
        results[name] = (p.returncode, p.stdout + p.stderr,
                         time.monotonic() - begun, s.plan_status())


results = {}
mark = os.path.join(FOLDER, "once")
jobs = [threading.Thread(target=up, args=a) for a in (
    # Fails after less than it must run.
    ("looper", "sleep 0.5; exit 1", 8 * SLOW, 2 * SLOW),
    # Is left alone after its first end.
    ("once", f"test -e {mark} && exec sleep 900; touch {mark}; sleep 0.2; "
     "exit 1", 60 * SLOW, 2))]
for j in jobs:
    j.start()
for j in jobs:
    j.join()

code, said, took, plan = results["looper"]
check("a task that fails again and again: exit 3", code == 3, (code, said))
check("and says which task, and that it failed", "a-0, which failed" in said,
      said)
check("although the plan is COMPLETE", plan == "COMPLETE", plan)
code, said, took, plan = results["once"]
check("a task that failed once and stays: exit 0", code == 0, (code, said))
check("which took its time to be believed", took >= 4, took)
done()
