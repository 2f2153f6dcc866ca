#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""data-store on a devcluster: COMPLETE, the seed's JSON, meta-data before data,
what is written is on volumes, and `reeve down` leaves no process behind."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import (SERVICES, Suite, Watch, alive, check, done, guarded,
                   wait_for)

NAMES = ["data-0", "data-1", "data-2", "meta-data-0", "meta-data-1"]


def first_times(events):
    """{task name: (launch index, running index)} in the order of the feed."""
    launch, running = {}, {}
    for i, e in enumerate(events):
        m = re.fullmatch(r"service/data-store/task/([^/]+)/(info|status)",
                         e["key"])
        if not m or "value" not in e:
            continue
        if m[2] == "info":
            launch.setdefault(m[1], i)
        elif e["value"].get("state_name") == "TASK_RUNNING":
            running.setdefault(m[1], i)
    return launch, running


with Suite() as s:
    with Watch(s) as watch:
        s.up("examples/data-store/svc.yml", wait=False)
        s.wait_plan()
        s.wait_running(NAMES)
        code, plan = s.http("/v1/plan/status")
        check("GET /v1/plan/status is the seed's",
              code == 200 and plan == {"plan": {"phase_count": 2, "errors": [],
                                                "status": "COMPLETE"}}, plan)
        code, plan = s.http("/v1/plans/deploy")
        check("GET /v1/plans/deploy answers 200 when complete", code == 200)
        check("two phases in order, serial",
              [p["name"] for p in plan["phases"]] == ["meta-data", "data"] and
              plan["strategy"] == "serial", plan)
        check("all five tasks run, named as the seed says",
              sorted(s.tasks()) == NAMES, s.tasks())
        launch, running = first_times(watch.events())
        check("no data task was launched before both meta-data ran",
              bool(launch) and min(launch[n] for n in NAMES[:3]) >
              max(running[n] for n in NAMES[3:]), (launch, running))
        check("data tasks were deployed one after another",
              running["data-0"] < launch["data-1"] and
              running["data-1"] < launch["data-2"], (launch, running))
    volumes = s.volumes()
    check("every task wrote its line to its own volume",
          len(volumes) == 5 and
          all(len(t.splitlines()) == 1 for t in volumes.values()), volumes)
    state = s.master("/state")
    check("the master knows one framework with five tasks",
          len(state["frameworks"]) == 1 and
          len(state["frameworks"][0]["tasks"]) == 5)
    for path in ["/v1/plan", "/v1/plans", "/v1/plans/recovery", "/v1/pod",
                 "/v1/pod/status", "/v1/pod/data-0/info", "/v1/health",
                 "/v1/endpoints", "/v1/recovery", "/v1/state/frameworkId",
                 "/v1/state/tasks", "/v1/state/tasks/info/data-0",
                 "/v1/state/tasks/status/data-0",
                 "/v1/state/tasks/connection/data-0",
                 "/v1/state/properties", "/v1/configurations",
                 "/v1/configurations/targetId", "/v1/configurations/target"]:
        code, _ = s.http(path)
        check(f"GET {path} answers 200", code == 200, code)
    check("/v1/plans lists deploy and recovery",
          s.get("/v1/plans") == ["deploy", "recovery"])
    check("/v1/pod lists the instances", s.get("/v1/pod") == NAMES)
    for path in ["/v1/plans/nope", "/v1/pod/nope/status", "/v1/nope",
                 "/v1/state/tasks/info/nope"]:
        code, _ = s.http(path)
        check(f"GET {path} answers 404", code == 404, code)
    with guarded("the CLI shows the tree"):
        out = s.reeve("--run-dir", s.run_dir, "plan", "status",
                      "deploy").stdout
        check("the CLI shows the tree",
              "deploy (serial strategy) (COMPLETE)" in out and
              "data-2" in out, out)
        out = s.reeve("--run-dir", s.run_dir, "pod", "list").stdout
        check("the CLI lists pods", "meta-data-1" in out, out)
    names = s.names()
    check("suite.json names the processes",
          all(any(n in x or x in n for x in names) for n in SERVICES), names)
    check("no level=bad line", not s.bad_lines(), s.bad_lines())
    pids = [p["pid"] for p in s.info()["processes"]]
    pids += [p for v in s.task_processes().values() for p in v]
    s.down()
    with guarded("reeve down"):
        wait_for("all processes gone",
                 lambda: not any(alive(p) for p in pids), 20)
        check("after `reeve down` no process is left", True)
done()
