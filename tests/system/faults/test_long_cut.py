"""Partitions that last: TCP's patience grows, the cluster's does not."""

import os
import time

import pytest
from cluster import make_cid, until
from load import Load, pin_many
from trouble import World

CUT = 14   # seconds; by then TCP waits for 12 more before it sends again
BACK = 8   # … and this is what a coordinator may take


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path, 1, nodes=3)
    if made.unconnected:
        made.network.close()
        pytest.skip(made.unconnected)
    try:
        made.cluster.start()
        yield made
    finally:
        wrong = made.close()
    assert not wrong, wrong


@pytest.mark.parametrize("who", ["follower", "leader"] if
                         os.environ.get("PINFOLD_NIGHTLY") else ["follower"])
def test_back_soon_after_a_long_cut(world, who):
    """The connections that died silently are given up while nothing passes,
    so that new ones can be made at once."""
    cluster = world.cluster
    victim = cluster.leader() if who == "leader" else cluster.followers()[0]
    others = [c for c in cluster.coordinators if c is not victim]
    load = Load(cluster, threads=2, rate=20, coordinators=others).start()
    until(lambda: load.count() >= 10, 20, "the load runs")
    began = time.monotonic()
    world.isolate(victim, cluster.coordinators + cluster.agents[:1])
    until(lambda: victim.get("/readyz").status == 503, 20,
          "it knows that it is alone")
    assert victim.get("/pins").status == 503
    assert victim.post(f"/pins/{make_cid()}").status == 503
    until(lambda: time.monotonic() - began >= CUT, 20, "the cut has lasted")
    world.undo()
    healed = time.monotonic()
    until(victim.ready, BACK, f"the {who} is back")
    acknowledged = load.stop()
    cluster.same_everywhere(BACK)
    print(f"{who}: {time.monotonic() - healed:.1f} s")
    until(lambda: len(cluster.nodes_in("ready", victim)) == 3, BACK,
          "its agents are back")
    more = pin_many(cluster, 10, threads=2, coordinators=[victim])
    assert acknowledged | more <= set(victim.pins())
