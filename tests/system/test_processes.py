"""Starting: orders, addresses, directories, keys and options that are wrong.
Each gets a message that names the thing and a status, or is tried again."""

import http.server
import json
import os
import random
import shutil
import socket
import subprocess
import threading
import time

import pytest
from cluster import Cluster, make_cid, until
from process import Process, clean_env, free_port, program
from smalldisk import SmallDisk
from wire import request

SEED = int(os.environ.get("PINFOLD_SEED", random.randrange(1 << 31)))
COORDINATOR = program("coordinator", "pinfold-coordinator")
AGENT = program("agent", "pinfold-agent")


def argv(binary, data, **options):
    """A command whose addresses nobody else has."""
    words = {"data-dir": data}
    if binary == COORDINATOR:
        for name in ("http", "proxy", "pinning", "peers", "agents"):
            words["listen-" + name] = f"127.0.0.1:{free_port()}"
    else:
        words["coordinators"] = f"127.0.0.1:{free_port()}"
        words["listen-http"] = f"127.0.0.1:{free_port()}"
    words.update({k.replace("_", "-"): v for k, v in options.items()})
    return [binary] + [x for k, v in words.items() for x in ("--" + k, v)]


def run_all(cases, seconds=30):
    """Runs [(name, argv, …)] at one time; name -> (status, standard error).
    None of them may go on running."""
    children = {name: subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, errors="replace", env=clean_env())
        for name, words, *_ in cases}
    out = {}
    for name, child in children.items():
        try:
            _, text = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            _, text = child.communicate()
            text += "\n(it went on running)"
        out[name] = child.returncode, text
    return out


def check_all(cases, seconds=30):
    """Each case is (name, argv, status, part of the message)."""
    done = run_all(cases, seconds)
    wrong = [f"{name}: {done[name]}, not {status} and {part!r}"
             for name, _, status, part in cases
             if done[name][0] != status or part not in done[name][1] or
             "Sanitizer" in done[name][1]]
    assert not wrong, "\n".join(wrong)


# --- order -------------------------------------------------------------------

def test_started_in_any_order(make_cluster):
    """Agents before all they talk to; each coordinator alone for a while."""
    cluster = make_cluster(start=False, nodes=2, daemon="fake")
    order = cluster.daemons + cluster.coordinators + cluster.agents
    random.Random(SEED).shuffle(order)
    print(f"seed {SEED}: {[p.name for p in order]}")
    for p in order:
        p.start()
        if p in cluster.coordinators:
            until(lambda p=p: p.get("/livez").status == 200, 20,
                  f"{p.name} lives")
            others = [c for c in cluster.coordinators if c.alive()]
            if len(others) < 3:
                answer = p.get("/readyz")
                assert answer.status == 503 and answer.json()["reason"]
                assert p.post(f"/pins/{make_cid()}").status == 503
    cluster.wait_ready()
    cid = make_cid()
    assert cluster.any().post(f"/pins/{cid}?replication=2").status == 200
    cluster.wait_pinned(cid, 2)


# --- addresses ---------------------------------------------------------------

class Web(http.server.BaseHTTPRequestHandler):
    """Some other program that speaks HTTP."""

    def do_GET(self):
        self.send_error(404)

    do_POST = do_GET

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    c = Cluster(tmp_path_factory.mktemp("small"), coordinators=1, nodes=1,
                daemon="fake")
    try:
        c.start()
        yield c
    finally:
        wrong = c.close()
        assert not wrong, "\n".join(wrong) + c.logs()


def test_wrong_addresses(small, tmp_path):
    """Agents go on trying and say once what is wrong; nobody is harmed."""
    c = small.coordinators[0]
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    mute = socket.create_server(("127.0.0.1", 0))  # accepts, says nothing
    good, daemon = f"127.0.0.1:{c.agents}", small.daemons[0].port
    down = "event=daemon_not_up"
    away = "event=coordinator_unreachable"
    slowly = away if os.environ.get("PINFOLD_NIGHTLY") else None  # 10, 15 s
    cases = {  # coordinators, daemon's port, what the log must say
        "nobody": (free_port(), daemon, away),
        "http": (c.http, daemon, slowly),
        "peers": (c.peers, daemon, away),
        "web": (web.server_address[1], daemon, slowly),
        "mute": (mute.getsockname()[1], daemon, None),
        "daemon-nobody": (c.agents, free_port(), down),
        "daemon-http": (c.agents, c.http, down),
        "daemon-agents": (c.agents, c.agents, down),
        "daemon-web": (c.agents, web.server_address[1], down),
        "daemon-mute": (c.agents, mute.getsockname()[1], None),
    }
    agents = {}
    for name, (port, kubo, _) in cases.items():
        agents[name] = Process(
            "wrong-" + name, argv(AGENT, str(tmp_path / name), name=name,
                                  coordinators=f"127.0.0.1:{port}",
                                  kubo=f"127.0.0.1:{kubo}", beat="300ms"),
            str(tmp_path))
        agents[name].start()
    try:
        for name, (_, _, part) in cases.items():
            if part:
                until(lambda n=name, p=part: p in agents[n].log_text(), 40,
                      f"agent {name} says {part}")
        without = {name for name in cases if name.startswith("daemon-")}
        # In the end they are down, and then out.
        until(lambda: without <= {n for state in ("suspect", "down", "out")
                                  for n in small.nodes_in(state)}, 40,
              "agents without a daemon have said so")
        assert {n["name"] for n in c.status()["nodes"]} == \
            without | {"node-1"}
        cid = make_cid()
        assert c.post(f"/pins/{cid}?replication=1").status == 200
        assert small.wait_pinned(cid, 1) == ["node-1"]
        assert good
    finally:
        codes = {name: a.terminate() for name, a in agents.items()
                 if a.alive()}
        web.shutdown()
        mute.close()
    assert codes == dict.fromkeys(cases, 0)
    assert all("Sanitizer" not in a.log_text() for a in agents.values())
    for name, a in agents.items():
        lines = len(a.log_text().splitlines())
        assert lines < 40, f"agent {name} floods its log: {lines} lines"


def test_command_line_at_wrong_addresses(small):
    """It ends soon and names the host, or says what that one answered."""
    c = small.coordinators[0]
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    hosts = [f"127.0.0.1:{port}" for port in
             (free_port(), web.server_address[1], c.agents, c.peers)]
    hosts.append("name.invalid:9094")
    cases = [(h, [program("ctl", "pinfold"), "--host", h, "status"])
             for h in hosts]
    try:
        done = run_all(cases)
    finally:
        web.shutdown()
    wrong = [f"{h}: {done[h]}" for h in hosts
             if done[h][0] not in (1, 3, 7) or
             (h not in done[h][1] and "HTTP status" not in done[h][1])]
    assert not wrong, "\n".join(wrong)


def test_members_that_are_none(small, tmp_path):
    """Listed are a port where nobody listens, one where something else does,
    and a coordinator of another cluster: it waits and says for whom."""
    c = small.coordinators[0]
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    wrong = {"nobody": free_port(), "web": web.server_address[1],
             "http": c.http, "agents": c.agents, "other": c.peers}
    started = {}
    for name, port in wrong.items():
        own, at = free_port(), free_port()
        p = Process("member-" + name, argv(
            COORDINATOR, str(tmp_path / name),
            listen_peers=f"127.0.0.1:{own}", listen_http=f"127.0.0.1:{at}",
            members=f"127.0.0.1:{own},127.0.0.1:{port}"), str(tmp_path))
        p.start()
        started[name] = p, at, port
    try:
        for name, (p, at, port) in started.items():
            until(lambda at=at, port=port: str(port) in request(
                at, "GET", "/readyz").json()["reason"], 40,
                f"{name}: the reason names the member")
            assert "event=not_ready" in p.log_text()
        until(c.ready, 20, "the other cluster is as it was")
    finally:
        codes = {name: p.terminate() for name, (p, _, _) in started.items()
                 if p.alive()}
        web.shutdown()
    assert codes == dict.fromkeys(wrong, 0)
    for name in wrong:  # nobody formed a cluster of its own
        with open(tmp_path / name / "member", encoding="utf-8") as f:
            assert not json.load(f)["formed"]


def test_member_that_the_others_do_not_know(make_cluster):
    """It says why, once for each reason: with an empty directory it is not
    taken in, and at another address nobody follows it."""
    made = make_cluster(nodes=0)
    c = made.coordinators[2]
    assert c.terminate() == 0
    at = c.argv.index("--listen-peers") + 1
    address = c.argv[at]
    c.argv[at] = f"127.0.0.1:{free_port()}"
    c.start()
    until(lambda: "event=started" in c.log_text(since_start=True), 20,
          "it runs")
    assert "event=address_changed" in c.log_text(since_start=True)
    assert f"known={address} " in c.log_text(since_start=True)
    assert c.terminate() == 0
    c.argv[at] = address
    os.rename(c.data, c.data + ".old")
    c.start()

    def lines(word):
        return sum(word in line for line in
                   c.log_text(since_start=True).split("\n"))

    until(lambda: "without this" in c.get("/readyz").json()["reason"], 20,
          "it says why")
    before = lines("event=not_ready")  # each try is refused: that is no news
    end = time.monotonic() + 4
    until(lambda: time.monotonic() > end, 10, "it has tried again")
    assert lines("event=not_ready") <= before + 2, c.log_text()
    assert c.terminate() == 0
    os.rename(c.data, c.data + ".new")
    os.rename(c.data + ".old", c.data)
    c.start()
    made.wait_ready()


def test_busy_ports_and_names(small, tmp_path):
    c = small.coordinators[0]
    busy = [("peers", c.peers), ("agents", c.agents), ("http", c.http)]
    cases = [(f"busy {name}", argv(
        COORDINATOR, str(tmp_path / name),
        **{"listen_" + name: f"127.0.0.1:{port}"}), 1, str(port))
        for name, port in busy]
    port = small.agents[0].http
    cases.append(("busy agent", argv(
        AGENT, str(tmp_path / "agent"), listen_http=f"127.0.0.1:{port}"), 1,
        f"listen-http 127.0.0.1:{port}"))
    for binary, options in ((COORDINATOR, "listen_http"),
                            (COORDINATOR, "listen_pinning"),
                            (COORDINATOR, "listen_peers"),
                            (COORDINATOR, "listen_agents"),
                            (AGENT, "coordinators")):
        cases.append((f"name {options}", argv(
            binary, str(tmp_path / "n"),
            **{options: "name.invalid:9094"}), 2, "name.invalid"))
    check_all(cases)
    until(c.ready, 20, "who was there first serves")


def test_ipv6_loopback(tmp_path):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as e:
        pytest.skip(f"no IPv6 loopback: {e}")
    c = Cluster(tmp_path, coordinators=1, nodes=1, daemon="fake")
    for p in (c.coordinators[0], c.agents[0]):
        p.argv = [w.replace("127.0.0.1", "[::1]")
                  if i and p.argv[i - 1] != "--kubo" else w
                  for i, w in enumerate(p.argv)]
    c.coordinators[0].argv += ["--listen-http",
                               f"127.0.0.1:{c.coordinators[0].http},"
                               f"[::1]:{free_port()}"]
    at = c.coordinators[0].argv.index("--listen-http")
    del c.coordinators[0].argv[at:at + 2]
    try:
        c.start()
        cid = make_cid()
        assert c.any().post(f"/pins/{cid}?replication=1").status == 200
        c.wait_pinned(cid, 1)
    finally:
        wrong = c.close()
    assert not wrong, wrong


# --- data directories and keys -----------------------------------------------

KEY = "ab" * 32 + "\n"


def spoil(folder, how):
    """A data directory whose key is not as it should be."""
    os.makedirs(folder)
    key = os.path.join(folder, "key")
    if how == "directory":
        os.mkdir(key)
        return
    if how == "loop":
        os.symlink("key", key)
        return
    text = {"truncated": KEY[:40], "garbage": "x" * 64 + "\n", "empty": "",
            "longer": KEY + "\n"}.get(how, KEY)
    with open(key, "w", encoding="ascii") as f:
        f.write(text)
    os.chmod(key, 0o644 if how == "open" else 0o600)
    if how == "owner":
        os.chown(key, 65534, 65534)


def test_keys(tmp_path):
    cases = []
    for binary in (COORDINATOR, AGENT):
        for how, status in (("truncated", 65), ("garbage", 65),
                            ("empty", 65), ("longer", 65),
                            ("directory", 65), ("loop", 6), ("open", 6),
                            ("owner", 6)):
            if how == "owner" and os.getuid() != 0:
                continue  # only root can make it
            folder = str(tmp_path / f"{os.path.basename(binary)}-{how}")
            spoil(folder, how)
            cases.append((folder, argv(binary, folder), status,
                          os.path.join(folder, "key")))
    check_all(cases)
    for folder, *_ in cases:  # nothing was made beside the key, or of it
        assert sorted(os.listdir(folder)) == ["key", "lock"], folder


def as_nobody(words):
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
            "--", *words]


def test_directories(small, tmp_path):
    """A file, a directory of the other program, of another user, missing."""
    c, a = small.coordinators[0], small.agents[0]
    plain = tmp_path / "file"
    plain.write_text("data")
    copies = {}
    for p in (c, a):
        copies[p] = str(tmp_path / ("copy-of-" + p.name))
        shutil.copytree(p.data, copies[p])
        os.remove(os.path.join(copies[p], "lock"))
    cases = []
    for binary in (COORDINATOR, AGENT):
        who = os.path.basename(binary)
        cases += [
            (who + " file", argv(binary, str(plain)), 2, "not a directory"),
            (who + " below a file", argv(binary, str(plain / "x")), 1,
             str(plain / "x")),
            (who + " no parent", argv(binary, str(tmp_path / "a" / "b")), 3,
             str(tmp_path / "a" / "b")),
        ]
    odd = tmp_path / "odd"
    odd.mkdir(mode=0o700)
    (odd / "raft").write_text("")
    cases += [("log a file", argv(COORDINATOR, str(odd)), 65,
               str(odd / "raft"))]
    cases += [("agent's", argv(COORDINATOR, copies[a]), 2, "an agent's"),
              ("coordinator's", argv(AGENT, copies[c]), 2,
               "a coordinator's")]
    if os.getuid() == 0 and shutil.which("setpriv"):
        locked = tmp_path / "of-root"
        locked.mkdir(mode=0o700)
        os.chmod(tmp_path, 0o755)
        cases += [(os.path.basename(b) + " other user",
                   as_nobody(argv(b, str(locked))), 6, str(locked))
                  for b in (COORDINATOR, AGENT)
                  if as_nobody_may_run(b)]
    check_all(cases)
    assert not os.path.exists(os.path.join(copies[a], "member"))
    assert not os.path.exists(os.path.join(copies[c], "journal.db"))
    assert plain.read_text() == "data"


def as_nobody_may_run(binary):
    """Whether that user reaches the programs at all (a build below /root)."""
    return subprocess.run(as_nobody([binary, "--version"]), check=False,
                          capture_output=True, env=clean_env()
                          ).returncode == 0


def test_read_only_directory(tmp_path):
    cases, disks = [], []
    for binary in (COORDINATOR, AGENT):
        folder = str(tmp_path / os.path.basename(binary))
        disks.append(SmallDisk(folder, 4))
        disks[-1].remount("ro")
        p = Process("ro", argv(binary, folder), str(tmp_path))
        disks[-1].carry(p)
        cases.append((folder, p.argv, 6, folder))
    try:
        check_all(cases)
    finally:
        for d in disks:
            d.close()


def test_another_clusters_directories(make_cluster, tmp_path):
    """An agent that moves to another cluster harms no pin of the first; a
    coordinator keeps the members of its directory, whatever the option says,
    and one without its log does not come back."""
    first = make_cluster(coordinators=1, nodes=1, daemon="fake")
    cid = make_cid()
    assert first.any().post(f"/pins/{cid}?replication=1").status == 200
    first.wait_pinned(cid, 1)
    second = make_cluster(coordinators=1, nodes=1, daemon="fake")
    agent, c = first.agents[0], first.coordinators[0]
    at = agent.argv.index("--coordinators") + 1
    home = agent.argv[at]
    assert agent.terminate() == 0
    agent.argv[at] = f"127.0.0.1:{second.coordinators[0].agents}"
    agent.start()
    until(lambda: len(second.nodes_in("ready")) == 2, 40, "it is enrolled")
    until(lambda: "event=listed" in agent.log_text(since_start=True), 40,
          "it has looked at all pins")
    assert first.daemons[0].has(cid), "a foreign cluster unpinned it"
    assert agent.terminate() == 0
    agent.argv[at] = home
    agent.start()
    # Meanwhile its coordinator is told of other members.
    assert c.terminate() == 0
    m = c.argv.index("--members") + 1
    alone = c.argv[m]
    c.argv[m] = alone + f",127.0.0.1:{second.coordinators[0].peers}"
    c.start()
    first.wait_ready()
    assert "event=members_ignored" in c.log_text(since_start=True)
    first.wait_pinned(cid, 1)
    c.argv[m] = alone
    assert second.any()
    with open(os.path.join(c.data, "member"), encoding="utf-8") as f:
        assert len(json.load(f)["members"]) == 1


# --- options -----------------------------------------------------------------

def test_contradictions(tmp_path):
    port = free_port()
    at, other = f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}"
    coordinator = [
        ({"members": other}, "own listen-peers"),
        ({"listen_peers": at, "members": f"{at},{other},{at}"}, "twice"),
        ({"listen_peers": at, "listen_agents": at}, "two listeners"),
        ({"listen_http": f"{at},{at}"}, "two listeners"),
        ({"listen_http": at, "listen_pinning": at}, "two listeners"),
        ({"listen_http": f"{other},{at}", "listen_peers": at},
         "two listeners"),
        ({"replication_min": "3", "replication_max": "2"},
         "replication-min"),
        ({"suspect_after": "5s", "down_after": "5s"}, "suspect-after"),
        ({"heartbeat": "400ms", "election_timeout": "1s"},
         "election-timeout"),
        ({"min_free": "-1"}, "min-free"), ({"min_free": "2T"}, "min-free"),
    ]
    agent = [({"coordinators": f"{at},{at}"}, "twice"),
             ({"backoff": "2h"}, "backoff"),
             ({"labels": "region=a", "region": "b"}, "region")]
    cases = [(f"{binary} {options}",
              argv(binary, str(tmp_path / str(part)), **options), 2, part)
             for binary, table in ((COORDINATOR, coordinator), (AGENT, agent))
             for options, part in table]
    check_all(cases)
