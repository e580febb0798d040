"""Uploads: through a coordinator and an agent into a daemon, and back out
of another node."""

import hashlib
import json
import os
import socket
import threading

import pytest
from cluster import until
from wire import multipart, raw_request, request

MEGABYTE = 1 << 20
# As the CLI of IPFS Cluster sends them; the daemon itself is asked alike.
V1 = "cid-version=1&raw-leaves=true&chunker=size-262144"


@pytest.fixture(scope="module")
def any_one(cluster):
    return cluster.any()


def upload(c, files, query="", timeout=60):
    headers, body = multipart(files)
    return c.post(f"/add?{query}", body=body, headers=headers,
                  timeout=timeout)


def read_elsewhere(cluster, cid, path=""):
    """The bytes, through a daemon that does not hold the pin."""
    holders = cluster.holders(cid)
    reader = next(d for d in cluster.daemons
                  if f"node-{d.number}" not in holders)
    return reader.cat(cid + path)


def test_file(cluster, any_one):
    data = os.urandom(700_000)
    answer = upload(any_one, {"a file": data}, f"{V1}&replication=2&name=N")
    assert answer.status == 200 and answer.complete, answer
    assert answer.headers["connection"] == "close"
    assert "x-stream-error" not in answer.trailers
    (added,) = answer.lines()
    assert added["name"] == "a file" and len(added["allocations"]) == 2
    assert added["size"] > len(data)
    cid = added["cid"]
    pin = any_one.get(f"/allocations/{cid}").json()
    assert pin["name"] == "N" and pin["mode"] == "recursive"
    cluster.wait_pinned(cid, 2)
    assert cid == cluster.daemons[0].add(data, more="&" + V1)
    assert read_elsewhere(cluster, cid) == data


def test_version_zero(cluster, any_one):
    data = os.urandom(400_000)
    query = "cid-version=0&raw-leaves=false&chunker=size-262144"
    cid = upload(any_one, {"x": data}, query + "&replication=2").lines()[-1][
        "cid"]
    assert cid.startswith("Qm")
    assert cid == cluster.daemons[1].add(data, more="&" + query)
    cluster.wait_pinned(cid, 2)


def test_empty_file(cluster, any_one):
    cid = upload(any_one, {"x": b""}, V1 + "&replication=2").lines()[-1]["cid"]
    assert cid == cluster.daemons[0].add(b"", more="&" + V1)
    cluster.wait_pinned(cid, 2)


def test_directory(cluster, any_one):
    files = {"d": None, "d/a": b"one" * 1000, "d/s": None,
             "d/s/b": os.urandom(300_000)}
    answer = upload(any_one, files, V1 + "&replication=2")
    assert answer.status == 200, answer
    names = [x["name"] for x in answer.lines()]
    assert names[-1] == "d" and set(names) == set(files)
    root = answer.lines()[-1]["cid"]
    headers, body = multipart(files)
    same = cluster.daemons[2].rpc(f"add?pin=false&{V1}", body, headers)
    assert root == same.lines()[-1]["Hash"]
    cluster.wait_pinned(root, 2)
    assert read_elsewhere(cluster, root, "/s/b") == files["d/s/b"]


def test_directory_with_an_empty_file(cluster, any_one):
    """Bitswap never sends a block of no bytes; the copy is made all the
    same."""
    files = {"d": None, "d/a": os.urandom(50), "d/empty": b""}
    root = upload(any_one, files, V1 + "&replication=2").lines()[-1]["cid"]
    cluster.wait_pinned(root, 2)


def test_wrapped(any_one):
    answer = upload(any_one, {"x": b"content"},
                    V1 + "&wrap-with-directory=true&replication=2")
    names = [x["name"] for x in answer.lines()]
    assert names == ["x", ""]


def same_as_the_daemon(cluster, any_one, files, query):
    """The lines of an upload, which are the daemon's own."""
    answer = upload(any_one, files, query + "&replication=1")
    assert answer.status == 200 and "x-stream-error" not in answer.trailers, \
        answer
    headers, body = multipart(files)
    own = cluster.daemons[0].rpc(f"add?pin=false&{query}", body,
                                 headers).lines()
    added = answer.lines()
    assert [(x["name"], x["cid"]) for x in added] == \
        [(x["Name"], x["Hash"]) for x in own if "Hash" in x]
    return added


def test_links_and_hidden_files(cluster, any_one):
    """As ctl sends them; the client decides what is hidden."""
    files = {"d": None, "d/.h": b"hidden", "d/a": b"one", "d/l": "a",
             "d/up": "../somewhere", "d/s": None, "d/s/é\N{SNOWMAN} +%": b"x"}
    files = {k.replace("%", "%25").replace("+", "%2B"): v
             for k, v in files.items()}
    added = same_as_the_daemon(cluster, any_one, files, V1 + "&hidden=true")
    assert added[-1]["name"] == "d"
    assert "d/s/é\N{SNOWMAN} +%" in [x["name"] for x in added]
    root = added[-1]["cid"]
    held = cluster.wait_pinned(root, 1)
    reader = next(d for d in cluster.daemons
                  if f"node-{d.number}" not in held)
    assert reader.cat(root + "/.h") == b"hidden"
    link = reader.rpc(f"ls?arg={root}").json()["Objects"][0]["Links"]
    assert {x["Name"]: x.get("Target", "") for x in link}["up"] == \
        "../somewhere"
    # One alone.
    same_as_the_daemon(cluster, any_one, {"l": "target"}, V1)


@pytest.mark.parametrize("query", [
    "cid-version=0&raw-leaves=false&chunker=size-1000",
    "cid-version=0&raw-leaves=true&chunker=size-262144",
    "cid-version=1&raw-leaves=false&chunker=size-262144",
    "cid-version=1&raw-leaves=true&chunker=rabin-1000-2000-4000",
    "cid-version=1&raw-leaves=true&chunker=buzhash",
    "cid-version=1&raw-leaves=true&chunker=size-262144&hash=sha2-512",
])
def test_shapes(cluster, any_one, query):
    same_as_the_daemon(cluster, any_one, {"x": os.urandom(300_000)}, query)


def test_trickle(cluster, any_one):
    data = os.urandom(300_000)
    query = "cid-version=1&raw-leaves=true&chunker=size-100"
    (added,) = upload(any_one, {"x": data},
                      query + "&layout=trickle&replication=1").lines()
    assert added["cid"] == cluster.daemons[0].add(
        data, more=f"&{query}&trickle=true")
    assert added["cid"] != cluster.daemons[0].add(data, more="&" + query)


def test_options_of_the_pin(any_one):
    """All that a pin may have, an upload may have; what makes no sense for
    it is not looked at."""
    cid = upload(any_one, {"x": os.urandom(50)}, V1 + "&name=N&meta-k=v&"
                 "expire-in=1h&replication-min=1&replication-max=2&"
                 "mode=direct&shard-size=104857600&shard=false&local=true&"
                 "user-allocations=&origins=").lines()[-1]["cid"]
    pin = any_one.get(f"/allocations/{cid}").json()
    assert (pin["name"], pin["metadata"], pin["mode"]) == (
        "N", {"k": "v"}, "recursive")
    assert (pin["replication_factor_min"], pin["replication_factor_max"]) == (
        1, 2)
    assert pin["expire_at"] > pin["timestamp"]
    # The blocks went to the home agent's node.
    home = any_one.get("/id").json()["ipfs"]["id"]
    peers = {p["id"]: p["ipfs"]["id"] for p in any_one.get("/peers").lines()}
    assert home in [peers[a] for a in pin["allocations"]]
    # pin-update of an upload is not followed.
    other = upload(any_one, {"x": os.urandom(50)}, V1 + f"&pin-update={cid}"
                   "&replication=1").lines()[-1]["cid"]
    assert any_one.get(f"/allocations/{other}").json()["name"] == ""


def test_array_mode(any_one):
    answer = upload(any_one, {"d": None, "d/a": b"1", "d/b": b"2"},
                    V1 + "&stream-channels=false&replication=2")
    assert answer.status == 200
    added = json.loads(answer.body)
    assert [x["name"] for x in added] == ["d/a", "d/b", "d"]


def test_progress(any_one):
    data = os.urandom(2 * MEGABYTE)
    answer = upload(any_one, {"x": data}, V1 + "&progress=true&replication=2")
    steps = [x["bytes"] for x in answer.lines() if x["cid"] is None]
    assert steps and steps == sorted(steps) and steps[-1] <= len(data)


def test_no_pin(any_one):
    answer = upload(any_one, {"x": os.urandom(100)}, V1 + "&no-pin=true")
    assert answer.status == 200, answer
    cid = answer.lines()[-1]["cid"]
    assert any_one.get(f"/allocations/{cid}").status == 404


def test_chunked_request(cluster, any_one):
    data = os.urandom(300_000)
    headers, body = multipart({"x": data})
    pieces = [body[i:i + 70_000] for i in range(0, len(body), 70_000)]
    answer = request(any_one.http, "POST", f"/add?{V1}&replication=2", pieces,
                     headers)
    cid = answer.lines()[-1]["cid"]
    assert cid == cluster.daemons[0].add(data, more="&" + V1)


def test_large_file_in_bounded_memory(cluster, any_one):
    """50 MB through every process, none of which may keep it."""
    block = os.urandom(MEGABYTE)
    size = 50
    headers, body = multipart({"big": b"@"})
    before, _, after = body.rpartition(b"@")

    def parts():
        yield before
        for i in range(size):
            yield i.to_bytes(4, "big") + block[4:]
        yield after

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
        answer = request(any_one.http, "POST", f"/add?{V1}&replication=2",
                         parts(), headers, timeout=120)
    finally:
        done.set()
        watcher.join()
    assert answer.status == 200 and answer.complete, answer
    cid = answer.lines()[-1]["cid"]
    grown = {n: (peak[n] - start[n]) // MEGABYTE for n in peak}
    # Sanitizers quarantine what was freed; without them it is a few MB.
    assert max(grown.values()) < size * 3, grown
    cluster.wait_pinned(cid, 2, seconds=60)
    want = hashlib.sha256()
    for i in range(size):
        want.update(i.to_bytes(4, "big") + block[4:])
    got = hashlib.sha256(read_elsewhere(cluster, cid))
    assert got.hexdigest() == want.hexdigest()


@pytest.mark.parametrize("query, status, part", [
    ("layout=x", 400, "layout parameter is invalid"),
    ("format=x", 400, "format parameter is invalid"),
    ("cid-version=x", 400, "parameter cid-version invalid"),
    ("cid-version=7", 400, "bad CID Version: unknown CID version: 7"),
    ("nocopy=true", 400, "nocopy is not supported"),
    ("mode=x", 400, "parameter mode invalid"),
    ("pin-update=x", 400, "error decoding update option parameter"),
    ("origins=/ip4/1.2.3.4/tcp/1", 400,
     "multiaddress does not contain peer ID"),
    ("expire-at=2001-01-01T00:00:00Z", 400,
     "pin.ExpireAt set before current time"),
    ("name=%ff", 400, "bad UTF-8"),
    ("hidden=perhaps", 400, "parameter hidden invalid"),
    ("wrap-with-directory=2", 400, "parameter wrap-with-directory invalid"),
    ("stream-channels=x", 400, "parameter stream-channels invalid"),
    ("shard=true", 400, "sharding is not supported"),
    ("replication-min=3&replication-max=2", 400, ""),
    ("expire-in=1", 400, "expire-in cannot be parsed"),
])
def test_bad_parameters(any_one, query, status, part):
    answer = upload(any_one, {"x": b"y"}, query)
    assert answer.status == status
    assert part in answer.message()


def test_not_multipart(any_one):
    for headers in ({}, {"Content-Type": "text/plain"}):
        answer = any_one.post("/add", body=b"abc", headers=headers)
        assert answer.status == 400
        assert answer.message() == \
            "request Content-Type isn't multipart/form-data"


def failure(answer):
    """The text, whether the status or the trailer brings it."""
    if answer.status == 200:
        return answer.trailers["x-stream-error"]
    return answer.message()


def test_failure_reaches_the_client(any_one):
    text = failure(upload(any_one, {"x": b"y"}, "chunker=x"))
    assert "chunker" in text
    answer = upload(any_one, {"x": b"y"}, "chunker=x&stream-channels=false")
    assert answer.status == 500 and "chunker" in answer.message()


def test_too_many_copies(any_one):
    text = failure(upload(any_one, {"x": b"y"}, V1 + "&replication=9"))
    assert text.startswith("not enough peers to allocate CID")


def test_broken_upload_is_forgotten(cluster, any_one):
    """A client that leaves in the middle: nothing stays open, or pinned."""
    pins = len(any_one.pins())
    headers, body = multipart({"x": os.urandom(200_000)})
    head = (f"POST /add?{V1} HTTP/1.1\r\nHost: a\r\n"
            f"Content-Type: {headers['Content-Type']}\r\n"
            f"Connection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()
    for cut in (0, 100, 100_000):
        with socket.create_connection(("127.0.0.1", any_one.http)) as s:
            s.sendall(head + body[:cut])
    # The boundary that never comes, but an end of the request.
    short = raw_request(any_one.http, head.replace(
        str(len(body)).encode(), b"5000") + body[:5000])
    assert b"X-Stream-Error" in short or b" 400 " in short or \
        b" 500 " in short
    until(lambda: upload(any_one, {"x": b"z"}, V1).status == 200, 60,
          "uploads still work")
    assert len(any_one.pins()) == pins + 1
