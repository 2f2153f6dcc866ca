#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The master removes the framework: the broker stops and says so, keeps the id,
and goes on with a new one only by the operator's exact word."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import Suite, check, done, wait_for

SPEC = "examples/data-store/svc.yml"
VERB = ["state", "new-framework"]
YES = "--yes-i-lose-the-framework"


def refused(name, s, *args, code):
    p = s.reeve(*args, "--run-dir", s.run_dir, ok_codes=None)
    check(name, p.returncode == code and
          s.get("/v1/state/frameworkId") == [framework], p)


with Suite() as s:
    s.up(SPEC)
    framework = s.get("/v1/state/frameworkId")[0]
    before, volumes = s.task_ids(), sorted(s.volumes())
    refused("a living framework is not given up", s, *VERB, framework, YES,
            code=1)
    refused("nor by force", s, *VERB, framework, YES, "--force", code=1)
    s.operator("TEARDOWN", framework_id={"value": framework})
    wait_for("health says 503", lambda: s.http("/v1/health")[0] == 503)
    code, body = s.http("/v1/health?verbose=true")
    check("and why", "Framework has been removed" in json.dumps(body) or
          "Completed framework" in json.dumps(body), body)
    p = s.reeve("pod", "status", "--run-dir", s.run_dir)
    check("pod status does not pretend to know", all(
        "last known" in line for line in p.stdout.splitlines()
        if "RUNNING" in line) and "RUNNING" in p.stdout, p.stdout)
    s.kill("offer-broker")
    wait_for("a broker again", lambda: s.info() and s.pid("offer-broker"))
    refused("without --yes nothing is done", s, *VERB, framework, code=2)
    refused("nor with another id", s, *VERB, framework + "x", YES, code=1)
    check("it does not take a new id by itself",
          s.get("/v1/state/frameworkId") == [framework])
    wait_for("the verb is taken", lambda: s.reeve(
        *VERB, framework, YES, "--run-dir", s.run_dir,
        ok_codes=None).returncode == 0)
    wait_for("another framework id", lambda: s.http(
        "/v1/state/frameworkId")[1] not in ([framework], None) and
        s.http("/v1/state/frameworkId")[0] == 200)
    wait_for("all tasks anew", lambda: all(
        t["status"] == "RUNNING" and t["id"] != before[n]
        for n, t in s.tasks().items()) and len(s.tasks()) == 5, 60)
    check("the volumes are the same ones", sorted(s.volumes()) == volumes,
          (volumes, sorted(s.volumes())))
    wait_for("pod status knows again", lambda: "last known" not in s.reeve(
        "pod", "status", "--run-dir", s.run_dir).stdout)
    wait_for("health is good again", lambda: s.http("/v1/health")[0] == 200)
    check("the log names the operator's order", any(
        "event=framework_given_up" in text
        for _, text in s.logs("offer-broker")))
    check("no level=bad line", not s.bad_lines(), s.bad_lines())
done()
