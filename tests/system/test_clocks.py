"""Wall clocks that are wrong or jump: nothing expires for that, nothing else
stops, and the log's time is not carried away. The clocks of real processes
are moved by tests/lib/shiftclock.c."""

import re
import time

import pytest
from cluster import Cluster, make_cid, until
from process import BUILD
from shiftclock import DAY, MINUTE, SECOND, YEAR, Clock, build

pytestmark = pytest.mark.skipif(
    "tsan" in BUILD, reason="ThreadSanitizer has the clock calls itself")


@pytest.fixture(scope="module")
def shifted(tmp_path_factory):
    """Three coordinators and two agents whose clocks can be moved."""
    folder = str(tmp_path_factory.mktemp("clocks"))
    library = build(folder)
    if library is None:
        pytest.skip("there is no C compiler for shiftclock.c")
    c = Cluster(folder, coordinators=3, nodes=2, daemon="fake")
    c.clocks = {p.name: Clock(p, library, folder)
                for p in c.coordinators + c.agents}
    try:
        c.start()
        clocks_are_known(c, time.monotonic())
        yield c
    finally:
        wrong = c.close()
        assert not wrong, "\n".join(wrong) + c.logs()


def clocks_are_known(cluster, since):
    """Each coordinator heard of each other's clock since then. What the
    status shows is one second old at most."""
    def look():
        passed = (time.monotonic() - since) * 1000 - 1000
        return all(row["silent_ms"] is not None and
                   row["silent_ms"] < passed for c in cluster.coordinators
                   for row in c.status()["coordinators"])

    until(look, 20, "the coordinators told each other their clocks")


@pytest.fixture
def clocks(shifted):
    """All right again after each test; a jump back is one more jump."""
    yield shifted.clocks
    for clock in shifted.clocks.values():
        clock.set(0)
    shifted.wait_ready(20)
    clocks_are_known(shifted, time.monotonic())


def created(coordinator, cid):
    """Seconds since 1970 of a pin's creation."""
    text = coordinator.get(f"/pins/{cid}").json()["created"]
    return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) - \
        time.timezone


def pin(coordinator, query="replication=2"):
    cid = make_cid()
    answer = coordinator.post(f"/pins/{cid}?{query}")
    assert answer.status == 200, answer
    return cid


def jumps(process):
    return process.log_text().count("event=time_jump")


@pytest.mark.parametrize("by", [YEAR, -YEAR, 5 * MINUTE, -5 * MINUTE])
def test_the_leaders_clock_jumps(shifted, clocks, by):
    """Its stamps follow the other two: no entry carries the jump, not even
    one that was proposed at once."""
    leader = shifted.leader()
    keep = pin(leader, "replication=2&expire-in=2h")
    before = jumps(leader)
    clocks[leader.name].set(by)
    cids = [pin(leader) for _ in range(20)]
    until(lambda: jumps(leader) > before, 10, "the jump is noticed")
    cids.append(pin(shifted.followers()[0]))
    until(lambda: leader.metric("pinfold_time_jumps_total") > 0, 10,
          "and shown")
    shifted.same_everywhere()
    for c in shifted.coordinators:
        assert all(abs(created(c, cid) - time.time()) < 30 for cid in cids)
        assert c.get(f"/allocations/{keep}").status == 200
    shifted.wait_pinned(cids[0], 2)


def test_a_followers_clock_is_wrong(shifted, clocks):
    """What it is asked for expires when the others' clocks say so."""
    follower = shifted.followers()[0]
    before = jumps(follower)
    clocks[follower.name].set(-YEAR)
    until(lambda: jumps(follower) > before, 20, "the jump is noticed")
    cid = pin(follower, "replication=2&expire-in=5h")
    text = follower.get(f"/allocations/{cid}").json()["expire_at"]
    at = time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) - \
        time.timezone
    assert abs(at - time.time() - 5 * 3600) < 60


def test_a_leader_that_starts_in_another_year(shifted, clocks):
    """All coordinators start anew, one of them a year ahead."""
    keep = pin(shifted.any(), "replication=2&expire-in=24h")
    wrong = shifted.coordinators[0]
    for c in shifted.coordinators:
        c.kill9()
    clocks[wrong.name].set(YEAR)
    for c in shifted.coordinators:
        c.start()
    shifted.wait_ready(30)
    for _ in range(4):  # until the wrong one leads
        leader = shifted.leader()
        cid = pin(shifted.any())
        assert abs(created(shifted.any(), cid) - time.time()) < 30
        if leader is wrong:
            break
        leader.restart()
        until(leader.ready, 20, f"{leader.name} is back")
    for c in shifted.coordinators:
        assert c.get(f"/allocations/{keep}").status == 200
        c.log_start = 0


@pytest.mark.parametrize("by", [YEAR, -YEAR, -2 * DAY])
def test_an_agents_clock_jumps(shifted, clocks, by):
    """It goes on reporting: its numbers never fall."""
    agent = shifted.agents[0]
    cids = [pin(shifted.any()) for _ in range(3)]
    for cid in cids:
        shifted.wait_pinned(cid, 2)
    clocks[agent.name].set(by)
    cid = pin(shifted.any())
    shifted.wait_pinned(cid, 2)
    assert shifted.any().delete(f"/pins/{cids[0]}").status == 200
    until(lambda: cids[0] not in agent.daemon.pins(), 20, "it is unpinned")
    if by > 0:  # and starts in the past after that future
        agent.kill9()
        clocks[agent.name].set(-YEAR)
        agent.start()
        shifted.wait_sessions(agent)
        cid = pin(shifted.any())
        shifted.wait_pinned(cid, 2)
    clocks[agent.name].set(0)
    shifted.wait_pinned(pin(shifted.any()), 2)


def test_no_node_is_out_because_of_a_clock(shifted, clocks):
    """A node that is down stays down, not out, when the clock jumps."""
    agent = shifted.agents[1]
    name = f"node-{agent.number}"
    agent.kill9()
    until(lambda: name in shifted.nodes_in("down"), 20, "it is down")
    for c in shifted.coordinators:  # the time of all: no median helps
        clocks[c.name].set(YEAR)
    began = time.monotonic()
    seen = shifted.nodes_in("out")
    while not seen and time.monotonic() < began + 1.5:
        seen = shifted.nodes_in("out")
    assert not seen
    agent.start()
    until(lambda: name in shifted.nodes_in("ready"), 20, "it is back")
    shifted.wait_pinned(pin(shifted.any()), 2)


def test_alone(tmp_path_factory, clocks_library):
    """One coordinator has nobody to ask: nothing expires for an hour, and a
    clock that was set back again leaves no harm behind."""
    folder = str(tmp_path_factory.mktemp("alone"))
    c = Cluster(folder, coordinators=1, nodes=1, daemon="fake")
    only = c.coordinators[0]
    clock = Clock(only, clocks_library, folder)
    c.start()
    try:
        keep = pin(only, "replication=1&expire-in=1h")
        short = pin(only, "replication=1&expire-in=2s")
        until(lambda: only.get(f"/allocations/{short}").status == 404, 20,
              "what is due expires")
        clock.set(YEAR)
        far = pin(only, "replication=1")
        began = time.monotonic()
        while time.monotonic() < began + 2.5:  # an expiry look each second
            assert only.get(f"/allocations/{keep}").status == 200
        until(lambda: jumps(only) >= 1, 20, "the jump is noticed")
        assert jumps(only) == 1
        # A start in that year: the state is a year behind the clock.
        assert only.terminate() == 0
        clock.set(2 * YEAR)
        only.start()
        c.wait_ready(20)
        assert only.get(f"/allocations/{keep}").status == 200
        clock.set(0)
        until(lambda: jumps(only) >= 3, 20, "it is noticed")
        # The log's time ran ahead; claims are taken and kept all the same.
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ",
                           time.gmtime(time.time() + 3600))
        cid = pin(only, f"replication=1&expire-at={at}")
        c.wait_pinned(cid, 1)
        for kept in (keep, far, cid):
            assert only.get(f"/allocations/{kept}").status == 200
        assert not re.search(r"event=\w*expired", only.log_text())
    finally:
        wrong = c.close()
    assert not wrong, "\n".join(wrong) + c.logs()


@pytest.fixture(scope="module")
def clocks_library(tmp_path_factory):
    library = build(str(tmp_path_factory.mktemp("library")))
    if library is None:
        pytest.skip("there is no C compiler for shiftclock.c")
    return library


def test_the_shim_moves_the_clock(shifted, clocks):
    """Else all of the above would show nothing."""
    clocks[shifted.agents[0].name].set(10 * YEAR + SECOND)
    shifted.agents[0].terminate()
    shifted.agents[0].start()
    year = str(time.gmtime().tm_year + 10)[:3]
    until(lambda: f"time={year}" in shifted.agents[0].log_text(True), 40,
          "its log is of another year")
