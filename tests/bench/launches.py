#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast the suite launches durably, and how much memory it takes.

  B=build tests/bench/launches.py [--tasks N] [--agents N[,N...]] [--memory S]

For each number of agents: a devcluster without processes, and a suite with one
pod type of N instances, all demanded at once.  The clock runs from the first
task the master sees until the plan is COMPLETE, that is until every RUNNING is
stored; acknowledged are counted at the master.  Prints a table in Markdown.

With --memory, S seconds after the deployment, also what each process has: RSS
counts the libraries that all of them share in each, PSS once; peak is the
highest RSS.
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BIN = os.path.join(ROOT, os.environ.get("B", "build"), "bin")
SPEC = """name: bench
pods:
  node:
    count: {tasks}
    tasks:
      server:
        goal: RUNNING
        cmd: sleep 1000000
        cpus: 0.1
        memory: 32
plans:
  deploy:
    strategy: parallel
    phases:
      node:
        strategy: parallel
        pod: node
"""
SERVICES = ["state-store", "offer-broker", "planner", "api-gateway"]


def get(url):
    with urllib.request.urlopen(url, timeout=120) as r:
        return json.load(r)


def status_of(pid):
    with open(f"/proc/{pid}/status") as f:
        rss = int(re.search(r"VmRSS:\s*(\d+)", f.read())[1]) / 1024
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return rss, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid):
    """(RSS, PSS, peak) in MB."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        now = dict(re.findall(r"^(\w+): +(\d+) kB", f.read(), re.M))
    with open(f"/proc/{pid}/status") as f:
        peak = re.search(r"VmHWM:\s*(\d+)", f.read())[1]
    return [int(kb) / 1024 for kb in (now["Rss"], now["Pss"], peak)]


def show_memory(pids, seconds):
    time.sleep(seconds)
    print("\n| process | RSS MB | PSS MB | peak MB |\n|---|--:|--:|--:|")
    rows = [(s, memory_of(next(p for n, p in pids.items() if n.endswith(s))))
            for s in SERVICES]
    rows.append(("all four", [sum(c) for c in zip(*(r[1] for r in rows))]))
    for name, row in rows:
        print(f"| {name} | " + " | ".join(f"{v:.0f}" for v in row) + " |")
    print(flush=True)


def wait(what, fn, timeout):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        try:
            value = fn()
        except (OSError, ValueError, KeyError):
            value = None
        if value:
            return value
        time.sleep(0.1)
    raise TimeoutError(what)


def start_cluster(folder, agents):
    port_file = os.path.join(folder, "port")
    p = subprocess.Popen(
        [f"{BIN}/reeve-devcluster", "--simulate", "--agents", str(agents),
         "--work-dir", f"{folder}/cluster", "--port-file", port_file,
         "--agent-resources", "cpus:32;mem:65536;disk:1000000",
         "--allocation-interval-ms", "100"],
        stdout=subprocess.DEVNULL, stderr=open(f"{folder}/cluster.log", "w"))
    wait("the devcluster", lambda: os.path.getsize(port_file), 120)
    with open(port_file) as f:
        url = "http://" + f.read().strip()
    wait("all agents", lambda: get(url + "/metrics/snapshot")
         ["master/slaves_active"] == agents, 120)
    return p, url


def measure(run_dir, url, args):
    """(seconds, durable launches, acknowledged)."""
    with open(os.path.join(run_dir, "suite.json")) as f:
        suite = json.load(f)
    first = None
    end = time.monotonic() + args.timeout
    while time.monotonic() < end:
        m = get(url + "/metrics/snapshot")
        seen = sum(m[f"master/tasks_{k}"]
                   for k in ("staging", "starting", "running"))
        if first is None and seen:
            first = (time.monotonic(), seen)
        if m["master/tasks_running"] >= args.tasks and get(
                suite["gateway"] + "/v1/plans/deploy")["status"] == "COMPLETE":
            break
        time.sleep(0.1)
    else:
        print(f"not complete within {args.timeout:.0f} s: "
              f"{int(m['master/tasks_running'])} of {args.tasks} run",
              file=sys.stderr, flush=True)
    acks = int(m.get("master/valid_status_update_acknowledgements", 0))
    return time.monotonic() - first[0], int(m["master/tasks_running"]), acks


def one(agents, args):
    folder = tempfile.mkdtemp(prefix="reeve-bench-")
    run_dir, spec = f"{folder}/run", f"{folder}/svc.yml"
    with open(spec, "w") as f:
        f.write(SPEC.format(tasks=args.tasks))
    cluster, url = start_cluster(folder, agents)
    try:
        subprocess.run([f"{BIN}/reeve", "up", "--detach", "--run-dir", run_dir,
                        "--port", "0", "--master", url, spec], check=True,
                       stdout=subprocess.DEVNULL)
        seconds, tasks, acks = measure(run_dir, url, args)
        with open(f"{run_dir}/suite.json") as f:
            pids = {p["name"]: p["pid"] for p in json.load(f)["processes"]}
        pids["devcluster"] = cluster.pid
        print(f"| {agents} | {tasks} | {seconds:.1f} | {tasks / seconds:.0f} "
              f"| {acks} | " + " | ".join(
                  "{0:.0f} MB, {1:.1f} s".format(*status_of(
                      next(p for n, p in pids.items() if n.endswith(name))))
                  for name in SERVICES + ["devcluster"]) + " |", flush=True)
        if args.memory:
            show_memory(pids, args.memory)
    finally:
        if args.keep:
            print(f"kept: {folder}")
        subprocess.run([f"{BIN}/reeve", "down", "--run-dir", run_dir],
                       stdout=subprocess.DEVNULL, check=False)
        cluster.terminate()
        cluster.wait()
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--tasks", type=int, default=2000)
    a.add_argument("--agents", default="100,1000,15000")
    a.add_argument("--timeout", type=float, default=300)
    a.add_argument("--memory", type=float, default=0, metavar="S",
                   help="tell the memory, S seconds later")
    a.add_argument("--keep", action="store_true", help="logs and files")
    args = a.parse_args()
    # So that what was started is stopped also then.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    names = SERVICES + ["devcluster"]
    print("| agents | tasks | s | launches/s | acks | " +
          " | ".join(f"{n}: resident, cpu" for n in names) + " |")
    print("|---" * (5 + len(names)) + "|", flush=True)
    for agents in args.agents.split(","):
        one(int(agents), args)


if __name__ == "__main__":
    sys.exit(main())
