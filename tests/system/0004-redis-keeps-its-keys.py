#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/redis: replicas follow the primary; keys written before kill -9 of
any of them are there after."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import Suite, check, done, patient, wait_for


def cli(port, *args):
    return subprocess.run(
        ["redis-cli", "-p", str(port), *args], text=True, capture_output=True,
        timeout=patient(10)).stdout.strip()


def ports(s):
    """{task name: port} from the environment each task was given."""
    out = {}
    for pod in s.get("/v1/pod"):
        for t in s.get(f"/v1/pod/{pod}/info"):
            for r in t["info"]["resources"]:
                if r["name"] == "ports":
                    out[t["info"]["name"]] = r["ranges"]["range"][0]["begin"]
    return out


with Suite() as s:
    s.up("examples/redis/svc.yml", timeout=120)
    at = ports(s)
    check("every redis task has a port", len(at) >= 2, at)
    primary = next(n for n in at if "primary" in n)
    replicas = [n for n in at if "primary" not in n]
    check("the primary answers", cli(at[primary], "ping") == "PONG")
    for i in range(100):
        cli(at[primary], "set", f"k{i}", f"v{i}")
    wait_for("replicas in sync", lambda: all(
        cli(at[r], "get", "k99") == "v99" for r in replicas))
    check("replicas found the primary and hold the keys", True)
    ids = s.task_ids()
    for name in [primary, replicas[0]]:
        s.kill_task(name)
        wait_for(f"{name} is back", lambda: s.task_ids()[name] != ids[name] and
                 s.tasks()[name]["status"] == "RUNNING", 60)
        wait_for(f"{name} answers", lambda: cli(ports(s)[name],
                                                "ping") == "PONG", 30)
        now = ports(s)
        check(f"{name}: keys written before are there after",
              wait_for("all keys", lambda: all(
                  cli(now[name], "get", f"k{i}") == f"v{i}"
                  for i in range(100)), 20))
    check("the primary kept its port", ports(s)[primary] == at[primary])
    wait_for("replicas follow again", lambda: re.search(
        r"connected_slaves:(\d+)", cli(ports(s)[primary], "info",
                                       "replication"))[1] == str(
                                           len(replicas)), 60)
    check("replicas follow the restarted primary", True)
    check("no level=bad line", not s.bad_lines(), s.bad_lines())
done()
