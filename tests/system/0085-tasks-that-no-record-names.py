#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A store that knows the framework's id and none of its tasks: nothing goes on
without the operator's word; then the tasks are listed, left alone, and ended
one by one on order.  A refused operation is told, and tried again."""
import json
import os
import subprocess
import sys
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from front import Devcluster
from suite import ROOT, TOOLS, Suite, check, done, patient, wait_for

SPEC = "examples/data-store/svc.yml"


def put_framework(s, framework):
    encoded = subprocess.run(
        ["protoc", "--encode=reeve.Framework", "proto/records.proto"],
        input=f'framework_id: "{framework}" name: "data-store" '
              f'principal: "data-store-principal"'.encode(), cwd=ROOT,
        capture_output=True, check=True).stdout
    subprocess.run([f"{TOOLS}/store_ask".encode(), s.run_dir.encode(), b"put",
                    b"service/data-store/framework", encoded], check=True,
                   capture_output=True)


def health(s):
    return json.dumps(s.http("/v1/health?verbose=true"))


def unknown(s):
    return {t["task_id"]: t for t in s.get("/v1/debug/tasks")["unknown"]}


old, new = Suite(), Suite()
with Devcluster(old.ports, agents=3) as d:
    master = ["--master", f"http://127.0.0.1:{d.port}"]
    with old as s:
        s.up(SPEC, *master)
        framework, ids = s.get("/v1/state/frameworkId")[0], s.task_ids()
    with new as s:
        s.up(SPEC, *master, wait=False)
        wait_for("it does not register", lambda: framework in health(s))
        put_framework(s, framework)
        s.kill("offer-broker")
        wait_for("nor does it go on as the old one", lambda: sum(
            t.count("event=not_registered") for _, t in s.logs("offer-broker"))
            >= 2, 30)
        check("nothing is launched", not s.tasks())
        s.reeve("state", "ignore-foreign", framework, "--yes-they-are-not-mine",
                "--run-dir", s.run_dir)
        wait_for("the tasks are listed", lambda: set(ids.values()) <=
                 set(unknown(s)), 30)
        check("none was killed for it", all(
            t["state"] == "TASK_RUNNING" for t in unknown(s).values()),
            unknown(s))
        verb = ["state", "kill-unknown"]
        yes = ["--yes-no-record-names-it", "--run-dir", s.run_dir]
        p = s.reeve(*verb, ids["data-0"], "--run-dir", s.run_dir, ok_codes=None)
        check("not without --yes", p.returncode == 2, p)
        for task in ids.values():
            s.reeve(*verb, task, *yes)
        s.kill("offer-broker")
        s.wait_plan()
        now = s.task_ids()
        check("each one ended makes room for its successor", len(now) == 5 and
              not set(ids.values()) & set(now.values()), now)
        wait_for("none of the old ones is left", lambda: sorted(
            t["id"] for f in json.load(urllib.request.urlopen(
                f"http://127.0.0.1:{d.port}/frameworks",
                timeout=patient(10)))["frameworks"] for t in f["tasks"]) ==
            sorted(now.values()), 30)
        p = s.reeve(*verb, now["data-0"], *yes, ok_codes=None)
        check("never one that a record names", p.returncode == 1 and
              "recorded task" in p.stderr, p)

        # What the dead tasks had is nobody's now: freed, though refused at
        # first, the destruction before the reservation.
        found = wait_for("its reservations are seen", lambda: {
            r["resource_id"]: r for r in s.get(
                "/v1/debug/reservations?verbose=true")["reservations"]
            if r["standing"] == "unknown"} if s.http(
                "/v1/pod/meta-data-0/restart", "POST", b"") else None, 30,
            every=2)
        s.http("/devcluster/operations/refuse?count=2", "POST", b"",
               base=f"http://127.0.0.1:{d.port}")
        s.reeve("state", "release", *found, "--yes-i-lose-what-they-hold",
                "--run-dir", s.run_dir)
        wait_for("they are freed all the same", lambda: not set(found) & {
            r["resource_id"] for r in s.get(
                "/v1/debug/reservations?verbose=true")["reservations"]}, 40)
        check("no level=bad line", not s.bad_lines(), s.bad_lines())
done()
