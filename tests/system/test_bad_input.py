"""Input that is wrong: of every endpoint, frame, option and configuration
key. A specified error, and a server that goes on."""

import os
import socket
import struct
import subprocess

import pytest
from cluster import make_cid
from process import ROOT, clean_env, free_port, program

CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
BAD_CIDS = ["x", "Qm", "b", "bafy", "Qm" + "1" * 44, "z" * 400, "%zz",
            "%00", "%ff%fe", "%E2%82", "bafk%2Freih", "k51qzi5uqu5d",
            "b" + "a" * 15000]
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def any_one(cluster):
    return cluster.any()


@pytest.fixture(scope="module", autouse=True)
def stays_healthy(cluster):
    """After everything in this file the same processes run, and serve."""
    memory = {p.name: p.rss_bytes() for p in cluster.processes}
    yield
    for p in cluster.coordinators + cluster.agents:
        assert p.alive(), f"{p.name} has ended"
        grown = (p.rss_bytes() - memory[p.name]) // MEGABYTE
        assert grown < 300, f"{p.name} has grown by {grown} MB"
    cluster.wait_ready(20)
    cluster.same_everywhere()
    cid = cluster.daemons[0].add(os.urandom(500))
    assert cluster.any().post(f"/pins/{cid}?replication=3").status == 200
    cluster.wait_pinned(cid, 3)


def refused(answer, *statuses):
    assert answer.status in statuses, answer
    return answer.message()


# --- HTTP --------------------------------------------------------------------

@pytest.mark.parametrize("cid", BAD_CIDS)
@pytest.mark.parametrize("method, path", [
    ("GET", "/pins/{}"), ("POST", "/pins/{}"), ("DELETE", "/pins/{}"),
    ("GET", "/allocations/{}"), ("POST", "/pins/{}/recover"),
    ("POST", "/pins/ipfs/{}"), ("DELETE", "/pins/ipfs/{}"),
    ("POST", "/pins/ipld/{}/a"), ("GET", "/pins?cids={}"),
    ("GET", "/pins?cids=" + CID + ",{}"),
    ("POST", "/pins/" + CID + "?pin-update={}"),
    ("GET", "/api/v1/pins/{}/explain")])
def test_malformed_cid(any_one, method, path, cid):
    refused(any_one.call(method, path.format(cid)), 400)


NUMBERS = ["x", "1x", "--1", "1.5", "1e3", "%201", "99999999999999999999",
           "-2", "17", "2147483648", "%00", "0x10"]


@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize("name", ["replication", "replication-min",
                                  "replication-max"])
def test_replication(any_one, name, value):
    text = refused(any_one.post(f"/pins/{CID}?{name}={value}"), 400)
    assert "replication" in text or "escape" in text or "query" in text, text


@pytest.mark.parametrize("query, part", [
    ("replication-min=3&replication-max=2", "larger than max"),
    ("replication-min=-1&replication-max=2", "must be -1"),
    ("mode=odd", "mode"),
    ("shard-size=x", "parameter shard_size is invalid"),
    ("shard-size=-1", "parameter shard_size is invalid"),
    ("shard-size=99999999999999999999999", "shard_size is invalid"),
    ("expire-at=tomorrow", "expire-at cannot be parsed"),
    ("expire-at=2001-01-01T00:00:00Z", "ExpireAt"),
    ("expire-at=2100-02-30T00:00:00Z", "expire-at cannot be parsed"),
    ("expire-at=1700000000", "expire-at cannot be parsed"),
    ("expire-in=x", "expire-in cannot be parsed"),
    ("expire-in=5", "expire-in cannot be parsed"),
    ("expire-in=-5s", "expire-in"),
    ("expire-in=1ms", "expire-in duration too short"),
    ("expire-in=99999999999999999h", "expire-in cannot be parsed"),
    ("origins=xx", "error decoding multiaddress"),
    ("origins=/ip4/1.2.3.4/tcp/1", "does not contain peer ID"),
    ("origins=" + ",".join(["/ip4/1.2.3.4/tcp/1/p2p/"
                            "12D3KooWShd9FjdJgs6oRoqxJ5GmAVQdEJwekRrKLsgY1h"
                            "rC2y3K"] * 40), "origins"),
    ("name=" + "n" * 1025, "name"),
    ("name=%ff%fe", ""), ("name=a%00b", ""), ("name=%c3", ""),
    ("meta-k=%ff", ""),
    ("&".join(f"meta-{i}=v" for i in range(300)), "meta"),
    ("pin-update=x", "error decoding update option parameter"),
])
def test_options(any_one, query, part):
    text = refused(any_one.post(f"/pins/{CID}?{query}"), 400, 413, 414)
    assert part in text


def test_empty_metadata_key(any_one):
    """Ignored, as the reference does."""
    cid = make_cid()
    assert any_one.post(f"/pins/{cid}?meta-=v").json()["metadata"] == {}
    any_one.delete(f"/pins/{cid}")


def test_nothing_was_written(any_one):
    assert any_one.get(f"/allocations/{CID}").status == 404


@pytest.mark.parametrize("path", [
    "/pins?x=%", "/pins?%zz=1", "/pins?" + "a&" * 600, "/pins?a=%ff",
    "/pins?cids=" + ",".join([CID] * 200) + ",x", "/pins/%2e%2e/x"])
def test_odd_queries(any_one, path):
    answer = any_one.get(path)
    assert answer.status in (200, 400, 404, 405, 414), answer
    if answer.status != 200:
        answer.message()


def test_long_target(any_one):
    refused(any_one.get("/pins?cids=" + "x" * 20000), 414)
    refused(any_one.get("/" + "a" * 100_000), 414)


def test_a_parameter_given_twice(any_one):
    """The first counts, as everywhere in that API."""
    cid = make_cid()
    answer = any_one.post(f"/pins/{cid}?name=first&name=second"
                          "&replication=1")
    assert answer.json()["name"] == "first"
    any_one.delete(f"/pins/{cid}")


def test_unknown_parameters_are_ignored(any_one):
    assert any_one.get("/pins?unknown=1&also=2").status == 200


@pytest.mark.parametrize("body", [b"", b"x" * 100_000])
def test_a_body_nobody_asked_for(any_one, body):
    answer = any_one.call("GET", "/id", body=body)
    assert answer.status in (200, 400, 413), answer


@pytest.mark.parametrize("kind", [
    "multipart/form-data", "multipart/form-data; boundary=",
    "multipart/form-data; boundary=" + "b" * 500,
    'multipart/form-data; boundary="a', "multipart/mixed; boundary=a",
    "text/plain; boundary=a", ""])
def test_upload_content_type(any_one, kind):
    answer = any_one.post("/add", body=b"--a--\r\n",
                          headers={"Content-Type": kind})
    if answer.status == 200:  # the daemon has found the fault
        assert answer.trailers.get("x-stream-error"), answer
    else:
        refused(answer, 400)


@pytest.mark.parametrize("body", [
    b"", b"--a", b"--a\r\n\r\n", b"garbage", b"--a\r\nContent-Disposition: "
    b"form-data\r\n\r\nx", b"--a\r\ngarbage\r\n\r\nx\r\n--a--\r\n",
    b"--a\r\nContent-Type: ;;;\r\n\r\nx\r\n--a--\r\n",
    b"--a\r\n" + b"X: " + b"y" * 200_000 + b"\r\n"])
def test_upload_body(any_one, body):
    answer = any_one.post(
        "/add", body=body,
        headers={"Content-Type": "multipart/form-data; boundary=a"})
    assert (answer.status == 200 and answer.trailers.get("x-stream-error")) \
        or answer.status == 400, answer
    answer = any_one.rpc("add", body, {
        "Content-Type": "multipart/form-data; boundary=a"})
    assert (answer.status == 200 and answer.trailers.get("x-stream-error")) \
        or answer.status == 400, answer


# --- frames ------------------------------------------------------------------

def golden(name):
    path = os.path.join(ROOT, "tests", "golden", name + ".hex")
    with open(path, encoding="ascii") as f:
        return bytes.fromhex("".join(f.read().split()))


def frame(body):
    return struct.pack(">I", len(body)) + body


def send(port, data):
    """Sends, half-closes, reads to the end; never hangs."""
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        s.settimeout(20)
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
        except TimeoutError:
            raise
        except OSError:
            pass  # it was closed before all was sent


AGENT, DATA, RAFT, PEER = (golden(f"preface_{x}_v1") for x in
                           ("agent", "data", "raft", "peer"))
DEEP = b"\x91" * 5000
JUNK = {
    "nothing": b"", "half a preface": AGENT[:5],
    "another protocol": b"GET / HTTP/1.1\r\n\r\n",
    "unknown role": AGENT[:7] + b"\x09",
    "tls": bytes.fromhex("16030100c8010000c40303") + b"x" * 200,
    "zeros": bytes(100_000), "noise": os.urandom(100_000),
}
BODIES = {
    "empty frame": frame(b""),
    "huge length": struct.pack(">I", 0xFFFFFFFF) + b"x" * 100,
    "over the limit": struct.pack(">I", (1 << 20) + 1) + b"x" * 1000,
    "cut": struct.pack(">I", 1000) + b"x" * 10,
    "not msgpack": frame(b"\xc1" * 100),
    "a map": frame(b"\x81\x01\x02"),
    "unknown kind": frame(b"\x92\x7f\x01"),
    "unknown version": frame(b"\x92\x01\x7f"),
    "too deep": frame(DEEP),
    "a million objects": frame(b"\xdd\x00\x0f\xff\xff" + b"\x01" * 1000),
    "claims 4 GB": frame(b"\x92\x01\xc6\xff\xff\xff\xff"),
    "float": frame(b"\x92\x01\xcb" + bytes(8)),
    "trailing bytes": frame(golden("message_hello_v1")[4:] + b"\x00"),
    "report before hello": golden("message_report_v1"),
    "hello twice": golden("message_hello_v1") * 2,
    "peer hello": golden("peer_hello_v2"),
    "ticket": golden("message_ticket_v1"),
    "megabyte of text": frame(b"\x92\x01\xdb\x00\x0f\x00\x00" +
                              b"a" * 0xF0000),
}


def mutated(data, n):
    """data with byte n turned over."""
    i = n % len(data)
    return data[:i] + bytes([data[i] ^ 0xFF]) + data[i + 1:]


@pytest.mark.parametrize("name", JUNK)
@pytest.mark.parametrize("port", ["agents", "peers"])
def test_junk(any_one, port, name):
    send(getattr(any_one, port), JUNK[name])
    assert any_one.alive() and any_one.get("/livez").status == 200


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("role", ["agent", "data", "raft", "peer"])
def test_frames(any_one, role, name):
    preface = {"agent": AGENT, "data": DATA, "raft": RAFT, "peer": PEER}[role]
    for port in (any_one.agents, any_one.peers):
        send(port, preface + BODIES[name])
    assert any_one.alive() and any_one.get("/livez").status == 200


def test_mutated_frames(any_one):
    for preface, name, port in ((AGENT, "message_hello_v1", any_one.agents),
                                (DATA, "message_ticket_v1", any_one.agents),
                                (PEER, "peer_hello_v2", any_one.peers),
                                (RAFT, "peer_hello_v2", any_one.peers)):
        data = golden(name)
        for n in range(0, len(data), 3):
            send(port, preface + mutated(data, n))
    assert any_one.alive() and any_one.get("/readyz").status == 200


def test_silent_connections_are_closed(any_one):
    """They neither exhaust anything nor hinder the nodes."""
    silent = [socket.create_connection(("127.0.0.1", port), 5)
              for port in (any_one.agents, any_one.peers, any_one.http)
              for _ in range(40)]
    assert any_one.get("/readyz").status == 200
    for s in silent:
        s.settimeout(30)
        try:
            assert s.recv(1000) is not None
        except ConnectionResetError:
            pass
        except TimeoutError:
            pytest.fail("a silent connection is kept for ever")
        s.close()


# --- options and configuration -----------------------------------------------

GOOD = {
    "pinfold-coordinator": ["--data-dir", "{dir}"],
    "pinfold-agent": ["--data-dir", "{dir}", "--coordinators",
                      "127.0.0.1:1", "--listen-http", "none"],
}
FOLDER = {"pinfold-coordinator": "coordinator", "pinfold-agent": "agent"}


def start(name, words, folder, env=None):
    done = subprocess.run(
        [program(FOLDER[name], name),
         *[w.format(dir=folder) for w in words]],
        capture_output=True, text=True, timeout=20, check=False,
        env=clean_env(env), stdin=subprocess.DEVNULL, errors="replace")
    return done.returncode, done.stderr


BAD_OPTIONS = [
    (["--nonsense"], "nonsense"), (["--nonsense", "1"], "nonsense"),
    (["stray"], "stray"), (["--log-level"], "log-level"),
    (["--log-level", "loud"], "log-level"), (["--name", ""], "name"),
    (["--name", "n" * 65], "name"), (["--name", "\udcff"], "name"),
    (["--log-format", "xml"], "log-format"),
    (["--data-dir", "/a", "--data-dir", "/b"], "data-dir"),
    (["--config", "/nonexistent/file"], "/nonexistent/file"),
]
BAD_COORDINATOR = [
    (["--listen-http", "nonsense"], "listen-http"),
    (["--listen-http", "0.0.0.0:9094"], "loopback"),
    (["--listen-http", "127.0.0.1:65536"], "listen-http"),
    (["--listen-http", ",".join(["127.0.0.1:1"] * 5)], "listen-http"),
    (["--listen-pinning", "0.0.0.0:9097"], "loopback"),
    (["--listen-proxy", "0.0.0.0:9095"], "loopback"),
    (["--listen-proxy", "127.0.0.1:9094"], "two listeners"),
    (["--listen-peers", "192.0.2.1:9096"], "loopback"),
    (["--listen-agents", "[::]:9098"], "loopback"),
    (["--members", ",,"], "members"),
    (["--members", ",".join(f"127.0.0.1:{i}" for i in range(1, 9))],
     "members"),
    (["--home-agent", ""], "home-agent"),
    (["--replication-min", "0"], "replication-min"),
    (["--replication-min", "-1"], "replication-min"),
    (["--replication-max", "17"], "replication-max"),
    (["--replication-max", "99999999999999999999"], "replication-max"),
    (["--replication-min", "4"], "replication-m"),
    (["--suspect-after", "1"], "suspect-after"),
    (["--suspect-after", "5x"], "suspect-after"),
    (["--suspect-after", "70s"], "suspect-after"),
    (["--down-after", "-5s"], "down-after"),
    (["--out-after", "1000000h"], "out-after"),
    (["--election-timeout", "10ms"], "election-timeout"),
    (["--heartbeat", "500ms"], "heartbeat"),
    (["--log-budget", "1M"], "log-budget"),
    (["--log-budget", "1e9"], "log-budget"),
    (["--log-budget", "99999999999G"], "log-budget"),
    (["--drain", "1h"], "drain"),
]
BAD_AGENT = [
    (["--coordinators", "192.0.2.1:9098"], "coordinators"),
    (["--kubo", "ftp://x"], "kubo"), (["--kubo", "/ip4/x"], "kubo"),
    (["--region", ""], "region"), (["--zone", "z" * 65], "zone"),
    (["--rack", "\udcff"], "rack"), (["--labels", "novalue"], "labels"),
    (["--labels", "a=1,a=2"], "a"), (["--labels", "=x"], "labels"),
    (["--max-bytes", "1"], "max-bytes"), (["--max-bytes", "x"], "max-bytes"),
    (["--concurrent-pins", "0"], "concurrent-pins"),
    (["--concurrent-pins", "257"], "concurrent-pins"),
    (["--stall-timeout", "1ms"], "stall-timeout"),
    (["--recheck", "0"], "recheck"), (["--beat", "1m"], "beat"),
    (["--backoff", "1ms"], "backoff"),
    (["--backoff", "1m", "--backoff-max", "1s"], "backoff"),
]
CASES = [(name, words, part) for name in GOOD for words, part in BAD_OPTIONS
         ] + [("pinfold-coordinator", *x) for x in BAD_COORDINATOR
              ] + [("pinfold-agent", *x) for x in BAD_AGENT]


@pytest.mark.parametrize("name, words, part", CASES)
def test_option(tmp_path, name, words, part):
    base = GOOD[name]
    if words[0] in base:  # given twice is another case
        at = base.index(words[0])
        base = base[:at] + base[at + 2:]
    folder = tmp_path / "data"
    code, text = start(name, base + words, folder)
    assert code == 2, (code, text)
    assert part in text and text.count("\n") == 1, text
    assert not folder.exists(), "something was written all the same"


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("content, part", [
    (b"nonsense = 1\n", "nonsense"), (b"name\n", "name"),
    (b"name = a\nname = b\n", "name"), (b"name = \xff\xfe\n", "name"),
    (b"= x\n", ""), (b"name = a\0b\n", ""), (b"[section]\n", ""),
    (b"#" * 70_000, ""), (b"name = " + b"n" * 5000, "name"),
    (b"log-level = loud\n", "log-level"),
])
def test_configuration_file(tmp_path, name, content, part):
    path = tmp_path / "file.conf"
    path.write_bytes(content)
    code, text = start(name, GOOD[name] + ["--config", str(path)],
                       tmp_path / "data")
    assert code == 2, (code, text)
    assert "file.conf" in text and part in text


@pytest.mark.parametrize("name", GOOD)
def test_environment(tmp_path, name):
    for env, part in (({"PINFOLD_NONSENSE": "1"}, "NONSENSE"),
                      ({"PINFOLD_NAME": ""}, "NAME"),
                      ({"PINFOLD_LOG_LEVEL": "loud"}, "LOG_LEVEL")):
        code, text = start(name, GOOD[name], tmp_path / "data", env)
        assert code == 2, (code, text)
        assert part.lower() in text.lower().replace("-", "_")


@pytest.mark.parametrize("name", GOOD)
def test_help_and_version(name):
    for word in ("--help", "--version"):
        done = subprocess.run([program(FOLDER[name], name), word], text=True,
                              capture_output=True, check=True,
                              env=clean_env(), timeout=20)
        assert done.stdout


def test_what_cannot_be_had_at_start(cluster, tmp_path):
    c = cluster.coordinators[0]
    code, text = start("pinfold-coordinator", ["--data-dir", c.data], "")
    assert code == 1 and "in use" in text
    code, text = start("pinfold-coordinator", [
        "--data-dir", str(tmp_path), "--listen-http", f"127.0.0.1:{c.http}",
        "--listen-pinning", "none",
        "--listen-peers", f"127.0.0.1:{free_port()}",
        "--listen-agents", f"127.0.0.1:{free_port()}",
        "--listen-proxy", "none"], "")
    assert code == 1 and str(c.http) in text
    a = cluster.agents[0]
    code, text = start("pinfold-agent", ["--data-dir", a.data,
                                         "--coordinators", "127.0.0.1:1"],
                       "")
    assert code == 1 and "in use" in text
    code, text = start("pinfold-agent", [
        "--data-dir", str(tmp_path / "a"), "--coordinators", "127.0.0.1:1",
        "--kubo-authorization-file", "/nonexistent/file"], "")
    assert code == 1 and "kubo-authorization-file: /nonexistent" in text
