#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two offer-brokers and two planners on one store: one of each has the lease, the
other waits.  The active one is stopped for longer than its lease: the other one
takes over and does what is to be done.  Woken up, the old one writes nothing any
more, and no task is launched twice."""
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from suite import (SLOW, TOOLS, Suite, check, done, guarded,  # noqa: E402
                   patient, wait_for)

LEASE_MS = int(1000 * SLOW)
LEASES = {"offer-broker": "broker", "planner": "planner"}
NAMES = ["meta-data-0", "meta-data-1", "data-0"]


class Process:
    """One of the two, by its log from now on."""

    def __init__(self, pid, log):
        self.pid, self.log = pid, log
        self.mark()

    def mark(self):
        self.at = os.path.getsize(self.log)

    def said(self):
        with open(self.log, errors="replace") as f:
            f.seek(self.at)
            return f.read()

    def signal(self, number):
        os.kill(self.pid, number)

    def wait_lease(self, is_held):
        wait_for(f"lease held={is_held}", lambda:
                 f"event=lease held={is_held}" in self.said(), 30)

    def epoch(self):
        with open(self.log, errors="replace") as f:
            return int(re.findall(r"event=lease held=1 epoch=(\d+)",
                                  f.read())[-1])


class Twin(Process):
    """A second process of a kind, started as the first one was."""

    def __init__(self, s, kind):
        pid = s.pid(kind)
        with open(f"/proc/{pid}/cmdline") as f:
            command = f.read().split("\0")[:-1]
        with open(f"/proc/{pid}/environ") as f:
            env = dict(x.split("=", 1) for x in f.read().split("\0") if x)
        log = os.path.join(s.run_dir, "log", f"twin-{kind}.log")
        with open(log, "w") as out:
            self.process = subprocess.Popen(
                [*command, "--name", "twin"], env=env,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        super().__init__(self.process.pid, log)

    def close(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        return self.process.wait(timeout=patient(20))


def running_once(s):
    """"" when each task runs once, for us and for the master."""
    processes = {n: len(p) for n, p in s.task_sessions().items()}
    if processes != {n: 1 for n in NAMES}:
        return f"processes {processes}"
    names = [t["name"] for f in s.master("/state")["frameworks"]
             for t in f["tasks"] if t["state"] == "TASK_RUNNING"]
    return "" if sorted(names) == sorted(NAMES) else f"master: {names}"


def lose_a_task(s, name):
    """Killed behind everybody's back; True once another one runs."""
    before = s.tasks()[name]["id"]
    s.kill_task(name)

    def is_back():
        now = s.tasks()[name]
        return now["id"] != before and now["status"] == "RUNNING"
    return before, is_back


def hand_over(s, kind, active, waiting, task):
    """active is stopped, waiting does its work, active wakes up."""
    was = active.epoch()
    for p in (active, waiting):
        p.mark()
    before, is_back = lose_a_task(s, task)
    active.signal(signal.SIGSTOP)
    waiting.wait_lease(1)
    check(f"{kind}: the other one takes over with a newer epoch",
          waiting.epoch() > was, (was, waiting.epoch()))
    wait_for(f"{task} to be back", is_back, 40)
    check(f"{kind}: and does the work", True)
    launched = s.tasks()[task]["id"]
    active.signal(signal.SIGCONT)
    active.wait_lease(0)
    wrong = wait_for("one of each", lambda: running_once(s) == "" or None)
    check(f"{kind}: the old one knows, nothing runs twice", wrong)
    check(f"{kind}: and nothing was launched over it",
          s.tasks()[task]["id"] == launched, (before, launched))
    p = subprocess.run([f"{TOOLS}/store_ask", s.run_dir, "put", "x", "1",
                        LEASES[kind], str(was)], capture_output=True,
                       stdin=subprocess.DEVNULL, text=True)
    check(f"{kind}: the store refuses the epoch it had", p.returncode == 8,
          p.stderr)
    check(f"{kind}: it stays and waits", os.path.exists(f"/proc/{active.pid}"))


def launches(s):
    """{task name: how many tasks of that name the master ever had}."""
    out = {}
    for f in s.master("/state")["frameworks"]:
        for t in f["tasks"] + f["completed_tasks"]:
            out[t["name"]] = out.get(t["name"], 0) + 1
    return out


def two_of_each():
    with Suite(agents=2, REEVE_LEASE_MS=str(LEASE_MS), DATA_COUNT="1") as s:
        s.up("examples/data-store/svc.yml")
        s.wait_running(NAMES)
        twins = []
        try:
            for kind in ("offer-broker", "planner"):
                both(s, kind, twins)
            told = launches(s)
            check("one launch for each task that was lost", told ==
                  {"data-0": 3, "meta-data-0": 1, "meta-data-1": 3}, told)
        finally:
            codes = [t.close() for t in twins]
        check("both end cleanly", codes == [0, 0], codes)
        check("nothing bad was said", not s.bad_lines(), s.bad_lines()[:5])


def both(s, kind, twins):
    one = Process(s.pid(kind), os.path.join(s.run_dir, "log", f"{kind}.log"))
    two = Twin(s, kind)
    twins.append(two)
    wait_for("the second one", lambda: "event=started" in two.said())
    time.sleep(1.5 * LEASE_MS / 1000)
    # Who does not get to run for so long loses it by right.
    has_lost = "event=lease held=0" in one.said()
    check(f"{kind}: a second one waits", "held=1" not in two.said() or
          has_lost)
    if has_lost:
        two.wait_lease(1)
        one, two = two, one
    hand_over(s, kind, one, two, "meta-data-1")
    two.mark()
    hand_over(s, kind, two, one, "data-0")


for part in (two_of_each,):
    with guarded(part.__name__):
        part()
done()
