#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Images, networks with mapped ports, secrets, host and external volumes, IPC,
seccomp, limits: from svc.yml to what the master was given and took, on agents
that start nothing; and what such a task is after it was killed."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from front import Devcluster  # noqa: E402
from suite import FOLDER, Suite, check, done, wait_for  # noqa: E402

SPEC = os.path.join(FOLDER, "svc.yml")
TEXT = """
name: kv
pods:
  bridge:
    count: 1
    image: redis:7
    networks:
      mesos-bridge: {host-ports: [31005], container-ports: [80]}
    rlimits:
      RLIMIT_NOFILE: {soft: 1024, hard: 2048}
    secrets:
      token: {secret: kv/token, env-key: TOKEN}
      cert: {secret: kv/cert, file: tls/cert.pem}
    host-volumes:
      etc: {host-path: /etc/kv, container-path: conf, mode: RO}
    seccomp-profile-name: strict.json
    share-pid-namespace: true
    tasks:
      node:
        goal: RUNNING
        cmd: serve
        cpus: 0.1
        memory: 32
        resource-limits: {cpus: unlimited, memory: 64}
        kill-grace-period: 20
        ports:
          http: {port: 31005, vip: {prefix: web, port: 80}}
          admin: {port: 0, env-key: ADMIN, advertise: true}
        volume: {path: data, type: ROOT, size: 32}
        labels: "tier:front"
  over:
    count: 1
    networks:
      dcos: {labels: "team:kv"}
    ipc-mode: PRIVATE
    shm-size: 64
    external-volumes:
      e: {type: DOCKER, driver-name: pxd, volume-mode: RW,
          container-path: ext, driver-options: size=10}
    tasks:
      node:
        goal: RUNNING
        cmd: serve
        cpus: 0.1
        memory: 32
        ports:
          http: {port: 9000, vip: {prefix: o, port: 80}}
"""


def at_master(s, name):
    """The running task as the master shows it."""
    return [t for f in s.master_state()["frameworks"] for t in f["tasks"]
            if t["name"] == name and t["state"] == "TASK_RUNNING"][0]


def info(s, task):
    """(TaskInfo, ExecutorInfo) as the records have them."""
    one = s.get(f"/v1/tasks/info/{task}")
    return one, one["executor"]


class Remote(Suite):
    """A suite of a cluster that it did not start."""

    def __init__(self, master, **env):
        super().__init__(**env)
        self.url = f"http://127.0.0.1:{master.port}"

    def up(self, spec):
        return self.reeve("up", "--detach", "--run-dir", self.run_dir,
                          "--port", "0", "--wait", "--timeout", "60",
                          "--settle", "0", "--master", self.url, spec)

    def master_state(self):
        return self.http("/state", base=self.url)[1]


def bridged(s):
    task = at_master(s, "bridge-0-node")
    box = task["container"]
    check("the image, with room at /tmp",
          box["mesos"]["image"]["docker"]["name"] == "redis:7" and
          ["/tmp", "SANDBOX_PATH"] in [
              [v["container_path"], v["source"]["type"]]
              for v in box["volumes"]], box)
    sources = {v["container_path"]: v for v in box["volumes"]}
    check("a secret as a file", sources["tls/cert.pem"]["source"]["secret"]
          ["reference"]["name"] == "kv/cert", box)
    check("a folder of the host, to read",
          sources["conf"]["mode"] == "RO" and sources["conf"]["source"]
          ["host_path"]["path"] == "/etc/kv", box)
    check("seccomp, the shared PIDs, own limits", box["linux_info"] == {
        "seccomp": {"profile_name": "strict.json"},
        "share_pid_namespace": True, "share_cgroups": False}, box)
    check("rlimits", box["rlimit_info"]["rlimits"] == [
        {"type": "RLMT_NOFILE", "hard": 2048, "soft": 1024}], box)
    ports = {p["name"]: p for p in task["discovery"]["ports"]["ports"]}
    labels = {x["key"][:4]: x["value"]
              for x in ports["http"]["labels"]["labels"]}
    check("a VIP of a port of the host", ports["http"]["number"] == 31005 and
          labels == {"VIP_": "web:80", "netw": "host"}, ports)
    check("the user's label", {"key": "tier", "value": "front"}
          in task["labels"], task["labels"])

    sent, executor = info(s, "bridge-0-node")
    admin = ports["admin"]["number"]
    check("ports of the host, mapped", executor["container"]["network_infos"]
          [0]["port_mappings"] == [
              {"host_port": 31005, "container_port": 80, "protocol": "tcp"},
              {"host_port": admin, "container_port": admin,
               "protocol": "tcp"}], executor)
    env = {v["name"]: v for v in sent["command"]["environment"]["variables"]}
    check("a secret as a variable, its value nowhere", env["TOKEN"] == {
        "name": "TOKEN", "type": "SECRET", "secret": {
            "type": "REFERENCE", "reference": {"name": "kv/token"}}}, env)
    check("and a port", env["ADMIN"]["value"] == str(admin), env)
    check("limits and the time to end", sent["limits"] == {
        "cpus": {"value": "Infinity"}, "mem": {"value": 64.0}} and
        sent["kill_policy"]["grace_period"]["nanoseconds"] == 20 * 10**9,
        [sent.get("limits"), sent.get("kill_policy")])


def overlaid(s):
    task = at_master(s, "over-0-node")
    sent, executor = info(s, "over-0-node")
    box = executor["container"]
    check("a network of containers takes no port of the host",
          not any(r["name"] == "ports" for r in sent["resources"]) and
          task["discovery"]["ports"]["ports"][0]["number"] == 9000, sent)
    check("its labels, no mapping", box["network_infos"] == [{
        "labels": {"labels": [{"key": "team", "value": "kv"}]},
        "name": "dcos"}], box)
    check("IPC and its memory", box["linux_info"] == {
        "ipc_mode": "PRIVATE", "shm_size": 64}, box)
    volume = box["volumes"][0]
    check("an external volume, of the instance and the same for the task",
          volume["source"]["docker_volume"]["name"] == "kv-over-0" and
          task["container"]["volumes"] == [volume], [box, task["container"]])


with open(SPEC, "w") as f:
    f.write(TEXT)
ports = Suite().ports
with Devcluster(ports, "--simulate", "--agent-resources",
                "cpus:4;mem:4096;disk:10240;ports:[31000-31099]") as d, \
        Remote(d, DCOS_SPACE="/kv") as s:
    s.up(SPEC)
    bridged(s)
    overlaid(s)
    executor = info(s, "bridge-0-node")[1]
    check("the space of its secrets", executor["labels"]["labels"] == [
        {"key": "DCOS_SPACE", "value": "/kv"}], executor)
    before = at_master(s, "bridge-0-node")
    s.reeve("pod", "restart", "bridge-0", "--run-dir", s.run_dir)
    wait_for("another", lambda: at_master(s, "bridge-0-node")["id"] !=
             before["id"])
    check("restarted it is made of the same",
          at_master(s, "bridge-0-node")["container"] == before["container"])
    check("nothing bad in the logs", not s.bad_lines(), s.bad_lines())

done()
