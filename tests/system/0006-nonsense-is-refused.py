#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Nonsense gives a clear message and an exit code, and starts nothing."""
import http.server
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import BIN, FOLDER, Suite, check, done, free_port, patient
import subprocess

class NoMaster(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(404)

    def log_message(self, *_):
        pass


GOOD = "examples/data-store/svc.yml"


def spec(name, text):
    path = os.path.join(FOLDER, name)
    with open(path, "w") as f:
        f.write(text)
    return path


POD = """name: t
pods:
  a:
    count: 1
    tasks:
      s: {goal: RUNNING, cmd: "sleep 9", cpus: 0.1, memory: 32%s}
"""
CASES = [  # name, spec text, words that must be in the message
    ("unknown key in a task", POD % ", colour: red", ["colour", ":6"]),
    ("unknown key at the top", "nmae: t\n" + POD % "", ["nmae", ":1"]),
    ("a missing variable",
     POD.replace("count: 1", "count: {{HOW_MANY}}") % "", ["HOW_MANY", ":4"]),
    ("a negative count", POD.replace("count: 1", "count: -1") % "",
     ["count", ":4", "-1"]),
    ("a text as count", POD.replace("count: 1", "count: lots") % "",
     ["count", ":4", "lots"]),
    ("zero cpus", POD.replace("0.1", "0") % "", ["cpus", ":6"]),
    ("not YAML", "name: [t\npods: }", ["line", "svc"]),
    ("empty", "", ["svc"]),
    ("binary", "\x00\x01\x02", ["svc"]),
    ("an open mustache tag", "name: {{X\n", ["svc"]),
    ("no pods", "name: t\n", ["pods"]),
    ("a bad goal", POD.replace("RUNNING", "FOREVER") % "", ["FOREVER", ":6"]),
]

with Suite() as s:
    for i, (name, text, words) in enumerate(CASES):
        path = spec(f"svc-{i}.yml", text)
        run_dir = os.path.join(FOLDER, f"never-{i}")
        p = s.reeve("up", "--detach", "--port", "0", "--run-dir", run_dir,
                    path, ok_codes=None)
        said = p.stdout + p.stderr
        check(f"up with {name}: exit 4 and says where", p.returncode == 4 and
              all(w in said for w in words), (p.returncode, said))
        check(f"up with {name}: nothing was started",
              not os.path.exists(os.path.join(run_dir, "suite.json")))
        p = s.reeve("validate", path, ok_codes=None)
        check(f"validate with {name}: exit 4", p.returncode == 4,
              (p.returncode, p.stdout, p.stderr))
    p = s.reeve("validate", GOOD)
    check("validate says yes to a good spec", p.returncode == 0)

    def refused(name, code, words, *args):
        p = s.reeve("up", "--detach", *args, ok_codes=None)
        said = p.stdout + p.stderr
        check(f"up with {name}: exit {code} and a clear message",
              p.returncode == code and all(w in said for w in words),
              (p.returncode, said))

    def run_dir(name):
        return ["--run-dir", os.path.join(FOLDER, name)]

    refused("a spec that is not there", 4, ["nowhere.yml"], *run_dir("a"),
            "nowhere.yml")
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        refused("a port in use", 5, [port], *run_dir("b"), "--port", port,
                GOOD)
    nobody = free_port()
    refused("no master", 1, [str(nobody)], *run_dir("c"), "--port", "0",
            "--master", f"http://127.0.0.1:{nobody}", GOOD)
    refused("no Redis", 1, [str(nobody)], *run_dir("d"), "--port", "0",
            "--redis", f"redis://127.0.0.1:{nobody}", GOOD)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                         NoMaster) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{other.server_address[1]}"
        refused("something else as master", 1, [url, "a Mesos master?"],
                *run_dir("c"), "--port", "0", "--master", url, GOOD)
        other.shutdown()
    s.env["REEVE_MIN_FREE_MIB"] = "1048576"
    refused("too little disk", 7, ["MiB free in", "1048584 needed"],
            *run_dir("f"), "--port", "0", GOOD)
    del s.env["REEVE_MIN_FREE_MIB"]
    p = s.reeve("down", *run_dir("f"), ok_codes=None)
    check("and it was stopped again", p.returncode == 0 and
          p.stdout == "nothing was running\n", p)
    p = s.reeve("down", *run_dir("none"), ok_codes=None)
    check("down of nothing says so", p.returncode == 1 and
          "none is not the run dir" in p.stderr, p)
    refused("an unwritable run dir", 6, ["/proc/reeve"], "--run-dir",
            "/proc/reeve", "--port", "0", GOOD)
    for args in (["--agents", "many"], ["--no-such-flag"], ["--agents", "-1"]):
        refused(" ".join(args), 2, [args[0]], *run_dir("e"), *args, GOOD)
    for program, args in [("reeve", ["frobnicate"]),
                          ("reeve-planner", ["--nonsense"]),
                          ("reeve-state-store", ["--nonsense"]),
                          ("reeve-offer-broker", ["--nonsense"]),
                          ("reeve-api-gateway", ["--port", "seven"]),
                          ("reeve-devcluster", ["--agents", "x"])]:
        p = subprocess.run([f"{BIN}/{program}", *args], capture_output=True,
                           text=True, timeout=patient(20),
                           stdin=subprocess.DEVNULL)
        check(f"{program} {' '.join(args)}: exit 2, says what",
              p.returncode == 2 and args[0].strip("-")[:5] in p.stderr,
              (p.returncode, p.stderr))
    for program in ["reeve", "reeve-planner", "reeve-state-store",
                    "reeve-offer-broker", "reeve-api-gateway",
                    "reeve-devcluster"]:
        p = subprocess.run([f"{BIN}/{program}", "--help"], text=True,
                           capture_output=True, timeout=patient(20))
        check(f"{program} --help: exit 0", p.returncode == 0 and
              "--run-dir" in p.stdout or program == "reeve-devcluster" and
              "--work-dir" in p.stdout, p.stdout[:300])
    p = s.reeve("--run-dir", os.path.join(FOLDER, "none"), "plan", "list",
                ok_codes=None)
    check("a verb without a suite says so", p.returncode == 1 and
          "none" in p.stderr, (p.returncode, p.stderr))
done()
