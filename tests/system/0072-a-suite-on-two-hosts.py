#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""All services on each of two hosts, which share a Redis alone: one host works,
the other one waits.  Everything on the first one is killed at once: the second
one goes on with its tasks, and what was lost meanwhile comes back, once."""
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from suite import (BIN, ROOT, SLOW, Suite, alive, check, done,  # noqa: E402
                   guarded, patient, wait_for)
from store import Bench  # noqa: E402

NAMES = ["data-0", "meta-data-0", "meta-data-1"]


class Host(Suite):
    """What runs on one host; as Suite it asks this host's gateway."""

    def __init__(self, name, redis, cluster=None):
        self.store = Bench(redis=redis.url, standby=True, owner_ttl_ms=1000,
                           redis_timeout_ms=500)
        self.store.options["data_dir"] = os.path.join(self.store.folder, "data")
        super().__init__(run_dir=self.store.run_dir, agents=2, DATA_COUNT="1",
                         REEVE_LEASE_MS=str(int(2000 * SLOW)))
        self.name, self.processes, self.gateway = name, {}, None
        self.logs_in = os.path.join(self.run_dir, "log")
        os.makedirs(self.logs_in)
        self.cluster = cluster or self.start_cluster()

    def start_cluster(self):
        port_file = os.path.join(self.run_dir, "port")
        self.run("devcluster", "--work-dir", os.path.join(
            self.run_dir, "devcluster"), "--port-file", port_file, "--agents",
            "2", "--allocation-interval-ms", "100", "--agent-ports",
            str(self.ports))
        return "http://" + wait_for("the devcluster", lambda: open(
            port_file).read().strip()), self.run_dir

    def start(self, **more):
        self.store.start(serving=False, **more)
        self.run("offer-broker", "--master", self.cluster[0])
        self.run("planner", "--spec", f"{ROOT}/examples/data-store/svc.yml")
        self.run("api-gateway", "--port", "0")

    def run(self, name, *flags):
        own = () if name == "devcluster" else ("--run-dir", self.run_dir)
        with open(os.path.join(self.logs_in, f"{name}.log"), "w") as log:
            self.processes[name] = subprocess.Popen(
                [f"{BIN}/reeve-{name}", *own, *flags], env=self.env,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def said(self, name):
        with open(os.path.join(self.logs_in, f"{name}.log")) as f:
            return f.read()

    def info(self):
        if not self.gateway:
            port = wait_for("the gateway", lambda: re.findall(
                r"event=listening .*port=(\d+)", self.said("api-gateway")))
            self.gateway = f"http://127.0.0.1:{port[0]}"
        return {"gateway": self.gateway, "master": self.cluster[0]}

    def lose(self):
        """The host is gone, the cluster is not."""
        self.store.kill()
        for name, p in self.processes.items():
            if name != "devcluster":
                p.kill()
                p.wait()

    def down(self, *_):
        self.store.__exit__()
        for p in reversed(self.processes.values()):
            if p.poll() is None:
                p.send_signal(signal.SIGTERM)
                p.wait(timeout=patient(30))


def launches(s):
    out = {}
    for f in s.master("/state")["frameworks"]:
        for t in f["tasks"] + f["completed_tasks"]:
            out[t["name"]] = out.get(t["name"], 0) + 1
    return out


def two_hosts(redis):
    with Host("one", redis.redis) as one:
        one.start(new_suite=True)
        wait_for("the gateway", lambda: one.http("/v1/plans/deploy")[0] == 200)
        one.wait_plan()
        one.wait_running(NAMES)
        with Host("two", redis.redis, one.cluster) as two:
            two.start()
            wait_for("it to wait", lambda: "event=standby" in two.store.log())
            over_to(one, two)


def over_to(one, two):
    before = one.tasks()
    processes = one.task_processes()
    check("the second host waits", all(
        "held=1" not in two.said(kind) for kind in ("planner", "offer-broker")))
    one.lose()
    one.kill_task("data-0")
    wait_for("its store to take over", lambda:
             "store_active" in two.store.log())
    wait_for("its gateway", lambda: two.http("/v1/pod/status")[0] == 200)

    def is_back():
        now = two.tasks().get("data-0", {})
        return now.get("status") == "RUNNING" and \
            now["id"] != before["data-0"]["id"]
    wait_for("data-0 to be back", is_back, 40)
    check("what was lost comes back over the second host", True)
    kept = [n for n in NAMES if n != "data-0"]
    now = two.tasks()
    check("the others went on untouched", all(
        now[n]["id"] == before[n]["id"] and
        all(alive(p) for p in processes[n]) for n in kept), now)
    told = launches(two)
    check("nothing was launched twice", told == {
        "data-0": 2, "meta-data-0": 1, "meta-data-1": 1}, told)
    check("the plan is complete there", two.wait_plan())
    for name in NAMES:
        one.kill_task(name)


with Bench() as shared, guarded("two_hosts"):
    shared.redis.start()
    two_hosts(shared)
done()
