#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Config templates: tasks fetch theirs from the API and render them with
./bootstrap over their own environment; an edited template is a change that
rolls out, and a template of an older configuration is still served."""
import glob
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import FOLDER, Suite, check, done, wait_for

SPEC = os.path.join(FOLDER, "svc.yml")
TEMPLATE = os.path.join(FOLDER, "node.conf.mustache")
CMD = "./bootstrap -verbose && exec sleep 100000"

with open(SPEC, "w") as f:
    f.write(f"""
name: /folder/conf
pods:
  node:
    count: 1
    uris: ["{{{{BOOTSTRAP_URI}}}}"]
    tasks:
      server:
        goal: RUNNING
        cmd: "{CMD}"
        cpus: 0.1
        memory: 32
        ports: {{api: {{port: 0, env-key: API_PORT}}}}
        env: {{MODE: fast}}
        configs:
          main conf: {{template: node.conf.mustache, dest: conf/main.conf}}
  one:
    count: 1
    uris: ["{{{{BOOTSTRAP_URI}}}}"]
    cmd: "{CMD}"
    cpus: 0.1
    memory: 32
    env: {{MODE: slow}}
    configs:
      main: {{template: node.conf.mustache, dest: main.conf}}
""")


def template(text):
    with open(TEMPLATE, "w") as f:
        f.write(text)


def sandbox(s, name):
    return [os.path.realpath(p) for p in glob.glob(os.path.join(
        s.run_dir, "devcluster/agent-*/slaves/*/frameworks/*/executors/*/runs/"
        "*/tasks/" + s.tasks()[name]["id"]))][0]


def rendered(s, name, path):
    with open(os.path.join(sandbox(s, name), path)) as f:
        return f.read()


with Suite() as s:
    template("name={{TASK_NAME}}\nmode={{MODE}}\nport={{API_PORT}}\n"
             "{{#node-0-server}}\nfirst=yes\n{{/node-0-server}}\n")
    s.up(SPEC)
    s.wait_running(["node-0-server", "one-0"])
    text = wait_for("a rendered file", lambda: rendered(
        s, "node-0-server", "conf/main.conf"))
    port = text.split("port=")[1].split()[0]
    check("the file is rendered over the task's environment",
          text == f"name=node-0-server\nmode=fast\nport={port}\nfirst=yes\n"
          and port.isdigit(), text)
    text = wait_for("a rendered file", lambda: rendered(s, "one-0",
                                                        "main.conf"))
    check("that of an inline task too",
          text == "name=one-0\nmode=slow\nport=\n", text)

    old = s.get("/v1/configurations/targetId")[0]
    path = f"/v1/artifacts/template/{old}/node/server/main%20conf"
    code, text = s.http(path)
    check("the API serves the template as it is",
          code == 200 and text.startswith("name={{TASK_NAME}}"), (code, text))
    for what, path in {
            "no UUID": "/v1/artifacts/template/x/node/server/main%20conf",
            "no pod": f"/v1/artifacts/template/{old}/no/server/main%20conf",
            "no task": f"/v1/artifacts/template/{old}/node/no/main%20conf",
            "no template": f"/v1/artifacts/template/{old}/node/server/no"}.items():
        code, text = s.http(path)
        check(f"{what}: {text}", code == (400 if what == "no UUID" else 404))

    before = s.task_ids()
    template("again\n")
    s.up(SPEC)
    wait_for("the new file", lambda: rendered(
        s, "node-0-server", "conf/main.conf") == "again\n")
    check("an edited template rolls out",
          s.task_ids()["node-0-server"] != before["node-0-server"])
    check("nothing odd in the logs", not s.bad_lines(), s.bad_lines())

done()
