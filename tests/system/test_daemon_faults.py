"""What the agent, and the API above it, make of an IPFS daemon that
misbehaves for some pins: the reason is told, the pin is tried again but not
too often, the others do not wait, and nothing counts as pinned that the
daemon does not hold."""

import re
import time

import pytest
from cluster import Cluster, make_cid
from process import until

OPTIONS = {"replication-min": 1, "replication-max": 1}
AGENT = {"stall-timeout": "1s", "call-timeout": "1s", "backoff": "300ms",
         "backoff-max": "1s", "concurrent-pins": 10, "recheck": "1s"}
JSON_ERROR = {"Code": 0, "Type": "error"}
SLACK = 5  # seconds that the machine may be busy with something else


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    c = Cluster(tmp_path_factory.mktemp("faults"), coordinators=1, nodes=1,
                daemon="fake", options=OPTIONS, agent_options=AGENT)
    for a in c.agents:  # what was freed shall not look like a leak
        a.env["ASAN_OPTIONS"] += ":quarantine_size_mb=8"
    try:
        yield c.start()
    finally:
        wrong = c.close()
        assert not wrong, "\n".join(wrong) + c.logs()


@pytest.fixture(autouse=True)
def healthy(cluster, request):
    request.node.clusters = [cluster]
    yield
    cluster.daemons[0].heal()


@pytest.fixture
def c(cluster):
    return cluster.coordinators[0]


@pytest.fixture
def daemon(cluster):
    return cluster.daemons[0]


def copy_of(c, cid):
    """The one copy's object, in GET /pins/{cid}."""
    (copy,) = c.get(f"/pins/{cid}").json()["peer_map"].values()
    return copy


def status(c, cid):
    return copy_of(c, cid)["status"]


def pin(c, cids):
    for cid in cids:
        answer = c.post(f"/pins/{cid}")
        assert answer.status == 200, answer


def pin_and_time(c, n=10):
    """Seconds until so many healthy pins are pinned."""
    cids = [make_cid() for _ in range(n)]
    begin = time.monotonic()
    pin(c, cids)
    until(lambda: all(status(c, x) == "pinned" for x in cids), 60,
          "pins without a fault are pinned")
    return time.monotonic() - begin


def wait_reason(c, cid, reason, daemon):
    """Until the status tells it; never is it "pinned" meanwhile."""
    def look():
        copy = copy_of(c, cid)
        assert copy["status"] != "pinned" or cid in daemon.pins(), copy
        return copy["status"] == "pin_error" and \
            re.search(reason, copy["error"])

    until(look, 60, f"the reason is like {reason}: {copy_of(c, cid)}")


def all_pinned(c, daemon, cids, seconds=60):
    until(lambda: set(cids) <= daemon.pins() and
          all(status(c, x) == "pinned" for x in cids), seconds,
          "all are pinned, and held")


# --- pin/add -----------------------------------------------------------------

# kind, its arguments, body, the reason in the status
PIN_FAULTS = [
    ("stall", {}, b"", "pin/add: no progress for 1000 ms"),
    ("head", {}, b"", "no progress"),
    ("body", {}, {"Progress": 1}, "no progress"),
    ("close", {}, b"", "pin/add at .*: Empty reply from server"),
    ("reset", {}, b"", "pin/add at .*: .*reset by peer"),
    ("repeat", {"every": 50}, {}, "no progress"),
    ("repeat", {"every": 50}, {"Progress": 3, "Bytes": 9}, "no progress"),
    ("repeat", {"every": 0}, {}, "a flood of lines"),
    ("repeat", {"every": 10, "status": 500}, b"oops ", "no progress"),
    ("grow", {"every": 0}, b"", "a flood of lines"),
    ("waver", {"every": 50}, b"", "no progress"),
    ("answer", {"trailer": "pin: context deadline exceeded"},
     {"Progress": 1}, "^pin: context deadline exceeded$"),
    ("answer", {"trailer": "write /x: no space left on device"},
     {"Progress": 1}, "^write /x: no space left on device$"),
    ("answer", {"status": 500},
     {"Message": "pin: something new", **JSON_ERROR}, "^pin: something new$"),
    ("answer", {"status": 500, "type": "text/plain"}, b"oops\n", "^oops$"),
    ("answer", {"status": 500}, b"", "answered 500 without a text"),
    ("answer", {"status": 403, "type": "text/plain"}, b"403 - Forbidden\n",
     "^403 - Forbidden$"),
    ("answer", {"status": 404, "type": "text/plain"},
     b"404 page not found\n", "^404 page not found$"),
    ("answer", {"status": 405, "type": "text/plain"},
     b"405 - Method Not Allowed\n", "^405 - Method Not Allowed$"),
    ("answer", {}, b"no JSON\n", "no JSON"),
    ("answer", {}, {"Pins": 17}, "about another CID"),
    ("answer", {}, {"Pins": [make_cid()]}, "about another CID"),
    ("answer", {}, {"Progress": "x"}, "without its last object"),
    ("answer", {}, b'{"Progress":-1,"Bytes":1e999}\n',
     "without its last object"),
    ("answer", {}, {"Bytes": 2 ** 64 - 1}, "impossible number of bytes"),
    ("answer", {}, b"[" * 9999 + b"]" * 9999, "nested too deeply"),
    ("answer", {}, b'"' + b"x" * (3 << 20) + b'"\n', "line .* is too long"),
    ("answer", {}, b'{"Progress":1,"x":"\xff\xfe"}\n', "no JSON"),
    ("answer", {}, b"", "an empty answer"),
    ("answer", {}, b'{"Progress":3}\n{"Pi', "no JSON.*unterminated"),
    ("short", {}, {"Progress": 3}, "transfer closed with 100 bytes"),
    ("torn", {}, {"Progress": 3}, "outstanding read data"),
    ("torn", {"reset": True}, {"Progress": 3}, "pin/add at "),
    ("raw", {}, b"SSH-2.0-OpenSSH\r\n", "pin/add at "),
]
# It was pinned, only the answer does not say so: a look finds it.
ANSWER_FAULTS = [("cut", {"after": 20}), ("freeze", {"after": 20}),
                 ("close", {"apply": True}), ("drip", {"every": 2})]


def test_pins(c, daemon):
    healthy = pin_and_time(c)
    cids = [make_cid() for _ in PIN_FAULTS]
    held = [make_cid() for _ in ANSWER_FAULTS]
    for cid, (kind, more, body, _) in zip(cids, PIN_FAULTS):
        daemon.fault("pin/add", kind, body, cid=cid, **more)
    for cid, (kind, more) in zip(held, ANSWER_FAULTS):
        daemon.fault("pin/add", kind, cid=cid, **more)
    begin = time.monotonic()
    pin(c, cids + held)
    faulty = pin_and_time(c)
    assert faulty < 3 + 10 * healthy + SLACK, (healthy, faulty)
    for cid, (_, _, _, reason) in zip(cids, PIN_FAULTS):
        wait_reason(c, cid, reason, daemon)
    all_pinned(c, daemon, held)
    assert not set(cids) & daemon.pins()
    hits, seconds = daemon.hits(), time.monotonic() - begin
    for cid, fault in zip(cids, PIN_FAULTS):
        # a wait of 240 ms at least, and twice at first a second or more for
        # a connection that was cut
        assert 1 <= hits[cid, "pin/add"] <= 3 + seconds / 0.24, fault
    for cid, fault in zip(held, ANSWER_FAULTS):
        assert hits[cid, "pin/add"] == 1, fault
    before = hits
    until(lambda: all(daemon.hits()[x, "pin/add"] > before[x, "pin/add"]
                      for x in cids), 60, "each is tried again")
    daemon.heal()
    all_pinned(c, daemon, cids)


def test_pins_that_stall_leave_room(c, daemon):
    """Three times as many as may run: none keeps a slot."""
    healthy = pin_and_time(c)
    cids = [make_cid() for _ in range(30)]
    for cid in cids:
        daemon.fault("pin/add", "stall", cid=cid)
    pin(c, cids)
    until(lambda: any(daemon.hits().values()), 20, "they have begun")
    # Three rounds of a second.
    assert pin_and_time(c) < 5 + 10 * healthy + SLACK
    until(lambda: all(daemon.hits().values()), 30, "each had its turn")
    # Half of the slots is free.
    assert pin_and_time(c) < 3 + 10 * healthy + SLACK
    for cid in cids:
        wait_reason(c, cid, "no progress", daemon)
    daemon.heal()
    all_pinned(c, daemon, cids)


def test_a_disk_that_fills(c, daemon):
    held = make_cid()
    pin(c, [held])
    all_pinned(c, daemon, [held])
    full = daemon.ctl("stats", "GET").json()["size_bytes"]
    daemon.ctl(f"disk?bytes={full}")
    cids = [make_cid() for _ in range(3)]
    pin(c, cids)
    for cid in cids:
        wait_reason(c, cid, "no space left on device", daemon)
    daemon.ctl("disk?bytes=0")
    all_pinned(c, daemon, cids)


def test_pins_that_vanish(c, daemon):
    """Right after the answer, and all of them at once."""
    cids = [make_cid() for _ in range(5)]
    for cid in cids:
        daemon.fault("pin/add", "vanish", cid=cid)
    pin(c, cids)
    until(lambda: all(n > 1 for n in daemon.hits().values()), 30,
          "it is noticed, and they are pinned again")
    daemon.heal()
    all_pinned(c, daemon, cids)
    every = daemon.pins()
    assert daemon.lose_all() == len(every)
    all_pinned(c, daemon, every)


# --- pin/ls of one pin -------------------------------------------------------

LOOK_FAULTS = [
    ("stall", {}, b"", "pin/ls: no answer within 1000 ms"),
    ("repeat", {"every": 20}, b" ", "no answer within"),
    ("close", {}, b"", "Empty reply"),
    ("torn", {}, b'{"Keys":{', "outstanding read data"),
    ("answer", {"status": 500},
     {"Message": "datastore: closed", **JSON_ERROR}, "^datastore: closed$"),
    ("answer", {"status": 403}, b"Kubo RPC Access Denied: no\n",
     "^Kubo RPC Access Denied: no$"),
    ("answer", {}, {"Keys": {}}, "about another CID"),
    ("answer", {}, {"Keys": {make_cid(): {"Type": "recursive"}}},
     "about another CID"),
    ("answer", {}, {"Keys": None}, "has no Keys"),
    ("answer", {}, b'{"Keys":{"', "no JSON"),
    ("answer", {}, b" " * (2 << 20), "too long"),
]


def test_looks(c, daemon):
    """Nothing is pinned that was not looked at; those that hang take nobody
    else's turn, nor do they bring the daemon down."""
    healthy = pin_and_time(c)
    cids = [make_cid() for _ in LOOK_FAULTS]
    more = [make_cid() for _ in range(6)]
    for cid, (kind, args, body, _) in zip(cids, LOOK_FAULTS):
        daemon.fault("pin/ls", kind, body, cid=cid, **args)
    for cid in more:
        daemon.fault("pin/ls", "stall", cid=cid)
    pin(c, cids + more)
    assert pin_and_time(c) < 3 + 10 * healthy + SLACK
    for cid, (_, _, _, reason) in zip(cids, LOOK_FAULTS):
        wait_reason(c, cid, reason, daemon)
    (node,) = c.status()["nodes"]
    assert node["state"] == "ready" and node["daemon"] == "up", node
    assert not set(cids + more) & daemon.pins()
    daemon.heal()
    all_pinned(c, daemon, cids + more)


# --- pin/rm ------------------------------------------------------------------

RELEASE_FAULTS = [
    ("stall", {}, b""), ("reset", {}, b""), ("torn", {}, b'{"Pins":['),
    ("repeat", {"every": 20}, b"\n"), ("repeat", {"every": 0}, b"\n"),
    ("answer", {"status": 500}, {"Message": "disk I/O", **JSON_ERROR}),
    ("answer", {"status": 403}, b"403 - Forbidden\n"),
    ("answer", {}, {"Pins": []}), ("answer", {}, b"nonsense\n"),
    ("answer", {}, {}), ("answer", {"trailer": "closed"}, {"Pins": []}),
]


def test_releases(c, daemon):
    cids = [make_cid() for _ in RELEASE_FAULTS]
    done, gone, kept = make_cid(), make_cid(), make_cid()
    every = cids + [done, gone, kept]
    pin(c, every)
    all_pinned(c, daemon, every)
    for cid, (kind, more, body) in zip(cids, RELEASE_FAULTS):
        daemon.fault("pin/rm", kind, body, cid=cid, **more)
    daemon.fault("pin/rm", "close", cid=done, apply=True)
    daemon.lose(gone)
    begin = time.monotonic()
    for cid in cids + [done, gone]:
        assert c.delete(f"/pins/{cid}").status == 200
    until(lambda: all(n > 1 for (cid, _), n in daemon.hits().items()
                      if cid != done), 60, "each is tried again")
    until(lambda: all(status(c, x) == "unpinned" for x in (done, gone)), 30,
          "what is not there is released")
    assert daemon.hits()[done, "pin/rm"] == 1
    assert set(cids) | {kept} <= daemon.pins()
    assert all(status(c, x) != "unpinned" for x in cids)
    assert pin_and_time(c) < 10 + SLACK
    seconds = time.monotonic() - begin
    assert all(n <= 3 + seconds / 0.24 for n in daemon.hits().values())
    daemon.heal()
    until(lambda: not set(cids) & daemon.pins(), 30, "all are removed")
    until(lambda: all(status(c, x) == "unpinned" for x in cids), 30,
          "and the state says so")
    assert kept in daemon.pins() and status(c, kept) == "pinned"


# --- listings ----------------------------------------------------------------

ROW = {"Cid": make_cid("row"), "Type": "recursive"}
LIST_FAULTS = [
    ("answer", {}, b""),  # a good end, and nothing in between
    ("answer", {}, ROW), ("answer", {}, b'{"Cid":"'),
    ("answer", {"trailer": "datastore: closed"}, ROW),
    ("answer", {"status": 500}, {"Message": "closed", **JSON_ERROR}),
    ("answer", {}, {"Cid": 7, "Type": "recursive"}),
    ("answer", {}, {**ROW, "Type": "direct"}),
    ("torn", {}, ROW), ("cut", {"after": 300}, b""),
    ("cut", {"after": 300, "reset": True}, b""), ("stall", {}, b""),
    ("repeat", {"every": 20}, b"\n"),
]


def test_listings(c, daemon):
    """Whatever a listing lacks: nothing is lost, nothing pinned again."""
    cids = [make_cid() for _ in range(20)]
    pin(c, cids)
    all_pinned(c, daemon, cids)
    before = daemon.calls()["pin/add"]
    for kind, more, body in LIST_FAULTS:
        daemon.fault("pin/ls", kind, body, cid="-", count=1, **more)

    def look():
        states = {x: status(c, x) for x in cids}
        assert set(states.values()) == {"pinned"}, states
        return all(daemon.hits_in_order())

    until(look, 90, "each was met")
    daemon.heal()
    lost = cids[7]
    daemon.lose(lost)
    all_pinned(c, daemon, cids, 30)  # a good listing finds it
    until(lambda: lost in daemon.pins(), 30, "it is there again")
    assert daemon.calls()["pin/add"] == before + 1


# --- memory ------------------------------------------------------------------

def test_memory_stays_flat(c, cluster, daemon):
    """Streams without end, at full speed, at every endpoint that has one."""
    cids = [make_cid() for _ in range(4)]
    bodies = [{}, b"x" * 999, b'"' + b"y" * 60000, b" \n" * 999]
    for cid, body in zip(cids, bodies):
        daemon.fault("pin/add", "repeat", body, cid=cid)
    noise = [make_cid() for _ in range(2)]
    daemon.fault("pin/ls", "repeat", b"z" * 5000, cid=noise[0], status=500)
    daemon.fault("pin/ls", "repeat", b"\n" * 5000, cid=noise[1])
    for endpoint in "stats/bw", "swarm/peers":
        daemon.fault(endpoint, "repeat", b'{"Peers":[' + b"1," * 99)
    daemon.fault("pin/ls", "repeat", {**ROW, "Cid": make_cid()}, cid="-")
    pin(c, cids + noise)
    agent = cluster.agents[0]

    def turn(n):
        until(lambda: all(daemon.hits()[x, "pin/add"] >= n for x in cids) and
              daemon.hits()["-", "pin/ls"] >= 1, 60, "they come in")
        return agent.rss_bytes()

    first = turn(2)
    assert turn(6) - first < 32 << 20, first
    assert pin_and_time(c) < 20 + SLACK
    (node,) = c.status()["nodes"]
    assert node["state"] == "ready", node
    daemon.heal()
    all_pinned(c, daemon, cids + noise)
