# SPDX-License-Identifier: Apache-2.0
"""A store on a disk that fails (faultfs.c), many of them at a time."""
import concurrent.futures
import contextlib
import os
import shutil
import subprocess
import threading
import time

from store import Bench
from suite import TOOLS, guarded

MODES = ["EIO", "ENOSPC", "torn", "short"]
# Small files: a short script rotates several times and takes snapshots.
SMALL = {"segment_kib": 8, "snapshot_log_kib": 16, "reserve_mib": 1,
         "min_free_mib": 0}
EXITS = (6, 7)  # EXIT_UNWRITABLE at start, EXIT_WAL


class Faults(Bench):
    """faulty() makes the store that is started inside meet the fault."""

    def __init__(self, nth=0, mode="EIO", reads=False, **options):
        super().__init__(**{**SMALL, **options})
        self.faults = os.path.join(self.folder, "faults")
        self.is_faulty = False
        # A list, parted by blanks: the checkout's path may have some.
        preload = os.path.join(self.folder, "faultfs.so")
        os.symlink(os.path.abspath(f"{TOOLS}/faultfs.so"), preload)
        self.env = {"LD_PRELOAD": preload,
                    "FAULTFS_DIR": self.data_dir, "FAULTFS_LOG": self.faults,
                    "FAULTFS_NTH": str(nth), "FAULTFS_MODE": mode}
        if reads:
            self.env["FAULTFS_READS"] = "1"

    def environment(self):
        env = super().environment()
        if self.is_faulty:
            asan = env.get("ASAN_OPTIONS", "")
            env.update(self.env, ASAN_OPTIONS=asan +
                       ":verify_asan_link_order=0")
        return env

    @contextlib.contextmanager
    def faulty(self):
        self.is_faulty = True
        try:
            yield
        finally:
            self.is_faulty = False

    def keep_shadow(self):
        self.shadow = os.path.join(self.folder, "shadow")
        os.makedirs(os.path.join(self.shadow, "files"))
        self.env["FAULTFS_SHADOW"] = self.shadow

    def lose_power(self):
        """Only what was synced is left, under the names that were synced."""
        self.kill()
        shutil.rmtree(self.data_dir)
        os.mkdir(self.data_dir)
        names = os.path.join(self.shadow, "names")
        if not os.path.exists(names):
            return
        with open(names) as f:
            for name, number in map(str.split, f):
                content = os.path.join(self.shadow, "files", number)
                target = os.path.join(self.data_dir, name)
                if os.path.exists(content):
                    shutil.copy(content, target)
                else:
                    open(target, "w").close()

    def ask_or_leave(self, *words):
        """As ask(); None when the store leaves instead of answering."""
        with subprocess.Popen([f"{TOOLS}/store_ask", self.run_dir, *words],
                              stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as p:
            while p.poll() is None and self.process.poll() is None:
                time.sleep(0.01)
            if p.poll() is None:
                p.kill()
                return None
            return p

    def calls(self):
        with open(self.faults) as f:
            return [line.split() for line in f]


def run_all(cases, run, name, at_once=4):
    """run(*case) for all of them, some at a time: what each found wrong."""
    wrong, lock = [], threading.Lock()

    def one(case):
        with guarded(name(*case)):
            problem = run(*case)
            if problem:
                with lock:
                    wrong.append(problem)
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        list(pool.map(one, cases))
    return wrong
