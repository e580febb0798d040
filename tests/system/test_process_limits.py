"""Running processes: descriptors that run out, signals, standard streams, and
a second agent under the same key."""

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest
from cluster import Agent, Cluster, make_cid, until
from process import REPORT, clean_env, program


def pin(c, query="replication=1"):
    cid = make_cid()
    answer = c.post(f"/pins/{cid}?{query}")
    assert answer.status == 200, answer
    return cid


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- descriptors -------------------------------------------------------------

def limited(process, descriptors):
    process.argv = ["prlimit", f"--nofile={descriptors}:{descriptors}",
                    *process.argv]


def flood(port, count):
    """Connections that nothing is said on."""
    held = []
    for _ in range(count):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", port))
        held.append(s)
    return held


def flood_all(c):
    return [s for port in (c.peers, c.agents, c.http)
            for s in flood(port, 100)]


def open_descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def is_calm(c, held):
    """Whether it uses little CPU in a second under a flood: one that spins
    does in none."""
    while held:
        held.pop().close()
    held += flood_all(c)
    until(lambda: open_descriptors(c) > 85, 20, "most are in use")
    used, began = cpu_seconds(c), time.monotonic()
    until(lambda: time.monotonic() > began + 1, 2, "a second passes")
    return cpu_seconds(c) - used < 0.6 * (time.monotonic() - began)


class Kept:
    """One HTTP connection for many requests."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.file = self.socket.makefile("rb")

    def pin(self, query):
        """The CID of a new pin that was accepted."""
        cid = make_cid()
        self.socket.sendall(f"POST /pins/{cid}?{query} HTTP/1.1\r\n"
                            "Host: x\r\n\r\n".encode())
        first, length = self.file.readline(), 0
        assert first.startswith(b"HTTP/1.1 200"), first
        while (line := self.file.readline().strip().lower()):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        assert length > 0 and len(self.file.read(length)) == length
        return cid

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.mark.skipif(not shutil.which("prlimit"), reason="no prlimit")
def test_out_of_descriptors(make_cluster):
    """Every listener is flooded. Who is connected is served, the log opens
    new files, nothing spins, and all is well when the connections are gone."""
    cluster = make_cluster(start=False, coordinators=1, nodes=1,
                           daemon="fake")
    c = cluster.coordinators[0]
    limited(c, 128)
    cluster.start()
    before, began = open_descriptors(c), time.monotonic()
    lines = len(c.log_text().splitlines())
    kept, held = Kept(c.http), []
    try:
        kept.pin("replication=1")  # who never asked for anything makes room
        until(lambda: is_calm(c, held), 40, "it does not spin")
        # More than a segment of the log, which is 8 MiB.
        text = "&".join(f"meta-k{i}=" + "x" * 740 for i in range(20))
        cids = []
        for _ in range(6):  # silent connections are closed after seconds
            held += flood_all(c)
            cids += [kept.pin("replication=1&" + text) for _ in range(100)]
        until(lambda: set(cids) <= cluster.daemons[0].pins(), 60,
              "the agent pins all")
        assert open_descriptors(c) < 128
    finally:
        kept.close()
        for s in held:
            s.close()
    until(lambda: open_descriptors(c) <= before + 12, 40, "all are closed")
    cluster.wait_ready()
    cluster.wait_pinned(pin(c), 1)
    more = c.log_text().splitlines()[lines:]
    assert "event=accept_failed" in "\n".join(more)
    # So many refusals are told in 10 s: the longer, the more.
    times = max(1, (time.monotonic() - began) / 20)
    assert len(more) < 60 * times, "\n".join(more[:80])


@pytest.mark.skipif(not shutil.which("prlimit"), reason="no prlimit")
def test_too_few_descriptors_to_start(tmp_path):
    for folder, name, more in (
            ("coordinator", "pinfold-coordinator", []),
            ("agent", "pinfold-agent", ["--coordinators", "127.0.0.1:1"])):
        done = subprocess.run(
            ["prlimit", "--nofile=60:60", program(folder, name),
             "--data-dir", str(tmp_path / folder), *more], check=False,
            capture_output=True, text=True, env=clean_env(), timeout=20)
        assert done.returncode == 2 and "RLIMIT_NOFILE" in done.stderr, done
        assert not (tmp_path / folder).exists()


# --- signals -----------------------------------------------------------------

@pytest.fixture(scope="module")
def small(tmp_path_factory):
    c = Cluster(tmp_path_factory.mktemp("small"), coordinators=1, nodes=1,
                daemon="fake", options={"drain": "10s"})
    try:
        c.start()
        yield c
    finally:
        wrong = c.close()
        assert not wrong, "\n".join(wrong) + c.logs()


def test_signals_that_do_not_end_it(small):
    processes = [small.coordinators[0], small.agents[0]]
    for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1,
                   signal.SIGUSR2):
        for p in processes:
            os.kill(p.pid, number)
    cid = pin(small.any())
    small.wait_pinned(cid, 1)
    assert all(p.alive() for p in processes)


def test_interrupt(small):
    """SIGINT is SIGTERM."""
    for p in (small.agents[0], small.coordinators[0]):
        os.kill(p.pid, signal.SIGINT)
        assert p.child.wait(20) == 0
        assert "event=stopped" in p.log_text(since_start=True)
        p.start()
    small.wait_ready(30)


def upload(port, results):
    """An upload that trickles until the other side ends it."""
    head = (b"POST /add?cid-version=1 HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: multipart/form-data; boundary=a\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n")
    part = (b'--a\r\nContent-Disposition: form-data; name="file"; '
            b'filename="f"\r\n\r\n')
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.settimeout(20)
        s.sendall(head + b"%x\r\n" % len(part) + part + b"\r\n")
        results["begun"].set()
        try:
            while True:
                s.sendall(b"400\r\n" + b"x" * 0x400 + b"\r\n")
                time.sleep(0.02)
        except OSError:
            results["ended"] = True


def under_load(cluster, act):
    """Uploads, pins and lists run when act is called; none may hang. The pins
    that were acknowledged are returned."""
    c = cluster.coordinators[0]
    acknowledged, stop = [], threading.Event()
    results = {"begun": threading.Event(), "ended": False}

    def pins():
        while not stop.is_set():
            try:
                cid = make_cid()
                if c.post(f"/pins/{cid}?replication=1").status == 200:
                    acknowledged.append(cid)
            except OSError:
                return

    def lists():
        while not stop.is_set():
            try:
                c.get("/pins")
            except OSError:
                return

    threads = [threading.Thread(target=t) for t in (pins, pins, lists)]
    threads.append(threading.Thread(target=upload, args=(c.http, results)))
    for t in threads:
        t.start()
    try:
        until(lambda: len(acknowledged) > 20 and results["begun"].is_set(),
              40, "the load runs")
        act()
    finally:
        stop.set()
        for t in threads:
            t.join(30)
    assert not any(t.is_alive() for t in threads), "a client hangs"
    assert results["ended"]
    return acknowledged


@pytest.mark.parametrize("times", [1, 2])
def test_terminated_at_work(small, times):
    """Once: it drains and ends with 0. Twice: it ends at once. Nothing that
    was acknowledged is lost either way."""
    c = small.coordinators[0]

    def end():
        began = time.monotonic()
        c.child.terminate()
        if times == 2:  # while the upload holds the first up
            until(lambda: "event=stopping" in c.log_text(since_start=True), 9,
                  "it heard the first")
            began = time.monotonic()
            c.child.terminate()
        code = c.child.wait(60)
        took = time.monotonic() - began
        assert code == (0 if times == 1 else 128 + signal.SIGTERM), code
        assert took < (40 if times == 1 else 9), took

    acknowledged = under_load(small, end)
    assert not REPORT.search(c.log_text())
    c.start()
    small.wait_ready(30)
    assert set(acknowledged) <= set(c.pins())


def test_agent_terminated_at_work(small):
    agent, c = small.agents[0], small.coordinators[0]
    acknowledged = under_load(
        small, lambda: agent.terminate() == 0 and c.terminate())
    agent.start()
    c.start()
    small.wait_ready(30)
    until(lambda: small.daemons[0].pins() >= set(acknowledged), 60,
          "all is pinned")


# --- standard streams --------------------------------------------------------

def start_with(process, preexec=None, stderr=None):
    process.killed = False
    process.child = subprocess.Popen(
        process.argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=stderr, env=process.env, preexec_fn=preexec)


def close_streams():
    for fd in (0, 1, 2):
        os.close(fd)


def descriptor_names(process):
    return {fd: os.readlink(f"/proc/{process.pid}/fd/{fd}")
            for fd in ("0", "1", "2")}


def test_closed_streams(small):
    """No file of ours may become the log."""
    for p in (small.coordinators[0], small.agents[0]):
        assert p.terminate() == 0
        start_with(p, close_streams)
    small.wait_ready(30)
    for p in (small.coordinators[0], small.agents[0]):
        assert set(descriptor_names(p).values()) == {"/dev/null"}
    small.wait_pinned(pin(small.any()), 1)
    for p in (small.agents[0], small.coordinators[0]):
        assert p.terminate() == 0
        p.start()
    small.wait_ready(30)


def test_a_log_that_nobody_reads(small):
    """A full pipe stops neither program; what was lost is counted."""
    c, a = small.coordinators[0], small.agents[0]
    pipes = {}
    for p in (c, a):
        assert p.terminate() == 0
        p.argv += ["--log-level", "debug"]
        read, write = os.pipe()
        os.set_blocking(write, False)
        filled = 0
        try:
            while True:
                filled += os.write(write, b"." * 4096)
        except BlockingIOError:
            os.set_blocking(write, True)
        start_with(p, stderr=write)
        os.close(write)
        pipes[p] = read, filled
    small.wait_ready(30)
    for _ in range(10):
        small.wait_pinned(pin(c), 1)
    texts = {}
    for p in (a, c):
        read, filled = pipes[p]
        texts[p.name] = b""

        def drain(read=read, name=p.name):
            while block := os.read(read, 65536):
                texts[name] += block

        reader = threading.Thread(target=drain)
        reader.start()
        until(lambda n=p.name, f=filled: len(texts[n]) >= f, 20,
              "there is room for the last lines")
        assert p.terminate() == 0
        reader.join(20)
        os.close(read)
        text = texts[p.name].lstrip(b".").decode()
        lost = re.search(r"event=log_lost lines=(\d+)", text)
        assert lost and int(lost.group(1)) > 0, text[:500]
        assert "event=stopped" in text
        del p.argv[-2:]
        p.start()
    small.wait_ready(30)


# --- two agents with one key -------------------------------------------------

def sessions(c):
    return {n["name"]: n["connected"] for n in c.status()["nodes"]}


def test_second_agent_with_the_same_key(make_cluster):
    """A copied data directory: the second is refused by all coordinators and
    waits, also where one is restarted and it is the first to call; when the
    first has gone it takes over."""
    cluster = make_cluster(coordinators=3, nodes=2, daemon="fake")
    first = cluster.agents[0]
    cids = [pin(cluster.any(), "replication=2") for _ in range(5)]
    for cid in cids:
        cluster.wait_pinned(cid, 2)
    assert first.terminate() == 0
    second = Agent(cluster, 9, cluster.daemons[0], cluster.agent_options)
    second.argv[second.argv.index("--name") + 1] = "node-1"
    shutil.copytree(first.data, second.data)
    cluster.agents.append(second)
    first.start()
    cluster.wait_sessions(first)
    unpinned = cluster.daemons[0].calls()["pin/rm"]
    second.start()
    refusal = "duplicate node"
    until(lambda: second.log_text().count(refusal) >= 3, 60,
          "all coordinators refuse it")
    for c in cluster.followers():
        first.pause()  # so that the second is there before it
        c.restart()
        until(lambda c=c: c.get("/livez").status == 200, 20, "it is back")
        first.resume()
        until(c.ready, 40, f"{c.name} is ready")
    cluster.wait_ready(60, nodes=2)
    cid = pin(cluster.any(), "replication=2")
    cluster.wait_pinned(cid, 2)
    for c in cluster.coordinators:
        until(lambda c=c: sessions(c)["node-1"], 20, f"{c.name} has node-1")
    open_again = second.log_text().count("event=coordinator_session ")
    assert open_again == 0, "the second took a session"
    assert first.alive() and second.alive()
    first.kill9()
    until(lambda: second.log_text().count("event=coordinator_session ") >= 3,
          60, "the second takes over")
    cluster.wait_ready(60, nodes=2)  # it was silent long enough to be down
    cid = pin(cluster.any(), "replication=2")
    cluster.wait_pinned(cid, 2)
    assert cluster.daemons[0].calls()["pin/rm"] == unpinned
    assert cluster.daemons[0].pins() >= set(cids)
    first.start()
    until(lambda: first.log_text(True).count(refusal) >= 3, 60,
          "now the first is refused")
    assert len([n for n in cluster.any().status()["nodes"]]) == 2
