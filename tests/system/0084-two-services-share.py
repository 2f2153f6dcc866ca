#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two services on one cluster: one wants what nobody can offer and keeps asking;
the other deploys, changes and recovers as if it were alone.  No offer is kept;
work after a long rest finds offers again."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from front import Devcluster
from suite import FOLDER, Suite, check, done, wait_for

GREEDY = """name: greedy
pods:
  glutton:
    count: 2
    resource-sets:
      all: {cpus: 64, memory: 64}
    tasks:
      eat: {goal: RUNNING, resource-set: all, cmd: sleep 1000}
"""


def offers(s):
    answer = s.get("/v2/debug/offers")
    return answer if isinstance(answer, dict) else None


path = os.path.join(FOLDER, "greedy.yml")
with open(path, "w") as f:
    f.write(GREEDY)
greedy, modest = Suite(), Suite()
with Devcluster(greedy.ports, agents=3) as d, greedy as g, modest as m:
    master = ["--master", f"http://127.0.0.1:{d.port}"]
    g.up(path, *master, wait=False)
    wait_for("the glutton is told why", lambda: "cpus" in str(
        g.get("/v1/plans/deploy")["phases"]), 30)
    seen = offers(g)
    check("each try is shown", seen["rejectedCount"] > 0 and
          "ResourceEvaluationStage" in seen["failureReasons"] and
          any("cpus" in line for e in seen["offers"]
              for line in e["explanation"]), seen)
    check("by agent", len(seen["rejectedAgents"]) == 3, seen)

    m.up("examples/data-store/svc.yml", *master, timeout=60)
    check("the other deploys beside it", len(m.tasks()) == 5)
    longest = max(o["held-ms"] for o in offers(g)["heldOffers"] or
                  [{"held-ms": 0}])
    check("no offer is kept for long", longest < 5000, longest)

    # At rest it wants no offers, and gives back what it has.
    wait_for("it suppresses", lambda: offers(m)["suppressed"], 30)
    wait_for("and holds nothing", lambda: not offers(m)["heldOffers"], 10)
    check("the greedy one still looks", not offers(g)["suppressed"])
    before = m.task_ids()
    m.post("/v1/pod/data-1/restart")
    wait_for("work after a rest finds offers", lambda: m.task_ids()["data-1"]
             != before["data-1"] and m.tasks()["data-1"]["status"] == "RUNNING",
             30)
    m.up("examples/data-store/svc.yml", *master, DATA_COUNT="4", timeout=60)
    check("so does a change", len(m.tasks()) == 6)
    check("what could not be placed was not", not g.tasks())
    text = g.reeve("explain", "glutton-0", "--run-dir", g.run_dir).stdout
    check("and explain says so", "glutton-0 does not run" in text and
          "cpus" in text, text)
    p = g.reeve("debug", "offers", "--run-dir", g.run_dir)
    check("the CLI shows the tries", "rejectedAgents" in p.stdout)
    for s in (g, m):
        check("no level=bad line", not s.bad_lines(), s.bad_lines())
done()
