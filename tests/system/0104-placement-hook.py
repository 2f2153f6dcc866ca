#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A placement hook, examples/placement-hook: its word counts, and while it is
away, hangs or talks nonsense only the pods wait that it decides about."""
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import (FOLDER, ROOT, Suite, check, done, wait_for,  # noqa: E402
                   zmq_python)

SPEC = os.path.join(FOLDER, "svc.yml")
ROOMS = os.path.join(FOLDER, "rooms")
POD = """
  {name}:
    count: {count}
    {more}
    cmd: "exec sleep 100000"
    cpus: 0.1
    memory: 32
    volume: {{path: data, type: ROOT, size: 32}}
"""
# Answers every question with an answer that is none.
NONSENSE = """
import sys, zmq
sys.path.insert(0, sys.argv[2])
from proto import bus_pb2
s = zmq.Context().socket(zmq.ROUTER)
s.bind(sys.argv[1])
while True:
    peer, frame = s.recv_multipart()
    request = bus_pb2.BusRequest.FromString(frame)
    s.send_multipart([peer, bus_pb2.BusReply(
        version=1, id=request.id, body=b"\\xff" * 20).SerializeToString()])
"""
python = zmq_python()
if not python:
    print("skipped - python3-zmq and python3-protobuf are not installed")
    sys.exit(0)


def spec(count):
    with open(SPEC, "w") as f:
        f.write("name: hooked\npods:\n"
                + POD.format(name="free", count=1, more="")
                + POD.format(name="a", count=count,
                             more="placement: '@hook:IS:room'"))


def rooms(**hosts):
    with open(ROOMS + ".new", "w") as f:
        f.writelines(f"{h.replace('_', '-')} {n}\n" for h, n in hosts.items())
    os.rename(ROOMS + ".new", ROOMS)


def start(s):
    p = subprocess.Popen(
        [python, os.path.join(ROOT, "examples/placement-hook/hook.py"),
         s.run_dir, "room", ROOMS], stdout=subprocess.PIPE, text=True)
    check("the example starts", p.stdout.readline() == "ready\n")
    return p


def stop(process):
    process.kill()
    process.wait()
    process.stdout.close()


def why(s, instance):
    """What the instance waits for."""
    return " ".join(m for name, m in s.step_messages().items()
                    if name.startswith(instance))


def wait_why(s, instance, text):
    return wait_for(f"{instance}: {text}",
                    lambda: text in why(s, instance) and why(s, instance))


def health(s):
    return [c for p in s.get("/v1/suite/health")["processes"]
            for c in p.get("checks", []) if c["name"] == "placement-hooks"]


def host_of(s, name):
    names = {a["id"]: a["hostname"] for a in s.master("/slaves")["slaves"]}
    return [names[t["slave_id"]] for f in s.master("/state")["frameworks"]
            for t in f["tasks"] if t["name"] == name
            and t["state"] == "TASK_RUNNING"]


def refuses(s):
    p = s.reeve("validate", SPEC, ok_codes=None)
    check("a hook that is not configured is refused",
          p.returncode == 4 and "no placement hook room" in p.stderr,
          f"{p.returncode} {p.stderr}")
    s.env["REEVE_PLACEMENT_HOOK"] = "room"
    check("one that is, is not", s.reeve("validate", SPEC, ok_codes=None)
          .returncode == 0)


def places(s, hosts):
    wait_why(s, "a-0", "placement hook room does not answer")
    s.wait_running(["free-0"])
    check("a pod without a hook is placed meanwhile",
          "a-0" not in s.task_ids(), s.tasks())
    told = wait_for("health", lambda: [c for c in health(s) if not c["ok"]])
    check("health says which hook is away",
          "placement hook room does not answer" in told[0]["text"], told)
    rooms(**{hosts[1]: 1})
    hook = start(s)
    s.wait_running(["a-0"])
    check("the hook's word counts", host_of(s, "a-0") == [hosts[1]],
          host_of(s, "a-0"))
    text = wait_why(s, "a-1", "placement hook room:")
    check("its reason is told", "is not in rooms" in text
          or f"{hosts[1]} has room for 1 pods" in text, text)
    wait_for("health again", lambda: all(c["ok"] for c in health(s)))
    rooms(**{hosts[1]: 1, hosts[2]: 1})
    s.wait_running(["a-1"])
    check("what it says later counts too, and of each pod afresh",
          host_of(s, "a-1") == [hosts[2]], host_of(s, "a-1"))
    return hook


def hangs(s, hook, hosts):
    rooms(**{hosts[0]: 9})
    before = s.task_ids()
    hook.send_signal(signal.SIGSTOP)
    spec(3)
    s.up(SPEC, wait=False)
    wait_why(s, "a-2", "placement hook room does not answer")
    s.kill_task("a-0")
    wait_for("a-0 again", lambda: s.task_ids()["a-0"] != before["a-0"]
             and s.tasks()["a-0"]["status"] == "RUNNING")
    check("what has its place goes back there without the hook",
          host_of(s, "a-0") == [hosts[1]], host_of(s, "a-0"))
    hook.send_signal(signal.SIGCONT)
    s.wait_running(["a-2"])
    check("the hook goes on, and so does the pod",
          host_of(s, "a-2") == [hosts[0]], host_of(s, "a-2"))


def talks_nonsense(s, hook):
    stop(hook)
    out = os.path.join(FOLDER, "gen")
    os.makedirs(out)
    subprocess.run(["protoc", f"-I{ROOT}", f"--python_out={out}",
                    f"{ROOT}/proto/bus.proto"], check=True)
    liar = subprocess.Popen([python, "-c", NONSENSE,
                             f"ipc://{s.run_dir}/hook-room", out],
                            stdout=subprocess.PIPE)
    spec(4)
    s.up(SPEC, wait=False)
    wait_why(s, "a-3", "its answer makes no sense")
    check("nonsense admits nothing", "a-3" not in s.task_ids()
          or s.tasks()["a-3"]["status"] != "RUNNING", s.tasks())
    stop(liar)
    hook = start(s)
    s.wait_running(["a-3"])
    stop(hook)


with Suite() as s:
    s.env.update(REEVE_HOOK_TIMEOUT_MS="200", REEVE_REFUSE_SECONDS="0.3")
    spec(2)
    refuses(s)
    s.up(SPEC, wait=False)
    hosts = sorted(wait_for("agents", lambda: (
        lambda l: l if len(l) == 3 else None)(
            [a["hostname"] for a in s.master("/slaves")["slaves"]])))
    process = places(s, hosts)
    hangs(s, process, hosts)
    talks_nonsense(s, process)
    check("nothing bad in the logs", not s.bad_lines(), s.bad_lines())

done()
