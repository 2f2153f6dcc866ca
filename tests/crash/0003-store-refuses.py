#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Damage, a folder in use, a full disk, bad options: clear words, the right exit
code, nothing changed.  A torn end is no damage."""
import glob
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from suite import check, done, guarded  # noqa: E402
from store import Bench  # noqa: E402


def segment(b):
    return sorted(glob.glob(os.path.join(b.data_dir, "wal-*.log")))[-1]


def damage():
    with Bench() as b:
        b.start()
        for n in range(20):
            b.ask("put", f"key/{n}", "x" * 100)
        b.kill()
        path = segment(b)
        with open(path, "rb") as f:
            whole = f.read()
        at = whole.index(b"key/7")
        with open(path, "r+b") as f:
            f.seek(at)
            f.write(b"KEY")
        code, log = b.exit_code()
        check("damage before the end is refused", code == 8, code)
        check("with file and offset", path in log and "offset" in log, log)
        check("and what to do", "backup" in log, log)
        with open(path, "rb") as f:
            check("nothing was changed", len(f.read()) == len(whole))
        end = len(whole.rstrip(b"\0"))
        with open(path, "wb") as f:
            f.write(whole[:end - 30])
        b.start()
        d = b.dump()
        check("a torn end costs only what was not whole",
              d["revision"] == "19" and "key/18" in d["items"], d["revision"])


def in_use():
    with Bench() as b:
        b.start()
        with Bench(data_dir=b.data_dir) as other:
            code, log = other.exit_code()
            check("a folder in use is refused", code == 5, code)
            check("and named", b.data_dir in log, log)


def full_disk():
    with Bench() as b:
        b.start()
        b.ask("put", "a", "1")
        b.kill(signal.SIGTERM)
        b.start(min_free_mib=1048576)
        p = b.ask("put", "a", "2")
        check("with too little disk, writes are refused", p.returncode == 4,
              p.stderr)
        check("reads are not", b.dump()["items"]["a"][2] == "1")
        check("and health says so", not b.health("wal").get("ok"))


def unwritable():
    with Bench() as b:
        code, log = b.exit_code(data_dir="/proc/nowhere")
        check("a folder that cannot be made", code == 6, (code, log))


def options():
    cases = [({"ack": "maybe"}, 2), ({"redis": "http://x"}, 2),
             ({"redis": "redis+sentinel://x"}, 2), ({"prefer": "both"}, 2),
             ({"queue_mib": "-1"}, 2), ({"no_such": "1"}, 2)]
    with Bench() as b:
        for more, wanted in cases:
            code, log = b.exit_code(**more)
            check(f"refuses {more}", code == wanted, (code, log))


def leases():
    with Bench() as b:
        b.start()
        take = lambda who, epoch=0: b.ask("lease", "planner", who, epoch, 60000)
        check("granted", take("one").stdout == "epoch 1\n")
        check("held", take("two").returncode == 7)
        check("write under it",
              b.ask("put", "a", "1", "planner", 1).returncode == 0)
        b.kill()
        b.start()
        check("still held after kill -9", take("two").returncode == 7)
        check("epochs never go back", take("one").stdout == "epoch 2\n")
        check("the old epoch is fenced",
              b.ask("put", "a", "2", "planner", 1).returncode == 8)
        check("and changed nothing", b.dump()["items"]["a"][2] == "1")


for part in (damage, in_use, full_disk, unwritable, options, leases):
    with guarded(part.__name__):
        part()
done()
