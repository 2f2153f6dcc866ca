#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""More instances start exactly the new ones; another DATA_CPU redeploys only
the data tasks, one by one, on their volumes; back again too."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import Suite, Watch, check, done

SPEC = "examples/data-store/svc.yml"


def overlaps(events, names):
    """Names of tasks that were down at the same time during a rollout."""
    down, worst = set(), 0
    for e in events:
        parts = e["key"].split("/")
        if len(parts) != 5 or parts[4] != "status" or parts[3] not in names:
            continue
        state = e.get("value", {}).get("state_name")
        if state == "TASK_RUNNING":
            down.discard(parts[3])
        else:
            down.add(parts[3])
        worst = max(worst, len(down))
    return worst


with Suite() as s:
    s.up(SPEC, DATA_CPU="0.2")
    first = s.task_ids()
    pids = s.task_processes()
    s.up(SPEC, DATA_COUNT="5", DATA_CPU="0.2")
    s.wait_running(["data-3", "data-4"])
    scaled = s.task_ids()
    check("exactly data-3 and data-4 are new",
          sorted(set(scaled) - set(first)) == ["data-3", "data-4"], scaled)
    check("all other task ids are unchanged",
          {n: scaled[n] for n in first} == first)
    now = s.task_processes()
    check("and so are their processes",
          all(now.get(n) == p for n, p in pids.items()), (pids, now))

    before, volumes = scaled, s.volumes()
    for cpu in ["0.3", "0.1", "0.2"]:
        with Watch(s) as watch:
            watch.events()
            s.up(SPEC, DATA_COUNT="5", DATA_CPU=cpu)
            s.wait_plan()
            data = [f"data-{i}" for i in range(5)]
            s.wait_running(data)
            after = s.task_ids()
            check(f"DATA_CPU={cpu}: all data tasks are new",
                  all(after[n] != before[n] for n in data))
            check(f"DATA_CPU={cpu}: no meta-data task was touched",
                  all(after[n] == before[n] for n in after if "meta" in n))
            # The watch began with a snapshot, in which all ran.
            check(f"DATA_CPU={cpu}: one at a time",
                  overlaps(watch.events(), data) == 1)
        now = s.volumes()
        check(f"DATA_CPU={cpu}: the same volumes, old lines kept",
              sorted(now) == sorted(volumes) and
              all(now[v].startswith(t) for v, t in volumes.items()),
              (volumes, now))
        grown = sum(now[v] != t for v, t in volumes.items())
        check(f"DATA_CPU={cpu}: each data task wrote one more line",
              grown == 5, grown)
        before, volumes = after, now
    info = s.get("/v1/pod/data-0/info")[0]["info"]
    cpus = sum(r["scalar"]["value"] for r in info["resources"]
               if r["name"] == "cpus")
    check("the task has the cpus asked for", abs(cpus - 0.2) < 0.001, info)
    same = s.task_ids()
    s.up(SPEC, DATA_COUNT="5", DATA_CPU="0.2")
    check("the same environment again changes nothing", s.task_ids() == same)
    check("no level=bad line", not s.bad_lines(), s.bad_lines())
done()
