"""Uploads of CARs: through a coordinator and an agent into a daemon's import.
Good ones, broken ones, ones that are cut off, and a daemon that dies."""

import json
import os
import socket
import threading

import pytest
from car import RAW, Car, cid_bytes, cid_text, header, section
from cluster import until
from wire import Answer, multipart, request

MEGABYTE = 1 << 20


@pytest.fixture(scope="module", name="any_one")
def fixture_any_one(cluster):
    return cluster.any()


def upload(c, data, query="", name="x.car", timeout=60):
    headers, body = multipart({name: data})
    return c.post(f"/add?format=car{query}", body=body, headers=headers,
                  timeout=timeout)


def error_of(answer):
    if answer.status == 200:
        return answer.trailers["x-stream-error"]
    return answer.message()


def test_car(cluster, any_one):
    car = Car([os.urandom(200_000) for _ in range(5)])
    answer = upload(any_one, car.bytes(), "&replication=2&name=N&meta-a=b",
                    "d%20é.car")
    assert answer.status == 200 and answer.complete, answer
    assert "x-stream-error" not in answer.trailers
    (added,) = answer.lines()
    assert len(added.pop("allocations")) == 2
    assert added == {"name": "d é.car", "cid": car.cid,
                     "bytes": car.block_bytes, "size": len(car.data)}
    pin = any_one.get(f"/allocations/{car.cid}").json()
    assert (pin["name"], pin["mode"], pin["metadata"]) == (
        "N", "recursive", {"a": "b"})
    held = cluster.wait_pinned(car.cid, 2)
    reader = next(d for d in cluster.daemons
                  if f"node-{d.number}" not in held)
    assert reader.cat(car.cid) == car.data


@pytest.mark.parametrize("version", [0, 1])
def test_exported(cluster, any_one, version):
    """What a daemon exports, with roots of both versions."""
    owner = cluster.daemons[0]
    headers, body = multipart({
        "d": None, "d/a": os.urandom(700_000), "d/e": b"", "d/l": "a"})
    added = owner.rpc(f"add?pin=false&cid-version={version}&raw-leaves=false",
                      body, headers).lines()[-1]["Hash"]
    car = owner.rpc(f"dag/export?arg={added}").body
    (found,) = upload(any_one, car, "&replication=2").lines()
    assert found["cid"] == added and "size" not in found  # of a directory
    assert 700_000 < found["bytes"] < len(car)
    cluster.wait_pinned(added, 2)


def test_array_and_no_pin(any_one):
    car = Car([b"array", os.urandom(50)])
    (added,) = json.loads(upload(
        any_one, car.bytes(), "&stream-channels=false&no-pin=true").body)
    assert added == {"name": "x.car", "cid": car.cid,
                     "bytes": car.block_bytes, "size": len(car.data)}
    assert any_one.get(f"/allocations/{car.cid}").status == 404


def test_root_without_size(cluster, any_one):
    """A raw root is no UnixFS node."""
    data = os.urandom(100)
    root = cid_bytes(RAW, data)
    answer = upload(any_one, header([root]) + section(root, data),
                    "&replication=1")
    (added,) = answer.lines()
    assert added["cid"] == cid_text(root) and added["bytes"] == 100
    assert "size" not in added
    cluster.wait_pinned(cid_text(root), 1)


def test_unknown_options_of_files_are_checked(any_one):
    car = Car([os.urandom(60)])
    assert upload(any_one, car.bytes(), "&layout=x").status == 400
    assert upload(any_one, car.bytes(), "&layout=trickle&hidden=1&"
                  "raw-leaves=true&chunker=x&no-pin=true").status == 200
    answer = upload(any_one, car.bytes(), "&wrap-with-directory=true")
    assert answer.status == 400
    assert answer.message() == "cannot wrap a CAR file upload"


GOOD = Car([os.urandom(70_000), b"last"])
BROKEN = {
    "garbage": (os.urandom(4) + b"\xff" * 3000, ""),
    "text": (b"hello world" * 20, "invalid CAR header"),
    "empty": (b"", "unexpected EOF"),
    "no end": (GOOD.bytes()[:-2], "unexpected EOF"),
    "half": (GOOD.bytes()[:30_000], "unexpected EOF"),
    "no root": (GOOD.bytes(roots=[]), "empty car, no roots"),
    "two roots": (GOOD.bytes(roots=[GOOD.root, GOOD.blocks[1][0]]),
                  "only CAR files with a single root are supported"),
    "version 2": (GOOD.bytes(version=2), "invalid car version: 2"),
    "zeros behind": (GOOD.bytes() + bytes(9), "a length makes no sense"),
    "other bytes": (GOOD.bytes()[:-1] + b"x", "content integrity"),
    "large block": (header([cid_bytes(RAW, bytes(3 << 20))]) +
                    section(cid_bytes(RAW, bytes(3 << 20)), bytes(3 << 20)),
                    ""),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken(cluster, any_one, kind):
    """An error with its reason, both ways of answering; nothing pinned, and
    the next upload is taken."""
    data, text = BROKEN[kind]
    pins = any_one.pins()
    for query in ("", "&stream-channels=false"):
        answer = upload(any_one, data, query)
        assert answer.status in (400, 500), answer
        assert text in answer.message()
    assert any_one.pins() == pins
    assert upload(any_one, GOOD.bytes(), "&no-pin=true").status == 200
    assert not cluster.holders(GOOD.cid)


def test_not_one_file(any_one):
    for files, text in (
            ({"a.car": GOOD.bytes(), "b.car": GOOD.bytes()},
             "only one CAR file can be added at a time"),
            ({"d": None, "d/a.car": GOOD.bytes()},
             "expected CAR file is not of type file"),
            ({}, "no CAR file was uploaded")):
        headers, body = multipart(files)
        answer = any_one.post("/add?format=car", body=body, headers=headers)
        assert answer.status == 400 and text in answer.message(), answer


def test_nothing_that_the_daemon_takes(any_one):
    """Some daemons pass a nameless part over: then there is no root."""
    body = b"--b\r\n\r\n" + GOOD.bytes() + b"\r\n--b--\r\n"
    answer = any_one.post("/add?format=car&no-pin=true", body=body, headers={
        "Content-Type": "multipart/form-data; boundary=b"})
    assert answer.status == 200 and answer.lines()[0]["cid"] == GOOD.cid or \
        answer.status == 502 and "took 0 blocks" in answer.message()


def many_blocks(megabytes):
    """Body of a form with a CAR that is made while it is sent."""
    block = os.urandom(MEGABYTE)
    root = cid_bytes(RAW, block)
    headers, body = multipart({"big.car": b"@"})
    before, _, after = body.rpartition(b"@")

    def parts():
        yield before + header([root])
        yield section(root, block)
        for i in range(megabytes - 1):
            other = i.to_bytes(4, "big") + block[4:]
            yield section(cid_bytes(RAW, other), other)
        yield after

    return headers, parts, cid_text(root)


def test_large_in_bounded_memory(cluster, any_one):
    """50 MB through every process, none of which may keep it."""
    size = 50
    headers, parts, cid = many_blocks(size)
    watched = cluster.coordinators + cluster.agents
    start = {p.name: p.rss_bytes() for p in watched}
    peak = dict(start)
    done = threading.Event()

    def watch():
        while not done.wait(0.02):
            for p in watched:
                peak[p.name] = max(peak[p.name], p.rss_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        answer = request(any_one.http, "POST", "/add?format=car&replication=2",
                         parts(), headers, timeout=120)
    finally:
        done.set()
        watcher.join()
    assert answer.status == 200 and answer.complete, answer
    (added,) = answer.lines()
    assert added["cid"] == cid and added["bytes"] == size * MEGABYTE
    grown = {n: (peak[n] - start[n]) // MEGABYTE for n in peak}
    # Sanitizers quarantine what was freed; without them it is a few MB.
    assert max(grown.values()) < size * 3, grown
    cluster.wait_pinned(cid, 2, seconds=60)


def test_refused_while_it_is_sent(any_one):
    """Who sends for ever is told what is wrong before the end."""
    headers, _ = multipart({})
    head = (f"POST /add?format=car HTTP/1.1\r\nHost: a\r\n"
            f"Content-Type: {headers['Content-Type']}\r\n"
            f"Content-Length: {1 << 40}\r\n\r\n").encode()
    _, body = multipart({"x": b"@"})
    with socket.create_connection(("127.0.0.1", any_one.http), 30) as s:
        s.sendall(head + body[:body.index(b"@")])
        s.sendall(GOOD.bytes(version=3))
        received = b""
        while block := s.recv(1 << 16):
            received += block
    answer = Answer(received)
    assert answer.status == 400
    assert answer.message() == "invalid car version: 3"


def test_client_that_leaves(any_one):
    pins = any_one.pins()
    headers, body = multipart({"x": GOOD.bytes()})
    head = (f"POST /add?format=car HTTP/1.1\r\nHost: a\r\n"
            f"Content-Type: {headers['Content-Type']}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()
    for cut in (0, 100, 300, 60_000, len(body) - 1):
        with socket.create_connection(("127.0.0.1", any_one.http)) as s:
            s.sendall(head + body[:cut])
    until(lambda: upload(any_one, GOOD.bytes(), "&no-pin=true").status == 200,
          20, "uploads still work")
    assert any_one.pins() == pins


def test_agent_dies(make_cluster):
    """Nothing waits for it for long."""
    cluster = make_cluster(coordinators=1, nodes=1)
    c, agent = cluster.coordinators[0], cluster.agents[0]
    headers, parts, cid = many_blocks(40)

    def deadly():
        for i, part in enumerate(parts()):
            if i == 20:
                agent.kill9()
            yield part

    answer = request(c.http, "POST", "/add?format=car&replication=1",
                     deadly(), headers, timeout=60)
    assert answer.status in (200, 502), answer
    assert error_of(answer)
    assert c.get(f"/allocations/{cid}").status == 404
    agent.start()
    cluster.wait_sessions(agent)
    until(lambda: upload(c, GOOD.bytes(), "&replication=1").status == 200, 30,
          "the next is taken")


def test_gc_waits_for_the_root(make_cluster):
    """What a CAR brought is not collected before its root is pinned."""
    cluster = make_cluster(coordinators=1, nodes=1)
    c = cluster.coordinators[0]
    assert upload(c, GOOD.bytes(), "&no-pin=true").status == 200

    def refusal():
        (node,) = c.post("/ipfs/gc", timeout=60).json()["peer_map"].values()
        return node.get("error", "")

    # The upload itself ends a moment after its answer.
    until(lambda: "an upload is under way" not in refusal(), 20, "it ended")
    assert "is not pinned yet" in refusal()
    assert c.post(f"/pins/{GOOD.cid}?replication=1").status == 200
    cluster.wait_pinned(GOOD.cid, 1)
    until(lambda: refusal() == "", 20, "it is collected")
    assert cluster.daemons[0].cat(GOOD.cid) == GOOD.data


def test_daemon_dies(make_cluster):
    """In the middle of the body: an error, nothing pinned; and all goes on
    once it is back."""
    cluster = make_cluster(coordinators=1, nodes=1)
    c, daemon = cluster.coordinators[0], cluster.daemons[0]
    headers, parts, cid = many_blocks(40)

    def deadly():
        for i, part in enumerate(parts()):
            if i == 20:
                daemon.kill9()
            yield part

    answer = request(c.http, "POST", "/add?format=car&replication=1",
                     deadly(), headers, timeout=60)
    assert answer.status in (200, 500, 502, 503), answer
    assert "dag/import" in error_of(answer)
    assert c.get(f"/allocations/{cid}").status == 404
    daemon.start()
    daemon.wait()
    until(lambda: upload(c, GOOD.bytes(), "&replication=1").status == 200, 30,
          "the next is taken")
    cluster.wait_pinned(GOOD.cid, 1)
