"""What gateways' logs say of reads makes content worth more: each line counts
once, through rotation, restarts and changes of the leader; a client that
repeats itself hardly counts at all."""

import base64
import contextlib
import json
import math
import os
import random
import sqlite3
import time

from cluster import CALM, STEADY, make_cid
from process import until
from wire import request

ALL = 10 ** 12  # bytes: more than any content has
A_DAY = math.log(2) / 7  # what one read adds to the reads a day


def counted(cluster, cid):
    """Reads as the state has them, made whole from the rate."""
    answer = cluster.any().get(f"/api/v1/pins/{cid}/score")
    assert answer.status == 200, answer
    return answer.json()["reads_per_day"] / A_DAY


def counts(cluster, cid, reads, what):
    until(lambda: abs(counted(cluster, cid) - reads) < 0.01, 60,
          f"{reads} reads: {what}")


def address():
    return ".".join(str(random.randrange(1, 255)) for _ in range(4))


def combined(cid, who=None, status=200, method="GET", sent=ALL):
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    return (f'{who or address()} - - [{when}] "{method} /ipfs/{cid}/a?b '
            f'HTTP/1.1" {status} {sent} "-" "curl/8"\n')


def caddy(cid, who=None):
    return json.dumps({
        "level": "info", "ts": time.time(), "msg": "handled request",
        "request": {"remote_ip": who or address(), "method": "GET",
                    "host": f"{cid}.ipfs.example.org", "uri": "/"},
        "size": ALL, "status": 200}) + "\n"


def write(path, text, mode="a"):
    with open(path, mode, encoding="latin1") as f:
        f.write(text)


def score(c, cid):
    return c.get(f"/api/v1/pins/{cid}/score").json()


def start(make_cluster, tmp_path, nodes=3, more_agent=None, **more):
    cluster = make_cluster(nodes=nodes, daemon="fake", agent_options={
        "gateway-logs": f"{tmp_path}/access-{{node}}.log",
        "reads-interval": "200ms", **(more_agent or {})}, **more)
    cid = make_cid()
    answer = cluster.any().post(f"/pins/{cid}?elastic=true&replication=1")
    assert answer.status == 200, answer
    cluster.wait_pinned(cid, 1)
    return cluster, cid, [f"{tmp_path}/access-{n + 1}.log"
                          for n in range(nodes)]


def test_each_read_counts_once(make_cluster, tmp_path):
    cluster, cid, logs = start(make_cluster, tmp_path, options=STEADY)
    before = cluster.any().get(f"/api/v1/pins/{cid}/score").json()
    required = make_cid()
    assert cluster.any().post(f"/pins/{required}").status == 200
    write(logs[0], "".join(combined(cid) for _ in range(300)))
    write(logs[1], "".join(caddy(cid) for _ in range(40)))
    write(logs[2], combined(required))
    counts(cluster, cid, 340, "of two gateways")
    counts(cluster, required, 1, "of a required pin")
    after = cluster.any().get(f"/api/v1/pins/{cid}/score").json()
    assert after["usage"] > before["usage"] + 0.3
    assert after["priority"] > before["priority"]

    # A client that repeats itself, and what is no read, or nobody's.
    write(logs[0], combined(cid, "192.0.2.1") * 500 +
          "".join(combined(cid, f"2001:db8::{n:x}") for n in range(50)) +
          combined(cid, status=404) + combined(cid, method="HEAD") +
          "".join(combined(make_cid()) for _ in range(7)) +
          "\x00\xff rubbish\n{\n" + "x" * 200_000 + "\n" + combined(cid))
    counts(cluster, cid, 343, "one of a client")
    until(lambda: cluster.leader().metric("pinfold_reads_unknown_total") == 7,
          30, "nobody claims them")

    def malformed():
        text = cluster.leader().get("/metrics").text()
        return 'pinfold_gateway_malformed_total{node="node-1"} 3\n' in text
    until(malformed, 30, "lines of no form")

    # Rotation: renamed, and what is still written to the old one; copied and
    # truncated.
    os.rename(logs[0], logs[0] + ".1")
    write(logs[0] + ".1", combined(cid))
    write(logs[0], combined(cid) * 2)
    with open(logs[1], "w", encoding="ascii") as f:
        f.truncate(0)
    counts(cluster, cid, 345, "behind the renamed one")
    write(logs[1], caddy(cid))
    counts(cluster, cid, 346, "behind the truncated one")

    # An agent that falls, and its log that is rotated meanwhile.
    cluster.agents[0].kill9()
    write(logs[0], "".join(combined(cid) for _ in range(20)))
    os.rename(logs[0], logs[0] + ".2")
    write(logs[0], "".join(combined(cid) for _ in range(4)))
    cluster.agents[0].start()
    counts(cluster, cid, 370, "after a restart")
    for _ in range(2):
        cluster.agents[0].terminate()
        cluster.agents[0].start()
    cluster.wait_sessions(cluster.agents[0])
    write(logs[0], combined(cid))
    counts(cluster, cid, 371, "and after two more")
    cluster.same_everywhere()


def test_first_reads_of_a_node(make_cluster, tmp_path):
    """Of a node of which the state has no report: the journal seems old to
    the leader, and what it has still to say of reads is said."""
    cluster, cid, logs = start(make_cluster, tmp_path, nodes=2,
                               coordinators=1)
    k = [i for i, d in enumerate(cluster.daemons) if not d.has(cid)][0]
    agent, c = cluster.agents[k], cluster.coordinators[0]
    c.kill9()

    raw = base64.b32decode(cid[1:].upper() + "=" * (-(len(cid) - 1) % 8))

    def written():
        for name in os.listdir(agent.data):
            if name.startswith("journal"):
                with open(os.path.join(agent.data, name), "rb") as f:
                    if raw in f.read():
                        return True
        return False
    # No order of that node's names the CID: its bytes come with the reads.
    write(logs[k], "".join(combined(cid) for _ in range(9)))
    until(written, 20, "they are on their way into the journal")
    # One loop: whoever has an answer, that transaction has ended.
    until(lambda: request(agent.http, "GET", "/metrics").status == 200, 20,
          "and in it")
    agent.kill9()
    with contextlib.closing(sqlite3.connect(
            os.path.join(agent.data, "journal.db"))) as j:
        assert j.execute("SELECT count(*) FROM reports").fetchone()[0] > 0
    c.start()
    until(c.ready, 30, "the coordinator is ready")
    agent.start()
    counts(cluster, cid, 9, "after a restart")
    assert "event=journal_old" in agent.log_text()
    write(logs[k], combined(cid) * 2)
    counts(cluster, cid, 10, "and no line twice")


def identity_cid(n):
    """The shortest ones: what they name is in them."""
    raw = bytes((1, 0x55, 0, 2)) + n.to_bytes(2, "big")
    return "b" + base64.b32encode(raw).decode().lower().rstrip("=")


def test_a_flood_of_the_shortest_lines(make_cluster, tmp_path):
    cluster, _, logs = start(make_cluster, tmp_path, nodes=1,
                             more_agent={"reads-interval": "1h"})
    agent, line = cluster.agents[0], '{}  [] "GET /ipfs/{}" 200 5\n'
    # Pieces of 64 KiB: two that leave room for half of what is in the next.
    wide = [line.format(f"{n:015}", identity_cid(n)) for n in range(2600)]
    narrow = [line.format(f"{n % 2600:x}", identity_cid(n))
              for n in range(2600, 9000)]
    write(logs[0], "".join(wide + narrow))
    series = 'pinfold_agent_gateway_lines_total{kind="read"} '

    def lines():
        text = request(agent.http, "GET", "/metrics", timeout=10).text()
        return int(float(text.split(series)[1].split("\n")[0]))
    until(lambda: lines() == 9000, 30, "each line is read")


def push(coordinator, batch, *items, source="gw", array=False):
    lines = [item if isinstance(item, str) else json.dumps(item)
             for item in items]
    body = "[" + ",".join(lines) + "]" if array else "\n".join(lines)
    answer = coordinator.post(f"/api/v1/reads?source={source}&batch={batch}",
                              body=body.encode())
    assert answer.status == 200, answer
    return answer.json()


def test_a_push_that_failed_counts_when_it_comes_again(make_cluster):
    cluster = make_cluster(nodes=1, daemon="fake")
    first, second, third = cluster.coordinators[:3]
    cid = make_cid()
    answer = first.post(f"/pins/{cid}?elastic=true&replication=1")
    assert answer.status == 200, answer
    reads = "".join(json.dumps({"cid": cid, "client": f"c{n}"}) + "\n"
                    for n in range(5)).encode()
    for other in (second, third):
        other.kill9()
    answer = first.post("/api/v1/reads?source=gw&batch=1", body=reads)
    assert answer.status >= 500, answer
    for other in (second, third):
        other.start()
    until(lambda: first.get("/readyz").status == 200, 60, "ready again")

    def again():
        return first.post("/api/v1/reads?source=gw&batch=1", body=reads)
    done = until(lambda: (x := again()).status == 200 and x.json(), 60,
                 "it is taken")
    assert done["repeated"] == 0, done
    counts(cluster, cid, 5, "once")
    assert again().json()["reads"] == 0
    counts(cluster, cid, 5, "still")


def test_gateways_push(make_cluster):
    cluster = make_cluster(nodes=1, daemon="fake", options=CALM)
    first, second = cluster.coordinators[:2]
    cid, other = make_cid(), make_cid()
    for c in (cid, other):
        answer = first.post(f"/pins/{c}?elastic=true&replication=1")
        assert answer.status == 200, answer
    done = push(first, 7, {"cid": cid, "count": 2.5}, "",
                {"cid": cid, "id": "e1", "at": "2026-01-01T00:00:00Z"},
                {"cid": cid, "client": "192.0.2.1"},
                {"cid": cid, "client": "192.0.2.1"},
                {"cid": other, "client": "192.0.2.1", "at": 1},
                {"cid": make_cid(), "count": 9})
    assert done == {"batch": 7, "already": False, "items": 6, "reads": 5.5,
                    "repeated": 1, "unknown": 1, "failed": 0, "errors": []}
    counts(cluster, cid, 4.5, "one batch")
    counts(cluster, other, 1, "one batch")
    cluster.same_everywhere()  # the second one knows what is claimed
    # Again, through another coordinator, and one that comes late.
    assert push(second, 7, {"cid": cid, "count": 2.5})["already"] is True
    assert push(second, 6, {"cid": cid, "count": 2.5})["reads"] == 0
    assert push(second, 6, {"cid": cid}, source="gw2")["reads"] == 1
    counts(cluster, cid, 5.5, "of another source")

    # More contents than an operation has, and bad items among them.
    cids = [make_cid() for _ in range(600)]
    for i in range(0, 600, 7):
        assert first.post(f"/pins/{cids[i]}?replication=1").status == 200
    bad = ["{", "[]", {"count": 1}, {"cid": "Qm", "id": "mine"},
           {"cid": cid, "count": 0}, {"cid": cid, "count": 1e9},
           {"cid": cid, "count": "1"}, {"cid": cid, "client": 7},
           {"cid": cid, "count": 1, "client": "x"},
           {"cid": cid, "at": "noon"}, {"cid": cid, "cuont": 3}]
    done = push(first, 8, *bad, *({"cid": c} for c in cids))
    assert (done["items"], done["failed"], done["reads"], done["unknown"]) == (
        611, 11, 86, 514), done
    assert [e["item"] for e in done["errors"]] == list(range(1, 12))
    assert done["errors"][3]["id"] == "mine"
    assert "cid" in done["errors"][3]["error"]
    counts(cluster, cids[595], 1, "in the last part")
    counts(cluster, cid, 5.5, "nothing of bad items")
    done = push(first, 9, *({"cid": c} for c in cids[:3]), array=True)
    assert done["reads"] == 1, done

    for path, body, status, text in (
            ("?source=gw", "", 400, "batch"), ("?batch=1", "", 400, "source"),
            ("?source=gw&batch=0", "", 400, "batch"),
            ("?source=gw&batch=x", "", 400, "batch"),
            ("?source=gw&batch=10", "[1,", 400, "body"),
            ("?source=gw&batch=10", "x" * 300_000, 413, "bytes")):
        answer = first.post("/api/v1/reads" + path, body=body.encode())
        assert answer.status == status, (path, answer)
        assert text in answer.json()["message"], (path, answer.json())
    done = push(first, 10, *["x"] * 5000)
    assert done["failed"] == 4097 and len(done["errors"]) == 100, done
    cluster.same_everywhere()


def test_leaders_fall(make_cluster, tmp_path):
    cluster, cid, logs = start(make_cluster, tmp_path)
    total = 0
    for turn in range(3):
        leader = cluster.leader()
        for log in logs:
            write(log, "".join(combined(cid) for _ in range(50)))
        total += 150
        time.sleep(random.random() * 0.4)  # anywhere in a report's way
        leader.kill9()
        for log in logs:
            write(log, "".join(combined(cid) for _ in range(50)))
        total += 150
        leader.start()
        until(lambda: leader.ready(), 60, "it is back")
        counts(cluster, cid, total, f"turn {turn}")
    cluster.same_everywhere()


def test_offers_of_what_is_read(make_cluster, tmp_path):
    """Where the node's owner wants it, what is read enough is offered."""
    cluster, cid, logs = start(make_cluster, tmp_path, nodes=2, more_agent={
        "offer-reads": 10}, options=STEADY)
    k = cluster.any()
    popular, seldom, mine = make_cid(), make_cid(), make_cid()
    assert k.post(f"/pins/{mine}?replication=1&name=mine").status == 200
    write(logs[0], "".join(combined(popular) for _ in range(6)) +
          combined(popular, "192.0.2.1") * 50 +
          "".join(combined(seldom) for _ in range(9)))
    counts(cluster, cid, 0, "nothing yet")
    until(lambda: 'gateway_lines_total{node="node-1"} 65\n' in
          cluster.leader().get("/metrics").text(), 30, "all were looked at")
    assert k.get(f"/allocations/{popular}").status == 404
    write(logs[1], "".join(combined(popular) for _ in range(4)) +
          "".join(combined(mine) for _ in range(40)))
    cluster.wait_pinned(popular, 2)
    got = k.get(f"/allocations/{popular}").json()
    assert got["name"] == "read at node-2", got
    assert got["expire_at"] > "2000", got
    assert score(k, popular)["class"] == "held"
    counts(cluster, mine, 40, "as ever")
    got = k.get(f"/allocations/{mine}").json()
    assert got["name"] == "mine" and got["expire_at"] < "2000", got
    assert k.get(f"/allocations/{seldom}").status == 404
    # It counts from then on, and is removed as others are.
    write(logs[0], "".join(combined(popular) for _ in range(3)))
    counts(cluster, popular, 3, "it is claimed")
    assert k.delete(f"/pins/{popular}").status == 200
    until(lambda: not any(d.has(popular) for d in cluster.daemons), 30,
          "gone")
    cluster.same_everywhere()


def test_nobody_listens(make_cluster, tmp_path):
    """Logs wait on the disk while no coordinator takes reports."""
    cluster, cid, logs = start(make_cluster, tmp_path, nodes=1,
                               coordinators=1)
    cluster.coordinators[0].kill9()
    others = [make_cid() for _ in range(6000)]
    write(logs[0], "".join(combined(other) for other in others))
    write(logs[0], "".join(combined(cid) for _ in range(100)))
    cluster.coordinators[0].start()
    until(lambda: cluster.coordinators[0].ready(), 60, "it is back")
    counts(cluster, cid, 100, "those behind too")
    until(lambda: cluster.coordinators[0].metric(
        "pinfold_reads_unknown_total") == 6000, 60, "all were looked at")
