"""Malformed, odd and broken HTTP against each port of running processes: the
coordinator's three APIs, its probes, and an agent's."""

import contextlib
import os
import socket
import threading
import time

import http_abuse
import http_probe
import pytest
from cluster import Cluster, make_cid, until
from process import free_port
from psa import Client, make_token
from wire import Answer, request

SECONDS = 60 if os.environ.get("PINFOLD_NIGHTLY") else 6
CID = make_cid()
PATHS = {  # those that are probed, then those that are abused, too
    "cluster": (["/id", "/add", "/pins"],
                ["/allocations", "/peers", "/metrics", "/pins/recover",
                 "/api/v1/status", "/health/graph", f"/pins/{CID}",
                 "/x%zz", "/psa/pins", "/api/v1/offers"]),
    "pinning": (["/pins", "/pins/none"],
                ["/pins?limit=1", "/pins?cid=" + CID, "/x%zz"]),
    "proxy": (["/api/v0/id", "/api/v0/add", "/api/v0/pin/ls"],
              ["/api/v0/pin/add?arg=" + CID, "/api/v0/pin/ls?stream=true",
               "/api/v0/block/put", "/api/v0/dag/import", "/api/v0/x%zz",
               "/api/v0/repo/stat"]),
    "probes": (["/livez"], ["/metrics", "/readyz", "/none"]),
    "agent": (["/livez"], ["/metrics", "/readyz", "/none"])}
DOORS = list(PATHS)
# Bytes that are no UTF-8, no CID, no JSON, too many or too deep.
BODIES = [b"", b"{", b"null", b"[]", b'{"cid":1}', b'{"cid":"\xff\xfe"}',
          b'{"cid":"' + CID.encode() + b'","name":"\\ud800"}',
          b'{"cid":"' + CID.encode() + b'","name":"' + b"a" * 300 + b'"}',
          b'{"cid":"' + CID.encode() + b'","origins":' +
          b"[" * 50000 + b"}", b'{"cid":"Qm"}', b"\x00" * 100,
          b'{"cid":"' + CID.encode() + b'","cid":"x"}',
          b'{"cid":"' + b"b" * 100000 + b'"}']
TEXTS = ["%ff%fe", "%00", "%0d%0aX-Evil:1", "Qm", "b" * 9000, "../../etc",
         "%2e%2e%2f", "", "%", "%E2%80%AE", "-1", "99999999999999999999",
         CID + "%20"]


class World:
    def __init__(self, folder):
        probes = free_port()
        self.cluster = Cluster(folder, coordinators=1, nodes=2,
                               daemon="fake", options={
                                   "probe-listen": f"127.0.0.1:{probes}",
                                   "suspect-after": "15s",
                                   "down-after": "40s"})
        self.c, self.a = self.cluster.coordinators[0], self.cluster.agents[0]
        self.ports = {"cluster": self.c.http, "pinning": self.c.pinning,
                      "proxy": self.c.proxy, "probes": probes,
                      "agent": self.a.http}

    def start(self):
        self.cluster.start()
        self.token = make_token(self.c, "hostile")
        return self


@pytest.fixture(scope="module", name="world")
def fixture_world(tmp_path_factory):
    w = World(str(tmp_path_factory.mktemp("hostile")))
    try:
        yield w.start()
        # Whatever they did: it works, and nothing of them is left.
        until(w.c.ready, 30, "it still answers")
        cid = w.cluster.daemons[0].add(os.urandom(100))
        assert w.c.post(f"/pins/{cid}?replication=2").status == 200
        w.cluster.wait_pinned(cid, 2)
    finally:
        wrong = w.cluster.close()
        assert not wrong, "\n".join(wrong) + w.cluster.logs()


def descriptors(process):
    """Without an agent's connections to its daemon: it keeps some."""
    folder, kept = f"/proc/{process.pid}", set()
    if hasattr(process, "daemon"):
        with open(folder + "/net/tcp", encoding="ascii") as f:
            rows = [line.split() for line in f][1:]
        kept = {f"socket:[{row[9]}]" for row in rows
                if row[2].endswith(f":{process.daemon.port:04X}")}
    open_files = 0
    for fd in os.listdir(folder + "/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            open_files += os.readlink(f"{folder}/fd/{fd}") not in kept
    return open_files


def back(process, before, seconds=40):
    until(lambda: descriptors(process) <= before + 2, seconds,
          "all connections are closed")


@pytest.mark.parametrize("door,path", [(d, p) for d in DOORS
                                       for p in PATHS[d][0]])
def test_probe(world, door, path):
    assert http_probe.probe("127.0.0.1", world.ports[door], path) == []


def test_abuse(world):
    """All doors at a time."""
    c, a = world.c, world.a
    before, memory = [descriptors(p) for p in (c, a)], c.rss_bytes()
    made = {}

    def work(door):
        shapes = [shape for path in sum(PATHS[door], [])
                  for shape in http_abuse.requests(path)]
        made[door], end = 0, time.monotonic() + SECONDS + 60
        while made[door] <= 30 and time.monotonic() < end:
            made[door] += http_abuse.abuse(
                "127.0.0.1", world.ports[door], shapes, SECONDS, threads=6)

    threads = [threading.Thread(target=work, args=(d,)) for d in DOORS]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(made[d] > 30 for d in DOORS), made
    assert c.alive() and a.alive()
    until(c.ready, 30, "it still answers")
    back(c, before[0])
    back(a, before[1])
    # Sanitizers keep what was freed for a while.
    assert c.rss_bytes() - memory < 400 << 20


def test_bodies(world):
    """What is no pin, by every way in which one may come: 4xx, at once."""
    headers = {"Authorization": f"Bearer {world.token}",
               "Content-Type": "application/json"}
    for body in BODIES:
        for door, path in (("pinning", "/pins"), ("pinning", "/pins/none"),
                           ("cluster", "/psa/pins"),
                           ("cluster", "/api/v1/reads")):
            if "reads" in path and body == b"":
                continue
            answer = request(world.ports[door], "POST", path, body, headers)
            assert 400 <= answer.status < 500, (door, path, body[:60], answer)
            assert answer.headers["content-type"] == "application/json"
            answer.json()


def test_names(world):
    """CIDs, ids and parameters that are none."""
    token = {"Authorization": f"Bearer {world.token}"}
    calls = [("cluster", "GET", "/pins/{}"), ("cluster", "POST", "/pins/{}"),
             ("cluster", "GET", "/allocations/{}"),
             ("cluster", "GET", "/api/v1/pins/{}/explain"),
             ("cluster", "POST", "/pins/ipfs/{}"),
             ("cluster", "GET", "/pins?cids={}"),
             ("cluster", "DELETE", "/api/v1/nodes/{}"),
             ("pinning", "GET", "/pins/{}"), ("pinning", "DELETE",
                                              "/pins/{}"),
             ("pinning", "GET", "/pins?cid={}"),
             ("pinning", "GET", "/pins?before={}"),
             ("pinning", "GET", "/pins?limit={}"),
             ("pinning", "GET", "/pins?meta={}"),
             ("proxy", "POST", "/api/v0/pin/add?arg={}"),
             ("proxy", "POST", "/api/v0/pin/rm?arg={}"),
             ("proxy", "POST", "/api/v0/pin/ls?arg={}"),
             ("proxy", "POST", "/api/v0/pin/update?arg={0}&arg={0}"),
             ("proxy", "POST", "/api/v0/block/get?arg={}"),
             ("proxy", "POST", "/api/v0/{}")]
    for door, method, path in calls:
        for text in TEXTS:
            answer = request(world.ports[door], method, path.format(text),
                             headers=token, timeout=60)
            where = (door, method, path, text[:30], answer)
            assert answer.complete, where
            assert "x-evil" not in answer.headers, where
            # The proxy's errors are those of a daemon: 500 with a Type.
            assert answer.status < 500 or door == "proxy" or \
                b"IPFS error" in answer.body, where
            if answer.status < 400:
                continue
            if answer.headers.get("content-type") == "application/json":
                answer.json()
            else:  # as a daemon says that an argument is missing
                assert door == "proxy", where
            if door == "proxy" and answer.status >= 500:
                assert answer.json()["Type"] == "error", where


def test_unknown_methods(world):
    for door in DOORS:
        path = PATHS[door][0][0]
        for method in ("FROB", "TRACE", "CONNECT", "get", "M" * 32,
                       "PROPFIND"):
            answer = request(world.ports[door], method, path)
            known = (401,) if door == "pinning" else (400, 404, 405)
            assert answer.status in known, (door, method, answer)
            assert answer.complete
            answer.json()
        answer = request(world.ports[door], "M" * 33, path)
        assert answer.status == 400, (door, answer)


LISTS = {"cluster": b"GET /allocations HTTP/1.1\r\nHost: a\r\n",
         "pinning": b"GET /pins?status=queued,pinning,pinned,failed&"
                    b"limit=1000 HTTP/1.1\r\nHost: a\r\n",
         "proxy": b"POST /api/v0/pin/ls HTTP/1.1\r\nHost: a\r\n"
                  b"Content-Length: 0\r\n",
         "probes": b"GET /metrics HTTP/1.1\r\nHost: a\r\n",
         "agent": b"GET /metrics HTTP/1.1\r\nHost: a\r\n"}
UPLOADS = {"cluster": "/add", "proxy": "/api/v0/add",
           "pinning": "/pins"}


def test_leaves_in_a_list(world):
    """Who takes a part of many lists and goes, closed or reset, or who takes
    nothing for a while, leaves nothing behind."""
    auth = f"Authorization: Bearer {world.token}\r\n\r\n".encode()
    for i in range(100):
        assert request(world.c.pinning, "POST", "/pins",
                       b'{"cid":"%s","name":"%s"}' % (
                           make_cid().encode(), b"n" * 250),
                       {"Authorization": f"Bearer {world.token}"}
                       ).status == 202
    # The agent keeps what it dialled for them.
    until(lambda: Client(world.c, world.token).count("queued,pinning") == 0,
          60, "they are pinned")
    for door in DOORS:
        process = world.a if door == "agent" else world.c
        before = descriptors(process)
        held = []
        for i in range(12):
            s = socket.create_connection(("127.0.0.1", world.ports[door]), 20)
            s.sendall((LISTS[door] + auth) * 20)
            held.append(s)
            s.recv(1 + i * 1200)
            if i % 2:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             http_abuse.RESET)
            if i % 3:
                s.close()
        answer = request(world.ports[door], *LISTS[door].decode().split()[:2],
                         headers={"Authorization": f"Bearer {world.token}"})
        assert answer.status == 200 and answer.complete, (door, answer)
        for s in held:
            s.close()
        back(process, before)


def test_leaves_in_an_upload(world):
    """At each place of it."""
    before = [descriptors(p) for p in (world.c, world.a)]
    for door, path in UPLOADS.items():
        kind = "application/json" if door == "pinning" else \
            "multipart/form-data; boundary=x"
        head = (f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
                f"{world.token}\r\nContent-Type: {kind}\r\n"
                "Content-Length: 5000\r\n\r\n").encode()
        body = b'--x\r\nContent-Disposition: form-data; name="file"; ' \
               b'filename="f"\r\n\r\n' + b"y" * 3000
        data = head + (b'{"cid":"' if door == "pinning" else body)
        for i, cut in enumerate(range(20, len(data), 97)):
            s = socket.create_connection(("127.0.0.1", world.ports[door]), 20)
            s.sendall(data[:cut])
            if i % 3 == 0:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             http_abuse.RESET)
            elif i % 3 == 1:
                s.shutdown(socket.SHUT_WR)
                s.settimeout(20)
                try:
                    while s.recv(65536):
                        pass
                except ConnectionResetError:
                    pass
            s.close()
    back(world.c, before[0])
    back(world.a, before[1])


def dribble(world):
    """A request to each door, a byte at a time; the answers, and how long it
    took until all was sent."""
    sockets, answers, began_all = {}, {}, time.monotonic()
    for door in DOORS:
        s = socket.create_connection(("127.0.0.1", world.ports[door]), 20)
        sockets[door] = (s, LISTS[door].replace(b"\r\n", b"\r\nX: a\r\n", 1) +
                         f"Authorization: Bearer {world.token}\r\n"
                         "Connection: close\r\n\r\n".encode())
    at = 0
    while any(at < len(data) for _, data in sockets.values()):
        for s, data in sockets.values():
            if at < len(data):
                with contextlib.suppress(ConnectionError):
                    s.sendall(data[at:at + 1])
        at += 1
        if at % 10 == 0:
            began = time.monotonic()
            assert world.c.get("/livez").status == 200
            assert time.monotonic() - began < 8
    took = time.monotonic() - began_all
    for door, (s, _) in sockets.items():
        answers[door] = b""
        with contextlib.suppress(ConnectionError):
            while part := s.recv(65536):
                answers[door] += part
        s.close()
    return answers, took


def test_slow_bytes(world):
    """A byte now and then: a small request may come so, on each door, and
    holds up nobody."""
    for _ in range(4):
        answers, took = dribble(world)
        if took < 8:  # else a head was too slow, as it may be: 10 s
            break
    for door, got in answers.items():
        assert Answer(got).status == 200, (door, took, got[:200])
