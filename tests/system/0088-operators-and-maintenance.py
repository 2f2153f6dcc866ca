#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What operators do to a cluster, as a framework and a watcher of the devcluster
see it: drained agents, maintenance, quotas, the event stream."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scheduler import Cluster, Framework, Records
from suite import FOLDER, check, done, together, wait_for

QUICK = ("--allocation-interval-ms", "100", "--resend-ms", "300",
         "--recovery-wait-ms", "100")


def done_with(c, kind, **body):
    status, text = c.operate(kind, **body)
    check(f"{kind} is done", status == 200, (status, text))


def states(fw, task):
    return [(u["state"], u.get("reason")) for u in fw.statuses(task)]


def drained():
    with Cluster("drained", "--agents", "2", "--agent-ports", "23000",
                 *QUICK) as c:
        c.wait_agents(2)
        fw = Framework(c.masters[0])
        offer = fw.offers("agent-0.local")[0]
        agent = {"agent_id": offer["agent_id"]}
        # Ignores SIGTERM: only the operator's grace ends it.
        mark = os.path.join(FOLDER, "trapped")
        fw.launch(offer, "t", f"trap '' TERM; touch {mark}; "
                  "while :; do sleep 1; done",
                  kill_policy={"grace_period": {"nanoseconds": 60 * 10**9}})
        fw.wait_state("t", "TASK_RUNNING")
        wait_for("it to ignore SIGTERM", lambda: os.path.exists(mark))
        done_with(c, "DRAIN_AGENT", **agent, max_grace_period={"seconds": 1})
        status, text = c.operate("REACTIVATE_AGENT", **agent)
        check("no way back while it drains", status == 400 and
              text == "Agent is still in the DRAINING state", (status, text))
        fw.wait_state("t", "TASK_KILLED")
        check("each update says why", states(fw, "t")[-2:] == [
            ("TASK_KILLING", "REASON_AGENT_DRAINING"),
            ("TASK_KILLED", "REASON_AGENT_DRAINING")], states(fw, "t"))
        wait_for("DRAINED", lambda: c.agents()["agent-0.local"]["drain_info"][
            "state"] == "DRAINED", 10)
        shown = c.agents()["agent-0.local"]
        check("/slaves shows it", not shown["active"] and
              shown["deactivated"] and
              "estimated_drain_start_time_seconds" in shown, shown)
        c.fault("/agents/0/kill")
        c.fault("/agents/0/return")
        wait_for("it is back", lambda: "agent-0.local" in c.agents(), 10)
        check("a restart does not forget it",
              c.agents()["agent-0.local"].get("drain_info"))
        done_with(c, "REACTIVATE_AGENT", **agent)
        fw.offers("agent-0.local")
        # Drained and marked gone.
        offer = fw.offers("agent-1.local")[0]
        fw.launch(offer, "u")
        fw.wait_state("u", "TASK_RUNNING")
        time.sleep(0.3)
        done_with(c, "DRAIN_AGENT", agent_id=offer["agent_id"], mark_gone=True)
        fw.wait("the agent's end", lambda s: [
            e for e in s.of("FAILURE")
            if e["failure"].get("agent_id") == offer["agent_id"]])
        check("one word of the task's end",
              states(fw, "u")[-1] == ("TASK_GONE_BY_OPERATOR",
                                      "REASON_AGENT_DRAINING") and
              len([s for s, _ in states(fw, "u")
                   if s == "TASK_GONE_BY_OPERATOR"]) == 1, states(fw, "u"))
        check("the agent is no more", list(c.agents()) == ["agent-0.local"])


def maintained():
    with Cluster("maintained", "--agents", "2", "--agent-ports", "23200",
                 *QUICK) as c:
        c.wait_agents(2)
        watcher = Records(c.masters[0], "/api/v1", {"type": "SUBSCRIBE"})
        first = watcher.wait("SUBSCRIBED", lambda s: s.of("SUBSCRIBED"))[0]
        check("a watcher first gets the whole state", len(
            first["subscribed"]["get_state"]["get_agents"]["agents"]) == 2)
        fw = Framework(c.masters[0])
        offer = fw.offers("agent-0.local")[0]
        fw.launch(offer, "t")
        fw.wait_state("t", "TASK_RUNNING")
        machine = {"hostname": "agent-0.local", "ip": "127.0.0.1"}
        start = int((time.time() + 60) * 1e9)
        window = {"machine_ids": [machine], "unavailability": {
            "start": {"nanoseconds": start}}}
        status, text = c.ask("/maintenance/schedule", "POST",
                             {"windows": [window]})
        check("the schedule is taken", status == 200, text)
        inverse = fw.wait("an inverse offer", lambda s: s.of(
            "INVERSE_OFFERS"))[0]["inverse_offers"]["inverse_offers"][0]
        check("it says when", inverse["unavailability"]["start"][
            "nanoseconds"] == start and inverse["agent_id"] ==
            offer["agent_id"], inverse)
        fw.wait("offers that say so", lambda s: [
            o for e in s.of("OFFERS") for o in e["offers"]["offers"]
            if "unavailability" in o])
        fw.call("DECLINE_INVERSE_OFFERS", inverse_offer_ids=[inverse["id"]],
                filters={"refuse_seconds": 600})
        wait_for("the answer is shown", lambda: json.loads(c.ask(
            "/maintenance/status")[1])["draining_machines"][0]["statuses"][0][
                "status"] == "DECLINE", 10)
        done_with(c, "START_MAINTENANCE", machines=[machine])
        fw.wait_state("t", "TASK_LOST")
        wait_for("the agent stays away", lambda: json.loads(c.ask(
            "/devcluster/status")[1])["agents"][0]["state"] == "left", 10)
        c.fault("/agents/0/return")
        wait_for("refused while its machine is down", lambda: json.loads(c.ask(
            "/devcluster/status")[1])["agents"][0]["state"] == "left", 10)
        done_with(c, "STOP_MAINTENANCE", machines=[machine])
        c.fault("/agents/0/return")
        wait_for("it is back", lambda: "agent-0.local" in c.agents(), 10)
        check("as the same agent", c.agents()["agent-0.local"]["id"] ==
              offer["agent_id"]["value"])
        watcher.wait("all of it", lambda s: len(s.of("AGENT_ADDED")) == 1)
        kinds = [e["type"] for e in watcher.all if e["type"] != "HEARTBEAT"]
        check("the watcher was told in order", [
            k for i, k in enumerate(kinds) if not i or kinds[i - 1] != k] == [
                "SUBSCRIBED", "FRAMEWORK_ADDED", "TASK_ADDED", "TASK_UPDATED",
                "AGENT_REMOVED", "AGENT_ADDED"], kinds)
        watcher.close()


def granted():
    with Cluster("granted", "--agents", "2", "--agent-ports", "23400",
                 *QUICK) as c:
        c.wait_agents(2)
        limit = {"role": "small", "limits": {"cpus": {"value": 1}}}
        done_with(c, "UPDATE_QUOTA", quota_configs=[limit])
        small = Framework(c.masters[0], "small")
        large = Framework(c.masters[0], "large")

        def cpus(fw):
            return sum(r["scalar"]["value"] for o in fw.offers()
                       for r in o["resources"] if r["name"] == "cpus")
        check("a limit is kept", cpus(small) == 1, cpus(small))
        for offer in small.offers():
            small.call("DECLINE", offer_ids=[offer["id"]],
                       filters={"refuse_seconds": 600})
        large.wait("the rest", lambda s: sum(
            r["scalar"]["value"] for e in s.of("OFFERS")
            for o in e["offers"]["offers"] for r in o["resources"]
            if r["name"] == "cpus") == 8)
        role = [r for r in json.loads(c.ask("/roles")[1])["roles"]
                if r["name"] == "small"][0]
        check("/roles shows it", role["quota"]["limit"] == {"cpus": 1.0}, role)


together(drained, maintained, granted)
done()
