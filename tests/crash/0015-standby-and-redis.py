#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two stores of one suite and a Redis in trouble: nothing is told that a partner
could not know, and nobody begins anew."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from suite import check, done, together, wait_for  # noqa: E402
from store import pause  # noqa: E402
from pair import Pair  # noqa: E402


def redis_away():
    with Pair() as p:
        p.a.ask("put", "a", "1")
        p.a.redis.ask("SAVE")
        p.a.redis.kill()
        w = p.a.writer("one", count=5)
        wait_for("health to say so",
                 lambda: p.a.health("lease").get("ok") is not True)
        check("without Redis nothing is acknowledged", not w.acks, w.acks)
        check("nor read", p.a.ask("dump").returncode != 0)
        check("and nobody takes over", "store_active" not in p.b.log())
        p.a.redis.start()
        check("when it is back, everything is", w.finish() and
              len(w.acks) == 5, w.failure)


def redis_emptied():
    with Pair() as p:
        writers = [p.a.writer("one")]
        for _ in range(3):
            p.wait_acks(writers)
            p.a.redis.ask("FLUSHALL")
            pause(0.3)
        p.wait_acks(writers)
        check("every write was acknowledged", writers[0].finish(),
              writers[0].failure)
        wrong = p.a.lost(writers) or p.a.once(writers)
        check("an emptied Redis is filled by the one who has it all",
              not wrong and "store_active" not in p.b.log(), wrong)
        p.a.wait_redis()
        check("exactly", not p.a.mirror_differs())


def rolled_back_to_old_times():
    """To when the one that waits now was the last to write."""
    with Pair(ttl_ms=2000) as p:
        p.a.ask("put", "a", "1")
        p.a.redis.ask("SAVE")
        p.a.kill()
        p.wait_active(p.b)
        w = p.b.writer("one")
        p.wait_acks([w])
        p.start_standby(p.a)
        # It has a start: the other one is held up when Redis is back.
        p.b.process.send_signal(signal.SIGSTOP)
        p.a.redis.kill()
        p.a.redis.start()
        pause(1)
        p.b.process.send_signal(signal.SIGCONT)
        p.wait_acks([w])
        check("who wrote last goes on", "store_active" not in
              p.a.log().split("event=standby")[-1] and
              p.b.process.poll() is None, p.a.log()[-1500:])
        check("every write was acknowledged", w.finish(), w.failure)
        wrong = p.b.lost([w])
        check("what was acknowledged since is not lost", not wrong, wrong)


def went_back():
    """Rolled back while nobody writes: the one that waits has seen more."""
    with Pair() as p:
        p.a.ask("put", "a", "1")
        p.a.redis.ask("SAVE")
        w = p.a.writer("one", window=1)
        p.wait_acks([w])
        pause(1.5)  # the other one looks every second
        p.a.kill()
        p.a.redis.kill()
        p.a.redis.start()
        p.wait_says(p.b, "went back")
        check("a Redis that went back is nothing to go on from",
              "store_active" not in p.b.log())
        p.a.start()
        check("its writer mends it", w.finish(), w.failure)
        wrong = p.a.lost([w]) or p.a.mirror_differs()
        check("and nothing is lost", not wrong, wrong)


def begun_anew_by_mistake():
    """Started with --new-suite while the other one lives, Redis just emptied."""
    with Pair(ttl_ms=2000) as p:
        p.a.ask("put", "a", "1")
        p.b.kill()
        p.a.process.send_signal(signal.SIGSTOP)
        p.a.redis.ask("FLUSHALL")
        p.b.start(serving=False, new_suite=True)
        p.wait_says(p.b, "vacant")
        p.a.process.send_signal(signal.SIGCONT)
        wait_for("the first one to fill it",
                 lambda: p.a.redis.ask("GET", "reeve:kv:a") == b"1")
        pause(2.5)
        check("--new-suite begins nothing while another store lives",
              "store_active" not in p.b.log() and
              p.a.dump()["items"]["a"][2] == "1")


def both_gone():
    with Pair() as p:
        p.a.ask("put", "a", "1")
        p.a.kill()
        p.a.redis.ask("FLUSHALL")
        p.wait_says(p.b, "no state yet")
        check("an emptied Redis makes nobody begin anew",
              "store_active" not in p.b.log())
        p.a.start(prefer="log")
        wait_for("an answer", lambda: p.a.ask("dump").returncode == 0)
        check("--prefer log says whose log it is",
              p.a.dump()["items"]["a"][2] == "1")


def options():
    with Pair(start=False) as p:
        for more in ({"redis": ""}, {"ack": "wal"},
                     {"standby": False, "new_suite": True}):
            code, log = p.a.exit_code(**more)
            check(f"refuses {more}", code == 2, (code, log))
        p.a.start(serving=False)
        p.wait_says(p.a, "no state yet")
        check("does not begin a suite unasked",
              "store_active" not in p.a.log())


together(redis_away, redis_emptied, rolled_back_to_old_times, went_back,
         begun_anew_by_mistake, both_gone, options)
done()
