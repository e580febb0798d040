"""Journal and state apart: lost, damaged and old copies of what an agent and
the coordinators remember, and agents that belong to another cluster. Nothing
that is claimed, or that nobody ordered to be released, is ever unpinned; what
nobody orders any more is listed."""

import os
import shutil
import sqlite3
import subprocess

import pytest
from cluster import Agent, Cluster, make_cid, until
from load import pin_many
from process import program


# --- helpers -----------------------------------------------------------------

def small(folder, nodes=1, **more):
    return Cluster(folder, coordinators=1, nodes=nodes, daemon="fake", **more)


def closed(clusters):
    wrong = [text for c in clusters for text in c.close()]
    assert not wrong, wrong


def pinned(cluster, cids, seconds=30, node="node-1"):
    """Until the state says so of each, which must then be true."""
    k = cluster.coordinators[0]
    daemon = cluster.agent_of(node).daemon

    def look():
        answer = k.get("/pins?filter=pinned")
        seen = {p["cid"] for p in answer.lines()
                if any(v["status"] == "pinned" and v["peername"] == node
                       for v in p["peer_map"].values())}
        return cids <= seen

    until(look, seconds, f"{len(cids)} are pinned on {node}")
    missing = cids - daemon.pins()
    assert not missing, f"said to be pinned, but are not: {missing}"


def pin(cluster, n):
    cids = pin_many(cluster, n, query="replication=1")
    pinned(cluster, cids)
    return cids


def orphans(cluster, node="node-1"):
    """CID -> "this" or "other"."""
    answer = cluster.coordinators[0].get(f"/api/v1/nodes/{node}/orphans")
    assert answer.status == 200 and answer.complete, answer
    lines = answer.lines()
    found = {o["cid"]: o["cluster"] for o in lines}
    assert len(found) == len(lines), "some are listed twice"
    return found


def removals(daemon):
    return daemon.calls()["pin/rm"]


def listed(agent):
    """Until the agent has compared its orders with the daemon's pins."""
    until(lambda: "event=listed complete=yes" in
          agent.log_text(since_start=True), 20, "the agent has listed")


def pinfold(cluster, *words):
    hosts = ",".join(f"127.0.0.1:{c.http}" for c in cluster.coordinators)
    return subprocess.run(
        [program("ctl", "pinfold"), "--host", hosts, *words],
        capture_output=True, text=True, timeout=60, check=False,
        env=cluster.coordinators[0].env)


def foreign(daemon, name, cid=None):
    cid = cid or make_cid()
    answer = daemon.ctl(f"foreign?cid={cid}&name={name}")
    assert answer.status == 200, answer
    return cid


def copy_of(folder):
    """A copy beside it; the process must be stopped."""
    to = folder + ".copy"
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to)
    return to


def put_back(copy, folder):
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)


def tag_of(cluster):
    log = cluster.agents[0].log_text()
    return log.split("event=working tag=")[1][:8]


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """One coordinator, one node."""
    c = small(tmp_path_factory.mktemp("one"))
    try:
        c.start()
        yield c
    finally:
        closed([c])


# --- the list of orphans -----------------------------------------------------

def test_orphans_are_listed(one):
    k, daemon = one.coordinators[0], one.daemons[0]
    claimed = pin(one, 3)
    ours = {foreign(daemon, f"pinfold:{tag_of(one)}:{900 + i}")
            for i in range(2)}
    other = foreign(daemon, "pinfold:00000001:7")
    foreign(daemon, "mine")
    assert orphans(one) == {**{c: "this" for c in ours}, other: "other"}
    peer = k.status()["nodes"][0]["peer"]
    for name in (peer, "1"):
        assert set(orphans(one, name)) == ours | {other}
    out = pinfold(one, "node", "orphans")
    assert out.returncode == 0, out.stderr
    rows = [line.split() for line in out.stdout.splitlines()]
    assert rows[0] == ["NODE", "CLUSTER", "CID", "MODE", "NAME"]
    assert ["node-1", "other", other, "recursive", "pinfold:00000001:7"] in rows
    assert len(rows) == 4
    out = pinfold(one, "-o", "json", "node", "orphans", "node-1")
    assert out.returncode == 0 and out.stdout.count('"cid"') == 3
    out = pinfold(one, "node", "orphans", "nobody")
    assert out.returncode == 3 and "no node" in out.stderr
    assert k.post("/api/v1/nodes/node-1/orphans").status == 405
    # What was taken away by hand is no longer listed, what is claimed is.
    for cid in ours | {other}:
        daemon.unpin(cid)
    assert not orphans(one)
    assert claimed <= daemon.pins()


def test_orphans_in_pages(one):
    """More than an answer of the node may hold; and their number is told."""
    k, daemon, agent = one.coordinators[0], one.daemons[0], one.agents[0]
    many = {foreign(daemon, f"pinfold:{tag_of(one)}:{5000 + i}")
            for i in range(1700)}
    assert set(orphans(one)) == many
    agent.restart()
    until(lambda: k.status()["nodes"][0]["orphans"] == len(many), 20,
          "the status has their number")
    assert k.metric("pinfold_node_orphans") == len(many)
    for cid in many:
        daemon.lose(cid)
