#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the state-store at random moments and at each named crash point,
under writers: every acknowledged transaction is there, each took effect once,
and Redis is the same in the end.  REEVE_SEED and REEVE_ROUNDS change the run."""
import os
import random
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from suite import check, done, guarded, wait_for  # noqa: E402
from store import Bench, pause  # noqa: E402

SEED = int(os.environ.get("REEVE_SEED", "1"))
ROUNDS = int(os.environ.get("REEVE_ROUNDS", "6"))
POINTS = ["wal_before_write", "wal_after_write", "wal_after_sync",
          "rotate_mid", "snapshot_mid", "snapshot_before_rename",
          "snapshot_after_rename", "wal_before_reply", "redis_before_send",
          "redis_after_apply"]
# Small files, so that a short run rotates and takes snapshots.
SMALL = {"segment_kib": 64, "snapshot_log_kib": 256}


def finish(b, writers, name):
    check(f"{name}: every write was acknowledged in the end",
          all([w.finish() for w in writers]), [w.failure for w in writers])
    wrong = b.lost(writers)
    check(f"{name}: nothing acknowledged is lost", not wrong, wrong)
    wrong = b.once(writers)
    check(f"{name}: each write took effect once", not wrong, wrong)


def random_kills():
    rnd = random.Random(SEED)
    with Bench(**SMALL) as b:
        b.redis.start()
        b.options["redis"] = b.redis.url
        b.start()
        writers = [b.writer("one"), b.writer("two", window=3, size=2000)]
        for _ in range(ROUNDS):
            pause(rnd.uniform(0.02, 0.5))
            b.kill()
            b.start()
            wrong = b.lost(writers)
            check("nothing acknowledged is lost after a kill", not wrong,
                  wrong)
        finish(b, writers, f"{ROUNDS} random kills, seed {SEED}")
        b.wait_redis()
        wrong = b.mirror_differs()
        check("Redis is an exact mirror", not wrong, wrong)
        b.kill(signal.SIGTERM)


def crash_points():
    rnd = random.Random(SEED)
    with Bench(**SMALL) as b:
        b.redis.start()
        b.options["redis"] = b.redis.url
        writers, first = [], 0
        for point in POINTS:
            nth = 1 if "snapshot" in point else rnd.randint(1, 8)
            b.start(crash_at=f"{point}:{nth}", serving=False)
            w = b.writer(f"w{first}")
            writers.append(w)
            first += 1
            check(f"dies at {point}:{nth}", b.died() == -signal.SIGKILL)
            b.start()
            wait_for("writes go on", lambda: w.acks)
            check(f"{point}: the writer goes on", w.finish(), w.failure)
            wrong = b.lost(writers)
            check(f"{point}: nothing acknowledged is lost", not wrong, wrong)
            b.kill()
        b.start()
        finish_all = b.once(writers)
        check("each write took effect once over all crash points",
              not finish_all, finish_all)
        b.wait_redis()
        wrong = b.mirror_differs()
        check("Redis is an exact mirror after all crash points", not wrong,
              wrong)


for part in (random_kills, crash_points):
    with guarded(part.__name__):
        part()
done()
