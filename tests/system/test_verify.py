"""Verification on real processes: what a daemon loses is noticed, told and
made again, in the background and when somebody asks."""

import contextlib
import json
import signal
import subprocess
import threading
import time

import pytest
from cluster import CALM, STEADY, make_cid, pinfold
from load import pin_many
from process import clean_env, program, until
from test_nodes import row

QUICK = {"verify-rate": "36000"}


def verify(c, name):
    return row(c, name)["verify"]


def total(c, word):
    return sum(n["verify"][word] for n in c.status()["nodes"])


def pin(cluster, seeds, copies=3):
    cids = [make_cid(f"verify {s}") for s in seeds]
    for cid in cids:
        answer = cluster.any().post(f"/pins/{cid}?replication={copies}")
        assert answer.status == 200, answer
    for cid in cids:
        for c in cluster.coordinators:
            cluster.wait_pinned(cid, copies, where=c)
    return cids


def test_lost_copies_are_found(make_cluster):
    """Without a word of the daemon, and long before the agent compares."""
    cluster = make_cluster(nodes=3, daemon="fake",
                           options={**QUICK, **STEADY, **CALM})
    cids = pin(cluster, range(20))
    leader = cluster.leader()
    until(lambda: all(n["verify"]["round_ms_ago"] is not None
                      for n in leader.status()["nodes"]), 60,
          "each node was walked")
    before = leader.status()["nodes"]
    assert {n["verify"]["missing"] for n in before} == {0}
    assert {n["verify"]["failed"] for n in before} == {0}
    lost = cids[3], cids[17]
    for cid in lost:
        cluster.daemons[1].lose(cid)
    assert not cluster.daemons[1].has(lost[0])
    until(lambda: verify(leader, "node-2")["missing"] >= 2, 60,
          "both are missed")
    for cid in lost:
        cluster.wait_pinned(cid, 3)
    assert cluster.daemons[1].pins() == set(cids)
    time.sleep(3)  # a walk takes 2 s
    assert verify(leader, "node-2")["missing"] == 2
    assert total(leader, "missing") == 2 == sum(
        leader.metric(f'pinfold_verify_missing_total{{node="node-{i}"}}')
        for i in (1, 2, 3))
    lines = [line for line in leader.log_text().splitlines()
             if "event=copy_missing " in line]
    assert len(lines) == 2 and all("name=node-2" in s for s in lines), lines
    assert {cid for cid in lost if any(f"cid={cid}" in s for s in lines)} == \
        set(lost)
    for c in cluster.followers():
        assert verify(c, "node-2") is None
        assert "copy_missing" not in c.log_text()
        assert c.metric("pinfold_verify_checked_total") == 0
    out = pinfold(cluster, "node", "ls",
                  host=f"127.0.0.1:{leader.http}").stdout.splitlines()
    assert "VERIFIED" in out[0] and "s ago" in out[1], out


def test_off(make_cluster):
    """At a rate of 0 no daemon is asked."""
    cluster = make_cluster(coordinators=1, nodes=2, daemon="fake",
                           options={"verify-rate": "0", **CALM})
    cids = pin(cluster, range(5), copies=2)
    looks = [d.calls().get("pin/ls", 0) for d in cluster.daemons]
    cluster.daemons[0].lose(cids[0])
    time.sleep(3)
    one = cluster.leader()
    assert (total(one, "checked"), total(one, "failed")) == (0, 0)
    assert [d.calls().get("pin/ls", 0) for d in cluster.daemons] == looks
    assert not cluster.daemons[0].has(cids[0])
    assert row(one, "node-1")["verify"]["last_ms_ago"] is None


def test_a_node_that_does_not_answer(make_cluster):
    """Its daemon hangs, then its agent dies: no copy is missing for that,
    and the others go on."""
    cluster = make_cluster(coordinators=1, nodes=3, daemon="fake",
                           options=QUICK)
    cids = pin(cluster, range(5))
    one = cluster.leader()
    cluster.daemons[0].fault("pin/ls", "stall")
    until(lambda: verify(one, "node-1")["failed"] > 0, 60, "it hangs")
    cluster.daemons[0].heal()
    checked = verify(one, "node-1")["checked"]
    until(lambda: verify(one, "node-1")["checked"] > checked + 5, 60,
          "it goes on")
    cluster.agents[1].kill9()
    until(lambda: row(one, "node-2")["state"] in ("down", "out"), 30, "down")
    failed = verify(one, "node-2")["failed"]
    checked = verify(one, "node-3")["checked"]
    until(lambda: verify(one, "node-3")["checked"] > checked + 10, 60,
          "others are asked")
    assert verify(one, "node-2")["failed"] == failed
    assert total(one, "missing") == 0
    assert cluster.daemons[0].pins() >= set(cids)


# --- at once ---------------------------------------------------------------

@pytest.fixture(name="quiet")
def fixture_quiet(make_cluster):
    """Nothing is verified that nobody asks for."""
    return make_cluster(nodes=3, daemon="fake",
                        options={"verify-rate": "0", **CALM})


def table(done):
    """Rows of pinfold verify: CID, node, result, remark."""
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["CID", "NODE", "RESULT", "REMARK"], done
    return [line.split(None, 3) for line in lines[1:]]


def test_pins(quiet):
    """Every copy a line; a miss is 65, is told, and is made again."""
    cids = pin(quiet, range(2))
    for c in quiet.coordinators:
        done = pinfold(quiet, "verify", *cids, host=f"127.0.0.1:{c.http}")
        assert done.returncode == 0 and not done.stderr, done
        assert sorted(r[:3] for r in table(done)) == sorted(
            [cid, f"node-{i}", "held"] for cid in cids for i in (1, 2, 3))
        assert c.metric('pinfold_verify_asked_total{result="held"}') == 6
    quiet.daemons[1].lose(cids[0])
    one = quiet.followers()[0]
    done = pinfold(quiet, "verify", *cids, host=f"127.0.0.1:{one.http}")
    assert done.returncode == 65, done
    assert "1 of 6 copies are missing" in done.stderr
    assert [r[:3] for r in table(done) if r[2] != "held"] == \
        [[cids[0], "node-2", "missing"]]
    assert f"name=node-2 pin=1 cid={cids[0]}" in one.log_text()
    quiet.wait_pinned(cids[0], 3)
    assert quiet.daemons[1].has(cids[0])
    # It may be pinned again before the loss of it is known everywhere.
    done = until(lambda: (d := pinfold(quiet, "verify", "-o", "json", cids[0])
                          ).returncode == 0 and d, 30, "all is held")
    rows = json.loads(done.stdout)
    assert sorted(r["node"] for r in rows) == ["node-1", "node-2", "node-3"]
    assert {(r["cid"], r["result"], r["text"]) for r in rows} == {
        (cids[0], "held", "")}


def test_a_look_that_was_too_early(quiet):
    """One that a pin crossed did not see it: it is no loss, nor told."""
    cid, = pin(quiet, ["early"])
    d = quiet.daemons[1]
    d.fault("pin/ls", "answer", {"Message": "path is not pinned"}, cid=cid,
            count=1, status=500)
    done = pinfold(quiet, "verify", cid)
    assert [n for (c, _), n in d.hits().items() if c == cid] == [1]
    assert done.returncode == 0 and not done.stderr, done
    assert {r[2] for r in table(done)} == {"held"}
    one = quiet.coordinators[0]
    assert one.metric('pinfold_verify_asked_total{result="missing"}') == 0
    d.fault("pin/ls", "answer", {"Message": "path is not pinned"}, cid=cid,
            count=2, status=500)
    done = pinfold(quiet, "verify", cid)
    assert done.returncode == 65, done


def test_a_node(quiet):
    """All of its copies, or so many of them by chance, each once."""
    cids = pin_many(quiet, 300, query="replication=3")
    until(lambda: all(d.pins() >= set(cids) for d in quiet.daemons), 60,
          "all is pinned")
    for name in ("node-1", "node-2", "node-3"):
        until(lambda name=name: pinfold(quiet, "verify", "--node",
                                        name).returncode == 0, 60,
              f"all is reported by {name}")
    done = pinfold(quiet, "verify", "--node", "node-2")
    assert done.returncode == 0, done
    assert {r[1] for r in table(done)} == {"node-2"}
    assert sorted(r[0] for r in table(done)) == sorted(cids)
    seen = set()
    for _ in range(3):
        rows = table(pinfold(quiet, "verify", "--node", "node-2", "--sample",
                             "40"))
        assert len(rows) == len({r[0] for r in rows}) == 40
        seen |= {r[0] for r in rows}
    assert len(seen) > 60 and seen <= set(cids)
    rows = table(pinfold(quiet, "verify", "--node", "node-2", "--sample",
                         "1000"))
    assert len(rows) == len(cids)
    peer = row(quiet.any(), "node-1")["peer"]
    quiet.daemons[0].lose_all()
    done = pinfold(quiet, "verify", "--node", peer, "-o", "json")
    assert done.returncode == 65, done
    rows = json.loads(done.stdout)
    assert len(rows) == len(cids)
    assert {r["result"] for r in rows} <= {"missing", "held"}
    until(lambda: quiet.daemons[0].pins() >= set(cids), 60,
          "all is made again")


def test_who_does_not_answer(quiet):
    """A daemon that hangs, an agent that is gone, a copy that is not made
    yet: none of them is missing."""
    (cid,) = pin(quiet, ["there"])
    quiet.daemons[0].fault("pin/add", "stall")
    fresh = make_cid("fresh")
    quiet.any().post(f"/pins/{fresh}?replication=3")
    until(lambda: list(quiet.any().pin_states(fresh).values()).count(
        "pinned") == 2, 30, "two have it")
    done = pinfold(quiet, "verify", fresh)
    assert done.returncode == 9, done
    assert "1 of 3 copies are not pinned yet" in done.stderr
    assert [[fresh, "node-1", "pending", "not pinned yet"]] == \
        [r for r in table(done) if r[2] != "held"]
    quiet.daemons[0].heal()
    quiet.wait_pinned(fresh, 3)
    quiet.daemons[0].fault("pin/ls", "stall")
    done = pinfold(quiet, "verify", cid)
    assert done.returncode == 7, done
    assert "1 of 3 copies could not be asked for" in done.stderr
    (left,) = [r for r in table(done) if r[2] != "held"]
    assert left[:3] == [cid, "node-1", "unreachable"] and "time" in left[3]
    quiet.daemons[0].heal()
    quiet.agents[0].kill9()
    one = quiet.any()
    until(lambda: not row(one, "node-1")["connected"], 30, "it is gone")
    done = pinfold(quiet, "verify", cid, host=f"127.0.0.1:{one.http}")
    assert done.returncode == 7, done
    (left,) = [r for r in table(done) if r[2] != "held"]
    assert "not connected" in left[3]
    done = pinfold(quiet, "verify", "--node", "node-1",
                   host=f"127.0.0.1:{one.http}")
    assert done.returncode == 7 and "not connected" in done.stderr, done


def test_refusals(quiet):
    (cid,) = pin(quiet, ["one"])
    other = make_cid("nobody")
    one = quiet.any()
    for path, status, text in (
            ("/api/v1/pins/frob/verify", 400, "cid"),
            (f"/api/v1/pins/{other}/verify", 404, "not part of the pinset"),
            ("/api/v1/nodes/nobody/verify", 404, "no node has this name"),
            ("/api/v1/nodes/node-1/verify?sample=0", 400, "sample: '0'"),
            ("/api/v1/nodes/node-1/verify?sample=1001", 400, "sample:"),
            ("/api/v1/nodes/node-1/verify?sample=-1", 400, "sample:"),
            ("/api/v1/nodes/node-1/verify?sample=x", 400, "sample: 'x'")):
        answer = one.post(path)
        assert answer.status == status, (path, answer)
        assert text in answer.message().lower(), (path, answer)
    assert one.get(f"/api/v1/pins/{cid}/verify").status == 405
    done = pinfold(quiet, "verify", other, cid)
    assert done.returncode == 3, done
    assert f"{other}: pin is not part of the pinset" in done.stderr
    assert len(table(done)) == 3, done
    for words in (["frob"], [cid, "frob"], ["--sample", "5", cid], [],
                  ["--node", "node-1", cid],
                  ["--node", "node-1", "--sample", "0"]):
        done = pinfold(quiet, "verify", *words)
        assert done.returncode == 2 and not done.stdout, done
    done = pinfold(quiet, "verify", "--node", "nobody")
    assert done.returncode == 3 and "no node has this name" in done.stderr


def test_many_at_once(quiet):
    """Eight at a coordinator, and a stop ends one that waits."""
    (cid,) = pin(quiet, ["slow"])
    one, daemon = quiet.any(), quiet.daemons[0]
    daemon.fault("pin/ls", "stall", cid=cid)  # no other questions count

    def asked():
        return daemon.hits()[(cid, "pin/ls")]

    def ask(answers):
        with contextlib.suppress(OSError):
            answers.append(one.post(f"/api/v1/pins/{cid}/verify",
                                    timeout=60))

    def nine():
        """Whether the ninth is refused; if not, one of the eight had waited
        its 10 s by then."""
        before, answers = asked(), []
        threads = [threading.Thread(target=ask, args=(answers,))
                   for _ in range(8)]
        for t in threads:
            t.start()
        until(lambda: asked() >= before + 8 or answers, 60, "all are asked")
        ninth = one.post(f"/api/v1/pins/{cid}/verify", timeout=60)
        ended = len(answers)
        for t in threads:
            t.join()
        assert [a.status for a in answers] == [200] * 8
        assert {r["result"] for a in answers for r in a.lines()} == {
            "held", "unreachable"}
        if ninth.status == 503:
            assert "too many" in ninth.message(), ninth
            return True
        assert ninth.status == 200 and ended > 0, ninth
        return False

    assert any(nine() for _ in range(3))
    before = asked()
    last = threading.Thread(target=ask, args=([],))
    last.start()
    until(lambda: asked() > before, 30, "it is asked")
    one.terminate()
    last.join()
    one.start()
    quiet.wait_ready()


def test_a_client_that_leaves(quiet):
    """Nothing is asked for any more, and others may ask."""
    pin_many(quiet, 400, query="replication=3")
    one = quiet.any()
    # What is not reported yet is not asked for, and would take no time.
    until(lambda: pinfold(quiet, "verify", "--node", "node-1",
                          host=f"127.0.0.1:{one.http}").returncode == 0, 60,
          "all is reported")
    quiet.daemons[0].fault("pin/ls", "delay", ms=200)
    for _ in range(10):
        with subprocess.Popen(
                [program("ctl", "pinfold"), "--host",
                 f"127.0.0.1:{one.http}", "verify", "--node", "node-1", "-o",
                 "json"],
                env=clean_env(), text=True, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE) as p:
            assert p.stdout.read(1) == "["
            p.send_signal(signal.SIGINT)
            p.communicate(timeout=60)
            assert p.returncode == 130
    until(lambda: one.post("/api/v1/nodes/node-2/verify?sample=1").status ==
          200, 60, "there is room again")
    quiet.daemons[0].heal()
