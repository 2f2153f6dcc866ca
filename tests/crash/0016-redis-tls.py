#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Redis over TLS: whom we trust, who we are, for which name; what is refused is
told and nothing is sent.  Then what a site runs: master, replica and three
sentinels with a password, all over TLS; the master dies, a stale replica is
promoted, and is repaired from the log."""
import os
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from suite import check, done, together, wait_for  # noqa: E402
from redis_site import (ACCOUNT, Database, Sentinel, Server,  # noqa: E402
                        Tls)
from store import Bench  # noqa: E402


class Site(Bench):
    """A Redis that asks for a certificate, and a store with one."""

    def __init__(self, names=None):
        super().__init__(redis_timeout_ms=1000)
        self.tls = Tls(self.folder)
        cert = self.tls.sign("server", names) if names else None
        self.redis = Server(self.folder, "one", tls=self.tls, cert=cert)
        self.redis.start()
        ours, key = self.tls.sign("store", "DNS:store")
        self.options.update(
            redis=f"rediss://{ACCOUNT}@localhost:{self.redis.port}/0",
            redis_ca=self.tls.ca, redis_cert=ours, redis_key=key)

    def wait_told(self, *words):
        return wait_for(f"health to say {words}", lambda: (
            lambda c: c and any(w in c.get("text", "") for w in words) and c)(
                self.health("redis")))


def trusted():
    with Site() as b:
        b.start()
        w = b.writer("one", window=20, size=3000)
        wait_for("writes", lambda: len(w.acks) > 200)
        b.redis.kill()
        wait_for("health to say so", lambda: not b.health("redis").get("ok"))
        b.redis.start()
        wait_for("Redis to be there", lambda: b.health("redis").get("ok"))
        check("every write over TLS, past a Redis killed", w.finish(),
              w.failure)
        check("a large value", b.ask("put", "big", "x" * 100000).returncode
              == 0)
        b.wait_redis()
        wrong = b.mirror_differs()
        check("Redis is an exact mirror over TLS", not wrong, wrong)
        before = b.dump()
        b.kill()
        b.lose_log()
        b.start()
        check("and is read back over TLS", b.dump() == before)
        check("health shows where, no password", b.health("redis")["text"]
              .startswith("mirrored to rediss://localhost:"), b.health("redis"))
        # One file may hold both.
        both = os.path.join(b.folder, "both.pem")
        with open(both, "w") as f:
            for name in (b.options["redis_cert"], b.options["redis_key"]):
                with open(name) as part:
                    f.write(part.read())
        b.kill(signal.SIGTERM)
        b.start(redis_cert=both, redis_key=False)
        check("certificate and key in one file", b.ask("put", "a", "1")
              .returncode == 0)
        b.kill(signal.SIGTERM)


def refused():
    with Site() as b:
        stranger = Tls(b.folder, "stranger")
        b.spawn(redis_ca=stranger.ca)
        c = b.wait_told("certificate is not accepted")
        check("a signature of somebody else", not c.get("ok"), c)
        b.kill()
        b.spawn(redis_ca=False)
        c = b.wait_told("certificate is not accepted")
        check("the system's authorities do not know it either",
              not c.get("ok"), c)
        b.kill()
        b.spawn(redis_cert=False, redis_key=False)
        c = b.wait_told("certificate required")
        check("Redis does not let us in without a certificate",
              not c.get("ok"), c)
        b.kill()
        check("nothing was written", b.redis.ask("DBSIZE") == 0)
        b.redis.kill()
        b.redis = Server(b.folder, "plain")
        b.redis.start()
        b.spawn(redis=f"rediss://127.0.0.1:{b.redis.port}")
        c = b.wait_told("is TLS spoken there?")
        check("a Redis that speaks no TLS is told", not c.get("ok"), c)
        b.kill()


def other_name():
    with Site(names="DNS:elsewhere.example") as b:
        b.spawn()
        c = b.wait_told("certificate is not accepted")
        check("a certificate for another name", "ostname mismatch" in
              c["text"], c)
        b.kill()
        b.spawn(redis=b.options["redis"].replace("localhost", "127.0.0.1"))
        c = b.wait_told("certificate is not accepted")
        check("or another address", "IP address mismatch" in c["text"], c)
        b.kill()
        b.start(redis_ca=False, redis_insecure=True)
        check("--redis-insecure looks at no certificate",
              b.ask("put", "a", "1").returncode == 0)
        b.kill(signal.SIGTERM)


def options():
    with Bench() as b:
        for more in ({"redis": "redis://x", "redis_ca": "/x"},
                     {"redis": "redis://x", "redis_insecure": True},
                     {"redis": "rediss://x", "redis_ca": "/no/such/file"},
                     {"redis": "rediss://x", "redis_ca": __file__},
                     {"redis": "rediss://x", "redis_key": __file__},
                     {"redis": "rediss://x", "redis_ca": __file__,
                      "redis_insecure": True},
                     {"redis": "rediss://x", "redis_cert": "/no/such/file"}):
            code, log = b.exit_code(**more)
            check(f"refuses {more}", code == 2, (code, log))


def quorum():
    with Site() as b:
        one = b.redis
        two = Server(b.folder, "two", one, tls=b.tls)
        sentinels = Sentinel.quorum(b.folder, one, 3, tls=b.tls,
                                    password="watch&it")
        try:
            two.start()
            wait_for("the replica", two.is_synced)
            for s in sentinels:
                s.start()
            wait_for("them to know each other", lambda: all(
                s.knows_replica() and s.knows_others(2) for s in sentinels), 30)
            failover(b, one, two, sentinels)
        finally:
            for server in (two, *sentinels):
                server.kill()


def failover(b, one, two, sentinels):
    hosts = ",".join(f"localhost:{s.port}" for s in sentinels)
    url = f"rediss+sentinel://{ACCOUNT}@{hosts}/main/2"
    b.spawn(redis=url)
    c = b.wait_told("NOAUTH", "Authentication required")
    check("sentinels that want a password say so", not c.get("ok"), c)
    b.kill()
    b.start(redis=f"{url}?sentinel_user=watcher&"
                  "sentinel_password=watch%26it")
    check("no password is shown", "watch" not in b.log().replace(
        "watcher", ""), b.log()[-500:])
    w = b.writer("one", window=5)
    wait_for("writes", lambda: len(w.acks) > 50)
    b.wait_redis()
    # The replica falls behind for good, then its master and a sentinel die.
    two.signal(signal.SIGSTOP)
    one.ask("CLIENT", "KILL", "TYPE", "replica")
    before = len(w.acks)
    wait_for("more writes", lambda: len(w.acks) > before + 50)
    newest = int(one.ask_in(2, "HGET", "reeve:meta", "seq"))
    one.kill()
    sentinels[0].kill()
    two.signal(signal.SIGCONT)
    wait_for("the majority to promote", lambda: all(
        s.master() == two.port for s in sentinels[1:]), 40)
    wait_for("the store to follow", lambda: b.health("redis").get("ok"))
    found = int(re.findall(r"redis_found .*?seq=(\d+)", b.log())[-1])
    check("the promoted one was stale", found < newest, (found, newest))
    before = len(w.acks)
    wait_for("writes go on", lambda: len(w.acks) > before + 50)
    check("every write was acknowledged", w.finish(), w.failure)
    wrong = b.lost([w]) or b.once([w])
    check("nothing is lost over a failover by quorum", not wrong, wrong)
    b.wait_redis()
    b.redis = Database(two, 2)
    wrong = b.mirror_differs()
    check("the stale replica was repaired from the log", not wrong, wrong)
    b.kill(signal.SIGTERM)


together(trusted, refused, other_name, options, quorum)
done()
