#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Redis Sentinel: the store follows the promoted master, with a stale replica
repaired from the log; --ack wal+replica acknowledges only what a replica has."""
import os
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from suite import check, done, together, wait_for  # noqa: E402
from redis_site import (ACCOUNT, PASSWORD, Database, Sentinel,  # noqa: E402
                        Server)
from store import Bench, pause  # noqa: E402

class Pair(Bench):
    """A master, its replica, a sentinel and a store on them."""

    def __enter__(self):
        self.one = Server(self.folder, "one")
        self.two = Server(self.folder, "two", self.one)
        self.sentinel = Sentinel(self.folder, self.one)
        self.one.start()
        self.two.start()
        wait_for("the replica", self.two.is_synced)
        self.sentinel.start()
        wait_for("the sentinel to know it", self.sentinel.knows_replica)
        return self

    def __exit__(self, *error):
        super().__exit__(*error)
        for server in (self.sentinel, self.one, self.two):
            server.kill()
        return False

    def url(self, database=2):
        # The first of the two is nobody.
        return (f"redis+sentinel://{ACCOUNT}@127.0.0.1:1,localhost:"
                f"{self.sentinel.port}/main/{database}")


def promoted():
    with Pair(redis_timeout_ms=400, owner_ttl_ms=3000) as b:
        b.start(redis=b.url())
        w = b.writer("one", window=5)
        wait_for("writes", lambda: len(w.acks) > 50)
        b.wait_redis()
        check("database, user and password are used, past a dead sentinel",
              b.one.ask_in(2, "HGET", "reeve:meta", "complete") == b"1" and
              b.one.ask("DBSIZE") == 0)
        # The replica falls behind for good, then its master is gone.
        b.two.signal(signal.SIGSTOP)
        b.one.ask("CLIENT", "KILL", "TYPE", "replica")
        before = len(w.acks)
        wait_for("more writes", lambda: len(w.acks) > before + 50)
        newest = int(b.one.ask_in(2, "HGET", "reeve:meta", "seq"))
        b.one.kill()
        b.two.signal(signal.SIGCONT)
        wait_for("a failover", lambda: b.sentinel.master() == b.two.port)
        wait_for("the store to follow", lambda: b.health("redis").get("ok"))
        found = int(re.findall(r"redis_found .*?seq=(\d+)", b.log())[-1])
        check("the promoted one was stale", found < newest, (found, newest))
        before = len(w.acks)
        wait_for("writes go on", lambda: len(w.acks) > before + 50)
        check("every write was acknowledged", w.finish(), w.failure)
        wrong = b.lost([w]) or b.once([w])
        check("nothing is lost over a failover to a stale replica", not wrong,
              wrong)
        b.wait_redis()
        b.redis = Database(b.two, 2)
        wrong = b.mirror_differs()
        check("the stale replica was repaired from the log", not wrong, wrong)
        b.kill(signal.SIGTERM)
        b.lose_log()
        b.start(redis=b.url())
        wrong = b.lost([w])
        check("and is a full copy", not wrong, wrong)
        b.kill(signal.SIGTERM)


def switched_while_alive():
    """The old master still answers; the sentinel promotes the other one."""
    with Pair(redis_timeout_ms=400, owner_ttl_ms=3000) as b:
        b.start(redis=b.url())
        check("a write", b.ask("put", "a", "1").returncode == 0)
        b.sentinel.ask("SENTINEL", "FAILOVER", "main")
        wait_for("a failover", lambda: b.sentinel.master() == b.two.port)
        w = b.writer("one", count=100)
        check("100 writes", w.finish() and len(w.acks) == 100, w.failure)
        b.wait_redis()
        wait_for("the store to write to the promoted one", lambda: int(
            b.two.ask_in(2, "HGET", "reeve:meta", "revision")) == 101)
        check("the role is the master's",
              b.two.info("replication")["role"] == "master")
        b.kill(signal.SIGTERM)


def one_server():
    """TCP, a host's name, an ACL user, a database; names that nobody knows."""
    with Bench(redis_timeout_ms=1000) as b:
        b.redis = server = Server(b.folder, "one")
        server.start()
        b.spawn(redis=f"redis://nobody:{PASSWORD}x@localhost:{server.port}")
        c = wait_for("health", lambda: (lambda c: c and "WRONGPASS" in
                     c.get("text", "") and c)(b.health("redis")))
        check("an unknown user is told, no password shown",
              PASSWORD not in c["text"] + b.log())
        b.kill()
        b.start(redis=f"redis://{ACCOUNT}@localhost:{server.port}/5")
        check("user, password, name and database", b.ask(
            "put", "a", "1").returncode == 0 and
            server.ask_in(5, "GET", "reeve:kv:a") == b"1")
        b.kill(signal.SIGTERM)
        b.start(redis="redis://no-such-host.invalid:1/5", redis_wait_ms=100)
        check("a host without an address holds nobody up",
              b.ask("put", "a", "2").returncode == 0)
        c = wait_for("health", lambda: (lambda c: c and "no-such-host" in
                     c.get("text", "") and c)(b.health("redis")))
        check("and is told", not c.get("ok"), c)
        b.kill(signal.SIGTERM)


def no_sentinel():
    with Bench(redis_timeout_ms=300) as b:
        b.spawn(redis="redis+sentinel://127.0.0.1:1/main")
        c = wait_for("health", lambda: (lambda c: c and "sentinel" in
                     c.get("text", "") and c)(b.health("redis")))
        check("health tells that no sentinel answers", not c.get("ok"), c)
        b.kill()


def replica_acknowledges():
    with Pair(redis_timeout_ms=1000, owner_ttl_ms=3000) as b:
        b.start(redis=b.url(), ack="wal+replica")
        check("wal+replica: the status says so",
              b.status()["ack_mode"] == "wal+replica", b.status())
        w = b.writer("one", window=5, count=100)
        check("wal+replica: 100 writes", w.finish() and len(w.acks) == 100,
              w.failure)
        check("wal+replica: the replica has them all", int(b.two.ask(
            "EVAL", "redis.call('SELECT', 2); return redis.call('HGET', "
            "'reeve:meta', 'revision')", 0)) == 100)
        b.two.signal(signal.SIGSTOP)
        late = b.writer("late", window=1)
        wait_for("health to say that no replica answers",
                 lambda: not b.health("redis").get("ok"))
        text = b.health("redis").get("text", "")
        check("wal+replica: health says why", "replica" in text, text)
        # One may have been on its way when the replica stopped.
        known = len(late.acks)
        pause(1)
        check("wal+replica: without a replica nothing is acknowledged",
              len(late.acks) == known == 0, (known, len(late.acks)))
        b.two.signal(signal.SIGCONT)
        wait_for("writes go on", lambda: len(late.acks) > 10)
        check("wal+replica: all is acknowledged when it is back",
              late.finish(), late.failure)
        wait_for("health", lambda: b.health("redis").get("ok"))
        # The master is lost with its machine, and so is the store's.
        b.kill()
        b.one.kill()
        b.lose_log()
        wait_for("a failover", lambda: b.sentinel.master() == b.two.port)
        b.start(redis=b.url())
        wrong = b.lost([w, late])
        check("wal+replica: log and master lost, the replica has it all",
              not wrong, wrong)
        b.kill(signal.SIGTERM)


def needs_redis():
    with Bench() as b:
        code, log = b.exit_code(ack="wal+replica")
        check("wal+replica without Redis is refused", code == 2, (code, log))


together(one_server, promoted, switched_while_alive, no_sentinel,
         replica_acknowledges, needs_redis)
done()
