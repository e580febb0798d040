"""Limits of an organisation: by the API and by pinfold, on real processes."""

import concurrent.futures
import json
import os
import re

from cluster import make_cid, pinfold
from process import until

MIB = 1 << 20


def quota(c, kind=None):
    answer = c.get("/api/v1/orgs/default")
    assert answer.status == 200, answer
    return answer.json()["quota"][kind] if kind else answer.json()["quota"]


def set_quota(c, query):
    return c.post(f"/api/v1/orgs/default/quota?{query}")


def used_everywhere(cluster, kind, value):
    until(lambda: all(quota(c, kind)["used"] == value
                      for c in cluster.coordinators), 20,
          f"{value} {kind} are used")


def test_limit_of_pins(make_cluster):
    """To the last one, whoever asks through whichever coordinator."""
    cluster = make_cluster(daemon="fake")
    a, b, c = cluster.coordinators
    assert quota(a) == {
        kind: {"used": 0, "soft": None, "hard": None, "over": 0,
               "soft_until_ms": None}
        for kind in ("logical", "physical", "pins")}
    answer = set_quota(a, "pins=50")
    assert answer.status == 200 and answer.json()["changed"] is True
    assert answer.json()["quota"]["pins"]["hard"] == 50
    assert set_quota(b, "pins=50").json()["changed"] is False

    def pin(i):
        return cluster.coordinators[i % 3].post(
            f"/pins/{make_cid()}?replication=2")

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(pin, range(120)))
    taken = [r for r in answers if r.status == 200]
    refused = [r for r in answers if r.status != 200]
    assert len(taken) == 50
    for r in refused:
        assert r.status == 403, r
        assert r.json()["message"].startswith(
            "over quota: organisation 'default', pins: used 50, requested 1, "
            "limit 50"), r
    used_everywhere(cluster, "pins", 50)
    assert cluster.any().metric(
        'pinfold_org_pins{org="default"}') == 50
    assert cluster.any().metric(
        'pinfold_org_limit_pins{org="default",level="hard"}') == 50
    # The command line says so, too, with the exit code of quotas.
    done = pinfold(cluster, "pin", "add", make_cid())
    assert done.returncode == 4, done
    assert "used 50, requested 1, limit 50" in done.stderr, done
    # The leader's log told of it on the way, once for each step.
    until(lambda: "percent=100 used=50 limit=50" in
          cluster.leader().log_text(), 30, "the log says so")
    said = [line for line in cluster.leader().log_text().splitlines()
            if "event=quota_near" in line]
    assert all("org=default kind=pins" in line for line in said)
    percents = [int(re.search(r"percent=(\d+)", line)[1]) for line in said]
    assert percents == sorted(set(percents)) and len(said) <= 3
    # What is removed makes room; a repetition needs none.
    gone = taken[0].json()["cid"]
    kept = taken[1].json()["cid"]
    assert b.post(f"/pins/{kept}?replication=2").status == 200
    assert c.delete(f"/pins/{gone}").status == 200
    assert pin(0).status == 200
    assert pin(1).status == 403
    cluster.same_everywhere()


def test_content_is_larger(make_cluster):
    """Measured, it does not fit: nothing keeps it, it says why; when the
    limit is raised it is pinned without another word."""
    cluster = make_cluster(nodes=3)
    cid = cluster.daemons[0].add(os.urandom(3 * MIB))
    small = cluster.daemons[0].add(os.urandom(1000))
    assert set_quota(cluster.any(), f"physical={5 * MIB}").status == 200
    answer = cluster.any().post(f"/pins/{small}?replication=2")
    assert answer.status == 200, answer
    cluster.wait_pinned(small, 2)
    answer = cluster.any().post(f"/pins/{cid}?replication=2")
    assert answer.status == 200, answer  # its size is not known yet

    def says_so():
        answer = cluster.any().get(f"/pins/{cid}").json()
        states = {(s["status"], s["error"])
                  for s in answer["peer_map"].values()}
        return len(states) == 1 and all(
            status == "pin_error" and "over quota" in error
            for status, error in states)

    def nowhere():
        return not any(cid in d.pins() for d in cluster.daemons)

    until(says_so, 40, "it says that it is over quota")
    until(nowhere, 40, "no daemon keeps it")
    used_everywhere(cluster, "pins", 2)
    physical = quota(cluster.any(), "physical")
    assert physical["used"] < 5 * MIB and physical["over"] == 0
    answer = set_quota(cluster.any(), f"physical={50 * MIB}")
    assert answer.status == 200
    cluster.wait_pinned(cid, 2, seconds=60)
    until(lambda: quota(cluster.any(), "logical")["used"] > 3 * MIB, 20,
          "it is charged")
    both = quota(cluster.any())
    assert both["physical"]["used"] == 2 * both["logical"]["used"]


def test_upload(make_cluster, tmp_path):
    """Refused like a pin, and nothing of it stays pinned."""
    cluster = make_cluster(nodes=3)
    assert set_quota(cluster.any(), f"physical={5 * MIB}").status == 200
    path = tmp_path / "large"
    path.write_bytes(os.urandom(4 * MIB))
    before = [d.pins() for d in cluster.daemons]
    done = pinfold(cluster, "add", "--replication", "2", str(path))
    assert done.returncode == 4, done
    assert "over quota" in done.stderr and "requested" in done.stderr, done
    until(lambda: [d.pins() for d in cluster.daemons] == before, 40,
          "nothing of it is pinned")
    path.write_bytes(os.urandom(MIB))
    done = pinfold(cluster, "add", "--replication", "2", "-q", str(path))
    assert done.returncode == 0, done
    cluster.wait_pinned(done.stdout.strip(), 2)


def test_command_line(make_cluster):
    cluster = make_cluster(daemon="fake", coordinators=1, nodes=1)
    done = pinfold(cluster, "quota", "set", "--physical", "1.5TiB",
                   "--physical-soft", "1TB", "--pins-soft", "1", "--grace",
                   "2h")
    assert done.returncode == 0, done
    until(lambda: quota(cluster.any(), "physical") == {
        "used": 0, "soft": 10 ** 12, "hard": 3 << 39, "over": 0,
        "soft_until_ms": None}, 10, "the limits show")
    for _ in range(2):
        assert cluster.any().post(f"/pins/{make_cid()}?replication=1"
                                  ).status == 200
    until(lambda: quota(cluster.any(), "pins")["used"] == 2, 20, "two pins")
    assert quota(cluster.any(), "pins")["soft_until_ms"] is not None
    done = pinfold(cluster, "quota", "show")
    assert done.returncode == 0, done
    lines = done.stdout.splitlines()
    assert lines[0].split()[:5] == ["ORGANISATION", "OF", "USED", "SOFT",
                                    "LIMIT"]
    assert lines[1].startswith("default") and "none" in lines[1]
    assert "931.3 GiB" in lines[2] and "1.5 TiB" in lines[2]
    assert re.search(r"above the soft limit, for \d+[mh] more", lines[3])
    # A dry run changes nothing and says what would be over.
    done = pinfold(cluster, "quota", "set", "default", "--pins", "1",
                   "--dry-run")
    assert done.returncode == 0 and "over by 1" in done.stdout, done
    assert quota(cluster.any(), "pins")["hard"] is None
    done = pinfold(cluster, "-o", "json", "quota", "set", "--pins", "1")
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["quota"]["pins"]["over"] == 1
    assert len(cluster.any().pins()) == 2  # nothing goes
    for words, code, text in (
            (("set",), 2, "no limit is named"),
            (("set", "--pins", "-1"), 2, "--pins"),
            (("set", "--physical", "1XB"), 2, "no size"),
            (("set", "--physical-soft", "2TiB"), 2, "above the hard one"),
            (("set", "nobody", "--pins", "1"), 3, "no organisation"),
            (("show", "nobody"), 3, "no organisation")):
        done = pinfold(cluster, "quota", *words)
        assert done.returncode == code and text in done.stderr, done


def test_bad_input(make_cluster):
    cluster = make_cluster(daemon="fake", coordinators=1, nodes=1)
    c = cluster.any()
    for query, text in (
            ("", "no limit is named"),
            ("pins=1&other=2", "unknown parameter 'other'"),
            ("pins=-1", "pins"), ("pins=1.5", "pins"), ("pins=1e3", "pins"),
            ("pins=0x10", "pins"), ("pins=+1", "pins"),
            (f"pins={2 ** 63}", "pins"), (f"pins={2 ** 64 + 1}", "pins"),
            ("logical=None", "logical"), ("grace=none", "grace"),
            ("grace=1h", "grace"), ("pins=1&dry-run=maybe", "dry-run"),
            ("pins=1&pins-soft=2", "pins: the soft limit 2 is above"),
            ("pins=1&pins-soft=2&dry-run=true", "pins: the soft limit 2")):
        answer = set_quota(c, query)
        assert answer.status == 400, (query, answer)
        assert text in answer.json()["message"], (query, answer)
    assert all(q["hard"] is None and q["soft"] is None
               for q in quota(c).values())
    assert c.get("/api/v1/orgs/2").status == 404
    one = c.get("/api/v1/orgs/1").json()
    del one["formula_bounds"]  # of the cluster, said once
    assert one == c.get("/api/v1/orgs").json()[0]
    assert c.post("/api/v1/orgs").status == 400  # without a name
    assert c.call("PUT", "/api/v1/orgs").status == 405
    assert set_quota(c, f"pins={2 ** 63 - 1}&logical=0").status == 200
    assert c.post(f"/pins/{make_cid()}").status == 403
    assert set_quota(c, "logical=none").status == 200
    assert c.post(f"/pins/{make_cid()}").status == 200
