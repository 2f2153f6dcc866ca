#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real ZooKeeper decides which of two stores is active: one is killed, hangs,
is asked to go, loses its session; ZooKeeper itself is killed, hangs and comes
back; its nodes are for one user alone."""
import os
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from suite import (FOLDER, TOOLS, check, done, free_port, guarded,  # noqa: E402
                   together, wait_for)
from pair import Pair  # noqa: E402
from proxy import Proxy  # noqa: E402
from store import Writer, pause  # noqa: E402

JAR = "/usr/share/java/zookeeper.jar"


class ZooKeeper:
    def __init__(self, name):
        self.port, self.process = free_port(), None
        self.folder = os.path.join(FOLDER, name)
        os.mkdir(self.folder)
        self.config = os.path.join(self.folder, "zoo.cfg")
        with open(self.config, "w") as f:
            f.write(f"tickTime=500\ndataDir={self.folder}/data\n"
                    f"clientPort={self.port}\nadmin.enableServer=false\n"
                    "clientPortAddress=127.0.0.1\n")

    def start(self):
        with open(os.path.join(self.folder, "log"), "a") as log:
            self.process = subprocess.Popen(
                ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", JAR,
                 "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                 self.config], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log)
        wait_for("ZooKeeper", self.serves, 60)

    def serves(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as s:
                s.sendall(b"srvr")
                return b"Mode: standalone" in s.makefile("rb").read()
        except OSError:
            return False

    def get(self, path):
        """What a node holds; "" without it."""
        return subprocess.run(
            [f"{TOOLS}/zk_node", f"127.0.0.1:{self.port}", path], text=True,
            capture_output=True, stdin=subprocess.DEVNULL).stdout.strip()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)


def elections(zk):
    url = f"zk://reeve:s3cr@t@127.0.0.1:{zk.port}/suites/one"
    with Pair(ttl_ms=2000, election=url) as p:
        writers = [p.a.writer("one")]
        late = Writer(p.aside(p.a), "late")
        p.wait_acks([*writers, late])
        check("the one that ZooKeeper chose serves",
              "election_won" in p.a.log())
        check("the other one waits", "store_active" not in p.b.log())
        p.a.process.send_signal(signal.SIGSTOP)
        p.wait_active(p.b)
        pause(0.2)
        before = len(late.acks)
        p.wait_acks(writers)
        check("when it hangs the other one is chosen", True)
        p.a.process.send_signal(signal.SIGCONT)
        check("it leaves when it wakes", p.a.died() == 10, p.a.log()[-1000:])
        check("and acknowledged nothing", len(late.acks) == before,
              (before, len(late.acks)))
        late.process.kill()
        late.process.wait()
        p.start_standby(p.a)
        at = p.a.log_size()
        p.b.kill()
        p.wait_active(p.a, at)
        p.wait_acks(writers)
        check("kill -9 of the chosen one makes the other one active", True)
        p.a.kill()
        at = p.a.log_size()
        p.a.start()
        p.wait_acks(writers)
        check("the same one started again goes on", True)
        p.start_standby(p.b)
        for trouble, remedy in ((zk.kill, zk.start), (zk.stop, zk.go_on)):
            trouble()
            wait_for("health to say so",
                     lambda: "ZooKeeper" in p.a.health("lease")["text"])
            refused = p.a.ask("dump").returncode
            check(f"{trouble.__name__}: without ZooKeeper nothing is answered",
                  refused != 0, refused)
            remedy()
            if trouble == zk.stop:  # its session may be over: it waits again
                wait_for("one of them", lambda: p.a.process.poll() == 10 or
                         p.a.health("lease").get("ok"))
                if p.a.process.poll() is not None:
                    p.a.died()
                    p.start_standby(p.a)
            p.wait_acks(writers)
            check(f"{trouble.__name__}: when it is back it goes on", True)
            if trouble == zk.kill:  # else the next look finds the old text
                wait_for("health to be well again",
                         lambda: p.a.health("lease").get("ok"))
        check("every write was acknowledged", writers[0].finish(),
              writers[0].failure)
        wrong = p.a.lost([*writers, late])
        check("nothing acknowledged is lost", not wrong, wrong)
        check("no password is shown", "s3cr" not in p.a.log() + p.b.log())
        epochs = [int(line.split("epoch=")[1].split()[0])
                  for s in (p.a, p.b) for line in s.log().splitlines()
                  if "event=election_won" in line]
        check("each time with another epoch",
              len(set(epochs)) == len(epochs), epochs)


def session_over(zk):
    """The active one alone does not reach ZooKeeper any more; Redis it does."""
    proxy = Proxy(zk.port)
    with Pair(ttl_ms=2000, start=False) as p:
        for store, port in ((p.a, proxy.port), (p.b, zk.port)):
            store.options["election"] = f"zk://127.0.0.1:{port}/suites/two"
        p.a.start(new_suite=True)
        p.start_standby(p.b)
        writers = [p.a.writer("one")]
        late = Writer(p.aside(p.a), "late")
        p.wait_acks([*writers, late])
        proxy.cut()
        p.wait_active(p.b)
        before = len(late.acks)
        p.wait_acks(writers)
        check("who lost ZooKeeper makes way although it has Redis", True)
        proxy.mend()
        check("it leaves, at the latest when it hears that its session is over",
              p.a.died() == 10, p.a.log()[-1000:])
        check("and acknowledged nothing meanwhile", len(late.acks) == before,
              (before, len(late.acks)))
        late.process.kill()
        late.process.wait()
        check("every write was acknowledged", writers[0].finish(),
              writers[0].failure)
        # On a busy machine ZooKeeper may be late again for a moment.
        wait_for("it to answer", lambda: p.b.ask("dump").returncode == 0)
        wrong = p.b.lost([*writers, late])
        check("nothing acknowledged is lost over a lost session", not wrong,
              wrong)
    proxy.close()


def redis_went_back(zk):
    """While nobody was active Redis lost what was told: who does not have it
    waits, and lets the one that has it be chosen."""
    url = f"zk://127.0.0.1:{zk.port}/suites/four"
    with Pair(ttl_ms=2000, election=url) as p:
        p.a.ask("put", "a", "0")
        p.a.redis.ask("SAVE")
        w = p.a.writer("later", count=20)
        check("writes after the save", w.finish(), w.failure)
        seq = int(p.a.redis.hash("reeve:meta")["seq"])
        wait_for("ZooKeeper to know", lambda: zk.get(
            "/suites/four/mark").endswith(f" {seq}"))
        p.b.kill()
        p.a.kill()
        p.a.redis.kill()
        p.a.redis.start()  # from what was saved
        at = p.b.log_size()
        p.b.start(serving=False)
        p.wait_says(p.b, "ZooKeeper knows")
        check("who lacks what was told does not go on",
              "store_active" not in p.b.log()[at:], p.b.log()[at:])
        at = p.a.log_size()
        p.a.start(serving=False)
        wait_for("who wrote last to go on", lambda: "store_active" in
                 p.a.log()[at:])
        wrong = p.a.lost([w])
        check("who wrote last is let in, and has it all", not wrong, wrong)
        wait_for("Redis to have it again", lambda: int(
            p.a.redis.hash("reeve:meta")["seq"]) > seq)
        p.a.kill()
        p.wait_active(p.b)
        wrong = p.b.lost([w])
        check("then the other one goes on from there", not wrong, wrong)


def accounts(zk):
    """The nodes are for who made them."""
    with Pair(ttl_ms=2000, start=False) as p:
        for store, who in ((p.a, "reeve:one"), (p.b, "reeve:other")):
            store.options["election"] = \
                f"zk://{who}@127.0.0.1:{zk.port}/guarded/three"
        p.a.start(new_suite=True)
        check("a write", p.a.ask("put", "a", "1").returncode == 0)
        p.start_standby(p.b)
        p.wait_says(p.b, "not authenticated")
        check("another password is told", True)
        p.a.kill(signal.SIGTERM)
        pause(2.5)
        check("and never wins", "election_won" not in p.b.log())
        p.a.start()
        check("who made the nodes goes on", p.a.dump()["items"]["a"][2] == "1")


def options(zk):
    with Pair(start=False) as p:
        for url in ("etcd://x", "zk://host:1", "zk:///path", "zk://host:1/",
                    "zk://me@host:1/x", "zk://:secret@host:1/x",
                    "zk://me:secret@host:1", "zk://me:secret@/x"):
            code, log = p.a.exit_code(election=url)
            check(f"refuses {url}", code == 2 and "secret" not in log,
                  (code, log))


if not os.path.exists(JAR) or not shutil.which("java"):
    print("skipped: no ZooKeeper server is installed (make bench-deps)")
    sys.exit(0)
servers = [ZooKeeper("first"), ZooKeeper("second")]
try:
    together(*(z.start for z in servers))
    together(lambda: elections(servers[0]), lambda: session_over(servers[1]),
             lambda: redis_went_back(servers[1]),
             lambda: accounts(servers[1]), lambda: options(servers[1]))
finally:
    for server in servers:
        with guarded("ended"):
            server.kill()
done()
