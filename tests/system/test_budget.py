"""The budget of the whole cluster and over-commit, on real processes: by the
API and by pinfold."""

import concurrent.futures
import json

from cluster import make_cid, pinfold
from process import until

API = "/api/v1/quota"
ORGS = "/api/v1/orgs"


def of(org):
    return {"X-Pinfold-Org": org}


def make(cluster, name):
    answer = cluster.any().post(f"{ORGS}?name={name}")
    assert answer.status == 200, answer
    until(lambda: all(name in {o["name"] for o in c.get(ORGS).json()}
                      for c in cluster.coordinators), 20, f"{name} is known")


def test_all_share_it(make_cluster):
    """To the last pin, whoever asks through whichever coordinator."""
    cluster = make_cluster(daemon="fake")
    make(cluster, "lab")
    answer = cluster.any().get(API)
    assert answer.status == 200, answer
    assert answer.json()["quota"]["pins"] == {"used": 0, "hard": None,
                                              "over": 0}
    assert answer.json()["overcommit"] is None
    assert answer.json()["unlimited"] == 2
    done = pinfold(cluster, "quota", "cluster", "--pins", "40")
    assert done.returncode == 0, done
    assert "(cluster)" in done.stdout and "40" in done.stdout, done

    def pin(i):
        return cluster.coordinators[i % 3].post(
            f"/pins/{make_cid()}?replication=2",
            headers=of(("default", "lab")[i % 2]))

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(pin, range(100)))
    assert sum(a.status == 200 for a in answers) == 40
    until(lambda: cluster.any().get(API).json()["quota"]["pins"]["used"] ==
          40, 20, "all are counted")
    for i, a in enumerate(answers):
        text = ("used 40, requested 1, limit 40", "requested 1, and less is "
                "left for all organisations")[i % 2]
        assert a.status in (200, 403), a
        assert a.status == 200 or a.json()["message"].startswith(
            f"over quota: cluster, pins: {text}"), a
    done = pinfold(cluster, "pin", "add", make_cid())
    assert done.returncode == 4 and "cluster, pins" in done.stderr, done
    until(lambda: "scope=cluster kind=pins percent=100 used=40 limit=40" in
          cluster.leader().log_text(), 10, "the log says so")
    # Lowered, it takes nothing away, and says so; none lifts it.
    done = pinfold(cluster, "quota", "cluster", "--pins", "30", "--dry-run")
    assert done.returncode == 0 and "over by 10" in done.stdout, done
    assert pinfold(cluster, "quota", "cluster", "--pins", "30"
                   ).returncode == 0
    c = cluster.any()
    until(lambda: c.metric("pinfold_cluster_limit_pins") == 30, 10, "metric")
    done = pinfold(cluster, "quota", "show")
    assert done.returncode == 0 and "over by 10" in done.stdout, done
    assert pin(1).status == 403
    answer = c.post(f"{API}?pins=none")
    assert answer.status == 200 and answer.json()["changed"] is True, answer
    assert c.post(f"{API}?pins=none").json()["changed"] is False
    assert pin(1).status == 200
    done = pinfold(cluster, "quota", "show")
    assert done.returncode == 0 and "(cluster)" not in done.stdout, done
    cluster.same_everywhere()


def test_limits_fit_the_nodes(make_cluster):
    cluster = make_cluster(daemon="fake", coordinators=1, nodes=2,
                           agent_options={"max-bytes": "100M"})
    c = cluster.any()
    make(cluster, "lab")
    pool = 2 * (100 * 2 ** 20 - 5 * 2 ** 20)
    until(lambda: c.metric("pinfold_pool_bytes") == pool, 20, "the pool")
    most = pool * 3 // 2
    answer = c.post(f"{API}?overcommit=1.5")
    assert answer.status == 200, answer
    assert answer.json()["overcommit"] == 1.5
    assert answer.json()["limits_most"] == most
    until(lambda: c.metric("pinfold_limits_most_bytes") == most, 10, "metric")
    for query in ("", "&dry-run=true"):
        answer = c.post(f"{ORGS}/lab/quota?physical={most + 1}{query}")
        assert answer.status == 403, answer
        assert answer.json()["message"].startswith(
            "over quota: cluster, limits of physical bytes: used 0, "
            f"requested {most + 1}, limit {most} (over-commit 1.50)"), answer
    assert c.post(f"{ORGS}/lab/quota?physical={most}").status == 200
    until(lambda: c.metric("pinfold_limits_bytes") == most, 10, "their sum")
    answer = c.post(f"{ORGS}/default/quota?physical=1")
    assert answer.status == 403 and f"used {most}" in (
        answer.json()["message"]), answer
    answer = c.post(f"{ORGS}/lab/quota?physical=none")
    assert answer.status == 403 and "lifted" in (
        answer.json()["message"]), answer
    done = pinfold(cluster, "quota", "cluster", "--overcommit", "1.49")
    assert done.returncode == 4 and "over-commit 1.49" in done.stderr, done
    # A node leaves: nothing changes, and it is shown.
    assert pinfold(cluster, "node", "drain", "node-2").returncode == 0
    until(lambda: c.get(API).json()["limits_over"] == most - most // 2, 20,
          "the nodes lack it")
    done = pinfold(cluster, "quota", "cluster")
    assert done.returncode == 0, done
    assert "over-commit 1.50 of" in done.stdout, done
    assert "over by" in done.stdout and "1 without a limit" in done.stdout
    done = pinfold(cluster, "-o", "json", "quota", "cluster", "--overcommit",
                   "none")
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["overcommit"] is None
    assert c.post(f"{ORGS}/lab/quota?physical=none").status == 200
    for query in ("", "pins=x", "overcommit=0", "overcommit=4.01",
                  "overcommit=1.505", "overcommit=1.", "overcommit=x",
                  "colour=1", "dry-run=maybe&pins=1", f"pins={2 ** 63}"):
        answer = c.post(f"{API}?{query}")
        assert answer.status == 400, (query, answer)
    assert c.get(API, headers=of("lab")).status == 403
    assert c.post(f"{API}?pins=1", headers=of("lab")).status == 403
