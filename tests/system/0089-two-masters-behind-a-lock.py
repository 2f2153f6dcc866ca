#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The data-store on two masters that speak TLS only and want credentials: it
deploys, a killed task comes back, the lead changes hands twice, the broker is
killed on the way: no task runs twice, none is forgotten."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from front import self_signed
from scheduler import Cluster
from suite import FOLDER, Suite, check, done, wait_for

NAMES = ["data-0", "data-1", "data-2", "meta-data-0", "meta-data-1"]
secrets, secret = (os.path.join(FOLDER, n) for n in ("secrets", "secret"))
with open(secrets, "w") as f:
    json.dump({"credentials": [{"principal": "data-store-principal",
                                "secret": "hush"}]}, f)
with open(secret, "w") as f:
    f.write("hush\n")


def at_master(c):
    frameworks = json.loads(c.ask("/frameworks")[1])["frameworks"]
    return sorted(t["id"] for f in frameworks for t in f["tasks"]), \
        all(f["connected"] for f in frameworks) and len(frameworks) == 1


def settle(s, c, what):
    wait_for(f"{what}: the leader knows all and is heard", lambda: at_master(
        c) == (sorted(s.task_ids().values()), True), 30)


def one_of_each():
    return {n: len(p) for n, p in far.task_sessions().items()} == {
        n: 1 for n in NAMES}


pem, cert = self_signed()
suite = Suite(REEVE_PRINCIPAL_SECRET_FILE=secret, REEVE_CA_FILE=cert)
# Only to look at the tasks of a cluster that is not the suite's own.
far = Suite(run_dir=os.path.join(FOLDER, "far"))
os.mkdir(far.run_dir)
with Cluster(os.path.join(far.run_dir, "devcluster"), "--masters", "2",
             "--credentials", secrets, "--tls-cert", pem, "--tls-key", pem, "--agents", "3", "--agent-ports",
             str(suite.ports), "--allocation-interval-ms", "100",
             "--agent-ping-timeout-ms", "500", "--recovery-wait-ms",
             "100") as c, suite as s:
    s.up("examples/data-store/svc.yml", "--master",
         "https://" + ",".join(c.masters))
    check("deployed behind the lock", sorted(s.tasks()) == NAMES)
    settle(s, c, "at first")
    ids = s.task_ids()

    c.fault("/failover?start_ms=400")
    settle(s, c, "the other leads")
    check("a change of the lead starts nothing", s.task_ids() == ids and
          one_of_each(), far.task_sessions())
    far.kill_task("data-1")
    wait_for("data-1 comes back", lambda: s.task_ids()["data-1"] !=
             ids["data-1"] and s.tasks()["data-1"]["status"] == "RUNNING", 30)
    check("a killed task comes back by the other master", True)

    # The lead goes back while nobody listens.
    s.kill("offer-broker")
    c.fault("/failover")
    settle(s, c, "the first leads again")
    now = s.task_ids()
    check("the broker finds the leader by itself", one_of_each() and
          all(now[n] == ids[n] for n in NAMES if n != "data-1"), (ids, now))
    check("the secret is in no log",
          not any("hush" in text for _, text in s.logs()))
    check("no level=bad line", not s.bad_lines(), s.bad_lines())
done()
