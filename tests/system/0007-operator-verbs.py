#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""interrupt, continue, restart, forceComplete: by id and by name, on the seed's
paths and the later ones; decisions survive kill -9 of the planner."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import Suite, check, done, wait_for

SPEC = "examples/data-store/svc.yml"


def post(s, path):
    return s.post(path)


def steps(s, phase):
    plan = s.get("/v1/plans/deploy")
    return next(p for p in plan["phases"] if p["name"] == phase)["steps"]


with Suite() as s:
    s.up(SPEC)
    ids = s.task_ids()
    code, body = post(s, "/v1/plan/interrupt")
    check("POST /v1/plan/interrupt on a complete plan", code in (200, 208),
          (code, body))
    # Many new instances, interrupted on the way.
    s.up(SPEC, wait=False, DATA_COUNT="20")
    wait_for("the first new one", lambda: s.tasks().get("data-3"))
    code, body = post(s, "/v1/plans/deploy/interrupt")
    check("POST /v1/plans/deploy/interrupt", code == 200 and
          body == {"message": "Received cmd: interrupt"}, (code, body))
    wait_for("plan WAITING", lambda: s.plan_status() == "WAITING")
    wait_for("nothing under way", lambda: all(
        t.get("status") == "RUNNING" for t in s.tasks().values()))
    stopped_at = s.task_ids()
    old = s.kill("planner")
    wait_for("another planner", lambda: s.pid("planner") != old)
    code, body = post(s, "/v1/plans/deploy/interrupt")
    check("the interrupt survives kill -9 of the planner: again is 208",
          code == 208 and s.plan_status() == "WAITING" and
          s.task_ids() == stopped_at, (code, body))
    code, body = post(s, "/v1/plan/continue")
    check("POST /v1/plan/continue", code == 200 and
          body == {"message": "Received cmd: continue"}, (code, body))
    s.wait_plan()
    s.wait_running(["data-19"])
    check("the other tasks were not touched",
          {n: t for n, t in s.task_ids().items() if n in ids} == ids)

    step = next(x for x in steps(s, "data") if "data-1" in x["name"])
    phase = next(p for p in s.get("/v1/plans/deploy")["phases"]
                 if p["name"] == "data")
    before = s.task_ids()
    code, body = post(s, f"/v1/plan/restart?phase={phase['id']}"
                         f"&block={step['id']}")
    check("POST /v1/plan/restart by id answers 200", code == 200, (code, body))
    wait_for("data-1 restarted", lambda: s.task_ids()["data-1"] !=
             before["data-1"] and s.tasks()["data-1"]["status"] == "RUNNING")
    s.wait_plan()
    check("only data-1 was restarted",
          {n for n, t in s.task_ids().items() if t != before[n]} ==
          {"data-1"})
    code, body = post(s, "/v1/plans/deploy/forceComplete?phase=data&step=" +
                      step["name"].replace("[", "%5B").replace("]", "%5D"))
    check("forceComplete of a complete step: 208", code == 208, (code, body))
    for path in ["/v1/plans/nope/interrupt",
                 "/v1/plan/restart?phase=nope&block=nope",
                 "/v1/plans/deploy/restart?phase=data&step=nope"]:
        code, body = post(s, path)
        check(f"POST {path}: 404", code == 404, (code, body))
    code, body = post(s, "/v1/plans/deploy/restart?step=data-1")
    check("a step without a phase: 400", code == 400, (code, body))
    code, body = post(s, "/v1/plans/deploy/continue")
    check("continue of a plan that is not interrupted: 208", code == 208,
          (code, body))

    # A step that can never be placed: it says why, and can be forced.
    s.up(SPEC, wait=False, DATA_COUNT="20", DATA_CPU="64")
    # DATA_CPU changes every data task: data-0 is first and cannot fit.
    stuck = wait_for("a reason", lambda: next(
        (x for x in steps(s, "data") if "cpus" in x["message"]), None), 30)
    check("a stuck step says why in one sentence", True, stuck)
    # Newest intent wins: the old value repairs it.
    s.up(SPEC, DATA_COUNT="20")
    s.wait_plan()
    check("going back to a good value repairs a stuck rollout",
          len(s.tasks("data-")) == 20)
    check("no level=bad line", not s.bad_lines(), s.bad_lines())
done()
