"""Nodes of organisations: what is kept for one takes nobody else's content, by
no way in, and what others had there moves off before it goes."""

import json

from cluster import make_cid, pinfold
from process import until
from psa import STATUSES, Client, make_token
from wire import multipart

NODES = 5
LAB = {"X-Pinfold-Org": "lab"}


def start(make_cluster, **more):
    cluster = make_cluster(daemon="fake", nodes=NODES, **more)
    done = pinfold(cluster, "org", "create", "lab")
    assert done.returncode == 0, done
    for c in cluster.coordinators:
        until(lambda c=c: c.get("/pins", headers=LAB).status == 200, 20,
              "it knows the organisation")
    return cluster


def give(cluster, *words):
    """Until every coordinator's picture has it."""
    done = pinfold(cluster, "node", "owner", *words)
    assert done.returncode == 0, done
    until(lambda: len({json.dumps([(n["id"], n["org"], n["shared"])
                                   for n in c.status()["nodes"]])
                       for c in cluster.coordinators}) == 1, 20,
          "all know the owners")
    return done.stdout


def held(cluster, cid):
    return {f"node-{d.number}" for d in cluster.daemons
            if d.alive() and cid in d.pins()}


def pin(cluster, query, headers=None, cid=None):
    cid = cid or make_cid()
    answer = cluster.any().post(f"/pins/{cid}?{query}", headers=headers)
    assert answer.status == 200, (query, answer)
    return cid


def rests(cluster, cid, nodes, text):
    until(lambda: held(cluster, cid) == nodes, 60, text)


def test_kept_for_its_owner(make_cluster):
    cluster = start(make_cluster)
    assert give(cluster, "node-4", "node-5", "--to", "lab", "--share",
                "no") == ("node-4: of lab, for nobody else\n"
                          "node-5: of lab, for nobody else\n")
    theirs = {"node-4", "node-5"}
    for _ in range(4):
        cid = pin(cluster, "replication=3")
        cluster.wait_pinned(cid, 3)
        assert not held(cluster, cid) & theirs
        own = pin(cluster, "replication=2&pinfold-place-on=own", LAB)
        rests(cluster, own, theirs, "it is on the own nodes")
    every = pin(cluster, "replication=-1")
    shared = pin(cluster, "replication=-1&pinfold-place-on=shared", LAB)
    rests(cluster, every, {"node-1", "node-2", "node-3"}, "it is everywhere")
    rests(cluster, shared, {f"node-{n + 1}" for n in range(NODES)},
          "it is on all")
    # Both have it, each where it may be, and neither sees the other's copies.
    both = pin(cluster, "replication=2")
    cluster.wait_pinned(both, 2)
    pin(cluster, "replication=2&pinfold-place-on=own", LAB, both)
    until(lambda: theirs < held(cluster, both), 30, "both have it")
    for headers, nodes in ((None, held(cluster, both) - theirs),
                           (LAB, theirs)):
        answer = cluster.any().get(f"/allocations/{both}", headers=headers)
        peers = {n["peer"]: n["name"] for n in cluster.any().status()["nodes"]}
        assert {peers[p] for p in answer.json()["allocations"]} == nodes
    cluster.same_everywhere()


def test_impossible_is_refused(make_cluster):
    cluster = start(make_cluster, coordinators=1)
    c = cluster.any()

    def refused(query, status, text, headers=LAB):
        answer = c.post(f"/pins/{make_cid()}?{query}", headers=headers)
        assert answer.status == status, (query, answer)
        assert text in answer.json()["message"], (query, answer)

    refused("pinfold-place-on=own", 500, "organisation lab owns no node")
    refused("pinfold-place-on=mine", 400, "none of own, shared, any")
    done = pinfold(cluster, "--org", "lab", "pin", "add", "--place-on", "own",
                   make_cid())
    assert done.returncode == 9 and "lab owns no node" in done.stderr, done
    give(cluster, "node-5", "--to", "lab")
    refused("replication=2&pinfold-place-on=own", 500, "not enough nodes of "
            "organisation lab take copies: needed 2, available 1")
    give(cluster, *[f"node-{n + 1}" for n in range(4)], "--share", "no")
    refused("replication=2", 500, "not enough peers to allocate CID. Needed "
            "at least: 2. Wanted at most: 2. Available candidates: 1.")
    answer = c.post(f"/pins/{make_cid()}", headers=LAB)  # the default
    assert answer.status == 200, answer
    done = pinfold(cluster, "org", "rm", "lab")
    assert done.returncode == 9, done


def test_moves_off(make_cluster):
    cluster = start(make_cluster)
    cids = [pin(cluster, "replication=2") for _ in range(20)]
    for cid in cids:
        cluster.wait_pinned(cid, 2)
    assert any("node-1" in held(cluster, cid) for cid in cids)
    give(cluster, "node-1", "--to", "lab", "--share", "no")
    fewest = dict.fromkeys(cids, NODES)

    def moved():
        done = True
        for cid in cids:
            where = held(cluster, cid)
            fewest[cid] = min(fewest[cid], len(where))
            done = done and len(where) == 2 and "node-1" not in where
        return done

    until(moved, 60, "they moved off it")
    assert min(fewest.values()) >= 2, fewest

    def shown():
        node = next(n for n in cluster.leader().status()["nodes"]
                    if n["name"] == "node-1")
        assert node["owner"] == "lab" and not node["shared"], node
        return (node["moving"], node["stuck"]) == (0, 0)

    until(shown, 20, "nothing is left to hand over")
    cluster.same_everywhere()


def test_what_cannot_move_is_shown(make_cluster):
    """It stays where it is, and the leader says how much it is."""
    cluster = start(make_cluster)
    cid = pin(cluster, f"replication={NODES}")
    cluster.wait_pinned(cid, NODES)

    def left():
        node = next(n for n in cluster.leader().status()["nodes"]
                    if n["name"] == "node-1")
        return node.get("moving", 0), node.get("stuck", 0)

    give(cluster, "node-1", "--to", "lab", "--share", "no")
    until(lambda: left() == (0, 1), 60, "there is no other place for it")
    done = pinfold(cluster, "status",
                   host=f"127.0.0.1:{cluster.leader().http}")
    assert "only for lab, 1 copy to move off" in done.stdout, done
    assert len(held(cluster, cid)) == NODES
    give(cluster, "node-1", "--share", "yes")
    until(lambda: left() == (0, 0), 60, "it need not move")
    assert len(held(cluster, cid)) == NODES


def test_pin_requests(make_cluster):
    """What another organisation holds on its own node is not told by a pin
    request, before its own copies are there and after."""
    cluster = start(make_cluster, coordinators=1)
    c = cluster.any()
    theirs = next(n["peer"] for n in c.status()["nodes"]
                  if n["name"] == "node-5")
    give(cluster, "node-5", "--to", "lab", "--share", "no")
    cid = pin(cluster, "replication=1&pinfold-place-on=own", LAB)
    rests(cluster, cid, {"node-5"}, "they have it")
    for d in cluster.daemons[:4]:
        d.fault("pin/add", "stall")
    api = Client(c, make_token(c, "ann"))
    made = api.add(cid)

    def look(details, *more):
        shown = [*more, api.get(made["requestid"]),
                 *api.list(status=STATUSES)["results"],
                 *api.list(status=STATUSES, cid=cid)["results"]]
        assert len(shown) == 3 + len(more)
        for s in shown:
            assert s["info"]["status_details"] == details, s
            assert not any(theirs in d for d in s["delegates"]), s

    look("pinned by 0 of 3 nodes", made)
    for d in cluster.daemons[:4]:
        d.heal()
    until(lambda: len(held(cluster, cid)) == 4, 60, "both have it")
    api.pinned(made["requestid"])
    until(lambda: "by 3 of" in
          api.get(made["requestid"])["info"]["status_details"], 20, "shown")
    look("pinned by 3 of 3 nodes")


def test_uploads(make_cluster):
    """They land where the content may stay, whoever is named or at home."""
    cluster = start(make_cluster, coordinators=1)
    c = cluster.any()
    rows = sorted(c.status()["nodes"], key=lambda n: n["id"])
    peer = {n["name"]: n["peer"] for n in rows}
    names = list(peer)  # of equals the first one is chosen
    closed, cordoned, last = set(names[:3]), *names[3:]

    def upload(text, query):
        headers, body = multipart({"a": text.encode()})
        answer = c.post(f"/add?{query}", body=body,
                        headers={**headers, **LAB})
        assert answer.status == 200, answer
        cid = answer.lines()[-1]["cid"]
        assert not held(cluster, cid) & closed
        return cid

    give(cluster, *closed, "--share", "no")
    for query in ("", "local=true", f"user-allocations={peer[names[0]]}"):
        for n in range(3):
            cid = upload(f"{query} {n}", f"replication=2&{query}")
            rests(cluster, cid, {cordoned, last}, "it is on the others")
    # Nor does another one's take the place of one that takes nothing.
    pinfold(cluster, "node", "cordon", cordoned)
    until(lambda: {n["name"]: n["admin"] for n in c.status()["nodes"]}
          [cordoned] == "cordoned", 20, "it is shown")
    for n in range(3):
        cid = upload(f"cordoned {n}", "replication=1&user-allocations="
                     f"{peer[cordoned]}")
        rests(cluster, cid, {last}, "it is on the one that takes it")
    for name in closed:
        assert "upload_ended" not in cluster.agent_of(name).log_text()
    give(cluster, last, "--share", "no")
    headers, body = multipart({"a": b"nowhere"})
    answer = c.post("/add", body=body, headers={**headers, **LAB})
    assert answer.status == 500, answer
    assert "that the organisation may use" in answer.json()["message"]


def test_shown(make_cluster):
    cluster = start(make_cluster, coordinators=1)
    c = cluster.any()
    give(cluster, "node-2", "--to", "lab")
    give(cluster, "node-3", "--to", "lab", "--share", "no")
    nodes = {n["name"]: n for n in c.status()["nodes"]}
    assert (nodes["node-1"]["owner"], nodes["node-1"]["shared"]) == (
        "default", True)
    assert nodes["node-2"]["owner"] == nodes["node-3"]["owner"] == "lab"
    seen = {n["name"]: n.get("owner") for n in
            c.get("/api/v1/status", headers=LAB).json()["nodes"]}
    assert seen["node-1"] is None and seen["node-2"] == "lab", seen
    table = pinfold(cluster, "node", "ls").stdout
    table += pinfold(cluster, "status").stdout
    assert "of lab, shared" in table and "only for lab" in table, table
    metrics = c.get("/metrics").text()
    assert 'pinfold_node_shared{node="node-2",org="lab"} 1' in metrics
    assert 'pinfold_node_shared{node="node-3",org="lab"} 0' in metrics
    cid = make_cid()
    done = pinfold(cluster, "--org", "lab", "pin", "add", "--place-on", "own",
                   "--replication", "1", cid)
    assert done.returncode == 0 and "only own nodes" in done.stdout, done
    answer = c.get(f"/pins/{cid}", headers=LAB).json()
    assert answer["pinfold_policy"]["place_on"] == "own", answer
    why = c.get(f"/api/v1/pins/{cid}/explain").json()
    verdicts = {n["name"]: n["verdict"] for n in why["nodes"]}
    assert verdicts["node-1"] == "not_own", verdicts
    assert {verdicts["node-2"], verdicts["node-3"]} <= {"holds", "candidate"}
    assert c.get(f"/api/v1/pins/{cid}/explain", headers=LAB).status == 403
    plain = pin(cluster, "replication=1")
    done = pinfold(cluster, "explain", plain)
    assert ("takes only what the organisation that owns it claims"
            in done.stdout), done
    answer = c.post("/api/v1/nodes/node-1/owner?org=nobody")
    assert answer.status == 404, answer
    assert c.post("/api/v1/nodes/node-1/owner").status == 400
    answer = c.post("/api/v1/nodes/node-1/owner?shared=no")
    assert answer.status == 400, answer
    answer = c.post("/api/v1/nodes/node-1/owner?shared=false", headers=LAB)
    assert answer.status == 403, answer
    answer = c.post("/api/v1/nodes/node-2/owner?org=lab").json()
    assert answer["changed"] is False and answer["shared"] is True, answer
