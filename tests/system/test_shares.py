"""One organisation's long requests leave room for the others."""

import json
import os
import socket
import subprocess

import pytest
from cluster import CALM, Cluster, make_cid
from process import until
from wire import multipart

UPLOADS, PROXIED, PATHS = 32, 64, 8  # LIMIT_ORG_…
PATIENT = {"call-timeout": "60s"}


class World:
    """A coordinator that asks who it is; tokens of two organisations."""

    def __init__(self, folder):
        self.cluster = c = Cluster(folder, coordinators=1, nodes=1,
                                   daemon="fake", agent_options=PATIENT,
                                   options={**CALM, "auth": "on"})
        self.p = p = c.coordinators[0]
        self.socket = os.path.join(c.folder, "s")
        p.argv[p.argv.index("--listen-http") + 1] += f",unix:{self.socket}"
        for x in c.daemons + c.coordinators:
            x.start()
        for x in c.daemons:
            x.wait()
        for x in c.agents:
            x.start()
        self.ours = until(lambda: self.token("default"), 60, "a token")
        p.headers = self.ours
        c.wait_ready()

    def local(self, path, *words):
        done = subprocess.run(
            ["curl", "-sSf", "--unix-socket", self.socket, "-X", "POST",
             *words, "http://x" + path], capture_output=True, text=True,
            check=False, timeout=20)
        return json.loads(done.stdout)  # nothing: ValueError, see until()

    def token(self, org):
        made = self.local("/api/v1/tokens?name=x&verbs=read,pin", "-H",
                          "X-Pinfold-Org: " + org)["token"]
        head = {"Authorization": "Bearer " + made}
        until(lambda: self.p.get("/version", headers=head).status == 200, 20,
              "it is known")
        return head


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("shares"))
    try:
        yield w
    finally:
        wrong = w.cluster.close()
        assert not wrong, wrong


def hold(port, path, headers):
    """A request whose body does not end."""
    fields = {"Host": "127.0.0.1", "Content-Type":
              "multipart/form-data; boundary=x", "Content-Length": "9999999",
              **headers}
    s = socket.create_connection(("127.0.0.1", port), 20)
    s.sendall(f"POST {path} HTTP/1.1\r\n".encode() + "".join(
        f"{k}: {v}\r\n" for k, v in fields.items()).encode() + b"\r\n--x\r\n"
        b'Content-Disposition: form-data; name="f"; filename="f"\r\n\r\nab')
    return s


def fill(world, port, path, headers, n, call, others=0):
    """Holds n, beside what others hold, and sees the next one refused."""
    held = [hold(port, path, headers) for _ in range(n)]
    until(lambda: world.p.metric("pinfold_uploads") == others + n, 20,
          "all are held")
    answer = call(headers)
    assert answer.status == 503, answer
    assert answer.headers["retry-after"] == "1"
    assert f"an organisation may have {n} at one time" in answer.text()
    return held


def upload(world, headers):
    more, body = multipart({"f": os.urandom(100)})
    return world.p.post("/add", body=body, headers={**more, **headers})


def test_shares_of_places(world):
    p = world.p
    # Alone it may have all of them.
    alone = [hold(p.http, "/add", world.ours) for _ in range(UPLOADS + 1)]
    until(lambda: p.metric("pinfold_uploads") == UPLOADS + 1, 20, "all run")
    assert upload(world, world.ours).status == 200
    for s in alone:
        s.close()
    world.local("/api/v1/orgs?name=lab")
    theirs = until(lambda: world.token("lab"), 20, "a token")

    def call(headers):
        return upload(world, headers)

    until(lambda: p.metric("pinfold_uploads") == 0, 30, "none is left")
    held = fill(world, p.http, "/add", theirs, UPLOADS, call)
    assert upload(world, world.ours).status == 200
    # What passes to the daemon has places of its own.
    assert p.rpc("version", headers=theirs).status == 200
    held += fill(world, p.proxy, "/api/v0/block/put", theirs, PROXIED,
                 lambda headers: p.rpc("version", headers=headers), UPLOADS)
    assert p.rpc("version", headers=world.ours).status == 200
    for s in held:
        s.close()
    until(lambda: upload(world, theirs).status == 200, 30, "they are back")
    until(lambda: p.rpc("version", headers=theirs).status == 200, 30,
          "these, too")


def look(p, headers):
    """A path that is looked up for a client that does not wait."""
    s = socket.create_connection(("127.0.0.1", p.proxy), 20)
    fields = {"Host": "127.0.0.1", "Content-Length": "0", **headers}
    s.sendall(f"POST /api/v0/pin/ls?arg=/ipfs/{make_cid()}/x HTTP/1.1\r\n"
              .encode() + "".join(f"{k}: {v}\r\n" for k, v in
                                  fields.items()).encode() + b"\r\n")
    return s


def test_shares_of_paths(world):
    p, fake = world.p, world.cluster.daemons[0]
    world.local("/api/v1/orgs?name=paths")
    theirs = until(lambda: world.token("paths"), 20, "a token")
    fake.fault("resolve", "stall")
    for s in [look(p, theirs) for _ in range(PATHS)]:
        s.close()
    until(lambda: fake.hits_in_order() == [PATHS], 20, "all are asked")
    path = f"/pins/ipfs/{make_cid()}/x"
    answer = p.post(path, headers=theirs)
    assert answer.status == 503, answer
    assert answer.headers["retry-after"] == "1"
    assert "too many paths are looked up" in answer.text()
    ours = look(p, world.ours)
    until(lambda: fake.hits_in_order() == [PATHS + 1], 20, "we ask")
    ours.close()
    fake.heal()  # cuts what hangs
    until(lambda: p.post(path, headers=theirs).status == 500, 20,
          "they are back")


def test_paths_leave_room_for_what_the_leader_asks(make_cluster):
    cluster = make_cluster(coordinators=2, nodes=1, daemon="fake",
                           options=CALM, agent_options=PATIENT)
    fake, cid = cluster.daemons[0], make_cid()
    assert cluster.any().post(f"/pins/{cid}?replication=1").status == 200
    for c in cluster.coordinators:
        cluster.wait_pinned(cid, 1, where=c)
    fake.fault("resolve", "stall")
    held = [look(c, {}) for c in cluster.coordinators for _ in range(40)]
    until(lambda: fake.hits_in_order() == [32], 20, "as many as may be")
    for c in cluster.coordinators:
        answer = c.post(f"/api/v1/pins/{cid}/verify", timeout=60)
        assert answer.status == 200 and '"held"' in answer.text(), answer
        assert c.post(f"/pins/ipfs/{cid}/x").status == 503
    for s in held:
        s.close()
    assert cluster.any().delete(f"/pins/{cid}").status == 200
    until(lambda: not fake.has(cid), 60, "it is released")
    for c in cluster.coordinators:  # which no answer keeps from stopping
        assert c.terminate() == 0
    fake.heal()
