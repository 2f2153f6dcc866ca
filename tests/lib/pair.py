# SPDX-License-Identifier: Apache-2.0
"""Two stores of one suite in one run directory, on one Redis."""
import os
import subprocess

from suite import TOOLS, wait_for
from store import Bench


class Pair:
    """Stores a and b in one run directory, a began the suite."""

    def __init__(self, ttl_ms=1000, start=True, **options):
        self.a = Bench(owner_ttl_ms=ttl_ms, redis_timeout_ms=500, **options)
        self.a.redis.start()
        self.a.options.update(redis=self.a.redis.url, standby=True, name="a",
                              data_dir=os.path.join(self.a.folder, "data-a"))
        self.b = Bench()
        self.b.run_dir, self.b.redis = self.a.run_dir, self.a.redis
        self.b.options = {**self.a.options, "name": "b",
                          "data_dir": os.path.join(self.a.folder, "data-b")}
        try:
            if start:
                self.a.start(new_suite=True)
                self.start_standby(self.b)
        except Exception:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.b.__exit__()
        self.a.__exit__()
        return False

    def start_standby(self, store):
        at = store.log_size()
        store.start(serving=False)
        wait_for("a standby", lambda: "event=standby" in store.log()[at:])

    def aside(self, store):
        """A run directory where this store answers, active or not."""
        path = os.path.join(self.a.folder, store.options["name"])
        if not os.path.isdir(path):
            os.mkdir(path)
            os.symlink(os.path.join(self.a.run_dir, "state-store-" +
                                    store.options["name"]),
                       os.path.join(path, "state-store"))
        return path

    def wait_says(self, store, text):
        path = self.aside(store)
        wait_for(f"it to say {text}", lambda: text in subprocess.run(
            [f"{TOOLS}/store_ask", path, "status"], text=True,
            capture_output=True, stdin=subprocess.DEVNULL).stderr)

    def wait_active(self, store, at=0, timeout=20):
        wait_for("the other store to take over",
                 lambda: "address_taken" in store.log()[at:], timeout)

    def wait_acks(self, writers, more=20):
        wanted = [len(w.acks) + more for w in writers]
        wait_for("writes to be acknowledged", lambda: all(
            len(w.acks) >= n for w, n in zip(writers, wanted)), 30)
