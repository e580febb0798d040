"""What the cluster is about to do, and what waits for what: by the API of
each coordinator and by pinfold plan, on real processes."""

import json

import pytest
from cluster import make_cid, pinfold
from load import pin_many
from process import until
from test_nodes import row


@pytest.fixture(name="quick")
def fixture_quick(make_cluster):
    """One coordinator leads all the time: it is asked again and again."""
    return make_cluster(nodes=3, daemon="fake",
                        options={"election-timeout": "4s"})


def plan(c, query=""):
    answer = c.get(f"/api/v1/plan{query}")
    assert answer.status == 200, answer
    told = answer.json()
    assert int(answer.headers["x-pinfold-index"]) == \
        told["coordinator"]["applied"]
    return told


def groups(told):
    return {(g["action"], g["reason"]): g for g in told["groups"]}


def pins_of(told, *group):
    return groups(told).get(group, {"pins": 0})["pins"]


def until_plan(c, check, what):
    told = {}

    def look():
        told["last"] = plan(c)
        return check(told["last"])

    try:
        until(look, 40, what)
    except AssertionError as e:
        raise AssertionError(f"{e}: {json.dumps(told['last'])}") from None
    return told["last"]


def pin(cluster, seeds, query):
    cids = [make_cid(f"plan {s}") for s in seeds]
    for cid in cids:
        answer = cluster.any().post(f"/pins/{cid}?{query}")
        assert answer.status == 200, answer
    return cids


def test_what_is_wanted_and_cannot_be(quick):
    """Nothing; then a node falls, and no other one is left."""
    cids = pin(quick, range(5),
               "replication-min=1&replication-max=3")
    for cid in cids:
        quick.wait_pinned(cid, 3)
    leader = quick.leader()
    told = until_plan(leader, lambda t: not t["groups"], "nothing is left")
    assert (told["pins"], told["next"], told["complete"]) == ([], None, True)
    assert told["repair_paused"] is False
    out = pinfold(quick, "plan", host=f"127.0.0.1:{leader.http}")
    assert out.returncode == 0 and "nothing is to be done" in out.stdout, out
    assert f"{leader.name}, the leader" in out.stdout
    quick.agents[0].kill9()
    until(lambda: row(leader, "node-1")["state"] in ("down", "out"), 30,
          "it is down")
    told = until_plan(leader, lambda t: pins_of(t, "wait_node", "repair") ==
                      5, "it is out")
    group = groups(told)["wait_node", "repair"]
    assert (group["pins"], group["copies"]) == (5, 5)
    assert group["bytes"] == sum(p["size"] for p in told["pins"]) > 0
    assert {p["cid"] for p in told["pins"]} == set(cids)
    for c in quick.coordinators:
        told = until_plan(c, lambda t: pins_of(t, "wait_node", "repair") ==
                          5, f"{c.name} sees it")
        assert told["coordinator"]["name"] == c.name
        assert told["coordinator"]["leader"] == (c is leader)
    # What was decided before, by each: what it applied itself.
    orders = [d for d in told["decisions"] if d["action"] == "order"]
    assert {d["cid"] for d in orders} == set(cids)
    assert all(d["reason"] == "placed" and len(d["nodes"]) == 3
               for d in orders), orders
    out = pinfold(quick, "plan", "--decided", "3")
    assert out.returncode == 0 and "best of the candidates" in out.stdout, out
    assert len([x for x in out.stdout.splitlines() if "ago  order" in x]) == 1
    out = pinfold(quick, "explain", cids[0])
    assert "DECIDED" in out.stdout and "node-1" in out.stdout, out
    follower = quick.followers()[0]
    out = pinfold(quick, "plan", "--limit", "2",
                  host=f"127.0.0.1:{follower.http}").stdout
    assert f"{follower.name}; the leader acts" in out
    assert "no node can take one" in out and "more: pinfold plan" in out
    quick.agents[0].start()
    until_plan(leader, lambda t: not t["groups"], "all is well again")


def test_a_drain(quick):
    """What cannot leave, and what leaves once it can."""
    cids = pin(quick, range(5), "replication=3")
    for cid in cids:
        quick.wait_pinned(cid, 3)
    leader = quick.leader()
    agent = quick.add_node()
    quick.wait_sessions(agent)
    agent.daemon.fault("pin/add", "stall")
    assert leader.post("/api/v1/nodes/node-4/cordon").status == 200
    assert leader.post("/api/v1/nodes/node-2/drain").status == 200
    until_plan(leader, lambda t: pins_of(t, "wait_copies", "drained") == 5,
               "they cannot leave")
    assert leader.post("/api/v1/nodes/node-4/uncordon").status == 200
    until_plan(leader, lambda t: pins_of(t, "wait_pinned", "drained") == 5,
               "they are ordered elsewhere")
    agent.daemon.heal()
    until_plan(leader, lambda t: not t["groups"], "all have left")
    until(lambda: row(leader, "node-2")["copies"] == 0, 20, "it is empty")


def test_pages(quick):
    """A list of many pins, page by page; each page counts what is behind."""
    cids = list(pin_many(quick, 150, query="replication-min=1&"
                         "replication-max=4"))
    leader = quick.leader()
    for cid in cids:
        quick.wait_pinned(cid, 3, where=leader)
    told = plan(leader)
    assert set(groups(told)) == {("wait_node", "top_up")}
    seen, cursor, left = [], "", len(cids)
    while cursor is not None:
        told = plan(leader, "?limit=40" + (f"&cursor={cursor}" if cursor
                                            else ""))
        assert len(told["pins"]) == min(40, left) and told["complete"]
        assert sum(g["pins"] for g in told["groups"]) == left
        seen += [p["cid"] for p in told["pins"]]
        left -= len(told["pins"])
        cursor = told["next"]
    assert sorted(seen) == sorted(cids)
    told = plan(leader, "?limit=0")
    assert (told["pins"], told["next"]) == ([], None)
    assert told["groups"][0]["pins"] == len(cids)
    until(lambda: leader.metric('pinfold_work_pins{state="stuck"}') ==
          len(cids), 40, "the leader's walk says so, too")
    assert quick.followers()[0].metric("pinfold_work_pins") == 0
    done = pinfold(quick, "plan", "--limit", "1000", "-o", "json",
                   host=f"127.0.0.1:{leader.http}")
    assert done.returncode == 0, done
    assert len(json.loads(done.stdout)["pins"]) == len(cids)


def test_bad_requests(quick):
    for query, text in (
            ("limit=x", "limit: 'x'"), ("limit=1001", "limit:"),
            ("limit=-1", "limit:"), ("cursor=1", "cursor: '1'"),
            ("cursor=4.0.0.0", "cursor:"), ("cursor=0.0.0.0x", "cursor:"),
            ("cursor=0.0.0.9223372036854775808", "cursor:"),
            ("cursor=0.0.0.99999999999999999999999", "cursor:"),
            ("cursor=-1.0.0.0", "cursor:"), ("cursor=00.0.0.0", "cursor:")):
        answer = quick.any().get(f"/api/v1/plan?{query}")
        assert answer.status == 400, (query, answer)
        assert text in answer.message().lower(), (query, answer)
    assert quick.any().post("/api/v1/plan").status == 405
    assert quick.any().get("/api/v1/plan?cursor=2.0.0.99").status == 200
    done = pinfold(quick, "plan", "--limit", "1001")
    assert done.returncode == 2, done
