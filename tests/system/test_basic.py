"""One cluster without trouble: forming, the pin's life, every wire form."""

import json
import os
import time
from urllib.parse import quote

import pytest
from cluster import CALM, make_cid, until

OPTIONS = CALM  # no node falls: there are no alerts
PEER = "12D3KooW"
PIN_FIELDS = [
    "replication_factor_min", "replication_factor_max", "name", "mode",
    "shard_size", "user_allocations", "expire_at", "metadata", "pin_update",
    "origins", "cid", "type", "allocations", "max_depth", "reference",
    "timestamp"]
INFO_FIELDS = {"cid", "name", "allocations", "origins", "created",
               "metadata", "peer_map"}
NEVER = "0001-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def any_one(cluster):
    return cluster.any()


@pytest.fixture(scope="module")
def content(cluster):
    """CIDs of content that a daemon has; each is used by one test."""
    def more():
        while True:
            yield cluster.daemons[0].add(os.urandom(2000))

    made = more()
    return lambda: next(made)


def check_pin(pin, cid):
    assert list(pin) == PIN_FIELDS
    assert pin["cid"] == cid and pin["type"] == "pin"
    assert all(x.startswith(PEER) for x in pin["allocations"])
    for field in ("user_allocations", "origins", "allocations"):
        assert isinstance(pin[field], list)
    assert isinstance(pin["metadata"], dict)
    assert pin["timestamp"].endswith("Z") and pin["timestamp"] != NEVER


# --- forming -----------------------------------------------------------------

def test_all_agree(cluster):
    cluster.same_everywhere()
    assert len({c.status()["cluster"] for c in cluster.coordinators}) == 1

    def agree():  # each tells the others its role once a second
        views = [c.status() for c in cluster.coordinators]
        return len({v["leader"] for v in views}) == 1 and all(
            sorted(x["role"] for x in v["coordinators"]) ==
            ["follower", "follower", "leader"] for v in views)

    until(agree, 20, "all name one leader and two followers")


def test_probes(cluster):
    for c in cluster.coordinators:
        assert c.get("/livez").status == 200
        answer = c.get("/readyz")
        assert answer.status == 200 and answer.json()["ready"]
        assert answer.json()["applied"] > 0
        health = c.get("/health")
        assert health.status == 204 and health.body == b""


def test_metrics(any_one):
    answer = any_one.get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    for line in answer.text().splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            float(value)
            assert name.startswith(("pinfold_", "process_")), line


# --- id, version, peers, health ----------------------------------------------

def test_id(cluster):
    seen = set()
    for c in cluster.coordinators:
        me = c.get("/id").json()
        seen.add(me["id"])
        assert me["error"] == "" and me["ipfs"]["error"] == ""
        assert me["peername"] == c.options["name"]
        assert me["rpc_protocol_version"] == "/ipfscluster/1.0/rpc"
        assert me["cluster_peers"][0] == me["id"]
        assert len(me["cluster_peers"]) == 4
        assert me["ipfs"]["id"] in {d.id for d in cluster.daemons}
    assert len(seen) == 3 and all(x.startswith(PEER) for x in seen)


def test_version(any_one):
    answer = any_one.get("/version").json()
    assert set(answer) == {"version"} and answer["version"][0].isdigit()


def test_peers(cluster, any_one):
    answer = any_one.get("/peers")
    assert answer.status == 200
    peers = answer.lines()
    assert sorted(p["peername"] for p in peers) == ["node-1", "node-2",
                                                    "node-3"]
    by_name = {p["peername"]: p for p in peers}
    for d in cluster.daemons:
        peer = by_name[f"node-{d.number}"]
        assert peer["ipfs"]["id"] == d.id and peer["error"] == ""
        assert len(peer["cluster_peers"]) == 3


def test_health_graph(cluster, any_one):
    def complete():
        g = any_one.get("/health/graph").json()
        return g if all(len(v) == 2 for v in g["ipfs_links"].values()) else 0

    # An agent asks for what it missed half a minute later.
    graph = until(complete, 60, "every daemon's peers are known")
    assert sorted(graph["id_to_peername"].values()) == [
        "node-1", "node-2", "node-3"]
    keys = set(graph["cluster_links"])
    assert len(keys) == 3 and graph["cluster_id"] in keys
    assert all(set(v) <= keys for v in graph["cluster_links"].values())
    assert set(graph["cluster_to_ipfs"].values()) <= set(graph["ipfs_links"])
    assert set(graph["cluster_trust_links"].values()) == {True}


def test_health_metrics(any_one):
    names = any_one.get("/monitor/metrics").json()
    assert names == sorted(names)
    assert {"ping", "freespace", "reposize"} <= set(names)
    now = time.time_ns()
    for name in names:
        metrics = any_one.get(f"/monitor/metrics/{name}").json()
        assert len(metrics) == 3, name
        for m in metrics:
            assert m["name"] == name and m["valid"] is True
            assert isinstance(m["value"], str) and m["expire"] > now
            assert m["received_at"] <= time.time_ns()
    ping = any_one.get("/monitor/metrics/ping").json()[0]
    assert json.loads(ping["value"])["peer_name"].startswith("node-")
    assert any_one.get("/monitor/metrics/unknown").json() == []
    assert any_one.get("/health/alerts").json() == []
    assert isinstance(any_one.get("/health/bandwidth").json(), dict)


# --- pins --------------------------------------------------------------------

def test_pin_life(cluster, content):
    cid = content()
    for c, other in zip(cluster.coordinators,
                        cluster.coordinators[1:] + cluster.coordinators[:1]):
        answer = c.post(f"/pins/{cid}?replication=2&name=a%20name")
        assert answer.status == 200, answer
        check_pin(answer.json(), cid)
        assert answer.json()["name"] == "a name"
        assert len(answer.json()["allocations"]) == 2
        assert int(answer.headers["x-pinfold-index"]) > 0
        # What was written is read at once where it was written.
        got = c.get(f"/allocations/{cid}")
        assert got.status == 200 and got.json()["name"] == "a name"
        cluster.wait_pinned(cid, 2, where=other)
        gone = other.delete(f"/pins/{cid}")
        assert gone.status == 200
        check_pin(gone.json(), cid)
        until(lambda c=c: set(c.pin_states(cid).values()) == {"unpinned"},
              40, "it is unpinned everywhere")
        assert cluster.holders(cid) == []


def test_status_object(cluster, content, any_one):
    cid = content()
    any_one.post(f"/pins/{cid}?replication=2&meta-a=b&name=n")
    cluster.wait_pinned(cid, 2)
    info = any_one.get(f"/pins/{cid}").json()
    assert set(info) == INFO_FIELDS
    assert info["metadata"] == {"a": "b"} and info["name"] == "n"
    states = sorted(v["status"] for v in info["peer_map"].values())
    assert states == ["pinned", "pinned", "remote"]
    for peer, v in info["peer_map"].items():
        assert peer.startswith(PEER) and v["ipfs_peer_id"].startswith(PEER)
        assert v["error"] == "" and isinstance(v["attempt_count"], int)
        assert (peer in info["allocations"]) == (v["status"] == "pinned")


def test_default_replication(cluster, content, any_one):
    cid = content()
    pin = any_one.post(f"/pins/{cid}").json()
    assert (pin["replication_factor_min"],
            pin["replication_factor_max"]) == (2, 3)
    cluster.wait_pinned(cid, 3)


def test_pin_everywhere(cluster, content, any_one):
    cid = content()
    pin = any_one.post(
        f"/pins/{cid}?replication-min=-1&replication-max=-1").json()
    assert pin["allocations"] == []
    assert pin["replication_factor_min"] == -1
    cluster.wait_pinned(cid, 3)


def test_both_cid_versions_are_one_pin(cluster, any_one):
    from daemons import other_form
    v0 = cluster.daemons[1].add(os.urandom(1000), more="&raw-leaves=false")
    v1 = other_form(v0)
    assert any_one.post(f"/pins/{v0}?name=zero").json()["cid"] == v0
    again = any_one.get(f"/allocations/{v1}").json()
    assert again["cid"] == v1 and again["name"] == "zero"
    assert any_one.delete(f"/pins/{v1}").status == 200
    assert any_one.get(f"/allocations/{v0}").status == 404


def test_options_are_kept(cluster, content, any_one):
    cid = content()
    target = any_one.get("/peers").lines()[1]["id"]
    origin = f"/ip4/127.0.0.1/tcp/4001/p2p/{cluster.daemons[0].id}"
    query = (f"name=N&mode=recursive&replication-min=1&replication-max=2"
             f"&meta-k=v&meta-%C3%A9=%F0%9F%93%8C&shard-size=7"
             f"&expire-at=2100-01-02T03:04:05Z&user-allocations={target}"
             f"&origins={quote(origin)}")
    pin = any_one.post(f"/pins/{cid}?{query}").json()
    assert pin["metadata"] == {"k": "v", "é": "📌"}
    assert pin["expire_at"] == "2100-01-02T03:04:05Z"
    assert pin["user_allocations"] == [target]
    assert target in pin["allocations"]
    assert pin["origins"] == [origin]
    assert (pin["replication_factor_min"],
            pin["replication_factor_max"]) == (1, 2)
    stored = any_one.get(f"/allocations/{cid}").json()
    for field in PIN_FIELDS:
        if field not in ("timestamp", "allocations"):
            assert stored[field] == pin[field], field


def test_expiry(cluster, content, any_one):
    cid = content()
    assert any_one.post(f"/pins/{cid}?expire-in=6s").status == 200
    assert any_one.get(f"/allocations/{cid}").status == 200
    until(lambda: any_one.get(f"/allocations/{cid}").status == 404, 40,
          "the pin expires")
    until(lambda: cluster.holders(cid) == [], 40, "and is unpinned")


def test_update(cluster, content, any_one):
    old, new = content(), content()
    any_one.post(f"/pins/{old}?replication=2&name=first&meta-k=v")
    cluster.wait_pinned(old, 2)
    before = any_one.get(f"/allocations/{old}").json()
    answer = any_one.post(f"/pins/{new}?pin-update={old}")
    assert answer.status == 200, answer
    pin = answer.json()
    assert pin["name"] == "first" and pin["metadata"] == {"k": "v"}
    assert sorted(pin["allocations"]) == sorted(before["allocations"])
    assert cluster.wait_pinned(new, 2) == cluster.wait_pinned(old, 2)
    missing = any_one.post(f"/pins/{new}?pin-update={make_cid()}")
    assert missing.status == 404
    assert missing.message() == "pin is not part of the pinset"


def test_direct_and_recursive(cluster, content, any_one):
    cid = content()
    pin = any_one.post(f"/pins/{cid}?mode=direct&replication=1").json()
    assert pin["mode"] == "direct" and pin["max_depth"] == 0
    until(lambda: "pinned" in any_one.pin_states(cid).values(), 15,
          "it is pinned directly")
    assert any_one.post(f"/pins/{cid}?replication=1").status == 200
    cluster.wait_pinned(cid, 1)
    back = any_one.post(f"/pins/{cid}?mode=direct&replication=1")
    assert back.status == 409 and "recursive" in back.message()


def test_paths(cluster, any_one):
    folder = cluster.daemons[0].add_directory({"d/a": b"one", "d/b": b"two"})
    child = cluster.daemons[0].add(b"one")
    answer = any_one.post(f"/pins/ipfs/{folder}/a?replication=1")
    assert answer.status == 200 and answer.json()["cid"] == child, answer
    assert any_one.post(f"/pins/ipfs/{folder}").json()["cid"] == folder
    missing = any_one.post(f"/pins/ipfs/{folder}/nothing")
    assert missing.status == 500 and "IPFS error" in missing.message()
    bad = any_one.post("/pins/ipfs/xx/y")
    assert bad.status == 400
    assert bad.message().startswith("error parsing path: ")
    assert any_one.delete(f"/pins/ipfs/{folder}/a").json()["cid"] == child
    assert any_one.delete(f"/pins/ipfs/{folder}").status == 200


def test_unknown_cid(any_one):
    cid = make_cid()
    info = any_one.get(f"/pins/{cid}")
    assert info.status == 200
    assert set(any_one.pin_states(cid).values()) == {"unpinned"}
    assert info.json()["created"] == NEVER
    for answer in (any_one.get(f"/allocations/{cid}"),
                   any_one.delete(f"/pins/{cid}")):
        assert answer.status == 404
        assert answer.message() == "pin is not part of the pinset"


def test_recover(cluster, content, any_one):
    cid = content()
    any_one.post(f"/pins/{cid}?replication=2")
    cluster.wait_pinned(cid, 2)
    answer = any_one.post(f"/pins/{cid}/recover")
    assert answer.status == 200 and answer.json()["cid"] == cid
    unknown = make_cid()
    assert any_one.post(f"/pins/{unknown}/recover").status == 200
    assert any_one.post(f"/pins/{unknown}/recover?local=true").status == 404
    assert any_one.post("/pins/recover").status == 200


# --- lists and filters -------------------------------------------------------

ERRORS = {"cluster_error", "pin_error", "unpin_error"}
REFUSED = {"Message": "disk I/O", "Code": 0, "Type": "error"}


def errors_now(k):
    """(CID, status) of what failed, by a list."""
    answer = k.get("/pins")
    assert answer.status == 200 and answer.complete, answer
    return {(p["cid"], x["status"]) for p in answer.lines()
            for x in p["peer_map"].values() if x["status"] in ERRORS}


def errors_are_listed(k):
    """The filter gives what is in the whole list; what those are. Between two
    lists an attempt may begin or end: then all are asked for again."""
    def look():
        found = errors_now(k)
        lists = [{p["cid"] for p in k.get("/pins?filter=error" + more).lines()}
                 for more in ("", "&local=true")]
        return (found, lists) if errors_now(k) == found else None

    found, (every, local) = until(look, 40, "nothing moved meanwhile")
    assert every == {cid for cid, _ in found}
    assert local <= every
    return {status for _, status in found}


def test_errors_are_listed(make_cluster):
    """Of pins with work, with releases that fail, on a node that is away."""
    cluster = make_cluster(daemon="fake")
    k = cluster.any()
    cids = [make_cid() for _ in range(12)]
    for cid in cids:
        k.post(f"/pins/{cid}?replication=3")
    for cid in cids:
        cluster.wait_pinned(cid, 3)
    assert errors_are_listed(k) == set()
    stays, fails = cids[0], make_cid()
    for daemon in cluster.daemons:
        daemon.fault("pin/rm", "answer", REFUSED, cid=stays,
                     status=500)
        daemon.fault("pin/add", "answer", REFUSED, cid=fails,
                     status=500)
    k.post(f"/pins/{stays}?replication-min=2&replication-max=2")
    k.post(f"/pins/{fails}?replication=2")
    until(lambda: errors_are_listed(k) ==
          {"pin_error", "unpin_error"}, 60, "both failures")
    cluster.daemons[0].kill9()
    until(lambda: "cluster_error" in errors_are_listed(k), 60,
          "a daemon is down")
    listed = {p["cid"] for p in k.get("/pins?filter=cluster_error").lines()}
    assert len(listed) >= 12


def test_what_is_let_go_is_listed(make_cluster):
    """Surplus copies of pins that are settled else."""
    cluster = make_cluster(coordinators=1, daemon="fake")
    k = cluster.any()
    cids = [make_cid() for _ in range(4)]
    for cid in cids:
        k.post(f"/pins/{cid}?replication=3")
    for cid in cids:
        cluster.wait_pinned(cid, 3)
    query = "/pins?filter=unpinning,unpin_queued"
    assert k.get(query).lines() == []
    for daemon in cluster.daemons:
        daemon.fault("pin/rm", "delay", cid=cids[1], ms=10000)
    k.post(f"/pins/{cids[1]}?replication-min=2&replication-max=2")
    until(lambda: [p["cid"] for p in k.get(query).lines()] == [cids[1]], 60,
          "the copy that goes")
    states = list(k.pin_states(cids[1]).values())
    assert states.count("pinned") == 2, states
    until(lambda: k.get(query).lines() == [], 60, "it is gone")


def test_lists(cluster, content, any_one):
    cid, waiting = content(), make_cid()
    any_one.post(f"/pins/{cid}?replication=2")
    any_one.post(f"/pins/{waiting}?replication=1")
    cluster.wait_pinned(cid, 2)
    answer = any_one.get("/pins")
    listed = {p["cid"]: p for p in answer.lines()}
    assert answer.complete and cid in listed and waiting in listed
    assert "x-pinfold-index" in answer.headers
    assert answer.trailers["x-stream-error"] == ""
    for pin in any_one.get("/allocations").lines():
        check_pin(pin, pin["cid"])
    pinned = {p["cid"] for p in any_one.get("/pins?filter=pinned").lines()}
    assert cid in pinned and waiting not in pinned
    open_words = "pinning,pin_queued,queued,pin_error"
    todo = any_one.get(f"/pins?filter={open_words}").lines()
    assert waiting in {p["cid"] for p in todo}
    assert cid not in {p["cid"] for p in todo}
    two = any_one.get(f"/pins?cids={cid},{waiting}").lines()
    assert [p["cid"] for p in two] == [cid, waiting]
    local = any_one.get("/pins?local=true").lines()
    assert all(len(p["peer_map"]) == 1 for p in local)
    assert any_one.delete(f"/pins/{waiting}").status == 200


@pytest.mark.parametrize("query, status", [
    ("/pins?filter=foo", 400), ("/pins?filter=undefined", 400),
    ("/pins?filter=foo,pinned", 200), ("/pins?filter=", 200),
    ("/pins?filter=error", 200), ("/pins?cids=", 200),
    ("/pins?cids=xx", 400), ("/allocations?filter=foo", 400),
    ("/allocations?filter=foo,pin", 200), ("/allocations?filter=all", 200),
    ("/allocations?filter=pin%2Cmeta-pin", 200),
    ("/allocations?filter=shard-pin", 200),
])
def test_filters(any_one, query, status):
    answer = any_one.get(query)
    assert answer.status == status
    if status == 400:
        answer.message()
    if "shard-pin" in query:
        assert answer.lines() == []


# --- routes ------------------------------------------------------------------

@pytest.mark.parametrize("path", [
    "/id/", "/pins/?cids=&filter=pinned", "/peers/", "/allocations/?a=b"])
def test_trailing_slash(any_one, path):
    answer = any_one.get(path)
    assert answer.status == 307
    base, _, query = path.partition("?")
    want = base.rstrip("/") + ("?" + query if query else "")
    assert answer.headers["location"] == want


@pytest.mark.parametrize("path", [
    "/nothing", "/pins/a/b/c/d", "/", "/api/v1/nothing", "/pins/sync"])
def test_unknown_route(any_one, path):
    answer = any_one.get(path)
    assert answer.status in (404, 400, 405)
    answer.message()


@pytest.mark.parametrize("method, path, allow", [
    ("POST", "/id", "GET"), ("DELETE", "/pins", "GET"),
    ("PATCH", "/pins", "GET"), ("PUT", "/add", "POST"),
    ("POST", "/allocations", "GET"), ("GET", "/pins/recover", "POST"),
])
def test_wrong_method(any_one, method, path, allow):
    answer = any_one.call(method, path)
    if (method, path) == ("GET", "/pins/recover"):
        assert answer.status == 400  # it is read as a CID
        return
    assert answer.status == 405
    assert allow in answer.headers["allow"]
    answer.message()


def test_every_answer_is_json(any_one):
    for path in ("/id", "/version", "/peers", "/pins", "/allocations",
                 "/health", "/health/graph", "/monitor/metrics", "/nothing",
                 "/livez", "/readyz", "/api/v1/status"):
        answer = any_one.get(path)
        assert answer.headers["content-type"] == "application/json", path
