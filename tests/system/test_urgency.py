"""What a node begins with: repairs of what is nearly lost come before
whoever's bulk, an organisation's pins by their priority; on real processes."""

import pytest
from cluster import make_cid, pinfold, until

BULK, CALL_MS = 200, 2000  # most of it is left when a test ends


def peers(c):
    return {n["name"]: n["peer"] for n in c.status()["nodes"]}


def pin(c, cid, query, *nodes):
    known = peers(c)
    where = ",".join(known[n] for n in nodes)
    answer = c.post(f"/pins/{cid}?{query}&user-allocations={where}")
    assert answer.status == 200, answer


def begun(cluster, node, cids):
    """Those of them that the node's daemon holds."""
    return set(cids) & cluster.daemons[node - 1].pins()


@pytest.fixture(name="busy")
def a_busy_node(make_cluster):
    """Three nodes; the third one pins one after the other, slowly, and has
    much to do. Before that: a pin on the other two."""
    cluster = make_cluster(coordinators=1, daemon="fake",
                           options={"out-after": "600s"},
                           agent_options={"concurrent-pins": 1})
    c = cluster.any()
    cluster.rare = make_cid("rare")
    pin(c, cluster.rare, "replication=2", "node-1", "node-2")
    cluster.wait_pinned(cluster.rare, 2)
    cluster.daemons[2].fault("pin/add", "delay", ms=CALL_MS)
    cluster.bulk = [make_cid(f"bulk {i}") for i in range(BULK)]
    for cid in cluster.bulk:
        pin(c, cid, "replication=1", "node-3")
    return cluster


def test_the_last_copy_comes_before_bulk(busy):
    """A repair that is ordered late, and an order that became a repair while
    it waited."""
    c = busy.any()
    waits = make_cid("waits")
    pin(c, waits, "replication-min=2&replication-max=3", "node-1", "node-2",
        "node-3")
    until(lambda: list(c.pin_states(waits).values()).count("pinned") == 2, 60,
          "it is pinned on two, and waits on the third")
    busy.agents[0].kill9()
    until(lambda: begun(busy, 3, [busy.rare, waits]) == {busy.rare, waits},
          90, "both were made on the third")
    done = begun(busy, 3, busy.bulk)
    assert len(done) < BULK / 2, f"{len(done)} of the bulk came before"
    until(lambda: c.pin_states(busy.rare)["node-3"] == "pinned", 60,
          "the cluster knows")


def test_priorities(busy):
    """A new pin that is urgent to its owner, one that becomes so, and one that
    is not at all."""
    c = busy.any()
    high, later, low = (make_cid(k) for k in ("high", "later", "low"))
    pin(c, later, "replication=1", "node-3")
    pin(c, low, "replication=1&pinfold-priority=low", "node-3")
    done = pinfold(busy, "pin", "add", high, "--replication", "1",
                   "--priority", "high", "--allocate", peers(c)["node-3"])
    assert done.returncode == 0, done.stderr
    assert "PRIORITY" in done.stdout and "high" in done.stdout
    until(lambda: begun(busy, 3, [high]), 60, "the one of high priority")
    assert not begun(busy, 3, [later])
    pin(c, later, "replication=1&pinfold-priority=high", "node-3")
    until(lambda: begun(busy, 3, [later]), 60, "the one that became so")
    assert len(begun(busy, 3, busy.bulk)) < BULK / 2
    status = c.get(f"/pins/{later}").json()
    assert status["pinfold_priority"] == "high"
    assert all(n["priority_pin"] for n in status["peer_map"].values())
    pin(c, later, "replication=1", "node-3")
    assert "pinfold_priority" not in c.get(f"/allocations/{later}").json()
    explained = c.get(f"/api/v1/pins/{low}/explain").json()
    assert explained["pin"]["priority"] == "low"
    assert "low" in pinfold(busy, "explain", low).stdout
    assert c.post(f"/pins/{high}?pinfold-priority=urgent").status == 400
