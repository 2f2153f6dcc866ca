#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The subscribers of a third party in examples/subscriber, in C and in Python,
show what is there, follow, and notice what they missed over a restart of the
store."""
import os
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from suite import (ROOT, TOOLS, check, done, guarded, patient,  # noqa: E402
                   wait_for, zmq_python)
from store import Bench  # noqa: E402

EXAMPLE = os.path.join(ROOT, "examples/subscriber")


class Subscriber:
    def __init__(self, *command):
        self.lines = []
        self.process = subprocess.Popen(command, text=True,
                                        stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait(self, line):
        wait_for(line, lambda: line in self.lines, 20)
        return True

    def close(self):
        self.process.kill()
        self.process.wait()
        self.thread.join(timeout=patient(5))
        self.process.stdout.close()


def follows(name, *command):
    with Bench(ack="wal") as b:
        b.start()
        b.ask("put", "service/one/target", "1")
        b.ask("put", "service/one/plan", "1")
        s = Subscriber(*command, b.run_dir)
        try:
            check(f"{name}: shows what is there", s.wait("service/one/plan 2")
                  and s.lines == ["service/one/plan 2", "service/one/target 1"],
                  s.lines)
            b.ask("put", "service/one/plan", "2")
            check(f"{name}: follows", s.wait("service/one/plan 3"))
            w = b.writer("many", count=100)
            w.finish()
            s.wait("w/many/last 103")
            want = [f"w/many/{kind} {r + 4}" for r in range(100)
                    for kind in (r % 50, "last")]
            check(f"{name}: every change of every transaction, in order",
                  s.lines[-200:] == want or [x for x in want
                                             if x not in s.lines] == [],
                  s.lines[-3:])
            b.kill(signal.SIGKILL)
            b.start()
            b.ask("put", "service/one/plan", "3")
            check(f"{name}: goes on after a restart of the store",
                  s.wait("service/one/plan 104"))
            s.process.send_signal(signal.SIGSTOP)
            b.kill(signal.SIGKILL)
            b.start()
            w = b.writer("gap", count=50)
            w.finish()
            s.process.send_signal(signal.SIGCONT)
            check(f"{name}: notices what it missed", s.wait("w/gap/last 154"))
            check(f"{name}: still runs", s.process.poll() is None)
        finally:
            s.close()


with guarded("C"):
    with open(os.path.join(EXAMPLE, "subscriber.c")) as f:
        check("C: at most 60 lines", len(f.readlines()) <= 60)
    follows("C", os.path.join(TOOLS, "subscriber"))
with guarded("Python"):
    with open(os.path.join(EXAMPLE, "subscriber.py")) as f:
        check("Python: at most 60 lines", len(f.readlines()) <= 60)
    if zmq_python():
        follows("Python", zmq_python(), os.path.join(EXAMPLE, "subscriber.py"))
    else:
        print("skipped Python: python3-zmq or python3-protobuf is not there")
done()
