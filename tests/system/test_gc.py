"""Garbage collection on order, pin updates, and the block that never
travels."""

import os
import socket
import subprocess
import threading

import pytest
from cluster import CALM, STEADY, led_throughout, make_cid, pinfold, until
from wire import multipart

EMPTY = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
CTL = os.environ.get("PINFOLD_CLUSTER_CTL")


def collect(c, query="", timeout=60):
    answer = c.post("/ipfs/gc" + query, timeout=timeout)
    assert answer.status == 200, answer
    return {n["peername"]: n for n in answer.json()["peer_map"].values()}


def keys(node):
    return {k["key"] for k in node["keys"]}


def raw_form(daemon, data):
    """The key under which a collection names an unpinned raw block."""
    headers, body = multipart({"file": data})
    answer = daemon.rpc("block/put?cid-codec=raw", body, headers)
    assert answer.status == 200, answer
    return answer.json()["Key"]


def has_block(daemon, cid):
    return daemon.rpc(f"block/stat?arg={cid}&offline=true").status == 200


def upload(c, files, query):
    headers, body = multipart(files)
    answer = c.post(f"/add?{query}", body=body, headers=headers, timeout=60)
    assert answer.status == 200, answer
    return answer.lines()[-1]["cid"]


def test_removes_what_is_not_pinned(cluster):
    c = cluster.any()
    kept = upload(c, {"x": os.urandom(3000)},
                  "cid-version=1&raw-leaves=true&replication=3")
    cluster.wait_pinned(kept, 3)
    # A new repository of Kubo's has garbage already, which goes once the
    # upload has ended on its node.
    until(lambda: not any("error" in n for n in collect(c).values()), 30,
          "all collect")
    loose = [raw_form(d, os.urandom(50)) for d in cluster.daemons]
    nodes = collect(c)
    assert sorted(nodes) == ["node-1", "node-2", "node-3"]
    for d, cid in zip(cluster.daemons, loose):
        node = nodes[f"node-{d.number}"]
        assert "error" not in node
        assert keys(node) == {cid}
        assert node["total"] == 1
        assert not has_block(d, cid)
        assert has_block(d, kept)
    again = collect(c)
    assert all(n["keys"] == [] and n["total"] == 0 for n in again.values())


def test_only_the_home_node(cluster):
    c = cluster.any()
    loose = [raw_form(d, os.urandom(50)) for d in cluster.daemons]
    nodes = collect(c, "?local=true")
    assert len(nodes) == 1
    gone = [x for d, x in zip(cluster.daemons, loose) if not has_block(d, x)]
    assert gone == list(keys(next(iter(nodes.values()))))
    collect(c)


def test_many_keys_are_cut(cluster):
    d = cluster.daemons[0]
    d.add(os.urandom(1200 * 1024),
          more="&chunker=size-1024&raw-leaves=true")
    nodes = collect(cluster.any())
    assert len(nodes["node-1"]["keys"]) == 1000
    assert nodes["node-1"]["total"] >= 1200


def test_not_after_a_restart(make_cluster):
    """An upload may have ended just before, and nobody has pinned it yet."""
    cluster = make_cluster(coordinators=1, nodes=1, daemon="fake")
    agent = cluster.agents[0]
    assert collect(cluster.any())["node-1"]["total"] == 0
    agent.kill9()
    agent.start()
    cluster.wait_sessions(agent)
    collections = cluster.daemons[0].calls()["repo/gc"]
    node = collect(cluster.any())["node-1"]
    assert "started less than 10 minutes ago" in node["error"]
    assert cluster.daemons[0].calls()["repo/gc"] == collections


@pytest.mark.skipif(CTL is None, reason="PINFOLD_CLUSTER_CTL is not set")
def test_the_references_client(cluster):
    c = cluster.any()
    loose = raw_form(cluster.daemons[0], os.urandom(50))
    out = subprocess.run(
        [CTL, "--host", f"/ip4/127.0.0.1/tcp/{c.http}", "ipfs", "gc"],
        check=True, capture_output=True, text=True, timeout=60)
    assert loose in out.stdout


def test_the_empty_block_is_put_back(cluster):
    c = cluster.any()
    collect(c)
    for d in cluster.daemons:
        until(lambda d=d: has_block(d, EMPTY), 20,
              f"{d.name} has the block without bytes")
    files = {"d": None, "d/a": os.urandom(50), "d/empty": b""}
    root = upload(c, files, "cid-version=1&raw-leaves=true&replication=3")
    cluster.wait_pinned(root, 3)


def test_a_stalled_pin_gets_the_empty_block(make_cluster):
    cluster = make_cluster(agent_options={"stall-timeout": "2s"})
    for d in cluster.daemons:
        until(lambda d=d: has_block(d, EMPTY), 20, "it is there")
        d.rpc(f"block/rm?arg={EMPTY}")
    source = cluster.daemons[0]
    headers, body = multipart({"e": b""})
    answer = source.rpc("add?cid-version=1&raw-leaves=true&pin=false"
                        "&wrap-with-directory=true", body, headers)
    root = answer.lines()[-1]["Hash"]
    cluster.daemons[1].rpc(f"block/rm?arg={EMPTY}")
    cluster.daemons[2].rpc(f"block/rm?arg={EMPTY}")
    assert cluster.any().post(f"/pins/{root}?replication=3").status == 200
    cluster.wait_pinned(root, 3, seconds=60)


def test_not_while_an_upload_could_lose_its_blocks(make_cluster):
    cluster = make_cluster(nodes=1,
                           options={"replication-min": 1,
                                    "replication-max": 1})
    c = cluster.any()
    sent, ended = threading.Event(), threading.Event()
    headers, body = multipart({"x": os.urandom(100000)})

    def pieces():
        yield body[:50000]
        sent.set()
        assert ended.wait(60)
        yield body[50000:]

    answers = []
    thread = threading.Thread(target=lambda: answers.append(
        c.post("/add?replication=1", body=pieces(), headers=headers,
               timeout=60)))
    thread.start()
    try:
        assert sent.wait(20)
        node = collect(c)["node-1"]
    finally:
        ended.set()
        thread.join()
    assert "upload" in node["error"] and node["keys"] == []
    assert answers[0].status == 200, answers[0]
    root = answers[0].lines()[-1]["cid"]
    cluster.wait_pinned(root, 1)
    # The upload itself ends a moment after its answer.
    until(lambda: "error" not in collect(c)["node-1"], 20, "it is collected")


def test_pins_under_way_end_first(make_cluster):
    """What hangs is cut off after gc-wait, and goes on afterwards."""
    cluster = make_cluster(agent_options={"gc-wait": "1s",
                                          "stall-timeout": "60s"})
    c = cluster.any()
    source = cluster.daemons[0]
    cid = source.add(os.urandom(2000), pin=True)
    torn = source.add(os.urandom(5000),
                      more="&chunker=size-1024&raw-leaves=true")
    leaf = source.rpc(f"refs?arg={torn}").lines()[2]["Ref"]
    source.rpc(f"block/rm?arg={leaf}")
    assert c.post(f"/pins/{torn}?replication=3").status == 200
    until(lambda: all(w["nodes"] > 0 for n in c.status()["nodes"]
                      for w in n["work"] or [{"nodes": 0}]), 20,
          "all look for the leaf")
    loose = [raw_form(d, os.urandom(50)) for d in cluster.daemons]
    nodes = collect(c)
    for d, x in zip(cluster.daemons, loose):
        assert x in keys(nodes[f"node-{d.number}"]), nodes
    assert c.post(f"/pins/{cid}?replication=3").status == 200
    cluster.wait_pinned(cid, 3)
    assert "pinned" not in c.pin_states(torn).values()
    for a in cluster.agents:
        assert "gc_cuts" in a.log_text()


def test_a_node_that_is_away(make_cluster):
    cluster = make_cluster()
    c = cluster.any()
    cluster.agents[1].kill9()
    until(lambda: "node-2" not in cluster.nodes_in("ready", c), 20,
          "it is missed")
    nodes = collect(c)
    assert "error" in nodes["node-2"] and nodes["node-2"]["keys"] == []
    assert "error" not in nodes["node-1"]
    assert "error" not in nodes["node-3"]


def test_a_stop_does_not_wait(make_cluster):
    cluster = make_cluster(daemon="fake")
    c = cluster.any()
    for a in cluster.agents:
        a.pause()  # it would answer within a day
    with socket.create_connection(("127.0.0.1", c.http), 20) as first:
        first.sendall(b"POST /ipfs/gc HTTP/1.1\r\nHost: a\r\n"
                      b"Content-Length: 0\r\n\r\n")
        # What came first is read first.
        assert c.post("/ipfs/gc").status == 409
        c.child.terminate()
        assert c.child.wait(10) == 0  # before the nodes' silence is noticed


def metric(c, name):
    for line in c.get("/metrics").body.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[-1])
    raise AssertionError(f"no {name}")


def by_the_leader(cluster):
    c = cluster.leader()
    source = cluster.daemons[0]
    kept = source.add(os.urandom(2000), pin=True)
    assert c.post(f"/pins/{kept}?replication=3").status == 200
    cluster.wait_pinned(kept, 3)
    loose = [raw_form(d, os.urandom(50)) for d in cluster.daemons]
    until(lambda: not any(has_block(d, x) for d, x in
                          zip(cluster.daemons, loose)), 120, "they are gone")
    until(lambda: metric(c, 'pinfold_gc_runs_total{result="ok"}') >= 3, 60,
          "three are counted")
    assert "gc_ordered" in c.log_text() and "gc_ended" in c.log_text()
    assert all(has_block(d, kept) for d in cluster.daemons)
    # A pin that hangs on a node keeps collections from it. Of what nobody has:
    # blocks that are not pinned yet would be collected.
    hangs = make_cid()
    assert c.post(f"/pins/{hangs}?replication=3").status == 200
    until(lambda: c.get("/api/v1/plan").json()["gc"] ==
          {"node": None, "due": 3, "busy": 3}, 60, "all wait for their pins")
    out = pinfold(cluster, "plan", host=f"127.0.0.1:{c.http}")
    assert "3 nodes wait for a collection, for pins on them" in out.stdout
    assert c.delete(f"/pins/{hangs}").status == 200
    runs = metric(c, 'pinfold_gc_runs_total{result="ok"}')
    until(lambda: metric(c, 'pinfold_gc_runs_total{result="ok"}') > runs, 60,
          "it goes on")


def test_by_the_leader(make_cluster):
    """What is not pinned goes by itself, on one node after the other; not
    while a pin runs there. A collection that meets one that just began cuts
    it off: whoever exceeds the limit rests an hour."""
    led_throughout(lambda: make_cluster(
        options={**CALM, **STEADY, "gc-interval": "3s", "gc-limit": "20s"},
        agent_options={"gc-wait": "1s", "stall-timeout": "10m"}),
                   by_the_leader)


def test_by_use(make_cluster):
    """A daemon that is nearly full, and no other one."""
    cluster = make_cluster(daemon="fake", options={
        "gc-threshold": "60", "gc-limit": "8s"})
    c = cluster.leader()
    cid = make_cid()
    assert c.post(f"/pins/{cid}?replication=3").status == 200
    cluster.wait_pinned(cid, 3)
    used = cluster.daemons[1].rpc("repo/stat").json()["RepoSize"]
    assert used > 0
    cluster.daemons[1].ctl(f"disk?max={used * 100 // 70}")
    until(lambda: metric(c, 'pinfold_gc_runs_total{result="ok"}') == 1, 60,
          "it was collected")
    lines = [x for x in c.log_text().splitlines() if "gc_ordered" in x]
    ids = {n["name"]: n["id"] for n in c.status()["nodes"]}
    assert [x.split("node=")[1] for x in lines] == [str(ids["node-2"])]


# --- pin updates -------------------------------------------------------------

def name_of(daemon, cid):
    answer = daemon.rpc(f"pin/ls?arg={cid}&type=recursive&names=true")
    if answer.status != 200:
        return None
    return next(iter(answer.json()["Keys"].values()))["Name"]


@pytest.mark.parametrize("first", ["old", "new"])
def test_update(cluster, first):
    c = cluster.any()
    old, new = (cluster.daemons[0].add(os.urandom(3000),
                                       more="&cid-version=1")
                for _ in range(2))
    assert c.post(f"/pins/{old}?replication=3").status == 200
    cluster.wait_pinned(old, 3)
    answer = c.post(f"/pins/{new}?pin-update={old}&replication=3")
    assert answer.status == 200, answer
    cluster.wait_pinned(new, 3)
    for d in cluster.daemons:  # an update keeps the old pin's name
        assert name_of(d, new) == name_of(d, old)
        assert name_of(d, new).startswith("pinfold:")
    gone, left = (old, new) if first == "old" else (new, old)
    assert c.delete(f"/pins/{gone}").status == 200
    until(lambda: cluster.holders(gone) == [], 30, "it is let go")
    assert cluster.holders(left) == ["node-1", "node-2", "node-3"]
    assert c.delete(f"/pins/{left}").status == 200
    until(lambda: cluster.holders(left) == [], 30, "it is let go")
