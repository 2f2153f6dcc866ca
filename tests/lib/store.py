# SPDX-License-Identifier: Apache-2.0
"""A real state-store, a real Redis and writers that know what was acknowledged.

    with Bench() as b:
        b.redis.start()
        b.start()
        w = b.writer("a")
        b.kill()
        b.start()
        b.check_all([w])
"""
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from suite import BIN, FOLDER, SLOW, TOOLS, check, patient, wait_for


class Redis:
    """redis-server on a unix socket, and the few commands tests need."""

    def __init__(self, folder, *options):
        self.folder, self.options, self.process = folder, options, None
        self.socket = os.path.join(folder, "redis.sock")

    @property
    def url(self):
        return f"unix://{self.socket}"

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.socket,
             "--dir", self.folder, "--save", "", "--logfile",
             os.path.join(self.folder, "redis.log"), *self.options],
            stdin=subprocess.DEVNULL)
        wait_for("Redis", lambda: self.answers() or self.ended())

    def ended(self):
        if self.process.poll() is not None:
            with open(os.path.join(self.folder, "redis.log")) as f:
                raise RuntimeError("redis-server ended: " + f.read()[-1000:])

    def answers(self):
        try:
            return self.ask("PING") == "PONG"
        except OSError as e:
            return "NOAUTH" in str(e)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ask(self, *words):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(patient(20))
            s.connect(self.socket)
            with s.makefile("rb") as f:
                for line in [*self.login(), words]:
                    s.sendall(self.command(line))
                    reply = self.read(f)
                return reply

    def login(self):
        return []

    @staticmethod
    def command(words):
        out = b"*%d\r\n" % len(words)
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            out += b"$%d\r\n%s\r\n" % (len(word), word)
        return out

    def read(self, f):
        line = f.readline()
        if not line:
            raise OSError("Redis hung up")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            raise OSError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            n = int(rest)
            return None if n < 0 else f.read(n + 2)[:-2]
        return [self.read(f) for _ in range(int(rest))]

    def hash(self, key):
        flat = self.ask("HGETALL", key)
        return {k.decode(): v.decode() for k, v in zip(flat[::2], flat[1::2])}


class Writer:
    """store_writer, and what it was told."""

    def __init__(self, run_dir, name, window=20, size=256, count=0, first=0):
        self.name, self.first, self.acks = name, first, {}
        self.failure = None
        self.process = subprocess.Popen(
            [f"{TOOLS}/store_writer", run_dir, name, str(window), str(size),
             str(count), str(first)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            words = line.split()
            if words[0] == "ack":
                self.acks[int(words[1])] = int(words[2])
            else:
                self.failure = line.strip()

    def finish(self):
        """Lets it finish what is under way; every write is acknowledged then."""
        self.process.stdin.close()
        self.process.wait(timeout=patient(60))
        self.thread.join(timeout=patient(10))
        return self.process.returncode == 0 and self.failure is None


class Bench:
    def __init__(self, redis_options=(), **options):
        self.folder = tempfile.mkdtemp(prefix="b-", dir=FOLDER)
        self.run_dir = os.path.join(self.folder, "run")
        self.data_dir = os.path.join(self.run_dir, "store")
        self.redis = Redis(self.folder, *redis_options)
        self.options, self.process, self.writers = options, None, []
        self.cwd = None
        self.log_path = os.path.join(self.folder, "store.log")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for w in self.writers:
            w.process.kill()
            w.process.wait()
            w.process.stdout.close()
        self.kill()
        self.redis.kill()
        return False

    def flags(self, **more):
        out = ["--run-dir", self.run_dir]
        for name, value in {**self.options, **more}.items():
            flag = "--" + name.replace("_", "-")
            if value is True:
                out += [flag]
            elif value is not False:
                out += [flag, str(value)]
        return out

    def spawn(self, crash_at=None, **more):
        env = self.environment()
        if crash_at:
            env["REEVE_CRASH_AT"] = crash_at
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen(
                [os.path.abspath(f"{BIN}/reeve-state-store"),
                 *self.flags(**more)], env=env, cwd=self.cwd,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self.process

    def environment(self):
        return dict(os.environ)

    def start(self, crash_at=None, serving=True, **more):
        self.spawn(crash_at, **more)
        if serving:
            wait_for("the store", lambda: self.status() is not None)

    def exit_code(self, timeout=15, **more):
        """Starts one that is expected to leave by itself."""
        before = self.log_size()
        code = self.spawn(**more).wait(timeout=patient(timeout))
        self.process = None
        with open(self.log_path) as f:
            f.seek(before)
            return code, f.read()

    def log_size(self):
        try:
            return os.path.getsize(self.log_path)
        except OSError:
            return 0

    def log(self):
        with open(self.log_path) as f:
            return f.read()

    def kill(self, number=signal.SIGKILL):
        if not self.process:
            return None
        self.process.send_signal(number)
        code = self.process.wait(timeout=patient(20))
        self.process = None
        if number == signal.SIGTERM:
            check("a clean stop ends with 0", code == 0, self.log()[-2000:])
        return code

    def died(self, timeout=20):
        """Waits until it is dead by itself; the signal or exit code."""
        code = self.process.wait(timeout=patient(timeout))
        self.process = None
        return code

    def ask(self, *words):
        return subprocess.run([f"{TOOLS}/store_ask", self.run_dir,
                               *map(str, words)], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=patient(30))

    def status(self):
        if self.process and self.process.poll() is not None:
            raise RuntimeError(f"the store left with code "
                               f"{self.process.returncode}\n{self.log()}")
        p = self.ask("status")
        return json.loads(p.stdout) if p.returncode == 0 else None

    def health(self, check):
        p = self.ask("health")
        if p.returncode:
            return None  # it is just leaving
        for c in json.loads(p.stdout)["checks"]:
            if c["name"] == check:
                return c
        return None

    def dump(self):
        p = self.ask("dump")
        assert p.returncode == 0, p.stderr
        out = {"items": {}}
        for line in p.stdout.splitlines():
            words = line.split(" ")
            if words[0] == "item":
                out["items"][words[1]] = (int(words[2]), words[3], words[4])
            else:
                out[words[0]] = words[1]
        return out

    def writer(self, name, **more):
        w = Writer(self.run_dir, name, **more)
        self.writers.append(w)
        return w

    def wait_redis(self, timeout=20):
        """Until Redis has everything."""
        def same():
            s = self.status()
            return s and s.get("redis_connected") and \
                s.get("redis_revision", 0) == s.get("revision", 0)
        wait_for("Redis to catch up", same, timeout)

    # --- what must hold -----------------------------------------------------
    def lost(self, writers):
        """What was acknowledged and is not there; "" when all is well."""
        told = [(w, dict(w.acks)) for w in writers]  # before we look
        d = self.dump()
        wrong = []
        for w, acks in told:
            # Two writes under way may be applied in either order, so the one
            # of the highest revision is what counts.
            newest = {}
            for n, at in acks.items():
                for key in (f"w/{w.name}/{n % 50}", f"w/{w.name}/last"):
                    newest[key] = max(newest.get(key, (0, 0)), (at, n))
            for key, (at, n) in newest.items():
                revision, _, text = d["items"].get(key, (0, "", "-1"))
                if revision < at or (revision == at and int(text) != n):
                    wrong.append(f"{key} is {text} at {revision}, "
                                 f"acknowledged {n} at {at}")
        return "; ".join(wrong[:5])

    def once(self, writers):
        """All writers are finished: each write took effect exactly once, so
        there are as many revisions as writes.  "" when that is so."""
        revision = int(self.dump()["revision"])
        acked = [r for w in writers for r in w.acks.values()]
        if len(set(acked)) != len(acked):
            return "two writes got the same revision"
        if revision != len(acked):
            return f"revision {revision} after {len(acked)} writes"
        return ""

    def mirror_differs(self):
        """Redis compared with the store, value by value."""
        d = self.dump()
        meta = self.redis.hash("reeve:meta")
        if meta["revision"] != d["revision"] or \
                meta["lineage"] != d["lineage"] or meta["complete"] != "1":
            return f"meta {meta}, store at {d['revision']}"
        rev = self.redis.hash("reeve:rev")
        if set(rev) != set(d["items"]):
            return "other keys"
        names = self.redis.ask("KEYS", "reeve:kv:*")
        if len(names) != len(rev):
            return f"{len(names)} values for {len(rev)} keys"
        for key, (revision, digest, _) in d["items"].items():
            value = self.redis.ask("GET", f"reeve:kv:{key}")
            if rev[key] != str(revision) or \
                    hashlib.sha256(value).hexdigest() != digest:
                return f"{key} differs"
        return ""

    def lose_log(self):
        shutil.rmtree(self.data_dir)


def pause(seconds):
    time.sleep(seconds * SLOW)
