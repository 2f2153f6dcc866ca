#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A role's quota leaves too little: the agents have room, the master offers
none of it, and the step says why.  Once the quota allows more, it goes on."""
import json
import os
import sys
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from front import Devcluster
from suite import Suite, check, done, wait_for

SPEC = "examples/data-store/svc.yml"


def quota(port, **limits):
    body = json.dumps({"type": "UPDATE_QUOTA", "update_quota": {
        "quota_configs": [{"role": "data-store-role", "limits": {
            k: {"value": v} for k, v in limits.items()}}]}}).encode()
    urllib.request.urlopen(urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1", data=body, method="POST",
        headers={"Content-Type": "application/json"}), timeout=10).close()


s = Suite()
with Devcluster(s.ports) as d, s:
    quota(d.port, cpus=0.6)
    s.up(SPEC, "--master", f"http://127.0.0.1:{d.port}", wait=False)

    def messages():
        return str(s.get("/v1/plans/deploy")["phases"])

    wait_for("the step names the quota", lambda: "the quota of role "
             "data-store-role allows cpus 0.6, of which 0.4 are used; 0.3 "
             "more are needed" in messages(), 30)
    wait_for("what fits under it runs", lambda: sorted(s.tasks()) == [
        "meta-data-0", "meta-data-1"])
    wait_for("explain names it too", lambda: "quota of role data-store-role" in
             s.reeve("explain", "data-0", "--run-dir", s.run_dir).stdout)
    quota(d.port, cpus=2)
    wait_for("more is allowed: it goes on", lambda: s.plan_status() ==
             "COMPLETE", 30)
    wait_for("nothing speaks of quotas any more", lambda: "quota" not in
             messages())
    check("the quota is named, and forgotten", True)
    check("no level=bad line", not s.bad_lines(), s.bad_lines())
done()
