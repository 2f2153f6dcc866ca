#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""--master zk://…: waits for a leader, finds it, follows it to another address,
and keeps its stream while ZooKeeper is away."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from front import Devcluster, Front, Process
from suite import (FOLDER, TOOLS, Suite, check, done, free_port, patient,
                   wait_for)

JARS = "/usr/share/java/zookeeper.jar"
SPEC = "examples/data-store/svc.yml"

if not os.path.exists(JARS) or not shutil.which("java") or \
        not os.path.exists(f"{TOOLS}/zk_node"):
    print("skipped: no ZooKeeper server is installed (make bench-deps)")
    sys.exit(0)


def zookeeper(port):
    folder = os.path.join(FOLDER, "zk")
    os.makedirs(folder, exist_ok=True)
    config = os.path.join(folder, "zoo.cfg")
    with open(config, "w") as f:
        f.write(f"tickTime=1000\ndataDir={folder}/data\nclientPort={port}\n"
                "clientPortAddress=127.0.0.1\nadmin.enableServer=false\n")
    server = Process(
        ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", JARS,
         "org.apache.zookeeper.server.quorum.QuorumPeerMain", config],
        "zookeeper.log")
    wait_for("ZooKeeper", lambda: is_serving(port))
    return server


def is_serving(port):
    with socket.create_connection(("127.0.0.1", port), 2) as s:
        s.sendall(b"srvr")
        return b"Mode: standalone" in s.makefile("rb").read()


class Node:
    """A contending master's node; gone with close()."""

    def __init__(self, hosts, port, path="/mesos/json.info_"):
        data = json.dumps({
            "address": {"hostname": "nowhere.invalid", "ip": "127.0.0.1",
                        "port": port}, "hostname": "nowhere.invalid",
            "id": "x", "ip": 16777343, "port": port,
            "pid": f"master@127.0.0.1:{port}"})
        self.process = subprocess.Popen(
            [f"{TOOLS}/zk_node", hosts, path, data], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.path = self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait(patient(20))


def log_of(s):
    return "".join(text for _, text in s.logs("offer-broker"))


zk_port = free_port()
hosts = f"127.0.0.1:{zk_port}"
nodes = []
suite = Suite()
server = zookeeper(zk_port)
try:
    with Devcluster(suite.ports) as d, Front(d.port) as other, suite as s:
        s.up(SPEC, "--master", f"zk://127.0.0.1:1,{hosts}/mesos", wait=False)
        wait_for("it says that no master is known", lambda:
                 "no such path: no master yet" in log_of(s))
        check("without a leader it waits and says why", not s.tasks())
        nodes.append(Node(hosts, 1, "/mesos/log_replicas/"))
        nodes.append(Node(hosts, d.port))
        nodes.append(Node(hosts, other.port))
        check("the nodes are there", all(n.path for n in nodes))
        s.wait_plan()
        check("the leader in ZooKeeper is found, and the service runs",
              len(s.tasks()) == 5, s.tasks())
        check("the smaller number leads", other.connections == 0)
        before, framework = s.task_ids(), s.get("/v1/state/frameworkId")
        nodes.pop(1).close()
        wait_for("another leader is followed", lambda:
                 other.connections > 1 and
                 log_of(s).count("event=subscribed ") >= 2)
        check("the framework stays the same",
              s.get("/v1/state/frameworkId") == framework)
        s.post("/v1/pod/data-1/restart")
        wait_for("data-1 again, through the new leader", lambda:
                 s.task_ids()["data-1"] != before["data-1"] and
                 s.tasks()["data-1"]["status"] == "RUNNING")
        server.stop(signal.SIGKILL)
        wait_for("it notices that ZooKeeper is away",
                 lambda: "disconnected from ZooKeeper" in log_of(s))
        before = s.task_ids()
        s.post("/v1/pod/data-2/restart")
        wait_for("data-2 again, without ZooKeeper", lambda:
                 s.task_ids()["data-2"] != before["data-2"] and
                 s.tasks()["data-2"]["status"] == "RUNNING")
        check("the stream is kept while ZooKeeper is away",
              log_of(s).count("event=subscribed ") == 2)
        server = zookeeper(zk_port)
        other.cut()
        wait_for("ZooKeeper back, subscribed again", lambda:
                 log_of(s).count("event=subscribed ") >= 3)
        s.wait_plan()
        check("only what was restarted was started again",
              {n for n, t in s.task_ids().items() if t != before[n]} ==
              {"data-2"})
        check("no level=bad line", not s.bad_lines(), s.bad_lines())
        s.down()
finally:
    for node in nodes:
        node.close()
    server.stop()
done()
