# SPDX-License-Identifier: Apache-2.0
"""Redis as a site runs it: on loopback ports, replicated, over TLS, with
sentinels.

    tls = Tls(folder)                 # a CA and what it signed
    one = Server(folder, "one", tls=tls)
    two = Server(folder, "two", one, tls=tls)
    sentinels = Sentinel.quorum(folder, one, 3, tls=tls, password="x")
"""
import os
import subprocess

from store import Redis
from suite import free_port, wait_for

USER, PASSWORD = "reeve", "s3cret@/"
ACCOUNT = f"{USER}:s3cret%40%2F"


class Tls:
    """A certificate authority, and files that it signed."""

    def __init__(self, folder, name="ca"):
        self.folder = os.path.join(folder, name)
        os.mkdir(self.folder)
        self.ca = self.path("ca.pem")
        self.openssl("req", "-x509", "-subj", f"/CN={name}", "-days", "30",
                     "-out", self.ca, *self.new_key("ca"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def new_key(self, name):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-keyout", self.path(name + ".key"))

    def openssl(self, *words):
        p = subprocess.run(["openssl", *words], capture_output=True, text=True,
                           stdin=subprocess.DEVNULL)
        assert p.returncode == 0, p.stderr

    def sign(self, name, names="DNS:localhost,IP:127.0.0.1"):
        """(certificate, key)"""
        request, cert = self.path(name + ".csr"), self.path(name + ".pem")
        extension = self.path(name + ".ext")
        with open(extension, "w") as f:
            f.write(f"subjectAltName={names}\n")
        self.openssl("req", "-new", "-subj", f"/CN={name}", "-out", request,
                     *self.new_key(name))
        self.openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey",
                     self.path("ca.key"), "-CAcreateserial", "-days", "30",
                     "-extfile", extension, "-out", cert)
        return cert, self.path(name + ".key")

    def words(self, port, cert, key):
        """Of a server's or a sentinel's configuration."""
        return [["port", "0"], ["tls-port", str(port)],
                ["tls-cert-file", cert], ["tls-key-file", key],
                ["tls-ca-cert-file", self.ca], ["tls-replication", "yes"]]


class Server(Redis):
    """A redis-server that also listens on a loopback port, with an ACL user of
    our own."""

    def __init__(self, folder, name, master=None, tls=None, cert=None):
        self.port, self.name = free_port(), name
        folder = os.path.join(folder, name)
        os.mkdir(folder)
        words = [["port", str(self.port)]]
        if tls:
            words = tls.words(self.port, *(cert or tls.sign(name)))
        if master:
            words += [["replicaof", f"127.0.0.1 {master.port}"]]
        super().__init__(
            folder, "--bind", "127.0.0.1", "--user", "default", "on", "nopass",
            "~*", "&*", "+@all", "--user", USER, "on", f">{PASSWORD}", "~*",
            "&*", "+@all", "--repl-diskless-sync-delay", "0",
            "--replica-priority", "10",
            *(x for word, value in words for x in (f"--{word}", value)))

    def ask_in(self, database, *words):
        return self.ask("EVAL", "redis.call('SELECT', ARGV[1]); return "
                        "redis.call(unpack(ARGV, 2))", 0, database, *words)

    def info(self, section):
        text = self.ask("INFO", section).decode()
        return dict(line.split(":", 1) for line in text.split() if ":" in line)

    def is_synced(self):
        return self.info("replication").get("master_link_status") == "up"


class Sentinel(Redis):
    def __init__(self, folder, master, quorum=1, name="sentinel", tls=None,
                 password=None):
        self.port, self.password = free_port(), password
        folder = os.path.join(folder, name)
        os.mkdir(folder)
        super().__init__(folder)
        self.conf = os.path.join(self.folder, "sentinel.conf")
        words = tls.words(self.port, *tls.sign(name)) if tls else \
            [["port", str(self.port)]]
        words += [["bind", "127.0.0.1"], ["dir", self.folder],
                  ["unixsocket", self.socket], ["logfile",
                                                f"{self.folder}/log"]]
        if password:
            words += [["user", f"watcher on >{password} ~* &* +@all"],
                      ["user", "default off"],
                      ["sentinel", "sentinel-user watcher"],
                      ["sentinel", f"sentinel-pass {password}"]]
        words += [["sentinel", f"monitor main 127.0.0.1 {master.port} "
                               f"{quorum}"],
                  ["sentinel", "down-after-milliseconds main 500"],
                  ["sentinel", "failover-timeout main 3000"]]
        with open(self.conf, "w") as f:
            f.writelines(f"{word} {value}\n" for word, value in words)

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", self.conf, "--sentinel"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_for("Sentinel", self.answers)

    def login(self):
        return [("AUTH", "watcher", self.password)] if self.password else []

    def master(self):
        return int(self.ask("SENTINEL", "get-master-addr-by-name", "main")[1])

    def fields(self, what):
        rows = self.ask("SENTINEL", what, "main")
        return [dict(zip(row[::2], row[1::2])) for row in rows]

    def knows_replica(self):
        return any(r.get(b"master-link-status") == b"ok"
                   for r in self.fields("replicas"))

    def knows_others(self, n):
        others = self.fields("sentinels")
        return len(others) == n and all(o[b"flags"] == b"sentinel"
                                        for o in others)

    @staticmethod
    def quorum(folder, master, n, **more):
        """n of them, which agree by majority."""
        return [Sentinel(folder, master, n // 2 + 1, f"sentinel-{i}", **more)
                for i in range(n)]


class Database(Redis):
    """One database of a server, to compare it with the store."""

    def __init__(self, server, number):
        self.server, self.number, self.process = server, number, None

    def ask(self, *words):
        return self.server.ask_in(self.number, *words)
