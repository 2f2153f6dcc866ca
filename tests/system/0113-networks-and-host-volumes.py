#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pods on a named network each have an address, and the same port twice on one
agent; a folder of the host is seen by the pod that asks for it."""
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import FOLDER, Suite, check, done, patient, wait_for

SPEC, SHARED = (os.path.join(FOLDER, n) for n in ("svc.yml", "shared"))
PORT = 4044
SERVE = ("python3 -c \"import os, socket\n"
         "s = socket.create_server((os.environ['MESOS_CONTAINER_IP'], "
         f"{PORT}))\n"
         "open('host/' + os.environ['TASK_NAME'], 'w').close()\n"
         "while True:\n"
         "    c = s.accept()[0]\n"
         "    c.sendall(os.environ['TASK_NAME'].encode())\n"
         "    c.close()\n\"")
os.mkdir(SHARED)
with open(SPEC, "w") as f:
    f.write(f"""
name: overlay
pods:
  far:
    count: 2
    placement: 'hostname:IS:agent-0.local'
    networks: {{dcos: {{labels: 'k:v'}}}}
    host-volumes:
      all: {{host-path: {SHARED}, container-path: host}}
    tasks:
      node:
        goal: RUNNING
        cmd: |
{os.linesep.join('          ' + line for line in SERVE.splitlines())}
        cpus: 0.1
        memory: 32
        ports: {{served: {{port: {PORT}}}}}
""")
NAMES = ["far-0-node", "far-1-node"]


def networks(s):
    return {t["name"]: t["statuses"][-1]["container_status"]["network_infos"]
            for f in s.master("/state")["frameworks"] for t in f["tasks"]}


def said(ip):
    with socket.create_connection((ip, PORT), patient(5)) as c:
        return c.makefile().read()


with Suite() as s:
    s.up(SPEC)
    s.wait_running(NAMES)
    wait_for("both serve", lambda: sorted(os.listdir(SHARED)) == NAMES)
    check("both write to the folder of the host", True)
    told = networks(s)
    ips = {n: told[n][0]["ip_addresses"][0]["ip_address"] for n in NAMES}
    check("each has an address on the network it asked for",
          len(set(ips.values())) == 2 and
          {i[0]["name"] for i in told.values()} == {"dcos"}, told)
    check("and is reached at it by one and the same port",
          {n: said(ips[n]) for n in NAMES} == {n: n for n in NAMES}, ips)
    s.down()
    check("the folder stays when the service goes",
          sorted(os.listdir(SHARED)) == NAMES)
done()
