"""The value engine on a running cluster: the most valuable content is kept,
within the budget at all times; what people read changes what is kept; each
step is explained."""

import json
import os
import random
import re
import time

from cluster import make_cid, pinfold
from process import until
from test_tokens import bearer, closed_cluster, ctl, known, local

SIZE = 400_000
LIMIT = 5 * SIZE + 300_000


def score(c, cid):
    answer = c.get(f"/api/v1/pins/{cid}/score")
    assert answer.status == 200, answer
    return answer.json()


def scores(c, name):
    answer = c.get(f"/api/v1/scores?list={name}&limit=100")
    assert answer.status == 200, answer
    return [item["cid"] for item in answer.json()]


def physical(c):
    return c.get("/api/v1/orgs/default").json()["quota"]["physical"]["used"]


def free_room(c):
    """As the prices have it, which are made anew now and then."""
    found = c.get("/api/v1/scores/frontier").json()["scopes"]
    return next(s["room"] for s in found if s["scope"] == "organisation")


def read(c, cid, count):
    answer = c.post(f"/api/v1/pins/{cid}/reads?count={count}")
    assert answer.status == 200, answer


def kept(cluster, want):
    """The set that is held, everywhere, pinned; never above the budget."""
    def look():
        for c in cluster.coordinators:
            assert physical(c) <= LIMIT
            if set(scores(c, "top")) != set(want):
                return False
        return all(len(cluster.holders(cid)) == 1 for cid in want)
    # A round that led to nothing is made again after a minute at the latest.
    until(look, 150, "the most valuable ones are held")


def places_and_prices(cluster, cids, frontier):
    """Of ten, the last five are held: their ranks, what would have to change,
    and the prices of all scopes."""
    k = cluster.coordinators[0]
    worths = [score(k, cid) for cid in cids]
    assert [w["rank"] for w in worths] == [
        {"place": 5 - n % 5, "of": 5} for n in range(10)]
    low, high = worths[5], worths[9]
    limit = low["formula"]["out"]
    stay = high["needs"]["stay"]
    assert abs(stay["margin"] - (high["priority"] - limit)) < 0.001, stay
    assert stay["unread_until_ms"] > high["inputs"]["now_ms"]
    assert stay["residency_until_ms"] == (high["since_ms"] +
                                          high["formula"]["residency_ms"])
    sizes = [w["size"] for w in worths[5:]]
    assert low["needs"]["stay"]["bytes_before"] == 0
    assert stay["bytes_before"] == sum(sizes[:4])
    free = LIMIT - sum(sizes)
    assert any(f"more than {free + sum(sizes[:4])} bytes: {free} are free" in
               text for text in high["changes"]), (free, sizes, high)
    mine = worths[0]
    room = mine["needs"]["room"]
    assert room["bytes"] == mine["size"]
    assert room["lack"] == mine["size"] - free and not room["cluster_lacks"]
    assert room["margin"] < 0 and room["key"] > low["key"]
    assert mine["needs"]["nodes"]["able"] == 3 and mine["changes"], mine
    assert mine["inputs"]["reads"] < 10.1 and mine["inputs"]["ratings"] == []

    scopes = {s["scope"] + s["name"]: s for s in frontier["scopes"]}
    assert frontier["others"] is True
    assert scopes["organisationdefault"] == {
        "scope": "organisation", "name": "default", "room": free,
        "key": low["frontier"]["key"], "cid": cids[5]}
    assert scopes["cluster"]["cid"] == cids[5]
    nodes = [s for s in frontier["scopes"] if s["scope"] == "node"]
    assert len(nodes) == 3 and all(s["room"] > 0 for s in nodes)
    for s in nodes:
        held = [cid for cid in cids[5:] if s["name"] in
                [n["node"] for n in k.get(
                    f"/api/v1/pins/{cid}/explain").json()["copies"]
                    if n["want"] != "released"]]
        assert s.get("cid") == (held[0] if held else None), (s, held)


def test_the_most_valuable_is_kept(make_cluster):
    cluster = make_cluster()
    k, other = cluster.coordinators[0], cluster.coordinators[1]
    quota = k.post(f"/api/v1/orgs/default/quota?physical={LIMIT}")
    assert quota.status == 200, quota
    cids = [cluster.daemons[0].add(os.urandom(SIZE)) for _ in range(10)]
    for i, cid in enumerate(cids):
        done = pinfold(cluster, "offer", cid, "--size", str(SIZE + 1000),
                       "--replication", "1", "--name", f"item-{i}")
        assert done.returncode == 0, done
        assert done.stdout == f"offered {cid}\n"
        read(k, cid, 10 * (i + 1))
    kept(cluster, cids[5:])
    assert set(scores(other, "candidates")) == set(cids[:5])
    # The daemons hold what is kept, and nothing else.
    until(lambda: all(sum(d.has(cid) for d in cluster.daemons) == (i >= 5)
                      for i, cid in enumerate(cids)), 30,
          "each is pinned on one daemon, or on none")
    for cid in cids[5:]:
        cluster.wait_pinned(cid, 1)
    until(lambda: all(free_room(c) == LIMIT - sum(
        score(c, cid)["size"] for cid in cids[5:])
                      for c in cluster.coordinators), 20,
          "what the daemons measured is booked, and in the prices")

    # Explained: the frontier runs between them.
    mine = score(other, cids[0])
    assert mine["class"] == "candidate", mine
    assert mine["verdict"].startswith("a candidate: its key must exceed")
    assert mine["key"] <= mine["frontier"]["key"] + mine["frontier"]["delta"]
    best = score(other, cids[9])
    assert best["class"] == "held" and best["priority"] > mine["priority"]
    assert best["usage"] > mine["usage"] and best["reads_per_day"] > 9
    why = other.get(f"/api/v1/pins/{cids[0]}/explain").json()["next"]
    assert why["action"] == "candidate", why
    shown = pinfold(cluster, "score", cids[0])
    assert shown.returncode == 0 and "VERDICT" in shown.stdout, shown
    shown = json.loads(pinfold(cluster, "score", "frontier", "--output",
                               "json").stdout)
    assert [i["cid"] for i in shown["bottom"] + shown["candidates"]] == (
        cids[5:] + cids[4::-1])
    places_and_prices(cluster, cids, shown["frontier"])

    # What is said to be enough is enough, for the next one of them.
    room = score(other, cids[4])["needs"]["room"]
    assert room["lack"] > 0 and room["clears"] and room["goes"] == 1, room
    read(other, cids[4], room["more_reads"] + 1)
    kept(cluster, cids[4:5] + cids[6:])
    read(other, cids[5], score(other, cids[5])["needs"]["room"]["more_reads"]
         + 1)
    kept(cluster, cids[5:])

    # What is read changes: so does what is kept.
    for cid in cids[:3]:
        read(other, cid, 5000)
    kept(cluster, cids[:3] + cids[8:])
    # Ratings count too, the median of them.
    for rater, quality in (("a", 1), ("b", "0.9"), ("c", 0)):
        answer = k.post(f"/api/v1/pins/{cids[4]}/rating?quality={quality}"
                        f"&rater={rater}")
        assert answer.status == 200, answer
    until(lambda: score(other, cids[4])["ratings"] == 3, 20, "rated")
    assert abs(score(other, cids[4])["quality"] - 0.9) < 0.001
    done = pinfold(cluster, "rate", cids[4], "none", "--rater", "b")
    assert done.returncode == 0, done
    until(lambda: score(other, cids[4])["ratings"] == 2, 20, "withdrawn")

    # What is required takes the room of what is worth least.
    must = cluster.daemons[0].add(os.urandom(SIZE))
    answer = k.post(f"/pins/{must}?replication=1")
    assert answer.status == 200, answer
    cluster.wait_pinned(must, 1)
    assert score(k, must)["class"] == "required"
    kept(cluster, cids[:3] + cids[9:])
    # Elastic pins go as others do.
    assert k.delete(f"/pins/{cids[9]}").status == 200
    until(lambda: not any(d.has(cids[9]) for d in cluster.daemons), 30,
          "the daemons let it go")
    assert k.get(f"/api/v1/pins/{cids[9]}/score").status == 404
    kept(cluster, cids[:3] + cids[8:9])
    cluster.same_everywhere()


def visit(path, cid, readers):
    """So many clients, each once, in the log of a gateway."""
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    with open(path, "a", encoding="ascii") as f:
        for _ in range(readers):
            who = ".".join(str(random.randrange(1, 255)) for _ in range(4))
            f.write(f'{who} - - [{when}] "GET /ipfs/{cid}/ HTTP/1.1" 200 '
                    f'{10 ** 9} "-" "-"\n')


def test_gateways_decide(make_cluster, tmp_path):
    """Driven by the logs of three gateways: more is offered than the budget
    has room for, the pattern changes, gateways and a leader fall."""
    cluster = make_cluster(agent_options={
        "gateway-logs": f"{tmp_path}/access-{{node}}.log",
        "reads-interval": "200ms"})
    logs = [f"{tmp_path}/access-{n}.log" for n in (1, 2, 3)]
    k = cluster.coordinators[0]
    quota = k.post(f"/api/v1/orgs/default/quota?physical={LIMIT}")
    assert quota.status == 200, quota
    cids = [cluster.daemons[n % 3].add(os.urandom(SIZE)) for n in range(10)]
    lines = "".join(f"{cid} {SIZE + 1000} item {n}\n"
                    for n, cid in enumerate(cids))
    done = pinfold(cluster, "offer", "--file", "-", "--replication", "1",
                   stdin=lines)
    assert done.stdout == "offered 10, 0 were already, 0 failed\n", done
    for n, cid in enumerate(cids):
        for log in logs:
            visit(log, cid, 5 * (n + 1))
    kept(cluster, cids[5:])
    until(lambda: [round(score(k, cid)["reads_per_day"] / 0.0990210)
                   for cid in cids] == [15 * (n + 1) for n in range(10)], 60,
          "all of what the gateways served, once")

    # What was read least is read most now; one gateway's agent is off for a
    # while, and its log goes on and is rotated.
    cluster.agents[2].kill9()
    for log in logs:
        for cid in cids[:2]:
            visit(log, cid, 400)
    os.rename(logs[2], logs[2] + ".1")
    visit(logs[2], cids[2], 600)
    cluster.leader().kill9()
    cluster.agents[2].start()
    for c in cluster.coordinators:
        if not c.alive():
            c.start()
    until(lambda: all(c.ready() for c in cluster.coordinators), 60, "back")
    kept(cluster, cids[:3] + cids[8:])
    until(lambda: [round(score(k, cid)["reads_per_day"] / 0.0990210)
                   for cid in cids[:3]] == [1215, 1230, 645], 60,
          "each line once")
    # One client that asks again and again moves nothing.
    with open(logs[0], "a", encoding="ascii") as f:
        f.write(f'192.0.2.9 - - [-] "GET /ipfs/{cids[5]} HTTP/1.1" 200 '
                f'{10 ** 9} "-" "-"\n' * 20000)
    until(lambda: score(k, cids[5])["reads_per_day"] > 9, 60, "is counted")
    # Whoever led when its agent had read the last of them has that figure.
    lines = f'lines_total{{node="node-1"}} {275 + 800 + 20000}\n'
    until(lambda: any(lines in c.get("/metrics").text()
                      for c in cluster.coordinators), 60,
          "all lines were read")
    assert score(k, cids[5])["class"] == "candidate"
    kept(cluster, cids[:3] + cids[8:])
    for cid, word in ((cids[0], "held"), (cids[5], "a candidate")):
        assert score(k, cid)["verdict"].startswith(word)
    cluster.same_everywhere()


def test_a_formula_of_ones_own(make_cluster):
    cluster = make_cluster(coordinators=1, daemon="fake")
    k = cluster.coordinators[0]
    shown = k.get("/api/v1/orgs/default").json()
    assert shown["own_formula"] is False
    assert shown["formula"]["usage"] == 0.8
    assert shown["formula"]["in"] == 0.125
    cid = make_cid()
    assert k.post(f"/pins/{cid}?elastic=true&replication=1").status == 200
    cluster.wait_pinned(cid, 1)
    assert abs(score(k, cid)["priority"] - 0.15) < 0.001
    # All of it is quality: what nobody rated is worth half.
    done = pinfold(cluster, "formula", "--usage", "0", "--recency", "0",
                   "--quality", "2", "--residency", "1h")
    assert done.returncode == 0, done
    until(lambda: score(k, cid)["priority"] == 0.5, 20, "the new formula")
    assert k.get("/api/v1/orgs/default").json()["own_formula"] is True
    assert k.get("/api/v1/orgs/default").json()["formula"][
        "residency_ms"] == 3600_000
    done = pinfold(cluster, "formula", "--reset")
    assert done.returncode == 0, done
    until(lambda: not k.get("/api/v1/orgs/default").json()["own_formula"],
          20, "reset")


def test_bad_values(make_cluster):
    cluster = make_cluster(coordinators=1, nodes=1, daemon="fake")
    k, cid = cluster.coordinators[0], make_cid()
    assert k.post(f"/pins/{cid}?elastic=true&replication=1").status == 200
    pin, org = f"/api/v1/pins/{cid}", "/api/v1/orgs/default/formula"
    before = cluster.coordinators[0].get("/api/v1/orgs/default").json()
    for method, path, text in (
            ("POST", f"{pin}/rating?quality=1.1", "quality"),
            ("POST", f"{pin}/rating?quality=-1", "quality"),
            ("POST", f"{pin}/rating?quality=NaN", "quality"),
            ("POST", f"{pin}/rating", "quality"),
            ("POST", f"{pin}/rating?quality=1&rater={'r' * 200}", "rater"),
            ("POST", f"{pin}/reads?count=0", "count"),
            ("POST", f"{pin}/reads?count=99999999999999999999", "count"),
            ("POST", "/api/v1/pins/nonsense/reads", "error decoding Cid"),
            ("GET", "/api/v1/scores?list=all", "list"),
            ("GET", "/api/v1/scores?limit=1001", "limit"),
            ("POST", f"{org}?usage=-1", "usage"),
            ("POST", f"{org}?usage=NaN", "usage"),
            ("POST", f"{org}?usage=1001", "usage"),
            ("POST", f"{org}?usage=0&quality=0&recency=0", "all 0"),
            ("POST", f"{org}?half-usage=0s", "half"),
            ("POST", f"{org}?in=0.1&out=0.2", "out"),
            ("POST", f"{org}?weight=1", "unknown parameter"),
            ("POST", f"/pins/{cid}?elastic=perhaps", "elastic"),
            ("POST", f"/pins/{cid}?elastic=true&size=-4", "size"),
            ("POST", f"/pins/{cid}?elastic=true&replication=-1", "elastic"),
            ("POST", f"/pins/{cid}?elastic=true&mode=direct", "elastic")):
        answer = k.call(method, path)
        assert answer.status == 400, (path, answer)
        assert text in answer.json()["message"], (path, answer.json())
    assert k.get("/api/v1/orgs/default").json()["formula"] == (
        before["formula"])
    for method, path in (("POST", "reads"), ("POST", "rating?quality=1"),
                         ("GET", "score")):
        answer = k.call(method, f"/api/v1/pins/{make_cid()}/{path}")
        assert answer.status == 404, (path, answer)


def test_what_else_would_be_kept(make_cluster):
    cluster = make_cluster(coordinators=1, nodes=2, daemon="fake")
    k = cluster.coordinators[0]
    cids = [make_cid() for _ in range(6)]
    for i, cid in enumerate(cids):
        answer = k.post(f"/pins/{cid}?elastic=true&replication=1"
                        f"&name=item-{i}")
        assert answer.status == 200, answer
        read(k, cid, 20 * (i + 1))
        cluster.wait_pinned(cid, 1)
    until(lambda: set(scores(k, "top")) == set(cids), 60, "all are held")
    sizes = [score(k, cid)["size"] for cid in cids]
    assert all(score(k, cid)["measured"] for cid in cids)

    def simulate(*options):
        done = pinfold(cluster, "score", "simulate", "--output", "json",
                       *options)
        assert done.returncode == 0, done
        return json.loads(done.stdout)

    def named(answer, key):
        return [item["cid"] for item in answer[key]]
    same = simulate()
    assert same["fates"]["stays"] == {"pins": 6, "bytes": sum(sizes)}, same
    assert same["goes"] == [] and same["comes"] == []
    assert same["complete"] is True and same["frontier"] is None
    order = sorted(range(6), key=lambda i: score(k, cids[i])["key"])
    budget = sum(sizes[i] for i in order[3:])
    half = simulate("--budget", str(budget))
    assert named(half, "goes") == [cids[i] for i in order[:3]], half
    assert {item["fate"] for item in half["goes"]} == {"displaced"}
    assert half["fates"]["stays"]["pins"] == 3
    assert half["room"] == budget and half["frontier"] is not None
    shown = pinfold(cluster, "score", "simulate", "--budget", str(budget))
    assert re.search(r"displaced +3 .*no room", shown.stdout), shown
    assert f"item-{order[0]}" in shown.stdout, shown

    # What it says of other thresholds is what then happens.
    line = (score(k, cids[1])["priority"] + score(k, cids[2])["priority"]) / 2
    change = ("--in", f"{line + 0.01:.4f}", "--out", f"{line:.4f}")
    told = simulate(*change)
    assert set(named(told, "goes")) == set(cids[:2]), told
    assert {item["fate"] for item in told["goes"]} == {"fades"}
    assert set(scores(k, "top")) == set(cids), "nothing was done"
    done = pinfold(cluster, "formula", *change, "--residency", "0s")
    assert done.returncode == 0, done
    until(lambda: set(scores(k, "top")) == set(cids[2:]), 60, "as it said")
    back = simulate("--in", "0.125", "--out", "0.075")
    assert set(named(back, "comes")) == set(cids[:2]), back
    done = pinfold(cluster, "formula", "--reset")
    assert done.returncode == 0, done
    until(lambda: set(scores(k, "top")) == set(cids), 60, "as it said")
    for query, text in (("budget=0", "budget"), ("limit=1001", "limit"),
                        ("in=0.1&out=0.2", "out"), ("wait=1", "unknown")):
        answer = k.get(f"/api/v1/scores/simulate?{query}")
        assert answer.status == 400 and text in answer.text(), answer


def test_offers_by_list(make_cluster, tmp_path):
    cluster = make_cluster(nodes=1, daemon="fake")
    cids = [make_cid() for _ in range(700)]
    lines = [f"{cid} 2MiB item {i}" for i, cid in enumerate(cids[:3])]
    lines += ["", "# a remark", "nonsense", f"{cids[3]} lots"]
    lines += [json.dumps({"cid": cids[3], "size": 3_000_000, "min": 1,
                          "max": 4}),
              json.dumps({"cid": cids[3], "rmin": 1}), '{"cid":']
    lines += cids[4:] + [json.dumps({"cid": cids[0], "size": -1})]
    path = tmp_path / "list"
    path.write_text("\n".join(lines), encoding="ascii")
    done = pinfold(cluster, "offer", "--file", str(path), "--replication",
                   "1")
    assert done.returncode == 1, done
    assert done.stdout == "offered 700, 0 were already, 5 failed\n", done
    wrong = [line for line in done.stderr.splitlines() if ":" in line]
    for number, text in ((6, "nonsense"), (7, "lots"), (9, "a member"),
                         (10, "JSON"), (len(lines), "size")):
        assert any(line.startswith(f"{path}:{number}: ") and text in line
                   for line in wrong), (number, wrong)
    k = cluster.any()
    cluster.wait_pinned(cids[0], 1, seconds=120)
    first = k.get(f"/allocations/{cids[0]}").json()
    assert first["name"] == "item 0", first
    assert k.get(f"/allocations/{cids[3]}").json()[
        "replication_factor_min"] == 1
    assert score(k, cids[699])["class"] in ("held", "candidate")
    # Again, from standard input, through whichever coordinator: nothing new.
    again = "\n".join(cids[4:])
    for c in cluster.coordinators:
        answer = c.post("/api/v1/offers?replication=1", body=b"\n".join(
            json.dumps({"cid": cid}).encode() for cid in cids[4:]),
            timeout=60)
        assert answer.status == 200, answer
        assert answer.json() == {"offered": 0, "already": 696, "failed": 0,
                                 "future": 0, "errors": []}, answer.json()
    done = pinfold(cluster, "offer", "--file", "-", "--replication", "1",
                   "--output", "json", stdin=again)
    assert json.loads(done.stdout) == {"offered": 0, "already": 696,
                                       "failed": 0}, done
    # What the state refuses is named, too.
    assert k.post("/api/v1/orgs/default/quota?pins=701").status == 200
    more = [make_cid() for _ in range(3)]
    answer = k.post("/api/v1/offers?replication=1", body="\n".join(
        json.dumps({"cid": cid}) for cid in more).encode()).json()
    assert (answer["offered"], answer["failed"]) == (1, 2), answer
    assert "quota" in answer["errors"][0]["error"], answer
    for query, body, status in (("replication=-1", b"", 400),
                                ("replication=x", b"", 400),
                                ("", b"x" * 300_000, 413)):
        answer = k.post(f"/api/v1/offers?{query}", body=body)
        assert answer.status == status, answer
    done = pinfold(cluster, "offer", cids[0], "--file", str(path))
    assert done.returncode == 2, done
    done = pinfold(cluster, "offer", "--file", str(tmp_path / "none"))
    assert done.returncode == 1 and "No such file" in done.stderr, done
    cluster.same_everywhere()


def test_formulas_within_bounds(make_cluster):
    """An organisation's administrator sets its formula, inside what the
    cluster's has opened."""
    cluster, root = closed_cluster(make_cluster, nodes=1)
    k, other = cluster.coordinators[0], cluster.coordinators[1]
    host = f"127.0.0.1:{k.http}"
    for name in ("lab", "press"):
        assert k.post(f"/api/v1/orgs?name={name}").status == 200
    until(lambda: all(len(c.get("/api/v1/orgs").json()) == 3
                      for c in cluster.coordinators), 20, "all know them")
    admin = local(cluster, "token", "create", "--org", "lab", "--name", "ann",
                  "--verbs", "read,pin,admin")
    reader = local(cluster, "token", "create", "--org", "lab", "--name",
                   "bob")
    known(cluster, bearer(admin))
    known(cluster, bearer(reader))
    path, bounds = "/api/v1/orgs/lab/formula", "/api/v1/formula/bounds"

    def ask(query, token, c=k, where=path):
        answer = c.post(f"{where}?{query}", headers=bearer(token))
        return answer.status, answer.json().get("message", "")

    def shown(c=k, token=root):
        return c.get("/api/v1/orgs/lab", headers=bearer(token)).json()
    # None: as before.
    assert k.get(bounds, headers=bearer(reader)).json() == {"bounds": {}}
    status, why = ask("usage=0.5", admin)
    assert status == 403 and why.startswith("there are no bounds"), why
    # Only the default organisation's operators set them.
    assert ask("usage=0..1", admin, where=bounds)[0] == 403
    for query, text in (("usage=1..0.5", "usage: '1..0.5' is neither"),
                        ("usage=0.5", "neither LOW..HIGH, within 0..1000"),
                        ("usage=0..1001", "usage"), ("in=0..2", "in"),
                        ("half-usage=1d..2d", "within 1m..87600h"),
                        ("saturation=0..5", "within 1..4294967295"),
                        ("weight=0..1", "unknown parameter 'weight'"),
                        ("usage=0..1&reset=true", "unknown parameter"),
                        ("", "no term is named"),
                        ("in=0..0.1&out=0.2..0.3", "no formula is within")):
        status, why = ask(query, root, where=bounds)
        assert status == 400 and text in why, (query, status, why)
    done = ctl(host, "formula", "bounds", "--usage", "0.5..1",
               "--half-usage", "1d..14d", "--in", "0..0.5", token=root)
    assert done.returncode == 0, done
    assert re.search(r"half-usage +24h +336h", done.stdout), done.stdout
    assert re.search(r"quality +- +-", done.stdout), done.stdout
    until(lambda: "usage" in other.get(bounds).json()["bounds"], 20,
          "the others know them")
    assert other.get(bounds).json()["bounds"]["half_usage_ms"] == {
        "low": 86400_000, "high": 14 * 86400_000}

    # Inside, by the program; no ORG is its own.
    done = ctl(host, "formula", "--usage", "0.5", "--half-usage", "3d",
               token=admin)
    assert done.returncode == 0, done
    assert re.search(r"usage +0.50000 +0.50000 +1.00000", done.stdout), done
    assert re.search(r"half-usage +72h +24h +336h", done.stdout), done
    until(lambda: shown(other)["formula"]["usage"] == 0.5, 20, "it is set")
    assert shown(other)["own_formula"] is True
    assert other.get("/api/v1/orgs/press").json()["own_formula"] is False
    # Outside, not open, another's, without the verb.
    done = ctl(host, "formula", "--usage", "1.5", token=admin)
    assert done.returncode == 6, done
    assert "usage: 1.5 is outside of its bounds, 0.5 to 1" in done.stderr
    status, why = ask("quality=0.2", admin, other)
    assert status == 403 and why.startswith("quality: it must stay 0.1, "), why
    assert ask("usage=1", reader)[0] == 403
    assert ask("usage=1", admin, where="/api/v1/orgs/press/formula")[0] == 404
    # An administrator is not bound, but in its name.
    assert ask("quality=0.2", root)[0] == 200
    answer = k.post(f"{path}?quality=0.3",
                    headers={**bearer(root), "X-Pinfold-Org": "lab"})
    assert answer.status == 403, answer
    until(lambda: shown(other)["formula"]["quality"] == 0.2, 20, "it is set")

    # Narrowed: shown, used, and inside with what is set next.
    assert ask("usage=0.6..0.7", root, where=bounds)[0] == 200
    until(lambda: shown(other)["formula_outside"] == ["usage"], 20, "shown")
    assert shown(other)["formula"]["usage"] == 0.5
    done = ctl(host, "formula", token=admin)
    assert re.search(r"usage +0.50000 .* outside", done.stdout), done
    status, why = ask("half-usage=48h", admin, other)
    assert status == 403 and "usage: 0.5 is outside" in why, why
    assert ask("half-usage=48h&usage=0.65", admin, other)[0] == 200
    until(lambda: shown()["formula_outside"] == [], 20, "inside")
    # What `score simulate` tries is anybody's.
    assert k.get("/api/v1/scores/simulate?usage=5&quality=7",
                 headers=bearer(reader)).status == 200
    done = ctl(host, "formula", "bounds", "--usage", "none", token=root)
    assert done.returncode == 0, done
    done = ctl(host, "formula", "bounds", "--reset", token=root)
    assert done.returncode == 0, done
    until(lambda: not other.get(bounds).json()["bounds"], 20, "none")
    assert ask("reset=true", admin, other)[0] == 403
    assert ask("reset=true", root)[0] == 200
    until(lambda: not shown(other)["own_formula"], 20, "reset")
    cluster.same_everywhere()


def test_prices_are_ones_own(make_cluster):
    """What room costs says nothing of what others have, but to operators of
    the default organisation."""
    cluster, root = closed_cluster(make_cluster, nodes=1)
    k = cluster.coordinators[0]
    assert k.post("/api/v1/orgs?name=lab").status == 200
    until(lambda: all(len(c.get("/api/v1/orgs").json()) == 2
                      for c in cluster.coordinators), 20, "all know it")
    lab = local(cluster, "token", "create", "--org", "lab", "--name", "ann")
    plain = local(cluster, "token", "create", "--name", "bob")
    known(cluster, bearer(lab))
    known(cluster, bearer(plain))
    path = "/api/v1/scores/frontier"

    def offered(token, cid, size):
        answer = k.post(f"/pins/{cid}?elastic=true&replication=1&size={size}"
                        "&meta-tag=web", headers=bearer(token))
        assert answer.status == 200, answer

    def priced(token, c=k):
        answer = c.get(path, headers=bearer(token))
        assert answer.status == 200, answer
        return answer.json()["others"], {
            s["scope"]: s for s in answer.json()["scopes"]}
    # Of the same content each has its own; a cheaper one is the default's.
    theirs, common = make_cid(), make_cid()
    offered(root, theirs, 9_000_000)
    offered(root, common, 5_000_000)
    offered(lab, common, 5_000_000)
    cluster.wait_pinned(theirs, 1)
    cluster.wait_pinned(common, 1)
    answer = k.post("/api/v1/orgs/lab/tags?tag=web&physical=7000000")
    assert answer.status == 200, answer
    until(lambda: all("cid" in priced(lab)[1].get(scope, {})
                      for scope in ("organisation", "cluster", "tag")), 20,
          "its own is held, and its tag has a quota")
    others, own = priced(lab)
    assert not others and own["organisation"]["name"] == "lab"
    assert own["organisation"]["cid"] == own["cluster"]["cid"] == common
    assert own["tag"]["cid"] == common and own["tag"]["room"] < 7_000_000
    assert own["organisation"]["room"] is None
    assert own["node"]["key"] is None, "others want it there, too"
    assert not any("org" in s for s in own.values()), own
    others, shown = priced(root)
    assert others and shown["cluster"]["cid"] == theirs
    assert not priced(plain)[0]

    # Nothing of the cluster's own room is said, but that it lacks.
    assert k.post("/api/v1/quota?physical=20000000").status == 200
    mine = make_cid()
    offered(lab, mine, 30_000_000)
    for token, seen in ((lab, False), (root, True)):
        if seen:
            offered(root, mine, 30_000_000)
        until(lambda t=token: k.get(f"/api/v1/pins/{mine}/score",
                                    headers=bearer(t)).status == 200, 20,
              "it is a candidate")
        worth = k.get(f"/api/v1/pins/{mine}/score",
                      headers=bearer(token)).json()
        room = worth["needs"]["room"]
        assert worth["class"] == "candidate" and room["cluster_lacks"]
        assert ("cluster_lack" in room) is seen, room
        assert room["lack"] == 0 and not room["clears"], room
        assert any(("all organisations together" in t) is seen
                   for t in worth["changes"]), worth
    assert k.get(path).status == 200
    assert k.get(path, headers={"Authorization": "Bearer no"}).status == 401


def test_when_it_was_made(make_cluster, tmp_path):
    """created_at from outside: missing, in the future, before 1970, before the
    first claim; and whoever only rates."""
    cluster, root = closed_cluster(make_cluster, nodes=1)
    k, other = cluster.coordinators[0], cluster.coordinators[1]
    host = f"127.0.0.1:{k.http}"
    plain = local(cluster, "token", "create", "--name", "ann")
    rater = local(cluster, "token", "create", "--name", "bob", "--verbs",
                  "read,quality")
    dater = local(cluster, "token", "create", "--name", "eve", "--verbs",
                  "read,curator")
    for token in (plain, rater, dater):
        known(cluster, bearer(token))
    cid = make_cid()

    def recency(c=k):
        return score(c, cid)["recency"]

    def posted(query, token=root, path=f"/pins/{cid}?elastic=true&"):
        return k.post(path + query, headers=bearer(token))
    assert posted("replication=1").status == 200
    assert recency() == 1 and score(k, cid)["inputs"]["created_ms"] > 0
    answer = posted("replication=1&created-at=1969-12-31T23:59:59Z")
    assert answer.status == 200 and answer.json()["cid"] == cid, answer
    assert answer.headers.get("warning") is None and recency() == 0
    answer = posted("replication=1&created-at=2999-01-01T00:00:00Z")
    assert answer.status == 200 and recency() == 1, answer
    assert "in the future" in answer.headers["warning"], answer.headers
    month = int(time.time() * 1000) - 30 * 86400_000
    for at in ("-5", str(month)):
        assert posted(f"created-at={at}&replication=1").status == 200
    assert abs(recency() - 0.5) < 0.001
    for bad in ("yesterday", "2026-13-01T00:00:00Z", "1e9", "99999999999999999"
                "999"):
        answer = posted(f"replication=1&created-at={bad}")
        assert answer.status == 400 and "created-at" in answer.body.decode()
    # Who is no curator says nothing of what was before the first claim.
    path = f"/api/v1/pins/{cid}/created?"
    assert posted(f"at={month - 1}", plain, path).json() == {"changed": False}
    assert posted(f"at={month - 1}", rater, path).status == 403
    assert posted(f"at={month - 1}", dater, path).json() == {"changed": True}
    assert posted("", dater, path).status == 400
    assert posted("at=5", dater, f"/api/v1/pins/{make_cid()}/created?"
                  ).status == 404
    until(lambda: score(other, cid)["inputs"]["created_ms"] == month - 1, 20,
          "the others know it")

    # Ratings by who does nothing else; the median of the latest of each.
    path = f"/api/v1/pins/{cid}/rating?quality="
    for token, quality in ((rater, "0.2"), (plain, "0.4"), (root, "0.9"),
                           (rater, "0.8")):
        assert posted(quality, token, path).status == 200
    assert abs(score(k, cid)["quality"] - 0.8) < 0.001
    assert len(score(k, cid)["inputs"]["ratings"]) == 3
    assert posted("0.1", dater, path).status == 403
    assert posted("NaN", rater, path).status == 400
    assert k.post(f"/pins/{make_cid()}", headers=bearer(rater)).status == 403

    # Lists say it line by line, and the program does.
    cids = [make_cid() for _ in range(4)]
    dates = ('"2999-01-01T00:00:00Z"', str(month), '"1960-01-01T00:00:00Z"',
             '"soon"')
    lines = "".join(f'{{"cid":"{c}","created_at":{at}}}\n'
                    for c, at in zip(cids, dates))
    answer = k.post("/api/v1/offers?replication=1", body=lines.encode(),
                    headers=bearer(root))
    assert answer.status == 200, answer
    told = answer.json()
    assert (told["offered"], told["failed"], told["future"]) == (3, 1, 1), told
    assert "created_at" in told["errors"][0]["error"], told
    assert score(k, cids[0])["recency"] == 1
    assert abs(score(k, cids[1])["recency"] - 0.5) < 0.001
    assert score(k, cids[2])["recency"] == 0
    done = ctl(host, "offer", cids[3], "--replication", "1", "--created",
               "2020-01-01T00:00:00Z", token=root)
    assert done.returncode == 0, done
    assert score(k, cids[3])["recency"] == 0
    done = ctl(host, "offer", cids[3], "--created", "soon", token=root)
    assert done.returncode != 0 and "created-at" in done.stderr, done
    cluster.same_everywhere()
