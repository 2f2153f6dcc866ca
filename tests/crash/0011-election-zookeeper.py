#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real ZooKeeper decides which of two stores is active: one is killed, hangs,
is asked to go; ZooKeeper itself goes away and comes back."""
import os
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from suite import FOLDER, check, done, free_port, guarded, wait_for  # noqa: E402
from store import Writer, pause  # noqa: E402
from pair import Pair  # noqa: E402

JAR = "/usr/share/java/zookeeper.jar"


class ZooKeeper:
    def __init__(self):
        self.port, self.process = free_port(), None
        self.folder = os.path.join(FOLDER, "zookeeper")
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

    def kill(self):
        self.process.kill()
        self.process.wait()


def elections(zk):
    url = f"zk://127.0.0.1:{zk.port}/suites/one"
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
        zk.kill()
        wait_for("health to say so",
                 lambda: p.a.health("lease").get("ok") is not True)
        refused = p.a.ask("dump").returncode
        check("without ZooKeeper nothing is answered", refused != 0, refused)
        zk.start()
        p.wait_acks(writers)
        check("when it is back it goes on", True)
        check("every write was acknowledged", writers[0].finish(),
              writers[0].failure)
        wrong = p.a.lost([*writers, late])
        check("nothing acknowledged is lost", not wrong, wrong)
        epochs = [int(line.split("epoch=")[1].split()[0])
                  for s in (p.a, p.b) for line in s.log().splitlines()
                  if "event=election_won" in line]
        check("each time with another epoch",
              len(set(epochs)) == len(epochs), epochs)


def options(zk):
    with Pair(start=False) as p:
        for url in ("etcd://x", "zk://host:1", "zk:///path", "zk://host:1/"):
            code, log = p.a.exit_code(election=url)
            check(f"refuses {url}", code == 2, (code, log))


if not os.path.exists(JAR) or not shutil.which("java"):
    print("skipped: no ZooKeeper server is installed (make bench-deps)")
    sys.exit(0)
zookeeper = ZooKeeper()
zookeeper.start()
try:
    for part in (elections, options):
        with guarded(part.__name__):
            part(zookeeper)
finally:
    zookeeper.kill()
done()
