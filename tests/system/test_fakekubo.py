"""The fake daemon as a process, and with it the HTTP server under hostile
clients: the malformed requests, then cut, reset and mutated connections."""

import base64
import hashlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))

import http_abuse  # noqa: E402
import http_probe  # noqa: E402

BUILD = os.environ.get("PINFOLD_BUILD", os.path.join(ROOT, "build", "debug"))
API = "/api/v0/"


def cid_of(data):
    binary = bytes([1, 0x55, 0x12, 32]) + hashlib.sha256(data).digest()
    return "b" + base64.b32encode(binary).decode().lower().rstrip("=")


CIDS = [cid_of(str(i).encode()) for i in range(40)]


class Fake:
    def __init__(self, *options):
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "tests", "lib", "fakekubo"),
             "--listen", "127.0.0.1:0", *options],
            stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])

    def call(self, path, method="POST", body=None, headers=None):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            link.request(method, path, body, headers or {})
            answer = link.getresponse()
            return answer.status, answer.read(), answer
        finally:
            link.close()

    def sockets(self):
        folder = f"/proc/{self.process.pid}/fd"
        n = 0
        for fd in os.listdir(folder):
            try:
                n += os.readlink(f"{folder}/{fd}").startswith("socket:")
            except FileNotFoundError:
                pass  # closed since the folder was read
        return n

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        self.process.stdout.close()
        return code


@pytest.fixture
def fake():
    daemon = Fake()
    yield daemon
    if daemon.process.poll() is None:
        assert daemon.stop() == 0


def test_pin_life(fake):
    one, two = CIDS[:2]
    look = f"{API}pin/ls?arg={one}&type=recursive&names=true"
    status, body, _ = fake.call(look)
    assert status == 500
    assert json.loads(body) == {"Message": f"path '{one}' is not pinned",
                                "Code": 0, "Type": "error"}
    status, body, answer = fake.call(
        f"{API}pin/add?arg={one}&progress=true&name=n")
    lines = [json.loads(x) for x in body.splitlines()]
    assert status == 200 and lines[-1] == {"Pins": [one]}
    assert lines[0]["Bytes"] > 0 and lines[0]["Progress"] > 0
    assert answer.getheader("Trailer") == "X-Stream-Error"
    assert answer.getheader("X-Chunked-Output") == "1"
    status, body, _ = fake.call(look)
    assert json.loads(body) == {"Keys": {one: {"Type": "recursive",
                                               "Name": "n"}}}
    status, body, _ = fake.call(f"{API}pin/update?arg={one}&arg={two}")
    assert json.loads(body) == {"Pins": [one, two]}
    status, body, _ = fake.call(
        f"{API}pin/ls?type=recursive&names=true&stream=true")
    assert json.loads(body) == {"Cid": two, "Name": "n", "Type": "recursive"}
    assert fake.call(f"{API}pin/rm?arg={two}")[0] == 200
    status, body, _ = fake.call(f"{API}pin/rm?arg={two}")
    assert status == 500 and b"not pinned or pinned indirectly" in body


@pytest.mark.parametrize("path, headers, status, text", [
    ("pin/add", {}, 400, 'argument "ipfs-path" is required'),
    ("pin/add?arg=notacid", {}, 500, "invalid path"),
    ("pin/ls?type=all&type=all", {}, 400, "only a single value"),
    (f"pin/add?arg={CIDS[0]}&name=" + "x" * 256, {}, 500, "max 255 bytes"),
    ("nothing", {}, 404, "404 page not found"),
    ("version?timeout=30", {}, 200, ""),
    ("version", {"User-Agent": "Mozilla/5.0"}, 403, "403 - Forbidden"),
    ("version", {"Origin": "http://elsewhere"}, 403, "403 - Forbidden"),
])
def test_refusals(fake, path, headers, status, text):
    got, body, _ = fake.call(API + path, headers=headers)
    assert got == status and text.encode() in body
    assert bool(text) == bool(body)
    assert fake.call(API + path, "GET")[0] in (405, 403)


def test_add(fake):
    content = bytes(range(256)) * 4000
    body = (b'--X\r\nContent-Disposition: form-data; name="file"; '
            b'filename="a%20b"\r\n\r\n' + content + b"\r\n--X--\r\n")
    status, answer, _ = fake.call(
        API + "add?pin-name=p", body=body,
        headers={"Content-Type": "multipart/form-data; boundary=X"})
    assert status == 200
    assert json.loads(answer) == {"Name": "a b", "Hash": cid_of(content),
                                  "Size": str(len(content))}
    pins = json.loads(fake.call("/ctl/pins", "GET")[1])
    assert pins == {"cid": cid_of(content), "name": "p"}


def test_control(fake):
    one = CIDS[0]
    fake.call(f"/ctl/foreign?cid={one}&name=theirs")
    assert b'"theirs"' in fake.call(f"{API}pin/ls?arg={one}&names=1")[1]
    assert fake.call(f"/ctl/lose?cid={one}")[1] == b'{"found":true}\n'
    assert fake.call(f"{API}pin/ls?arg={one}")[0] == 500
    fake.call("/ctl/down?on=true")
    assert fake.call(API + "version")[0] == 500
    stats = json.loads(fake.call("/ctl/stats", "GET")[1])
    assert stats["down"] and stats["pins"] == 0
    assert stats["calls"]["pin/ls"] == 2
    fake.call("/ctl/down?on=false")
    assert fake.call(API + "version")[0] == 200


def test_latency():
    fake = Fake("--latency-ms", "150")
    begin = time.monotonic()
    assert fake.call(API + "version")[0] == 200
    assert time.monotonic() - begin >= 0.15
    assert fake.stop() == 0


def test_malformed_requests(fake):
    assert http_probe.probe("127.0.0.1", fake.port, "/ctl/stats") == []


def test_abuse(fake):
    shapes = (http_abuse.requests("/ctl/pins") +
              http_abuse.requests(API + "pin/ls?stream=true"))
    for verb in "add", "rm":
        shapes += [f"POST {API}pin/{verb}?arg={c} HTTP/1.1\r\nHost: a\r\n\r\n"
                   .encode() for c in CIDS]
    idle = fake.sockets()
    assert http_abuse.abuse("127.0.0.1", fake.port, shapes, 5.0) > 100
    end = time.monotonic() + 40
    while fake.sockets() > idle and time.monotonic() < end:
        time.sleep(0.05)
    assert fake.sockets() == idle
    assert fake.call(API + "version")[0] == 200
