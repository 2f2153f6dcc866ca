#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The n-th call to the disk fails, for every n of a scripted run: the store ends
with its exit code or refuses and goes on, and what it acknowledged is there when
it starts on a good disk; what it did not is there as a whole or not at all.

Each n meets one kind of fault, in turn; with REEVE_ROUNDS=50 or more, each.
Power lost at such a call, at once or after a restart.
Then the log itself: cut at many places and with bits flipped."""
import glob
import os
import random
import re
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from suite import SLOW, check, done, guarded, patient, wait_for  # noqa: E402
from faults import EXITS, MODES, Faults, run_all  # noqa: E402
from store import Bench  # noqa: E402

ALL = int(os.environ.get("REEVE_ROUNDS", "0")) >= 50
WRITES = 24


def run_script(b):
    """Until everything is written, writes are refused or it has left."""
    with b.faulty():
        b.spawn()
    w = b.writer("a", window=1, size=700, count=WRITES)
    end = time.monotonic() + 30 * SLOW
    asked = time.monotonic()
    while time.monotonic() < end:
        if b.process.poll() is not None:
            return w, b.process.returncode
        if w.process.poll() is not None:
            w.thread.join(timeout=patient(10))
            return w, None
        if time.monotonic() > asked + 1:
            health = b.health("wal")
            if health and not health.get("ok"):
                return w, None
            asked = time.monotonic()
        time.sleep(0.01)
    raise TimeoutError("neither done nor refused nor gone")


def half_there(b):
    """Each write put two keys: both of it are there or none.  "" when so."""
    items = {k: v for k, v in b.dump()["items"].items()
             if k.startswith("w/a/")}
    if not items:
        return "", -1
    revision, _, text = items["w/a/last"]
    last = int(text)
    if len(items) != last + 2:
        return f"{len(items)} keys after write {last}", last
    for n in range(last + 1):
        at, _, value = items[f"w/a/{n}"]
        if at != n + 1 or int(value) != n:
            return f"write {n} is {value} at {at}", last
    if revision != last + 1:
        return f"last is {last} at {revision}", last
    return "", last


def one(nth, mode):
    """One run with one fault; what is wrong with it, "" for nothing."""
    with Faults(nth, mode) as b:
        w, code = run_script(b)
        calls = b.calls()
        faults = [c for c in calls if c[1] == "fault"]
        call = next((c[1] for c in calls if c[0] == str(nth)), "?")
        path = faults[0][2] if faults else ""
        what = f"{mode} at call {nth}, {call} {os.path.basename(path)}: "
        if path == b.data_dir:  # synced after a rename: of what?
            renamed = [c[2] for c in calls if c[1] == "rename" and
                       int(c[0]) < nth]
            path = renamed[-1] if renamed else "/wal-"
            # Or of a snapshot, which another thread renamed just before.
            if any("/snapshot-" in c[2] for c in calls
                   if c[1] == "rename" and nth - 8 <= int(c[0]) < nth):
                path = "a snapshot's or the log's"
        # A segment to be used again that cannot be had is made anew.
        is_log = "/wal-" in path and not (call == "rename" and
                                          path.endswith(".tmp"))
        if code is not None and code not in EXITS:
            return what + f"left with {code}\n{b.log()[-1500:]}"
        if code is not None and "level=bad" not in b.log() and \
                "start_failed" not in b.log():
            return what + "left without a word"
        if mode == "short" and (code is not None or len(w.acks) != WRITES):
            return what + f"a short write is no fault, but {code}"
        # ENOSPC once is what the reserve is for; it lasts, so it ends too.
        if faults and is_log and mode != "short" and code is None and \
                len(w.acks) == WRITES and call != "open":
            return what + "the log failed and it went on"
        w.process.kill()
        b.kill()
        b.start()
        wrong, last = half_there(b)
        if wrong:
            return what + wrong
        if w.acks and max(w.acks) > last:
            return what + f"acknowledged {max(w.acks)}, there is {last}"
        if last > len(w.acks):
            return what + f"{last} is there after {len(w.acks)} answers"
        if b.ask("put", "after", "1").returncode != 0:
            return what + "takes no writes on a good disk"
        b.kill(signal.SIGTERM)
        return ""


def every_call():
    with Faults() as b:
        w, code = run_script(b)
        check("the script without a fault", code is None and
              len(w.acks) == WRITES, (code, b.log()[-2000:]))
        count = len(b.calls())
        kinds = {c[1] for c in b.calls()}
        files = {os.path.basename(c[2])[:4] for c in b.calls()}
        # Whether a snapshot is met as well is a matter of time.
        check(f"{count} calls meet the log and the folder",
              kinds >= {"open", "pwrite", "fsync", "fdatasync", "rename"} and
              files >= {"wal-", "lock", "rese"}, (kinds, files))
        wait_for("the last answer", lambda: len(w.acks) == WRITES)
    cases = [(nth, mode) for nth in range(1, count + 1)
             for mode in (MODES if ALL else [MODES[nth % len(MODES)]])]
    wrong = run_all(cases, one, lambda nth, mode: f"{mode} at call {nth}")
    check(f"{len(cases)} runs, a fault at each of {count} calls", not wrong,
          "\n".join(wrong[:8]))


def power_lost(nth, goes_on):
    """Killed at the n-th call; with goes_on, started again on what is there and
    written to; then the power goes.  What is wrong, "" for nothing."""
    with Faults(nth, "KILL") as b:
        b.keep_shadow()
        w, code = run_script(b)
        what = f"power lost at call {nth}{', after a restart' * goes_on}: "
        w.process.kill()
        writers = [w]
        if code != -signal.SIGKILL:
            return ""  # fewer calls this time
        if goes_on:
            b.env["FAULTFS_NTH"] = "0"
            with b.faulty():
                b.start()
            more = b.writer("b", window=2, size=700, count=4)
            writers.append(more)
            if not more.finish():
                return what + "writes do not go on"
        b.lose_power()
        try:
            b.start()
        except RuntimeError as e:
            return what + str(e)[-800:]
        wrong, last = half_there(b)
        wrong = wrong or b.lost(writers)
        if not wrong and last > len(w.acks):
            wrong = f"{last} is there after {len(w.acks)} answers"
        return what + wrong if wrong else ""


def every_power_loss():
    with Faults() as b:
        run_script(b)
        calls = [c for c in b.calls() if c[1] != "fault"]
        # Renamed, and the folder not yet synced: what a restart must mend.
        tender = [int(c[0]) for c in calls if c[1:] == ["fsync", b.data_dir]]
    cases = [(n, False) for n in range(1, len(calls) + 1)
             if ALL or n % 9 == 4] + [(n, True) for n in tender if
                                      ALL or n in tender[:5]]
    wrong = run_all(cases, power_lost, lambda nth, _:
                    f"power lost at call {nth}")
    check(f"power lost at {len(cases)} moments: nothing acknowledged is lost",
          not wrong, "\n".join(wrong[:8]))


def restarted(b, bytes_):
    """The store on this log: (exit code or None, log, number of writes)."""
    for path in glob.glob(os.path.join(b.data_dir, "wal-*")):
        os.unlink(path)
    with open(os.path.join(b.data_dir, "wal-%020d.log" % 1), "wb") as f:
        f.write(bytes_)
    before = b.log_size()
    b.spawn()
    wait_for("it to serve or to leave", lambda: b.process.poll() is not None or
             "store_active" in b.log()[before:], every=0.01)
    if b.process.poll() is not None:
        return b.died(), b.log()[before:], -1
    wrong, last = half_there(b)
    b.kill()
    return None, wrong, last + 1


def damaged_log():
    """Cut in its last 64 KiB, cut in its last record, single bits flipped."""
    rnd = random.Random(int(os.environ.get("REEVE_SEED", "1")))
    writes, wrong = 48, []
    with Bench() as b:
        b.start()
        w = b.writer("a", window=1, size=900, count=writes)
        check(f"{writes} writes", w.finish())
        b.kill()
        with open(glob.glob(os.path.join(b.data_dir, "wal-*"))[0], "rb") as f:
            log = f.read().rstrip(b"\0")
        # Where each record can end: before the next write's first key.
        starts = [m.start() for m in re.finditer(rb"w/a/\d+", log)]
        check("a log of more than 64 KiB", len(log) > 1 << 16 and
              len(starts) == writes, (len(log), len(starts)))
        record = starts[-1] - starts[-2]
        cuts = list(range(len(log) - (1 << 16), len(log),
                          512 if ALL else 6000))
        cuts += [len(log) - rnd.randrange(1, record) for _ in range(4)]
        for cut in cuts:
            code, text, n = restarted(b, log[:cut])
            # The one whose key is before the cut may be torn.
            most = sum(1 for s in starts if s < cut)
            if code is not None or text or not most - 1 <= n <= most:
                wrong.append(f"cut at {cut}: {code} {text} {n} of {most}")
        check(f"cut at {len(cuts)} places: what was whole is there, no more",
              not wrong, "\n".join(wrong[:5]))
        wrong = []
        flips = [rnd.randrange(0, 8 * len(log))
                 for _ in range(200 if ALL else 8)]
        for bit in flips + [8 * len(log) - 80]:
            bad = bytearray(log + bytes(4096))
            bad[bit // 8] ^= 1 << bit % 8
            code, text, n = restarted(b, bad)
            if not (code == 8 and "offset" in text) and \
                    not (code is None and not text and n == writes - 1):
                wrong.append(f"bit {bit}: {code} {text[-500:]} {n}")
        check(f"{len(flips)} flipped bits: refused, or the last write torn",
              not wrong, "\n".join(wrong[:5]))


for part in (every_call, every_power_loss, damaged_log):
    with guarded(part.__name__):
        part()
done()
