"""Dry runs name what would go, by the API and the program, and change nothing:
of a node that would be drained or removed, and of limits that are lowered."""

import json

import pytest
from cluster import make_cid, pinfold
from process import until


def status(c):
    return c.get("/api/v1/status").json()


def would(c, path, method="get", query="", headers=None):
    answer = getattr(c, method)(f"/api/v1/{path}?{query}",
                                headers=headers or {})
    assert answer.status == 200, answer
    told = answer.json()
    assert told["dry_run"] is True
    groups = {g["fate"]: g for g in told["would"]["groups"]}
    assert all(g["pins"] >= sum(p["fate"] == f for p in
                                told["would"]["pins"])
               for f, g in groups.items())
    return told, groups


def fates(told):
    return {p["cid"]: p["fate"] for p in told["would"]["pins"]}


@pytest.fixture(name="three")
def fixture_three(make_cluster):
    return make_cluster(nodes=3, daemon="fake")


def test_a_node(three):
    """One pin has room elsewhere, one is on all, one needs all three, one is
    only here."""
    c = three.any()
    loose, tight, here = (make_cid(f"dry {i}") for i in range(3))
    for cid, query in ((loose, "replication-min=1&replication-max=3"),
                       (tight, "replication=3"), (here, "replication=1")):
        assert c.post(f"/pins/{cid}?{query}").status == 200
        three.wait_pinned(cid, 1 if cid == here else 3)
    [node] = three.wait_pinned(here, 1)
    before = c.index()
    c.wait_shown()  # how many copies are on the node
    told, groups = would(c, f"nodes/{node}/drain")
    assert fates(told) == {loose: "goes", tight: "stays", here: "moves"}
    assert told["would"]["complete"] and told["would"]["next"] is None
    assert told["would"]["looked_at"] == told["copies"] == 3
    assert told["free_bytes_elsewhere"] > 0
    [moves] = [p for p in told["would"]["pins"] if p["cid"] == here]
    assert len(moves["nodes"]) == 1 and node not in moves["nodes"]
    assert groups["stays"]["copies"] == groups["stays"]["pins"] == 1
    assert groups["moves"]["bytes"] == moves["bytes"] > 0
    told, groups = would(c, f"nodes/{node}/remove")
    assert fates(told) == {loose: "goes", tight: "short", here: "lost"}
    # In pages, with the same outcome.
    seen, cursor = {}, ""
    while cursor is not None:
        told, _ = would(c, f"nodes/{node}/drain", query=f"limit=1{cursor}")
        assert len(told["would"]["pins"]) == 1
        seen.update(fates(told))
        cursor = told["would"]["next"] and f"&cursor={told['would']['next']}"
    assert seen == {loose: "goes", tight: "stays", here: "moves"}
    for query in ("limit=1001", "limit=x", "cursor=1", "cursor=1.x"):
        assert c.get(f"/api/v1/nodes/{node}/drain?{query}").status == 400
    assert c.get("/api/v1/nodes/nobody/drain").status == 404
    assert c.get(f"/api/v1/nodes/{node}/drain",
                 headers={"X-Pinfold-Org": "lab"}).status in (403, 404)
    by_cli(three, node, here)
    # Nothing was changed by all that; then what was said comes true.
    assert c.index() - before < 5
    assert all(n["admin"] == "active" for n in status(c)["nodes"])
    done = pinfold(three, "node", "drain", node)
    assert done.returncode == 0, done
    until(lambda: node not in three.wait_pinned(loose, 2) and
          node not in three.wait_pinned(here, 1), 40, "they have left")
    assert node in three.wait_pinned(tight, 3)


def by_cli(cluster, node, here):
    done = pinfold(cluster, "node", "drain", node, "--dry-run")
    assert done.returncode == 0, done
    assert "3 copies" in done.stdout and "get a copy on another" in done.stdout
    line = next(x for x in done.stdout.splitlines() if x.startswith(here))
    assert line.split()[1] == "moves", done
    done = pinfold(cluster, "node", "remove", node, "--dry-run", "--limit",
                   "1")
    assert done.returncode == 0 and "are pinned nowhere else" in done.stdout
    more = done.stdout.splitlines()[-1]
    assert more.startswith("more: pinfold node remove"), done
    done = pinfold(cluster, *more.split()[2:])
    assert done.returncode == 0 and "CID" in done.stdout, done
    done = pinfold(cluster, "-o", "json", "node", "drain", node, "--dry-run")
    assert json.loads(done.stdout)[0]["dry_run"] is True
    for words in (["--wait", "--dry-run"], ["--limit", "3"]):
        done = pinfold(cluster, "node", "drain", node, *words)
        assert done.returncode == 2, (words, done)
    done = pinfold(cluster, "node", "remove", node, "--force", "--dry-run")
    assert done.returncode == 2, done


def elastic(cluster, count):
    """So many elastic pins that are held, with one copy each."""
    cids = [make_cid(f"elastic {i}") for i in range(count)]
    c = cluster.any()
    for cid in cids:
        answer = c.post(f"/pins/{cid}?replication=1&elastic=true")
        assert answer.status == 200, answer
    until(lambda: all(c.get(f"/api/v1/pins/{cid}/score").json()["class"] ==
                      "held" for cid in cids), 60, "all are held")
    for cid in cids:
        cluster.wait_pinned(cid, 1)
    return cids


def test_limits(three):
    c = three.any()
    firm = make_cid("firm")
    answer = c.post(f"/pins/{firm}?replication=1&meta-tag=web")
    assert answer.status == 200, answer
    three.wait_pinned(firm, 1)
    cids = elastic(three, 4)
    c.wait_shown()  # sizes, which came with the last copies
    org = c.get("/api/v1/orgs/default").json()
    used = org["quota"]["physical"]["used"]
    less = used // 4
    limit = used - less
    told, groups = would(c, "orgs/default/quota", "post",
                         f"physical={limit}&dry-run=true")
    assert told["quota"]["physical"]["over"] == less
    assert groups["evicted"]["pins"] >= 1
    assert groups["evicted"]["bytes"] >= less
    assert set(fates(told)) < set(cids)
    assert all(p["org"] == "default" for p in told["would"]["pins"])
    assert told["would"]["left"] == {"logical": 0, "physical": 0}
    # All that is elastic does not suffice.
    told, groups = would(c, "orgs/default/quota", "post",
                         "physical=0&dry-run=true")
    assert set(fates(told)) == set(cids) and told["would"]["complete"]
    assert told["would"]["left"]["physical"] == \
        used - groups["evicted"]["bytes"] > 0
    told, _ = would(c, "orgs/default/quota", "post",
                    "physical=0&dry-run=true&limit=1")
    assert len(told["would"]["pins"]) == 1 and not told["would"]["complete"]
    told, _ = would(c, "quota", "post", f"physical={limit}&dry-run=true")
    assert set(fates(told)) < set(cids) and fates(told)
    told, groups = would(c, "orgs/default/tags", "post",
                         "tag=web&pins=0&physical=1&dry-run=true")
    assert told["quota"]["pins"]["over"] == 1 and groups == {}
    assert told["would"]["left"]["physical"] == \
        told["quota"]["physical"]["used"] - 1
    for path in ("orgs/default/quota", "quota", "orgs/default/tags"):
        answer = c.post(f"/api/v1/{path}?tag=web&physical=1&limit=3")
        assert answer.status == 400, (path, answer)
    done = pinfold(three, "quota", "set", "--physical", "0", "--dry-run",
                   "--limit", "2")
    assert done.returncode == 0 and "still above" in done.stdout, done
    assert sum(x in done.stdout for x in cids) == 2, done
    done = pinfold(three, "quota", "cluster", "--physical", "0", "--dry-run")
    assert done.returncode == 0 and cids[0] in done.stdout, done
    done = pinfold(three, "quota", "tag", "default", "web", "--pins", "0",
                   "--dry-run")
    assert done.returncode == 0 and "over by 1" in done.stdout, done
    assert pinfold(three, "quota", "set", "--physical", "0", "--limit",
                   "2").returncode == 2
    # Nothing of it was set, and nothing has gone.
    now = c.get("/api/v1/orgs/default").json()["quota"]
    assert all(now[kind]["hard"] is None for kind in now), now
    assert all(len(three.wait_pinned(cid, 1)) == 1 for cid in cids)
    assert c.get("/api/v1/orgs/default/tags").json() == []
