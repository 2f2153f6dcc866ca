#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reservations with the service's labels that no record names: listed, left
alone, freed by the operator's word alone, also when the broker is killed."""
import json
import os
import sys
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import Suite, check, done, wait_for

ROLE, PRINCIPAL = "data-store-role", "data-store-principal"
VERB, YES = ["state", "release"], "--yes-i-lose-what-they-hold"


def disk(resource_id, framework, volume=None):
    """64 MiB reserved under the label, as a volume when one is named."""
    labels = [{"key": "resource_id", "value": resource_id},
              {"key": "framework_id", "value": framework}]
    out = {"name": "disk", "type": "SCALAR", "scalar": {"value": 64},
           "reservations": [{"type": "DYNAMIC", "role": ROLE,
                             "principal": PRINCIPAL,
                             "labels": {"labels": labels}}]}
    if volume:
        out["disk"] = {"persistence": {"id": volume, "principal": PRINCIPAL},
                       "volume": {"mode": "RW", "container_path": "old"}}
    return out


def plant(s, agent, resource_id, framework, volume=None):
    """As an operator's tool, or a scheduler that is gone, would leave it."""
    where = {"agent_id": {"value": agent}}
    wait_for("the master takes the reservation", lambda: s.operator(
        "RESERVE_RESOURCES", resources=[disk(resource_id, framework)],
        **where)[0] == 202)
    if volume:
        wait_for("and the volume", lambda: s.operator(
            "CREATE_VOLUMES", volumes=[disk(resource_id, framework, volume)],
            **where)[0] == 202)


def at_master(s):
    return json.dumps(s.master("/slaves"))


def listed(s, **wanted):
    found = wait_for("a broker that answers", lambda: s.get(
        "/v1/debug/reservations?verbose=true")["reservations"])
    return {r["resource_id"]: r for r in found
            if all(r.get(k) == v for k, v in wanted.items())}


with Suite() as s:
    s.up("examples/data-store/svc.yml", DATA_COUNT="2")
    framework = s.get("/v1/state/frameworkId")[0]
    agent = next(r["agent"] for r in listed(s, pod="data-0").values())
    mine, theirs, kept = (str(uuid.uuid4()) for _ in range(3))
    plant(s, agent, mine, framework, volume="old-volume")
    plant(s, agent, theirs, "framework-of-old")
    plant(s, agent, kept, framework)
    wait_for("they are seen, although no offer shows them", lambda: {mine, theirs, kept} <=
             set(listed(s)), 40)
    check("ours by its label: unknown",
          set(listed(s, standing="unknown")) == {mine, kept}, listed(s))
    check("another's: foreign",
          set(listed(s, standing="foreign")) == {theirs}, listed(s))
    one = listed(s)[mine]
    check("with agent, volume, role, labels, and since when",
          one["agent"] == agent and one["persistence_id"] == "old-volume" and
          one["role"] == ROLE and one["principal"] == PRINCIPAL and
          one["labels"]["framework_id"] == framework and one["since"] > 1e12,
          one)
    wanted = listed(s, standing="wanted", pod="data-0")
    volume = [r for r in wanted.values() if r.get("persistence_id")]
    check("what a pod has is wanted", len(wanted) >= 3 and len(volume) == 1 and
          volume[0]["container_path"] == "data-volume", wanted)
    by_host = s.get("/v1/debug/reservations")
    check("in the SDK's shape: ids by host",
          mine in by_host[one["hostname"]] and
          sum(map(len, by_host.values())) == len(listed(s)), by_host)
    p = s.reeve("debug", "reservations", "--run-dir", s.run_dir)
    check("the CLI shows them", kept in p.stdout)

    run = ["--run-dir", s.run_dir]
    p = s.reeve(*VERB, mine, *run, ok_codes=None)
    check("not without --yes", p.returncode == 2, p)
    p = s.reeve(*VERB, mine, volume[0]["resource_id"], YES, *run, ok_codes=None)
    check("never what a record names", p.returncode == 1 and
          "data-0" in p.stderr and "nothing was released" in p.stderr, p)
    p = s.reeve(*VERB, "no-such-id", YES, *run, ok_codes=None)
    check("nor what was not seen", p.returncode == 1, p)
    check("and all or none", mine in at_master(s) and
          not listed(s, standing="released"), listed(s))

    p = s.reeve(*VERB, mine, theirs, YES, *run)
    s.kill("offer-broker")
    check("the order is taken", mine in p.stdout and theirs in p.stdout, p)
    wait_for("the master has them no more", lambda: mine not in at_master(s) and
             "old-volume" not in at_master(s) and theirs not in at_master(s),
             60)
    check("the other one is still there", kept in at_master(s))
    wait_for("the orders are fulfilled", lambda: not {mine, theirs} &
             set(listed(s)), 40)
    check("the pod's own are still wanted", set(wanted) <=
          set(listed(s, standing="wanted")))
    check("and the tasks run on", all(t["status"] == "RUNNING"
                                      for t in s.tasks().values()))
    p = s.reeve(*VERB, mine, YES, *run, ok_codes=None)
    check("once more: it is not there", p.returncode == 1, p)
    code, text = s.http("/v1/debug/explain?pod=data-0")
    check("a pod that runs has nothing to explain", code == 200 and
          text["pods"][0]["runs"] and not text["pods"][0]["findings"], text)
    check("an unknown pod is not found",
          s.http("/v1/debug/explain?pod=data-7")[0] == 404)
    check("no level=bad line", not s.bad_lines(), s.bad_lines())
done()
