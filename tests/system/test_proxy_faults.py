"""The IPFS proxy when something gives way: clients that leave or are slow,
daemons and agents that die, answers that break off; and who may ask."""

import json
import os
import re
import socket
import subprocess
import time

import pytest
from cluster import make_cid
from process import until
from test_proxy import refusal
from wire import Answer, multipart

MEGABYTE = 1 << 20


def ask(p, call, extra=b""):
    """A request whose answer the caller reads."""
    s = socket.create_connection(("127.0.0.1", p.proxy), 30)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    s.sendall(b"POST /api/v0/" + call.encode() + b" HTTP/1.1\r\nHost: x\r\n"
              b"Content-Length: 0\r\nConnection: close\r\n" + extra + b"\r\n")
    return s


def rest(s, got=b""):
    parts = [got]
    try:
        while block := s.recv(1 << 16):
            parts.append(block)
    except ConnectionResetError:
        pass
    return Answer(b"".join(parts))


def memory(process):
    """Highest resident size, kB."""
    with open(f"/proc/{process.child.pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))


@pytest.fixture(name="fake")
def fixture_fake(make_cluster):
    return make_cluster(coordinators=1, nodes=1, daemon="fake",
                        agent_options={"stall-timeout": "3s"})


def test_a_client_that_leaves_ends_the_command(fake):
    p, d = fake.coordinators[0], fake.daemons[0]
    agent = fake.agents[0]
    d.fault("files/stat", "head")  # a good head, then nothing
    s = ask(p, f"files/stat?arg=/ipfs/{make_cid()}")
    until(lambda: d.hits_in_order() == [1], 20, "the daemon was asked")
    s.close()
    until(lambda: "event=proxy_cut command=files/stat" in agent.log_text(), 20,
          "the daemon's command is cancelled")


@pytest.mark.parametrize("call", ("pin/add", "pin/update"))
def test_a_path_takes_no_longer_than_the_client_allows(fake, call):
    p, d = fake.coordinators[0], fake.daemons[0]
    d.fault("resolve", "stall")
    arg = f"arg=/ipfs/{make_cid()}/x"
    began = time.monotonic()
    answer = p.rpc(f"{call}?{arg}&{arg}&timeout=1s")
    assert 1 <= time.monotonic() - began < 10
    assert refusal(answer, 500) == "pin: context deadline exceeded"
    assert d.hits_in_order() == [1]
    d.heal()


@pytest.mark.parametrize("kind,more", (
    ("torn", {}), ("short", {}), ("body", {}), ("cut", {"after": 3})))
def test_an_answer_that_breaks_off_is_cut(fake, kind, more):
    p, d = fake.coordinators[0], fake.daemons[0]
    d.fault("version", kind, b'{"Ver', **more)
    answer = rest(ask(p, "version"))
    assert answer.status == 200 and not answer.complete, answer
    d.heal()
    assert p.rpc("version").complete


@pytest.mark.parametrize("kind", ("close", "reset", "stall", "raw"))
def test_no_answer_is_an_error(fake, kind):
    p, d = fake.coordinators[0], fake.daemons[0]
    d.fault("version", kind, b"nonsense\r\n\r\n")
    answer = p.rpc("version")
    assert answer.status in (502, 503, 504), answer
    refusal(answer, answer.status)


def test_status_and_trailer_pass(fake):
    p, d = fake.coordinators[0], fake.daemons[0]
    # The agent asks for the id, too, so that a count would not do.
    d.fault("id", "answer", {"Message": "no"}, status=500)
    answer = p.rpc("id")
    assert (answer.status, answer.json()) == (500, {"Message": "no"})
    d.heal()
    d.fault("id", "answer", b'{"x":1}\n', trailer="broke off")
    answer = p.rpc("id")
    assert answer.status == 200 and answer.complete
    assert answer.trailers["x-stream-error"] == "broke off"


def test_lines_of_no_form_do_not_pass(fake):
    p, d = fake.coordinators[0], fake.daemons[0]
    d.fault("version", "raw", b"HTTP/1.1 200 OK\r\nX-Odd Name: 1\r\n"
            b"X-Odd : 2\r\nX-Fine: 4\r\nContent-Length: 2\r\n"
            b"\r\n{}", count=2)
    for _ in range(2):
        answer = p.rpc("version")
        assert answer.status == 200 and answer.body == b"{}", answer
        odd = {k: v for k, v in answer.headers.items()
               if k.startswith("x-") and k != "x-request-id"}
        assert odd == {"x-fine": "4"}


def test_a_put_that_failed_claims_nothing(fake):
    p, d = fake.coordinators[0], fake.daemons[0]
    cid = make_cid()
    line = json.dumps({"Key": cid, "Size": 1}).encode() + b"\n"
    headers, body = multipart({"f": b"x"})
    for kind, more in (("torn", {}),
                       ("answer", {"trailer": "disk full"}),
                       ("answer", {"status": 500})):
        d.fault("block/put", kind, line, count=1, **more)
        answer = p.rpc("block/put?pin=true", body, headers)
        assert answer.status != 200 or answer.trailers["x-stream-error"]
        assert cid not in p.pins()
    d.fault("block/put", "answer", line, count=1)
    answer = p.rpc("block/put?pin=true", body, headers)
    assert answer.body == line and cid in p.pins()
    d.fault("block/put", "answer", b'{"Key":"x"}\n', count=1)
    refusal(p.rpc("block/put?pin=true", body, headers), 502)


def test_daemons_and_agents_that_die(make_cluster):
    c = make_cluster(coordinators=1, nodes=1, start=False)
    p, d, a = c.coordinators[0], c.daemons[0], c.agents[0]
    for x in (p, a):  # else what was freed is kept for its own sake
        x.env["ASAN_OPTIONS"] += ":quarantine_size_mb=8"
    c.start()
    data = os.urandom(60 * MEGABYTE)
    cid = d.add(data)

    def begun():
        s = ask(p, f"cat?arg={cid}")
        return s, s.recv(4096)

    s, first = begun()
    whole = rest(s, first)
    assert whole.complete and whole.body == data
    # A client that does not read holds up the daemon, not our memory.
    before = memory(p), memory(a)
    slow = [begun() for _ in range(3)]
    assert p.rpc("version").status == 200
    for s, first in slow[1:]:
        s.close()
    assert memory(p) - before[0] < 40 << 10
    assert memory(a) - before[1] < 40 << 10
    s, first = slow[0]
    a.kill9()
    assert not rest(s, first).complete
    until(lambda: p.rpc("version").status == 503, 20, "no node is there")
    a.start()
    c.wait_sessions(a)
    s, first = begun()
    d.kill9()
    assert not rest(s, first).complete
    answer = p.rpc("version")
    assert answer.status in (502, 503), answer


def test_who_asks(make_cluster):
    c = make_cluster(coordinators=1, nodes=1, daemon="fake", start=False,
                     options={"auth": "on"})
    p = c.coordinators[0]
    sock = os.path.join(c.folder, "s")
    p.argv[p.argv.index("--listen-http") + 1] += f",unix:{sock}"
    for x in c.daemons + c.coordinators:
        x.start()
    for x in c.daemons:
        x.wait()
    for x in c.agents:
        x.start()
    until(lambda: p.alive() and os.path.exists(sock), 20, "it listens")

    def token(verbs):
        done = subprocess.run(
            ["curl", "-sS", "--unix-socket", sock, "-X", "POST",
             f"http://x/api/v1/tokens?name={verbs}&verbs={verbs}"],
            capture_output=True, text=True, check=False, timeout=20)
        return {"Authorization": "Bearer " +
                json.loads(done.stdout)["token"]}

    reader = until(lambda: token("read"), 20, "a token")
    pinner = token("pin")
    until(lambda: p.rpc("version", headers=reader).status == 200, 20,
          "a node is there")
    cid = make_cid()
    assert "unauthorized" in refusal(p.rpc("id", headers={}), 401)
    assert p.rpc("pin/ls", headers=reader).status == 200
    assert p.rpc("repo/stat", headers=reader).status == 200
    for call in (f"pin/add?arg={cid}", f"pin/rm?arg={cid}", "block/put",
                 "block/put?pin=true", "add", "pin/update?arg=a&arg=b"):
        text = refusal(p.rpc(call, headers=reader), 403)
        assert text == "this needs the verb pin", (call, text)
    assert p.rpc(f"pin/add?arg={cid}", headers=pinner).status == 200
    assert cid in p.rpc("pin/ls", headers=reader).json()["Keys"]
    assert "operator" in refusal(p.rpc("repo/gc", headers=pinner), 403)
    for call in ("pin/ls", "id"):
        assert "read" in refusal(p.rpc(call, headers=pinner), 403)
