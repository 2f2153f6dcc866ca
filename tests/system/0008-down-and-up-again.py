#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C on a foreground `reeve up` leaves no process; a run dir can be used
again; a killed supervisor is replaced."""
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import BIN, ROOT, Suite, alive, check, done, patient, wait_for

SPEC = "examples/data-store/svc.yml"

with Suite() as s:
    log = open(os.path.join(s.run_dir, "..", "up.log"), "w+")
    p = subprocess.Popen(
        [f"{BIN}/reeve", "up", "--run-dir", s.run_dir, "--port", "0",
         "--allocation-interval-ms", "100", os.path.join(ROOT, SPEC)],
        stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        start_new_session=True)
    s.wait_plan()
    s.wait_running(["data-2"])

    def text():
        log.seek(0)
        return log.read()
    wait_for("URLs are printed", lambda: s.info()["gateway"] in text())
    check("foreground up draws the plan and prints URLs",
          "COMPLETE" in text(), text())
    pids = [x["pid"] for x in s.info()["processes"]]
    pids += [x for v in s.task_processes().values() for x in v]
    check("up stays", p.poll() is None)
    p.send_signal(signal.SIGINT)
    p.wait(patient(30))
    wait_for("everything is gone", lambda: not any(alive(x) for x in pids), 20)
    check("Ctrl-C ends up with exit 0 and no process is left",
          p.returncode == 0, p.returncode)
    framework = None

    s.up(SPEC)
    framework = s.get("/v1/state/frameworkId")
    wait_for("every task started again on its old volume", lambda: [
        len(t.splitlines()) for t in s.volumes().values()] == [2] * 5)
    check("the same run dir again: on the old volumes", True)
    s.wait_plan("COMPLETE", "recovery")
    s.wait_running(["meta-data-0", "meta-data-1", "data-0", "data-1",
                    "data-2"])
    ids = s.task_ids()
    tasks = s.task_processes()
    supervisor = s.info()["pid"]
    os.kill(supervisor, signal.SIGKILL)
    wait_for("supervisor gone", lambda: not alive(supervisor))
    check("a dead supervisor takes no task with it",
          s.task_processes() == tasks)
    s.up(SPEC)
    s.wait_plan()
    check("up again after a killed supervisor: same tasks, same framework",
          s.task_ids() == ids and s.get("/v1/state/frameworkId") == framework
          and s.task_processes() == tasks,
          (ids, s.task_ids(), tasks, s.task_processes()))
    p = s.reeve("up", "--detach", "--run-dir", s.run_dir, "--port", "0",
                os.path.join(ROOT, SPEC))
    check("up on a running suite is no second suite",
          s.info()["pid"] != supervisor and s.task_ids() == ids)
    pids = [x["pid"] for x in s.info()["processes"]]
    s.down("--purge")
    wait_for("gone", lambda: not any(alive(x) for x in pids), 20)
    check("down --purge removes the state",
          not os.path.exists(os.path.join(s.run_dir, "suite.json")))
done()
