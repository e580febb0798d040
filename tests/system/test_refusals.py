"""What each HTTP port refuses before a request is there: its error in the
door's own form, one line, one count; nothing of it lasts."""

import json
import os
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cluster import CALM, Cluster, make_cid
from process import ROOT, free_port, until
from psa import make_token
from wire import request

HEAD = b"Host: a\r\n"
GET = b"GET /id HTTP/1.1\r\n" + HEAD
POST = b"POST /add HTTP/1.1\r\n" + HEAD
CODING = b"Transfer-Encoding: chunked\r\n"
CASES = [  # bytes, status, reason
    (b"\x00\x01\x02\x03", 400, "bytes"),
    (b"GET /id HTTP/1.1\nHost: a\n\n", 400, "bytes"),
    (bytes.fromhex("16030100c8010000c40303") + b"x" * 200, 400,
     "tls_on_plain"),
    (b"hello\r\n\r\n", 400, "request_line"),
    (b"GET /\xff HTTP/1.1\r\n" + HEAD + b"\r\n", 400, "request_line"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version"),
    (GET + b"no colon\r\n\r\n", 400, "header"),
    (POST + CODING + b"Content-Length: 3\r\n\r\n0\r\n\r\n", 400, "framing"),
    (POST + b"Content-Length: 3\r\nContent-Length: 8\r\n\r\nabc", 400,
     "framing"),
    (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501,
     "framing"),
    (b"GET /id HTTP/1.1\r\n\r\n", 400, "host"),
    (GET + b"Expect: more\r\n\r\n", 417, "expectation"),
    (b"GET /" + b"a" * 40000, 414, "too_large"),
    (GET + b"X: a\r\n" * 101 + b"\r\n", 431, "too_large"),
    (GET + b"X: a", 0, "cut"),
]
DOORS = ["cluster", "pinning", "proxy", "probes", "agent"]


class World:
    def __init__(self, folder):
        probes = free_port()
        self.cluster = Cluster(folder, coordinators=1, nodes=1,
                               daemon="fake", options={
                                   **CALM, "access-log": "on",
                                   "probe-listen": f"127.0.0.1:{probes}"})
        self.unix = os.path.join(folder, "http.sock")
        self.c, self.a = self.cluster.coordinators[0], self.cluster.agents[0]
        self.c.argv[self.c.argv.index("--listen-http") + 1] += \
            f",unix:{self.unix}"
        self.ports = {"cluster": self.c.http, "pinning": self.c.pinning,
                      "proxy": self.c.proxy, "probes": probes,
                      "agent": self.a.http}

    def process(self, door):
        return self.a if door == "agent" else self.c

    def lines(self, door):
        """(client, reason, status, count) of each."""
        return [tuple(re.search(rf" {key}=(\S+)", x)[1] for key in
                      ("client", "reason", "status", "count"))
                for x in self.process(door).log_text().splitlines()
                if f"event=http_refused door={door} " in x]

    def count(self, door, reason=None):
        text = request(self.process(door).http, "GET", "/metrics").text()
        return sum(int(n) for d, r, n in re.findall(
            r'^pinfold_http_connections_refused_total\{door="(\w+)",'
            r'reason="(\w+)"\} (\d+)$', text, re.M)
            if d == door and reason in (None, r))


@pytest.fixture(scope="module", name="world")
def fixture_world(tmp_path_factory):
    w = World(str(tmp_path_factory.mktemp("refusals")))
    try:
        w.cluster.start()
        yield w
    finally:
        wrong = w.cluster.close()
        assert not wrong, "\n".join(wrong) + w.cluster.logs()


def say(address, data, end=True):
    """All that comes back until the other side closes; who ends, closes his
    side when all is said."""
    unix = isinstance(address, str)
    got = b""
    with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as s:
        s.settimeout(60)
        s.connect(address if unix else ("127.0.0.1", address))
        try:
            s.sendall(data)
            if end:
                s.shutdown(socket.SHUT_WR)
            while part := s.recv(65536):
                got += part
        except ConnectionError:
            pass  # it did not wait for the rest
    return got


def check_error(door, got, status):
    """One whole answer, as that door's clients expect an error."""
    head, body = got.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 %d " % status), got
    assert b"Connection: close" in head, head
    assert b"Content-Type: application/json" in head, head
    error = json.loads(body)
    if door == "pinning":
        assert set(error) == {"error"}
        assert set(error["error"]) == {"reason", "details"}
    elif door == "proxy":
        assert {"Message", "Code", "Type"} == set(error), error
    else:
        assert error["code"] == status and error["message"], error


@pytest.mark.parametrize("door", DOORS)
def test_each_reason(world, door):
    before = world.lines(door)
    reasons = {r: world.count(door, r) for _, _, r in CASES}
    for data, status, _ in CASES:
        got = say(world.ports[door], data)
        if status:
            check_error(door, got, status)
        else:
            assert got == b""
    want = [("127.0.0.1", r, str(s), "1") for _, s, r in CASES]
    until(lambda: len(world.lines(door)) >= len(before) + len(want), 30,
          "the lines")
    assert world.lines(door)[len(before):] == want
    for reason, n in reasons.items():
        more = sum(r == reason for _, _, r in CASES)
        assert world.count(door, reason) == n + more, reason


def test_slow_heads(world):
    """All doors at a time, as each waits for 10 s."""
    doors = [*DOORS, "unix"]
    at = {**world.ports, "unix": world.unix}
    said = [b"GET /id HTTP/1.1\r\nHo", b"G"]
    with ThreadPoolExecutor(12) as pool:
        got = list(pool.map(lambda x: say(at[x[0]], x[1], end=False),
                            [(d, x) for d in doors for x in said]))
        silent = list(pool.map(lambda d: say(at[d], b"", end=False), doors))
    for i, door in enumerate(doors):
        for answer in got[2 * i:2 * i + 2]:
            check_error("cluster" if door == "unix" else door, answer, 408)
    assert silent == [b""] * len(doors)  # nothing is refused to them
    for door in DOORS:
        slow = [x for x in world.lines(door) if x[1] == "too_slow"]
        clients = ["127.0.0.1"] * 2
        if door == "cluster":
            clients += ["unix"] * 2
        assert sorted(x[0] for x in slow) == clients
        assert {x[2] for x in slow} == {"408"}
        assert world.count(door, "too_slow") == len(clients)


def test_storm(world):
    """A few lines for thousands, and none of them is missing in the end."""
    n, before = 400, {d: (world.count(d), len(world.lines(d)))
                      for d in DOORS}
    memory, began = world.c.rss_bytes(), time.monotonic()

    def storm(door):
        for _ in range(n):
            assert b"HTTP/1.1 400" in say(world.ports[door], b"x\r\n\r\n")

    with ThreadPoolExecutor(len(DOORS)) as pool:
        list(pool.map(storm, DOORS))
    for door in DOORS:
        counted, told = before[door]
        assert world.count(door) == counted + n
        until(lambda door=door: sum(int(x[3]) for x in world.lines(door))
              == world.count(door), 20, f"all are told of {door}")
        # Of 20 in each 10 s, and one that sums up.
        whiles = (time.monotonic() - began) // 10 + 2
        assert len(world.lines(door)) - told <= 21 * whiles
    # The sanitizer keeps 256 MB of what was freed.
    assert world.c.rss_bytes() - memory < 320 << 20
    # Others were served meanwhile, and are.
    assert world.c.post(f"/pins/{make_cid()}").status == 200


def test_malformed_bodies(world):
    """They belong to a request: a line of the access log, and its counters.
    """
    c, counter = world.c, "pinfold_http_refusals_total"
    token = make_token(c, "bodies")
    calls = [("cluster", "/api/v1/offers"), ("pinning", "/pins"),
             ("proxy", "/api/v0/add")]
    bodies = [(CODING + b"\r\nzz\r\n", 400, "invalid"),
              (b"Content-Length: 99999999\r\n\r\n", 413, "too_large")]
    for door, path in calls:
        refused = world.count(door)
        for body, status, reason in bodies[:1 if door == "proxy" else 2]:
            series = rf'{counter}\{{reason="{reason}"\}}'
            before = c.metric(series)
            rid = f"{door}-{status}"
            head = (f"POST {path} HTTP/1.1\r\nHost: a\r\n"
                    f"Authorization: Bearer {token}\r\nX-Request-Id: {rid}"
                    "\r\nContent-Type: multipart/form-data; boundary=x\r\n")
            if door != "proxy":
                head = head.replace("multipart/form-data; boundary=x",
                                    "application/json")
            got = say(world.ports[door], head.encode() + body)
            check_error(door, got, status)
            until(lambda rid=rid: f"event=request id={rid} " in c.log_text(),
                  30, "the line")
            line, = [x for x in c.log_text().splitlines()
                     if f"event=request id={rid} " in x]
            assert f" door={door} " in line and f" status={status} " in line
            assert c.metric(series) == before + 1
        assert world.count(door) == refused


def test_documented():
    """Each reason has a row in the manual."""
    with open(os.path.join(ROOT, "coordinator/http/http_refuse.c"),
              encoding="ascii") as f:
        words = re.findall(r'\[HTTP_REFUSED_\w+\] = "(\w+)"', f.read())
    with open(os.path.join(ROOT, "docs/operations.md"),
              encoding="utf-8") as f:
        rows = re.findall(r"^\| `(\w+)` \| [\d, ]+ \| ", f.read(), re.M)
    assert len(words) >= 15 and sorted(words) == sorted(rows)
