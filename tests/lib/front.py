# SPDX-License-Identifier: Apache-2.0
"""What stands in front of a master: a devcluster of its own, and proxies that
want TLS or an Authorization header.

    with Devcluster() as d, Front(d.port, tls=pem) as f: ...
"""
import contextlib
import os
import select
import signal
import socket
import ssl
import subprocess
import tempfile
import threading

from suite import BIN, FOLDER, free_port, patient, wait_for


class Process:
    """A child that ends with the block."""

    def __init__(self, args, log, **kw):
        self.log_path = os.path.join(FOLDER, log)
        self.log = open(self.log_path, "a")
        self.process = subprocess.Popen(args, stdout=self.log,
                                        stderr=subprocess.STDOUT, **kw)

    def stop(self, sig=None):
        if self.process.poll() is None:
            if sig is None:
                self.process.terminate()
            else:
                self.process.send_signal(sig)
        try:
            self.process.wait(patient(30))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Devcluster(Process):
    def __init__(self, ports, *flags, agents=2):
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="dc-", dir=FOLDER)
        super().__init__(
            [f"{BIN}/reeve-devcluster", "--work-dir", self.folder, "--port",
             str(self.port), "--agents", str(agents),
             "--allocation-interval-ms", "100", *flags], "devcluster.log",
            env=dict(os.environ, REEVE_AGENT_PORTS=str(ports)))
        wait_for("the devcluster", lambda: socket.create_connection(
            ("127.0.0.1", self.port), 1).close() is None)

    def stop(self, sig=None):
        """Its tasks outlive it, as tasks do: they end here."""
        super().stop(sig)
        parents, todo = {}, []
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    ppid = int(f.read().rsplit(")", 1)[1].split()[1])
                with open(f"/proc/{pid}/cmdline") as f:
                    args = f.read().split("\0")
            except OSError:
                continue
            parents.setdefault(ppid, []).append(pid)
            if args[1:2] == ["--task-shim"] and \
                    args[2].startswith(self.folder + "/"):
                todo.append(pid)
        while todo:
            pid = todo.pop()
            todo += parents.get(pid, [])
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Front:
    """A TCP proxy to 127.0.0.1:port.  tls: a PEM with key and certificate.
    wanted: a predicate on the Authorization value of each request; what it
    refuses is answered 401.  answers: {path: status} of requests that do not
    reach the master."""

    def __init__(self, port, tls=None, wanted=None, answers=None):
        self.target = port
        self.answers = answers or {}
        self.wanted = wanted or (self.answers and (lambda _: True))
        self.connections = self.refused = self.passed = 0
        self.stopping = False
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(tls)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.open = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self.stopping:
            try:
                conn, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,),
                             daemon=True).start()

    def _serve(self, conn):
        try:
            if self.context:
                conn = self.context.wrap_socket(conn, server_side=True)
            self.connections += 1
            with conn, socket.create_connection(
                    ("127.0.0.1", self.target)) as up:
                self.open.update((conn, up))
                if self.wanted:
                    self._requests(conn, up)
                else:
                    self._pump(conn, up)
        except OSError:
            pass

    @staticmethod
    def _readable(socks, timeout=0.2):
        return [s for s in socks if isinstance(s, ssl.SSLSocket) and
                s.pending()] or select.select(socks, [], [], timeout)[0]

    def _pump(self, a, b):
        while not self.stopping:
            for s in self._readable([a, b]):
                data = s.recv(65536)
                if not data:
                    return
                (b if s is a else a).sendall(data)

    def _requests(self, conn, up):
        """Request heads are looked at; bodies and answers pass."""
        buf, body_left = b"", 0
        while not self.stopping:
            for s in self._readable([conn, up]):
                data = s.recv(65536)
                if not data:
                    return
                if s is up:
                    conn.sendall(data)
                    continue
                buf += data
                while buf:
                    if body_left:
                        part, buf = buf[:body_left], buf[body_left:]
                        body_left -= len(part)
                        up.sendall(part)
                        continue
                    if b"\r\n\r\n" not in buf:
                        break
                    head, buf = buf.split(b"\r\n\r\n", 1)
                    fields = dict(
                        (k.lower(), v.strip()) for k, _, v in
                        (line.partition(":") for line in
                         head.decode("latin-1").split("\r\n")[1:]))
                    status = self.answers.get(head.split()[1].decode())
                    if not self.wanted(fields.get("authorization", "")):
                        status = 401
                    if status:
                        self.refused += 1
                        conn.sendall(b"HTTP/1.1 %d Refused\r\n"
                                     b"Content-Length: 8\r\n"
                                     b"Connection: close\r\n\r\n"
                                     b"Refused." % status)
                        return
                    self.passed += 1
                    body_left = int(fields.get("content-length", "0"))
                    up.sendall(head + b"\r\n\r\n")

    def cut(self):
        """Ends all connections."""
        for s in list(self.open):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.open.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.server.close()
        self.cut()


def self_signed():
    """A PEM file with a key and a certificate for 127.0.0.1."""
    path = os.path.join(FOLDER, "front.pem")
    key, cert = path + ".key", path + ".crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "2", "-subj", "/CN=127.0.0.1", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True)
    with open(path, "w") as out:
        for part in (key, cert):
            with open(part) as f:
                out.write(f.read())
    return path, cert
