"""The Pinning Service API v1.0.0 at its own door: what its compliance suite
does not look at."""

import concurrent.futures
import itertools
import json
import re

import pytest
from cluster import Cluster, make_cid, pinfold
from process import until
from psa import STATUSES, Client, check_failure, make_token
from wire import Answer, raw_request, request

PEER = "12D3KooWShd9FjdJgs6oRoqxJ5GmAVQdEJwekRrKLsgY1hrC2y3K"
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    c = Cluster(tmp_path_factory.mktemp("psa"), daemon="fake")
    try:
        c.start()
        yield c
    finally:
        wrong = c.close()
        if wrong:
            pytest.fail("\n".join(wrong) + "\n" + c.logs(25), pytrace=False)


@pytest.fixture
def api(cluster):
    """Somebody new, at the first coordinator."""
    c = cluster.coordinators[0]
    client = Client(c, make_token(c, f"user-{next(numbers)}"))
    for other in cluster.coordinators:  # a follower hears of it a little later
        until(lambda o=other: client.at(o).call("GET", "/pins").status == 200,
              20, "the token is known")
    return client


def test_who_asks(cluster, api):
    c = cluster.coordinators[0]
    for method, path in (("GET", "/pins"), ("POST", "/pins"),
                         ("GET", "/pins/x"), ("DELETE", "/pins/x"),
                         ("GET", "/nothing"), ("PUT", "/pins")):
        for token in ("", "purposefullyInvalid", api.token[:-1]):
            answer = request(c.pinning, method, path, headers={
                "Authorization": f"Bearer {token}"} if token else {})
            check_failure(answer, 401, "UNAUTHORIZED")
            assert answer.headers["www-authenticate"].startswith("Bearer ")
    answer = request(c.pinning, "GET", "/pins",
                     headers={"Authorization": "Basic YTpi"})
    check_failure(answer, 401, "UNAUTHORIZED")
    check_failure(api.call("GET", "/nothing"), 404, "NOT_FOUND")
    check_failure(api.call("GET", "/pins/"), 404, "NOT_FOUND")
    answer = api.call("PUT", "/pins")
    check_failure(answer, 405, "METHOD_NOT_ALLOWED")
    assert "POST" in answer.headers["allow"]
    reader = Client(c, make_token(c, "reader", verbs="read"))
    assert reader.list() == {"count": 0, "results": []}
    check_failure(reader.call("POST", "/pins", {"cid": make_cid()}), 403,
                  "FORBIDDEN")
    # What is no HTTP gets an answer of the same form.
    check_failure(request(c.pinning, "GET", "/pins", headers={
        "Authorization": "x" * 40000}), 431)


def test_life_of_a_request(cluster, api):
    cid = make_cid()
    a = api.add(cid, name="Größe", meta={"k": "v", "": "ü"})
    assert a["pin"] == {"cid": cid, "name": "Größe", "origins": [],
                        "meta": {"": "ü", "k": "v"}}
    assert a["status"] in ("queued", "pinning", "pinned")
    b = api.add(cid)
    assert b["requestid"] != a["requestid"] and "name" not in b["pin"]
    assert b["created"] > a["created"]
    api.pinned(a["requestid"])
    s = api.get(b["requestid"])
    assert s["status"] == "pinned" and s["created"] == b["created"]
    assert int(s["info"]["dag_size"]) > 0
    assert "pinned by" in s["info"]["status_details"]
    assert api.list()["count"] == 2
    # The cluster's API shows the pin, and does not end others' requests.
    assert cluster.coordinators[0].get(f"/allocations/{cid}").status == 200
    assert cluster.coordinators[0].delete(f"/pins/{cid}").status == 404
    api.remove(a["requestid"])
    api.remove(a["requestid"], status=404)
    api.get(a["requestid"], status=404)
    assert api.get(b["requestid"])["status"] == "pinned"
    assert len(cluster.holders(cid)) >= 2
    api.remove(b["requestid"])
    until(lambda: not cluster.holders(cid), 20, "the last one lets go")


def test_spellings_and_identities(api):
    v0 = "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n"
    v1 = "bafybeihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
    inline = "bafkqabtimvwgy3yk"
    for cid in (v0, v1, inline):
        s = api.add(cid)
        assert s["pin"]["cid"] == cid
        assert api.list(cid=cid, status=STATUSES)["count"] == (
            2 if cid == v1 else 1)
        assert api.get(s["requestid"])["pin"]["cid"] == cid
    text = "x" * 129
    raw = b"\x01\x55\x00\x81\x01" + text.encode()
    check_failure(api.call("POST", "/pins", {"cid": "f" + raw.hex()}), 400,
                  "BAD_REQUEST")


def test_bad_requests(api):
    cid = make_cid()
    known = api.add(cid)["requestid"]
    for body in (b"", b"{", b"[]", b"null", b'"x"', b"{}", b'{"cid":5}',
                 b'{"cid":""}', b'{"cid":"nonsense"}', b"\xff\xfe",
                 {"cid": cid, "name": "x" * 256}, {"cid": cid, "name": 5},
                 {"cid": cid, "meta": {"a": 5}}, {"cid": cid, "meta": []},
                 {"cid": cid, "meta": {"a": None}},
                 {"cid": cid, "meta": {str(k): "" for k in range(300)}},
                 {"cid": cid, "meta": {"a": "x" * 20000}},
                 {"cid": cid, "origins": "x"}, {"cid": cid, "origins": [5]},
                 {"cid": cid, "origins": ["x"]},
                 {"cid": "b" + "a" * 5000}):
        for path in ("/pins", f"/pins/{known}"):
            check_failure(api.call("POST", path, body), 400, "BAD_REQUEST")
    for query in ("limit=0", "limit=1001", "limit=-1", "limit=x",
                  "limit=1.5", "status=none", "status=pinned,,failed",
                  "status=pinned,", "match=regex", "cid=x", "cid=,",
                  "cid=" + ",".join([cid] * 11), "before=yesterday",
                  "after=2020-13-01T00:00:00Z", "before=2020-01-01",
                  "meta=map[k:v]", "meta=[]", "meta={", 'meta={"a":5}',
                  "name=" + "x" * 256, "name=%ff"):
        check_failure(api.call("GET", "/pins?" + query.replace("[", "%5B")
                               .replace("]", "%5D").replace("{", "%7B")
                               .replace("}", "%7D").replace('"', "%22")),
                      400, "BAD_REQUEST")
    assert api.get(known)["requestid"] == known
    for unknown in ("x", known[:-1], known + "0", known.upper() + "x",
                    "00000000-0000-0000-0000-000000000000",
                    "ffffffff-ffff-ffff-ffff-ffffffffffff"):
        check_failure(api.call("GET", f"/pins/{unknown}"), 404, "NOT_FOUND")
        check_failure(api.call("DELETE", f"/pins/{unknown}"), 404)
        check_failure(api.call("POST", f"/pins/{unknown}", {"cid": cid}),
                      404)
    # A name counts characters; what is not known is ignored.
    s = api.add(cid, name="€" * 255, future={"a": [1]})
    assert s["pin"]["name"] == "€" * 255
    assert "future" not in s["pin"]


def test_origins_are_hints(api):
    good = [f"/ip4/192.0.2.{k}/tcp/4001/p2p/{PEER}" for k in range(1, 31)]
    s = api.add(make_cid(), origins=good[:1] + good + [
        "/ip4/192.0.2.9/udp/1/quic-v1/webtransport/certhash/u/p2p/" + PEER,
        "/ip4/192.0.2.99/tcp/4001"])
    assert s["pin"]["origins"] == good[:20]
    assert api.get(s["requestid"])["pin"]["origins"] == good[:20]


def test_filters(api):
    cids = [make_cid() for _ in range(6)]
    names = ["Photo.JPG", "photo.jpg", "my Photo.jpg", "%", None, "x"]
    made = []
    for k, (cid, name) in enumerate(zip(cids, names)):
        made.append(api.add(cid, meta={"k": str(k % 2), "all": "yes"},
                            **({"name": name} if name else {})))
    for s in made:
        api.pinned(s["requestid"])
    assert api.names() == names[::-1]
    assert api.names(name="Photo.JPG") == ["Photo.JPG"]
    assert api.names(name="Photo.JPG", match="iexact") == [
        "photo.jpg", "Photo.JPG"]
    assert api.names(name="hoto.j", match="partial") == [
        "my Photo.jpg", "photo.jpg"]
    assert api.names(name="HOTO.J", match="ipartial") == [
        "my Photo.jpg", "photo.jpg", "Photo.JPG"]
    assert api.names(name="%", match="partial") == ["%"]
    assert api.names(meta=json.dumps({"k": "0"})) == [None, "my Photo.jpg",
                                                      "Photo.JPG"]
    assert api.names(meta=json.dumps({"k": "0", "all": "yes"}),
                     name="photo.jpg", match="iexact") == ["Photo.JPG"]
    assert api.names(meta=json.dumps({"k": "0", "no": ""})) == []
    assert api.names(meta="{}") == names[::-1]
    assert api.names(cid=f"{cids[1]},{cids[3]}") == ["%", "photo.jpg"]
    assert api.names(cid=cids[1], name="%") == []
    assert api.names(cid=f"{cids[1]},{cids[1]}", limit=1) == ["photo.jpg"]
    # No status means pinned; the rest must be asked for.
    assert api.list(status="failed,queued,pinning")["count"] == 0
    answer = api.call("GET", "/pins?status=failed%2Cpinned&limit=2")
    assert answer.json()["count"] == 6 and len(answer.json()["results"]) == 2
    # Both times are exclusive, and in any spelling.
    at = [s["created"] for s in made]
    assert api.names(before=at[2]) == names[1::-1]
    assert api.names(after=at[2]) == names[:2:-1]
    assert api.names(after=at[1], before=at[4]) == names[3:1:-1]
    assert api.list(before=at[4], limit=2)["count"] == 4
    short = at[2].replace("Z", "").rstrip("0") + "Z"
    assert api.names(before=short) == names[1::-1]
    assert api.names(before=at[2].replace("Z", "+00:00")) == names[1::-1]
    assert api.names(before=at[2].replace("Z", "999Z")) == names[2::-1]
    assert api.names(before=at[3], cid=",".join(cids)) == names[2::-1]
    assert api.names(before=at[3], after=at[0], name="photo",
                     match="ipartial") == ["my Photo.jpg", "photo.jpg"]


def test_pages_and_times_under_load(cluster, api):
    """Many at once, through every coordinator: no two times are equal, and
    pages have each of them once."""
    def add(k):
        return api.at(cluster.coordinators[k % 3]).add(
            make_cid(), name=f"n{k}")

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        made = list(pool.map(add, range(120)))
    assert len({s["created"] for s in made}) == 120
    assert len({s["requestid"] for s in made}) == 120
    until(lambda: api.list(status=STATUSES)["count"] == 120, 20,
          "what others took is here")
    seen, before = [], {}
    while True:
        page = api.list(status=STATUSES, limit=50, **before)
        assert page["count"] == 120 - len(seen)
        seen += [s["requestid"] for s in page["results"]]
        if page["count"] == len(page["results"]):
            break
        before = {"before": page["results"][-1]["created"]}
    assert sorted(seen) == sorted(s["requestid"] for s in made)
    for c in cluster.coordinators:
        until(lambda c=c: api.at(c).count("pinned") == 120, 30, "all pinned")
        assert api.at(c).count("pinning,queued,failed") == 0


def test_read_on_a_follower_right_after(cluster, api):
    """What was acknowledged is there, whoever is asked."""
    others = [api.at(c) for c in cluster.coordinators]
    for k in range(30):
        s = others[k % 3].add(make_cid())
        for other in others:
            assert other.get(s["requestid"])["created"] == s["created"]
        others[(k + 1) % 3].remove(s["requestid"])
    until(lambda: api.list(status=STATUSES)["count"] == 0, 20, "all gone")


def flipped(requestid, bit):
    """bit 0 is the lowest of the masked claim's id; from 64 on the salt's."""
    digits = requestid.replace("-", "")
    half = [int(digits[:16], 16), int(digits[16:], 16)]
    half[bit // 64] ^= 1 << bit % 64
    x = f"{half[0]:016x}{half[1]:016x}"
    return "-".join((x[:8], x[8:12], x[12:16], x[16:20], x[20:]))


def operations(coordinator):
    return sum(float(n) for n in re.findall(
        r'^pinfold_operations_total\{verdict="\w+"\} (\d+)$',
        coordinator.get("/metrics").text(), re.M))


def test_ids_that_nobody_has_cost_no_operation(cluster, api):
    asked = (("GET", None), ("DELETE", None), ("POST", {"cid": make_cid()}))
    api = api.at(cluster.followers()[0])
    s = api.add(make_cid())
    gone = api.add(make_cid())["requestid"]
    api.remove(gone)
    before = operations(api.coordinator)
    for bit in range(25, 128):
        for method, body in asked[bit % 3:][:1]:
            check_failure(api.call(method, "/pins/" +
                                   flipped(s["requestid"], bit), body),
                          404, "NOT_FOUND")
    for method, body in asked:
        check_failure(api.call(method, f"/pins/{gone}", body), 404)
    assert operations(api.coordinator) == before
    # What others may have given out meanwhile is waited for, by all at once.
    others = [c for c in cluster.coordinators if c is not api.coordinator]
    near = flipped(s["requestid"], 23)
    for c in others:
        c.pause()
    try:
        with concurrent.futures.ThreadPoolExecutor(30) as pool:
            answers = [pool.submit(api.call, *asked[k % 3][:1],
                                   f"/pins/{near}", asked[k % 3][1])
                       for k in range(30)]
            until(lambda: api.coordinator.metric(
                "pinfold_http_connections") > 30, 5, "all have asked")
            for c in others:
                c.resume()
            for a in answers:
                check_failure(a.result(), 404, "NOT_FOUND")
    finally:
        for c in others:
            c.resume()
    assert operations(api.coordinator) - before < 10
    api.get(s["requestid"])
    api.remove(s["requestid"])


def test_replace(cluster, api):
    one, two = make_cid(), make_cid()
    a = api.add(one, name="policy/x/mfs")
    api.pinned(a["requestid"])
    b = api.add(two, old=a["requestid"], name="policy/x/mfs")
    assert b["requestid"] != a["requestid"]
    api.get(a["requestid"], status=404)
    check_failure(api.call("POST", f"/pins/{a['requestid']}", {"cid": one}),
                  404, "NOT_FOUND")
    api.pinned(b["requestid"])
    until(lambda: not cluster.holders(one), 20, "the old one is let go")
    assert sum(d.calls().get("pin/update", 0) for d in cluster.daemons) > 0
    # Its own CID: nothing but the name changes.
    c = api.add(two, old=b["requestid"], name="other")
    assert c["status"] == "pinned"
    assert api.names() == ["other"]
    # Of several on a CID only that one goes.
    d = api.add(two, name="another")
    api.add(one, old=c["requestid"])
    assert api.get(d["requestid"])["status"] == "pinned"
    assert len(cluster.holders(two)) >= 2


def test_nobody_sees_others(cluster, api):
    c = cluster.coordinators[0]
    other = Client(c, make_token(c, "stranger"))
    s = api.add(make_cid(), name="mine")
    api.pinned(s["requestid"])
    for method, body in (("GET", None), ("DELETE", None),
                         ("POST", {"cid": make_cid()})):
        check_failure(other.call(method, f"/pins/{s['requestid']}", body),
                      404, "NOT_FOUND")
    assert other.list(cid=s["pin"]["cid"], status=STATUSES)["count"] == 0
    # A second device of the same user, and after the first was revoked.
    name = f"user-{next(numbers) - 1}"
    tokens = [t for t in c.get("/api/v1/tokens").json() if t["name"] == name]
    second = Client(c, make_token(c, name))
    assert second.get(s["requestid"])["pin"]["name"] == "mine"
    assert c.delete(f"/api/v1/tokens/{tokens[0]['id']}").status == 200
    check_failure(api.call("GET", "/pins"), 401, "UNAUTHORIZED")
    assert second.names() == ["mine"]
    # A token for some names only.
    part = Client(c, make_token(c, name, prefix="x-"))
    assert part.list()["count"] == 0
    part.get(s["requestid"], status=404)
    check_failure(part.call("POST", "/pins", {"cid": make_cid()}), 403)
    check_failure(part.call("DELETE", f"/pins/{s['requestid']}"), 403)
    x = part.add(make_cid(), name="x-1")
    part.pinned(x["requestid"])
    assert part.names() == ["x-1"]
    assert second.names() == ["x-1", "mine"]


def test_quota(cluster):
    c = cluster.coordinators[0]
    assert pinfold(cluster, "org", "create", "small").returncode == 0
    assert pinfold(cluster, "quota", "set", "small", "--pins",
                   "2").returncode == 0
    answer = c.post("/api/v1/tokens?name=s&verbs=read,pin",
                    headers={"X-Pinfold-Org": "small"})
    api = Client(c, answer.json()["token"])
    a = api.add(make_cid())
    api.add(make_cid())
    answer = api.call("POST", "/pins", {"cid": make_cid()})
    assert "used 2" in check_failure(answer, 409, "INSUFFICIENT_FUNDS")
    # In the place of another it fits.
    b = api.add(make_cid(), old=a["requestid"])
    api.remove(b["requestid"])
    api.add(make_cid())


def counts(coordinator):
    """Requests that /metrics has seen of each door and route, some of which
    are under way yet."""
    line = (r'pinfold_http_request_seconds_count\{door="(\w+)",'
            r'method="\w+",route="([^"]+)"\} (\d+)\n')
    found = {}
    for door, route, n in re.findall(line, coordinator.get(
            "/metrics").text()):
        found[door, route] = found.get((door, route), 0) + int(n)
    return found


def test_by_the_cluster_door(cluster, api):
    psa = Client(cluster.coordinators[1], api.token, door="http")
    s = psa.add(make_cid(), name="psa")
    psa.pinned(s["requestid"])
    until(lambda: api.names() == ["psa"], 20, "it is pinned there, too")
    before = counts(cluster.coordinators[1])
    check_failure(psa.call("GET", "/pins", token="none"), 401)
    check_failure(psa.call("GET", "/nothing"), 404, "NOT_FOUND")
    psa.get(s["requestid"])
    after = counts(cluster.coordinators[1])
    assert {k: n - before[k] for k, n in after.items() if n != before[k]} == \
        {("pinning", "/pins/{}"): 1, ("pinning", "none"): 2,
         ("cluster", "/metrics"): 1}
    check_failure(psa.call("GET", ""), 404, "NOT_FOUND")
    psa.remove(s["requestid"])
    psa.get(s["requestid"], status=404)


def test_errors_before_any_route(cluster, api):
    c = cluster.coordinators[0]
    who = f"Authorization: Bearer {api.token}\r\n"
    for port, root in ((c.pinning, ""), (c.http, "/psa")):
        at = f"POST {root}/pins HTTP/1.1\r\nHost: 127.0.0.1\r\n" + who
        for more, status, reason in (
                ("Content-Length: 99999999\r\n\r\n", 413, "BODY_TOO_LARGE"),
                ("no header\r\n\r\n", 400, "BAD_REQUEST"),
                ("X: " + "x" * 40000, 431, "BAD_REQUEST")):
            answer = Answer(raw_request(port, (at + more).encode()))
            check_failure(answer, status, reason)
    bad = b"POST /pins HTTP/1.1\r\nHost: 127.0.0.1\r\nno header\r\n\r\n"
    assert Answer(raw_request(c.http, bad)).message() == "malformed request"


def test_restart_and_leader_change(cluster, api):
    s = api.add(make_cid(), name="kept")
    api.pinned(s["requestid"])
    leader = cluster.leader()
    leader.kill9()
    other = api.at(next(c for c in cluster.coordinators if c is not leader))
    until(lambda: other.call("POST", "/pins", {"cid": make_cid()}).status ==
          202, 20, "another one leads")
    leader.start()
    until(lambda: leader.ready() and api.at(leader).call(
        "GET", "/pins").status == 200, 30, "it is back, and knows a node")
    for c in cluster.coordinators:
        x = api.at(c).get(s["requestid"])
        assert x["created"] == s["created"] and x["status"] == "pinned"
        later = api.at(c).add(make_cid())
        assert later["created"] > s["created"]
    cluster.same_everywhere()


def test_failures_are_told(make_cluster):
    """No node, no way: 409 or 503; a copy that fails says why."""
    cluster = make_cluster(coordinators=1, nodes=1, daemon="fake",
                           start=False)
    c = cluster.coordinators[0]
    c.set_options(c.options["members"], {
        **{k: v for k, v in c.options.items() if k != "members"},
        "replication-min": 1, "replication-max": 1})
    c.start()
    until(c.ready, 30, "ready")
    api = Client(c, make_token(c, "x"))
    answer = api.call("POST", "/pins", {"cid": make_cid()})
    check_failure(answer, 503, "INTERNAL_SERVER_ERROR")
    assert answer.headers["retry-after"]
    for p in cluster.daemons + cluster.agents:
        p.start()
    cluster.wait_ready()
    cid = make_cid()
    cluster.daemons[0].fault("pin/add", "answer", {
        "Message": "no such luck", "Code": 0, "Type": "error"}, cid=cid,
        status=500)
    s = api.add(cid)
    until(lambda: "no such luck" in
          api.get(s["requestid"])["info"]["status_details"], 30, "the reason")
    until(lambda: api.get(s["requestid"])["status"] == "failed", 60,
          "it has failed")
    assert api.count("failed") == 1 and api.list()["count"] == 0
    cluster.daemons[0].heal()
    api.pinned(s["requestid"], 60)
    assert api.count("failed") == 0 and api.count("pinned") == 1


def test_the_door_can_be_shut(make_cluster):
    cluster = make_cluster(coordinators=1, nodes=1, daemon="fake",
                           start=False)
    c = cluster.coordinators[0]
    at = c.argv.index("--listen-pinning") + 1
    c.argv[at] = "none"
    cluster.start()
    with pytest.raises(OSError):
        request(c.pinning, "GET", "/pins")
    api = Client(c, make_token(c, "x"), door="http")
    assert api.list()["count"] == 0
