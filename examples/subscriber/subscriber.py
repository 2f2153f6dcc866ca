#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints every key of a suite's store with its revision, then every change:
subscriber.py RUN_DIR.  Needs python3-zmq, python3-protobuf and protoc."""
import os
import subprocess
import sys
import tempfile
import uuid

import zmq

RUN_DIR = sys.argv[1]
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
with tempfile.TemporaryDirectory() as out:
    subprocess.run(["protoc", f"-I{ROOT}", f"--python_out={out}",
                    f"{ROOT}/proto/bus.proto", f"{ROOT}/proto/store.proto"],
                   check=True)
    sys.path.insert(0, out)
    from proto import bus_pb2, store_pb2

context = zmq.Context()


def snapshot():
    """Asks the store for everything until it answers; the revision of that."""
    while True:
        with context.socket(zmq.DEALER) as store:
            store.linger = 0
            store.connect(f"ipc://{RUN_DIR}/state-store")
            ask = bus_pb2.BusRequest(version=1, id=str(uuid.uuid4()),
                                     route="store.snapshot")
            store.send(ask.SerializeToString())
            if not store.poll(2000):
                continue
            reply = bus_pb2.BusReply.FromString(store.recv())
        if reply.code == 0:
            everything = store_pb2.SnapshotReply.FromString(reply.body)
            for item in everything.items:
                print(item.key, item.revision, flush=True)
            return everything.revision


feed = context.socket(zmq.SUB)  # first listen, then ask
feed.subscribe(b"")
feed.connect(f"ipc://{RUN_DIR}/state-store.pub")
revision, index = snapshot(), 0  # all up to here; next in the one after
while True:
    event = store_pb2.Event.FromString(feed.recv_multipart()[-1])
    if event.HasField("key") and event.revision <= revision:
        continue  # the snapshot had it
    if event.HasField("key") and (event.revision, event.index) == (
            revision + 1, index):
        print(event.key, event.revision,
              *([] if event.HasField("value") else ["deleted"]), flush=True)
        index = (index + 1) % event.count
        revision += index == 0
    elif event.HasField("key") or event.revision != revision:
        revision, index = snapshot(), 0  # a gap, or a tick that shows one
