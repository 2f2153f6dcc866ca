# SPDX-License-Identifier: Apache-2.0
"""Real suites for system tests: start, ask, kill, compare.

    with Suite() as s:
        s.up("examples/data-store/svc.yml", DATA_COUNT="3")
        check("three data tasks", len(s.tasks("data-")) == 3)

check() prints "ok - …" or "not ok - …"; done() ends the test with the right
exit code.  Everything lives below REEVE_TEST_FOLDER (tests/run gives one).
"""
import concurrent.futures
import contextlib
import glob
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BIN = os.path.join(ROOT, os.environ.get("REEVE_B", "build"), "bin")
TOOLS = os.path.join(ROOT, os.environ.get("REEVE_B", "build"), "tests")
SLOW = float(os.environ.get("REEVE_SLOW", "1"))
# What is waited for comes when it comes: a deadline costs nothing but where it
# is missed, and a machine may have much else to do.
PATIENCE = 3 * SLOW
FOLDER = os.environ.get("REEVE_TEST_FOLDER") or tempfile.mkdtemp(
    prefix="reeve-t-", dir="/tmp")
os.environ["REEVE_TEST_FOLDER"] = FOLDER
SERVICES = ["reeve-state-store", "reeve-offer-broker", "reeve-planner",
            "reeve-api-gateway"]

failures = 0


def say(line):
    """In one piece: other threads do the same, and lines are counted."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def check(name, ok, detail=""):
    global failures
    if ok:
        say(f"ok - {name}")
    else:
        failures += 1
        say(f"not ok - {name} {detail}")
    return ok


def done():
    sys.exit(1 if failures else 0)


@contextlib.contextmanager
def guarded(name):
    """An exception inside is a failed check, not the end of the test."""
    try:
        yield
    except Exception:
        check(name, False, traceback.format_exc())


def together(*parts):
    """Parts that mostly wait, and share nothing: at the same time."""
    def one(part):
        with guarded(part.__name__):
            part()
    with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(one, parts))


def patient(seconds):
    """A deadline for what takes that long on a machine with much to do."""
    return seconds * PATIENCE


def wait_for(what, fn, timeout=30.0, every=0.05):
    """Asks fn until it gives something true; returns that, or raises."""
    end = time.monotonic() + patient(timeout)
    last = None
    while True:
        try:
            last = fn()
            if last:
                return last
        except (OSError, ValueError, LookupError, TypeError, AttributeError,
                StopIteration,
                urllib.error.URLError) as e:
            last = e
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {patient(timeout):.0f} s "
                               f"(last: {last!r})")
        time.sleep(every)


def free_port():
    """Below the ports that connections get, which could take it until it is
    listened on, and above those of Suite's tasks."""
    while True:
        port = random.randrange(30100, 32768)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def alive(pid):
    """Is it a running process (not a zombie)?"""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


_guards = []  # listened on as long as this process lives


def task_ports():
    """The first of 400 ports for tasks.  Several suites may run on this
    machine: each has its own, and the last of them says whose they are."""
    while True:
        first = 12000 + 400 * random.randrange(20)
        guard = socket.socket()
        try:
            guard.bind(("127.0.0.1", first + 399))
        except OSError:
            guard.close()
            continue
        _guards.append(guard)
        return first


def operator(master, kind, **body):
    """An operator's call of the v1 API: (status, answer)."""
    request = {"type": kind}
    if body:
        request[kind.lower()] = body
    req = urllib.request.Request(
        master + "/api/v1", json.dumps(request).encode(), method="POST",
        headers={"Content-Type": "application/json",
                 "Accept": "application/json"})
    try:
        with urllib.request.urlopen(req, timeout=patient(15)) as r:
            return r.status, json.loads(r.read() or b"{}")
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode(errors="replace")


def arguments(pid):
    try:
        with open(f"/proc/{pid}/cmdline", errors="replace") as f:
            return f.read().split("\0")
    except OSError:
        return []


def zmq_python():
    """A Python with Debian's packages of 0MQ and protobuf, or None."""
    for exe in ("/usr/bin/python3", sys.executable):
        if os.path.exists(exe) and subprocess.run(
                [exe, "-c", "import zmq, google.protobuf"],
                capture_output=True).returncode == 0:
            return exe
    return None


class Suite:
    def __init__(self, run_dir=None, agents=3, **env):
        self.run_dir = run_dir or tempfile.mkdtemp(prefix="s-", dir=FOLDER)
        self.agents = agents
        self.env = dict(os.environ, **env)
        self._names = {}
        self.ports = task_ports()
        self.env.setdefault("REEVE_AGENT_PORTS", str(self.ports))
        self.env.setdefault("REDIS_PORT", str(self.ports + 79))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and not issubclass(kind, SystemExit):
            traceback.print_exception(kind, value, trace)
            check("the test itself", False)
            self.show_logs()
        self.down()
        return kind is not None and not issubclass(kind, SystemExit)

    # --- the CLI ---------------------------------------------------------
    def reeve(self, *args, timeout=120, env=None, ok_codes=(0,)):
        p = subprocess.run([f"{BIN}/reeve", *args], cwd=ROOT, text=True,
                           env=dict(self.env, **(env or {})),
                           stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=patient(timeout))
        if ok_codes is not None and p.returncode not in ok_codes:
            raise RuntimeError(f"reeve {' '.join(args)}: exit {p.returncode}\n"
                               f"{p.stdout}\n{p.stderr}")
        return p

    def up(self, spec, *flags, wait=True, timeout=90, **env):
        master = os.environ.get("REEVE_MASTER")
        args = ["up", "--detach", "--run-dir", self.run_dir, "--port", "0"]
        args += ["--master", master] if master else [
            "--agents", str(self.agents), "--allocation-interval-ms", "100"]
        if wait:
            # Tests that kill tasks themselves need not wait for others to.
            args += ["--wait", "--timeout", str(int(patient(timeout))),
                     "--settle", "0"]
        p = self.reeve(*args, *flags, os.path.join(ROOT, spec),
                       timeout=timeout + 30, env=env)
        if wait:
            self.wait_begun()
        return p

    def down(self, *flags):
        try:
            self.reeve("down", "--run-dir", self.run_dir, *flags, timeout=60,
                       ok_codes=None)
        except (OSError, subprocess.TimeoutExpired) as e:
            check("reeve down", False, repr(e))

    # --- what it says of itself -------------------------------------------
    def info(self):
        with open(os.path.join(self.run_dir, "suite.json")) as f:
            return json.load(f)

    def pid(self, name):
        for p in self.info()["processes"]:
            if p["name"] == name and p["pid"]:
                return p["pid"]
        raise KeyError(name)

    def names(self):
        return [p["name"] for p in self.info()["processes"]]

    def kill(self, name, sig=signal.SIGKILL):
        pid = self.pid(name)
        os.kill(pid, sig)
        return pid

    # --- the gateway ---------------------------------------------------------
    def http(self, path, method="GET", body=None, base=None):
        """(status, parsed JSON or text); never raises on an HTTP status."""
        url = (base or self.info()["gateway"]) + path
        req = urllib.request.Request(url, method=method, data=body)
        try:
            with urllib.request.urlopen(req, timeout=patient(15)) as r:
                code, raw = r.status, r.read()
        except urllib.error.HTTPError as e:
            code, raw = e.code, e.read()
        try:
            return code, json.loads(raw)
        except ValueError:
            return code, raw.decode(errors="replace")

    def get(self, path):
        return self.http(path)[1]

    def post(self, path):
        """As http(), and again as long as it says so: a planner that was just
        started first has to read the store."""
        end = time.monotonic() + patient(30)
        while True:
            code, body = self.http(path, method="POST", body=b"")
            if code != 503 or "try again" not in str(body) or \
                    time.monotonic() > end:
                return code, body
            time.sleep(0.05)

    def master(self, path):
        return self.http(path, base=self.info()["master"])[1]

    def operator(self, kind, **body):
        return operator(self.info()["master"], kind, **body)

    def fault(self, path):
        """One of the devcluster's faults, obeyed at once."""
        code, text = self.http("/devcluster" + path, "POST", b"",
                               base=self.info()["master"])
        check(f"POST /devcluster{path} is obeyed", code == 200, text)

    def agent_number(self, task_id):
        agent = [t["slave_id"] for f in self.master("/state")["frameworks"]
                 for t in f["tasks"] if t["id"] == task_id][0]
        agents = self.master("/devcluster/status")["agents"]
        return [a["number"] for a in agents if a["id"] == agent][0]

    def plan_status(self, plan="deploy"):
        return self.get(f"/v1/plans/{plan}")["status"]

    def step_messages(self):
        """{step: why it is not done, or ""} of the plan deploy."""
        return {step["name"]: step["message"]
                for phase in self.get("/v1/plans/deploy")["phases"]
                for step in phase["steps"]}

    def wait_plan(self, status="COMPLETE", plan="deploy", timeout=60):
        return wait_for(f"plan {plan} {status}",
                        lambda: self.plan_status(plan) == status, timeout)

    def tasks(self, prefix=""):
        """{task name: {"id":…, "status":…}} from /v1/pod/status."""
        out = {}
        # Text instead of JSON: the gateway is not ready yet.
        status = wait_for("the gateway's answer", lambda: (
            lambda r: r if isinstance(r, dict) else None)(
                self.get("/v1/pod/status")), 15)
        for pod in status.get("pods", []):
            for instance in pod["instances"]:
                for t in instance["tasks"]:
                    if t["name"].startswith(prefix):
                        out[t["name"]] = t
        return out

    def task_ids(self, prefix=""):
        return {n: t["id"] for n, t in self.tasks(prefix).items()}

    def wait_running(self, names, timeout=60):
        def all_running():
            now = self.tasks()
            return all(now.get(n, {}).get("status") == "RUNNING"
                       for n in names)
        wait_for(f"running: {names}", all_running, timeout)
        self.wait_begun()

    # --- tasks as processes and volumes as folders (devcluster only) -----------
    def _task_of(self, shim):
        """Task name of a task shim's container folder."""
        cid = os.path.basename(shim)
        if cid not in self._names:
            for link in glob.glob(os.path.join(
                    self.run_dir, "devcluster/agent-*/slaves/*/frameworks/*/"
                    "executors/*/runs/*/tasks/*")):
                self._names[os.path.basename(os.readlink(link))] = \
                    os.path.basename(link).split("__")[-2]
        return self._names.get(cid)

    def _shims(self):
        """{shim's pid: (folder of its container, [pids below it])}."""
        parents, shims = {}, {}
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    state, ppid = f.read().rsplit(")", 1)[1].split()[:2]
                if state in "ZX":
                    continue
                parents.setdefault(int(ppid), []).append(pid)
            except OSError:
                continue
            args = arguments(pid)
            if len(args) > 2 and args[1] == "--task-shim" and \
                    args[2].startswith(self.run_dir + "/"):
                shims[pid] = args[2]
        out = {}
        for pid, folder in shims.items():
            below, todo = [], [pid]
            while todo:
                kids = parents.get(todo.pop(), [])
                below += kids
                todo += kids
            out[pid] = folder, sorted(below)
        return out

    def task_sessions(self):
        """{task name: {shim's pid: [pids below it]}} of this suite."""
        out = {}
        for pid, (folder, below) in self._shims().items():
            name = self._task_of(folder)
            if name and below:
                out.setdefault(name, {})[pid] = below
        return out

    def task_processes(self):
        """{task name: [pids of its own processes]}."""
        return {n: sorted(p for below in shims.values() for p in below)
                for n, shims in self.task_sessions().items()}

    def wait_begun(self):
        """Until each task of this run dir has done what its command does
        before it is the `sleep` that it ends with: RUNNING comes before."""
        def has_begun(pid):
            words = arguments(pid)
            return words[1:2] != ["--task-shim"] and not (
                words[1:2] == ["-c"] and "exec sleep" in words[2])
        wait_for("all tasks have begun", lambda: all(
            below and all(map(has_begun, below))
            for _, below in self._shims().values()))

    def kill_task(self, name):
        """kill -9 of everything that runs as this task."""
        for pid in self.task_processes().get(name, []):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def volumes(self):
        """Volume folders: {path: contents of its files}."""
        out = {}
        for base, _, files in os.walk(os.path.join(self.run_dir,
                                                   "devcluster")):
            if "/volumes/roles/" in base + "/":
                for f in files:
                    with open(os.path.join(base, f), errors="replace") as fd:
                        out[os.path.join(base, f)] = fd.read()
        return out

    # --- logs -----------------------------------------------------------------
    def logs(self, name=None):
        out = []
        folder = os.path.join(self.run_dir, "log")
        for f in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            if name is None or name in f:
                with open(os.path.join(folder, f), errors="replace") as fd:
                    out.append((f, fd.read()))
        return out

    def bad_lines(self):
        """level=bad lines and sanitizer reports of our own processes."""
        out = []
        for f, text in self.logs():
            out += [f"{f}: {line}" for line in text.splitlines()
                    if re.search(r"level=bad|ERROR: AddressSan|ERROR: LeakSan|"
                                 r"runtime error:", line)]
        return out

    def show_logs(self, lines=30):
        for f, text in self.logs():
            print(f"--- {f}")
            print("\n".join(text.splitlines()[-lines:]))


class Watch:
    """Every event of the store from the start, by the store_watch program."""

    def __init__(self, suite):
        self.run_dir = suite.run_dir
        fd, self.path = tempfile.mkstemp(prefix="watch-", dir=FOLDER)
        self.out = os.fdopen(fd, "w")
        self.process = subprocess.Popen(
            [f"{TOOLS}/store_watch", suite.run_dir], stdout=self.out,
            stderr=subprocess.DEVNULL)

    def newest(self):
        """The revision of what changed last in the store."""
        dump = subprocess.run(
            [f"{TOOLS}/store_ask", self.run_dir, "dump"], text=True,
            capture_output=True, check=True, timeout=patient(30)).stdout
        return max(int(line.split()[2]) for line in dump.splitlines()
                   if line.startswith("item "))

    def events(self):
        """All up to now."""
        newest = wait_for("the store", self.newest)

        def seen():
            with open(self.path) as f:
                found = [json.loads(line) for line in f if line.endswith("\n")]
            return max(e["revision"] for e in found) >= newest and found
        return wait_for("the watch to have seen it", seen)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.out.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
