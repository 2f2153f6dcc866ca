#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Redis killed, stopped, emptied, rolled back and replaced under the store;
either copy lost; two stores on one Redis."""
import os
import random
import re
import shutil
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from suite import ROOT, check, done, together, wait_for  # noqa: E402
from store import Bench, pause  # noqa: E402

SEED = int(os.environ.get("REEVE_SEED", "1"))
ROUNDS = int(os.environ.get("REEVE_ROUNDS", "6"))


def ready(**options):
    b = Bench(redis_timeout_ms=300, **options)
    b.redis.start()
    b.options["redis"] = b.redis.url
    return b


def same_in_the_end(b, writers, name):
    check(f"{name}: every write was acknowledged",
          all([w.finish() for w in writers]), [w.failure for w in writers])
    wrong = b.lost(writers) or b.once(writers)
    check(f"{name}: the store holds each write once", not wrong, wrong)
    b.wait_redis()
    wrong = b.mirror_differs()
    check(f"{name}: Redis is an exact mirror", not wrong, wrong)


def kill_redis(b):
    b.redis.kill()
    wait_for("health to say so", lambda: not b.health("redis").get("ok"))
    b.redis.start()


def flush_redis(b):
    b.redis.ask("FLUSHALL")


def stop_redis(b):
    b.redis.signal(signal.SIGSTOP)
    wait_for("health to say so", lambda: not b.health("redis").get("ok"))
    b.redis.signal(signal.SIGCONT)


def change_redis(b):
    b.redis.ask("HSET", "reeve:meta", "seq", "3")


def roll_back_redis(b):
    """To the RDB of half a second ago."""
    b.redis.ask("SAVE")
    pause(0.3)
    b.redis.kill()
    b.redis.start()


TROUBLES = [kill_redis, flush_redis, stop_redis, change_redis, roll_back_redis]


def trouble_under_load():
    rnd = random.Random(SEED)
    with ready() as b:
        b.start()
        writers = [b.writer("one"), b.writer("two", window=2)]
        rounds = TROUBLES + [rnd.choice(TROUBLES) for _ in range(ROUNDS - 5)]
        for trouble in rounds:
            pause(rnd.uniform(0.05, 0.4))
            trouble(b)
            wait_for("Redis to be there again",
                     lambda: b.health("redis").get("ok"))
        same_in_the_end(b, writers, f"Redis in trouble, seed {SEED}")
        check("the store ran all the time", b.process.poll() is None)
        b.kill(signal.SIGTERM)


def both_in_trouble():
    """Redis in trouble and the store killed at the same time."""
    rnd = random.Random(SEED + 1)
    with ready() as b:
        b.start()
        writers = [b.writer("one"), b.writer("two", window=2)]
        for _ in range(max(3, ROUNDS // 2)):
            pause(rnd.uniform(0.05, 0.4))
            what = rnd.randrange(4)
            if what == 0:
                b.redis.ask("SAVE")
                pause(rnd.uniform(0, 0.2))
            b.kill()
            if what == 1:
                b.redis.ask("FLUSHALL")
            elif what == 2:
                b.redis.ask("DEL", "reeve:rev", "reeve:requests")
                b.redis.ask("HSET", "reeve:meta", "complete", "0")
            else:  # rolled back to the last RDB, or to nothing
                b.redis.kill()
                b.redis.start()
            b.start()
            wrong = b.lost(writers)
            check("nothing acknowledged is lost", not wrong, wrong)
            wait_for("Redis to be there again",
                     lambda: b.health("redis").get("ok"))
        same_in_the_end(b, writers, f"both in trouble, seed {SEED}")


def replaced():
    """Another suite's database in its place: under way, and at the start."""
    with ready() as b, ready() as other:
        other.start()
        other.ask("put", "theirs", "1")
        other.wait_redis()
        other.kill(signal.SIGTERM)
        other.redis.ask("SAVE")
        b.start()
        b.ask("put", "a", "1")
        b.redis.kill()
        shutil.copy(os.path.join(other.folder, "dump.rdb"), b.folder)
        b.redis.start()
        c = wait_for("health to tell", lambda: (
            lambda c: "another suite" in c.get("text", "") and c)(
                b.health("redis")))
        check("another suite's Redis is told, with what to do",
              not c.get("ok") and "--prefer" in c["text"], c)
        check("the log goes on", b.ask("put", "a", "2").returncode == 0)
        b.kill(signal.SIGTERM)
        code, log = b.exit_code()
        check("at the start it is refused, with what to do",
              code == 9 and "--prefer" in log, (code, log))
        check("and theirs is untouched",
              b.redis.ask("GET", "reeve:kv:theirs") == b"1" and
              b.redis.ask("GET", "reeve:kv:a") is None)
        b.start(prefer="log")
        b.wait_redis()
        check("--prefer log decides", not b.mirror_differs() and
              b.dump()["items"]["a"][2] == "2")


def log_lost():
    with ready() as b:
        b.start()
        w = b.writer("one", count=500)
        check("500 writes", w.finish() and len(w.acks) == 500, w.failure)
        before = b.dump()
        epoch = b.ask("lease", "broker", "me", 0, 5000).stdout
        b.kill()
        b.lose_log()
        b.start()
        after = b.dump()
        check("a lost log is rebuilt from Redis", before == after)
        check("epochs go on after the rebuild",
              epoch == "epoch 1\n" and
              b.ask("lease", "broker", "me", 0, 5000).stdout == "epoch 2\n")
        b.kill()
        b.redis.ask("FLUSHALL")
        b.start()
        b.wait_redis()
        check("a lost Redis is rebuilt from the log",
              b.dump() == before and not b.mirror_differs())
        again = b.writer("one", count=500)
        check("requests are remembered over both rebuilds",
              again.finish() and again.acks == w.acks)


def no_redis_no_log():
    with ready() as b:
        b.redis.kill()
        b.start(serving=False)
        pause(1)
        p = b.ask("status")
        check("no log and no Redis: waits and says so",
              p.returncode == 9 and b.process.poll() is None and
              not b.health("redis").get("ok"), p.stderr)
        b.redis.start()
        wait_for("the store", b.status)
        check("then serves", b.ask("put", "a", "1").returncode == 0)


def log_alone():
    with ready(redis_wait_ms=300) as b:
        b.start()
        b.ask("put", "a", "1")
        b.kill()
        b.redis.kill()
        b.start()
        check("with a log it starts without Redis",
              b.ask("put", "b", "2").returncode == 0)
        b.redis.start()
        b.wait_redis()
        check("and catches Redis up", not b.mirror_differs())


def two_lineages():
    with ready() as b:
        b.start()
        b.ask("put", "a", "1")
        b.kill(signal.SIGTERM)
        b.redis.ask("FLUSHALL")
        shutil.move(b.data_dir, b.data_dir + "-1")
        b.start()
        b.ask("put", "b", "2")
        b.kill(signal.SIGTERM)
        shutil.rmtree(b.data_dir)
        shutil.move(b.data_dir + "-1", b.data_dir)
        code, log = b.exit_code()
        check("another lineage is refused", code == 9, code)
        check("it says what to do", "--prefer" in log, log)
        b.start(prefer="redis")
        d = b.dump()
        check("--prefer redis takes Redis", list(d["items"]) == ["b"], d)
        aside = [f for f in os.listdir(b.data_dir) if "set-aside" in f]
        check("and sets the log aside", len(aside) == 1)
        b.kill(signal.SIGTERM)
        b.redis.ask("HSET", "reeve:meta", "lineage",
                    "11111111-1111-4111-8111-111111111111")
        b.start(prefer="log")
        b.wait_redis()
        check("--prefer log overwrites Redis", not b.mirror_differs())


def both_went_on():
    with ready(redis_wait_ms=200) as b:
        b.start()
        b.ask("put", "a", "1")
        b.kill(signal.SIGTERM)
        shutil.copytree(b.data_dir, b.data_dir + "-1")
        b.start()
        b.ask("put", "a", "2")
        b.kill(signal.SIGTERM)
        shutil.rmtree(b.data_dir)
        shutil.move(b.data_dir + "-1", b.data_dir)
        b.start()
        check("an older log takes what Redis has more",
              b.dump()["items"]["a"][2] == "2")
        b.kill(signal.SIGTERM)
        b.start(redis="")  # goes on without Redis
        b.ask("put", "a", "alone")
        b.kill(signal.SIGTERM)
        with Bench(redis=b.redis.url) as other:
            other.start()
            other.ask("put", "a", "elsewhere")
            other.kill(signal.SIGTERM)
        code, log = b.exit_code()
        check("two continuations are refused", code == 9, code)
        check("and told apart from a foreign one", "one lineage" in log, log)
        b.start(prefer="redis")
        d = b.dump()
        check("--prefer redis takes the other one",
              d["items"]["a"][2] == "elsewhere", d)
        check("and keeps what this one wrote aside",
              [f for f in os.listdir(b.data_dir) if "set-aside" in f])


def two_stores():
    with ready(owner_ttl_ms=900) as b:
        b.start()
        b.ask("put", "a", "1")
        with Bench(redis=b.redis.url, owner_ttl_ms=900) as other:
            code, log = other.exit_code()
            check("a second store on the same Redis is refused", code == 10,
                  code)
            check("and told by whom", "another store" in log, log)
            b.process.send_signal(signal.SIGSTOP)
            wait_for("the lease to end",
                     lambda: b.redis.ask("GET", "reeve:owner") is None)
            other.start()
            check("it takes over when the lease is over",
                  other.dump()["items"]["a"][2] == "1")
            other.ask("put", "a", "2")
            w = b.writer("late", count=1)
            b.process.send_signal(signal.SIGCONT)
            check("the old one leaves when it wakes", b.died() == 10)
            check("and acknowledged nothing", not w.acks, w.acks)
            check("the new one's write stays",
                  other.dump()["items"]["a"][2] == "2")
            w.process.kill()


def gives_back():
    """A clean stop under load: another may have the Redis at once."""
    with Bench() as b:
        b.redis.start()
        b.options["redis"] = b.redis.url
        left = []  # after each stop: whose it is
        # A Redis that gets nothing done is not waited for: then once more.
        while len(left) < 12 and left[-4:] != [None] * 4:
            b.start()
            w = b.writer(f"load-{len(left)}", size=5000)
            wait_for("writes", lambda: len(w.acks) > 20)
            b.kill(signal.SIGTERM)
            left.append(b.redis.ask("GET", "reeve:owner"))
            w.process.kill()
        check("stopped under load: the lease is given back",
              left[-4:] == [None] * 4, left)


def accounts():
    with Bench(redis_options=("--requirepass", "s3cret/@:")) as b:
        b.redis.start()
        b.spawn(redis=f"unix://:wrong@{b.redis.socket}")
        wait_for("health to tell", lambda: re.search(
            "WRONGPASS|invalid", b.health("redis").get("text", "")))
        check("a wrong password is told and not shown",
              "wrong" not in b.log())
        b.kill()
        b.start(redis=f"unix://:s3cret%2F%40%3A@{b.redis.socket}?db=3")
        check("password and database number",
              b.ask("put", "a", "1").returncode == 0)


def evicting():
    with Bench(redis_options=("--maxmemory", "100mb", "--maxmemory-policy",
                              "allkeys-lru")) as b:
        b.redis.start()
        b.start(redis=b.redis.url)
        c = wait_for("health to tell", lambda: (
            lambda c: "allkeys-lru" in c.get("text", "") and c)(
                b.health("redis")))
        check("a Redis that drops keys is told, with what to do",
              not c.get("ok") and "noeviction" in c["text"], c)
        b.redis.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        b.redis.ask("CLIENT", "KILL", "TYPE", "normal")
        wait_for("health to be good", lambda: b.health("redis").get("ok"))
        check("and that it does not any more", True)


def least_rights():
    """The rights that docs/operations.md names are enough."""
    with open(os.path.join(ROOT, "docs/operations.md")) as f:
        line = re.search(r"^ACL SETUSER reeve (.*)$", f.read(), re.M)[1]
    words = line.replace("PASSWORD", "pw").split()
    with Bench(redis_timeout_ms=300) as b:
        b.redis.start()
        b.redis.ask("ACL", "SETUSER", "reeve", *words)
        b.start(redis=f"unix://reeve:pw@{b.redis.socket}")
        w = b.writer("one", window=3)
        wait_for("writes", lambda: len(w.acks) > 50)
        b.redis.ask("SET", "reeve:kv:theirs", "1")
        b.redis.ask("HSET", "reeve:meta", "complete", "0")  # filled anew
        wait_for("it to be filled", lambda: "redis_fill" in b.log() and
                 b.health("redis").get("ok"))
        check("every write was acknowledged", w.finish(), w.failure)
        b.wait_redis()
        wrong = b.mirror_differs()
        check("least rights: an exact mirror", not wrong, wrong)
        b.kill()
        b.lose_log()
        b.start(redis=f"unix://reeve:pw@{b.redis.socket}")
        wrong = b.lost([w])
        check("least rights: and read back", not wrong, wrong)
        check("least rights: nothing was refused", "NOPERM" not in b.log())


together(trouble_under_load, both_in_trouble, replaced, log_lost,
         no_redis_no_log, log_alone, two_lineages, both_went_on, two_stores,
         least_rights, evicting, accounts, gives_back)
done()
