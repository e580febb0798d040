"""Verification on real processes: what a daemon loses is noticed, told and
made again, in the background and when somebody asks."""

import time

from cluster import make_cid, pinfold
from process import until
from test_nodes import row

QUICK = {"verify-rate": "36000"}


def verify(c, name):
    return row(c, name)["verify"]


def total(c, word):
    return sum(n["verify"][word] for n in c.status()["nodes"])


def pin(cluster, seeds, copies=3):
    cids = [make_cid(f"verify {s}") for s in seeds]
    for cid in cids:
        answer = cluster.any().post(f"/pins/{cid}?replication={copies}")
        assert answer.status == 200, answer
    for cid in cids:
        cluster.wait_pinned(cid, copies)
    return cids


def test_lost_copies_are_found(make_cluster):
    """Without a word of the daemon, and long before the agent compares."""
    cluster = make_cluster(nodes=3, daemon="fake", options=QUICK)
    cids = pin(cluster, range(20))
    leader = cluster.leader()
    until(lambda: all(n["verify"]["round_ms_ago"] is not None
                      for n in leader.status()["nodes"]), 30,
          "each node was walked")
    before = leader.status()["nodes"]
    assert {n["verify"]["missing"] for n in before} == {0}
    assert {n["verify"]["failed"] for n in before} == {0}
    lost = cids[3], cids[17]
    for cid in lost:
        cluster.daemons[1].lose(cid)
    assert not cluster.daemons[1].has(lost[0])
    until(lambda: verify(leader, "node-2")["missing"] >= 2, 30,
          "both are missed")
    for cid in lost:
        cluster.wait_pinned(cid, 3)
    assert cluster.daemons[1].pins() == set(cids)
    time.sleep(3)  # a walk takes 2 s
    assert verify(leader, "node-2")["missing"] == 2
    assert total(leader, "missing") == 2 == sum(
        leader.metric(f'pinfold_verify_missing_total{{node="node-{i}"}}')
        for i in (1, 2, 3))
    lines = [line for line in leader.log_text().splitlines()
             if "event=copy_missing " in line]
    assert len(lines) == 2 and all("name=node-2" in s for s in lines), lines
    assert {cid for cid in lost if any(f"cid={cid}" in s for s in lines)} == \
        set(lost)
    for c in cluster.followers():
        assert verify(c, "node-2") is None
        assert "copy_missing" not in c.log_text()
        assert c.metric("pinfold_verify_checked_total") == 0
    out = pinfold(cluster, "node", "ls",
                  host=f"127.0.0.1:{leader.http}").stdout.splitlines()
    assert "VERIFIED" in out[0] and "s ago" in out[1], out


def test_off(make_cluster):
    """At a rate of 0 no daemon is asked."""
    cluster = make_cluster(coordinators=1, nodes=2, daemon="fake",
                           options={"verify-rate": "0"})
    cids = pin(cluster, range(5), copies=2)
    looks = [d.calls().get("pin/ls", 0) for d in cluster.daemons]
    cluster.daemons[0].lose(cids[0])
    time.sleep(3)
    one = cluster.leader()
    assert (total(one, "checked"), total(one, "failed")) == (0, 0)
    assert [d.calls().get("pin/ls", 0) for d in cluster.daemons] == looks
    assert not cluster.daemons[0].has(cids[0])
    assert row(one, "node-1")["verify"]["last_ms_ago"] is None


def test_a_node_that_does_not_answer(make_cluster):
    """Its daemon hangs, then its agent dies: no copy is missing for that,
    and the others go on."""
    cluster = make_cluster(coordinators=1, nodes=3, daemon="fake",
                           options=QUICK)
    cids = pin(cluster, range(5))
    one = cluster.leader()
    cluster.daemons[0].fault("pin/ls", "stall")
    until(lambda: verify(one, "node-1")["failed"] > 0, 30, "it hangs")
    cluster.daemons[0].heal()
    checked = verify(one, "node-1")["checked"]
    until(lambda: verify(one, "node-1")["checked"] > checked + 5, 60,
          "it goes on")
    cluster.agents[1].kill9()
    until(lambda: row(one, "node-2")["state"] in ("down", "out"), 30, "down")
    failed = verify(one, "node-2")["failed"]
    checked = verify(one, "node-3")["checked"]
    until(lambda: verify(one, "node-3")["checked"] > checked + 10, 20,
          "others are asked")
    assert verify(one, "node-2")["failed"] == failed
    assert total(one, "missing") == 0
    assert cluster.daemons[0].pins() >= set(cids)
