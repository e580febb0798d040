"""Cordon, uncordon, drain, remove: by the API and by pinfold, on real
processes; the daemons' own pin sets are the truth about copies."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time

import pytest
from cluster import Agent, make_cid, pinfold
from process import clean_env, program, until
from wire import multipart, request


@contextlib.contextmanager
def waiting_drain(cluster, name):
    """pinfold node drain --wait, once it has looked and waits."""
    leader = cluster.leader()
    with subprocess.Popen(
            [program("ctl", "pinfold"), "--host", f"127.0.0.1:{leader.http}",
             "node", "drain", name, "--wait"], env=clean_env(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        assert "copies left" in p.stderr.readline()
        yield p


def row(c, name):
    return next(n for n in c.status()["nodes"] if n["name"] == name)


class Reader(threading.Thread):
    """Reads files through daemons while it runs; counts what failed."""

    def __init__(self, files, daemons):
        super().__init__()
        self.files, self.daemons = files, daemons
        self.reads, self.wrong, self.ending = 0, [], False

    def run(self):
        while not self.ending:
            for cid, data in self.files.items():
                daemon = self.daemons[self.reads % len(self.daemons)]
                self.reads += 1
                try:
                    if daemon.cat(cid) != data:
                        self.wrong.append((daemon.name, cid))
                except (OSError, AssertionError) as e:
                    self.wrong.append((daemon.name, cid, repr(e)))

    def stop(self):
        self.ending = True
        self.join()
        assert self.reads > 0 and not self.wrong, self.wrong[:5]


def test_drain_while_read(make_cluster):
    """Nothing is lost, nothing is missing meanwhile, and what was drained can
    be removed."""
    cluster = make_cluster(nodes=5)
    files = {}
    for i in range(40):
        data = os.urandom(30_000)
        cid = cluster.daemons[i % 5].add(data)
        files[cid] = data
        answer = cluster.any().post(f"/pins/{cid}?replication=2")
        assert answer.status == 200, answer
    for cid in files:
        cluster.wait_pinned(cid, 2)
    agent = cluster.agents[1]
    name, daemon = "node-2", agent.daemon
    before = len(daemon.pins() & set(files))
    assert before > 0
    until(lambda: row(cluster.any(), name)["copies"] == before, 20,
          "its row counts them")
    others = [a.daemon for a in cluster.agents if a is not agent]
    fewest = {cid: 9 for cid in files}
    reader = Reader(files, others)
    reader.start()
    done = pinfold(cluster, "node", "drain", name, "--wait",
                   "--wait-timeout", "60s", timeout=120)
    for _ in range(5):
        for cid in files:
            fewest[cid] = min(fewest[cid], sum(d.has(cid) for d in others))
    reader.stop()
    assert done.returncode == 0, done
    assert done.stdout.splitlines() == [
        f"{name}: draining, {before} copies to move", f"{name}: drained"]
    assert min(fewest.values()) >= 2, "a copy was given up too early"
    until(lambda: not daemon.pins() & set(files), 20,
          "its daemon holds nothing of them")
    for c in cluster.coordinators:
        until(lambda c=c: [row(c, name)[k] for k in (
            "state", "admin", "copies")] == ["draining", "draining", 0], 20,
            f"{c.name} shows it")
        until(lambda c=c: all(c.pin_states(cid).get(name) != "pinned"
                              for cid in files), 20, f"{c.name} has no copy")
    # New pins go elsewhere.
    fresh = others[0].add(b"later")
    cluster.any().post(f"/pins/{fresh}?replication=4")
    cluster.wait_pinned(fresh, 4)
    assert not daemon.has(fresh)
    done = pinfold(cluster, "node", "remove", name)
    assert (done.returncode, done.stdout) == (0, f"{name}: removed\n")
    until(lambda: all(name not in [n["name"] for n in c.status()["nodes"]]
                      for c in cluster.coordinators), 20, "it is gone")
    until(lambda: "this node was removed" in agent.log_text(), 20,
          "its agent is told")
    cluster.same_everywhere()


@pytest.fixture(name="quick")
def fixture_quick(make_cluster):
    return make_cluster(nodes=3, daemon="fake")


def test_cordon(quick):
    """A cordoned node keeps what it has and gets nothing new."""
    first = make_cid("first")
    quick.any().post(f"/pins/{first}?replication=3")
    quick.wait_pinned(first, 3)
    done = pinfold(quick, "node", "cordon", "node-1", "node-3")
    assert (done.returncode, done.stdout) == (
        0, "node-1: cordoned\nnode-3: cordoned\n")
    for c in quick.coordinators:
        until(lambda c=c: row(c, "node-1")["state"] == "cordoned", 20,
              f"{c.name} shows it")
    again = pinfold(quick, "node", "cordon", "node-1")
    assert (again.returncode, again.stdout) == (
        0, "node-1: already cordoned\n")
    for i in range(10):
        cid = make_cid(f"c{i}")
        quick.any().post(f"/pins/{cid}?replication-min=1&replication-max=3")
        assert quick.wait_pinned(cid, 1) == ["node-2"]
    answer = quick.any().post(f"/pins/{make_cid('two')}?replication=2")
    assert answer.status == 500 and "not enough peers" in answer.message()
    assert quick.agents[0].daemon.has(first)
    done = pinfold(quick, "node", "uncordon", "node-1", "node-3")
    assert done.stdout == "node-1: active\nnode-3: active\n"
    for i in range(10):  # topped up
        quick.wait_pinned(make_cid(f"c{i}"), 3)


def test_drain_that_cannot_end(quick):
    """No node is left for the minimum: it stays, it says so, the wait ends in
    time; put back, all is as it was."""
    cid = make_cid("all")
    quick.any().post(f"/pins/{cid}?replication=3")
    quick.wait_pinned(cid, 3)

    def gives_up():
        done = pinfold(quick, "node", "drain", "node-2", "--wait",
                       "--wait-timeout", "4s",
                       host=f"127.0.0.1:{quick.leader().http}")
        assert done.returncode == 10, done
        assert "drained" not in done.stdout
        return "1 copies left, 1 that no other node can take" in done.stderr

    # Only who leads knows, and not before it has looked.
    until(gives_up, 60, "the wait says why nothing leaves")
    assert quick.agents[1].daemon.has(cid)
    assert quick.any().pin_states(cid)["node-2"] == "pinned"
    refused = pinfold(quick, "node", "remove", "node-2")
    assert refused.returncode == 9 and "holds 1 copies" in refused.stderr
    done = pinfold(quick, "node", "uncordon", "node-2")
    assert done.stdout == "node-2: active\n"
    time.sleep(2)
    assert len(quick.holders(cid)) == 3
    # A wait ends when somebody else puts the node back.
    with waiting_drain(quick, "node-2") as p:
        pinfold(quick, "node", "uncordon", "node-2")
        _, err = p.communicate(timeout=60)
        assert p.returncode == 9 and "not drained any more" in err, err
    with waiting_drain(quick, "node-2") as p:
        p.send_signal(signal.SIGINT)
        out, _ = p.communicate(timeout=60)
        assert p.returncode == 130 and "drained" not in out, out


def test_drain_of_a_fallen_node(quick):
    """The wait says why nothing leaves; its copies are made elsewhere."""
    cid = make_cid("fallen")
    quick.any().post(f"/pins/{cid}?replication=2")
    name, _ = quick.wait_pinned(cid, 2)
    quick.agent_of(name).kill9()
    until(lambda: row(quick.any(), name)["state"] in ("down", "out"), 30,
          "it has fallen")
    done = pinfold(quick, "node", "drain", name, "--wait", "--wait-timeout",
                   "2s")
    assert done.returncode == 10, done
    assert "nothing can leave it until it is back" in done.stderr, done
    until(lambda: list(quick.any().pin_states(cid).values()).count(
        "pinned") == 2, 60, "a copy is made elsewhere")
    quick.agent_of(name).start()
    done = pinfold(quick, "node", "drain", name, "--wait", timeout=120)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0, f"{name}: drained"), done
    assert not quick.agent_of(name).daemon.has(cid)


def test_upload_avoids_it(quick):
    """Whoever names a drained node: the upload goes to another one."""
    target = quick.agents[2]
    peer = row(quick.any(), "node-3")["peer"]
    pinfold(quick, "node", "drain", "node-3", "--wait")
    for c in quick.coordinators:
        until(lambda c=c: row(c, "node-3")["state"] == "draining", 20,
              "shown")
    headers, body = multipart({"f": b"some bytes"})
    answer = request(quick.any().http, "POST",
                     f"/add?replication=1&user-allocations={peer}", body,
                     headers)
    assert answer.status == 200, answer
    cid = answer.lines()[-1]["cid"]
    (name,) = quick.wait_pinned(cid, 1)
    assert name != "node-3" and not target.daemon.has(cid)


def test_forced_removal(quick):
    """The node and its only copies are gone at once; what is left of a pin is
    made again; its agent is refused and unpins nothing."""
    single, double = make_cid("single"), make_cid("double")
    quick.any().post(f"/pins/{single}?replication=1")
    (name,) = quick.wait_pinned(single, 1)
    quick.any().post(f"/pins/{double}?replication=2")
    holders = quick.wait_pinned(double, 2)
    agent = quick.agent_of(name)
    held = 1 + (name in holders)
    until(lambda: row(quick.any(), name)["copies"] == held, 20,
          "its row counts them")
    refused = pinfold(quick, "node", "remove", name)
    assert refused.returncode == 9
    done = pinfold(quick, "node", "remove", name, "--force", "-o", "json")
    assert done.returncode == 0, done
    (answer,) = json.loads(done.stdout)
    assert (answer["name"], answer["admin"], answer["copies"]) == (
        name, "removed", held)
    for cid, copies in ((single, 1), (double, 2)):  # fakes find everything
        def elsewhere():
            states = quick.any().pin_states(cid)
            return name not in states and \
                list(states.values()).count("pinned") == copies

        until(elsewhere, 30, "its copies are made elsewhere")
    assert agent.daemon.has(single)
    assert agent.daemon.has(double) == (name in holders)
    until(lambda: "this node was removed" in agent.log_text(), 20,
          "it is told why")
    assert agent.alive()
    gone = pinfold(quick, "node", "remove", name)
    assert gone.returncode == 3 and "no node has this name" in gone.stderr
    quick.same_everywhere()


def test_upload_to_a_node_that_leaves(quick):
    """Drained while it comes: not acknowledged, since no copy of it would
    hold the drain up."""
    c = quick.any()
    peer = row(c, "node-3")["peer"]
    headers, body = multipart({"f": b"@"})
    before, _, after = body.rpartition(b"@")

    def parts():
        yield before + bytes(100_000)
        until(lambda: "add" in quick.daemons[2].calls(), 20, "it has begun")
        assert c.post("/api/v1/nodes/node-3/drain").status == 200
        until(lambda: row(c, "node-3")["state"] == "draining", 20, "shown")
        yield after

    answer = request(c.http, "POST", f"/add?user-allocations={peer}", parts(),
                     headers)
    assert answer.status == 503, answer
    assert "cordoned or drained meanwhile" in answer.message()
    assert not c.pins()


def test_maintenance(make_cluster):
    """A node that was announced to be away is not out, and what two others
    hold is not made again; when that is over, it is."""
    cluster = make_cluster(daemon="fake", nodes=4, options={
        "suspect-after": "2s", "down-after": "5s", "out-after": "1s"})
    c = cluster.any()
    cid = make_cid("away")
    assert c.post(f"/pins/{cid}?replication=3").status == 200
    name = cluster.wait_pinned(cid, 3)[0]
    done = pinfold(cluster, "node", "maintenance", name, "--for", "1h")
    assert (done.returncode, done.stdout) == (
        0, f"{name}: active, in maintenance for 60m\n"), done
    assert pinfold(cluster, "node", "maintenance", name).returncode == 2
    assert ", maintenance" in pinfold(cluster, "node", "ls").stdout
    cluster.agent_of(name).kill9()
    until(lambda: row(cluster.leader(), name)["state"] == "down", 30,
          "it is down")
    left = row(cluster.leader(), name)["maintenance_ms"]
    assert 3_500_000 < left <= 3_600_000
    series = f'pinfold_node_maintenance_end_timestamp_seconds{{node="{name}"}}'
    end = next(float(line.split()[-1]) for line in
               cluster.leader().get("/metrics").text().split("\n")
               if line.startswith(series))
    assert 3500 < end - time.time() <= 3601, end
    assert "in maintenance for" in pinfold(cluster, "status").stdout
    other = make_cid("meanwhile")  # placed, so the leader was at work
    assert c.post(f"/pins/{other}?replication=2").status == 200
    cluster.wait_pinned(other, 2)
    assert row(cluster.leader(), name)["state"] == "down"
    assert list(c.pin_states(cid).values()).count("pinned") == 2
    done = pinfold(cluster, "node", "maintenance", name, "--end")
    assert done.stdout == f"{name}: active, maintenance ended\n", done
    until(lambda: row(cluster.leader(), name)["state"] == "out", 30,
          "it is out")
    until(lambda: list(c.pin_states(cid).values()).count("pinned") == 3, 30,
          "the copy is made elsewhere")
    done = pinfold(cluster, "node", "maintenance", name, "--end")
    assert "not in maintenance" in done.stdout, done


@pytest.mark.parametrize("method,path,status,text", [
    ("POST", "/api/v1/nodes/node-1/maintenance", 400, "for: a number of"),
    ("POST", "/api/v1/nodes/node-1/maintenance?for=0", 400, "for: a number"),
    ("POST", "/api/v1/nodes/node-1/maintenance?for=2592000001", 400, "for:"),
    ("POST", "/api/v1/nodes/nobody/maintenance?for=1", 404, "no node has"),
    ("POST", "/api/v1/nodes/nobody/drain", 404, "no node has this name"),
    ("POST", "/api/v1/nodes/4711/cordon", 404, "no node has this name"),
    ("POST", "/api/v1/nodes/99999999999999999999/cordon", 404, "no node"),
    ("DELETE", "/api/v1/nodes/nobody", 404, "no node has this name"),
    ("DELETE", "/api/v1/nodes/node-1?force=maybe", 400,
     "force: 'maybe' is neither true nor false"),
    ("GET", "/api/v1/nodes/node-1/cordon", 405, "method"),
    ("POST", "/api/v1/nodes/node-1/frob", 404, "not found"),
    ("POST", "/api/v1/nodes/node-1/cordon/more", 404, "not found")])
def test_bad_requests(cluster, method, path, status, text):
    answer = cluster.any().call(method, path)
    assert answer.status == status and text in answer.message().lower(), \
        answer
    assert {n["admin"] for n in cluster.any().status()["nodes"]} == {"active"}


def test_names_of_others(make_cluster):
    """A node that lost its data comes back as another one; its name has no
    room for a number behind it, or with the number is somebody else's."""
    cluster = make_cluster(nodes=1, coordinators=1, daemon="fake",
                           agent_options={"name": "m" * 64})
    c = cluster.coordinators[0]
    for name in "m" * 64, "x-4", "x", "x":
        cluster.agent_options["name"] = name
        cluster.add_node()
        until(lambda: len(cluster.nodes_in("ready")) == len(cluster.agents),
              30, f"{name} is welcome")
    assert set(cluster.nodes_in("ready")) == {
        "m" * 64, "m" * 62 + "-2", "x-4", "x", "x-5"}
    cluster.agent_options["name"] = "x-7"
    cluster.add_node()
    cluster.agent_options["name"] = "x"
    cluster.add_node()
    until(lambda: "x-7-2" in cluster.nodes_in("ready"), 30, "its name is")
    before = c.status()["applied"]
    time.sleep(3)
    assert c.status()["applied"] <= before + 1  # nobody puts a row right


def test_two_agents_at_one_daemon(make_cluster):
    """The second would take the first one's copies for its own, and they
    would be lost when the first is drained: each coordinator refuses it."""
    cluster = make_cluster(nodes=2, daemon="fake", options={
        "replication-min": 1, "replication-max": 1})
    one, two = cluster.daemons
    assert pinfold(cluster, "node", "cordon", "node-2").returncode == 0
    until(lambda: row(cluster.leader(), "node-2")["state"] == "cordoned", 20,
          "node-2 takes nothing")
    cids = {make_cid() for _ in range(20)}
    for cid in cids:
        assert cluster.any().post(f"/pins/{cid}").status == 200
    for cid in cids:
        cluster.wait_pinned(cid, 1)
    assert cids <= one.pins()
    second = Agent(cluster, 3, one, cluster.agent_options)
    cluster.agents.append(second)
    second.start()
    said = "another node has the same IPFS daemon"
    until(lambda: said in second.log_text(), 20, "it is told")
    for c in cluster.coordinators:
        until(lambda c=c: "event=same_daemon " in c.log_text(), 20,
              f"{c.name} refuses it")
    assert pinfold(cluster, "node", "drain", "node-1").returncode == 0
    end = time.monotonic() + 8  # it falls, and would be planned with
    while time.monotonic() < end:
        assert cids <= one.pins(), "the copies that are left were let go"
        time.sleep(0.2)
    assert pinfold(cluster, "node", "uncordon", "node-2").returncode == 0
    until(lambda: cids <= two.pins() and not cids & one.pins(), 30,
          "node-1 is drained to node-2")
    for c in cluster.coordinators:
        assert not any(c.pin_states(cid).get("node-3") == "pinned"
                       for cid in cids)
        assert c.log_text().count("event=same_daemon ") == 1, c.name
    # The first one's key makes room for the second.
    assert pinfold(cluster, "node", "remove", "node-1").returncode == 0
    cluster.agents[0].terminate()
    cluster.agents.pop(0)
    for c in cluster.coordinators:
        until(lambda c=c: "node-3" in cluster.nodes_in("ready", c), 30,
              f"{c.name} takes it in")
    cid = make_cid()
    assert cluster.any().post(f"/pins/{cid}?replication=2").status == 200
    until(lambda: cluster.any().pin_states(cid) == {
        "node-2": "pinned", "node-3": "pinned"}, 30, "it takes copies")
    assert cid in one.pins()
