"""Placement policies: five nodes in three regions. What a policy denies never
gets a copy, what it asks for is kept while a node is there, and what cannot be
is refused by name."""

import json

from cluster import make_cid, pinfold
from process import until
from wire import multipart

LABELS = [("eu", "eu1", "ssd"), ("eu", "eu2", "hdd"), ("us", "us1", "ssd"),
          ("us", "us2", "hdd"), ("ap", "ap1", "ssd")]
NAMES = [f"node-{n + 1}" for n in range(len(LABELS))]


def relabel(agent, region, zone, disk):
    for option in ("--region", "--zone", "--labels"):
        if option in agent.argv:
            at = agent.argv.index(option)
            del agent.argv[at:at + 2]
    agent.argv += ["--region", region, "--zone", zone, "--labels",
                   f"disk={disk}"]


def start(make_cluster, **more):
    cluster = make_cluster(start=False, daemon="fake", nodes=len(LABELS),
                           **more)
    for agent, labels in zip(cluster.agents, LABELS):
        relabel(agent, *labels)
    return cluster.start()


def names_of(cluster, cid):
    """Nodes whose copy is wanted, as the API says."""
    answer = cluster.any().get(f"/pins/{cid}").json()
    return {v["peername"] for v in answer["peer_map"].values()
            if v["status"] not in ("remote", "unpinned", "unpinning",
                                   "unpin_queued")}


def held(cluster, cid):
    return {f"node-{d.number}" for d in cluster.daemons
            if d.alive() and cid in d.pins()}


def regions(names):
    return [LABELS[NAMES.index(n)][0] for n in sorted(names)]


def pin(cluster, query, cid=None):
    cid = cid or make_cid()
    answer = cluster.any().post(f"/pins/{cid}?{query}")
    assert answer.status == 200, (query, answer)
    return cid


def refused(cluster, query, status, text):
    cid = make_cid()
    answer = cluster.any().post(f"/pins/{cid}?{query}")
    assert answer.status == status, (query, answer)
    assert text in answer.json()["message"], (query, answer)
    assert cluster.any().get(f"/allocations/{cid}").status == 404


def test_placed(make_cluster, tmp_path):
    cluster = start(make_cluster)
    for _ in range(5):
        cid = pin(cluster, "replication=2&pinfold-region=ap&"
                           "pinfold-region-denied=us")
        cluster.wait_pinned(cid, 2)
        where = regions(held(cluster, cid))
        assert "ap" in where and "us" not in where, where
        cid = pin(cluster, "replication=3&pinfold-spread=region")
        cluster.wait_pinned(cid, 3)
        assert len(set(regions(held(cluster, cid)))) == 3
        cid = pin(cluster, "replication=2&pinfold-tag=disk%3Dssd&"
                           "pinfold-region-denied=ap")
        cluster.wait_pinned(cid, 2)
        assert held(cluster, cid) == {"node-1", "node-3"}
        cid = pin(cluster, "replication-min=1&replication-max=3&"
                           "pinfold-tag-denied=disk%3Dssd")
        cluster.wait_pinned(cid, 2)
        assert held(cluster, cid) == {"node-2", "node-4"}
    cid = pin(cluster, "replication=-1&pinfold-region-denied=us,ap")
    cluster.wait_pinned(cid, 2)
    assert held(cluster, cid) == {"node-1", "node-2"}
    # An upload goes where the policy allows it at once.
    for n in range(4):
        headers, body = multipart({"a": b"content %d" % n})
        answer = cluster.any().post(
            "/add?replication=1&pinfold-region=ap&pinfold-region-denied=us,eu",
            body=body, headers=headers)
        assert answer.status == 200, answer
        cid = answer.lines()[-1]["cid"]
        cluster.wait_pinned(cid, 1)
        assert held(cluster, cid) == {"node-5"}
    cluster.same_everywhere()


def test_refused(make_cluster):
    cluster = start(make_cluster, coordinators=1)
    # Contradictory: whatever the nodes are.
    refused(cluster, "pinfold-region=eu&pinfold-region-denied=us,eu", 400,
            "region eu is required, and denied")
    refused(cluster, "pinfold-tag=a%3Db&pinfold-tag-denied=a%3Db", 400,
            "tag a=b is required, and denied")
    refused(cluster, "replication=1&pinfold-region=eu,us", 400,
            "2 regions are required, with 1 copies at most")
    refused(cluster, "replication=2&pinfold-spread=zone&"
                     "pinfold-min-domains=3", 400,
            "at least 3 zones, with 2 copies at most")
    for query, text in (
            ("pinfold-spread=planet", "none of node, rack, zone, region"),
            ("pinfold-spread=zone&pinfold-min-domains=0", "1 to 16"),
            ("pinfold-spread=zone&pinfold-min-domains=x", "1 to 16"),
            ("pinfold-min-domains=2", "go with pinfold-spread"),
            ("pinfold-soft-spread=maybe", "pinfold-soft-spread"),
            ("pinfold-tag=disk", "key=value"),
            ("pinfold-region=eu,,us", "empty"),
            ("pinfold-region=" + ",".join("abcdefghi"), "more than 8"),
            ("pinfold-region=" + "r" * 65, "65 bytes, at most 64")):
        refused(cluster, query, 400, text)
    # Impossible with these nodes: what is missing is named.
    refused(cluster, "pinfold-region=mars", 500,
            "unknown region mars: no node has that label")
    refused(cluster, "replication=2&pinfold-region=eu&"
                     "pinfold-tag=disk%3Dnvme", 500,
            "no node in region eu takes copies")
    refused(cluster, "replication=3&pinfold-spread=region&"
                     "pinfold-region-denied=ap", 500,
            "copies in 2 regions, of at least 3")
    refused(cluster, "replication=2&pinfold-tag=disk%3Dssd&"
                     "pinfold-region-denied=us,ap", 500,
            "needed 2, available 1")
    # … but a soft spread is narrower, and says so.
    cid = pin(cluster, "replication=3&pinfold-spread=region&"
                       "pinfold-soft-spread=true&pinfold-region-denied=ap")
    why = cluster.any().get(f"/api/v1/pins/{cid}/explain").json()
    assert why["pin"]["policies"][0]["degraded"] is True, why["pin"]
    done = pinfold(cluster, "pin", "add", "--region", "mars", make_cid())
    assert done.returncode == 11 or done.returncode != 0, done
    assert "unknown region mars" in done.stderr, done
    done = pinfold(cluster, "pin", "add", "--min-domains", "2", make_cid())
    assert done.returncode == 2 and "--spread" in done.stderr, done


def test_two_claims(make_cluster):
    """Two organisations: each is met by the copies that it allows."""
    cluster = start(make_cluster, coordinators=1)
    c = cluster.any()
    assert c.post("/api/v1/orgs?name=lab").status == 200
    lab = {"X-Pinfold-Org": "lab"}
    until(lambda: c.get("/allocations", headers=lab).status == 200, 20,
          "it is known")
    cid = pin(cluster, "replication=2&pinfold-region-denied=us,ap")
    cluster.wait_pinned(cid, 2)
    answer = c.post(f"/pins/{cid}?replication=3&pinfold-region-denied=eu",
                    headers=lab)
    assert answer.status == 200, answer
    until(lambda: held(cluster, cid) == set(NAMES), 40, "all five hold it")

    def shown(headers):
        peers = c.get(f"/pins/{cid}", headers=headers).json()["peer_map"]
        return regions({v["peername"] for v in peers.values()
                        if v["status"] == "pinned"})

    until(lambda: shown(None) == ["eu", "eu"] and
          shown(lab) == ["us", "us", "ap"], 20,
          "each is shown the copies that its policy allows")
    assert c.delete(f"/pins/{cid}").status == 200
    until(lambda: regions(held(cluster, cid)) == ["us", "us", "ap"], 60,
          "what only the other one asked for goes")


def test_node_lost(make_cluster):
    """Its copies are made again where their policies allow it."""
    cluster = start(make_cluster, coordinators=1)
    bound = [pin(cluster, "replication=2&pinfold-region=eu,ap")
             for _ in range(8)]
    denied = [pin(cluster, "replication-min=2&replication-max=3&"
                           "pinfold-region-denied=us") for _ in range(4)]
    for cid in bound:
        cluster.wait_pinned(cid, 2)
    for cid in denied:
        cluster.wait_pinned(cid, 3)
    agent = cluster.agents[0]
    agent.kill9()
    agent.daemon.kill9()

    def repaired():
        where = [regions(held(cluster, cid)) for cid in denied + bound]
        assert not any("us" in w for w in where), where
        return all({"eu", "ap"} <= set(w) for w in where)

    until(repaired, 60, "every region has its copy again")
    agent.daemon.start()
    agent.daemon.wait()
    agent.start()
    cluster.wait_ready()
    until(lambda: all(len(held(cluster, cid)) == 3 for cid in denied) and
          all(len(held(cluster, cid)) == 2 for cid in bound), 60,
          "the surplus is let go")
    assert repaired()


def test_label_changed(make_cluster):
    """What is denied now is made elsewhere first, and goes then."""
    # The node is not down while its agent is started again.
    cluster = start(make_cluster, options={
        "suspect-after": "15s", "down-after": "40s"})
    cids = [pin(cluster, "replication=2&pinfold-region-denied=us")
            for _ in range(6)]
    free = [pin(cluster, "replication=2") for _ in range(6)]
    for cid in cids + free:
        cluster.wait_pinned(cid, 2)
    before = {cid: held(cluster, cid) for cid in free}
    agent = cluster.agents[1]
    agent.terminate()
    relabel(agent, "us", "us3", "hdd")
    agent.start()
    cluster.wait_ready()
    fewest = dict.fromkeys(cids, 9)

    def moved():
        done = True
        for cid in cids:
            # Asked first: what it has let go by then others have.
            where = {"node-2"} if cid in agent.daemon.pins() else set()
            where |= held(cluster, cid)
            fewest[cid] = min(fewest[cid], len(where))
            assert not {"node-3", "node-4"} & where, where
            done = done and len(where) == 2 and "node-2" not in where
        return done

    until(moved, 60, "they moved off it")
    assert min(fewest.values()) >= 2, fewest
    assert {cid: held(cluster, cid) for cid in free} == before
    cluster.same_everywhere()


def test_shown(make_cluster):
    cluster = start(make_cluster, coordinators=1)
    cid = make_cid()
    done = pinfold(cluster, "pin", "add", "--region", "eu", "--not-region",
                   "us", "--not-tag", "disk=hdd", "--spread", "zone",
                   "--min-domains", "2", "--replication", "2", cid)
    assert done.returncode == 0, done
    text = ("a copy in each region of eu; none in region us; no node with "
            "disk=hdd; at least 2 zones")
    assert text in done.stdout, done
    cluster.wait_pinned(cid, 2)
    assert held(cluster, cid) == {"node-1", "node-5"}
    for path in (f"/pins/{cid}", f"/allocations/{cid}"):
        policy = cluster.any().get(path).json()["pinfold_policy"]
        assert policy == {
            "regions_required": ["eu"], "regions_denied": ["us"],
            "tags_required": [], "tags_denied": ["disk=hdd"],
            "spread": "zone", "min_domains": 2, "soft_spread": False,
            "place_on": "any",
            "text": text}, path
    done = pinfold(cluster, "status", cid)
    assert text in done.stdout, done
    why = cluster.any().get(f"/api/v1/pins/{cid}/explain").json()
    verdicts = {n["name"]: n["verdict"] for n in why["nodes"]}
    assert verdicts == {"node-1": "holds", "node-2": "denied_tag",
                        "node-3": "denied_region",
                        "node-4": "denied_region", "node-5": "holds"}, why
    assert why["pin"]["policies"][0]["missing"] == ""
    done = pinfold(cluster, "explain", cid)
    assert done.returncode == 0 and text in done.stdout, done
    assert "is in a region that the policy denies" in done.stdout, done
    plain = make_cid()
    pin(cluster, "replication=2", plain)
    assert "pinfold_policy" not in cluster.any().get(f"/pins/{plain}").json()
    # A pin update takes the policy along.
    new = make_cid()
    answer = cluster.any().post(f"/pins/{new}?pin-update={cid}&"
                                "pinfold-region=ap")
    assert answer.status == 400 and "old pin" in answer.json()["message"]
    done = pinfold(cluster, "-o", "json", "pin", "update", cid, new)
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["pinfold_policy"]["text"] == text
