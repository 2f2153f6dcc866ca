#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Something between the store and Redis replaces answers at random by others that
no question of ours has: the store stays, drops the connection or leaves with a
code of its own, and loses nothing."""
import contextlib
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from suite import check, done, guarded, wait_for  # noqa: E402
from proxy import Proxy  # noqa: E402
from redis_site import Server  # noqa: E402
from store import Bench  # noqa: E402

SEED = int(os.environ.get("REEVE_SEED", "1"))
LIES = [b":1\r\n", b"*0\r\n", b"$-1\r\n", b"+OK\r\n", b"*2\r\n:1\r\n:2\r\n",
        b"*2\r\n$1\r\n0\r\n$1\r\n0\r\n", b"-ERR a lie\r\n", b"$1\r\nx\r\n",
        b"*-1\r\n", b"*3\r\n*0\r\n$0\r\n\r\n*1\r\n:9\r\n", b"?what\r\n",
        b"*7" + b"\r\n$2\r\n-1" * 7 + b"\r\n", b"$99999999999\r\n"]
# What it may leave with: another history, another owner.  Both can be told.
EXITS = (9, 10)


class Liar(Proxy):
    def __init__(self, port, seed):
        self.rnd, self.odds, self.lies = random.Random(seed), 0, 0
        super().__init__(port)

    def copy(self, a, b):
        """Answers are those that come from the port behind."""
        with contextlib.suppress(OSError):
            if a.getpeername()[1] != self.target:
                super().copy(a, b)
                return
            with a.makefile("rb") as f:
                while reply := self.reply(f):
                    if self.rnd.random() < self.odds:
                        reply = self.rnd.choice(LIES)
                        self.lies += 1
                    b.sendall(reply)

    def reply(self, f):
        line = f.readline()
        if line[:1] == b"$" and line[1:2] != b"-":
            line += f.read(int(line[1:]) + 2)
        elif line[:1] == b"*" and line[1:2] != b"-":
            line += b"".join(self.reply(f) for _ in range(int(line[1:])))
        return line


def start(b):
    """Until it serves, however often it leaves."""
    def serves():
        if b.process.poll() is not None:
            codes.append(b.died())
            b.spawn()
        return "store_active" in b.log()[at:]
    at = b.log_size()
    b.spawn()
    wait_for("it to serve", serves, 60, every=0.02)


def lied_to():
    rnd = random.Random(SEED)
    with Bench(redis_timeout_ms=1000, owner_ttl_ms=600) as b:
        b.redis = Server(b.folder, "one")
        b.redis.start()
        liar = Liar(b.redis.port, SEED)
        b.options["redis"] = f"redis://127.0.0.1:{liar.port}/0"
        b.start()
        writers = [b.writer("one", window=2),
                   b.writer("two", window=1, size=3000)]
        for n in range(int(os.environ.get("REEVE_ROUNDS", "4"))):
            liar.odds = rnd.choice((0.3, 0.1, 0.03))
            if rnd.random() < 0.5:
                b.redis.ask("FLUSHALL")  # filled anew, by lies
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                if b.process.poll() is not None:
                    start(b)
                time.sleep(0.02)
            liar.odds = 0
            if b.process.poll() is not None:
                start(b)
            wait_for("Redis to be there",
                     lambda: b.status().get("redis_connected"))
            b.kill()
            if n % 2:
                b.lose_log()  # read from Redis, by lies
                liar.odds = 0.05
            start(b)
        liar.odds = 0
        if b.process.poll() is not None:
            start(b)
        check(f"{liar.lies} lies: it only left as it should",
              set(codes) <= set(EXITS) and liar.lies > 10, codes)
        check("every write was acknowledged",
              all([w.finish() for w in writers]), [w.failure for w in writers])
        wrong = b.lost(writers) or b.once(writers)
        check("each took effect once, none is lost", not wrong, wrong)
        b.wait_redis()
        wrong = b.mirror_differs()
        check("Redis is an exact mirror in the end", not wrong, wrong)
        liar.close()


codes = []
with guarded("lied_to"):
    lied_to()
done()
