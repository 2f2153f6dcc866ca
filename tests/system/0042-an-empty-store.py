#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A store that is empty while agents hold the service's reservations, or while its
tasks run: no framework is registered, it says why, and goes on by the operator's
word."""
import json
import os
import sys
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from front import Devcluster
from suite import Suite, check, done, operator, patient, wait_for

SPEC = "examples/data-store/svc.yml"
VERB = ["state", "ignore-foreign"]


def free_all(master):
    """As an operator would: every volume and reservation of the role."""
    with urllib.request.urlopen(master + "/slaves", timeout=patient(10)) as r:
        slaves = json.load(r)["slaves"]
    for slave in slaves:
        held = slave["reserved_resources_full"].get(ROLE, [])
        where = {"agent_id": {"value": slave["id"]}}
        held = [{k: v for k, v in r.items()
                 if k not in ("role", "reservation")} for r in held]
        volumes = [r for r in held if "disk" in r]
        if volumes:
            operator(master, "DESTROY_VOLUMES", volumes=volumes, **where)
        for r in held:
            if "disk" in r:
                del r["disk"]
            operator(master, "UNRESERVE_RESOURCES", resources=[r], **where)


def health(s):
    return json.dumps(s.http("/v1/health?verbose=true"))


def names_of(master):
    with urllib.request.urlopen(master + "/frameworks",
                                timeout=patient(10)) as r:
        return [f["id"] for f in json.load(r)["frameworks"]]


ROLE = "data-store-role"
old, lost, new = Suite(), Suite(), Suite()
with Devcluster(old.ports, agents=3) as d:
    master = f"http://127.0.0.1:{d.port}"
    with old as s:
        s.up(SPEC, "--master", master)
        framework = s.get("/v1/state/frameworkId")[0]
    # Store and Redis are lost while the tasks run: their reservations are in no
    # offer, so only the master's lists tell.
    with lost as s:
        s.up(SPEC, "--master", master, wait=False)
        wait_for("the reason is told", lambda: framework in health(s))
        code, text = s.http("/v1/health?verbose=true")
        check("health is 503", code == 503 and "second time" in json.dumps(
            text), text)
        wait_for("so does each step", lambda: any(
            f"reeve state ignore-foreign {framework}" in m
            for m in s.step_messages().values()))
        p = s.reeve("explain", "--run-dir", s.run_dir)
        check("and explain", framework in p.stdout, p.stdout)
        s.kill("offer-broker")
        wait_for("a broker again", lambda: sum(
            t.count("event=started") for _, t in s.logs("offer-broker")) == 2)
        check("the master has seen no other framework",
              names_of(master) == [framework], names_of(master))
        p = s.reeve(*VERB, ROLE, "--yes-they-are-not-mine", "--run-dir",
                    s.run_dir, ok_codes=None)
        check("consent must name what was found", p.returncode == 1, p)
        operator(master, "TEARDOWN", framework_id={"value": framework})
        wait_for("now it is about the reservations",
                 lambda: f"ignore-foreign {ROLE}" in health(s), 20)
        check("it asks again by itself, and still registers nothing",
              names_of(master) == [], names_of(master))
        s.reeve(*VERB, ROLE, "--yes-they-are-not-mine", "--run-dir", s.run_dir)
        s.wait_plan()
        check("with consent it deploys beside them", len(s.tasks()) == 5)
        now = s.get("/v1/state/frameworkId")[0]
        check("under a framework of its own", now != framework)
        check("no level=bad line", not s.bad_lines(), s.bad_lines())
    operator(master, "TEARDOWN", framework_id={"value": now})
    with new as s:
        s.up(SPEC, "--master", master, wait=False)
        wait_for("the reason is told", lambda: any(
            "reeve state ignore-foreign" in m for m in s.step_messages().values()))
        check("nothing is launched", not s.tasks(), s.tasks())
        p = s.reeve(*VERB, ROLE, "--run-dir", s.run_dir, ok_codes=None)
        check("not without --yes", p.returncode == 2, p)
        p = s.reeve(*VERB, framework, "--yes-they-are-not-mine", "--run-dir",
                    s.run_dir, ok_codes=None)
        check("not with another word", p.returncode == 1, p)
        check("still nothing is launched", not s.tasks(), s.tasks())
        # Freed by another's hand: it goes on by itself.
        free_all(master)
        s.wait_plan()
        check("when they are gone it deploys", len(s.tasks()) == 5)
        check("no level=bad line", not s.bad_lines(), s.bad_lines())
done()
