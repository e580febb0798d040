"""Disks that run low and full, of coordinators and agents: small file systems
in mount namespaces. Skipped where the test may not mount any."""

import json
import os
import re
import subprocess
import threading
import time

import pytest
from cluster import Cluster, make_cid, until
from process import clean_env, program
from smalldisk import SmallDisk
from test_metrics import value

MB = 1 << 20
REFUSED = {"Message": "no such block", "Code": 0, "Type": "error"}
# Segments of the log come and go, 8 MB each: with 20 MB left it stays below.
MARK = 40
OPTIONS = {"min-free": f"{MARK}M", "log-budget": "4M", "down-after": "20s"}


@pytest.fixture
def on_disks(tmp_path):
    """on_disks(megabytes, who, …): a cluster, its coordinators or agents each
    on such a disk; repos: their daemons say that theirs is there, too."""
    made = []

    def make(megabytes, who="coordinators", repos=False, **more):
        c = Cluster(tmp_path / "cluster", daemon="fake", **more)
        c.disks = {}
        made.append(c)
        for p in getattr(c, who):
            c.disks[p.name] = SmallDisk(p.data, megabytes)
            c.disks[p.name].carry(p)
        for d, a in zip(c.daemons, c.agents) if repos else ():
            d.argv += ["--repo-path", str(a.data)]
        return c.start()

    yield make
    wrong = [text for c in made for text in c.close()]
    for c in made:
        for disk in c.disks.values():
            disk.close()
    assert not wrong, "\n".join(wrong) + made[0].logs()


def pin(c, query="replication=1"):
    cid = make_cid()
    return cid, c.post(f"/pins/{cid}?{query}")


def pinned(c, query="replication=1"):
    cid, answer = pin(c, query)
    assert answer.status == 200, answer
    return cid


def refused(c):
    """Claims are; so is an upload, before its first byte."""
    if pin(c)[1].status != 507:
        return False
    answer = c.post("/add", body=b"--a--\r\n", headers={
        "Content-Type": "multipart/form-data; boundary=a"})
    # Another coordinator may have refused the claim, a second before.
    return answer.status == 507 and "no space left" in answer.message()


def test_below_the_mark(on_disks):
    cluster = on_disks(96, coordinators=1, nodes=1, options=OPTIONS)
    c, daemon = cluster.coordinators[0], cluster.daemons[0]
    disk = cluster.disks[c.name]
    cids = [pinned(c) for _ in range(5)]
    disk.fill(leave=20 * MB)
    until(lambda: refused(c), 30, "new claims are refused")
    # Everything else goes on.
    assert c.delete(f"/pins/{cids[0]}").status == 200
    until(lambda: cids[0] not in daemon.pins() and
          set(cids[1:]) <= daemon.pins(), 20, "the pin is released")
    assert c.get(f"/pins/{cids[1]}").status == 200
    assert c.post(f"/pins/{cids[1]}/recover").status == 200
    ready = c.get("/readyz")
    assert ready.status == 200 and ready.json()["disk"] == "low"
    status = c.status()
    assert status["disk_low"] and status["claims_refused"]
    assert 0 < status["disk_free"] < MARK * MB
    for name in ("pinfold_disk_low", "pinfold_claims_refused"):
        assert c.metric(name) == 1
    done = subprocess.run(
        [program("ctl", "pinfold"), "--host", f"127.0.0.1:{c.http}", "pin",
         "add", make_cid()], capture_output=True, text=True, check=False,
        env=clean_env(), timeout=60)
    assert done.returncode == 11 and "no space left" in done.stderr, done
    for event in ("disk_low", "claims_refused"):
        assert c.log_text().count(f"event={event}") == 1
    disk.clear()
    until(lambda: pin(c)[1].status == 200, 30, "claims are taken again")
    assert c.metric("pinfold_disk_low") == 0
    assert not c.status()["claims_refused"]
    for event in ("disk_ok", "claims_taken"):
        assert c.log_text().count(f"event={event}") == 1


def test_low_on_some_coordinators(on_disks):
    """One of three: a leader hands over, all go on. Two: all refuse."""
    cluster = on_disks(96, coordinators=3, nodes=1, options=OPTIONS)
    first = cluster.leader()
    cids = [pinned(first)]
    cluster.disks[first.name].fill(leave=20 * MB)
    until(lambda: first.metric("pinfold_raft_leader") == 0, 40,
          "the leader hands over")
    assert "event=leader_hands_over" in first.log_text()
    second = cluster.leader()
    assert second is not first
    cids += [pinned(c) for c in cluster.coordinators]
    assert first.metric("pinfold_disk_low") == 1
    cluster.disks[second.name].fill(leave=20 * MB)
    for c in cluster.coordinators:
        until(lambda c=c: refused(c), 40, f"{c.name} refuses new claims")
    assert cluster.any().delete(f"/pins/{cids.pop(0)}").status == 200
    cluster.disks[second.name].clear()
    for c in cluster.coordinators:
        until(lambda c=c: pin(c)[1].status == 200, 40,
              f"{c.name} takes claims again")
    cluster.same_everywhere()
    assert set(cids) <= set(first.pins())


class Writers(threading.Thread):
    """Pins with much metadata until no coordinator answers any more."""

    def __init__(self, c, acknowledged):
        super().__init__()
        self.c, self.acknowledged, self.refused = c, acknowledged, 0
        self.stop = threading.Event()
        self.start()

    def run(self):
        text = "&".join(f"meta-k{i}=" + "x" * 400 for i in range(20))
        while not self.stop.is_set():
            try:
                cid, answer = pin(self.c, "replication=1&" + text)
            except OSError:
                return
            if answer.status == 200:
                self.acknowledged.append(cid)
            else:
                self.refused += 1


def ends_with(process, code, seconds=60):
    process.killed = True  # close() need not judge its status
    got = process.child.wait(seconds)
    assert got == code, f"{process.name} ended with {got}"


def test_full_to_the_last_byte(on_disks):
    """Without the mark. It ends with status 11 and says why, does not start
    while nothing is free, and then has all that it acknowledged."""
    cluster = on_disks(48, coordinators=1, nodes=1,
                       options={**OPTIONS, "min-free": "0",
                                "log-budget": "64M"})
    c = cluster.coordinators[0]
    disk = cluster.disks[c.name]
    acknowledged = [pinned(c)]
    disk.fill(leave=2 * MB)
    writers = [Writers(c, acknowledged) for _ in range(4)]
    try:
        ends_with(c, 11)
    finally:
        for w in writers:
            w.stop.set()
        for w in writers:
            w.join(40)
    assert len(acknowledged) > 5
    assert "full" in c.log_text() or "No space" in c.log_text()
    disk.fill(leave=0)
    c.start()  # with nothing free: it may not even begin
    ends_with(c, 11)
    assert "start_failed" in c.log_text(since_start=True), c.log_text(True)
    with open(disk.path("member"), encoding="utf-8") as f:
        assert json.load(f)["formed"]
    assert not os.path.exists(disk.path("member.new"))
    disk.clear()
    c.start()
    cluster.wait_ready(30)
    missing = set(acknowledged) - set(c.pins())
    assert not missing, f"{len(missing)} of {len(acknowledged)} are lost"
    pinned(c)
    cluster.wait_pinned(acknowledged[0], 1)


def test_an_agents_disk_is_full(on_disks):
    cluster = on_disks(4, "agents", coordinators=1, nodes=1, options=OPTIONS)
    c, agent, daemon = (cluster.coordinators[0], cluster.agents[0],
                        cluster.daemons[0])
    disk = cluster.disks[agent.name]
    cids = [pinned(c) for _ in range(3)]
    until(lambda: daemon.pins() == set(cids), 20, "all is pinned")
    disk.fill(leave=0)
    end = time.monotonic() + 120
    while agent.alive() and len(cids) < 3000 and time.monotonic() < end:
        cid, answer = pin(c)
        if answer.status == 200:
            cids.append(cid)
        else:  # it is silent by now, and about to end
            assert "not enough peers" in answer.message()
    ends_with(agent, 11)
    assert "event=journal_failed" in agent.log_text()
    assert "full" in agent.log_text()
    agent.start()  # it may begin, but stores no order
    ends_with(agent, 11)
    assert daemon.pins() >= set(cids[:3]), "it unpinned something"
    disk.clear()
    agent.start()
    until(lambda: daemon.pins() == set(cids), 60, "all is pinned")
    cluster.wait_pinned(cids[-1], 1)


def test_a_daemons_disk_is_low(on_disks):
    """Below 2 % free the agent asks its daemon for nothing new, by itself, and
    says why; what is there and what is let go is as ever."""
    cluster = on_disks(64, "agents", repos=True, coordinators=1, nodes=1,
                       options=OPTIONS)
    c, agent, daemon = (cluster.coordinators[0], cluster.agents[0],
                        cluster.daemons[0])
    disk = cluster.disks[agent.name]
    before = [pinned(c) for _ in range(2)]
    until(lambda: daemon.pins() == set(before), 20, "all is pinned")
    until(lambda: 0 < c.status()["nodes"][0]["free"] < 64 * MB, 40,
          "the agent knows the disk")
    assert value(agent, "pinfold_agent_disk_low") == 0
    # An order that waits for its next attempt, when the disk fills.
    cid = make_cid()
    daemon.fault("pin/add", "answer", REFUSED, cid=cid, status=500)
    assert c.post(f"/pins/{cid}?replication=1").status == 200

    def error():
        told = c.get(f"/pins/{cid}").json()["peer_map"]
        return next(iter(told.values()))["error"]

    until(lambda: "no such block" in error(), 20, "it failed once")
    disk.fill(leave=MB)
    until(lambda: "E_NOSPC" in error(), 40, "it is refused")
    daemon.heal()
    calls = daemon.calls()["pin/add"]
    until(lambda: value(agent, "pinfold_agent_disk_low") == 1, 40, "low")
    # Which of the two marks it names depends on whether it was low already.
    assert re.search("free, less than [23] %", error()), error()
    assert agent.log_text().count("event=daemon_disk_low") == 1
    until(lambda: c.status()["nodes"][0]["state"] == "full", 20,
          "the coordinator knows")
    assert c.post(f"/pins/{cid}/recover").status == 200
    until(lambda: "E_NOSPC" in error(), 20, "it is refused again")
    assert c.delete(f"/pins/{before[0]}").status == 200
    until(lambda: daemon.pins() == {before[1]}, 20, "one is released")
    assert daemon.calls()["pin/add"] == calls
    # Between the two marks it refuses yet, and says that there is no room.
    disk.shrink(leave=MB * 64 // 40)
    for _ in range(3):
        assert MB * 64 // 50 < disk.free() < MB * 64 * 3 // 100
        assert value(agent, "pinfold_agent_free_bytes") == 0
        assert value(agent, "pinfold_agent_disk_low") == 1
        time.sleep(0.6)  # it looks once a second
    disk.clear()
    until(lambda: value(agent, "pinfold_agent_disk_low") == 0, 20,
          "there is room again")
    low, ok = (next(line for line in agent.log_text().splitlines()
                    if f"event=daemon_disk_{what}" in line)
               for what in ("low", "ok"))
    assert "E_NOSPC: the disk of" in low and "free, less than 2 %" in low, low
    assert "E_NOSPC" not in ok and "free, at least 3 %" in ok, ok
    assert c.post(f"/pins/{cid}/recover").status == 200
    until(lambda: cid in daemon.pins(), 40, "it is pinned after all")
