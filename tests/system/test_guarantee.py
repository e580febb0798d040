"""Guarantees on a running cluster: what is promised fits the nodes, is lent
out while it is not used, and comes back when it is claimed."""

import json
import os
import re

from cluster import make_cid, pinfold
from process import until

API = "/api/v1/orgs"
SIZE = 4_000_000


def of(org):
    return {"X-Pinfold-Org": org}


def org(c, name):
    answer = c.get(f"{API}/{name}")
    assert answer.status == 200, answer
    return answer.json()


def make(cluster, name):
    answer = cluster.any().post(f"{API}?name={name}")
    assert answer.status == 200, answer
    until(lambda: all(name in {o["name"] for o in c.get(API).json()}
                      for c in cluster.coordinators), 20, f"{name} is known")


def offer(cluster, name, cid):
    answer = cluster.any().post(
        f"/pins/{cid}?elastic=true&replication=1&size={SIZE}",
        headers=of(name))
    assert answer.status == 200, answer


def held(c, name):
    answer = c.get("/api/v1/scores?list=top&limit=100", headers=of(name))
    assert answer.status == 200, answer
    return {item["cid"] for item in answer.json()}


def test_what_was_lent_comes_back(make_cluster):
    cluster = make_cluster(agent_options={"max-bytes": "16M"})
    make(cluster, "lab")
    cids = [cluster.daemons[i % 3].add(os.urandom(SIZE - 1000))
            for i in range(14)]
    lent, own = cids[:10], cids[10:]
    for cid in lent:
        offer(cluster, "default", cid)
    # Three to a node: 15.2 MiB of each may be filled.
    until(lambda: len(held(cluster.any(), "default")) == 9, 60,
          "the nodes are full")
    until(lambda: org(cluster.any(), "default")["elastic"] ==
          org(cluster.any(), "default")["quota"]["physical"]["used"] > 0, 20,
          "all of it is elastic")
    done = pinfold(cluster, "quota", "set", "lab", "--guarantee", "9MB")
    assert done.returncode == 0, done
    assert "9000000" in done.stdout or "8.6 MiB" in done.stdout, done
    for cid in own:
        offer(cluster, "lab", cid)
    # Two are within it; the others get idle space, and there is hardly any.
    until(lambda: len(held(cluster.any(), "lab")) >= 2, 60,
          "what was guaranteed is there")

    def settled(name, cids):
        return {cid for cid in cids if any(d.has(cid) for d in
                                           cluster.daemons)} == held(
                                               cluster.any(), name)

    until(lambda: settled("lab", own) and settled("default", lent), 60,
          "what is held is pinned, and the rest is gone")
    assert 5 <= len(held(cluster.any(), "default")) <= 7
    lab = org(cluster.any(), "lab")
    assert lab["borrowed"] == max(
        0, lab["quota"]["physical"]["used"] - lab["guarantee"])
    leader = cluster.leader()
    assert leader.metric('pinfold_org_guarantee_bytes{org="lab"}') == 9e6
    assert leader.metric('pinfold_org_borrowed_bytes{org="default"}') > 0
    assert leader.metric(
        'pinfold_elastic_let_go_total{reason="reclaimed"}') >= 1
    # Required pins are held within it, and make room at once.
    must = cluster.daemons[0].add(os.urandom(SIZE - 1000))
    answer = cluster.any().post(f"/pins/{must}?replication=1",
                                headers=of("lab"))
    assert answer.status == 200, answer
    until(lambda: any(d.has(must) for d in cluster.daemons), 30,
          "it is pinned")
    answer = cluster.any().post(f"{API}/lab/quota?guarantee=5000000")
    assert answer.status == 200, answer
    more = cluster.any().post(f"/pins/{make_cid()}?replication=2",
                              headers=of("lab"))
    assert more.status == 403, more
    assert re.search(r"organisation 'lab', required physical bytes: used "
                     r"\d+, requested 2097152, guarantee 5000000",
                     more.json()["message"]), more
    cluster.same_everywhere()


def test_promises(make_cluster):
    """By the API and the command line; more than there is, is refused."""
    cluster = make_cluster(daemon="fake", coordinators=1, nodes=2,
                           agent_options={"max-bytes": "100M"})
    c = cluster.any()
    make(cluster, "lab")
    pool = 2 * (100 * 2 ** 20 - 5 * 2 ** 20)
    until(lambda: c.metric("pinfold_pool_bytes") == pool, 20, "the pool")
    assert org(c, "lab")["guarantee"] is None
    answer = c.post(f"{API}/lab/quota?guarantee={pool + 1}")
    assert answer.status == 403, answer
    assert answer.json()["message"].startswith(
        "over quota: guarantees, physical bytes: promised to others 0, "
        f"requested {pool + 1}, nodes may fill {pool}"), answer
    done = pinfold(cluster, "quota", "set", "lab", "--guarantee", "1TB",
                   "--dry-run")
    assert done.returncode == 4 and "nodes may fill" in done.stderr, done
    done = pinfold(cluster, "quota", "set", "lab", "--physical", "50MB",
                   "--guarantee", "60MB")
    assert done.returncode == 2 and "above the limit" in done.stderr, done
    done = pinfold(cluster, "-o", "json", "quota", "set", "lab",
                   "--physical", "150MB", "--guarantee", "150MB")
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["guarantee"] == 150_000_000
    answer = c.post(f"{API}/default/quota?guarantee=60000000")
    assert answer.status == 403 and "others 150000000" in (
        answer.json()["message"]), answer
    # A node leaves: what was promised stays, and it is shown.
    done = pinfold(cluster, "node", "drain", "node-2")
    assert done.returncode == 0, done
    until(lambda: org(c, "lab")["nodes_short"] == 150_000_000 - pool // 2,
          20, "the nodes lack it")
    done = pinfold(cluster, "quota", "show", "lab")
    assert done.returncode == 0, done
    assert "nodes lack" in done.stdout and "GUARANTEE" in done.stdout, done
    done = pinfold(cluster, "quota", "set", "lab", "--guarantee", "none")
    assert done.returncode == 0, done
    until(lambda: org(c, "lab")["guarantee"] is None, 20, "none")
    for query in ("guarantee=-1", "guarantee=x", f"guarantee={2 ** 63}"):
        answer = c.post(f"{API}/lab/quota?{query}")
        assert answer.status == 400, (query, answer)
