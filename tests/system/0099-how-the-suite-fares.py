#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`reeve suite` tells of each process of the suite how it fares: well, hung,
gone, without Redis."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import Suite, check, done, wait_for

with Suite() as s:
    s.up("examples/data-store/svc.yml")

    def suite(*flags):
        p = s.reeve("--run-dir", s.run_dir, "suite", *flags, ok_codes=None)
        return p.returncode, p.stdout
    code, text = wait_for("all well", lambda: (
        lambda r: r if r[0] == 0 else None)(suite()))
    lines = text.splitlines()
    check("four processes are told, all healthy", all(
        any(line.startswith(name) and " healthy, pid " in line
            for line in lines) for name in (
                "state-store", "offer-broker", "planner", "api-gateway")),
          text)
    check("with their checks", "ok     master for" in text
          and "ok     redis for" in text, text)
    status, json = s.http("/v1/suite/health")
    check("the API says the same", status == 200 and json["healthy"] and [
        p["pid"] for p in json["processes"]] == [s.pid(n) for n in (
            "state-store", "offer-broker", "planner", "api-gateway")], json)

    os.kill(s.pid("planner"), signal.SIGSTOP)
    code, text = suite()
    check("a hung planner: exit 1, and it is named", code == 1 and any(
        line.startswith("planner       DOES NOT ANSWER: ")
        for line in text.splitlines()), text)
    check("the others are told all the same",
          text.count(" healthy, pid ") == 3, text)
    os.kill(s.pid("planner"), signal.SIGCONT)

    os.kill(s.pid("devcluster"), signal.SIGSTOP)
    redis = s.pid("redis")
    os.kill(redis, signal.SIGSTOP)
    code, text = wait_for("Redis is missed", lambda: (
        lambda r: r if "NOT OK redis" in r[1] else None)(suite()))
    check("a hung Redis: exit 1, the check tells", code == 1
          and "state-store   NOT HEALTHY" in text, text)
    os.kill(redis, signal.SIGCONT)
    os.kill(s.pid("devcluster"), signal.SIGCONT)
    wait_for("all well again", lambda: suite()[0] == 0)
    check("all well again", True)
    check("-o json prints JSON", suite("-o", "json")[1].startswith("{"))
done()
