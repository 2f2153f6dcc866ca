#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Redis, or its replica, killed, stopped, emptied, rolled back and changed at
random under load: with --ack wal+replica, and with a standby whose partner is
killed in between.  Every acknowledged transaction is there, each took effect
once, and what a promoted replica holds alone is enough."""
import os
import random
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from suite import check, done, together, wait_for  # noqa: E402
from pair import Pair  # noqa: E402
from redis_site import Server  # noqa: E402
from store import Bench, pause  # noqa: E402

SEED = int(os.environ.get("REEVE_SEED", "1"))
ROUNDS = int(os.environ.get("REEVE_ROUNDS", "6"))


def killed(redis):
    redis.kill()
    pause(0.2)
    redis.start()


def stopped(redis):
    redis.signal(signal.SIGSTOP)
    pause(0.7)
    redis.signal(signal.SIGCONT)


def emptied(redis):
    redis.ask("FLUSHALL")


def rolled_back(redis):
    redis.ask("SAVE")
    pause(0.3)
    redis.kill()
    redis.start()


def changed(redis):
    redis.ask("HSET", "reeve:meta", "seq", "3")


def cut_off(redis):
    redis.ask("CLIENT", "KILL", "TYPE", "normal")


def shuffled(troubles, seed, n):
    """Each at least once, in any order."""
    rnd = random.Random(seed)
    list_ = troubles + [rnd.choice(troubles)
                        for _ in range(n - len(troubles))]
    rnd.shuffle(list_)
    return list_


def with_replica():
    rnd = random.Random(SEED)
    with Bench(redis_timeout_ms=500, ack="wal+replica") as b:
        master, replica = b.redis, None
        b.redis = master = Server(b.folder, "master")
        replica = Server(b.folder, "replica", master)
        try:
            master.start()
            replica.start()
            b.start(redis=master.url)
            writers = [b.writer("one"), b.writer("two", window=2)]
            every = [(t, master) for t in (killed, stopped, emptied,
                                           rolled_back, changed, cut_off)] + \
                [(t, replica) for t in (killed, stopped)]
            for trouble, server in shuffled(every, SEED, ROUNDS + 2):
                pause(rnd.uniform(0.05, 0.3))
                trouble(server)
                before = [len(w.acks) for w in writers]
                wait_for(f"writes after {trouble.__name__} of {server.name}",
                         lambda: all(len(w.acks) > n + 5 for w, n in
                                     zip(writers, before)), 30)
            check(f"wal+replica: writes go on after each trouble, seed {SEED}",
                  True)
            # The machine of the store and of the master are lost at once.
            b.kill()
            master.kill()
            b.lose_log()
            replica.ask("REPLICAOF", "NO", "ONE")
            b.redis = replica
            b.start(redis=replica.url, ack="wal+redis")
            wrong = b.lost(writers)
            check("wal+replica: the replica alone has every acknowledged write",
                  not wrong, wrong)
            check("every write is acknowledged in the end",
                  all([w.finish() for w in writers]),
                  [w.failure for w in writers])
            wrong = b.lost(writers) or b.once(writers)
            check("each took effect once", not wrong, wrong)
            b.wait_redis()
            wrong = b.mirror_differs()
            check("and what was a replica is an exact mirror", not wrong, wrong)
            b.kill(signal.SIGTERM)
        finally:
            master.kill()
            replica.kill()


class Turns:
    """Which of the two is active; the other one waits."""

    def __init__(self, pair):
        self.pair, self.active, self.other = pair, pair.a, pair.b

    def kill_active(self):
        at = self.other.log_size()
        self.active.kill()
        self.pair.wait_active(self.other, at)
        self.pair.start_standby(self.active)
        self.active, self.other = self.other, self.active


def with_standby():
    rnd = random.Random(SEED + 1)
    with Pair() as p:
        turns, writers = Turns(p), [p.a.writer("one"),
                                    p.a.writer("two", window=2)]
        redis = p.a.redis
        every = [lambda: killed(redis), lambda: stopped(redis),
                 lambda: emptied(redis), lambda: rolled_back(redis),
                 lambda: changed(redis), lambda: cut_off(redis),
                 turns.kill_active]
        for trouble in shuffled(every, SEED + 1, ROUNDS + 1):
            pause(rnd.uniform(0.05, 0.3))
            trouble()
            p.wait_acks(writers, 5)
        check(f"standby: writes go on after each trouble, seed {SEED + 1}",
              True)
        check("every write was acknowledged",
              all([w.finish() for w in writers]), [w.failure for w in writers])
        wrong = p.a.lost(writers) or p.a.once(writers)
        check("standby: each took effect once, none is lost", not wrong, wrong)
        p.a.wait_redis()
        wrong = p.a.mirror_differs()
        check("standby: Redis is an exact mirror", not wrong, wrong)
        turns.kill_active()
        wait_for("an answer", p.a.status)
        wrong = p.a.lost(writers)
        check("standby: so what the other one takes over is everything",
              not wrong, wrong)


together(with_replica, with_standby)
done()
