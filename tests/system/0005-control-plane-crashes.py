#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of each of the four services, of redis-server and of the devcluster at
random moments during deployments: each ends COMPLETE without help, no pod
instance ever runs twice at once, no volume is lost, running tasks keep their
pids.  Each round kills each of the six once on the way and all of them at once at
the end.  REEVE_SEED repeats a run, REEVE_ROUNDS is 10 unless told."""
import contextlib
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import Suite, check, done, guarded, wait_for

SPEC = "examples/data-store/svc.yml"
ROUNDS = int(os.environ.get("REEVE_ROUNDS", "10"))
SEED = int(os.environ.get("REEVE_SEED", "0")) or int(time.time())
DATA = 12  # enough that kills meet the deployment on its way
NAMES = [f"meta-data-{i}" for i in range(2)] + [
    f"data-{i}" for i in range(DATA)]
early = 0  # kills that came before the plan was COMPLETE


class Observer(threading.Thread):
    """Looks at the processes of all tasks all the time."""

    def __init__(self, suite):
        super().__init__(daemon=True)
        self.suite, self.stop = suite, False
        self.twice = []

    def run(self):
        while not self.stop:
            for name, shims in self.suite.task_sessions().items():
                if len(shims) > 1:
                    # Seen again: not one that ended while we looked.
                    again = self.suite.task_sessions().get(name, {})
                    if len(set(again) & set(shims)) > 1:
                        self.twice.append((name, shims))
            time.sleep(0.02)


def complete(s):
    try:
        return s.plan_status() == "COMPLETE"
    except (OSError, TypeError, KeyError, ValueError):
        return False


def one_round(number, rng):
    global early
    with Suite(DATA_COUNT=str(DATA)) as s:
        s.up(SPEC, wait=False)
        observer = Observer(s)
        observer.start()
        victims = [p["name"] for p in s.info()["processes"]]
        rng.shuffle(victims)
        for victim in victims:
            time.sleep(rng.uniform(0, 0.25))
            early += not complete(s)
            with contextlib.suppress(KeyError, ProcessLookupError):
                s.kill(victim)
        with guarded(f"round {number}: COMPLETE without help"):
            s.wait_plan(timeout=90)
            s.wait_running(NAMES)
            check(f"round {number}: COMPLETE without help", True)
        kept = s.task_processes()
        ids = s.task_ids()
        # And all six once more while nothing is to be done.
        for victim in victims:
            with contextlib.suppress(KeyError, ProcessLookupError):
                s.kill(victim)
        time.sleep(rng.uniform(0.2, 1.0))
        with guarded(f"round {number}: after killing all at once"):
            s.wait_plan(timeout=60)
            s.wait_running(NAMES)
            wait_for("healthy again",
                     lambda: s.http("/v1/health")[0] == 200, 60)
        check(f"round {number}: running tasks keep their pids and ids",
              s.task_processes() == kept and s.task_ids() == ids,
              (kept, s.task_processes(), ids, s.task_ids()))
        observer.stop = True
        observer.join()
        check(f"round {number}: no instance ran twice at the same time",
              not observer.twice, observer.twice)
        volumes = s.volumes()
        lines = sum(len(t.splitlines()) for t in volumes.values())
        check(f"round {number}: a volume a task, none lost, none extra",
              len(volumes) == len(NAMES) and lines >= len(NAMES), volumes)
        bad = [b for b in s.bad_lines()]
        check(f"round {number}: no level=bad line", not bad, bad[:5])


print(f"seed {SEED}")
for r in range(ROUNDS):
    one_round(r, random.Random(SEED * 1000 + r))
check("most kills came during a deployment", early > 3 * ROUNDS,
      f"{early} of {6 * ROUNDS}")
print(f"{early} of {6 * ROUNDS} kills came before COMPLETE")
done()
