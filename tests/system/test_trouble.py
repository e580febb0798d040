"""Behaviour under trouble, with real processes that are killed."""

import os
import shutil
import threading
import time

import pytest
from cluster import CALM, make_cid, until
from load import Load, pin_many
from shiftclock import build

CYCLES = 5 if os.environ.get("PINFOLD_NIGHTLY") else 1


def have_all(cluster, cids, seconds=60):
    """Each coordinator lists each of them, and all stand at one state."""
    cluster.wait_ready(seconds, nodes=0)
    cluster.same_everywhere(seconds)
    for c in cluster.coordinators:
        missing = set(cids) - set(c.pins())
        assert not missing, f"{c.name} misses {len(missing)} of {len(cids)}"


# --- coordinators ------------------------------------------------------------

def shortest_gap(load, victim, bound):
    """Kills a coordinator while pins are made: seconds without any. Where the
    machine has other things to do, the best of three."""
    gaps = []
    for _ in range(3):
        before = load.count()
        until(lambda n=before: load.count() >= n + 50, 60, "the load runs")
        killed, since = victim(), time.monotonic()
        killed.kill9()
        until(lambda s=since: max(load.acknowledged.values()) > s + 0.5, 60,
              "pins are accepted again")
        before = load.count()
        until(lambda n=before: load.count() >= n + 100, 60,
              "the load goes on")
        gaps.append(load.longest_gap(since))
        killed.start()
        until(killed.ready, 60, f"{killed.name} is back")
        if gaps[-1] <= bound:
            break
    return min(gaps)


@pytest.mark.parametrize("cycle", range(CYCLES))
def test_leader_killed_under_load(make_cluster, cycle):
    cluster = make_cluster(daemon="fake", options=CALM)
    load = Load(cluster).start()
    gap = shortest_gap(load, cluster.leader, 3)
    acknowledged = load.stop()
    assert gap <= 3, f"no pin accepted for {gap:.2f} s"
    have_all(cluster, acknowledged)


def test_follower_killed_under_load(make_cluster):
    cluster = make_cluster(daemon="fake", options=CALM)
    load = Load(cluster).start()
    gap = shortest_gap(load, lambda: cluster.followers()[0], 1)
    acknowledged = load.stop()
    assert gap <= 1, f"no pin accepted for {gap:.2f} s"
    have_all(cluster, acknowledged)


class ListWatch(threading.Thread):
    """Reads a coordinator's lists all the time; what a 200 brought must be
    complete, whenever it came."""

    def __init__(self, coordinator, cids):
        super().__init__()
        self.c, self.cids = coordinator, set(cids)
        self.wrong, self.seen = [], {200: 0, 503: 0}
        self.finished = threading.Event()
        self.start()

    def run(self):
        while not self.finished.is_set():
            for path in ("/allocations", "/pins"):
                try:
                    answer = self.c.get(path, timeout=5)
                except OSError:
                    continue
                self.seen[answer.status] = self.seen.get(answer.status, 0) + 1
                if answer.status == 200:
                    got = {p["cid"] for p in answer.lines()}
                    if self.cids - got and answer.complete:
                        self.wrong.append((path, len(got)))
                elif answer.status == 503:
                    answer.message()

    def stop(self):
        self.finished.set()
        self.join(20)
        assert not self.wrong, f"{self.c.name} served {self.wrong[:3]}"
        assert set(self.seen) == {200, 503}, self.seen
        return self.seen


@pytest.mark.parametrize("cycle", range(CYCLES))
def test_all_killed_and_restarted(make_cluster, cycle):
    cluster = make_cluster(daemon="fake", options=CALM)
    cids = pin_many(cluster, 300)
    for c in cluster.coordinators:
        c.kill9()
    watches = [ListWatch(c, cids) for c in cluster.coordinators]
    # The first alone has a database full of pins, and must not show it.
    first, *others = cluster.coordinators
    first.start()
    until(lambda: first.get("/livez").status == 200, 60, "the first is up")
    until(lambda: watches[0].seen[503] >= 20, 60, "it refuses lists")
    assert not first.ready() and watches[0].seen[200] == 0
    assert first.get("/readyz").json()["reason"]
    assert first.post(f"/pins/{make_cid()}").status == 503
    for c in others:
        c.start()
    have_all(cluster, cids)
    until(lambda: all(w.seen[200] >= 2 for w in watches), 60,
          "all serve lists")
    for watch in watches:
        watch.stop()
    more = pin_many(cluster, 20)
    have_all(cluster, cids | more)


def test_restart_in_turn(make_cluster):
    """SIGTERM of each, one after the other, while pins are made."""
    cluster = make_cluster(daemon="fake", options=CALM)
    load = Load(cluster, rate=30).start()
    for c in cluster.coordinators:
        seen = load.count()
        until(lambda n=seen: load.count() >= n + 20, 60, "the load runs")
        assert c.terminate(60) == 0
        c.start()
        until(c.ready, 60, f"{c.name} is back")
    acknowledged = load.stop()
    have_all(cluster, acknowledged)


def test_sent_twice_applies_once(make_cluster):
    """The leader stands still while operations are on their way to it, so
    their origins send them again; a late copy must not undo what came
    after."""
    cluster = make_cluster(daemon="fake", options=CALM)
    kept, removed, wrong = [], [], []
    stop = threading.Event()

    def act(c, method, path):
        while True:
            try:
                answer = c.call(method, path, timeout=30)
            except OSError as e:
                wrong.append(e)
                return
            if answer.status != 503:
                break
        # After an unknown outcome the second attempt may find it done.
        if answer.status != 200 and not (method == "DELETE" and
                                         answer.status == 404):
            wrong.append(answer)

    def client(c, number):
        n = 0
        while not stop.is_set():
            cid, n = make_cid(), n + 1
            act(c, "POST", f"/pins/{cid}?replication=2&name=first")
            act(c, "POST", f"/pins/{cid}?replication=2&name=second")
            if n % 2:
                kept.append(cid)
            else:
                act(c, "DELETE", f"/pins/{cid}")
                removed.append(cid)

    followers = cluster.followers()
    threads = [threading.Thread(target=client, args=(followers[i % 2], i))
               for i in range(8)]
    for t in threads:
        t.start()
    try:
        for _ in range(3):
            done = len(kept)
            until(lambda n=done: len(kept) > n + 10, 60, "the clients work")
            leader = cluster.leader()
            leader.pause()
            until(lambda: any(c is not leader and
                              c.metric("pinfold_raft_leader") == 1
                              for c in cluster.coordinators
                              if c is not leader), 30, "another leads")
            leader.resume()
    finally:
        stop.set()
        for t in threads:
            t.join(90)
    assert not wrong, wrong[:3]
    cluster.wait_ready()
    cluster.same_everywhere()
    resent = sum(c.metric("pinfold_operations_resent_total")
                 for c in cluster.coordinators)
    assert resent > 0, "nothing was sent twice: the test shows nothing"
    for c in cluster.coordinators:
        pins = c.pins()
        assert not set(removed) & set(pins)
        assert {pins[cid]["name"] for cid in kept} == {"second"}


def test_follower_catches_up(make_cluster):
    cluster = make_cluster(daemon="fake", options=CALM)
    follower = cluster.followers()[0]
    follower.kill9()
    cids = pin_many(cluster, 600, coordinators=[
        c for c in cluster.coordinators if c is not follower])
    follower.start()
    have_all(cluster, cids)
    assert follower.metric("pinfold_raft_lagging") == 0
    assert follower.metric("pinfold_raft_installs_dropped_total") == 0


def test_lag_beyond_the_log(make_cluster):
    """Says so, serves nothing; and the way back of docs/operations.md."""
    # libraft 0.22.1, closed while it sends a snapshot to a follower that
    # does not take it, forgets what it has read of it.
    cluster = make_cluster(daemon="fake",
                           options={**CALM, "log-budget": "4M"},
                           library_leaks="libraft.so.0")
    follower = cluster.followers()[0]
    others = [c for c in cluster.coordinators if c is not follower]
    last = follower.index()
    follower.kill9()
    text = "&".join(f"meta-k{i}=" + "x" * 400 for i in range(20))
    cids = set()

    def beyond(c):
        """No entry that the follower lacks is in its log any more. The last
        snapshot may still be written, and until then the log is whole."""
        applied = c.metric("pinfold_raft_applied_index")
        return (applied - c.metric("pinfold_raft_log_entries") > last + 100
                and c.metric("pinfold_raft_snapshots_total") >= 2)

    # An entry holds as many pins as came at a time: so many that it takes.
    for _ in range(30):
        cids |= pin_many(cluster, 200, threads=4, coordinators=others,
                         query="replication=2&" + text)
        if all(beyond(c) for c in others):
            break
    assert all(beyond(c) for c in others)
    follower.start()
    until(lambda: follower.metric("pinfold_raft_lagging") == 1, 60,
          "it says that it lags")
    assert "event=lagging" in follower.log_text()
    ready = follower.get("/readyz")
    assert ready.status == 503 and "lags" in ready.json()["reason"]
    for path in ("/pins", "/allocations", "/pins/" + next(iter(cids))):
        assert follower.get(path).status == 503
    assert follower.post(f"/pins/{make_cid()}").status == 503
    cids |= pin_many(cluster, 20, coordinators=others)  # no harm to them

    assert follower.terminate(60) == 0
    healthy = others[0]
    assert healthy.terminate(60) == 0
    follower.take_state(healthy)
    healthy.start()
    follower.start()
    have_all(cluster, cids, seconds=90)
    assert follower.metric("pinfold_raft_lagging") == 0
    have_all(cluster, cids | pin_many(cluster, 20))


# --- nodes -------------------------------------------------------------------

def state_of(cluster, name):
    return next(n for n in cluster.any().status()["nodes"]
                if n["name"] == name)


class FewestCopies(threading.Thread):
    """The fewest daemons that ever held a pin while it watched."""

    def __init__(self, cluster, cid):
        super().__init__()
        self.cluster, self.cid, self.fewest = cluster, cid, 99
        self.finished = threading.Event()
        self.start()

    def run(self):
        while not self.finished.is_set():
            try:
                self.fewest = min(self.fewest,
                                  len(self.cluster.holders(self.cid)))
            except OSError:
                pass  # a daemon was killed between two looks
            self.finished.wait(0.05)

    def stop(self):
        self.finished.set()
        self.join(10)
        return self.fewest


@pytest.mark.parametrize("victim", ["agent", "daemon"])
def test_node_killed(make_cluster, victim):
    cluster = make_cluster(nodes=4)
    cid = cluster.daemons[0].add(os.urandom(100_000))
    cluster.any().post(f"/pins/{cid}?replication=2")
    name, stays = cluster.wait_pinned(cid, 2)
    agent = cluster.agent_of(name)
    killed = agent if victim == "agent" else agent.daemon

    def heard():
        """A moment not long after the last word of it."""
        now = time.monotonic()
        at = cluster.leader().metric(
            f'pinfold_node_last_beat_timestamp_seconds{{node="{name}"}}')
        return time.time() - at < 0.5 and now

    began = until(heard, 60, f"{name} was just heard of")
    killed.kill9()
    until(lambda: state_of(cluster, name)["state"] in ("suspect", "down"), 30,
          f"{name} is suspect")
    until(lambda: state_of(cluster, name)["state"] == "down", 30,
          f"{name} is down")
    assert time.monotonic() - began >= 3, "before its limit"
    status = cluster.any().pin_states(cid)
    assert status[name] == "cluster_error"

    def elsewhere():
        states = cluster.any().pin_states(cid)
        return [n for n, s in states.items()
                if s == "pinned" and n not in (name, stays)]

    (new,) = until(elsewhere, 60, "a copy is made elsewhere")
    assert cluster.agent_of(new).daemon.has(cid)
    watch = FewestCopies(cluster, cid)
    killed.start()
    if victim == "daemon":
        killed.wait()
        cluster.connect_daemons()
    until(lambda: state_of(cluster, name)["state"] == "ready", 60,
          f"{name} is back")
    cluster.wait_pinned(cid, 2, seconds=90)
    assert watch.stop() >= 2, "a copy was given up too early"


@pytest.mark.parametrize("victim", ["agent", "daemon"])
def test_every_coordinator_suspects(make_cluster, victim):
    """Also one that never led: what is not heard of is not called pinned."""
    cluster = make_cluster(daemon="fake",
                           options={"down-after": "60s", "out-after": "10m"})
    cid = make_cid()
    cluster.any().post(f"/pins/{cid}?replication=1")
    (name,) = cluster.wait_pinned(cid, 1)
    agent = cluster.agent_of(name)
    (agent if victim == "agent" else agent.daemon).kill9()

    def suspected(c):
        row = next(n for n in c.status()["nodes"] if n["name"] == name)
        return row["state"] == "suspect" and \
            c.pin_states(cid)[name] == "cluster_error"

    for c in cluster.coordinators:
        until(lambda: suspected(c), 60, f"{c.name} suspects {name}")


def test_surplus_waits_for_checks(make_cluster):
    """A node returns while another has silently lost its copy: nothing is
    released before that one has it again."""
    cluster = make_cluster(nodes=3, daemon="fake")
    cid = make_cid()
    cluster.any().post(f"/pins/{cid}?replication=2")
    name, other = cluster.wait_pinned(cid, 2)
    agent = cluster.agent_of(name)
    agent.kill9()
    until(lambda: len(cluster.holders(cid)) == 3, 60, "a third copy")
    until(lambda: list(cluster.any().pin_states(cid).values()).count(
        "pinned") == 2, 60, "the copies are reported")
    cluster.agent_of(other).daemon.lose(cid)
    watch = FewestCopies(cluster, cid)
    agent.start()
    cluster.wait_pinned(cid, 2, seconds=90)
    assert watch.stop() >= 2, "a copy was released on hearsay"


def test_lost_pin_is_made_again(make_cluster):
    cluster = make_cluster(agent_options={"recheck": "1s"}, options=CALM)
    cid = cluster.daemons[0].add(os.urandom(5000))
    cluster.any().post(f"/pins/{cid}?replication=3")
    cluster.wait_pinned(cid, 3)
    cluster.daemons[1].unpin(cid)
    until(lambda: cluster.daemons[1].has(cid), 60, "it is pinned again")
    cluster.wait_pinned(cid, 3)


def test_pin_lost_while_the_daemon_was_down(make_cluster):
    """The listing when a daemon comes back finds it, without a recheck."""
    cluster = make_cluster(daemon="fake", options=CALM)
    cids = pin_many(cluster, 30, query="replication=3")
    until(lambda: all(d.pins() >= cids for d in cluster.daemons), 30,
          "all is pinned")
    daemon, agent = cluster.daemons[0], cluster.agents[0]
    seen = agent.log_text().count("event=daemon_not_up")
    daemon.kill9()
    until(lambda: agent.log_text().count("event=daemon_not_up") > seen, 60,
          "the agent has seen it")
    daemon.start()  # a fake daemon forgets everything
    until(lambda: daemon.pins() >= cids, 60, "all is pinned again")


def test_strangers_pins_are_left_alone(make_cluster):
    cluster = make_cluster()
    data = os.urandom(3000)
    foreign = cluster.daemons[0].add(data, pin=True)
    adopted = cluster.daemons[1].add(os.urandom(3000), pin=True)
    k = cluster.any()
    k.post(f"/pins/{adopted}?replication=3")
    cluster.wait_pinned(adopted, 3)
    k.delete(f"/pins/{adopted}")
    until(lambda: cluster.holders(adopted) == ["node-2"], 60,
          "only the pin that was there before stays")
    # A direct pin that no listing has met yet: a recursive one would take
    # its place. Found by tests/sim.
    direct = cluster.daemons[2].add(os.urandom(3000))
    theirs = cluster.daemons[2].rpc(f"pin/add?arg={direct}&recursive=false")
    assert theirs.status == 200, theirs
    k.post(f"/pins/{direct}?replication=3")
    until(lambda: cluster.holders(direct) == ["node-1", "node-2"], 60,
          "the others pin it")
    until(lambda: b"a direct pin of someone else" in
          k.get(f"/pins/{direct}").body, 60, "the third one says why not")
    assert cluster.daemons[2].rpc(
        f"pin/ls?arg={direct}&type=direct").status == 200
    # With many of them no listing is shared: each is looked at alone.
    many = [cluster.daemons[2].add(os.urandom(100)) for _ in range(70)]
    for cid in many:
        cluster.daemons[2].rpc(f"pin/add?arg={cid}&recursive=false")
    for cid in many[:3] + many[-3:]:
        k.post(f"/pins/{cid}?replication=3")
    for cid in many[:3] + many[-3:]:
        until(lambda: cluster.holders(cid) == ["node-1", "node-2"], 60,
              "the others pin it")
        until(lambda: b"a direct pin of someone else" in
              k.get(f"/pins/{cid}").body, 60, "the third one says why not")
    agent = cluster.agents[0]
    agent.terminate()
    shutil.rmtree(agent.data)  # a new journal, a new key: full orders
    agent.start()
    until(lambda: "event=listed" in agent.log_text(since_start=True), 60,
          "the agent has looked at all pins")
    assert cluster.daemons[0].has(foreign)


def test_journal_lost(make_cluster):
    """An agent without its journal asks for all orders; no pin moves."""
    cluster = make_cluster(daemon="fake", options=CALM)
    cids = pin_many(cluster, 50, query="replication=3")
    until(lambda: all(d.pins() >= cids for d in cluster.daemons), 30,
          "all is pinned")
    agent = cluster.agents[1]
    agent.kill9()
    before = agent.daemon.calls()
    for name in os.listdir(agent.data):
        if name.startswith("journal.db"):
            os.remove(os.path.join(agent.data, name))
    agent.start()
    more = pin_many(cluster, 10, query="replication=3")
    until(lambda: agent.daemon.pins() >= cids | more, 30, "new orders come")
    after = agent.daemon.calls()
    assert after["pin/rm"] == before["pin/rm"]


def test_failure_that_ends_slowly(make_cluster, tmp_path):
    """The journal cannot be written, and a gateway's log cannot be waited for:
    the agent's end still is a failure."""
    library, log = build(str(tmp_path), "slowend"), tmp_path / "slow.log"
    if library is None:
        pytest.skip("there is no C compiler for slowend.c")
    cluster = make_cluster(start=False, coordinators=1, nodes=1,
                           daemon="fake", agent_options={"gateway-logs": log})
    agent, on = cluster.agents[0], tmp_path / "on"
    agent.env.update(LD_PRELOAD=library, SLOWEND=str(on))
    agent.env["ASAN_OPTIONS"] += ":verify_asan_link_order=0"
    cluster.start()
    on.write_text("")
    time.sleep(1)  # it looks for the log meanwhile
    assert cluster.any().post(f"/pins/{make_cid()}").status == 200
    assert agent.child.wait(20) == 1, agent.log_text()
    assert "event=journal_failed" in agent.log_text()
    assert "event=stop_now" in agent.log_text()
    on.unlink()
    agent.start()
    cluster.wait_ready()
