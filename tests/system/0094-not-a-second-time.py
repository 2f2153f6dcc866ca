#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What runs already is not launched a second time by a suite that begins with
an old backup: it says what runs, and goes on when the operator ended it."""
import collections
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from front import Devcluster
from suite import FOLDER, Suite, check, done, wait_for

SPEC = "examples/data-store/svc.yml"
BACKUP = os.path.join(FOLDER, "backup")
FEW = {"METADATA_COUNT": "1", "DATA_COUNT": "1"}


def running(s):
    return collections.Counter(
        t["name"] for f in s.master("/state")["frameworks"]
        for t in f["tasks"] if t["state"] == "TASK_RUNNING")


old, stale = Suite(**FEW), Suite(**FEW)
with Devcluster(old.ports, agents=3) as d:
    master = f"http://127.0.0.1:{d.port}"
    with old as s:
        s.up(SPEC, "--master", master)
        s.reeve("state", "export", BACKUP, "--run-dir", s.run_dir)
        s.up(SPEC, "--master", master, DATA_COUNT="2")
        ids = s.task_ids()
        check("three tasks run", len(ids) == 3, ids)

    with stale as s:
        s.reeve("state", "import", BACKUP, "--run-dir", s.run_dir)
        s.up(SPEC, "--master", master, wait=False, DATA_COUNT="2")
        wait_for("the task that runs is named", lambda: (
            f"data-1 runs already as {ids['data-1']}" in s.step_messages()["data-1"]))
        check("an old backup launches nothing twice",
              running(s)["data-1"] == 1, running(s))
        check("what it knows goes on", s.task_ids()["data-0"] == ids["data-0"])
        s.reeve("state", "kill-unknown", ids["data-1"],
                "--yes-no-record-names-it", "--run-dir", s.run_dir)
        s.wait_plan()
        check("launched once the other one ended",
              running(s)["data-1"] == 1 and
              s.task_ids()["data-1"] != ids["data-1"], running(s))
        check("no level=bad line", not s.bad_lines(), s.bad_lines())
done()
