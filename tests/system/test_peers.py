"""POST /peers and DELETE /peers/{peer} as clients of IPFS Cluster use them."""

import base64
import json
import os
import socket

import pytest
from cluster import make_cid, until
from daemons import DIGITS
from wire import request

STRANGER = "12D3KooWShd9FjdJgs6oRoqxJ5GmAVQdEJwekRrKLsgY1hrC2y3K"


def peer_of(c, name):
    return next(p["id"] for p in c.get("/peers").lines()
                if p["peername"] == name)


def as_cid(peer):
    """A peer ID as a CID: version 1, codec libp2p-key."""
    number = 0
    for digit in peer:
        number = number * 58 + DIGITS.index(digit)
    raw = b"\x01\x72" + number.to_bytes(38, "big")
    return "b" + base64.b32encode(raw).decode().lower().rstrip("=")


def row(c, name):
    return next((n for n in c.status()["nodes"] if n["name"] == name), None)


def ask(c, body):
    return c.post("/peers", body=body)


def test_post(cluster):
    """Who has joined is shown, nobody is added."""
    c = cluster.any()
    peer = peer_of(c, "node-2")
    answer = ask(c, b'{"peer_id":"%s"}' % peer.encode())
    assert answer.status == 200, answer
    assert answer.json() == next(p for p in c.get("/peers").lines()
                                 if p["id"] == peer)
    # The Go client sends it in chunks.
    chunks = [b'{"peer_', b'id":"' + peer.encode(), b'"}\n']
    assert request(c.http, "POST", "/peers", chunks).json()["id"] == peer
    # Any text of the same ID.
    assert ask(c, b'{"peer_id":"%s"}' % as_cid(peer).encode()).json()[
        "id"] == peer
    answer = ask(c, b'{"peer_id":"%s"}' % STRANGER.encode())
    assert answer.status == 404 and "join token" in answer.message()


@pytest.mark.parametrize("body, text", [
    (b"", "error decoding request body"),
    (b"nonsense", "error decoding request body"),
    (b"[]", "error decoding request body"),
    (b'{"peer_id":7}', "error decoding request body"),
    (b'{"peer_id":"\xff"}', "error decoding request body"),
    (b'{"peer_id":"a"', "error decoding request body"),
    (b" " * 5000 + b'{"peer_id":"a"}', "error decoding request body"),
    (b"{}", "error decoding peer_id"),
    (b'{"peer_id":""}', "error decoding peer_id"),
    (b'{"peer_id":"node-1"}', "error decoding peer_id"),
    (b'{"peer_id":"' + b"1" * 3000 + b'"}', "error decoding peer_id"),
])
def test_bad_bodies(cluster, body, text):
    answer = ask(cluster.any(), body)
    assert answer.status == 400 and answer.message() == text


def test_bad_peers(cluster):
    c = cluster.any()
    for word in ("node-1", "1", "x" * 500, "%C3%A9"):
        answer = c.delete(f"/peers/{word}")
        assert answer.status == 400
        assert answer.message().startswith("error decoding Peer ID: ")
    for peer in (STRANGER, c.get("/id").json()["id"]):
        answer = c.delete(f"/peers/{peer}")
        assert answer.status == 404
        assert answer.message() == "no node has this peer ID"
    assert c.call("PUT", "/peers").headers["allow"] == "GET, POST"
    assert c.get(f"/peers/{STRANGER}").headers["allow"] == "DELETE"
    answer = c.delete(f"/peers/{STRANGER}",
                      headers={"X-Pinfold-Org": "default"})
    assert answer.status == 404


def test_removal(make_cluster):
    """A node that holds copies: they leave it, then it goes."""
    cluster = make_cluster(nodes=4)
    c = cluster.followers()[0]
    files = {}
    for i in range(12):
        data = os.urandom(5000)
        files[cluster.daemons[i % 4].add(data)] = data
    for cid in files:
        assert c.post(f"/pins/{cid}?replication=2").status == 200
    for cid in files:
        cluster.wait_pinned(cid, 2)
    name = max(c.status()["nodes"], key=lambda n: n["copies"])["name"]
    agent = cluster.agent_of(name)
    answer = c.delete(f"/peers/{peer_of(c, name)}", timeout=60)
    assert answer.status == 204 and answer.body == b"", answer
    assert row(c, name) is None
    others = [a.daemon for a in cluster.agents if a is not agent]
    assert all(sum(d.has(cid) for d in others) >= 2 for cid in files)
    until(lambda: "this node was removed" in agent.log_text(), 20,
          "its agent is told")
    # An empty one goes at once.
    empty = cluster.add_node()
    until(lambda: row(c, f"node-{empty.number}"), 20, "it has joined")
    peer = peer_of(c, f"node-{empty.number}")
    assert c.delete(f"/peers/{as_cid(peer)}").status == 204
    assert c.delete(f"/peers/{peer}").status == 404
    cluster.same_everywhere()


def test_one_that_cannot_be_emptied(make_cluster):
    """The leader says so; the copies stay, the node too."""
    # One that is suspect for a moment meanwhile would be given up: all that
    # is on it is elsewhere, too.
    cluster = make_cluster(coordinators=1, nodes=2, daemon="fake", options={
        "suspect-after": "15s", "down-after": "40s"})
    c = cluster.any()
    cid = make_cid()
    assert c.post(f"/pins/{cid}?replication=2").status == 200
    cluster.wait_pinned(cid, 2)
    peer = peer_of(c, "node-1")
    answer = c.delete(f"/peers/{peer}", timeout=60)
    assert answer.status == 409
    assert "1 copies cannot leave it" in answer.message()
    assert row(c, "node-1")["admin"] == "draining"
    cluster.wait_pinned(cid, 2)
    # Somebody else takes it back while the request waits.
    assert c.post("/api/v1/nodes/node-1/uncordon").json()["changed"]
    head = f"DELETE /peers/{peer} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", c.http), 30) as s:
        s.sendall(head)
        until(lambda: row(c, "node-1")["admin"] == "draining", 20, "a drain")
        assert c.post("/api/v1/nodes/node-1/uncordon").json()["changed"]
        received = s.recv(1 << 16)
    assert b" 409 " in received, received
    # Who leaves has begun the drain all the same; the coordinator can stop.
    with socket.create_connection(("127.0.0.1", c.http), 30) as s:
        s.sendall(head)
        until(lambda: row(c, "node-1")["admin"] == "draining", 20, "a drain")
    assert c.get("/readyz").status == 200


def test_stop_while_one_waits(make_cluster):
    """A removal may take hours; a stop may not. (A follower does not know
    that the copies cannot leave.)"""
    cluster = make_cluster(nodes=2, daemon="fake")
    c = cluster.followers()[0]
    cid = make_cid()
    assert c.post(f"/pins/{cid}?replication=2").status == 200
    cluster.wait_pinned(cid, 2)
    with socket.create_connection(("127.0.0.1", c.http), 30) as s:
        s.sendall(f"DELETE /peers/{peer_of(c, 'node-1')} HTTP/1.1\r\n"
                  "Host: a\r\n\r\n".encode())
        until(lambda: row(c, "node-1")["admin"] == "draining", 20, "a drain")
        assert c.terminate() == 0
        assert s.recv(100) == b""


def test_dead_ones(make_cluster):
    """One that is down goes if nothing is on it alone."""
    # The third is never suspect: what it holds would not count.
    cluster = make_cluster(coordinators=1, nodes=3, options={
        "suspect-after": "7s", "down-after": "8s", "out-after": "1h"})
    c = cluster.any()
    shared = cluster.daemons[0].add(b"shared")
    assert c.post(f"/pins/{shared}?replication=3").status == 200
    cluster.wait_pinned(shared, 3)
    peers = {p["peername"]: p["id"] for p in c.get("/peers").lines()}
    alone = cluster.daemons[0].add(b"alone")
    answer = c.post(f"/pins/{alone}?replication=1&user-allocations="
                    f"{peers['node-1']}")
    assert answer.status == 200
    cluster.wait_pinned(alone, 1)
    for number in (1, 2):
        cluster.agents[number - 1].kill9()
        cluster.daemons[number - 1].kill9()
        until(lambda n=number: row(c, f"node-{n}")["state"] == "down", 30,
              "it is down")
    answer = c.delete(f"/peers/{peers['node-1']}", timeout=30)
    assert answer.status == 409
    assert "of 1 pins nobody else holds a copy" in answer.message()
    assert row(c, "node-1")["copies"] == 2
    answer = c.delete(f"/peers/{peers['node-2']}", timeout=30)
    assert answer.status == 204, answer
    assert row(c, "node-2") is None
    assert len(c.get(f"/allocations/{shared}").json()["allocations"]) == 2


def test_alerts(make_cluster):
    """A node that fell is told of, also when it is back; on each
    coordinator."""
    cluster = make_cluster(nodes=2, daemon="fake")
    c = cluster.any()
    peers = {p["id"]: p["peername"] for p in c.get("/peers").lines()}

    def alerts(at=c):
        return [peers[a["peer"]] for a in at.get("/health/alerts").json()]

    for number, seen in ((1, ["node-1"]), (2, ["node-2", "node-1"]),
                         (1, ["node-1", "node-2", "node-1"])):
        agent = cluster.agents[number - 1]
        agent.kill9()
        for other in cluster.coordinators:
            until(lambda at=other, want=seen: alerts(at) == want, 30,
                  f"{seen} on {other.name}")
        agent.start()
        cluster.wait_sessions(agent)
    found = c.get("/health/alerts").json()
    assert [a["triggered_at"] for a in found] == sorted(
        (a["triggered_at"] for a in found), reverse=True)
    for a in found:
        assert a["name"] == "ping" and a["valid"] is False
        assert json.loads(a["value"])["peer_name"] == peers[a["peer"]]
        assert 0 < a["received_at"] < a["expire"]
    assert alerts() == ["node-1", "node-2", "node-1"]
