#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A volume's size follows the spec, with its data: it grows and shrinks through
crashes, refused and lost operations and forgotten ACCEPTs; where it cannot, the
instance that runs goes on, and going back touches nothing."""
import json
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import FOLDER, Suite, check, done, wait_for

SPEC = os.path.join(FOLDER, "svc.yml")
SEED = int(os.environ.get("REEVE_SEED") or random.randrange(1 << 30))
ROUNDS = int(os.environ.get("REEVE_ROUNDS") or 1)
TASKS = ["db-0", "db-1"]


def spec(size, more=""):
    with open(SPEC, "w") as f:
        f.write(f"""
name: grow
pods:
  db:
    count: 2
    cmd: "echo $TASK_NAME >> data/log && exec sleep 100000"
    cpus: 0.1
    memory: 32
    volume: {{path: data, type: ROOT, size: {size}{more}}}
""")


def messages(s):
    return " ".join(s.step_messages().values())


def fault(s, what):
    status = s.http("/devcluster/" + what, "POST", b"",
                    base=s.info()["master"])[0]
    if status != 200:
        raise RuntimeError(f"{what}: {status}")


def disks(s):
    """What is reserved to the service on disk: volumes, bare."""
    volumes, bare = [], 0
    for agent in s.master("/slaves")["slaves"]:
        for r in agent["reserved_resources_full"].get("grow-role", []):
            if r["name"] != "disk":
                continue
            if "persistence" in r.get("disk", {}):
                volumes.append(r["scalar"]["value"])
            else:
                bare += r["scalar"]["value"]
    return sorted(volumes), bare


# What goes wrong, and what ends it: an agent that comes back says which
# operations it knows; what nobody answered for is offered again some time.
FAULTS = {
    "operations/refuse?count=2": [],
    "operations/lose?count=2": [f"agents/{n}/{what}" for n in (0, 1)
                                for what in ("partition", "return")],
    "accepts/drop?count=1": ["offers/rescind"],
}
EXECUTORS = 2 * 256  # their own reserved disk, in MiB


def data_is(s, times):
    return sorted(s.volumes().values()) == [
        f"{t}\n" * times for t in TASKS]


with Suite(agents=2) as s:
    print(f"# REEVE_SEED={SEED}")
    rng = random.Random(SEED)
    spec(32)
    s.up(SPEC)
    s.wait_running(TASKS)
    first = s.task_ids()

    # ---- where it cannot be ------------------------------------------
    spec(100000)
    s.up(SPEC, wait=False)
    text = wait_for("the reason", lambda: (
        lambda m: m if "goes on until it does" in m else None)(messages(s)))
    check("no room is told", "volume data needs 99968 MiB more" in text, text)
    spec(32)
    s.up(SPEC)
    check("going back touches nothing", s.task_ids() == first and
          disks(s) == ([32, 32], EXECUTORS), (s.task_ids(), disks(s)))

    # ---- larger ---------------------------------------------------------
    size = 64
    spec(64)
    s.up(SPEC)
    check("they grow, with their data",
          disks(s) == ([64, 64], EXECUTORS) and data_is(s, 2),
          (disks(s), s.volumes()))

    # ---- with faults ----------------------------------------------------
    for n in range(ROUNDS):
        size += 8
        what = rng.choice(list(FAULTS))
        victim = rng.choice(["offer-broker", "planner", "state-store"])
        pause = rng.random() * 0.5
        spec(size)
        fault(s, what)
        s.up(SPEC, wait=False)
        time.sleep(pause)
        s.kill(victim)
        mended = [0.0]

        def is_there():
            if disks(s)[0] == [size, size] and s.plan_status() == "COMPLETE":
                return True
            if time.monotonic() - mended[0] > 1:
                for one in FAULTS[what]:
                    fault(s, one)
                mended[0] = time.monotonic()
            return False

        wait_for(f"{size} MiB", is_there, 60)
        s.wait_running(TASKS)
        check(f"through {what} and the death of {victim}, with their data",
              data_is(s, n + 3) and disks(s)[1] == EXECUTORS,
              (disks(s), s.volumes()))

    # ---- smaller --------------------------------------------------------
    spec(16, ", allow-shrink: true")
    s.up(SPEC)
    check("they shrink, with their data",
          disks(s)[0] == [16, 16] and data_is(s, ROUNDS + 3),
          (disks(s), s.volumes()))
    check("what they left is kept from offers by the master",
          disks(s)[1] == EXECUTORS + 2 * (size - 16), disks(s))
    ids = s.task_ids()
    fault(s, "failover")
    wait_for("the remainders are freed",
             lambda: disks(s) == ([16, 16], EXECUTORS), 60)
    records = s.get("/v1/debug/reservations")
    wait_for("and forgotten", lambda: "GIVEN_UP" not in json.dumps(
        s.get("/v1/debug/reservations")), 30)
    check("the tasks did not notice", s.task_ids() == ids, records)
    check("nothing odd in the logs", not s.bad_lines(), s.bad_lines())

done()
