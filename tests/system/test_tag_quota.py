"""Quotas of tags on real processes: claims have them, whatever size they turn
out to have counts, and others hear nothing of them."""

import concurrent.futures
import json
import os

from cluster import make_cid, pinfold
from process import until

ORGS = "/api/v1/orgs"
SIZE = 3_000_000


def of(org):
    return {"X-Pinfold-Org": org}


def make(cluster, name):
    answer = cluster.any().post(f"{ORGS}?name={name}")
    assert answer.status == 200, answer
    until(lambda: all(name in {o["name"] for o in c.get(ORGS).json()}
                      for c in cluster.coordinators), 20, f"{name} is known")


def tags(c, org):
    answer = c.get(f"{ORGS}/{org}/tags", headers=of(org))
    assert answer.status == 200, answer
    return {t["tag"]: t["quota"] for t in answer.json()}


def test_to_the_last_pin(make_cluster):
    cluster = make_cluster(daemon="fake")
    make(cluster, "lab")
    before = make_cid()
    a, b, c = cluster.coordinators
    assert a.post(f"/pins/{before}?replication=1&meta-tag=web").status == 200
    assert tags(a, "default") == {}
    done = pinfold(cluster, "quota", "tag", "default", "web", "--pins", "20")
    assert done.returncode == 0, done
    assert "web" in done.stdout and "20" in done.stdout, done

    def pin(i):
        tag = ("web", "web%2C%20prod", "dev", None)[i % 4]
        meta = f"&meta-tag={tag}" if tag else ""
        return cluster.coordinators[i % 3].post(
            f"/pins/{make_cid()}?replication=1{meta}")

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(pin, range(100)))
    assert sum(x.status == 200 for x in answers) == 19 + 50
    for x in answers:
        assert x.status == 200 or x.json()["message"].startswith(
            "over quota: tag:web, pins: used 20, requested 1, limit 20"), x
    until(lambda: all(tags(x, "default")["web"]["pins"]["used"] == 20
                      for x in cluster.coordinators), 20, "all are counted")
    until(lambda: any("event=quota_near" in line and "tag=web" in line and
                      "percent=100" in line for x in cluster.coordinators
                      for line in x.log_text().splitlines()), 20,
          "the leader says so")
    done = pinfold(cluster, "pin", "add", "--meta", "tag=web", make_cid())
    assert done.returncode == 4 and "tag:web" in done.stderr, done
    # Others have their own.
    assert a.post(f"/pins/{before}?replication=1&meta-tag=web",
                  headers=of("lab")).status == 200
    assert tags(a, "lab") == {}
    assert a.get(f"{ORGS}/default/tags", headers=of("lab")).status == 404
    assert a.post(f"{ORGS}/default/tags?tag=web&pins=1",
                  headers=of("lab")).status == 404
    answer = a.post(f"{ORGS}/lab/tags?tag=web&pins=1&pins-soft=0",
                    headers=of("lab"))
    assert answer.status == 200, answer
    assert answer.json()["quota"]["pins"]["used"] == 1
    assert answer.json()["quota"]["pins"]["soft_until_ms"] is not None
    done = pinfold(cluster, "quota", "show")
    assert done.returncode == 0 and done.stdout.count("tag:web") == 2, done
    # What goes makes room, and one that loses the tag.
    assert b.delete(f"/pins/{before}").status == 200
    kept = make_cid()
    assert b.post(f"/pins/{kept}?replication=1&meta-tag=web").status == 200
    assert pin(0).status == 403
    assert c.post(f"/pins/{kept}?replication=1").status == 200
    assert pin(0).status == 200
    done = pinfold(cluster, "-o", "json", "quota", "tag", "default", "web",
                   "--remove")
    assert done.returncode == 0, done
    assert json.loads(done.stdout) == {"tag": "web", "quota": None,
                                       "changed": True}
    assert pin(0).status == 200
    assert tags(a, "default") == {}
    for query in ("", "tag=web", "pins=1", "tag=&pins=1", "tag=a%2Cb&pins=1",
                  "tag=web&pins=x", "tag=web&pins-soft=2&pins=1",
                  "tag=web&colour=1", f"tag={'x' * 65}&pins=1"):
        answer = a.post(f"{ORGS}/default/tags?{query}")
        assert answer.status == 400, (query, answer)
    for value in ("a,b,c,d,e", "x" * 65, "a%0Ab"):
        answer = a.post(f"/pins/{make_cid()}?meta-tag={value}")
        assert answer.status == 400, (value, answer)
    cluster.same_everywhere()


def test_what_is_larger(make_cluster):
    """A size that nobody knew is asked for, refused, and granted later."""
    cluster = make_cluster()
    c = cluster.any()
    answer = c.post(f"{ORGS}/default/tags?tag=web&physical={SIZE}")
    assert answer.status == 200, answer
    fits, more = (cluster.daemons[0].add(os.urandom(SIZE - 1_000_000))
                  for _ in range(2))
    assert c.post(f"/pins/{fits}?replication=1&meta-tag=web").status == 200
    until(lambda: any(d.has(fits) for d in cluster.daemons), 30, "pinned")
    until(lambda: tags(c, "default")["web"]["physical"]["used"] >
          SIZE - 1_000_000, 20, "and measured")
    answer = c.post(f"/pins/{more}?replication=1&meta-tag=web")
    assert answer.status == 403, answer
    assert "tag:web, physical bytes" in answer.json()["message"], answer
    answer = c.post(f"{ORGS}/default/tags?tag=web&physical=3200000")
    assert answer.status == 200, answer
    assert c.post(f"/pins/{more}?replication=1&meta-tag=web").status == 200

    def failed():
        peers = c.get(f"/pins/{more}").json()["peer_map"].values()
        return any(p["status"] == "pin_error" for p in peers)

    until(failed, 60, "it is larger than what is left")
    assert tags(c, "default")["web"]["physical"]["used"] <= 3_200_000
    answer = c.post(f"{ORGS}/default/tags?tag=web&physical={3 * SIZE}")
    assert answer.status == 200, answer

    def pinned():
        peers = c.get(f"/pins/{more}").json()["peer_map"].values()
        return any(p["status"] == "pinned" for p in peers)

    until(pinned, 90, "it comes by itself")
    cluster.same_everywhere()
