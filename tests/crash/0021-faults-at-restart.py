#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The n-th call to the disk fails while the store starts, for every n, reading
too: from a snapshot and several segments with a torn end, and from Redis when the
folder is lost.  It serves what it should or leaves with its exit code, takes
nothing for damaged, and on a good disk everything is there.

Each n meets one kind of fault, in turn; with REEVE_ROUNDS=50 or more, each."""
import glob
import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from suite import check, done, together, wait_for  # noqa: E402
from faults import EXITS, MODES, Faults, run_all  # noqa: E402

ALL = int(os.environ.get("REEVE_ROUNDS", "0")) >= 50
WRITES = 40


class Template:
    """What the store starts from: a folder, and perhaps a Redis."""

    def __init__(self, has_redis):
        self.bench = b = Faults(snapshot_log_kib=24)
        if has_redis:
            b.redis.start()
            b.options["redis"] = b.redis.url
        b.start()
        w = b.writer("a", window=1, size=700, count=WRITES)
        check(f"{WRITES} writes", w.finish(), w.failure)
        if has_redis:
            b.wait_redis()
        self.items = b.dump()["items"]
        b.kill()
        self.redis = b.redis if has_redis else None
        self.folder = None if has_redis else b.data_dir
        if not has_redis:
            self.tear()

    def tear(self):
        """The last record was half written when it was killed."""
        last = sorted(glob.glob(os.path.join(self.folder, "wal-*")))[-1]
        with open(last, "rb") as f:
            log = f.read()
        # What the last record is: as it would follow itself, not whole.
        end = len(log.rstrip(b"\0"))
        with open(last, "r+b") as f:
            f.seek(end)
            f.write(b"\x55" * 40)

    def close(self):
        self.bench.__exit__()

    def store(self, nth, mode):
        b = Faults(nth, mode, reads=True, snapshot_log_kib=24,
                   redis_timeout_ms=1000)
        if self.redis:
            b.options["redis"] = self.redis.url
            self.redis.ask("DEL", "reeve:owner")  # as its time would be over
        if self.folder:
            shutil.copytree(self.folder, b.data_dir)
        return b


def serves(b):
    """The exit code, None when it serves: it took a write or refused it."""
    wait_for("it to serve or to leave", lambda: b.process.poll() is not None or
             "store_active" in b.log(), every=0.01)
    b.ask_or_leave("put", "k", "1")
    return b.process.poll()


def differs(b, items):
    there = b.dump()["items"]
    return "" if {k: there.get(k) for k in items} == items else \
        f"{len(there)} keys, {len(items)} wanted, or other values"


def one(template, nth, mode):
    with template.store(nth, mode) as b:
        with b.faulty():
            b.spawn()
        code = serves(b)
        fault = [" ".join(c) for c in b.calls() if c[0] == str(nth)]
        what = f"{mode} at {fault}: "
        if code is not None and code not in EXITS:
            return what + f"left with {code}\n{b.log()[-1500:]}"
        if code is not None and "start_failed" not in b.log() and \
                "level=bad" not in b.log():
            return what + "left without a word"
        if code is None:
            wrong = differs(b, template.items)
            if wrong:
                return what + "with the fault: " + wrong
        b.kill()
        b.start()
        wrong = differs(b, template.items)
        if wrong:
            return what + "afterwards: " + wrong
        if b.ask("put", "k", "2").returncode != 0:
            return what + "takes no writes on a good disk"
        b.kill(signal.SIGTERM)
        return ""


def count_calls(template, kinds):
    with template.store(0, "EIO") as b:
        with b.faulty():
            b.start()
        wait_for("the reserve and the first record", lambda: any(
            c[1] == "fdatasync" for c in b.calls()))
        calls = b.calls()
        wrong = differs(b, template.items)
        b.kill()
    met = {c[1] for c in calls}
    check("without a fault it starts", not wrong, wrong)
    check(f"{len(calls)} calls at a start", met >= kinds, met)
    return len(calls)


def every_start(name, has_redis, kinds):
    template = Template(has_redis)
    try:
        count = count_calls(template, kinds)
        # Redis has one owner at a time.
        cases = [(template, nth, mode) for nth in range(1, count + 1)
                 for mode in (MODES if ALL else [MODES[nth % len(MODES)]])]
        wrong = run_all(cases, one, lambda _, nth, mode:
                        f"{mode} at call {nth}", 1 if has_redis else 4)
        check(f"{name}: {len(cases)} starts with a fault", not wrong,
              "\n".join(wrong[:8]))
    finally:
        template.close()


def from_disk():
    every_start("snapshot and log", False,
                {"open", "read", "opendir", "fsync", "ftruncate", "pwrite"})


def from_redis():
    every_start("folder lost, from Redis", True,
                {"open", "opendir", "write", "fsync", "rename"})


together(from_disk, from_redis)
done()
