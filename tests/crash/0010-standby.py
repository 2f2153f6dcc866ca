#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two stores of one suite on one Redis: one waits, takes over when the other is
killed, stopped or asked to go; callers find it by themselves; nothing that was
acknowledged is lost, and the old one cannot write any more."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from suite import check, done, together, wait_for  # noqa: E402
from store import Writer, pause  # noqa: E402
from pair import Pair  # noqa: E402


def nothing_lost(pair, writers, name):
    check(f"{name}: every write was acknowledged",
          all([w.finish() for w in writers]), [w.failure for w in writers])
    wrong = pair.a.lost(writers) or pair.a.once(writers)
    check(f"{name}: the store holds each write once", not wrong, wrong)


def killed():
    with Pair() as p:
        writers = [p.a.writer("one"), p.a.writer("two", window=2)]
        p.wait_acks(writers)
        check("the standby waits", "store_active" not in p.b.log())
        p.a.kill()
        p.wait_active(p.b)
        p.wait_acks(writers)
        check("the other one takes over after kill -9", True)
        p.start_standby(p.a)
        at = p.a.log_size()
        p.b.kill()
        p.wait_active(p.a, at)
        p.wait_acks(writers)
        check("and back", True)
        nothing_lost(p, writers, "killed")


def restarted():
    with Pair(ttl_ms=60000, start=False) as p:
        p.a.start(new_suite=True, owner_ttl_ms=500)
        p.a.kill(signal.SIGTERM)
        p.a.start()
        p.start_standby(p.b)
        p.a.ask("put", "a", "1")
        p.a.kill()
        p.a.start()
        check("the holder itself goes on at once",
              p.a.dump()["items"]["a"][2] == "1")
        p.a.kill(signal.SIGTERM)
        p.wait_active(p.b, timeout=15)
        wait_for("an answer", lambda: p.b.status())
        check("a lease that was given back is taken at once",
              p.b.dump()["items"]["a"][2] == "1")


def paused():
    with Pair() as p:
        writers = [p.a.writer("one")]
        p.wait_acks(writers)
        late = Writer(p.aside(p.a), "late")  # knows only the old one
        p.wait_acks([late])
        p.a.process.send_signal(signal.SIGSTOP)
        p.wait_active(p.b)
        pause(0.2)  # what was acknowledged before is read
        before = len(late.acks)
        p.wait_acks(writers)
        check("callers find the new store while the old one hangs", True)
        p.a.process.send_signal(signal.SIGCONT)
        check("the old one leaves when it wakes", p.a.died() == 10,
              p.a.log()[-1000:])
        check("and acknowledged nothing", len(late.acks) == before,
              (before, len(late.acks)))
        late.process.kill()
        late.process.wait()
        p.start_standby(p.a)
        check("started again it waits", True)
        check("every write was acknowledged", writers[0].finish(),
              writers[0].failure)
        wrong = p.b.lost([*writers, late])
        check("nothing acknowledged is lost", not wrong, wrong)
        at = p.a.log_size()
        p.b.kill()
        p.wait_active(p.a, at)
        wait_for("an answer", p.a.status)
        wrong = p.a.lost([*writers, late])
        check("also after it took over again", not wrong, wrong)


def same_words():
    """Folders of one name below two working directories are two folders."""
    with Pair(ttl_ms=3000, start=False) as p:
        for store in (p.a, p.b):
            store.cwd = os.path.join(p.a.folder, "cwd-" +
                                     store.options["name"])
            os.mkdir(store.cwd)
            store.options["data_dir"] = "./data"
        p.a.start(new_suite=True)
        p.start_standby(p.b)
        check("a relative folder is told apart",
              "store_active" not in p.b.log() and
              p.a.ask("put", "a", "1").returncode == 0)


together(killed, restarted, paused, same_words)
done()
