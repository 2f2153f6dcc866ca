#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A placement hook: hook.py RUN_DIR NAME FILE.  Each line of FILE is a host and
how many pods of the service may be on it; hosts that are not there are not
admitted.  The file is read for each question.  Needs python3-zmq,
python3-protobuf and protoc."""
import os
import subprocess
import sys
import tempfile

import zmq
from google.protobuf.message import DecodeError

RUN_DIR, NAME, FILE = sys.argv[1:]
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
with tempfile.TemporaryDirectory() as out:
    subprocess.run(["protoc", f"-I{ROOT}", f"--python_out={out}",
                    f"{ROOT}/proto/bus.proto", f"{ROOT}/proto/hook.proto"],
                   check=True)
    sys.path.insert(0, out)
    from proto import bus_pb2, hook_pb2

ERR_INVALID = 1  # of enum err_code


def rooms():
    """Host -> how many pods."""
    with open(FILE) as f:
        lines = [line.split() for line in f if line.strip()]
    return {host: int(count) for host, count in lines}


def verdict(agent, ask, room):
    """Why not; None: it may go there."""
    if agent.hostname not in room:
        return f"{agent.hostname} is not in {os.path.basename(FILE)}"
    there = [p for p in ask.placed if p.agent_id == agent.agent_id
             and (p.pod_type, p.pod_index) != (ask.pod_type, ask.pod_index)]
    if len(there) >= room[agent.hostname]:
        return f"{agent.hostname} has room for {room[agent.hostname]} pods"
    return None


def answer(ask):
    room = rooms()
    # It counts pods: what is said holds only while they stay where they are.
    out = hook_pb2.HookAnswer(counts_places=True, keep_ms=2000)
    for agent in ask.agents:
        why = verdict(agent, ask, room)
        out.verdicts.add(agent_id=agent.agent_id, admits=why is None,
                         reason=why)
    return out


server = zmq.Context().socket(zmq.ROUTER)
server.bind(f"ipc://{RUN_DIR}/hook-{NAME}")
print("ready", flush=True)
while True:
    peer, frame = server.recv_multipart()
    try:
        request = bus_pb2.BusRequest.FromString(frame)
    except DecodeError:
        continue
    reply = bus_pb2.BusReply(version=1, id=request.id, code=0)
    if request.route == "hook.admit":
        ask = hook_pb2.HookAsk.FromString(request.body)
        try:
            reply.body = answer(ask).SerializeToString()
        except (OSError, ValueError) as e:
            reply.code, reply.error = ERR_INVALID, f"{FILE}: {e}"
    else:
        reply.code, reply.error = ERR_INVALID, "only hook.admit"
    server.send_multipart([peer, reply.SerializeToString()])
