#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every option of the framework reaches the master; a change of one does, too,
without a task noticing.  An identity that was refused comes back by itself when
it is set back.  A bearer token is read again when it is refused.  A master that
does not tell what runs already is no hindrance, but health says so."""
import json
import os
import subprocess
import sys
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from front import Devcluster, Front
from suite import (FOLDER, ROOT, TOOLS, Suite, check, done, together,
                   wait_for)

SPEC = "examples/data-store/svc.yml"
OPTIONS = {"REEVE_FAILOVER_TIMEOUT_S": "86400",
           "REEVE_FRAMEWORK_LABEL": "team=storage,tier=1",
           "REEVE_FRAMEWORK_HOSTNAME": "sched.example",
           "REEVE_WEBUI_URL": "http://reeve.example/"}


def framework(s):
    return s.master("/frameworks")["frameworks"][0]


def put_framework(s, text):
    """The record as it would stand after the master's word."""
    encoded = subprocess.run(
        ["protoc", "--encode=reeve.Framework", "proto/records.proto"],
        input=text.encode(), cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run([f"{TOOLS}/store_ask".encode(), s.run_dir.encode(), b"put",
                    b"service/data-store/framework", encoded], check=True,
                   capture_output=True)


def options():
    suite = Suite(**OPTIONS)
    with Devcluster(suite.ports, agents=3) as d, suite as s:
        master = ["--master", f"http://127.0.0.1:{d.port}"]
        s.up(SPEC, *master)
        f, ids = framework(s), s.task_ids()
        check("name, user, role, principal, checkpoint",
              f["name"] == "data-store" and f["user"] and
              f["roles"] == ["data-store-role"] and
              f["principal"] == "data-store-principal" and f["checkpoint"], f)
        check("failover timeout", f["failover_timeout"] == 86400, f)
        check("page and host", f["webui_url"] == "http://reeve.example/" and
              f["hostname"] == "sched.example", f)
        check("labels", sorted((x["key"], x["value"]) for x in f["labels"]) ==
              [("team", "storage"), ("tier", "1")], f.get("labels"))
        check("capabilities", {"MULTI_ROLE", "PARTITION_AWARE",
                               "RESERVATION_REFINEMENT", "TASK_KILLING_STATE",
                               "REGION_AWARE"} <= set(f["capabilities"]), f)
        # Another timeout: the default, a week.
        s.down()
        del s.env["REEVE_FAILOVER_TIMEOUT_S"]
        s.up(SPEC, *master)
        wait_for("the master knows the new timeout",
                 lambda: framework(s)["failover_timeout"] == 604800)
        check("it is the same framework with the same tasks",
              framework(s)["id"] == f["id"] and s.task_ids() == ids)

        # Refused for its principal: off, and why; then the old one again.
        record = f'framework_id: "{f["id"]}" name: "data-store" ' \
            'error: "Changing framework\'s principal is not allowed." '
        put_framework(s, record + 'principal: "another"')
        wait_for("health is 503", lambda: s.http("/v1/health")[0] == 503)
        s.kill("offer-broker")
        wait_for("the broker says what to do", lambda: any(
            "registered with principal 'another'" in t and "set it back" in t
            for _, t in s.logs("offer-broker")))
        check("it keeps its id", s.get("/v1/state/frameworkId") == [f["id"]])
        put_framework(s, record + 'principal: "data-store-principal"')
        wait_for("it goes on by itself",
                 lambda: s.http("/v1/health")[0] == 200 and
                 framework(s)["connected"], 30)
        check("the tasks did not notice", s.task_ids() == ids)
        check("no level=bad line", not s.bad_lines(), s.bad_lines())


def bearer():
    path = os.path.join(FOLDER, "token")
    good = ["first"]
    with open(path, "w") as f:
        f.write("first\n")
    suite = Suite(REEVE_TOKEN_FILE=path)
    with Devcluster(suite.ports) as d, Front(
            d.port, wanted=lambda v: v == f"Bearer {good[0]}",
            answers={"/frameworks": 403}) as front, suite as s:
        s.up(SPEC, "--master", f"http://127.0.0.1:{front.port}")
        check("a bearer token lets in", len(s.tasks()) == 5)
        untold(s, "403 to /frameworks")
        before, refused = s.task_ids(), front.refused
        good[0] = "second"
        s.post("/v1/pod/data-0/restart")
        wait_for("the old token is refused", lambda: front.refused > refused)
        with open(path, "w") as f:
            f.write("second\n")
        wait_for("the new one is read, the order is carried out", lambda:
                 s.task_ids()["data-0"] != before["data-0"] and
                 s.tasks()["data-0"]["status"] == "RUNNING", 60)
        check("the token is in no log", not any(
            "second" in line and "Bearer" in line
            for _, t in s.logs("offer-broker") for line in t.splitlines()))
        check("no level=bad line", not s.bad_lines(), s.bad_lines())


def suite_says(s):
    return s.reeve("--run-dir", s.run_dir, "suite", ok_codes=None).stdout


def untold(s, what):
    """The check `registration` is not well, and says this."""
    text = suite_says(s)
    check(f"registered all the same, and health tells of {what}",
          "could not be checked whether service data-store runs already" in text
          and what in text, text)


def closed(path, status):
    suite = Suite(agents=1)
    with Devcluster(suite.ports) as d, Front(
            d.port, answers={path: status}) as front, suite as s:
        s.up(SPEC, "--master", f"http://127.0.0.1:{front.port}", wait=False)
        if status == 404:  # it may be a master that starts: asked again
            wait_for("three questions", lambda: front.refused >= 3)
            check("nothing is registered meanwhile", not json.loads(
                urllib.request.urlopen(f"http://127.0.0.1:{d.port}/frameworks",
                                       timeout=10).read())["frameworks"])
            text = suite_says(s)
            check("it is told what is waited for", "does not say whether the "
                  "service runs already" in text, text)
        s.wait_plan()
        untold(s, f"{status} to {path}")
        check("no level=bad line", not s.bad_lines(), s.bad_lines())


def closed_401():
    closed("/frameworks", 401)


def closed_404():
    closed("/slaves", 404)


together(options, bearer, closed_401, closed_404)
done()
