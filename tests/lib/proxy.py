# SPDX-License-Identifier: Apache-2.0
"""In between two processes: passes bytes on, until it is cut.

    p = Proxy(port)          # callers come to p.port
    p.cut()                  # connections break, new ones get nowhere
    p.mend()
"""
import contextlib
import socket
import threading


class Proxy:
    def __init__(self, port):
        self.target, self.is_cut, self.lock = port, False, threading.Lock()
        self.open = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                far = None if self.is_cut else self.connect()
                if not far:
                    near.close()
                    continue
                self.open += [near, far]
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self.copy, args=(a, b),
                                 daemon=True).start()

    def connect(self):
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", self.target), 5)
        return None

    def copy(self, a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
        for s in (a, b):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def cut(self):
        with self.lock:
            self.is_cut = True
            for s in self.open:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)
                s.close()
            self.open = []

    def mend(self):
        self.is_cut = False

    def close(self):
        self.cut()
        self.listener.close()
