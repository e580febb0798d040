"""What must not wait for a heartbeat."""

import time

from cluster import make_cid

SLOW = {"heartbeat": "1s", "election-timeout": "3s"}


def test_write_through_a_follower(make_cluster):
    """The leader tells a follower at once that its operation is committed.
    The same pin again makes no work for agents, so that no entry of theirs
    brings the news."""
    cluster = make_cluster(daemon="fake", options=SLOW)
    cid = make_cid()
    assert cluster.any().post(f"/pins/{cid}").status == 200
    for follower in cluster.followers():
        took = []  # what waits for heartbeats is prompt once at most
        for _ in range(8):
            since = time.monotonic()
            assert follower.post(f"/pins/{cid}").status == 200
            took.append(time.monotonic() - since)
        assert sorted(took)[1] < 0.5, f"{follower.name}: {took}"
