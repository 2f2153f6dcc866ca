# SPDX-License-Identifier: Apache-2.0
"""A framework that launches very many tasks on a devcluster without processes.

Each task is told how it shall end; what really happened to each is counted.
Calls are pipelined over one connection, so that Python keeps up."""
import http.client
import json
import os
import socket
import subprocess
import threading
import time

# How a task is told to go, and the states that it must have gone through.
KINDS = {
    "stays": ("run=1000000", ["TASK_STARTING", "TASK_RUNNING"]),
    "finishes": ("run=2", ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]),
    "fails": ("run=2,exit=3", ["TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"]),
}
NAMES = list(KINDS)
A_SECOND = 5000  # tasks that start in one: a reader too far behind is cut off


def kind_of(number):
    return NAMES[number % len(NAMES)]


class Crowd:
    """tasks on agents of bin_dir's devcluster; everything is in folder."""

    def __init__(self, bin_dir, folder, agents, tasks):
        self.agents, self.tasks = agents, tasks
        self.port_file = os.path.join(folder, "port")
        self.log = open(os.path.join(folder, "cluster.log"), "w")
        self.process = subprocess.Popen(
            [f"{bin_dir}/reeve-devcluster", "--simulate", "--agents",
             str(agents), "--work-dir", os.path.join(folder, "cluster"),
             "--port-file", self.port_file, "--agent-resources",
             "cpus:32;mem:65536", "--allocation-interval-ms", "200"],
            stdout=self.log, stderr=self.log)
        self.states = {}   # task id -> states in order
        self.launched = 0
        self.updates = 0
        self.wrong = []    # what must not be
        self.seen_at = {}  # "launched", "settled": when, monotonic

    def wait_listening(self, timeout):
        end = time.monotonic() + timeout
        while not (os.path.exists(self.port_file) and
                   os.path.getsize(self.port_file)):
            if self.process.poll() is not None or time.monotonic() > end:
                raise TimeoutError("the devcluster does not listen")
            time.sleep(0.02)
        with open(self.port_file) as f:
            self.host, port = f.read().strip().rsplit(":", 1)
        self.port = int(port)

    def stop(self):
        self.process.terminate()
        code = self.process.wait(180)
        self.log.close()
        return code

    # ---- calls ----
    def subscribe(self):
        c = http.client.HTTPConnection(self.host, self.port, timeout=180)
        c.request("POST", "/api/v1/scheduler", json.dumps({
            "type": "SUBSCRIBE", "subscribe": {"framework_info": {
                "user": "nobody", "name": "crowd", "roles": ["crowd"],
                "capabilities": [{"type": "MULTI_ROLE"}]}}}),
            {"Content-Type": "application/json",
             "Accept": "application/json"})
        self.stream = c.getresponse()
        if self.stream.status != 200:
            raise RuntimeError(self.stream.read())
        self.stream_id = self.stream.getheader("Mesos-Stream-Id")
        self.events_connection = c
        self.calls = socket.create_connection((self.host, self.port))
        threading.Thread(target=self.drain, daemon=True).start()

    def drain(self):
        """Only that no call was refused is of interest."""
        rest = b""
        while True:
            data = self.calls.recv(1 << 16)
            if not data:
                return
            lines = (rest + data).split(b"\r\n")
            rest = lines.pop()
            for i, line in enumerate(lines):
                if (line.startswith(b"HTTP/1.1 ") and
                        not line.startswith(b"HTTP/1.1 202")):
                    self.wrong.append(b" ".join(lines[i:i + 9]).decode())

    def call(self, **body):
        body["framework_id"] = {"value": self.framework_id}
        text = json.dumps(body).encode()
        return (f"POST /api/v1/scheduler HTTP/1.1\r\nHost: {self.host}\r\n"
                f"Content-Type: application/json\r\n"
                f"Mesos-Stream-Id: {self.stream_id}\r\n"
                f"Content-Length: {len(text)}\r\n\r\n").encode() + text

    # ---- events ----
    def record(self):
        size = int(self.stream.readline())
        return json.loads(self.stream.read(size))

    def task(self, number, agent):
        task = {"name": "t", "task_id": {"value": f"t{number}"},
                "agent_id": agent, "command": {"value": "true"},
                "resources": [
                    {"name": name, "type": "SCALAR",
                     "allocation_info": {"role": "crowd"},
                     "scalar": {"value": value}}
                    for name, value in (("cpus", 0.1), ("mem", 32))]}
        schedule = (f"start={1 + number / A_SECOND:.1f},"
                    f"{KINDS[kind_of(number)][0]}")
        task["command"]["environment"] = {"variables": [
            {"name": "REEVE_SIMULATE", "value": schedule}]}
        return task

    def on_offers(self, event):
        out = []
        each = -(-self.tasks // self.agents)  # what an agent gets
        for offer in event["offers"]["offers"]:
            count = min(each, self.tasks - self.launched)
            if count == 0:
                out.append(self.call(type="DECLINE", decline={
                    "offer_ids": [offer["id"]],
                    "filters": {"refuse_seconds": 3600}}))
                continue
            tasks = [self.task(self.launched + i, offer["agent_id"])
                     for i in range(count)]
            self.launched += count
            out.append(self.call(type="ACCEPT", accept={
                "offer_ids": [offer["id"]],
                "filters": {"refuse_seconds": 3600},
                "operations": [{"type": "LAUNCH",
                                "launch": {"task_infos": tasks}}]}))
        self.calls.sendall(b"".join(out))
        if self.launched == self.tasks:
            self.seen_at.setdefault("launched", time.monotonic())

    def on_update(self, event):
        status = event["update"]["status"]
        task_id, state = status["task_id"]["value"], status["state"]
        self.updates += 1
        seen = self.states.setdefault(task_id, [])
        if not seen or seen[-1] != state:  # a repeated one changes nothing
            seen.append(state)
            wanted = KINDS[kind_of(int(task_id[1:]))][1]
            if seen != wanted[:len(seen)]:
                self.wrong.append(f"{task_id}: {seen}")
            self.open -= seen == wanted
        if "uuid" in status:
            self.calls.sendall(self.call(type="ACKNOWLEDGE", acknowledge={
                "agent_id": status["agent_id"],
                "task_id": status["task_id"], "uuid": status["uuid"]}))

    def run(self, timeout):
        """Until each task is where it was told to get."""
        end = time.monotonic() + timeout
        self.open = self.tasks
        self.subscribe()
        while self.open and not self.wrong:
            if time.monotonic() > end:
                self.wrong.append(f"{self.open} tasks are not there in time")
                break
            event = self.record()
            if event["type"] == "SUBSCRIBED":
                self.framework_id = event["subscribed"][
                    "framework_id"]["value"]
                self.seen_at["subscribed"] = time.monotonic()
            elif event["type"] == "OFFERS":
                self.on_offers(event)
            elif event["type"] == "UPDATE":
                self.on_update(event)
        self.seen_at["settled"] = time.monotonic()

    def metrics(self):
        c = http.client.HTTPConnection(self.host, self.port, timeout=180)
        c.request("GET", "/metrics/snapshot")
        numbers = json.load(c.getresponse())
        c.close()
        return numbers
