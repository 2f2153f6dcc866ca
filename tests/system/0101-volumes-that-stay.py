#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Volumes that cannot get another size: of agents that lack the capability, and
MOUNT disks.  What runs goes on; a MOUNT disk that is large enough is used."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import FOLDER, Suite, check, done, wait_for

SPEC = os.path.join(FOLDER, "svc.yml")


def spec(root, mount):
    with open(SPEC, "w") as f:
        f.write("name: stay\nplans:\n  deploy:\n    strategy: parallel\n"
                "    phases:\n      root: {pod: root}\n"
                "      mount: {pod: mount}\n"
                "pods:\n" + "".join(f"""
  {kind.lower()}:
    count: 1
    cmd: "echo $TASK_NAME >> data/log && exec sleep 100000"
    cpus: 0.1
    memory: 32
    volume: {{path: data, type: {kind}, size: {size}}}
""" for kind, size in (("ROOT", root), ("MOUNT", mount))))


def resources():
    def scalar(name, value, **more):
        return {"name": name, "type": "SCALAR", "scalar": {"value": value},
                **more}
    folder = os.path.join(FOLDER, "mounted")
    os.makedirs(folder)
    return json.dumps([
        scalar("cpus", 4), scalar("mem", 4096), scalar("disk", 8192),
        scalar("disk", 1024, disk={"source": {
            "type": "MOUNT", "mount": {"root": folder}}})])


with Suite(agents=1, REEVE_AGENT_RESOURCES=resources(),
           REEVE_AGENT_RESIZE_VOLUME="false") as s:
    spec(32, 512)
    s.up(SPEC)
    s.wait_running(["root-0", "mount-0"])
    first = s.task_ids()

    spec(64, 2048)
    s.up(SPEC, wait=False)
    text = wait_for("the reason", lambda: (
        lambda m: m if "RESIZE_VOLUME" in m else None)(s.step_messages()["root-0"]))
    check("an agent that cannot do that", "volume data is to get 64 MiB and "
          "has 32: its agent cannot" in text and "goes on" in text, text)
    text = wait_for("the reason", lambda: (
        lambda m: m if "MOUNT disk" in m else None)(s.step_messages()["mount-0"]))
    check("a MOUNT disk that is too small", "MOUNT disk of 1024 MiB" in text and
          "2048 MiB are wanted" in text and "goes on" in text, text)
    check("both go on", s.task_ids() == first)

    spec(32, 1024)
    s.up(SPEC)
    now = s.task_ids()
    check("one that is large enough is used, with its data",
          now["root-0"] == first["root-0"] and
          now["mount-0"] != first["mount-0"], now)
    check("nothing odd in the logs", not s.bad_lines(), s.bad_lines())

done()
