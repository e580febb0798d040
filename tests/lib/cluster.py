"""A Pinfold cluster of real processes on loopback, for the system tests.

Cluster starts coordinators, agents and IPFS daemons in one directory, each
of them can be killed, stopped and restarted, and close() ends them all and
complains about sanitizer reports and unclean exits. Nothing here sleeps to
synchronise: until() polls with a deadline.
"""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import time

from daemons import FakeDaemon, Kubo, TestNode
from process import (REPORT, Process, clean_env, free_port, program,
                     until)
from wire import request

# Short limits, so that trouble shows within seconds.
COORDINATOR_OPTIONS = {
    "suspect-after": "2s", "down-after": "4s", "out-after": "6s",
    "election-timeout": "500ms", "heartbeat": "100ms", "drain": "2s",
}
# … but where no node falls: one that stands still for 2 s gets no new copies,
# and a pin that needs them all is refused.
CALM = {"suspect-after": "10s", "down-after": "20s"}
# … and where it must stay the leader who is the leader.
STEADY = {"election-timeout": "5s"}
AGENT_OPTIONS = {
    "beat": "300ms", "backoff": "500ms", "backoff-max": "2s",
    "stall-timeout": "20s",
}


def make_cid(seed=None):
    """A CIDv1 (raw, SHA-256) of content that nobody has."""
    data = os.urandom(16) if seed is None else str(seed).encode()
    raw = b"\x01\x55\x12\x20" + hashlib.sha256(data).digest()
    return "b" + base64.b32encode(raw).decode().lower().rstrip("=")


def led_throughout(make, scenario):
    """scenario(cluster) on what make() makes, of what is the leader's memory
    and ends with it: where it fails and the term is not the one in which it
    began, that says nothing, and all of it is done once more."""
    cluster = make()
    term = cluster.term()
    try:
        scenario(cluster)
    except AssertionError:
        if cluster.term() == term:
            raise
        cluster.kill_all()
        scenario(make())


def pinfold(cluster, *words, host=None, timeout=60, stdin=None):
    """The command line, with all coordinators as its hosts."""
    host = host or ",".join(f"127.0.0.1:{c.http}"
                            for c in cluster.coordinators)
    return subprocess.run(
        [program("ctl", "pinfold"), "--host", host, *words],
        env=clean_env(), text=True, capture_output=True, timeout=timeout,
        input=stdin, check=False)


class Coordinator(Process):
    def __init__(self, cluster, number):
        self.number = number
        self.http, self.peers, self.agents, self.pinning, self.proxy = (
            free_port() for _ in range(5))
        self.data = os.path.join(cluster.folder, f"coordinator-{number}")
        self.options = {}
        self.headers = {}  # of each request; a test's own ones come instead
        self.context = None  # for TLS
        super().__init__(f"coordinator-{number}", [], cluster.folder)

    def set_options(self, members, options):
        self.options = {
            "data-dir": self.data, "name": f"coordinator-{self.number}",
            "listen-http": f"127.0.0.1:{self.http}",
            "listen-pinning": f"127.0.0.1:{self.pinning}",
            "listen-peers": f"127.0.0.1:{self.peers}",
            "listen-agents": f"127.0.0.1:{self.agents}",
            "listen-proxy": f"127.0.0.1:{self.proxy}",
            "members": members, **options}
        self.argv = [program("coordinator", "pinfold-coordinator")]
        for key, value in self.options.items():
            self.argv += ["--" + key, str(value)]

    def call(self, method, path, body=None, headers=None, timeout=20):
        return request(self.http, method, path, body,
                       self.headers if headers is None else headers, timeout,
                       self.context)

    def rpc(self, call, body=None, headers=None, timeout=60):
        """Of the IPFS proxy: as of a daemon."""
        return request(self.proxy, "POST", "/api/v0/" + call, body,
                       self.headers if headers is None else headers, timeout)

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, **more):
        return self.call("POST", path, **more)

    def delete(self, path, **more):
        return self.call("DELETE", path, **more)

    def ready(self):
        return self.alive() and self.get("/readyz", timeout=2).status == 200

    def take_state(self, healthy):
        """As docs/operations.md says; both are stopped."""
        for end in ("", "-wal", "-shm"):
            path = os.path.join(self.data, "state.db" + end)
            if os.path.exists(path):
                os.remove(path)
            source = os.path.join(healthy.data, "state.db" + end)
            if end != "-shm" and os.path.exists(source):
                shutil.copy(source, path)

    def status(self):
        return self.get("/api/v1/status", timeout=5).json()

    def metric(self, name):
        """The first value of a series in /metrics."""
        for line in self.get("/metrics").text().split("\n"):
            if re.match(name + r"[ {]", line):
                return float(line.rsplit(" ", 1)[1])
        raise KeyError(name)

    def index(self):
        """The log's index at which it answers reads now."""
        answer = self.get(f"/pins?cids={make_cid('nobody')}")
        assert answer.status == 200, answer
        return int(answer.headers["x-pinfold-index"])

    def wait_shown(self):
        """Until the status, metrics, and figures of nodes and organisations,
        which come from a picture, show all that a read shows by now."""
        index = self.index()
        until(lambda: self.status()["applied"] >= index, 20,
              f"{self.name} shows index {index}")

    def pins(self):
        """CID -> allocation object, of the whole list."""
        answer = self.get("/allocations", timeout=60)
        assert answer.status == 200, answer
        return {p["cid"]: p for p in answer.lines()}

    def pin_states(self, cid):
        """Node name -> status of one CID."""
        answer = self.get(f"/pins/{cid}")
        assert answer.status == 200, answer
        return {v["peername"]: v["status"]
                for v in answer.json()["peer_map"].values()}


class Agent(Process):
    def __init__(self, cluster, number, daemon, options):
        self.number, self.daemon = number, daemon
        self.data = os.path.join(cluster.folder, f"agent-{number}")
        self.http = free_port()
        argv = [program("agent", "pinfold-agent")]
        chosen = {
            "data-dir": self.data, "name": f"node-{number}",
            "coordinators": ",".join(f"127.0.0.1:{c.agents}"
                                     for c in cluster.coordinators),
            "kubo": f"127.0.0.1:{daemon.port}",
            "listen-http": f"127.0.0.1:{self.http}", **options}
        for key, value in chosen.items():
            argv += ["--" + key, str(value).replace("{node}", str(number))]
        super().__init__(f"agent-{number}", argv, cluster.folder)

    def knows_daemon(self):
        """Before that it dials, too, if it takes long, and says "down": while
        the status is from before its start it shows the node as ready."""
        return "event=daemon_up " in self.log_text(since_start=True)


class Cluster:
    """Coordinators, nodes (an agent and its daemon each), and their files.

    daemon: "ipfs" (the test node, or Kubo named by PINFOLD_IPFS) or "fake".
    library_leaks: a library whose own leaks a test runs into.
    """

    def __init__(self, folder, coordinators=3, nodes=3, daemon="ipfs",
                 options=None, agent_options=None, library_leaks=None):
        self.folder = str(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.kind = daemon
        self.coordinators = [Coordinator(self, i + 1)
                             for i in range(coordinators)]
        members = ",".join(f"127.0.0.1:{c.peers}" for c in self.coordinators)
        for c in self.coordinators:
            c.set_options(members, {**COORDINATOR_OPTIONS, **(options or {})})
        if library_leaks:
            self._suppress(library_leaks)
        self.agent_options = {**AGENT_OPTIONS, **(agent_options or {})}
        self.daemons, self.agents = [], []
        self.key = os.path.join(self.folder, "swarm.key")
        with open(self.key, "w", encoding="ascii") as f:
            f.write("/key/swarm/psk/1.0.0/\n/base16/\n" +
                    os.urandom(32).hex() + "\n")
        for _ in range(nodes):
            self._make_node()

    def _suppress(self, library):
        """Leaks whose stack has that library are not the coordinators'."""
        path = os.path.join(self.folder, "leaks")
        with open(path, "w", encoding="ascii") as f:
            f.write(f"leak:{library}\n")
        for c in self.coordinators:
            c.env["LSAN_OPTIONS"] = \
                f"suppressions={path}:print_suppressions=0"

    def _make_node(self):
        number = len(self.daemons) + 1
        if self.kind == "fake":
            daemon = FakeDaemon(self, number)
        elif os.environ.get("PINFOLD_IPFS"):
            daemon = Kubo(self, number, os.environ["PINFOLD_IPFS"])
        else:
            daemon = TestNode(self, number)
        self.daemons.append(daemon)
        self.agents.append(Agent(self, number, daemon, self.agent_options))
        return daemon, self.agents[-1]

    def add_node(self, *options):
        """One more node, started and connected; its agent."""
        daemon, agent = self._make_node()
        agent.argv += options
        daemon.start()
        daemon.wait()
        self.connect_daemons()
        agent.start()
        return agent

    @property
    def processes(self):
        return self.daemons + self.coordinators + self.agents

    def start(self, seconds=60):
        for p in self.daemons + self.coordinators:
            p.start()
        for d in self.daemons:
            d.wait()
        self.connect_daemons()
        for a in self.agents:
            a.start()
        self.wait_ready(seconds)
        return self

    def connect_daemons(self):
        """There is no routing in the tests' network: each must be told."""
        for i, d in enumerate(self.daemons):
            for other in self.daemons[:i]:
                if d.alive() and other.alive():
                    d.connect(other)

    def wait_ready(self, seconds=60, nodes=None):
        for a in self.agents if nodes is None else ():
            if a.alive():  # a status is up to a second old: not by it alone
                until(lambda a=a: "event=coordinator_session " in
                      a.log_text(since_start=True), seconds,
                      f"{a.name} has a session")
                until(a.knows_daemon, seconds, f"{a.name} knows its daemon")
        nodes = len(self.agents) if nodes is None else nodes
        for c in self.coordinators:
            if c.alive():
                until(lambda c=c: c.ready(), seconds, f"{c.name} is ready")
                until(lambda c=c: len(self.nodes_in("ready", c)) >= nodes,
                      seconds, f"{c.name} sees {nodes} ready nodes")

    def wait_sessions(self, agent, seconds=60):
        """Until an agent that was started (again) has greeted each
        coordinator that runs, and its node can take copies."""
        alive = sum(c.alive() for c in self.coordinators)
        until(lambda: agent.log_text(since_start=True).count(
            "event=coordinator_session ") >= alive, seconds,
            f"{agent.name} has {alive} sessions")
        until(agent.knows_daemon, seconds, f"{agent.name} knows its daemon")
        for c in self.coordinators:
            if c.alive():
                until(lambda c=c: f"node-{agent.number}" in self.nodes_in(
                    "ready", c), seconds, f"{c.name} sees its node")

    def nodes_in(self, state, coordinator=None):
        """Names of the nodes that a coordinator shows in one state; ready
        are those whose agent is there and has told of its daemon, and whose
        capacity the state knows: before that they get no copies."""
        c = coordinator or self.any()
        return [n["name"] for n in c.status()["nodes"] if n["state"] == state
                and (state != "ready" or n["connected"] and n["ipfs_id"] and
                     n["capacity"])]

    def any(self):
        """A coordinator that serves."""
        return until(lambda: next((c for c in self.coordinators
                                   if not c.stopped and c.ready()), None),
                     30, "a coordinator is ready")

    def leader(self, seconds=40):
        def look():
            for c in self.coordinators:
                if c.alive() and not c.stopped and c.ready() and \
                        c.metric("pinfold_raft_leader") == 1:
                    return c
            return None

        return until(look, seconds, "there is a leader")

    def term(self):
        """The newest that a coordinator knows."""
        return until(lambda: max(c.status()["term"] for c in self.coordinators
                                 if c.alive()), 40, "all tell their term")

    def followers(self):
        leader = self.leader()
        return [c for c in self.coordinators if c is not leader]

    def agent_of(self, name):
        return next(a for a in self.agents if a.name.endswith(
            "-" + name.rsplit("-", 1)[1]))

    def holders(self, cid):
        """Names of the nodes whose daemon holds the pin, asked directly."""
        return sorted(f"node-{d.number}" for d in self.daemons
                      if d.alive() and d.has(cid))

    def wait_pinned(self, cid, copies, seconds=60, where=None):
        """Until status and the daemons themselves agree on the copies."""
        seen = {}

        def look():
            states = (where or self.any()).pin_states(cid)
            pinned = sorted(n for n, s in states.items() if s == "pinned")
            held = self.holders(cid)
            seen.update(states=states, held=held)
            return held if len(pinned) == copies and pinned == held else None

        try:
            return until(look, seconds, f"{cid} is pinned on {copies} nodes")
        except AssertionError as e:
            raise AssertionError(f"{e}; {seen}") from None

    def same_everywhere(self, seconds=60):
        """Until all coordinators stand at one index with one state hash.

        The status may be 100 ms old; the index that a read names is not, and
        whoever acknowledged something has it by then.
        """
        def look():
            reads = {c.index() for c in self.coordinators}
            seen = {(s["applied"], s["state_hash"])
                    for s in (c.status() for c in self.coordinators)}
            return len(reads) == 1 and len(seen) == 1 and \
                next(iter(seen))[0] in reads

        until(look, seconds, "all coordinators have one state")

    def logs(self, lines=25):
        out = []
        for p in self.processes:
            text = p.log_text().splitlines()[-lines:]
            out.append(f"--- {p.name} (pid {p.child and p.child.pid}, "
                       f"exit {p.child and p.child.poll()})")
            out += text
        return "\n".join(out)

    def kill_all(self):
        for p in self.processes:
            if p.alive():
                p.resume()
                p.kill9()

    def close(self):
        """Stops everything; returns what was wrong, as a list of texts."""
        wrong = []
        order = self.agents + self.coordinators + self.daemons
        for p in order:
            if p.alive():
                p.resume()
                p.child.terminate()
        end = time.monotonic() + 30
        for p in order:
            if p.child is None or p.killed:
                continue
            try:
                code = p.child.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                p.kill9()
                wrong.append(f"{p.name} did not stop within 30 s")
                continue
            if code != 0 and p not in self.daemons:
                wrong.append(f"{p.name} ended with {code}")
        for p in self.coordinators + self.agents:
            if m := REPORT.search(p.log_text()):
                wrong.append(f"{p.name}: {m.group()} in its log")
        return wrong
