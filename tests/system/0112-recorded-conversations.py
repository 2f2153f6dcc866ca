#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a real master answered to good and bad credentials, and two masters while
the lead changed hands: the devcluster answers the same calls alike."""
import base64
import http.client
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scheduler import Cluster, Records
from suite import FOLDER, ROOT, check, done, patient

TRACES = os.environ.get("REEVE_MESOS_TRACES") or \
    os.path.join(ROOT, "../shared/mesos-traces")
COMPARED = ("WWW-Authenticate", "Location", "Content-Type", "Allow")
FLAGS = ("--agents", "1", "--allocation-interval-ms", "200")
LEADER, OTHER = "127.0.0.1:16050", "127.0.0.1:16150"


class Conversation:
    """Plays the calls of a recording in their order."""

    def __init__(self, name, cluster):
        self.folder = os.path.join(TRACES, name)
        with open(os.path.join(self.folder, "timeline.jsonl")) as f:
            self.entries = [json.loads(line) for line in f]
        self.name, self.cluster = name, cluster
        self.replies = {e["n"]: e for e in self.entries if e["dir"] == "reply"}
        self.streams, self.ids, self.stream_ids = {}, {}, {}
        self.differences, self.compared = [], 0
        self.leads, self.target = 0, None

    def differs(self, what, ours, theirs):
        self.compared += 1
        if ours != theirs:
            self.differences.append((what, ours, theirs))

    def ours(self, text):
        for theirs, ours in self.ids.items():
            text = text.replace(f'"{theirs}"', f'"{ours}"')
        return text

    def headers(self, entry):
        found = {k: v for k, v in entry["headers"].items()
                 if k not in ("Connection", "Mesos-Stream-Id")}
        for key, value in found.items():
            secret = re.search(r"<base64 of (.*)>", value)
            if secret:
                found[key] = value.replace(secret[0], base64.b64encode(
                    secret[1].encode()).decode())
        if "Mesos-Stream-Id" in entry["headers"]:
            found["Mesos-Stream-Id"] = \
                self.streams[entry["stream"]].reply.getheader(
                    "Mesos-Stream-Id")
        if entry.get("json"):
            # Our frameworks speak JSON.
            found.update({k: "application/json" for k in
                          ("Content-Type", "Accept")})
        return found

    def body(self, entry):
        if entry.get("json"):
            return self.ours(json.dumps(entry["json"]))
        if not entry.get("file"):
            return None
        with open(os.path.join(self.folder, entry["file"]), "rb") as f:
            return f.read()

    def seen(self, value):
        """Addresses and ids of ours as they were then."""
        masters = self.cluster.masters
        value = re.sub("on agent [^ ]* at [^ ]* ", "on agent A at P ", value)
        return value.replace(masters[self.leads], LEADER)

    def compare(self, entry, reply, text):
        want = self.replies[entry["n"]]
        what = f"{entry['n']} {entry['type']}"
        self.differs(what, reply.status, want["status"])
        for name in COMPARED:
            theirs = want["headers"].get(name)
            if entry.get("json") and theirs == "application/x-protobuf":
                theirs = "application/json"
            ours = reply.getheader(name)
            self.differs(f"{what} {name}", ours and self.seen(ours), theirs)
        if want["status"] >= 400:
            self.differs(f"{what} text", text, want["body"])

    def send(self, entry):
        if entry["type"] == "SUBSCRIBE" and \
                self.replies[entry["n"]]["status"] == 200:
            stream = Records(self.target, entry["path"],
                             json.loads(self.body(entry)),
                             self.headers(entry))
            self.streams[entry["stream"]] = stream
            self.compare(entry, stream.reply, None)
            return
        c = http.client.HTTPConnection(self.target, timeout=patient(15))
        c.request(entry["method"], entry["path"], self.body(entry),
                  self.headers(entry))
        reply = c.getresponse()
        self.compare(entry, reply, reply.read().decode())
        c.close()

    def event(self, entry):
        """The next of that type on its stream."""
        theirs, stream = entry["json"], self.streams[entry["stream"]]
        kind = theirs["type"]
        at = sum(e["dir"] == "event" and e["stream"] == entry["stream"] and
                 e["json"]["type"] == kind
                 for e in self.entries[:self.entries.index(entry)])
        ours = stream.wait(f"{self.name}: {kind} {at}",
                           lambda s: s.of(kind)[at:])[0]
        if kind == "SUBSCRIBED":
            for key in ("framework_id",):
                self.ids[theirs["subscribed"][key]["value"]] = \
                    ours["subscribed"][key]["value"]
        for a, b in zip(theirs.get("offers", {}).get("offers", []),
                        ours.get("offers", {}).get("offers", [])):
            self.ids[a["id"]["value"]] = b["id"]["value"]
            self.ids[a["agent_id"]["value"]] = b["agent_id"]["value"]
        if kind == "UPDATE_OPERATION_STATUS":
            a, b = (json.loads(self.seen(json.dumps(
                x["update_operation_status"]["status"])))
                for x in (theirs, ours))
            self.differs(f"{self.name} {kind}", b, a)

    def play(self, target_of, skip=lambda entry: False):
        for entry in self.entries:
            if entry["dir"] == "event":
                self.event(entry)
            elif entry["dir"] == "note" and entry["type"] == "EOF":
                stream = self.streams[entry["stream"]]
                stream.wait("its end", lambda s: s.ended)
                self.differs("a clean end", not stream.broken,
                             entry["body"] == "final zero chunk")
            elif entry["dir"] == "call" and not skip(entry):
                self.target = target_of(entry)
                self.send(entry)
            yield entry
        check(f"{self.name}: all as recorded", self.compared > 50 and
              not self.differences, self.differences)


def authentication():
    secrets = os.path.join(FOLDER, "secrets")
    with open(secrets, "w") as f:
        json.dump({"credentials": [
            {"principal": "svc-principal", "secret": "s3cret"},
            {"principal": "other", "secret": "o"}]}, f)
    with Cluster("locked", "--credentials", secrets, *FLAGS) as c:
        c.wait_agents(1)
        for _ in Conversation("03b-authentication", c).play(
                lambda _: c.masters[0]):
            pass


def redirect():
    with Cluster("two", "--masters", "2", *FLAGS) as c:
        c.wait_agents(1)
        talk = Conversation("03c-redirect", c)
        asked = {"port 16050": 0, "port 16150": 1}
        at = 0

        def target(entry):
            """Who was asked: said by notes; then a stream is the leader's."""
            return c.masters[talk.leads if entry["type"] in (
                "SUBSCRIBE", "TEARDOWN") and entry.get("stream") else at]

        for entry in talk.play(target, lambda e: e["type"] ==
                               "SUBSCRIBE-poll"):
            if entry["dir"] != "note":
                continue
            if entry["body"] in asked:
                at = asked[entry["body"]]
            # One of ours leads at once; the polls in between say nothing new.
            if entry["body"] == "begin: kill-master 0":
                c.fault("/failover")
                talk.leads = 1


if os.path.isdir(TRACES):
    authentication()
    redirect()
    done()
print("skipped: no recordings")
