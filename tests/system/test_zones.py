"""Nodes in three zones: copies are spread, and stay so when a node is lost,
drained or added; nothing moves that need not. What the daemons hold and what
the API says are compared with each other."""

import json
import os
import re
import threading
import time

from cluster import pinfold
from process import until
from test_nodes import Reader, row
from wire import multipart

ZONES = ["a", "a", "b", "b", "c"]
WAITING = {"pinning", "pin_queued", "pin_error", "unpinning", "unpin_queued"}
SIZES = [7, 1_000, 30_000, 250_000, 300_000, 1_100_000]


def start(make_cluster, **more):
    cluster = make_cluster(start=False, nodes=len(ZONES), **more)
    for agent, zone in zip(cluster.agents, ZONES):
        agent.argv += ["--zone", zone]
    return cluster.start()


def pin(cluster, cid):
    answer = cluster.any().post(f"/pins/{cid}?replication=2")
    assert answer.status == 200, answer


def allocations(coordinator):
    """CID -> its line in the list, byte for byte."""
    answer = coordinator.get("/allocations", timeout=60)
    assert answer.status == 200, answer
    return {json.loads(x)["cid"]: x for x in answer.body.splitlines() if x}


def held(cluster, cids, first=()):
    """Number of each node that runs -> the pins of these that its daemon has.

    A copy that moves is made before the old one goes: whoever asks the node
    that it leaves first sees one of both at least.
    """
    order = list(first) + [d for d in cluster.daemons if d not in first]
    return {d.number: d.pins() & cids for d in order if d.alive()}


def holders(sets, cid):
    return [number for number, cids in sets.items() if cid in cids]


def spread(sets, cids):
    """Those that have not two copies in two zones."""
    zones = {cid: [(ZONES + ["c"])[n - 1] for n in holders(sets, cid)]
             for cid in cids}
    return {cid: z for cid, z in zones.items()
            if len(z) != 2 or len(set(z)) != 2}


def at_rest(cluster, number):
    """So many pins, and none waits for anything, as the leader sees it."""
    lines = cluster.leader().get("/pins", timeout=60).lines()
    words = [[v["status"] for v in x["peer_map"].values()] for x in lines]
    return len(lines) == number and all(
        w.count("pinned") == 2 and not WAITING & set(w) for w in words)


def lose(cluster, files, agent):
    """It falls for good; only its pins get another copy."""
    name, cids = f"node-{agent.number}", set(files)
    cluster.same_everywhere()
    before = allocations(cluster.any())
    had = held(cluster, cids)
    mine = had.pop(agent.number)
    assert 5 < len(mine) < len(cids) - 5
    agent.kill9()
    agent.daemon.kill9()

    def repaired():
        now = held(cluster, cids)
        for number, old in had.items():
            assert old <= now[number], f"node-{number} unpinned something"
        return not spread(now, cids) and \
            row(cluster.any(), name)["state"] == "out"

    until(repaired, 90, f"what {name} had is elsewhere, and it is out")
    until(lambda: at_rest(cluster, len(cids)), 60, "all pins are at rest")
    now = held(cluster, cids)
    for number, old in had.items():
        assert old <= now[number] and now[number] - old <= mine, number
    assert sum(map(len, now.values())) == 2 * len(cids)
    cluster.same_everywhere()
    for c in cluster.coordinators:
        after = allocations(c)
        assert after.keys() == before.keys()
        changed = {cid for cid in cids if after[cid] != before[cid]}
        assert changed == mine, (len(changed), len(mine))


def come_back(cluster, files, agent):
    """A third copy goes; two in two zones stay."""
    agent.daemon.start()
    agent.daemon.wait()
    cluster.connect_daemons()
    agent.start()
    cluster.wait_ready()
    until(lambda: not spread(held(cluster, set(files)), files) and
          at_rest(cluster, len(files)), 90, "the surplus is let go")


def drain(cluster, files, agent):
    """Read all the while through the other nodes; never fewer copies."""
    name, cids, leader = f"node-{agent.number}", set(files), cluster.leader()
    others = [a for a in cluster.agents if a is not agent]
    fewest, left = dict.fromkeys(cids, 9), []

    def look():
        sets = held(cluster, cids, first=[agent.daemon])
        for cid in cids:
            fewest[cid] = min(fewest[cid], len(holders(sets, cid)))
        left.append(len(sets[agent.number]))
        return left[-1]

    assert look() > 5
    reader = Reader(files, [a.daemon for a in others])
    reader.start()
    try:
        until(lambda: reader.reads > len(files), 60, "all was read once")
        # While nobody else can say that it holds a new copy, none may leave.
        for a in others:
            a.pause()
        assert leader.post(f"/api/v1/nodes/{name}/drain").status == 200
        end = time.monotonic() + 1.2  # before the others are suspect
        while time.monotonic() < end:
            look()
        for a in others:
            a.resume()
        assert left[-1] == left[0], left
        begun = reader.reads
        until(lambda: look() == 0 and row(leader, name)["copies"] == 0, 120,
              f"{name} is empty")
        until(lambda: reader.reads > begun + len(files), 60,
              "all was read once more")
        assert reader.is_alive()
    finally:
        reader.stop()
    assert min(fewest.values()) == 2, "a copy was given up too early"
    sets = held(cluster, cids)
    assert not spread(sets, cids) and not sets[agent.number]
    done = pinfold(cluster, "node", "drain", name, "--wait")
    assert done.stdout.endswith(f"{name}: drained\n"), done


def test_lost_and_drained(make_cluster):
    cluster = start(make_cluster)
    files = {}
    for i in range(10 * len(SIZES)):
        data = os.urandom(SIZES[i % len(SIZES)] + i)
        cid = cluster.daemons[i % len(ZONES)].add(data)
        files[cid] = data
        pin(cluster, cid)
    until(lambda: not spread(held(cluster, set(files)), files) and
          at_rest(cluster, len(files)), 90, "two copies in two zones")
    lose(cluster, files, cluster.agents[0])
    come_back(cluster, files, cluster.agents[0])
    drain(cluster, files, cluster.agents[2])
    cluster.same_everywhere()


# --- a node joins ------------------------------------------------------------
PINS, PIN_BYTES, THREADS = 900, 16_000, 6


def fill(cluster):
    """Equal pins, uploaded: their size is known when they are placed."""
    cids, wrong = [], []

    def client(first):
        try:
            for i in range(first, PINS, THREADS):
                headers, body = multipart(
                    {"f": i.to_bytes(4, "big") + bytes(PIN_BYTES - 4)})
                answer = cluster.coordinators[i % 3].post(
                    "/add?replication=2", body=body, headers=headers,
                    timeout=60)
                assert answer.status == 200, answer
                cids.append(answer.lines()[-1]["cid"])
        except (OSError, AssertionError) as e:
            wrong.append(e)

    threads = [threading.Thread(target=client, args=(i,))
               for i in range(THREADS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong, wrong[:3]
    return set(cids)


def figures(coordinator):
    """Name -> (used, capacity)."""
    return {n["name"]: (n["used"], n["capacity"])
            for n in coordinator.status()["nodes"]}


def test_a_node_joins(make_cluster):
    """It gets what the others must give, and not 1 % more: what must move at
    least, so that no node is above 1.05 of the mean, is computed here from
    what the nodes held before."""
    # What has moved is the leader's memory: it must stay the leader.
    cluster = start(make_cluster, agent_options={"max-bytes": "64M"},
                    options={"rebalance": "auto", "rebalance-rate": "0",
                             "election-timeout": "5s"})
    cids = fill(cluster)
    until(lambda: not spread(held(cluster, cids), cids) and
          at_rest(cluster, len(cids)), 180, "two copies in two zones")
    leader = cluster.leader()
    assert leader.status()["rebalance"]["moves"] == 0
    # Copies may move to it as soon as it is there.
    had = held(cluster, cids)
    before = figures(leader)
    agent = cluster.add_node("--zone", "c")
    cluster.wait_ready()
    name = f"node-{agent.number}"
    had[agent.number], before[name] = set(), (0, figures(leader)[name][1])
    mean = sum(u for u, _ in before.values()) / sum(
        c for _, c in before.values())
    over = {n: max(0, u - 1.05 * mean * c) for n, (u, c) in before.items()}
    bound, givers = sum(over.values()), sum(o > 0 for o in over.values())
    one = before["node-1"][0] / len(had[1])  # all are equal
    assert all(abs(u - one * len(had[int(n[5:])])) < 1
               for n, (u, _) in before.items()), (before, one)
    assert givers >= 4 and bound > 100 * one, (before, one)

    def ended():
        seen = leader.status()["rebalance"]
        return seen["moves"] > 0 and not seen["active"]

    until(ended, 180, "copies have moved")
    until(lambda: at_rest(cluster, len(cids)), 60, "all pins are at rest")
    moves = leader.status()["rebalance"]
    after, now = figures(leader), held(cluster, cids)
    moved = sum(len(now[n] - had[n]) for n in now) * one
    given = sum(max(0, u - after[n][0]) for n, (u, _) in before.items())
    print(f"moved {moved:.0f} by the daemons, {moves['moved_bytes']} by the "
          f"leader, lower bound {bound:.0f}: {moved / bound:.4f} of it")
    assert abs(given - moved) < 1, (given, moved, before, after)
    assert moved <= bound * 1.01, (moved, bound, one)
    assert moves["moved_bytes"] <= bound * 1.01, (moves, bound, one)
    assert moved >= bound - givers * one, "too little has moved"
    for name, (used, capacity) in after.items():
        assert used <= 1.05 * mean * capacity + one, (name, after)
    assert after[f"node-{agent.number}"][0] == len(now[6]) * one
    assert not spread(now, cids)
    cluster.same_everywhere()


# --- organisations -----------------------------------------------------------
LIMIT, ASKED = 12, 30


def of(org):
    return {"X-Pinfold-Org": org}


def make_orgs(cluster, *names):
    for name in names:
        answer = cluster.any().post(f"/api/v1/orgs?name={name}")
        assert answer.status == 200, answer
    until(lambda: all(set(names) <= {o["name"] for o in
                                     c.get("/api/v1/orgs").json()}
                      for c in cluster.coordinators), 20,
          "all coordinators know them")


def used(coordinator, org):
    quota = coordinator.get(f"/api/v1/orgs/{org}").json()["quota"]
    return {kind: x["used"] for kind, x in quota.items()}


def upload(cluster, org, i, size=20_000):
    headers, body = multipart({"f": os.urandom(size)})
    return cluster.coordinators[i % 3].post(
        "/add?replication=2", body=body, headers=headers | of(org),
        timeout=60)


def side_by_side(cluster, orgs, number):
    """So many uploads of each at the same time; what was answered."""
    answers = {org: [] for org in orgs}

    def client(org, first):
        for i in range(first, number, 3):
            answers[org].append(upload(cluster, org, i))

    threads = [threading.Thread(target=client, args=(org, i))
               for org in orgs for i in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(len(a) == number for a in answers.values())
    return answers


def cids_of(answers):
    return {a.lines()[-1]["cid"] for a in answers if a.status == 200}


def refused_with(answer, kind, figures):
    """403, and the three numbers."""
    found = re.search(r"over quota: organisation 'lab', " + kind +
                      r": used (\d+), requested (\d+), limit (\d+)",
                      answer.body.decode())
    assert answer.status == 403 and found, answer
    assert tuple(map(int, found.groups())) == figures, answer


def test_one_at_its_quota_while_another_goes_on(make_cluster):
    """On five nodes in three zones; the last one that fits is taken, none
    more, and the other organisation notices nothing."""
    cluster = start(make_cluster)
    make_orgs(cluster, "lab", "press")
    answer = cluster.any().post(f"/api/v1/orgs/lab/quota?pins={LIMIT}")
    assert answer.status == 200, answer
    answers = side_by_side(cluster, ["lab", "press"], ASKED)
    ours, theirs = cids_of(answers["lab"]), cids_of(answers["press"])
    assert (len(ours), len(theirs)) == (LIMIT, ASKED)
    for x in answers["lab"]:
        if x.status != 200:
            refused_with(x, "pins", (LIMIT, 1, LIMIT))

    def settled():
        sets = held(cluster, ours | theirs)
        return not spread(sets, ours | theirs) and \
            sum(map(len, sets.values())) == 2 * (LIMIT + ASKED)

    until(settled, 120, "both have two copies in two zones")
    until(lambda: all(used(c, "lab")["physical"] ==
                      2 * used(c, "lab")["logical"] > 2 * 20_000 * LIMIT
                      for c in cluster.coordinators), 60, "sizes are known")
    # The same by bytes, to the last one.
    lab = used(cluster.any(), "lab")
    one = lab["logical"] // LIMIT
    limit = lab["physical"] + 2 * one + 1
    answer = cluster.any().post(
        f"/api/v1/orgs/lab/quota?pins=none&physical={limit}")
    assert answer.status == 200, answer
    cluster.same_everywhere()  # each refuses uploads by what it knows
    before = [d.pins() for d in cluster.daemons]
    large = upload(cluster, "lab", 0, 5 * 20_000)
    assert large.status == 403, large
    wanted = int(re.search(rb"requested (\d+)", large.body)[1])
    assert 10 * 20_000 <= wanted < 10 * 21_000
    refused_with(large, "physical bytes", (lab["physical"], wanted, limit))
    until(lambda: [d.pins() for d in cluster.daemons] == before, 60,
          "nothing of it is pinned")
    assert upload(cluster, "lab", 1).status == 200
    assert upload(cluster, "lab", 2).status == 403
    assert upload(cluster, "press", 0, 5 * 20_000).status == 200
    until(lambda: all(used(c, "lab")["pins"] == LIMIT + 1 and
                      used(c, "lab")["physical"] <= limit and
                      used(c, "press")["pins"] == ASKED + 1
                      for c in cluster.coordinators), 20,
          "all coordinators say the same")
    cluster.same_everywhere()
