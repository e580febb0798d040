"""Several organisations: each sees, changes and pays for its own claims; the
content that they share is kept while one of them wants it."""

import concurrent.futures
import json
import os
import socket

from cluster import make_cid, pinfold
from process import until
from wire import multipart

API = "/api/v1/orgs"


def of(org):
    return {"X-Pinfold-Org": org}


def make(cluster, *names):
    for name in names:
        answer = cluster.any().post(f"{API}?name={name}")
        assert answer.status == 200 and answer.json()["changed"], answer
    until(lambda: all(set(names) <= {o["name"] for o in c.get(API).json()}
                      for c in cluster.coordinators), 20,
          "all coordinators know them")


def used(c, org):
    quota = c.get(f"{API}/{org}").json()["quota"]
    return [quota[k]["used"] for k in ("logical", "physical", "pins")]


def uses(c, org, want, kinds=slice(None)):
    """What a coordinator says is up to 100 ms old."""
    until(lambda: used(c, org)[kinds] == want, 20, f"{org} uses {want}")


def listed(c, org):
    answer = c.get("/allocations", headers=of(org))
    assert answer.status == 200 and answer.complete, answer
    return {line["cid"]: line for line in answer.lines()}


def test_organisation_goes_during_an_upload(make_cluster):
    """The upload ends with 403 and says why, and nothing is claimed."""
    cluster = make_cluster(daemon="fake")
    k = cluster.coordinators[0]
    make(cluster, "lab")
    headers, body = multipart({"x": os.urandom(50_000)})
    head = ("POST /add?stream-channels=false HTTP/1.1\r\nHost: a\r\n"
            "X-Pinfold-Org: lab\r\n"
            f"Content-Type: {headers['Content-Type']}\r\n"
            "Connection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()
    with socket.create_connection(("127.0.0.1", k.http), timeout=30) as s:
        s.sendall(head + body[:20_000])
        assert k.delete(f"{API}/lab").status == 200
        s.sendall(body[20_000:])
        answer = b""
        while part := s.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 403 "), answer
    assert b"the organisation is not known, or not any more" in answer
    assert not k.pins()
    assert k.post(f"/pins/{make_cid()}", headers=of("lab")).status == 403


def test_one_content_of_two(make_cluster):
    cluster = make_cluster(daemon="fake")
    k, other = cluster.coordinators[0], cluster.coordinators[1]
    make(cluster, "lab", "press")
    shared, own = make_cid(), make_cid()
    answer = k.post(f"/pins/{shared}?replication=3&name=ours")
    assert answer.status == 200, answer
    answer = other.post(f"/pins/{shared}?replication=1&name=theirs",
                        headers=of("lab"))
    assert answer.status == 200, answer
    assert answer.json()["name"] == "theirs"
    assert len(answer.json()["allocations"]) == 1
    assert k.post(f"/pins/{own}?replication=2",
                  headers=of("lab")).status == 200
    cluster.wait_pinned(shared, 3)
    cluster.same_everywhere()
    for c in cluster.coordinators:
        ours, theirs = listed(c, "default"), listed(c, "lab")
        assert set(ours) == {shared} and set(theirs) == {shared, own}
        assert ours[shared]["name"] == "ours"
        assert len(ours[shared]["allocations"]) == 3
        assert theirs[shared]["name"] == "theirs"
        assert len(theirs[shared]["allocations"]) == 1
        assert theirs[shared]["replication_factor_max"] == 1
        assert not listed(c, "press")
        status = c.get(f"/pins/{shared}", headers=of("press")).json()
        assert {v["status"] for v in status["peer_map"].values()} == {
            "unpinned"}
        assert c.get(f"/allocations/{shared}",
                     headers=of("press")).status == 404
        states = [v["status"] for v in c.get(
            f"/pins/{shared}", headers=of("lab")).json()["peer_map"].values()]
        assert states.count("pinned") == 1 and len(states) == 3, states
    uses(k, "default", [1], slice(2, 3))
    uses(k, "lab", [2], slice(2, 3))
    # Ours goes: theirs stays, on as many nodes as they asked for.
    assert k.delete(f"/pins/{shared}").status == 200
    assert k.delete(f"/pins/{shared}").status == 404
    until(lambda: sum(shared in d.pins() for d in cluster.daemons) == 1, 30,
          "the surplus goes")
    uses(k, "default", [0, 0, 0])
    assert set(listed(k, "lab")) == {shared, own}
    assert other.delete(f"/pins/{shared}", headers=of("press")).status == 404
    answer = other.delete(f"/pins/{shared}", headers=of("lab"))
    assert answer.status == 200 and answer.json()["name"] == "theirs"
    until(lambda: not any(shared in d.pins() for d in cluster.daemons), 30,
          "nobody wants it")


def test_what_is_not_theirs(make_cluster):
    """Organisations cannot see, change or hinder one another."""
    cluster = make_cluster(daemon="fake")
    k = cluster.coordinators[0]
    make(cluster, "lab")
    cid = make_cid()
    assert k.post(f"/pins/{cid}?replication=2&name=secret").status == 200
    cluster.wait_pinned(cid, 2)
    lab = of("lab")
    for answer in (k.delete(f"/pins/{cid}", headers=lab),
                   k.get(f"/allocations/{cid}", headers=lab)):
        assert answer.status == 404, answer
    for path in (f"/pins/{cid}", f"/pins?cids={cid}", "/pins", "/allocations",
                 "/pins?filter=pinned"):
        answer = k.get(path, headers=lab)
        assert answer.status == 200, answer
        assert b"secret" not in answer.body and b"pinned\"" not in (
            answer.body.replace(b"unpinned\"", b"")), answer.body
    answer = k.post(f"/pins/{cid}/recover", headers=lab)
    assert b"secret" not in answer.body
    assert k.get(f"/api/v1/pins/{cid}/explain", headers=lab).status == 403
    assert [o["name"] for o in k.get(API, headers=lab).json()] == ["lab"]
    assert k.get(f"{API}/default", headers=lab).status == 404
    assert k.post(f"{API}/default/quota?pins=1", headers=lab).status == 404
    for answer in (k.post(f"{API}/lab/quota?pins=none", headers=lab),
                   k.post(f"{API}?name=new", headers=lab),
                   k.post(f"{API}/lab?name=new", headers=lab),
                   k.delete(f"{API}/lab", headers=lab)):
        assert answer.status == 403, answer
    for method, path in (
            ("GET", f"/api/v1/pins/{cid}/explain"), ("GET", "/api/v1/plan"),
            ("POST", f"/api/v1/pins/{cid}/verify"), ("GET", "/metrics"),
            ("DELETE", "/api/v1/nodes/node-1?force=true"),
            ("POST", "/api/v1/nodes/node-1/cordon"),
            ("POST", "/api/v1/nodes/node-1/drain"),
            ("POST", "/api/v1/nodes/node-1/verify"),
            ("GET", "/api/v1/nodes/node-1/orphans"),
            ("DELETE", "/peers/12D3"), ("POST", "/ipfs/gc"),
            ("POST", "/api/v1/repair/resume")):
        answer = k.call(method, path, headers=lab)
        assert answer.status == 403, (method, path, answer)
    for name in ("nobody", "Lab", "lab ", "x" * 500, "l%61b"):
        answer = k.get("/pins", headers=of(name))
        assert answer.status == (200 if name == "lab " else 403), answer
    # From a pin of another organisation nothing is taken over.
    new = make_cid()
    answer = k.post(f"/pins/{new}?pin-update={cid}", headers=lab)
    assert answer.status == 404, answer
    assert k.get(f"/allocations/{cid}").json()["name"] == "secret"


def test_quota_of_one(make_cluster):
    """At its limit one is refused with the figures; the other goes on."""
    cluster = make_cluster(daemon="fake")
    make(cluster, "lab")
    answer = cluster.any().post(f"{API}/lab/quota?pins=20")
    assert answer.status == 200, answer
    cids = [make_cid() for _ in range(60)]

    def pin(i):
        c = cluster.coordinators[i % 3]
        return (c.post(f"/pins/{cids[i]}?replication=1", headers=of("lab")),
                c.post(f"/pins/{cids[i]}?replication=2"))

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(pin, range(60)))
    assert all(ours.status == 200 for _, ours in answers)
    refused = [lab for lab, _ in answers if lab.status != 200]
    assert len(refused) == 40
    for r in refused:
        assert r.status == 403, r
        assert r.json()["message"].startswith(
            "over quota: organisation 'lab', pins: used 20, requested 1, "
            "limit 20"), r
    cluster.same_everywhere()
    for c in cluster.coordinators:
        until(lambda x=c: used(x, "lab")[2] == 20 and
              used(x, "default")[2] == 60, 20, "each pays for its own")
    for c in cluster.coordinators:
        c.kill9()
    for c in cluster.coordinators:
        c.start()
    cluster.wait_ready()
    for c in cluster.coordinators:
        assert used(c, "lab")[2] == 20 and used(c, "default")[2] == 60
        assert len(listed(c, "lab")) == 20
        assert len(listed(c, "default")) == 60


def test_upload(make_cluster):
    cluster = make_cluster(nodes=2, daemon="ipfs")
    make(cluster, "lab")
    k = cluster.coordinators[1]
    headers, body = multipart({"a.bin": b"of the lab " * 1000})
    answer = k.post("/add?replication=1&name=x",
                    headers={**headers, **of("lab")}, body=body)
    assert answer.status == 200, answer
    root = answer.lines()[-1]["cid"]
    root = root["/"] if isinstance(root, dict) else root
    until(lambda: set(listed(k, "lab")) == {root} and
          not listed(k, "default"), 20, "it is the lab's")
    until(lambda: used(k, "lab")[2] == 1 and used(k, "lab")[0] > 11000, 20,
          "the lab pays")
    uses(k, "default", [0, 0, 0])


def test_command_line(make_cluster):
    cluster = make_cluster(coordinators=1, nodes=1, daemon="fake")
    out = pinfold(cluster, "org", "create", "lab")
    assert out.returncode == 0 and out.stdout == "created lab\n", out
    until(lambda: pinfold(cluster, "--org", "lab", "pin", "ls").returncode ==
          0, 10, "it is known")
    out = pinfold(cluster, "org", "create", "lab")
    assert out.returncode == 9 and "there is an organisation 'lab'" in (
        out.stderr), out
    out = pinfold(cluster, "org", "create", "La b")
    assert out.returncode == 2 and "a-z" in out.stderr, out
    cid = make_cid()
    out = pinfold(cluster, "--org", "lab", "pin", "add", "--name", "theirs",
                  cid)
    assert out.returncode == 0, out
    assert cid in pinfold(cluster, "--org", "lab", "pin", "ls").stdout
    assert cid not in pinfold(cluster, "pin", "ls").stdout
    assert pinfold(cluster, "pin", "rm", cid).returncode == 3
    uses(cluster.any(), "lab", [1], slice(2, 3))
    out = pinfold(cluster, "org", "ls")
    rows = [line.split() for line in out.stdout.splitlines()]
    assert rows[0] == ["NAME", "ID", "PINS", "CONTENT", "WITH", "COPIES"]
    assert rows[1][:3] == ["default", "1", "0"]
    assert rows[2][:3] == ["lab", "2", "1"]
    assert [o["name"] for o in json.loads(
        pinfold(cluster, "-o", "json", "org", "ls").stdout)] == ["default",
                                                                 "lab"]
    out = pinfold(cluster, "org", "rm", "lab")
    assert out.returncode == 9 and "claims 1 pins" in out.stderr, out
    out = pinfold(cluster, "org", "rename", "lab", "studio")
    assert out.returncode == 0 and "studio" in out.stdout, out
    until(lambda: pinfold(cluster, "--org", "studio", "pin", "rm", cid)
          .returncode == 0, 10, "the new name is known")
    out = pinfold(cluster, "org", "rm", "studio")
    assert out.returncode == 0, out
    until(lambda: pinfold(cluster, "--org", "studio", "pin", "ls").returncode
          == 6, 10, "it is unknown")
    assert pinfold(cluster, "org", "rm", "default").returncode == 2
    out = pinfold(cluster, "--org", "No Name", "pin", "ls")
    assert out.returncode == 2 and "--org" in out.stderr, out
