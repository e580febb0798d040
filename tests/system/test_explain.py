"""Why a pin's copies are where they are: by the API of each coordinator and
by pinfold explain, on real processes in each state that a node can have."""

import json
import os

import pytest
from cluster import make_cid, pinfold
from process import until

ZONES = ["a", "a", "b", "b", None, None]


def explain(c, cid):
    """None: it has not applied the pin yet, or is not ready."""
    answer = c.get(f"/api/v1/pins/{cid}/explain")
    if answer.status in (404, 503):
        return None
    assert answer.status == 200, answer
    told = answer.json()
    assert int(answer.headers["x-pinfold-index"]) == \
        told["coordinator"]["applied"]
    nodes = told["nodes"]
    ranked = [n["rank"] for n in nodes if "rank" in n]
    assert ranked == list(range(1, len(ranked) + 1))
    rest = [n["id"] for n in nodes[len(ranked):]]
    assert rest == sorted(rest)
    assert len({n["id"] for n in nodes}) == len(nodes)
    return told


def verdicts(told):
    return {n["name"]: n["verdict"] for n in told["nodes"]}


def everywhere(cluster, cid, check, what):
    """Until each coordinator that runs says so, and one that it leads; their
    answers."""
    told = {}

    def look():
        told.update({c.name: explain(c, cid) for c in cluster.coordinators
                     if c.alive()})
        return all(t and check(t) for t in told.values()) and \
            sum(t["coordinator"]["leader"] for t in told.values()) == 1

    try:
        until(look, 40, what)
    except AssertionError as e:
        raise AssertionError(f"{e}: {json.dumps(told, indent=1)}") from None
    return list(told.values())


@pytest.fixture(name="zoned")
def fixture_zoned(make_cluster):
    """Six nodes; node-6 may fill one MiB, of which a pin takes most."""
    cluster = make_cluster(start=False, nodes=6)
    for agent, zone in zip(cluster.agents, ZONES):
        if zone:
            agent.argv += ["--zone", zone]
    cluster.agents[5].argv += ["--max-bytes", str(1 << 20)]
    cluster.start()
    filler = cluster.daemons[5].add(os.urandom(700_000))
    answer = cluster.any().post(f"/pins/{filler}?replication=-1")
    assert answer.status == 200, answer
    cluster.wait_pinned(filler, 6)
    return cluster


def test_every_node_has_its_reason(zoned):
    cid = zoned.daemons[0].add(os.urandom(500_000))
    answer = zoned.any().post(f"/pins/{cid}?replication=2&name=why")
    assert answer.status == 200, answer
    holders = zoned.wait_pinned(cid, 2)
    assert "node-6" not in holders
    others = [f"node-{i}" for i in range(1, 6) if f"node-{i}" not in holders]
    cordoned, down, left = others
    assert zoned.any().post(f"/api/v1/nodes/{cordoned}/cordon").status == 200
    zoned.agent_of(down).kill9()
    wanted = {**dict.fromkeys(holders, "holds"), cordoned: "cordoned",
              down: "down", left: "candidate", "node-6": "no_room"}

    def settled(told):
        seen = verdicts(told)
        if seen[down] == "out":
            seen[down] = "down"
        return seen == wanted and told["next"]["action"] == "nothing"

    answers = everywhere(zoned, cid, settled, "each node is judged")
    assert sorted(t["coordinator"]["leader"] for t in answers) == [
        False, False, True]
    told = answers[0]
    assert told["pin"]["name"] == "why" and told["pin"]["size_known"]
    assert told["pin"]["state"] == "pinned"
    assert told["pin"]["todo"] == "settled"
    assert told["pin"]["replication"] == {
        "min": 2, "max": 2, "binding_min": 2, "joined_nodes": 6, "text": ""}
    assert sorted(c["node"] for c in told["copies"]) == holders
    assert all((c["want"], c["state"], c["reason"], c["node_state"]) == (
        "recursive", "pinned", "placed", "ready") for c in told["copies"])
    assert told["nodes"][0]["name"] == left and told["nodes"][0]["rank"] == 1
    zones = {n["name"]: n["domain"] and n["domain"]["name"]
             for n in told["nodes"]}
    assert zones == {f"node-{i + 1}": z for i, z in enumerate(ZONES)}
    by_cli(zoned, cid, holders, cordoned, down, left)


def by_cli(cluster, cid, holders, cordoned, down, left):
    done = pinfold(cluster, "explain", cid)
    assert (done.returncode, done.stderr) == (0, ""), done
    lines = done.stdout.splitlines()

    def line(name):
        return next(x for x in lines if x.split()[:1] == [name])

    assert line("NAME").split() == ["NAME", "why"]
    assert "pinned, 2 of 2 wanted copies pinned" in line("PIN")
    assert "nothing: it is as it should be" in line("NEXT")
    for name in holders:
        assert "best of the candidates" in line(name)
    assert line(left).split()[1] == "1"
    assert "cordoned" in line(cordoned) and "down" in line(down)
    assert "too little of its capacity" in line("node-6")
    assert lines.index(line(left)) < lines.index(line(cordoned))
    print(done.stdout)
    done = pinfold(cluster, "-o", "json", "explain", cid)
    assert verdicts(json.loads(done.stdout))[left] == "candidate"
    done = pinfold(cluster, "explain", make_cid("nobody"))
    assert done.returncode == 3 and "not part of the pinset" in done.stderr
    assert pinfold(cluster, "explain", "nonsense").returncode == 2
    assert pinfold(cluster, "explain").returncode == 2


def test_repair_and_wait(make_cluster):
    """A pin that cannot be repaired says why; it is when a node is there."""
    cluster = make_cluster(nodes=3, daemon="fake")
    cid = make_cid("repaired")
    answer = cluster.any().post(f"/pins/{cid}?replication=2")
    assert answer.status == 200, answer
    holders = cluster.wait_pinned(cid, 2)
    (spare,) = {"node-1", "node-2", "node-3"} - set(holders)
    assert cluster.any().post(f"/api/v1/nodes/{spare}/cordon").status == 200
    cluster.agent_of(holders[0]).kill9()
    answers = everywhere(
        cluster, cid, lambda t: t["next"]["action"] == "wait_node" and
        verdicts(t)[spare] == "cordoned", "it waits for a node")
    for told in answers:
        assert told["next"]["text"] == \
            "wait: 1 more copy is wanted, and no node can take one"
        assert told["pin"]["count"]["healthy"] == 1
        assert not any("rank" in n for n in told["nodes"])
    assert "no node can take one" in pinfold(cluster, "explain", cid).stdout
    assert cluster.any().post(
        f"/api/v1/nodes/{spare}/uncordon").status == 200
    answers = everywhere(
        cluster, cid, lambda t: any(
            (c["node"], c["state"]) == (spare, "pinned")
            for c in t["copies"]), "it is repaired")
    for told in answers:
        assert {c["node"]: c["reason"] for c in told["copies"]}[spare] == \
            "repair"
        assert {c["node"]: c["node_state"] for c in told["copies"]}[
            holders[0]] in ("down", "out")
    cluster.agent_of(holders[0]).start()
    everywhere(cluster, cid, lambda t: len(t["copies"]) == 2 and
               t["next"]["action"] == "nothing", "the surplus is let go")


def test_failing_copy(make_cluster):
    """The daemon's own words, also after a restart of the coordinator."""
    cluster = make_cluster(nodes=2, daemon="fake")
    cid = make_cid("failing")
    cluster.daemons[1].fault(
        "pin/add", "answer", {"Message": "no such block anywhere",
                              "Code": 0, "Type": "error"}, status=500)
    answer = cluster.any().post(f"/pins/{cid}?replication=2")
    assert answer.status == 200, answer

    def failed(told):
        return any(c["failures"] > 0 and
                   "no such block" in c.get("last_error", "")
                   for c in told["copies"])

    everywhere(cluster, cid, failed, "the failure is shown")
    assert "no such block" in pinfold(cluster, "explain", cid).stdout
    cluster.coordinators[0].kill9()
    cluster.coordinators[0].start()
    cluster.wait_ready()
    everywhere(cluster, cid, failed, "it is shown again")
    cluster.daemons[1].heal()
    cluster.wait_pinned(cid, 2)
    everywhere(cluster, cid, lambda t: not any(
        "last_error" in c for c in t["copies"]), "it is forgotten")


def test_no_leader(make_cluster):
    """Without a majority the last coordinator says that it is not ready, or
    explains by what it knows; it never hangs or says not found."""
    cluster = make_cluster(nodes=2, daemon="fake")
    cid = make_cid("alone")
    cluster.any().post(f"/pins/{cid}?replication=2")
    cluster.wait_pinned(cid, 2)
    last, other = cluster.followers()
    other.kill9()  # the leader behind it: else the last one might lead first
    next(c for c in cluster.coordinators if c not in (last, other)).kill9()

    def refuses():
        answer = last.get(f"/api/v1/pins/{cid}/explain")
        assert answer.status in (200, 503), answer
        if answer.status == 200:
            assert not answer.json()["coordinator"]["leader"]
            return False
        return "not ready" in answer.message()

    until(refuses, 40, "it says that it is not ready")


def test_what_budgets_leave(make_cluster):
    """Each scope that pays for a pin, and which of them binds; an
    organisation of its own does not hear of others'."""
    cluster = make_cluster(daemon="fake")
    c = cluster.any()
    cid, other = make_cid(), make_cid()
    assert c.post("/api/v1/orgs?name=lab").status == 200
    for path in ("orgs/default/quota?physical=9000000",
                 "orgs/default/tags?tag=web&physical=4000000",
                 "quota?physical=6000000"):
        assert c.post(f"/api/v1/{path}").status == 200, path
    assert c.post(f"/pins/{cid}?replication=2&meta-tag=web").status == 200
    assert c.post(f"/pins/{other}?replication=1",
                  headers={"X-Pinfold-Org": "lab"}).status == 200
    cluster.wait_pinned(cid, 2)
    told = explain(c, cid)
    [demand] = told["quotas"]
    size = told["pin"]["size"]
    assert demand["charged"] == {"logical": size, "physical": 2 * size,
                                 "pins": 1}
    scopes = {(s["scope"], s["kind"]): s for s in demand["scopes"]}
    assert scopes["tag", "physical"]["free"] == 4000000 - 2 * size
    assert scopes["tag", "physical"]["binds"]
    assert scopes["cluster", "physical"]["limit"] == 6000000
    assert not scopes["cluster", "physical"]["binds"]
    assert scopes["organisation", "logical"]["limit"] is None
    for node in told["nodes"]:
        assert node["free_bytes"] + node["used_bytes"] + \
            node["planned_bytes"] == node["capacity"]
        assert node["disk_free_bytes"] > 0
    done = pinfold(cluster, "explain", cid)
    line = next(x for x in done.stdout.splitlines() if "tag:web" in x)
    assert line.split()[0] == "default" and "binds first" in line, done
    assert "DISK FREE" in done.stdout, done
    # Who may not see the cluster's figures sees no explanation.
    answer = c.get(f"/api/v1/pins/{other}/explain",
                   headers={"X-Pinfold-Org": "lab"})
    assert answer.status == 403, answer
    assert c.get("/api/v1/quota",
                 headers={"X-Pinfold-Org": "lab"}).status == 403
