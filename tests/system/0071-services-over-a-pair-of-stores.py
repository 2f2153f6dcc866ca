#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A service on a pair of state-stores: the active one is killed, hangs, is asked
to go; each time the other one takes over, broker, planner and gateway find it by
themselves, and what is lost meanwhile comes back, once."""
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from suite import (BIN, ROOT, SLOW, Suite, check, done, guarded,  # noqa: E402
                   patient, wait_for)
from pair import Pair  # noqa: E402

NAMES = ["data-0", "meta-data-0", "meta-data-1"]


class ByHand(Suite):
    """What `reeve up` starts, but with the pair's stores."""

    def __init__(self, pair):
        super().__init__(run_dir=pair.a.run_dir, agents=2, DATA_COUNT="1",
                         REEVE_LEASE_MS=str(int(2000 * SLOW)))
        self.processes = {}
        self.folder = os.path.join(self.run_dir, "log")
        os.makedirs(self.folder, exist_ok=True)
        port_file = os.path.join(self.run_dir, "port")
        self.run("devcluster", "--work-dir", os.path.join(
            self.run_dir, "devcluster"), "--port-file", port_file, "--agents",
            "2", "--allocation-interval-ms", "100", "--agent-ports",
            str(self.ports))
        self.url = "http://" + wait_for("the devcluster", lambda: open(
            port_file).read().strip())
        self.run("offer-broker", "--master", self.url)
        self.run("planner", "--spec", f"{ROOT}/examples/data-store/svc.yml")
        self.run("api-gateway", "--port", "0")
        port = wait_for("the gateway", lambda: re.findall(
            r"event=listening .*port=(\d+)", self.logs("api-gateway")[0][1]))
        self.gateway = f"http://127.0.0.1:{port[0]}"

    def run(self, name, *flags):
        own = () if name == "devcluster" else ("--run-dir", self.run_dir)
        with open(os.path.join(self.folder, f"{name}.log"), "w") as log:
            self.processes[name] = subprocess.Popen(
                [f"{BIN}/reeve-{name}", *own, *flags], env=self.env,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def info(self):
        return {"gateway": self.gateway, "master": self.url}

    def down(self, *_):
        for task in self.task_sessions():
            self.kill_task(task)
        for name in ("api-gateway", "planner", "offer-broker", "devcluster"):
            p = self.processes.get(name)
            if p:
                p.terminate()
        for name, p in self.processes.items():
            check(f"{name} ends cleanly", p.wait(timeout=patient(30)) == 0,
                  p.returncode)


def master_tasks(s):
    with urllib.request.urlopen(s.url + "/state", timeout=patient(15)) as f:
        frameworks = json.load(f)["frameworks"]
    out = {}
    for f in frameworks:
        for t in f["tasks"] + f["completed_tasks"]:
            out[t["name"]] = out.get(t["name"], 0) + 1
    return out


def change(s, pair, active, other, how, task):
    """The store makes way while a task is lost."""
    before = s.tasks()[task]["id"]
    at = other.log_size()
    if how == "hangs":
        active.process.send_signal(signal.SIGSTOP)
    else:
        active.kill(signal.SIGKILL if how == "killed" else signal.SIGTERM)
    s.kill_task(task)
    pair.wait_active(other, at, 30)

    def is_back():
        now = s.tasks()[task]
        return now["id"] != before and now["status"] == "RUNNING"
    wait_for(f"{task} to be back", is_back, 40)
    check(f"{how}: over the other store {task} comes back", True)
    if how == "hangs":
        active.process.send_signal(signal.SIGCONT)
        check("the one that hung leaves when it wakes", active.died() == 10)
    pair.start_standby(active)
    sessions = {n: len(x) for n, x in s.task_sessions().items()}
    check(f"{how}: each task runs once", sessions == {n: 1 for n in NAMES},
          sessions)


def over_a_pair():
    with Pair(ttl_ms=1000) as pair:
        with ByHand(pair) as s:
            wait_for("the gateway", lambda: s.http("/v1/plans/deploy")[0] == 200)
            s.wait_plan()
            s.wait_running(NAMES)
            change(s, pair, pair.a, pair.b, "killed", "data-0")
            change(s, pair, pair.b, pair.a, "hangs", "meta-data-0")
            change(s, pair, pair.a, pair.b, "asked to go", "meta-data-1")
            told = master_tasks(s)
            check("one launch for each task that was lost",
                  told == {n: 2 for n in NAMES}, told)
            check("the plan is complete", s.wait_plan())
        wrong = pair.b.mirror_differs()
        check("Redis is an exact mirror", not wrong, wrong)


with guarded("over_a_pair"):
    over_a_pair()
done()
