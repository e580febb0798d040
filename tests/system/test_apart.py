"""Journal and state apart: lost, damaged and old copies of what an agent and
the coordinators remember, and agents that belong to another cluster. Nothing
that is claimed, or that nobody ordered to be released, is ever unpinned; what
nobody orders any more is listed."""

import os
import shutil
import sqlite3
import time

import pytest
from cluster import Agent, Cluster, make_cid, pinfold, until


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


def claim(cluster, cids):
    cluster.wait_ready(20)
    for cid in cids:
        answer = cluster.coordinators[0].post(f"/pins/{cid}?replication=1")
        assert answer.status == 200, answer


def release(cluster, cids):
    for cid in cids:
        answer = cluster.coordinators[0].delete(f"/pins/{cid}")
        assert answer.status == 200, answer


def pin(cluster, n):
    cids = {make_cid() for _ in range(n)}
    claim(cluster, cids)
    pinned(cluster, cids)
    return cids


def orphans(cluster, node="node-1"):
    """CID -> "this" or "other"."""
    k, path = cluster.coordinators[0], f"/api/v1/nodes/{node}/orphans"
    until(lambda: k.get(path).status == 200, 40, "the node is connected")
    answer = k.get(path)
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


# --- the agent's journal -----------------------------------------------------

def journal(agent, end=""):
    return os.path.join(agent.data, "journal.db" + end)


def overwrite(path, at, data):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)


def sql(path, text):
    db = sqlite3.connect(path)
    db.executescript(text)
    db.close()


def lose(agent):
    for end in ("", "-wal", "-shm"):
        if os.path.exists(journal(agent, end)):
            os.remove(journal(agent, end))


def instead(agent, make):
    lose(agent)
    make(journal(agent))


def short(agent):
    size = os.path.getsize(journal(agent))
    os.truncate(journal(agent), size // 2 // 4096 * 4096 + 100)


def other_program(path):
    sql(path, "CREATE TABLE orders(x); CREATE TABLE t(y)")


# name: (what is done to it, whether the agent must say that it is damaged)
DAMAGES = {
    "deleted": (lose, False),
    "header": (lambda a: overwrite(journal(a), 0, bytes(100)), True),
    "a page in the middle": (lambda a: overwrite(
        journal(a), os.path.getsize(journal(a)) // 8192 * 4096,
        os.urandom(4096)), True),
    "all but the header": (lambda a: overwrite(
        journal(a), 4096, b"x" * (os.path.getsize(journal(a)) - 4096)), True),
    "cut short": (short, True),
    "no bytes": (lambda a: os.truncate(journal(a), 0), False),
    "a newer form": (lambda a: sql(journal(a), "PRAGMA user_version = 99"),
                     True),
    "of another program": (lambda a: instead(a, other_program), True),
    "a directory": (lambda a: instead(a, os.mkdir), True),
    "an order": (lambda a: sql(
        journal(a), "UPDATE orders SET cid = x'00' WHERE pin % 7 = 0"), True),
    "no head": (lambda a: sql(journal(a), "DELETE FROM head"), True),
}


def test_damaged_journals(one):
    daemon, agent = one.daemons[0], one.agents[0]
    cids = pin(one, 150)
    for what, (damage, said) in DAMAGES.items():
        assert agent.terminate() == 0
        before = removals(daemon)
        damage(agent)
        agent.start()
        listed(agent)
        new = pin(one, 1)
        log = agent.log_text(since_start=True)
        assert ("event=journal_damaged" in log) == said, what
        assert "event=full_orders" in log, what
        assert removals(daemon) == before, what
        assert cids | new <= daemon.pins(), what
        release(one, new)
        until(lambda n=new: not n & daemon.pins(), 20,
              f"{what}: what was released goes")
        assert removals(daemon) == before + 1, what
    assert not orphans(one)
    pinned(one, cids)


def test_journal_lost_while_running_and_without_its_wal(one):
    daemon, agent = one.daemons[0], one.agents[0]
    cids = pin(one, 20)
    before = removals(daemon)
    lose(agent)  # the open files live on
    cids |= pin(one, 5)
    agent.kill9()
    agent.start()
    cids |= pin(one, 5)
    agent.kill9()
    for end in ("-wal", "-shm"):
        if os.path.exists(journal(agent, end)):
            os.remove(journal(agent, end))
    agent.start()
    cids |= pin(one, 5)
    pinned(one, cids)
    assert removals(daemon) == before and not orphans(one)


def released_but_not_gone(cluster, cid):
    """The order to release it is in the journal, and cannot be done."""
    daemon, agent = cluster.daemons[0], cluster.agents[0]
    until(agent.knows_daemon, 20, "before that it gets no orders")
    daemon.ctl("down?on=true")
    until(lambda: "event=daemon_not_up" in
          agent.log_text(since_start=True), 20, "the daemon is down")
    release(cluster, {cid})

    def ordered():
        # The agent keeps its journal to itself: a copy is looked at.
        copy = journal(agent) + ".copy"
        for end in ("", "-wal"):
            shutil.copyfile(journal(agent, end), copy + end)
        db = sqlite3.connect(copy)
        try:
            return db.execute("SELECT count(*) FROM orders "
                              "WHERE want = 0").fetchone()[0] == 1
        except sqlite3.DatabaseError:
            return False  # copied in the middle of a write
        finally:
            db.close()
            for end in ("", "-wal", "-shm"):
                if os.path.exists(copy + end):
                    os.remove(copy + end)

    until(ordered, 20, "the order is in the journal")
    assert agent.terminate() == 0
    daemon.ctl("down?on=false")


@pytest.mark.parametrize("what", ["journal", "whole directory"])
def test_old_copy_of_the_agent(tmp_path, what):
    """Pins made, released, and claimed again since the copy was made."""
    cluster = small(tmp_path)
    try:
        cluster.start()
        daemon, agent = cluster.daemons[0], cluster.agents[0]
        k = cluster.coordinators[0]
        cids = pin(cluster, 20)
        gone, again, pending, *_ = sorted(cids)
        listed(agent)
        agent.restart()
        released_but_not_gone(cluster, pending)
        copy = copy_of(agent.data)
        agent.start()
        release(cluster, {gone, again})
        until(lambda: not {gone, again, pending} & daemon.pins(), 20,
              "all three are gone")
        cids = (cids - {gone}) | pin(cluster, 20)
        claim(cluster, {again, pending})
        pinned(cluster, {again, pending})
        assert agent.terminate() == 0
        before = removals(daemon)
        if what == "journal":
            lose(agent)
            shutil.copy(os.path.join(copy, "journal.db"), journal(agent))
        else:
            put_back(copy, agent.data)
        agent.start()
        cids |= pin(cluster, 3)
        pinned(cluster, cids)
        listed(agent)
        assert removals(daemon) == before
        # It may have been pinned once more before the new orders came.
        assert set(orphans(cluster)) == daemon.pins() - cids <= {gone}
        assert len(k.status()["nodes"]) == 1
    finally:
        closed([cluster])


def test_old_copy_that_knows_nothing_of_a_loss(tmp_path):
    """The state was told that a pin is lost; the copy of the journal is from
    before, and the daemon holds the pin again."""
    cluster = small(tmp_path)
    try:
        cluster.start()
        daemon, agent = cluster.daemons[0], cluster.agents[0]
        k = cluster.coordinators[0]
        cids = pin(cluster, 5)
        lost = min(cids)
        name = {p["cid"]: p["name"] for p in daemon.ctl("pins", "GET").lines()
                }[lost]
        listed(agent)
        assert agent.terminate() == 0
        copy = copy_of(agent.data)
        daemon.fault("pin/add", "stall", cid=lost)
        daemon.lose(lost)
        agent.start()

        def missed():
            peers = k.get(f"/pins/{lost}").json()["peer_map"].values()
            return any(v["status"] not in ("pinned", "remote") for v in peers)

        until(missed, 20, "the state knows that it is lost")
        agent.kill9()
        daemon.heal()
        foreign(daemon, name, lost)
        put_back(copy, agent.data)
        agent.start()
        pinned(cluster, cids)
        assert "event=journal_old" in agent.log_text(since_start=True)
        agent.restart()
        pinned(cluster, cids | pin(cluster, 1))
        assert "event=journal_old" not in agent.log_text(since_start=True)
        assert removals(daemon) == 0 and not orphans(cluster)
    finally:
        closed([cluster])


def test_directory_from_before_the_first_orders(tmp_path):
    cluster = small(tmp_path)
    try:
        agent, daemon = cluster.agents[0], cluster.daemons[0]
        for p in (daemon, agent):  # no coordinator yet
            p.start()
        until(lambda: "event=daemon_up" in agent.log_text(), 20, "it is up")
        assert agent.terminate() == 0
        copy = copy_of(agent.data)
        cluster.coordinators[0].start()
        agent.start()
        cluster.wait_ready()
        cids = pin(cluster, 10)
        assert agent.terminate() == 0
        put_back(copy, agent.data)
        agent.start()
        pinned(cluster, cids | pin(cluster, 2))
        assert removals(daemon) == 0 and not orphans(cluster)
    finally:
        closed([cluster])


# --- coordinators from older copies ------------------------------------------

def test_all_coordinators_restored(tmp_path):
    """What was claimed since the copy was made is kept and listed; numbers
    of pins come again with other content."""
    cluster = small(tmp_path, nodes=2)
    try:
        cluster.start()
        (k,), agent = cluster.coordinators, cluster.agents[0]
        kept = {make_cid() for _ in range(12)}
        for cid in kept:
            assert k.post(f"/pins/{cid}?replication=2").status == 200
        both = [d.pins for d in cluster.daemons]
        until(lambda: all(kept <= pins() for pins in both), 20, "pinned")
        pinned(cluster, kept)
        assert k.terminate() == 0
        copy = copy_of(k.data)
        k.start()
        cluster.wait_ready()
        since = {make_cid() for _ in range(15)}
        for cid in since:
            assert k.post(f"/pins/{cid}?replication=2").status == 200
        until(lambda: all(since <= pins() for pins in both), 20, "pinned")
        pinned(cluster, since)
        released = set(sorted(kept)[:2])
        release(cluster, released)
        until(lambda: not released & (both[0]() | both[1]()), 20, "gone")
        assert k.terminate() == 0
        before = [removals(d) for d in cluster.daemons]
        put_back(copy, k.data)
        agent.restart()  # the other one goes on
        k.start()
        cluster.wait_ready()
        # Claimed in the state that was restored: pinned again. That state
        # calls all of them pinned before the agent has looked.
        until(lambda: kept <= both[0](), 40, "they are pinned again")
        pinned(cluster, kept)
        new = {make_cid() for _ in range(20)}
        claim_on(cluster, new, "node-1")
        assert set(k.pins()) == kept | new
        until(lambda: set(orphans(cluster)) == since, 20, "they are listed")
        for daemon, n in zip(cluster.daemons, before):
            assert removals(daemon) == n and since <= daemon.pins()
        # Claimed again they are just taken over.
        calls = cluster.daemons[0].calls()["pin/add"]
        again = set(sorted(since)[:3])
        claim_on(cluster, again, "node-1")
        assert cluster.daemons[0].calls()["pin/add"] == calls
        assert set(orphans(cluster)) == since - again
        # The other agent obeys, too, and unpins nothing either.
        until(lambda: "event=full_orders" in
              cluster.agents[1].log_text().rsplit("goodbye", 1)[-1], 60,
              "it takes orders of the restored state")
        until(lambda: kept <= both[1](), 40, "it pins them again, too")
        pinned(cluster, kept, node="node-2")
        assert removals(cluster.daemons[1]) == before[1]
        assert set(orphans(cluster, "node-2")) >= since - again
    finally:
        closed([cluster])


def test_one_coordinator_restored(tmp_path):
    """It has forgotten what it promised: the others do not let it in, and
    nothing that was acknowledged is lost."""
    cluster = Cluster(tmp_path, nodes=0, daemon="fake")
    try:
        cluster.start()
        one = cluster.followers()[0]
        others = [k for k in cluster.coordinators if k is not one]
        assert one.terminate() == 0
        old = copy_of(one.data)
        one.start()
        cluster.add_node()
        cluster.wait_ready()
        cids = {make_cid() for _ in range(10)}
        for cid in cids:
            assert one.post(f"/pins/{cid}?replication=1").status == 200
        assert one.terminate() == 0
        newest = one.data + ".newest"
        shutil.copytree(one.data, newest)
        put_back(old, one.data)
        one.start()
        until(lambda: all("older copy of its data" in k.log_text()
                          for k in others), 20, "the others refuse it")
        assert one.get("/readyz").status == one.get("/pins").status == 503
        assert one.get("/readyz").json()["reason"]
        # Nor when it was started more often than what it was copied from.
        for _ in range(2):
            assert one.terminate() == 0
            one.start()
            until(lambda: one.get("/readyz").json()["reason"], 40, "it runs")
            end = time.monotonic() + 3
            while time.monotonic() < end:  # let in, it is ready in one
                assert one.get("/readyz").status == 503
                time.sleep(0.1)
        # With what it had it is let in.
        assert one.terminate() == 0
        put_back(newest, one.data)
        one.start()
        cluster.wait_ready()
        cluster.same_everywhere()
        for k in cluster.coordinators:
            assert set(k.pins()) == cids
    finally:
        closed([cluster])


def claim_on(cluster, cids, name):
    k = cluster.coordinators[0]
    peer = next(x["peer"] for x in k.status()["nodes"] if x["name"] == name)
    for cid in cids:
        answer = k.post(f"/pins/{cid}?replication=1&user-allocations={peer}")
        assert answer.status == 200, answer
    pinned(cluster, cids, node=name)


def test_cluster_formed_anew(tmp_path):
    cluster = small(tmp_path)
    try:
        cluster.start()
        (k,), daemon = cluster.coordinators, cluster.daemons[0]
        old = pin(cluster, 15)
        assert k.terminate() == 0
        shutil.rmtree(k.data)
        k.start()
        cluster.wait_ready()
        new = pin(cluster, 10)
        assert removals(daemon) == 0 and daemon.pins() == old | new
        assert orphans(cluster) == {cid: "other" for cid in old}
        # Adopted, and left to their owner again.
        some = set(sorted(old)[:3])
        claim(cluster, some)
        pinned(cluster, some)
        release(cluster, some | set(sorted(new)[:1]))
        until(lambda: removals(daemon) == 1, 20, "ours is released")
        until(lambda: not some & set(k.pins()), 20, "they are forgotten")
        assert old <= daemon.pins()
    finally:
        closed([cluster])


# --- agents and clusters -----------------------------------------------------

def at(agent, *clusters):
    """Where the agent's --coordinators lead from its next start on."""
    where = agent.argv.index("--coordinators") + 1
    agent.argv[where] = ",".join(f"127.0.0.1:{k.agents}" for c in clusters
                                 for k in c.coordinators)


def moved(agent, to):
    assert agent.terminate() == 0
    at(agent, to)
    agent.start()
    k = to.coordinators[0]
    until(lambda: any(n["connected"] and n["state"] == "ready" and
                      n["name"] == "node-1" for n in k.status()["nodes"]), 30,
          "the node is ready in the other cluster")
    listed(agent)


def test_agent_moves_to_another_cluster_and_back(tmp_path):
    first, second = small(tmp_path / "a"), small(tmp_path / "b", nodes=0)
    try:
        first.start()
        second.start()
        daemon, agent = first.daemons[0], first.agents[0]
        second.daemons, second.agents = [daemon], [agent]
        own = foreign(daemon, "mine")
        claim(first, {own})
        ours = pin(first, 20)
        # Released and pinned orders that are not carried out when it leaves.
        late = sorted(ours)[0]
        agent.restart()
        released_but_not_gone(first, late)
        before = removals(daemon)
        moved(agent, second)
        theirs = pin(second, 25)  # the same numbers, other content
        shared = set(sorted(ours)[1:4])
        claim(second, shared)
        pinned(second, shared)
        assert removals(daemon) == before
        assert daemon.pins() == ours | theirs | {own}
        assert orphans(second) == {cid: "other" for cid in ours}
        release(second, set(sorted(shared)[:1]) | set(sorted(theirs)[:1]))
        until(lambda: removals(daemon) == before + 1, 20, "theirs goes")
        theirs &= daemon.pins()
        assert len(theirs) == 24 and ours <= daemon.pins()

        added = daemon.calls()["pin/add"]
        moved(agent, first)
        until(lambda: late not in daemon.pins(), 20, "what it was to release")
        ours -= {late}
        pinned(first, ours | {own})
        assert daemon.calls()["pin/add"] == added, "nothing is pinned anew"
        assert removals(daemon) == before + 2
        assert orphans(first) == {cid: "other" for cid in theirs}
        assert daemon.pins() == ours | theirs | {own}
        # Ours is ours and released as such; what we adopted stays its owner's.
        some = set(sorted(shared))
        release(first, some | {own})
        until(lambda: not some & daemon.pins(), 20, "they are released")
        assert own in daemon.pins() and theirs <= daemon.pins()
        k = second.coordinators[0]
        assert set(k.pins()) >= theirs
    finally:
        second.agents, second.daemons = [], []
        closed([first, second])


def test_two_clusters_beside_one_daemon(tmp_path):
    first, second = small(tmp_path / "a"), small(tmp_path / "b", nodes=0)
    try:
        first.start()
        daemon = first.daemons[0]
        second.daemons = [daemon]
        second.agents = [Agent(second, 1, daemon, second.agent_options)]
        second.coordinators[0].start()
        second.agents[0].start()
        second.wait_ready()
        a, b = pin(first, 10), pin(second, 10)
        shared = {make_cid() for _ in range(4)}
        claim(first, shared)
        pinned(first, shared)
        claim(second, shared)
        pinned(second, shared)
        assert orphans(first) == {cid: "other" for cid in b}
        assert orphans(second) == {cid: "other" for cid in a | shared}
        release(second, b | shared)
        until(lambda: not b & daemon.pins(), 20, "the second lets go")
        assert a | shared <= daemon.pins()
        release(first, shared)
        until(lambda: not shared & daemon.pins(), 20, "the first lets go")
        assert daemon.pins() == a
    finally:
        second.daemons = []
        closed([first, second])


def test_two_clusters_in_one_list(tmp_path):
    """The agent stays with the one whose orders it holds."""
    first, second = small(tmp_path / "a"), small(tmp_path / "b", nodes=0)
    try:
        first.start()
        second.start()
        agent, daemon = first.agents[0], first.daemons[0]
        ours = pin(first, 5)
        assert agent.terminate() == 0
        at(agent, first, second)
        agent.start()
        until(lambda: "event=coordinator_refused" in agent.log_text(), 30,
              "it says that the other is of another cluster")
        ours |= pin(first, 3)
        assert removals(daemon) == 0 and not orphans(first)
    finally:
        closed([first, second])
