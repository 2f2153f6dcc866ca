#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Thousands of simulated tasks on hundreds of simulated agents in one devcluster:
each starts, runs, finishes or fails as it was told, and its master counts them."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from crowd import Crowd, NAMES, kind_of
from suite import BIN, FOLDER, check, done, guarded, patient

AGENTS, TASKS = 300, 2000


@guarded("a crowd of tasks")
def crowd():
    c = Crowd(BIN, FOLDER, AGENTS, TASKS)
    try:
        c.wait_listening(patient(20))
        c.run(patient(60))
        check("each task went the way it was told", not c.wrong, c.wrong[:5])
        check("all were launched", len(c.states) == TASKS, len(c.states))
        m = c.metrics()
        want = {name: sum(kind_of(i) == name for i in range(TASKS))
                for name in NAMES}
        got = {"stays": m["master/tasks_running"],
               "finishes": m["master/tasks_finished"],
               "fails": m["master/tasks_failed"]}
        check("the master counts the same", got == want, (got, want))
        check("each update was acknowledged, none refused",
              m["master/invalid_status_update_acknowledgements"] == 0 and
              m["master/valid_status_updates"] >= c.updates, m)
    finally:
        code = c.stop()
    check("it ends in good order", code == 0, code)


crowd()
done()
