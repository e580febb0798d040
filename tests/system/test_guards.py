"""The guards of the control loop on real processes: repair pauses when many
nodes fall at once, and a node that comes and goes gets no new copies."""

import collections
import json
import time

import pytest
from cluster import make_cid
from load import pin_many
from process import until
from test_nodes import pinfold, row


def repair(cluster):
    """As the leader sees it; others have nothing there."""
    return until(lambda: cluster.leader().status()["repair"], 40,
                 "the leader tells it")


def fall(cluster, names, states=("down", "out")):
    for name in names:
        cluster.agent_of(name).kill9()
    until(lambda: all(row(cluster.leader(), n)["state"] in states
                      for n in names), 30, f"{names} are {states}")


def come_back(cluster, name):
    cluster.agent_of(name).start()
    until(lambda: row(cluster.leader(), name)["state"] == "ready", 30,
          f"{name} is back")


def healthy(cluster):
    """CID -> how many daemons whose agents run hold it: a question to each
    daemon, so that there is an answer before repair begins."""
    return collections.Counter(cid for a in cluster.agents if a.alive()
                               for cid in a.daemon.pins())


def urgent_and_calm(cluster, cids):
    """By how many healthy copies are left: one, or two. One that has none gets
    two while the last of its nodes is not down yet, and is calm then."""
    counts = healthy(cluster)
    return ([c for c in cids if counts[c] == 1],
            [c for c in cids if counts[c] == 2])


def until_each(cluster, cids, copies):
    def look():
        counts = healthy(cluster)
        return all(counts[c] == copies for c in cids)

    until(look, 120, f"{copies} healthy copies of each")


def all_calm(cluster, calm):
    """Those that have their minimum have nothing more."""
    counts = healthy(cluster)
    return all(counts[c] == 2 for c in calm)


def test_storm(make_cluster):
    """Three of seven: urgent pins are repaired at once, the others when an
    operator says so."""
    cluster = make_cluster(nodes=7, daemon="fake")
    cids = pin_many(cluster, 40,
                    query="replication-min=2&replication-max=3")
    until(lambda: all(sum(d.has(c) for d in cluster.daemons) == 3
                      for c in cids), 40, "all is pinned")
    leader = cluster.leader()
    assert repair(cluster)["paused"] is False
    again = pinfold(cluster, "repair", "resume")
    assert again.returncode == 9 and "not paused" in again.stderr, again
    for a in cluster.agents[:3]:
        a.kill9()
    urgent, calm = urgent_and_calm(cluster, cids)
    assert urgent and calm
    fall(cluster, ["node-1", "node-2", "node-3"], ("out",))
    seen = repair(cluster)
    assert (seen["paused"], seen["nodes"], seen["nodes_down"],
            seen["region"]) == (True, 7, 3, "")
    assert 0 < seen["left_ms"] <= 3600000
    assert leader.metric("pinfold_repair_paused") == 1
    until_each(cluster, urgent, 3)
    time.sleep(3)  # out, and looked at
    assert all_calm(cluster, calm), "it was not paused"
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


def test_region(make_cluster):
    """A whole region falls; when a node of it is back, repair goes on."""
    cluster = make_cluster(start=False, nodes=5, daemon="fake")
    for a in cluster.agents:
        a.argv += ["--region", "east" if a.number <= 2 else "west"]
    cluster.start()
    cids = pin_many(cluster, 20,
                    query="replication-min=2&replication-max=3")
    until(lambda: all(sum(d.has(c) for d in cluster.daemons) == 3
                      for c in cids), 40, "all is pinned")
    for a in cluster.agents[:2]:
        a.kill9()
    calm = urgent_and_calm(cluster, cids)[1]
    assert calm
    fall(cluster, ["node-1", "node-2"], ("out",))
    seen = repair(cluster)
    assert (seen["paused"], seen["nodes_down"], seen["region"]) == (
        True, 2, "east")
    time.sleep(3)
    assert all_calm(cluster, calm), "it was not paused"
    come_back(cluster, "node-1")
    until(lambda: not repair(cluster)["paused"], 40, "it has ended")
    until(lambda: "event=repair_resumed reason=recovered" in
          cluster.leader().log_text(), 20, "the log says so, too")
    until_each(cluster, cids, 3)


@pytest.fixture(name="quick")
def fixture_quick(make_cluster):
    return make_cluster(nodes=3, daemon="fake")


def test_flapping_node(quick):
    """Down, up, down: from then on it keeps what it has, and gets new copies
    only at need."""
    old = make_cid("old")
    quick.any().post(f"/pins/{old}?replication=3")
    quick.wait_pinned(old, 3)
    leader = quick.leader()
    fall(quick, ["node-2"])
    come_back(quick, "node-2")
    assert row(leader, "node-2")["quarantined_ms"] == 0
    fall(quick, ["node-2"])
    until(lambda: row(leader, "node-2")["quarantined_ms"] > 0, 40,
          "it is quarantined")
    come_back(quick, "node-2")
    assert leader.metric("pinfold_nodes_quarantined") == 1
    assert "event=node_quarantined node=" in leader.log_text()
    host = f"127.0.0.1:{leader.http}"
    listed = pinfold(quick, "node", "ls", host=host).stdout
    assert listed.count("ready, quarantined") == 1, listed
    shown = pinfold(quick, "status", host=host).stdout
    assert "quarantined for " in shown, shown
    nodes = json.loads(pinfold(quick, "node", "ls", "-o", "json",
                               host=host).stdout)
    assert {n["name"] for n in nodes if n["quarantined_ms"] > 0} == {
        "node-2"}
    cid, needed = make_cid("new"), make_cid("needed")
    quick.any().post(f"/pins/{cid}?replication-min=1&replication-max=3")
    assert quick.wait_pinned(cid, 2) == ["node-1", "node-3"]
    quick.any().post(f"/pins/{needed}?replication=3")
    quick.wait_pinned(needed, 3)
    assert quick.wait_pinned(cid, 2) == ["node-1", "node-3"]
    assert quick.wait_pinned(old, 3)
