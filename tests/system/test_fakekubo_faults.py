"""What the fake daemon does to a client on command, byte by byte: the tests
of the agent build on it."""

import os
import socket
import struct

import pytest
from cluster import make_cid
from daemons import FakeDaemon
from process import until
from wire import multipart


class Place:
    def __init__(self, folder):
        self.folder = str(folder)


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    daemon = FakeDaemon(Place(tmp_path_factory.mktemp("fake")), 1)
    daemon.start()
    daemon.wait()
    yield daemon
    assert daemon.terminate() == 0, daemon.log_text()


@pytest.fixture(autouse=True)
def healthy(fake):
    yield
    fake.heal()


def talk(fake, path, enough, moment=0.3, seconds=30):
    """(bytes, how it ended): "end", "reset", or "held" if nothing more comes
    for a moment once enough(bytes)."""
    got = b""
    with socket.create_connection(("127.0.0.1", fake.port), seconds) as s:
        s.sendall(f"POST /api/v0/{path} HTTP/1.1\r\nHost: a\r\n\r\n"
                  .encode())
        try:
            while not enough(got) or moment:
                s.settimeout(moment if enough(got) else seconds)
                block = s.recv(1 << 16)
                if not block:
                    return got, "end"
                got += block
        except ConnectionResetError:
            return got, "reset"
        except TimeoutError:
            assert enough(got), got
        return got, "held"


HEAD = b"HTTP/1.1 200 Fault\r\n"
CASES = [
    ("stall", {}, b"", lambda b: b == b"", "held"),
    ("head", {}, b"", lambda b: b.endswith(b"\r\n\r\n"), "held"),
    ("body", {}, b"{}\n", lambda b: b.endswith(b"\r\n\r\n3\r\n{}\n\r\n"),
     "held"),
    ("close", {}, b"", lambda b: b == b"", "end"),
    ("reset", {}, b"", lambda b: b == b"", "reset"),
    ("answer", {"status": 403, "type": "text/plain"}, b"no\n",
     lambda b: b.startswith(b"HTTP/1.1 403 ") and
     b.endswith(b"3\r\nno\n\r\n0\r\n\r\n"), "end"),
    ("answer", {"trailer": "it broke"}, b"{}\n",
     lambda b: b.endswith(b"0\r\nX-Stream-Error: it broke\r\n\r\n"), "end"),
    ("short", {}, b"{}\n", lambda b: b"Content-Length: 103\r\n" in b and
     b.endswith(b"\r\n\r\n{}\n"), "end"),
    ("torn", {}, b"{}\n", lambda b: b.endswith(b"3\r\n{}\n\r\n"), "end"),
    ("torn", {"reset": True}, b"{}\n", lambda b: True, "reset"),
    ("raw", {}, b"\0\xff", lambda b: b == b"\0\xff", "end"),
    ("cut", {"after": 7}, b"",
     lambda b: len(b.partition(b"\r\n\r\n")[2]) == 7, "end"),
    ("freeze", {"after": 7}, b"",
     lambda b: len(b.partition(b"\r\n\r\n")[2]) == 7, "held"),
    ("drip", {"every": 1}, b"", lambda b: b'"Version":"0.43.0"' in b, "end"),
    ("delay", {"ms": 50}, b"", lambda b: b'"Version":"0.43.0"' in b, "held"),
]


@pytest.mark.parametrize("kind, more, body, fits, how", CASES)
def test_kinds(fake, kind, more, body, fits, how):
    before = fake.calls()["version"]
    fake.fault("version", kind, body, count=1, **more)
    # What is to end has all the time for it.
    got, ended = talk(fake, "version",
                      fits if how == "held" else lambda _: False)
    assert fits(got) and ended == how, (got, ended)
    until(lambda: fake.hits() == {("", "version"): 1}, 20, "it was met")
    assert fake.calls()["version"] == before + 1
    assert fake.rpc("version").json()["Version"] == "0.43.0"


@pytest.mark.parametrize("kind, body, part", [
    ("repeat", b"{}\n", b"3\r\n{}\n\r\n"), ("grow", b"", b'"Progress":20,'),
    ("waver", b"", b'"Progress":1,')])
def test_without_end(fake, kind, body, part):
    fake.fault("pin/add", kind, body)
    got, ended = talk(fake, f"pin/add?arg={make_cid()}",
                      lambda b: len(b) >= 1 << 20, moment=0)
    assert got.startswith(HEAD) and ended == "held"
    assert part in got


def test_what_hangs_is_cut_with_the_fault(fake):
    fake.fault("id", "stall")
    with socket.create_connection(("127.0.0.1", fake.port), 10) as s:
        s.sendall(b"POST /api/v0/id HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: fake.hits()[("", "id")] == 1, 10, "it is met")
        fake.heal()
        assert s.recv(10) == b""


def test_one_cid_only_and_what_it_did(fake):
    bad, good = make_cid(), make_cid()
    fake.fault("pin/add", "reset", cid=bad, skip=1, count=2)
    assert fake.rpc(f"pin/add?arg={bad}").status == 200
    for _ in range(2):
        with pytest.raises(OSError):
            fake.rpc(f"pin/add?arg={bad}")
        assert fake.rpc(f"pin/add?arg={good}").status == 200
    assert fake.rpc(f"pin/add?arg={bad}").status == 200
    fake.fault("pin/add", "vanish", cid=good)
    assert fake.rpc(f"pin/add?arg={good}").status == 200
    assert good not in fake.pins()
    other = make_cid()
    fake.fault("pin/add", "close", apply=True, cid=other)
    fake.fault("pin/rm", "close", apply=True, cid=bad)
    for path in f"pin/add?arg={other}", f"pin/rm?arg={bad}":
        with pytest.raises(OSError):
            fake.rpc(path)
    assert other in fake.pins() and bad not in fake.pins()
    assert fake.lose_all() >= 1 and fake.pins() == set()


def test_uploads(fake):
    headers, body = multipart({"x": os.urandom(1000)})
    fake.fault("add", "answer", b"oops\n", status=500, count=1)
    answer = fake.rpc("add", body, headers)
    assert answer.status == 500 and answer.body == b"oops\n"
    assert fake.pins() == set()
    fake.fault("add", "stall", noread=True, count=1)
    with pytest.raises(OSError):
        fake.rpc("add", body, headers, timeout=0.3)
    assert fake.rpc("add", body, headers).status == 200
    fake.lose_all()


def test_a_disk_that_fills(fake):
    fake.ctl("disk?bytes=1")
    answer = fake.rpc(f"pin/add?arg={make_cid()}")
    assert answer.status == 500
    assert "no space left on device" in answer.json()["Message"]
    fake.ctl("disk?bytes=0&max=18446744073709551615")
    assert fake.rpc("repo/stat").json()["StorageMax"] == 2 ** 64 - 1
    assert fake.rpc(f"pin/add?arg={make_cid()}").status == 200


@pytest.mark.parametrize("query", [
    "", "kind=nothing", "kind=stall&when=now", "kind=stall&count=x",
    "kind=answer&status=7", "kind=stall&endpoint=" + "x" * 200])
def test_faulty_faults(fake, query):
    assert fake.ctl("fault?" + query, body=b"").status == 400
    assert fake.hits() == {}


def test_a_client_that_resets(fake):
    fake.fault("version", "repeat", b"{}\n")
    for _ in range(20):
        s = socket.create_connection(("127.0.0.1", fake.port), 10)
        s.sendall(b"POST /api/v0/version HTTP/1.1\r\nHost: a\r\n\r\n")
        assert s.recv(100)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     struct.pack("ii", 1, 0))
        s.close()
    assert fake.rpc("id").status == 200
