#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The state of a running suite goes to a file at one revision and from there
into an empty run dir, every key as it was; what is there already is never
overwritten, a damaged file changes nothing, files of older formats stay
readable."""
import os
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from suite import (FOLDER, ROOT, TOOLS, Suite, check, done,  # noqa: E402
                   guarded, patient)
from store import Bench  # noqa: E402

FIXTURE = os.path.join(ROOT, "tests/fixtures/state/version-1.state")


def items(run_dir):
    p = subprocess.run([f"{TOOLS}/store_feed", run_dir, "whole"], text=True,
                       capture_output=True, timeout=patient(60))
    return [line for line in p.stdout.splitlines() if line.startswith("item")]


def store_on(run_dir):
    """A Bench whose store runs on this run dir."""
    b = Bench(ack="wal")
    b.run_dir, b.data_dir = run_dir, os.path.join(run_dir, "store")
    return b


def exports(s, name):
    path = os.path.join(FOLDER, name)
    return path, s.reeve("state", "export", path, "--run-dir", s.run_dir,
                         ok_codes=None)


def imports(s, path, run_dir):
    return s.reeve("state", "import", path, "--run-dir", run_dir,
                   ok_codes=None)


def running_suite():
    target = os.path.join(FOLDER, "second")
    with Suite() as s:
        s.up("examples/data-store/svc.yml", DATA_COUNT="2")
        before, now, n = None, items(s.run_dir), 0
        while before != now:  # nothing changed while it was exported
            before, n = now, n + 1
            path, p = exports(s, f"running-{n}.state")
            now = items(s.run_dir)
        check("a running suite is exported", p.returncode == 0 and
              "exported" in p.stdout, p.stderr)
        check("an existing file is not overwritten",
              exports(s, f"running-{n}.state")[1].returncode == 2)
        check("nobody else may read it", os.stat(path).st_mode & 0o77 == 0)
        s.down()
        _, p = exports(s, "stopped.state")
        check("without a running store: refused, no file", p.returncode == 1 and
              not os.listdir(FOLDER).count("stopped.state") and
              not os.listdir(FOLDER).count("stopped.state.tmp"), p.stderr)
        p = imports(s, path, s.run_dir)
        check("import into a suite that has a store is refused",
              p.returncode == 5 and "holds a store already" in p.stderr,
              p.stderr)
        p = imports(s, path, target)
        check("import into an empty run dir", p.returncode == 0, p.stderr)
        with store_on(target) as b:
            b.start()
            there = items(target)
            check("every key, value and revision is there",
                  len(now) > 10 and there == now,
                  [x for x in now if x not in there][:3])
            p = b.ask("put", "after", "1")
            last = max(int(x.split()[2]) for x in now)
            check("and the store goes on from its revision",
                  p.returncode == 0 and int(p.stdout.split()[1]) > last,
                  p.stdout)
            b.kill(signal.SIGKILL)
            b.start()
            check("also after kill -9", len(items(target)) == len(now) + 1)
        damaged(s, path)


def damaged(s, path):
    with open(path, "rb") as f:
        whole = f.read()
    cases = [("a flipped bit", whole[:400] + bytes([whole[400] ^ 4]) +
              whole[401:]),
             ("cut in the middle", whole[:len(whole) // 2]),
             ("without its end", whole[:-24]), ("empty", b""),
             ("other bytes", b"PK\3\4" + bytes(100)),
             ("more behind the end", whole + b"\n")]
    for name, data in cases:
        bad = os.path.join(FOLDER, "bad.state")
        target = os.path.join(FOLDER, "third")
        with open(bad, "wb") as f:
            f.write(data)
        p = imports(s, bad, target)
        store = os.path.join(target, "store")
        left = [n for n in os.listdir(store)
                if n.startswith(("wal-", "snapshot-"))]
        check(f"{name}: refused with file and offset, nothing changed",
              p.returncode == 4 and "at offset" in p.stderr and
              bad in p.stderr and not left, (p.returncode, p.stderr, left))
    p = imports(s, FIXTURE, target)
    check("a file of format version 1, into the same run dir",
          p.returncode == 0, p.stderr)
    with store_on(target) as b:
        b.start()
        found = b.dump()
        check("has what it always had",
              {k: v[0] for k, v in found["items"].items()} ==
              {"a": 3, "a/b": 9, "b": 1} and found["revision"] == "9" and
              found["items"]["b"][2] == "two", found)


def under_load():
    """Exported while it is written: one revision, so the writer's last number
    is never behind what its keys say."""
    with Suite() as s, store_on(s.run_dir) as b:
        b.start()
        open(os.path.join(s.run_dir, ".reeve-run-dir"), "w").close()
        w = b.writer("a", window=50, size=20000)
        paths = []
        for n in range(3):
            before = len(w.acks)
            path, p = exports(s, f"load-{n}.state")
            paths.append(path)
            check(f"export {n} under load", p.returncode == 0, p.stderr)
            while len(w.acks) < before + 100 and w.process.poll() is None:
                threading.Event().wait(0.01)
        check("the writer went on", w.finish())
        for n, path in enumerate(paths):
            target = os.path.join(FOLDER, f"load-{n}")
            imports(s, path, target)
            with store_on(target) as other:
                other.start()
                d = other.dump()
                numbers = {k: int(v[2]) for k, v in d["items"].items()}
                last = numbers.pop("w/a/last", -1)
                check(f"export {n} is of one revision", all(
                    v[0] <= int(d["revision"]) for v in d["items"].values())
                    and max(numbers.values(), default=-1) == last,
                    (last, d["revision"]))


for part in (running_suite, under_load):
    with guarded(part.__name__):
        part()
done()
