#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/config.md is what the programs say, the files that documents name are
there, and the examples they show are good."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from suite import BIN, FOLDER, ROOT, check, done, patient

ENV = dict(os.environ, B=os.environ.get("REEVE_B", "build"))


def run(*command):
    return subprocess.run(command, cwd=ROOT, env=ENV, text=True,
                          timeout=patient(120), capture_output=True,
                          stdin=subprocess.DEVNULL)


def blocks(path, language):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return re.findall(rf"^```{language}\n(.*?)^```$", f.read(),
                          re.M | re.S)


p = run("tools/check-docs")
check("tools/check-docs finds no error", p.returncode == 0,
      p.stdout + p.stderr)
p = run("tools/gen-config-docs", "--check")
check("docs/config.md is not stale", p.returncode == 0, p.stdout + p.stderr)

for i, text in enumerate(blocks("docs/svc-yml.md", "yaml")):
    spec = os.path.join(FOLDER, f"svc-{i}.yml")
    with open(spec, "w", encoding="utf-8") as f:
        f.write(text)
    p = run(f"{BIN}/reeve", "validate", spec)
    check(f"example {i} of docs/svc-yml.md is good, without warnings",
          p.returncode == 0 and not p.stderr, p.stdout + p.stderr)
for spec in ("examples/data-store/svc.yml", "examples/redis/svc.yml"):
    p = run(f"{BIN}/reeve", "validate", spec)
    check(f"{spec} is good, without warnings",
          p.returncode == 0 and not p.stderr, p.stdout + p.stderr)

# What is not supported everywhere is named where the keys are described.
with open(os.path.join(ROOT, "lib/spec/supported.c"), encoding="utf-8") as f:
    features = re.findall(r'^    \{(\w+), "([^"]+)",', f.read(), re.M)
with open(os.path.join(ROOT, "docs/svc-yml.md"), encoding="utf-8") as f:
    text = f.read()
section = text.split("\n## Not supported yet")[1].split("\n## ")[0]
for where, feature in features:
    there = section if where == "NOWHERE" else text
    key, that, what = feature.partition(" that ")
    check(f"docs/svc-yml.md names {feature} ({where})",
          f"`{key}`{that}{what}" in there if that else
          all(f"`{w}" in there or w in section
              for w in feature.split(" and ")))
check("lib/spec/supported.c was understood", len(features) > 5, features)
done()
