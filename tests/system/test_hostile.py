"""Hostile peers on every port, and hostile listeners for what dials. While
they are at it others are served, memory is bound, and the log says each cause
once; afterwards every descriptor is back."""

import json
import os
import resource
import socket
import subprocess
import threading
import time

import pytest
import speakers
from cluster import Agent, Cluster, make_cid, until
from daemons import FakeDaemon
from frames import (beat, closed, connect, frame, hello, peer_hello, preface,
                    read_frame, report, status, welcome)
from process import clean_env, program
from psa import make_token

MEGABYTE = 1 << 20
RESET = b"\x01\0\0\0\0\0\0\0"  # SO_LINGER 0: close sends RST
KEY = b"\x42" * 32             # of the hostile node


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """With idle connections to every port when it is stopped."""
    folder = tmp_path_factory.mktemp("cluster")
    # Long limits: who changes is to be the attackers' doing, not a busy
    # machine's.
    c = Cluster(folder, nodes=2, daemon="fake",
                options={"suspect-after": "15s", "down-after": "40s",
                         "out-after": "60s", "election-timeout": "4s"})
    c.unix = os.path.join(folder, "http.sock")
    for i, x in enumerate(c.coordinators):
        x.argv[x.argv.index("--listen-http") + 1] += \
            f",unix:{c.unix}{i + 1}"
        # What the sanitizer keeps of freed memory is not the coordinator's.
        x.env["ASAN_OPTIONS"] += ":quarantine_size_mb=8"
    idle = []
    try:
        c.start()
        yield c
        for x in c.coordinators:
            idle += [connect(port, data) for port, data in (
                (x.http, b""), (x.http, b"GET /pins HT"), (x.proxy, b""),
                (x.proxy, b"POST /api/v0/id HT"), (x.pinning, b"GET /pi"),
                (x.agents, b""),
                (x.agents, preface("agent")), (x.agents, preface("data")),
                (x.peers, b""), (x.peers, preface("peer")))]
    finally:
        wrong = c.close()
        for s in idle:
            s.close()
        assert not wrong, "\n".join(wrong) + c.logs()


class Watch:
    """Makes pins while something goes on. At its end all of them are pinned,
    which needs the sessions of the nodes, and the leader is the same."""

    def __init__(self, cluster, spared=None):
        self.cluster, self.cids, self.worst = cluster, [], 0.0
        self.asked = [c for c in cluster.coordinators if c is not spared]
        self.over, self.error = threading.Event(), None
        self.thread = threading.Thread(target=self._work)

    def _terms(self):
        return {s["raft"]["term"] if "raft" in s else s["term"]
                for s in (c.status() for c in self.cluster.coordinators)}

    def __enter__(self):
        self.leader, self.terms = self.cluster.leader(), self._terms()
        self.thread.start()
        return self

    def _work(self):
        n = 0
        while not self.over.wait(0.1) or n < 6:
            c = self.asked[n % len(self.asked)]
            n += 1
            cid, began = make_cid(), time.monotonic()
            try:
                answer = c.post(f"/pins/{cid}?replication=2", timeout=10)
            except OSError as e:
                self.error = f"{c.name}: {e!r}"
                return
            self.worst = max(self.worst, time.monotonic() - began)
            if answer.status != 200:
                self.error = f"{c.name}: {answer}"
                return
            self.cids.append(cid)

    def __exit__(self, kind, value, trace):
        self.over.set()
        self.thread.join()
        if kind is not None:
            return
        assert self.error is None, self.error
        assert self.cids and self.worst < 8, (len(self.cids), self.worst)
        for cid in self.cids:
            self.cluster.wait_pinned(cid, 2)
        assert self._terms() == self.terms, "the leader has changed"
        assert self.cluster.leader() is self.leader


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


class Quiet:
    """Log lines, memory and descriptors of one process over an attack. Doors
    tell so many refusals in 10 s: an attack that takes longer than half a
    minute may have more lines."""

    def __init__(self, process, lines, megabytes=150):
        self.process, self.lines, self.megabytes = process, lines, megabytes

    def __enter__(self):
        self.before = descriptors(self.process)
        self.memory = self.process.rss_bytes()
        self.start = len(self.process.log_text().splitlines())
        self.began = time.monotonic()
        return self

    def bounded(self):
        grown = (self.process.rss_bytes() - self.memory) // MEGABYTE
        assert grown < self.megabytes, f"grown by {grown} MB"

    def __exit__(self, kind, value, trace):
        if kind is not None:
            return
        self.bounded()
        until(lambda: descriptors(self.process) <= self.before + 3, 30,
              "descriptors are back")
        new = self.process.log_text().splitlines()[self.start:]
        times = max(1, (time.monotonic() - self.began) / 30)
        assert len(new) <= self.lines * times, "\n".join(new[:80])


def identity(c):
    """What a HELLO between coordinators must hold; none of it is secret."""
    with open(os.path.join(c.data, "member"), encoding="ascii") as f:
        m = json.load(f)
    members = [[x["raft_id"], bytes.fromhex(x["key"]), x["address"]]
               for x in m["members"]]
    key = next(k for i, k, _ in members if i == m["raft_id"])
    return (m["raft_id"], key, bytes.fromhex(m["cluster"]), members,
            m["boot"])


def as_peer(of, role):
    return preface(role) + peer_hello(*identity(of))


# --- many --------------------------------------------------------------------

def gets_in(check, crowd, what):
    """While the limits are full. The silent are closed after seconds: where
    the machine was too busy meanwhile, they come again."""
    for _ in range(3):
        try:
            return until(check, 10, what)
        except AssertionError:
            crowd()
    return until(check, 10, what)


def test_thousands_of_idle_connections(cluster):
    """More than each port takes; who comes later is served all the same."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 9000:
        pytest.skip(f"skipped: at most {hard} descriptors, 9000 are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    lead = cluster.leader()
    half = b"GET /pins HTTP/1.1\r\nHost: a\r\nX: "
    doors = [(lead.http, 1400, (b"", half)), (lead.proxy, 1400, (b"", half)),
             (lead.pinning, 1400, (b"", half))]
    links = [(lead.agents, 2280, (preface("agent"),)),
             (lead.agents, 380, (preface("data"), b"", b"PIN")),
             (lead.peers, 180, (b"", preface("peer"), preface("raft")))]
    idle, crowding = [], []

    def crowd():
        while crowding:
            crowding.pop().close()
        for port, n, data in links:
            crowding.extend(connect(port, data[i % len(data)])
                            for i in range(n))

    try:
        c, agent = cluster.followers()[0], cluster.agents[0]
        with Watch(cluster, spared=c), Quiet(lead, 160, 400) as quiet:
            for port, n, data in doors:
                idle += [connect(port, data[i % len(data)])
                         for i in range(n)]
            crowd()
            quiet.bounded()
            agent.restart()
            session = "event=coordinator_session address=127.0.0.1:" \
                f"{lead.agents} "
            gets_in(lambda: session in agent.log_text(since_start=True) and
                    "node-1" in cluster.nodes_in("ready", lead), crowd,
                    "an agent gets in")
            c.restart()
            gets_in(c.ready, crowd, "a coordinator gets in")
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(cluster.unix + str(lead.number))
                s.settimeout(10)
                s.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
                assert s.recv(100).startswith(b"HTTP/1.1 200")
            for s in idle + crowding:
                s.close()
    finally:
        for s in idle + crowding:
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_half_open_uploads(cluster):
    """Bodies that do not come, answers that nobody reads."""
    c = cluster.leader()
    head = (b"POST /add HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: multipart/form-data; boundary=a\r\n\r\n")
    lists = b"GET /allocations HTTP/1.1\r\nHost: a\r\n\r\n"
    psa = (b"POST /pins HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n"
           b"Authorization: Bearer " + make_token(c, "half").encode() +
           b"\r\nContent-Type: application/json\r\n\r\n")
    rpc = head.replace(b"/add", b"/api/v0/add")
    ls = (b"POST /api/v0/pin/ls HTTP/1.1\r\nHost: a\r\n"
          b"Content-Length: 0\r\n\r\n")
    with Watch(cluster), Quiet(c, 900):
        held = [connect(port, data) for port, data in (
            (c.http, head), (c.http, head + b"5\r\n--a\r\n"),
            (c.http, lists * 300), (c.proxy, rpc),
            (c.proxy, rpc + b"5\r\n--a\r\n"), (c.proxy, ls * 300),
            (c.pinning, psa), (c.pinning, psa + b'{"cid":'),
            (c.pinning, psa.replace(b"900", b"3") * 300))
            for _ in range(20)]
        until(c.ready, 20, "it answers")
        for s in held[::2]:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        for s in held:
            s.close()


def half_close(s):
    try:
        s.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # it was closed by the other side


# --- cut ---------------------------------------------------------------------

def conversations(cluster, of):
    """Port, role and the messages that an honest side sends."""
    return [
        (of.agents, preface("agent"), [
            hello(KEY), beat(), report([(1, 1)]), frame(9, 1, 7, 0, "", b"x"),
            frame(11, 1, "bye", 0)]),
        (of.agents, preface("data"), [
            frame(32, 1, bytes(32)), frame(33, 1, b"x" * 50), frame(34, 1)]),
        (of.peers, preface("peer"), [
            peer_hello(4711, *identity(of)[1:]), status(0, 1, 1, 1)]),
        (of.peers, preface("raft"), [
            peer_hello(4711, *identity(of)[1:]), bytes(64)])]


def test_cut_conversations(cluster):
    """After each message and after every fifth byte; closed, half-closed,
    reset."""
    c = cluster.leader()
    with Watch(cluster), Quiet(c, 200):
        n = 0
        for port, start, messages in conversations(cluster, c):
            data = start + b"".join(messages)
            cuts = set(range(1, len(data), 5))
            for i in range(len(messages) + 1):
                cuts.add(len(start + b"".join(messages[:i])))
            for cut in sorted(cuts):
                s, n = connect(port, data[:cut]), n + 1
                if n % 3 == 1:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                elif n % 3 == 2:
                    half_close(s)
                    closed(s)
                s.close()


# --- absurd ------------------------------------------------------------------

def enrolled(c, key=KEY):
    """A session of the hostile node; its number."""
    def dial():
        s = connect(c.agents, preface("agent") + hello(key))
        answer = read_frame(s)
        if answer is None or answer[:4] != b"\x9b\x02\x01\x00":
            s.close()
            return None
        return s

    return until(dial, 15, "the hostile node is welcome")


def test_absurd_agent(cluster):
    lead = cluster.leader()
    cid = make_cid()
    assert lead.post(f"/pins/{cid}?replication=1").status == 200
    cluster.wait_pinned(cid, 1)
    every = [(pin, index) for pin in range(1, 41) for index in (1, 2**62)]
    last_words = [
        frame(9, 1, 2**63, 0, "", bytes(1000)) * 50 + hello(KEY),
        welcome(), frame(6, 1, 1, 1), frame(7, 1, bytes(32), 1, b"", b""),
        frame(4, 1, bytes(16), 2**40, True, 7, 0, 9, True, False, [], None),
        b"".join(report(every, seq=i + 10) for i in range(3000)),
        frame(1, 1, cluster_key(cluster, 1), 1, bytes(16), 0, "0", "n", [],
              0)]
    with Watch(cluster), Quiet(lead, 120):
        for words in last_words:
            s = enrolled(lead)
            s.sendall(beat(2**63) + beat(2**64 - 1, b"\xff" * 16) + beat(1) +
                      report(every, seq=1) + report(every, boot=9, seq=2**63))
            try:
                s.sendall(words)
            except OSError:
                pass  # a storm of reports ends before it is all sent
            closed(s)
        # orders of everything, over and over, to one who reads nothing
        s = enrolled(lead)
        s.settimeout(2)
        try:
            for _ in range(400):
                s.sendall(beat(0) * 50 + beat(2**63) * 50)
        except OSError:
            pass
        s.close()
        assert "hostile" not in {
            n for n, state in lead.pin_states(cid).items()
            if state == "pinned"}
        cluster.wait_pinned(cid, 1)


def cluster_key(cluster, number):
    """The public key of a node, from its peer ID."""
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    nodes = cluster.any().status()["nodes"]
    text = next(str(v) for n in nodes if n["name"] == f"node-{number}"
                for v in n.values() if str(v).startswith("12D3"))
    n = 0
    for c in text:
        n = n * 58 + alphabet.index(c)
    return n.to_bytes(38, "big")[-32:]


def test_key_of_another(cluster):
    """An agent that is there keeps its session."""
    lead = cluster.leader()
    key = cluster_key(cluster, 1)
    with Watch(cluster), Quiet(lead, 10):
        for _ in range(8):
            s = connect(lead.agents, preface("agent") + hello(key))
            answer = read_frame(s)
            assert answer[:4] == b"\x9b\x02\x01\x02", answer  # duplicate
            closed(s)


RAFT_LIES = [  # type and version, length of the head, words
    (1, 1 << 40), (1, 48, 0, 0, 0, 0, 1 << 60, 0), (7, 40), (3, 24, 0, 0, 0),
    (1, 64, 0, 0, 0, 0, 1, 0, 9, 0), (5, 56, 0, 0, 0, 0, 1 << 50, 0, 0)]


def test_absurd_coordinator(cluster):
    """With all that a HELLO needs: lies, foreign operations, and messages of
    Raft whose lengths libraft would believe."""
    lead = cluster.leader()
    follower, other = cluster.followers()
    me = identity(follower)[0]
    lies = [status(2, 2**40, me, 2**60), status(1, 2**63, 0, 0),
            frame(4, 1, 1, [1, 2, 3], 7, me, "no"), frame(3, 1, [b"\x92\1\1"]),
            peer_hello(*identity(follower)) * 3,
            frame(3, 1, [bytes.fromhex("97010100000000")])]
    with Watch(cluster), Quiet(lead, 60), Quiet(other, 60):
        for target in (lead, other):
            for lie in lies:
                with connect(target.peers, as_peer(follower, "peer")) as s:
                    assert read_frame(s) is not None
                    s.sendall(lie)
                    half_close(s)
                    closed(s)
            for words in RAFT_LIES:
                s = connect(target.peers, as_peer(follower, "raft") +
                            b"".join(w.to_bytes(8, "little") for w in words))
                closed(s)
            s = connect(target.peers, preface("raft") + peer_hello(
                4711, b"k" * 32, *identity(follower)[2:]))
            closed(s)
        until(lambda: all(c.ready() for c in cluster.coordinators), 30,
              "all are ready")


# --- from the other side -----------------------------------------------------

def test_agent_with_hostile_coordinators(cluster, tmp_path):
    """It serves the honest one; each hostile one is a few lines in its log."""
    lead = cluster.leader()
    kinds = [speakers.silence, speakers.garbage, speakers.hang_up,
             speakers.dribble(b"\0\x0f\xff\xff" + b"x" * 60, 0.05),
             speakers.says(welcome()), speakers.says(
                 welcome() + frame(4, 1, bytes(16), 2**60, True, 1, 0, 2**60,
                                   True, False, [], None)[:-3])]
    hostile = [speakers.Speaker(k) for k in kinds]
    daemon = FakeDaemon(cluster, 7)
    a = Agent(cluster, 7, daemon, {
        **cluster.agent_options, "data-dir": str(tmp_path / "agent"),
        "coordinators": ",".join(f"127.0.0.1:{p}" for p in [
            *[h.port for h in hostile], lead.agents])})
    try:
        daemon.start()
        daemon.wait()
        a.start()
        until(lambda: "node-7" in cluster.nodes_in("ready", lead), 40,
              "the agent has a session with the honest coordinator")
        memory = a.rss_bytes()
        until(lambda: all(h.connections >= 4 for h in hostile[1:3] +
                          hostile[4:]), 60, "it has dialled all again")
        assert a.rss_bytes() - memory < 60 * MEGABYTE
        assert len(a.log_text().splitlines()) < 40, a.log_text()
        assert a.terminate() == 0
    finally:
        if a.alive():
            a.kill9()
        daemon.kill9()
        for h in hostile:
            h.stop()


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
HOSTILE_SERVERS = {
    "silence": speakers.silence, "garbage": speakers.garbage,
    "hangs up": speakers.hang_up,
    "slow head": speakers.dribble(OK + b"X: " + b"a" * 5000, 0.05),
    "endless head": speakers.flood(OK, b"X: " + b"a" * 8000 + b"\r\n"),
    "endless line": speakers.flood(OK + b"X: ", b"a" * 65536),
    "endless body": speakers.flood(OK + b"\r\n", b"[" * 65536),
    "status of 30 digits": speakers.says(b"HTTP/1.1 " + b"9" * 30 + b" x\r\n"
                                         b"Content-Length: 0\r\n\r\n"),
    "HTTP/0.9": speakers.says(b"hello\n"),
    "length lies": speakers.says(OK + b"Content-Length: 99\r\n\r\n{}"),
    "deep": speakers.says(OK + b"Content-Length: 100000\r\n\r\n" +
                          b"[" * 100_000),
    "no object": speakers.says(OK + b"Content-Length: 4\r\n\r\nnull"),
    "redirect": speakers.says(b"HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:"
                              b"1/\r\nContent-Length: 0\r\n\r\n"),
    "escapes": speakers.says(b"HTTP/1.1 500 x\r\nContent-Length: 44\r\n\r\n"
                             b'{"code":500,"message":"\\u001b[2J\\u0007\x9b31m"'
                             b'}  '),
}


@pytest.mark.parametrize("words", [["status"], ["pin", "ls"]])
def test_command_line_with_hostile_servers(words):
    """An error, in time, without what a terminal would obey."""
    tool = program("ctl", "pinfold")
    servers = {name: speakers.Speaker(behave)
               for name, behave in HOSTILE_SERVERS.items()}
    running = {}
    try:
        for name, server in servers.items():
            running[name] = subprocess.Popen(
                [tool, "--host", f"127.0.0.1:{server.port}", "--timeout",
                 "2s", *words], stdin=subprocess.DEVNULL, env=clean_env(),
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for name, child in running.items():
            out, err = child.communicate(timeout=30)
            assert child.returncode not in (0, 99) and \
                child.returncode < 66, (name, child.returncode, err)
            assert err.strip() and b"runtime error" not in err, (name, err)
            assert not any(c < 32 and c != 10 for c in out + err), (name, err)
    finally:
        for child in running.values():
            child.kill()
        for server in servers.values():
            server.stop()
