#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A store that is empty while agents hold the service's reservations: nothing
new is launched, it says why, and goes on by the operator's word."""
import json
import os
import sys
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from front import Devcluster
from suite import Suite, check, done, wait_for

SPEC = "examples/data-store/svc.yml"
VERB = ["state", "ignore-foreign"]


def teardown(port, framework):
    body = json.dumps({"type": "TEARDOWN", "teardown": {
        "framework_id": {"value": framework}}}).encode()
    urllib.request.urlopen(urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1", data=body, method="POST",
        headers={"Content-Type": "application/json"}), timeout=10).close()


def messages(s):
    return [x["message"] for p in s.get("/v1/plans/deploy")["phases"]
            for x in p["steps"]]


old, new = Suite(), Suite()
with Devcluster(old.ports, agents=3) as d:
    master = f"http://127.0.0.1:{d.port}"
    with old as s:
        s.up(SPEC, "--master", master)
        framework = s.get("/v1/state/frameworkId")[0]
    teardown(d.port, framework)
    with new as s:
        s.up(SPEC, "--master", master, wait=False)
        wait_for("the reason is told", lambda: any(
            "reeve state ignore-foreign" in m for m in messages(s)))
        check("nothing is launched", not s.tasks(), s.tasks())
        now = s.get("/v1/state/frameworkId")[0]
        check("under a framework of its own", now != framework)
        p = s.reeve(*VERB, now, "--run-dir", s.run_dir, ok_codes=None)
        check("not without --yes", p.returncode == 2, p)
        p = s.reeve(*VERB, framework, "--yes-they-are-not-mine", "--run-dir",
                    s.run_dir, ok_codes=None)
        check("not with another id", p.returncode == 1, p)
        s.kill("offer-broker")
        wait_for("held back after kill -9 too", lambda: s.logs(
            "offer-broker")[0][1].count("event=subscribed ") == 2)
        check("still nothing is launched", not s.tasks(), s.tasks())
        s.reeve(*VERB, now, "--yes-they-are-not-mine", "--run-dir", s.run_dir)
        s.wait_plan()
        check("with consent it deploys beside them", len(s.tasks()) == 5)
        check("no level=bad line", not s.bad_lines(), s.bad_lines())
done()
