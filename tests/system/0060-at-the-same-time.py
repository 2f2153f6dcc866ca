#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run dirs with odd names, and `up` and `down` while others do the same."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import BIN, FOLDER, ROOT, Suite, check, done, patient, wait_for

SPEC = os.path.join(ROOT, "examples/data-store/svc.yml")
ALL = ["data-0", "data-1", "data-2", "meta-data-0", "meta-data-1"]


def begin(s, *args, **env):
    return subprocess.Popen([f"{BIN}/reeve", *args, "--run-dir", s.run_dir],
                            cwd=ROOT, env=dict(s.env, **env), text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)


def begin_up(s, *flags, **env):
    return begin(s, "up", *(flags or (
        "--detach", "--wait", "--settle", "0", "--timeout",
        str(int(patient(60))))), "--port", "0", "--allocation-interval-ms",
        "100", SPEC, **env)


def stopped_while_it_waits(*flags):
    """`up` waits for what never comes; somebody stops the suite."""
    with Suite() as s:
        p = begin_up(s, *flags, DATA_CPU="64")
        p.stdout.readline()  # it draws the plan
        s.down()
        return end(p)


def end(p):
    text = p.communicate(timeout=patient(90))[0]
    return p.returncode, text.strip().splitlines()[-1:]


def is_fine(result):
    """Done, or told to try again."""
    code, last = result
    return code == 0 or (code == 5 and "try again" in last[0])


with Suite() as s:
    folder = os.path.join(FOLDER, "x" * 110)
    p = s.reeve("up", "--detach", "--port", "0", "--run-dir", folder, SPEC,
                ok_codes=None)
    check("a run dir too long for sockets is refused, and not made",
          p.returncode == 2 and "shorter run dir" in p.stderr
          and not os.path.exists(folder), (p.returncode, p.stderr))

result = stopped_while_it_waits("--detach", "--wait", "--timeout", "3000")
check("stopped by another: what waits for it says so",
      result[0] == 5 and "was stopped meanwhile" in result[1][0], result)
result = stopped_while_it_waits("--agents", "1")
check("and in the foreground it ends as well", result[0] == 0, result)

with Suite(run_dir=os.path.join(FOLDER, "my \"r\u00fcn\" 5%")) as s:
    results = [end(p) for p in [begin_up(s) for _ in range(3)]]
    check("of three that start at once one does, the others say to try again",
          any(code == 0 for code, _ in results)
          and all(map(is_fine, results)), results)
    s.wait_running(ALL)
    check("a run dir may have blanks and quotes in its name", True)
    check("and one suite runs there",
          sorted(s.task_processes()) == ALL
          and all(len(v) == 1 for v in s.task_sessions().values()),
          s.task_sessions())
    results = [end(p) for p in [begin(s, "down"), begin_up(s)]]
    check("down while up: each is done or says to try again",
          results[0][0] == 0 and is_fine(results[1]), results)
    wait_for("up", lambda: end(begin_up(s))[0] == 0)
    s.wait_running(ALL)
    results = [end(p) for p in [begin(s, "down") for _ in range(3)]]
    check("three that stop at once: all say it is down",
          all(code == 0 for code, _ in results), results)
    check("and nothing runs", not s.task_processes(), s.task_processes())
    volumes = s.volumes()
    for copy in "store", "redis":
        shutil.move(os.path.join(s.run_dir, copy),
                    os.path.join(FOLDER, "kept-" + copy))
    result = end(begin_up(s))
    check("without both copies of the records: no new suite over old volumes",
          result[0] == 1 and "5 volumes" in result[1][0]
          and s.volumes() == volumes, result)
    os.rmdir(os.path.join(s.run_dir, "redis"))
    shutil.move(os.path.join(FOLDER, "kept-redis"),
                os.path.join(s.run_dir, "redis"))
    result = end(begin_up(s))
    s.wait_running(ALL)
    check("with one of them back: the same volumes",
          result[0] == 0 and s.volumes().keys() == volumes.keys(), result)
done()
