# SPDX-License-Identifier: Apache-2.0
"""What is measured: each server in its own folder, started once a run.

A server says whether it is there (why_not), starts, and gives the command of
its load generator.  All folders lie on the same disk.
"""
import os
import shutil
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
B = os.path.join(ROOT, os.environ.get("B", "build"))
TOOLS = os.path.join(B, "tests", "bench")
START_S = 60


class Gone(Exception):
    """A server that ended or did not begin to answer."""


def free_ports(count):
    held = [socket.socket() for _ in range(count)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def answers(port, ask, expect):
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as s:
            s.settimeout(2)
            s.sendall(ask)
            return expect in s.recv(4096)
    except OSError:
        return False


class Server:
    name = ""
    needs = ()      # programs
    is_serial = False  # has one client only

    def __init__(self, folder):
        self.folder = os.path.join(folder, self.name.replace("+", "-")
                                   .replace(" ", "-"))
        self.processes = []

    def why_not(self):
        for program in self.needs:
            if not shutil.which(program):
                return f"{program} is not installed (make bench-deps)"
        return ""

    def spawn(self, *argv, env=None):
        with open(os.path.join(self.folder, "log"), "a") as log:
            p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log,
                                 stderr=log, cwd=self.folder,
                                 env={**os.environ, **(env or {})})
        self.processes.append(p)
        return p

    def start(self):
        os.makedirs(self.folder, exist_ok=True)
        self.launch()
        until = time.monotonic() + START_S
        while not self.is_up():
            if any(p.poll() is not None for p in self.processes) or \
                    time.monotonic() > until:
                raise Gone(f"{self.name} did not start:\n" + self.log_end())
            time.sleep(0.05)

    def log_end(self):
        with open(os.path.join(self.folder, "log")) as f:
            return f.read()[-2000:]

    def launch(self):
        pass

    def is_up(self):
        return True

    def why_not_counted(self):
        """After a measurement: why it must not count."""
        return ""

    def stop(self):
        for p in self.processes:
            p.kill()
        for p in self.processes:
            p.wait()
        self.processes = []


class Disk(Server):
    name = "bare fdatasync"
    is_serial = True

    def command(self, clients, size, seconds):
        return [f"{TOOLS}/disk_bench", f"{self.folder}/file", str(size),
                str(seconds)]


class Redis(Server):
    name = "Redis AOF always"
    needs = ("redis-server",)
    fsync, port, extra = "always", 0, ()

    @property
    def socket(self):
        return os.path.join(self.folder, "s")

    def launch(self):
        self.spawn("redis-server", "--port", str(self.port), "--bind",
                   "127.0.0.1", "--unixsocket", self.socket,
                   "--dir", self.folder, "--save", "", "--appendonly", "yes",
                   "--appendfsync", self.fsync, "--maxclients", "5000",
                   *self.extra)

    def is_up(self):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(self.socket)
                s.sendall(b"PING\r\n")
                return s.recv(100) == b"+PONG\r\n"
        except OSError:
            return False

    def command(self, clients, size, seconds):
        return [f"{TOOLS}/redis_bench", self.socket, str(clients), str(size),
                str(seconds)]


class MirrorRedis(Redis):
    """As `reeve up` starts it."""
    name = "mirror"
    fsync = "everysec"


class ReplicaRedis(MirrorRedis):
    name = "replica"

    def follow(self, port):
        self.extra = ("--replicaof", f"127.0.0.1 {port}",
                      "--repl-diskless-sync-delay", "0")


class Etcd(Server):
    name = "etcd"
    needs = ("etcd",)

    def launch(self):
        self.port, peer = free_ports(2)
        url = f"http://127.0.0.1:{self.port}"
        peer = f"http://127.0.0.1:{peer}"
        self.spawn("etcd", "--data-dir", f"{self.folder}/data",
                   "--listen-client-urls", url, "--advertise-client-urls", url,
                   "--listen-peer-urls", peer,
                   "--initial-advertise-peer-urls", peer,
                   "--initial-cluster", f"default={peer}",
                   "--logger", "zap", "--log-level", "error",
                   "--quota-backend-bytes", str(8 << 30))

    def is_up(self):
        return answers(self.port, b"GET /health HTTP/1.0\r\n\r\n", b"true")

    def command(self, clients, size, seconds):
        return [f"{TOOLS}/etcd_bench",
                f"http://127.0.0.1:{self.port}/v3/kv/put", str(clients),
                str(size), str(seconds)]


class ZooKeeper(Server):
    name = "ZooKeeper"
    needs = ("java",)
    jar = "/usr/share/java/zookeeper.jar"

    def why_not(self):
        if not os.path.exists(self.jar):
            return "zookeeper is not installed (make bench-deps)"
        if not os.path.exists(f"{TOOLS}/zk_bench"):
            return "its C client is not installed (make bench-deps)"
        return super().why_not()

    def launch(self):
        self.port, = free_ports(1)
        with open(f"{self.folder}/zoo.cfg", "w") as f:
            f.write(f"dataDir={self.folder}/data\n"
                    f"clientPort={self.port}\n"
                    "clientPortAddress=127.0.0.1\n"
                    "tickTime=2000\nadmin.enableServer=false\n"
                    "4lw.commands.whitelist=srvr\n")
        self.spawn("java", "-Dzookeeper.log.dir=" + self.folder,
                   "-Dlog4j.rootLogger=ERROR", "-cp",
                   f"/etc/zookeeper/conf:{self.jar}",
                   "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                   f"{self.folder}/zoo.cfg")

    def is_up(self):
        return answers(self.port, b"srvr", b"Mode")

    def command(self, clients, size, seconds):
        return [f"{TOOLS}/zk_bench", f"127.0.0.1:{self.port}", str(clients),
                str(size), str(seconds)]


class Store(Server):
    name = "store wal"
    ack = "wal"
    options = ()

    @property
    def run_dir(self):
        return os.path.join(self.folder, "run")

    def launch(self):
        self.store = self.spawn(
            f"{B}/bin/reeve-state-store", "--run-dir", self.run_dir, "--ack",
            self.ack, *self.options)

    def is_up(self):
        p = subprocess.run([f"{TOOLS}/store_bench", "txn", self.run_dir, "1",
                            "1", "0.001", "1", "1"], capture_output=True)
        return p.returncode == 0 and b'"done": 0' not in p.stdout

    def command(self, clients, size, seconds):
        return [f"{TOOLS}/store_bench", "txn", self.run_dir, str(clients),
                str(size), str(seconds)]

    def resident_kib(self):
        with open(f"/proc/{self.store.pid}/status") as f:
            for line in f:
                if line.startswith("VmRSS"):
                    return int(line.split()[1])
        raise Gone("the store is gone")


class StoreByLibrary(Store):
    """What a caller sees who uses 0MQ's library, which has a thread of its
    own."""
    name = "store wal by libzmq"

    def command(self, clients, size, seconds):
        command = super().command(clients, size, seconds)
        return [command[0], "zmq", *command[2:]]


class StoreWithRedis(Store):
    name = "store wal+redis"
    ack = "wal+redis"

    def __init__(self, folder):
        super().__init__(folder)
        self.redis = MirrorRedis(self.folder)
        self.needs, self.said = self.redis.needs, 0

    def says(self):
        """How often Redis was lost, found or filled."""
        with open(os.path.join(self.folder, "log")) as f:
            return sum(1 for line in f if "redis_" in line)

    def why_not_counted(self):
        """Without Redis the log alone acknowledges: that is another mode."""
        before, self.said = self.said, self.says()
        return "" if before == self.said else \
            "Redis did not count all the time:\n" + self.log_end()

    def is_up(self):
        with open(os.path.join(self.folder, "log")) as f:
            is_live = "redis_live" in f.read()
        self.said = self.says()
        return is_live and super().is_up()

    def launch(self):
        self.redis.start()
        self.options = ("--redis", f"unix://{self.redis.socket}")
        super().launch()

    def restart(self, is_log_lost=False):
        """Killed and started again; seconds until it answers."""
        self.store.kill()
        self.store.wait()
        self.processes.remove(self.store)
        if is_log_lost:
            shutil.rmtree(os.path.join(self.run_dir, "store"))
        began = time.monotonic()
        super().launch()
        while not Store.is_up(self):
            if time.monotonic() > began + START_S:
                raise Gone(f"{self.name} does not answer:\n{self.log_end()}")
            time.sleep(0.005)
        return time.monotonic() - began

    def stop(self):
        super().stop()
        self.redis.stop()


class StoreWithReplica(StoreWithRedis):
    name = "store wal+replica"
    ack = "wal+replica"

    def __init__(self, folder):
        super().__init__(folder)
        self.replica = ReplicaRedis(self.folder)

    def launch(self):
        self.redis.port, = free_ports(1)
        self.replica.follow(self.redis.port)
        super().launch()
        self.replica.start()

    def stop(self):
        super().stop()
        self.replica.stop()


ALL = [Disk, Redis, Etcd, ZooKeeper, Store, StoreByLibrary, StoreWithRedis,
       StoreWithReplica]
