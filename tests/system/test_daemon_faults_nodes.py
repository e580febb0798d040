"""IPFS daemons that misbehave as a whole, each on a node of its own: the
node says what is wrong, the others go on, and it comes back by itself."""

import re
import socket

import pytest
from cluster import Cluster, make_cid
from process import until

# One of the daemons says what it has to say a byte at a time, within that.
AGENT = {"stall-timeout": "1s", "call-timeout": "3s", "backoff": "300ms",
         "backoff-max": "1s"}
COMES_UP = ("diag/healthy", "answer", {"status": 500, "count": 1}, b"no\n")
ERROR = {"Message": "datastore: closed", "Code": 0, "Type": "error"}
LARGE = {"RepoSize": 2 ** 64 - 1, "StorageMax": 10 ** 12}

# what the node shows (state of the daemon, text), its faults
NODES = [
    ("down", "no answer within 3000 ms", [("*", "stall", {}, b"")]),
    ("down", "no answer within", [("*", "stall", {"noread": True}, b"")]),
    ("down", "no answer within", [("*", "repeat", {"every": 20}, b" ")]),
    ("down", "Empty reply", [("*", "close", {}, b"")]),
    ("down", "reset by peer", [("*", "reset", {}, b"")]),
    ("down", "outstanding read data", [("*", "torn", {}, b'{"Vers')]),
    ("down", "^datastore: closed$", [("*", "answer", {"status": 500}, ERROR)]),
    ("refused", "^Kubo RPC Access Denied: no$",
     [("*", "answer", {"status": 403}, b"Kubo RPC Access Denied: no\n")]),
    ("down", "404 page not found",
     [("*", "answer", {"status": 404}, b"404 page not found\n")]),
    ("down", "no JSON", [("*", "answer", {}, b"<html>\n")]),
    ("down", "HTTP/0.9", [("*", "raw", {}, b"SSH-2.0-OpenSSH\r\n")]),
    ("refused", "0.30.0 is too old",
     [COMES_UP, ("version", "answer", {}, {"Version": "0.30.0"})]),
    ("down", "no usable ID", [COMES_UP, ("id", "answer", {}, {"ID": "x"})]),
    ("down", "no usable RepoSize",
     [COMES_UP, ("repo/stat", "answer", {}, {"RepoSize": -1})]),
    ("up", "^$", [COMES_UP, ("repo/stat", "answer", {}, LARGE)]),
    ("up", "^$", [("*", "drip", {"every": 1}, b"")]),
    ("up", "^$", []),
    ("down", "no answer within", None),  # its backlog is full
]


@pytest.fixture
def cluster(tmp_path, request):
    c = Cluster(tmp_path, coordinators=1, nodes=len(NODES), daemon="fake",
                agent_options=AGENT,
                options={"down-after": "10m", "out-after": "10m"})
    request.node.clusters = [c]
    try:
        yield c.start()
    finally:
        wrong = c.close()
        assert not wrong, "\n".join(wrong) + c.logs(8)


def full_backlog(port):
    """Sockets of a listener that accepts nobody any more."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(0)
    sockets = [listener]
    for _ in range(4):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", port))
        sockets.append(s)
    return sockets


def test_nodes(cluster):
    c = cluster.coordinators[0]
    sockets = []
    for daemon, (_, _, faults) in zip(cluster.daemons, NODES):
        for endpoint, kind, more, body in faults or []:
            daemon.fault(endpoint, kind, body, **more)
        if faults is None:
            daemon.kill9()
            sockets = full_backlog(daemon.port)
    cid = make_cid()
    assert c.post(f"/pins/{cid}?replication=-1").status == 200
    fit = {f"node-{d.number}": d for d, (state, _, _) in
           zip(cluster.daemons, NODES) if state == "up"}

    def look():
        states = c.pin_states(cid)
        for d in filter(lambda d: d.alive(), cluster.daemons):
            assert states.get(f"node-{d.number}") != "pinned" or \
                cid in d.pins(), states
        return all(states.get(name) == "pinned" and cid in d.pins()
                   for name, d in fit.items() if d.number != 15)

    until(look, 60, "the others pin")
    until(lambda: all(n["daemon"] == state and
                      re.search(text, n["daemon_text"])
                      for n, (state, text, _) in zip(nodes(c), NODES)),
          90, "each node says what is wrong")
    until(lambda: [n["state"] for n in nodes(c)] ==
          ["suspect" if state != "up" else "full" if i == 14 else "ready"
           for i, (state, _, _) in enumerate(NODES)], 60, nodes(c))
    for s in sockets:
        s.close()
    for daemon, (_, _, faults) in zip(cluster.daemons, NODES):
        if faults is None:
            daemon.start()
            daemon.wait()
        else:
            daemon.heal()
    cluster.wait_ready(60)
    until(lambda: all(cid in d.pins() for d in cluster.daemons) and
          set(c.pin_states(cid).values()) == {"pinned"}, 60, "all have it")


def nodes(c):
    return sorted(c.status()["nodes"],
                  key=lambda n: int(n["name"].rsplit("-", 1)[1]))
