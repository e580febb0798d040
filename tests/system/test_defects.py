"""Defects that were measured in IPFS Cluster, one test each: D1 to D5."""

import threading

import pytest
from cluster import make_cid, until
from load import Load, pin_many

NEVER = "0001-01-01T00:00:00Z"


def same_pins(cluster):
    """All coordinators' allocations, read while they stand at one state."""
    cluster.wait_ready(60, nodes=0)
    cluster.same_everywhere()

    def look():
        before = {c.index() for c in cluster.coordinators}
        lists = [c.pins() for c in cluster.coordinators]
        after = {c.index() for c in cluster.coordinators}
        return lists if len(before | after) == 1 else None

    first, *others = until(look, 60, "nothing changed meanwhile")
    for other in others:
        assert other == first
    return first


def test_d1_options_do_not_leak(make_cluster):
    """Name, metadata, expiry, mode and factors of one pin never show up in
    the next that leaves them out; after a replay of the log neither."""
    cluster = make_cluster(daemon="fake")
    full = ("name=loud&meta-k=v&expire-at=2100-01-01T00:00:00Z&replication=1"
            "&origins=/ip4/127.0.0.1/tcp/1/p2p/" +
            cluster.any().get("/id").json()["id"])
    dressed, plain = [], []
    for i in range(60):
        c = cluster.coordinators[i % 3]
        cid = make_cid()
        query, group = (full, dressed) if i % 2 == 0 else ("", plain)
        assert c.post(f"/pins/{cid}?{query}").status == 200
        group.append(cid)

    def check():
        pins = same_pins(cluster)
        for cid in plain:
            p = pins[cid]
            assert (p["name"], p["metadata"], p["expire_at"], p["origins"],
                    p["mode"]) == ("", {}, NEVER, [], "recursive")
            assert p["replication_factor_min"] == 2
            assert p["replication_factor_max"] == 3
        for cid in dressed:
            p = pins[cid]
            assert (p["name"], p["metadata"]) == ("loud", {"k": "v"})
            assert p["expire_at"] == "2100-01-01T00:00:00Z"
            assert len(p["origins"]) == 1
            assert p["replication_factor_max"] == 1

    check()
    for c in cluster.coordinators:
        c.kill9()
    for c in cluster.coordinators:
        c.start()
    check()


def test_d2_copies_are_where_they_were_placed(make_cluster):
    """After a load run each daemon holds exactly what is allocated to its
    node: nothing missing, nothing surplus, without any recover."""
    cluster = make_cluster(daemon="fake", options={  # none is passed over
        "suspect-after": "60s", "down-after": "120s", "out-after": "300s"})
    cids = pin_many(cluster, 600, threads=12)
    name_of = {p["id"]: p["peername"]
               for p in cluster.any().get("/peers").lines()}

    def wrong():
        wanted = {f"node-{d.number}": set() for d in cluster.daemons}
        for cid, pin in cluster.any().pins().items():
            assert len(set(pin["allocations"])) == 2
            for peer in pin["allocations"]:
                wanted[name_of[peer]].add(cid)
        return {n: len(wanted[n] ^ d.pins()) for n, d in
                ((f"node-{d.number}", d) for d in cluster.daemons)}

    until(lambda: not any(wrong().values()), 60, "wanted equals held")
    assert len(cids) >= 600
    counts = [len(d.pins()) for d in cluster.daemons]
    assert max(counts) - min(counts) < len(cids) * 0.25, counts


@pytest.mark.parametrize("victims", [1, 3])
def test_d3_acknowledged_is_durable(make_cluster, victims):
    cluster = make_cluster(daemon="fake")
    load = Load(cluster, threads=6, rate=0).start()
    until(lambda: load.count() >= 100, 30, "the load runs")
    chosen = cluster.coordinators if victims == 3 else [cluster.leader()]
    for c in chosen:
        c.kill9()
    acknowledged = load.stop()
    for c in chosen:
        c.start()
    missing = acknowledged - set(same_pins(cluster))
    assert not missing, f"{len(missing)} of {len(acknowledged)}"


def test_d4_reads_see_the_own_writes(make_cluster):
    cluster = make_cluster(daemon="fake")
    wrong = []

    def client(c):
        for _ in range(40):
            cid = make_cid()
            if c.post(f"/pins/{cid}?replication=2").status != 200:
                wrong.append((c.name, "post", cid))
            if c.get(f"/allocations/{cid}").status != 200:
                wrong.append((c.name, "read", cid))
            if set(c.pin_states(cid).values()) == {"unpinned"}:
                wrong.append((c.name, "status", cid))

    threads = [threading.Thread(target=client, args=(c,))
               for c in cluster.coordinators for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not wrong, wrong[:5]
    assert len(same_pins(cluster)) == 240
    assert {c.status()["pins"] for c in cluster.coordinators} == {240}


def test_d5_no_old_list_after_a_restart(make_cluster):
    """A coordinator that missed pins while it was away, and comes back when
    nobody can tell it so, must not serve what it has."""
    cluster = make_cluster(daemon="fake")
    old = pin_many(cluster, 50)
    late = cluster.followers()[0]
    late.kill9()
    others = [c for c in cluster.coordinators if c is not late]
    new = pin_many(cluster, 50, coordinators=others)
    for c in others:
        c.kill9()
    late.start()
    until(lambda: late.get("/livez").status == 200, 40, "it is up")
    for _ in range(30):
        ready = late.get("/readyz")
        assert ready.status == 503 and not ready.json()["ready"]
        assert "applied" in ready.json() and ready.json()["reason"]
        for path in ("/pins", "/allocations"):
            answer = late.get(path)
            assert answer.status == 503 and answer.message()
            assert "retry-after" in answer.headers
    for c in others:
        c.start()
    until(late.ready, 60, "it has caught up")
    answer = late.get("/allocations")
    assert old | new <= {p["cid"] for p in answer.lines()}
    assert int(answer.headers["x-pinfold-index"]) > 0
    assert int(answer.trailers["x-pinfold-index"]) >= int(
        answer.headers["x-pinfold-index"])
