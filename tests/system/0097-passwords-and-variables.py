#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A suite does not follow variables of its caller that say where one process
answers, and tells nobody the password of its Redis."""
import glob
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import FOLDER, Suite, check, done, free_port, wait_for

PASSWORD = "open-sesame"
SPEC = "examples/data-store/svc.yml"
# Each of them would send all services, or one, elsewhere.
ASTRAY = {"REEVE_NAME": "x", "REEVE_ENDPOINT": "ipc:///nowhere/x",
          "REEVE_STORE": "ipc:///nowhere/s", "REEVE_STORE_FEED": "nonsense",
          "REEVE_PLANNER": "tcp://192.0.2.1:1", "REEVE_BROKER": "nonsense"}


def command_lines(word):
    out = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as f:
                text = f.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in text:
            out.append(text)
    return out


def redis_answers(port):
    return subprocess.run(
        ["redis-cli", "-p", str(port), "ping"], capture_output=True,
        env=dict(os.environ, REDISCLI_AUTH=PASSWORD),
        check=False).stdout.strip() == b"PONG"


port = free_port()
conf = os.path.join(FOLDER, "redis.conf")
with open(conf, "w") as f:
    f.write(f"bind 127.0.0.1\nport {port}\nrequirepass {PASSWORD}\nsave ''\n"
            f"dir {FOLDER}\n")
redis = subprocess.Popen(["redis-server", conf], stdout=subprocess.DEVNULL)
try:
    wait_for("redis", lambda: redis_answers(port))
    with Suite(**ASTRAY) as s:
        p = s.up(SPEC, REEVE_REDIS=f"redis://:{PASSWORD}@127.0.0.1:{port}/0")
        check("up comes to COMPLETE", s.plan_status() == "COMPLETE")
        size = subprocess.run(
            ["redis-cli", "-p", str(port), "dbsize"], capture_output=True,
            env=dict(os.environ, REDISCLI_AUTH=PASSWORD),
            check=True).stdout.strip()
        check("the state is in that Redis", int(size) > 0, size)
        check("up prints no password, but where Redis is",
              PASSWORD not in p.stdout + p.stderr
              and f"redis://:***@127.0.0.1:{port}" in p.stdout, p.stdout)
        check("no command line holds the password",
              not command_lines(PASSWORD), command_lines(PASSWORD))
        check("no log does", not [f for f, text in s.logs()
                                  if PASSWORD in text])
        p = s.reeve("up", "--detach", "--run-dir", s.run_dir, "--redis",
                    "redis://127.0.0.1:1/0", SPEC, ok_codes=(5,))
        check("nor does a refusal", PASSWORD not in p.stdout + p.stderr
              and ":***@" in p.stderr, p.stderr)
        with Suite() as other:
            p = other.reeve("up", "--detach", "--run-dir", other.run_dir,
                            "--port", "0", SPEC, ok_codes=(1,),
                            env={"REEVE_REDIS": f"redis://:{PASSWORD}"
                                                f"@127.0.0.1:{port}/0"})
            check("another suite's Redis: up says that somebody writes there",
                  "writes to this Redis" in p.stderr, p.stderr)
        mode = os.stat(os.path.join(s.run_dir, "suite.json")).st_mode & 0o777
        check("suite.json is for its owner alone", mode == 0o600, oct(mode))
finally:
    redis.terminate()
    redis.wait()
done()
