#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The devcluster with two masters, credentials and fault domains: who does not
lead answers 307, who does not know the secret 401; the lead changes hands; and
thousands of simulated agents come up in one process."""
import base64
import http.client
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import BIN, FOLDER, check, done, guarded, patient, wait_for

streams = []  # subscriptions last as long as their connection
REALM = 'Basic realm="mesos-master-%s"'


class Cluster:
    def __init__(self, name, *flags):
        self.port_file = os.path.join(FOLDER, name + ".port")
        self.log = open(os.path.join(FOLDER, name + ".log"), "w")
        self.process = subprocess.Popen(
            [f"{BIN}/reeve-devcluster", "--work-dir",
             os.path.join(FOLDER, name), "--port-file", self.port_file,
             *flags], stderr=self.log, stdout=self.log)

    def __enter__(self):
        def listens():
            if self.process.poll() is not None:
                raise RuntimeError("the devcluster ended")
            return os.path.exists(self.port_file)
        wait_for("the devcluster listens", listens, 20)
        with open(self.port_file) as f:
            self.masters = f.read().strip().split(",")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        check("it ends in good order", self.process.wait(patient(20)) == 0)
        self.log.close()


def ask(master, path, method="GET", body=None, secret=None, **headers):
    """(status, headers, body); does not follow."""
    c = http.client.HTTPConnection(master, timeout=patient(15))
    if secret:
        headers["Authorization"] = "Basic " + base64.b64encode(
            secret.encode()).decode()
    headers.setdefault("Accept", "application/json")
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(body)
    c.request(method, path, body, headers)
    r = c.getresponse()
    if r.getheader("Mesos-Stream-Id"):
        streams.append((c, r))
        return r.status, dict(r.getheaders()), ""
    text = r.read().decode()
    c.close()
    return r.status, dict(r.getheaders()), text


def subscribe(principal=None):
    info = {"user": "nobody", "name": "masters", "roles": ["masters"],
            "capabilities": [{"type": "MULTI_ROLE"}]}
    if principal:
        info["principal"] = principal
    return {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}


def redirects(c, leader, other):
    for path in ("/state", "/master/state", "/slaves", "/api/v1",
                 "/api/v1/scheduler"):
        status, headers, _ = ask(other, path)
        want = f"//{leader}/master" + path.removeprefix("/master")
        check(f"{path} leads to the leader",
              (status, headers.get("Location")) == (307, want),
              (status, headers))
    for master in (leader, other):
        status, headers, _ = ask(master, "/redirect")
        check("/redirect names the leader", (status, headers.get(
            "Location")) == (307, f"//{leader}"), headers)
        check("/health is everybody's own", ask(master, "/health")[0] == 200)


def agents_of(master):
    return json.loads(ask(master, "/slaves", secret="svc:s3cret")[2])["slaves"]


def credentials(leader):
    api = "/api/v1/scheduler"
    for name, secret in (("none", None), ("wrong", "svc:wrong"),
                         ("unknown", "nobody:x"), ("two colons", "svc:s:3")):
        status, headers, text = ask(leader, api, "POST", subscribe("svc"),
                                    secret)
        check(f"credentials {name}: 401", status == 401 and
              headers.get("WWW-Authenticate") == REALM % "scheduler" and
              text == "401 Unauthorized.", (status, headers, text))
    status, _, text = ask(leader, api, "POST", subscribe("svc"), "other:o")
    check("another principal: 400", (status, text) == (
        400, "Failed to validate scheduler::Call: Authenticated principal "
             "'other' does not match principal 'svc' set in `FrameworkInfo`"),
          (status, text))
    status, _, _ = ask(leader, api, "POST", subscribe(), "svc:s3cret")
    check("the right one subscribes", status == 200)
    f = json.loads(ask(leader, "/frameworks", secret="svc:s3cret")[2])
    check("an unset principal is filled in",
          [x["principal"] for x in f["frameworks"]] == ["svc"], f)
    check("operators need credentials too",
          ask(leader, "/state")[0] == 401)


secrets = os.path.join(FOLDER, "credentials")
with open(secrets, "w") as out:
    json.dump({"credentials": [{"principal": "svc", "secret": "s3cret"},
                               {"principal": "other", "secret": "o"}]}, out)
with guarded("masters"), Cluster(
        "two", "--masters", "2", "--agents", "2", "--credentials", secrets,
        "--authenticate-operators", "--agent-domain", "eu/z{n}") as c:
    first, second = c.masters
    redirects(c, first, second)
    wait_for("both agents", lambda: len(agents_of(first)) == 2)
    check("agents have fault domains",
          sorted(a["domain"]["fault_domain"]["zone"]["name"]
                 for a in agents_of(first)) == ["z0", "z1"])
    credentials(first)
    ids = sorted(a["id"] for a in agents_of(first))
    check("the lead changes hands", ask(first, "/devcluster/failover",
                                        "POST")[0] == 200)
    redirects(c, second, first)
    wait_for("the same agents at the other master",
             lambda: sorted(a["id"] for a in agents_of(second)) == ids)
    check("the same agents at the other master", True)
with guarded("simulated"), Cluster(
        "many", "--simulate", "--agents", "3000") as c:
    wait_for("3,000 agents", lambda: json.loads(ask(
        c.masters[0], "/metrics/snapshot")[2])["master/slaves_active"] == 3000,
        60)
    check("3,000 simulated agents register", True)
    check("they leave nothing on disk", os.listdir(
        os.path.join(FOLDER, "many")) == ["master"])
done()
