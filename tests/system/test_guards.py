"""The guards of the control loop on real processes: repair pauses when many
nodes fall at once, and a node that comes and goes gets no new copies. Both
are the leader's memory, and end with it."""

import collections
import json
import time

from cluster import STEADY, led_throughout, make_cid
from load import pin_many
from process import until
from test_nodes import pinfold, row
from test_plan import groups, plan

# A node that stands still has not fallen, and when the last of those that did
# is down, the first is not out for some time.
FALLS = {**STEADY, "suspect-after": "5s", "down-after": "8s",
         "out-after": "10s"}


def repair(cluster):
    """As the leader sees it; others have nothing there."""
    return until(lambda: cluster.leader().status()["repair"], 40,
                 "the leader tells it")


def fall(cluster, names, states=("down", "out")):
    for name in names:
        cluster.agent_of(name).kill9()
    until(lambda: all(row(cluster.leader(), n)["state"] in states
                      for n in names), 60, f"{names} are {states}")


def come_back(cluster, name):
    cluster.agent_of(name).start()
    until(lambda: row(cluster.leader(), name)["state"] == "ready", 60,
          f"{name} is back")


def healthy(cluster):
    """CID -> how many daemons whose agents run hold it."""
    return collections.Counter(cid for a in cluster.agents if a.alive()
                               for cid in a.daemon.pins())


def kill(cluster, number):
    """The first agents at once. Returns pins by how many healthy copies that
    leaves them, one or two. One that has none gets two while the last of its
    nodes is not down yet, and is calm then."""
    counts = collections.Counter(cid for a in cluster.agents[number:]
                                 for cid in a.daemon.pins())
    for a in cluster.agents[:number]:
        a.kill9()
    return ([cid for cid, n in counts.items() if n == 1],
            [cid for cid, n in counts.items() if n == 2])


def until_each(cluster, cids, copies):
    def look():
        counts = healthy(cluster)
        return all(counts[c] == copies for c in cids)

    until(look, 120, f"{copies} healthy copies of each")


def pin_thrice(cluster, number):
    """So many with two or three copies; their CIDs once all are reported."""
    cids = pin_many(cluster, number,
                    query="replication-min=2&replication-max=3")
    until_each(cluster, cids, 3)
    until(lambda: not cluster.leader().get(
        "/pins?filter=queued,pinning,pin_error").lines(), 60,
        "all is reported")
    return cids


def check_calm(cluster, calm):
    """Those that have their minimum are looked at and have nothing more."""
    def left():
        found = groups(plan(cluster.leader())).items()
        return sum(g["pins"] for (action, _), g in found
                   if action == "wait_pause")

    until(lambda: left() >= len(calm), 60, "they wait for the end of it")
    counts = healthy(cluster)
    assert all(counts[c] == 2 for c in calm), "it was not paused"


def storm(cluster):
    cids = pin_thrice(cluster, 40)
    leader = cluster.leader()
    assert repair(cluster)["paused"] is False
    again = pinfold(cluster, "repair", "resume")
    assert again.returncode == 9 and "not paused" in again.stderr, again
    urgent, calm = kill(cluster, 3)
    assert urgent and calm
    fall(cluster, ["node-1", "node-2", "node-3"], ("out",))
    seen = repair(cluster)
    assert (seen["paused"], seen["nodes"], seen["nodes_down"],
            seen["region"]) == (True, 7, 3, "")
    assert 0 < seen["left_ms"] <= 3600000
    assert leader.metric("pinfold_repair_paused") == 1
    until_each(cluster, urgent, 3)
    check_calm(cluster, calm)
    shown = pinfold(cluster, "status", host=f"127.0.0.1:{leader.http}")
    assert "REPAIR       paused for " in shown.stdout, shown
    assert "3 of 7 nodes fell" in shown.stdout
    other = cluster.followers()[0]
    assert other.status()["repair"] is None
    assert other.metric("pinfold_repair_paused") == 0
    shown = pinfold(cluster, "status", host=f"127.0.0.1:{other.http}")
    assert "REPAIR       the leader knows" in shown.stdout, shown
    refused = other.post("/api/v1/repair/resume")
    assert refused.status == 503
    assert f"ask {leader.name} at 127.0.0.1:{leader.http}" in \
        refused.message()
    done = pinfold(cluster, "repair", "resume")
    assert (done.returncode, done.stdout) == (0, "repair goes on\n"), done
    until_each(cluster, cids, 3)
    until(lambda: not repair(cluster)["paused"], 40, "the status shows it")
    again = pinfold(cluster, "repair", "resume")
    assert again.returncode == 9, again
    log = leader.log_text()
    assert "event=repair_paused down=3 nodes=7" in log
    assert "event=repair_resumed reason=operator" in log


def test_storm(make_cluster):
    """Three of seven: urgent pins are repaired at once, the others when an
    operator says so."""
    led_throughout(lambda: make_cluster(nodes=7, daemon="fake",
                                        options=FALLS), storm)


def region(cluster):
    cids = pin_thrice(cluster, 20)
    calm = kill(cluster, 2)[1]
    assert calm
    fall(cluster, ["node-1", "node-2"], ("out",))
    seen = repair(cluster)
    assert (seen["paused"], seen["nodes_down"], seen["region"]) == (
        True, 2, "east")
    check_calm(cluster, calm)
    come_back(cluster, "node-1")
    until(lambda: not repair(cluster)["paused"], 40, "it has ended")
    until(lambda: "event=repair_resumed reason=recovered" in
          cluster.leader().log_text(), 20, "the log says so, too")
    until_each(cluster, cids, 3)


def test_region(make_cluster):
    """A whole region falls; when a node of it is back, repair goes on."""
    def make():
        cluster = make_cluster(start=False, nodes=5, daemon="fake",
                               options=FALLS)
        for a in cluster.agents:
            a.argv += ["--region", "east" if a.number <= 2 else "west"]
        return cluster.start()

    led_throughout(make, region)


def flapping(cluster):
    old = make_cid("old")
    cluster.any().post(f"/pins/{old}?replication=3")
    cluster.wait_pinned(old, 3)
    leader = cluster.leader()
    fall(cluster, ["node-2"])
    come_back(cluster, "node-2")
    assert row(leader, "node-2")["quarantined_ms"] == 0
    fall(cluster, ["node-2"])
    until(lambda: row(leader, "node-2")["quarantined_ms"] > 0, 40,
          "it is quarantined")
    come_back(cluster, "node-2")
    assert leader.metric("pinfold_nodes_quarantined") == 1
    until(lambda: "event=node_quarantined node=" in leader.log_text(), 20,
          "the log says so, too")
    host = f"127.0.0.1:{leader.http}"
    listed = pinfold(cluster, "node", "ls", host=host).stdout
    assert listed.count("ready, quarantined") == 1, listed
    shown = pinfold(cluster, "status", host=host).stdout
    assert "quarantined for " in shown, shown
    nodes = json.loads(pinfold(cluster, "node", "ls", "-o", "json",
                               host=host).stdout)
    assert {n["name"] for n in nodes if n["quarantined_ms"] > 0} == {
        "node-2"}
    cid, needed = make_cid("new"), make_cid("needed")
    cluster.any().post(f"/pins/{cid}?replication-min=1&replication-max=3")
    assert cluster.wait_pinned(cid, 2) == ["node-1", "node-3"]
    cluster.any().post(f"/pins/{needed}?replication=3")
    cluster.wait_pinned(needed, 3)
    assert cluster.wait_pinned(cid, 2) == ["node-1", "node-3"]
    assert cluster.wait_pinned(old, 3)


def test_flapping_node(make_cluster):
    """Down, up, down: from then on it keeps what it has, and gets new copies
    only at need."""
    led_throughout(lambda: make_cluster(nodes=3, daemon="fake",
                                        options=FALLS), flapping)


def test_a_coordinator_that_stood_still(make_cluster):
    """What it did not hear meanwhile is no silence of its nodes."""
    cluster = make_cluster(coordinators=1, nodes=2, daemon="fake",
                           options={"suspect-after": "5s",
                                    "down-after": "6s"})
    c = cluster.coordinators[0]
    until(lambda: all(row(c, f"node-{k}")["state"] == "ready"
                      for k in (1, 2)), 60, "both nodes are there")
    c.pause()
    time.sleep(8)  # longer than a node may be silent
    c.resume()
    until(lambda: "event=stood_still" in c.log_text(), 20, "it knows")
    pin_many(cluster, 20, threads=2)
    c.wait_shown()
    assert c.get("/health/alerts").json() == []
    assert [row(c, f"node-{k}")["state"] for k in (1, 2)] == ["ready"] * 2
