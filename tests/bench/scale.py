#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The devcluster at scale: simulated tasks on simulated agents in one process.

  B=build tests/bench/scale.py [--agents 15000] [--tasks 100000]

5,000 tasks start in a second; a third of them stay, a third finish and a third
fail after two seconds.
Prints what the process took, as a row in Markdown.
"""
import argparse
import os
import re
import shutil
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
from crowd import Crowd  # noqa: E402


def taken(pid):
    """(resident MB, peak MB, CPU seconds)"""
    with open(f"/proc/{pid}/status") as f:
        text = f.read()
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    mb = [int(re.search(rf"{name}:\s*(\d+)", text)[1]) / 1024
          for name in ("VmRSS", "VmHWM")]
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return mb[0], mb[1], cpu


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--agents", type=int, default=15000)
    a.add_argument("--tasks", type=int, default=100000)
    a.add_argument("--timeout", type=float, default=300)
    args = a.parse_args()
    folder = tempfile.mkdtemp(prefix="reeve-scale-")
    c = Crowd(os.path.join(ROOT, os.environ.get("B", "build"), "bin"), folder,
              args.agents, args.tasks)
    try:
        c.wait_listening(60)
        time.sleep(1)
        _, _, before = taken(c.process.pid)
        c.run(args.timeout)
        resident, peak, cpu = taken(c.process.pid)
        m = c.metrics()
    finally:
        c.stop()
        shutil.rmtree(folder, ignore_errors=True)
    begin = c.seen_at["subscribed"]
    seconds = c.seen_at["settled"] - begin
    print("| agents | tasks | all launched | all settled | updates/s | "
          "running, finished, failed | devcluster: resident, peak | CPU |")
    print("|---" * 8 + "|")
    print(f"| {args.agents:,} | {args.tasks:,} "
          f"| {c.seen_at.get('launched', begin) - begin:.1f} s "
          f"| {seconds:.1f} s | {c.updates / seconds:,.0f} "
          f"| {m['master/tasks_running']:,.0f}, "
          f"{m['master/tasks_finished']:,.0f}, "
          f"{m['master/tasks_failed']:,.0f} "
          f"| {resident:.0f} MB, {peak:.0f} MB | {cpu - before:.1f} s |")
    for line in c.wrong[:10]:
        print(line, file=sys.stderr)
    return 1 if c.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
