# SPDX-License-Identifier: Apache-2.0
"""A framework of a few lines, in JSON, for tests of the devcluster alone.

    with Cluster("name", "--agents", "2") as c:
        fw = Framework(c.leader())
        offer = fw.offers()[0]
"""
import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import threading

from suite import BIN, FOLDER, check, patient, wait_for


class Cluster:
    """A devcluster of its own; it must end in good order."""

    def __init__(self, name, *flags):
        self.tls = "--tls-cert" in flags
        self.port_file = os.path.join(FOLDER, name + ".port")
        self.folder = os.path.join(FOLDER, name)
        self.log = open(self.folder + ".log", "w")
        self.process = subprocess.Popen(
            [f"{BIN}/reeve-devcluster", "--work-dir",
             self.folder, "--port-file", self.port_file, "--port", "0",
             *flags], stderr=self.log, stdout=self.log)

    def __enter__(self):
        def listens():
            if self.process.poll() is not None:
                raise RuntimeError("the devcluster ended")
            return os.path.exists(self.port_file)
        wait_for("the devcluster listens", listens, 20)
        with open(self.port_file) as f:
            self.masters = f.read().strip().split(",")
        return self

    def __exit__(self, *_):
        try:
            for fw in json.loads(self.ask("/frameworks")[1])["frameworks"]:
                self.ask("/teardown", "POST", f"frameworkId={fw['id']}")
            wait_for("the tasks have ended", lambda: not self.shims(), 10)
        finally:
            self.process.send_signal(signal.SIGTERM)
            check("the devcluster ends in good order",
                  self.process.wait(patient(20)) == 0)
            self.log.close()

    def shims(self):
        """Tasks of ours that run: they would outlive us."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/cmdline") as f:
                    args = f.read().split("\0")
                if args[1:2] == ["--task-shim"] and \
                        args[2].startswith(self.folder + "/"):
                    found.append(pid)
        return found

    def ask(self, path, method="GET", body=None, kind="application/json"):
        """(status, text) of the master that leads."""
        for master in self.masters:
            status, text = self._ask(self.connect(master), path, method, body,
                                     kind)
            if status != 307:
                break
        return status, text

    def connect(self, master):
        if not self.tls:
            return http.client.HTTPConnection(master, timeout=patient(15))
        # Who it is, is not what we ask.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection(master, timeout=patient(15),
                                           context=context)

    @staticmethod
    def _ask(c, path, method, body, kind):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        c.request(method, path, body, {"Content-Type": kind} if body is not None
                  else {})
        r = c.getresponse()
        text = r.read().decode("utf-8", "replace")
        c.close()
        return r.status, text

    def fault(self, path):
        status, text = self.ask("/devcluster" + path, "POST", "")
        check(f"POST /devcluster{path} is obeyed", status == 200, text)

    def operate(self, kind, **body):
        call = {"type": kind}
        if body:
            call[kind.lower()] = body
        return self.ask("/api/v1", "POST", call)

    def agents(self):
        return {s["hostname"]: s
                for s in json.loads(self.ask("/slaves")[1])["slaves"]}

    def wait_agents(self, count):
        wait_for(f"{count} agents",
                 lambda: len(self.agents()) == count and
                 all(a["active"] for a in self.agents().values()), 20)


class Records:
    """RecordIO over a chunked answer, read as it comes."""

    def __init__(self, master, path, call, headers=None):
        self.connection = http.client.HTTPConnection(
            master, timeout=patient(30))
        self.connection.request(
            "POST", path, json.dumps(call),
            {"Content-Type": "application/json", "Accept": "application/json",
             **(headers or {})})
        self.reply = self.connection.getresponse()
        self.all, self.ended, self.broken = [], False, False
        self.changed = threading.Condition()
        if self.reply.status == 200:
            threading.Thread(target=self._read, daemon=True).start()

    def _record(self):
        length = b""
        while not length.endswith(b"\n"):
            byte = self.reply.read(1)
            if not byte:
                return None
            length += byte
        body = self.reply.read(int(length))
        if len(body) < int(length):
            raise http.client.IncompleteRead(body)
        return json.loads(body)

    def _read(self):
        try:
            while (event := self._record()) is not None:
                self.add(event)
        except (OSError, ValueError, http.client.HTTPException,
                AttributeError):
            self.broken = True
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def add(self, event):
        with self.changed:
            self.all.append(event)
            self.changed.notify_all()

    def of(self, kind):
        return [e for e in list(self.all) if e["type"] == kind]

    def wait(self, what, fn, timeout=20):
        with self.changed:
            if not self.changed.wait_for(lambda: fn(self), patient(timeout)):
                raise TimeoutError(f"{what}: {self.all[-3:]}")
        return fn(self)

    def close(self):
        """The reader holds the file: its socket must end first."""
        with contextlib.suppress(OSError, AttributeError):
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.connection.close()


class Framework(Records):
    def __init__(self, master, role="r", fid=None, **info):
        self.master, self.acknowledge = master, True
        body = {"user": "nobody", "name": "n", "roles": [role],
                "checkpoint": True, "failover_timeout": 60,
                "capabilities": [{"type": t} for t in (
                    "MULTI_ROLE", "PARTITION_AWARE", "RESERVATION_REFINEMENT",
                    "TASK_KILLING_STATE")], **info}
        call = {"type": "SUBSCRIBE", "subscribe": {"framework_info": body}}
        if fid:
            body["id"] = call["framework_id"] = {"value": fid}
        super().__init__(master, "/api/v1/scheduler", call)
        if self.reply.status != 200:
            return
        self.stream = self.reply.getheader("Mesos-Stream-Id")
        self.id = self.wait("SUBSCRIBED", lambda s: s.of("SUBSCRIBED"))[0][
            "subscribed"]["framework_id"]["value"]

    def add(self, event):
        super().add(event)
        status = event.get("update", {}).get("status", {})
        if self.acknowledge and "uuid" in status:
            self.call("ACKNOWLEDGE", agent_id=status["agent_id"],
                      task_id=status["task_id"], uuid=status["uuid"])

    def call(self, kind, **body):
        c = http.client.HTTPConnection(self.master, timeout=patient(15))
        call = {"type": kind, "framework_id": {"value": self.id}}
        if body:
            call[kind.lower()] = body
        c.request("POST", "/api/v1/scheduler", json.dumps(call),
                  {"Content-Type": "application/json",
                   "Mesos-Stream-Id": self.stream})
        status = c.getresponse().status
        c.close()
        return status

    def offers(self, host=None):
        """Those outstanding, at least one."""
        def outstanding(s):
            gone = {e["rescind"]["offer_id"]["value"] for e in s.of("RESCIND")}
            return [o for e in s.of("OFFERS") for o in e["offers"]["offers"]
                    if o["id"]["value"] not in gone and
                    (not host or o["hostname"] == host)]
        return self.wait("an offer", outstanding)

    def launch(self, offer, task, command="exec sleep 1000", **more):
        one = {"name": task, "task_id": {"value": task},
               "agent_id": offer["agent_id"], "command": {"value": command},
               "resources": [{"name": "cpus", "type": "SCALAR",
                              "scalar": {"value": 0.1},
                              "allocation_info":
                              offer["allocation_info"]}], **more}
        return self.call("ACCEPT", offer_ids=[offer["id"]],
                         operations=[{"type": "LAUNCH",
                                      "launch": {"task_infos": [one]}}],
                         filters={"refuse_seconds": 0})

    def reserve(self, offer, operation, cpus=0.5):
        one = {"name": "cpus", "type": "SCALAR", "scalar": {"value": cpus},
               "allocation_info": offer["allocation_info"],
               "reservations": [{"type": "DYNAMIC", "role":
                                 offer["allocation_info"]["role"]}]}
        return self.call("ACCEPT", offer_ids=[offer["id"]], operations=[
            {"type": "RESERVE", "id": {"value": operation},
             "reserve": {"resources": [one]}}], filters={"refuse_seconds": 0})

    def statuses(self, task):
        return [e["update"]["status"] for e in self.of("UPDATE")
                if e["update"]["status"]["task_id"]["value"] == task]

    def wait_state(self, task, state, timeout=20):
        return self.wait(f"{task} {state}",
                         lambda s: [u for u in s.statuses(task)
                                    if u["state"] == state], timeout)[-1]
