#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Following the store: resumed from a revision while it is kept, also over a
restart; snapshots in pages at one revision; a subscriber that never reads costs
bounded memory and slows nobody; values to 16 MiB, garbage counted."""
import json
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from suite import TOOLS, check, done, guarded, patient, wait_for  # noqa: E402
from store import Bench  # noqa: E402

SANITIZED = "asan" in os.environ.get("REEVE_B", "")


def feed(b, *words, timeout=60):
    return subprocess.run([f"{TOOLS}/store_feed", b.run_dir,
                           *map(str, words)], text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=patient(timeout))


def since(b, *words):
    p = feed(b, "since", *words)
    lines = [line.split() for line in p.stdout.splitlines()]
    reply = [tuple(map(int, w[1:])) for w in lines if w[0] == "reply"]
    return (reply[0] if reply else None,
            [tuple(w[1:]) for w in lines if w[0] == "event"], p)


def metric(b, name):
    for m in json.loads(b.ask("metrics").stdout)["metrics"]:
        if m["name"] == name:
            return m.get("value", 0)
    return 0


class Replica:
    """The services' own copy of the store, by lib/bus/replica.h."""

    def __init__(self, b):
        self.last = None
        self.process = subprocess.Popen(
            [f"{TOOLS}/store_feed", b.run_dir, "replica"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            words = line.split()
            self.last = dict(zip(words[::2], map(int, words[1::2])))

    def wait(self, revision):
        wait_for(f"revision {revision}", lambda: self.last and
                 self.last["settled"] >= revision, 20)
        return self.last

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=patient(20))
        self.thread.join(timeout=patient(5))
        self.process.stdout.close()


def resume():
    with Bench(ack="wal", keep_transactions=100) as b:
        b.start()
        w = b.writer("a", count=40)
        check("40 writes", w.finish())
        b.ask("put", "other", "1")
        (upto, current, oldest), events, _ = since(b, 10)
        check("all since revision 10, in order", (upto, current) == (41, 41) and
              [int(e[0]) for e in events] ==
              [r for r in range(11, 41) for _ in "ab"] + [41], events[:4])
        check("each with its place in the transaction",
              [e[1] for e in events[:2]] == ["0/2", "1/2"], events[:2])
        (upto, _, _), events, _ = since(b, 10, "other")
        check("only a prefix", upto == 41 and len(events) == 1, events)
        (upto, current, _), events, _ = since(b, 10, "", 5)
        check("a part, whole transactions", upto == 12 and len(events) == 4 and
              current == 41, (upto, events))
        (upto, _, _), events, _ = since(b, 41)
        check("nothing new", upto == 41 and not events)
        _, _, p = since(b, 99)
        check("a revision that is not reached is refused",
              p.returncode == 2 and "compacted" in p.stderr, p.stderr)
        b.kill()
        b.start()
        (upto, _, _), events, _ = since(b, 10)
        check("resumed over kill -9", upto == 41 and len(events) == 61,
              (upto, len(events)))
        w = b.writer("b", count=300)
        check("300 more", w.finish())
        _, _, p = since(b, 41)
        check("what is too old is refused, with the oldest",
              p.returncode == 2 and "compacted" in p.stderr and
              "from is 241" in p.stderr, p.stderr)


def pages():
    with Bench(ack="wal") as b:
        b.start()
        feed(b, "put", "k", 300, 2500)
        feed(b, "put", "m", 3 << 20, 5)
        whole = feed(b, "whole").stdout.splitlines()
        p = feed(b, "pages", 400, "k/77")
        lines = p.stdout.splitlines()
        heads = [line.split() for line in lines if line.startswith("page")]
        items = [line for line in lines if line.startswith("item")]
        check("pages of one revision, while it is changed",
              {h[1] for h in heads} == {"2"} and int(b.status()["revision"]) == 3,
              heads)
        check("they are the whole", items == whole[1:], len(items))
        check("in key order, at most 400 and 4 MiB each", len(heads) >= 11 and
              max(int(h[2]) for h in heads) == 400 and
              max(int(h[3]) for h in heads) < 5 << 20, heads)
        p = feed(b, "pages", 1000000)
        check("nothing more than asked for when it fits a page",
              p.stdout.count("page") >= 4, p.stdout.count("page"))


def gap():
    """A stopped follower loses events, and resumes without a snapshot."""
    with Bench(ack="wal", pub_queue=100) as b:
        b.start()
        r = Replica(b)
        b.ask("put", "first", "1")
        r.wait(1)
        r.process.send_signal(19)
        w = b.writer("a", window=100, size=1024, count=3000)
        check("3000 writes past a stopped follower", w.finish())
        r.process.send_signal(18)
        last = r.wait(3001)
        check("it resumed: no second snapshot", last["resumes"] >= 1 and
              last["snapshots"] == 1 and last["keys"] == 52, last)
        b.kill()
        b.start()
        b.ask("put", "second", "1")
        last = r.wait(3002)
        check("and follows over a restart of the store",
              last["snapshots"] == 1 and last["keys"] == 53, last)
        r.close()


def rss(b):
    with open(f"/proc/{b.process.pid}/status") as f:
        for line in f:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024


def load(b, name, count, size, first=0):
    start = time.monotonic()
    w = b.writer(name, window=8, size=size, count=count, first=first)
    while w.process.poll() is None:
        load.peak = max(load.peak, rss(b))
        time.sleep(0.02)
    check(f"writer {name} finished", w.finish())
    return time.monotonic() - start


def stuck():
    bounds = {"pub_mib": 16, "keep_mib": 8, "queue_mib": 16,
              "snapshot_log_kib": 32768}
    with Bench(ack="wal", pub_queue=1000, **bounds) as b:
        b.start()
        load.peak = 0
        calm = load(b, "calm", 1000, 256 << 10)
        base = load.peak
        subs = [subprocess.Popen([f"{TOOLS}/store_feed", b.run_dir, "stuck"],
                                 stdout=subprocess.PIPE) for _ in range(2)]
        try:
            for s in subs:
                s.stdout.readline()
            r = Replica(b)
            # Once more when the machine had something else to do.
            slow = next((t for t in (
                load(b, "slow", 1000, 256 << 10, n * 1000) for n in range(4))
                if t < 3 * calm + 1), None)
            load(b, "small", 20000, 100)
            grown = load.peak - base
            print(f"1000 x 256 KiB {calm:.2f} s; with two stuck subscribers "
                  f"1000 x 256 KiB {slow} s; RSS {base:.0f} MiB, grew by "
                  f"{grown:.0f} MiB at most")
            check("two subscribers that never read cost bounded memory "
                  "(500 MiB were written)",
                  grown < (400 if SANITIZED else 100), f"{grown:.0f} MiB")
            check("what they have waiting is within the bound",
                  metric(b, "store.pub_waiting_bytes") < 20 << 20)
            check("writers are not slowed", slow, calm)
            check("some were left to be asked for",
                  metric(b, "store.unpublished") > 0)
            last = r.wait(int(b.status()["revision"]))
            check("another follower still gets everything",
                  last["keys"] == 153, last)
            r.close()
        finally:
            for s in subs:
                s.kill()
                s.wait()
                s.stdout.close()


def sizes():
    with Bench(ack="wal") as b:
        b.start()
        limit = 16 << 20
        check("a value of 16 MiB", feed(b, "put", "big", limit).returncode == 0)
        p = feed(b, "put", "big", limit + 1)
        check("one byte more is refused, clearly", p.returncode == 1 and
              "16777217 bytes, at most 16777216" in p.stderr, p.stderr)
        p = feed(b, "put", "big", limit, 5)
        check("a transaction over 64 MiB is refused", p.returncode in (1, 4) and
              "at most" in p.stderr, p.stderr)
        p = feed(b, "put", "k", 1, 4097)
        check("more than 4096 operations are refused", p.returncode == 1 and
              "4097" in p.stderr, p.stderr)
        for key in ("a b", "", "k" * 513, "\u00e9"):
            check(f"key {key[:9]!r} is refused",
                  feed(b, "put", key, 1).returncode == 1)
        check("a body that is no request is refused",
              feed(b, "body", "store.txn", "ffffffff7f").returncode == 1)
        check("and an unknown route",
              feed(b, "body", "store.nothing", "00").returncode == 10)
        feed(b, "garbage", 1000)
        wait_for("garbage to be counted",
                 lambda: metric(b, "bus.garbage") >= 1000, 10)
        check("garbage is counted and dropped", True)
        b.kill()
        b.start()
        d = b.dump()
        check("the large value outlives kill -9, nothing else changed",
              list(d["items"]) == ["big"] and d["revision"] == "1")


for part in (resume, pages, gap, stuck, sizes):
    with guarded(part.__name__):
        part()
done()
