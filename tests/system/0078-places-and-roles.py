#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where pods go: rules as objects, a role that resources are reserved to
already, and why a pod that fits nowhere does not start."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import FOLDER, Suite, check, done, wait_for

SPEC = os.path.join(FOLDER, "svc.yml")
POD = """
  {name}:
    count: {count}
    {more}
    cmd: "exec sleep 100000"
    cpus: 0.1
    memory: 32
    volume: {{path: data, type: ROOT, size: 32}}
"""
# Each agent has two of its five cpus for the role `public`, and one for that of
# the service itself.
RESOURCES = ("cpus:2;mem:2048;disk:4096;cpus(public):2;mem(public):2048;"
             "disk(public):4096;ports(public):[{0}-{1}];cpus(where-role):1;"
             "mem(where-role):512;disk(where-role):1024")


def rule(kind, **keys):
    return {"@type": kind + "Rule", **keys}


def spec(hosts):
    only = rule("Or", rules=[rule("Hostname", matcher={
        "@type": "ExactMatcher", "string": h}) for h in hosts])
    spread = rule("And", rules=[only, rule("MaxPerHostname", max=1, **{
        "task-filter": {"@type": "RegexMatcher", "pattern": "a-\\d+"}})])
    away = rule("Not", rule=rule("TaskType", type="a", behavior="COLOCATE"))
    with open(SPEC, "w") as f:
        f.write("name: where\npods:\n"
                + POD.format(name="a", count=2, more="placement: '"
                             + json.dumps(spread) + "'")
                + POD.format(name="b", count=1, more="placement: '"
                             + json.dumps(away) + "'")
                + POD.format(name="p", count=1,
                             more="pre-reserved-role: public")
                + POD.format(name="o", count=1,
                             more="pre-reserved-role: where-role"))


def hosts_of(s):
    state = s.master("/state")
    names = {a["id"]: a["hostname"] for a in s.master("/slaves")["slaves"]}
    return {t["name"]: names[t["slave_id"]] for f in state["frameworks"]
            for t in f["tasks"] if t["state"] == "TASK_RUNNING"}


def reserved(s, role):
    """All that is reserved to the role, of all agents, by name."""
    out = {}
    for agent in s.master("/slaves")["slaves"]:
        for name, amount in agent["reserved_resources"].get(role, {}).items():
            out[name] = out.get(name, 0) + amount if name != "ports" else 0
    return out


with Suite() as s:
    s.env["REEVE_AGENT_RESOURCES"] = RESOURCES.format(s.ports, s.ports + 99)
    spec(["nowhere"])
    s.up(SPEC, wait=False)
    all_hosts = sorted(a["hostname"] for a in wait_for(
        "agents", lambda: (lambda l: l if len(l) == 3 else None)(
            s.master("/slaves")["slaves"])))
    text = wait_for("a reason", lambda: [
        m for m in s.step_messages().values() if "nowhere" in m or
        "does not admit" in m])[0]
    check("what fits nowhere says why",
          any(f"hostname is {h}" in text for h in all_hosts), text)

    spec(all_hosts[:2])
    s.up(SPEC)
    s.wait_running(["a-0", "a-1", "b-0", "p-0", "o-0"])
    at = hosts_of(s)
    check("rules as objects place the pods",
          sorted([at["a-0"], at["a-1"]]) == all_hosts[:2]
          and at["b-0"] == all_hosts[2], at)
    mine = reserved(s, "public/where-role")
    check("a pre-reserved pod lives on what its role had",
          round(mine.get("cpus", 0), 3) == 0.2 and mine.get("mem") == 64
          and mine.get("disk") == 288, mine)
    own = reserved(s, "where-role/where-role")
    check("so may one on what its own role had",
          round(own.get("cpus", 0), 3) == 0.2 and own.get("disk") == 288, own)
    plain = reserved(s, "where-role")
    check("and the others do not", round(plain["cpus"], 3) == 0.6 + 3 - 0.2,
          plain)

    before = s.task_ids()
    s.kill_task("p-0")
    wait_for("p-0 again", lambda: s.tasks()["p-0"]["status"] == "RUNNING"
             and s.task_ids()["p-0"] != before["p-0"])
    check("it comes back on the same", reserved(s, "public/where-role") == mine
          and hosts_of(s)["p-0"] == at["p-0"],
          reserved(s, "public/where-role"))
    check("nothing odd in the logs", not s.bad_lines(), s.bad_lines())

done()
