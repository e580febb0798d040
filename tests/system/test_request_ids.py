"""What an API call was named shows in the log of the agent that worked for
it."""

import itertools
import json
import os
import re

import pytest
from cluster import CALM, Cluster, make_cid
from process import until
from psa import make_token
from wire import multipart, request


@pytest.fixture(scope="module", name="cluster")
def fixture_cluster(tmp_path_factory):
    c = Cluster(tmp_path_factory.mktemp("ids"), coordinators=1, nodes=1,
                options={"access-log": "on", **CALM},
                agent_options={"log-level": "debug", "stall-timeout": "6s"})
    try:
        yield c.start()
    finally:
        wrong = c.close()
    assert not wrong, wrong


def line(cluster, event, name):
    """The agent's one line of that event for that request."""
    start = re.compile(rf"event={event} (.* )?request={name}( |$)")

    def look():
        return [x for x in cluster.agents[0].log_text().splitlines()
                if start.search(x)]

    until(look, 20, f"{event} of {name}")
    assert len(look()) == 1, look()
    return look()[0]


def named(name, more=None):
    return {**(more or {}), "X-Request-Id": name}


def upload(cluster, name, query=""):
    headers, body = multipart({"f": os.urandom(2000)})
    return cluster.any().post("/add" + query, body=body,
                              headers=named(name, headers), timeout=60)


def test_uploads(cluster):
    answer = upload(cluster, "up-1")
    assert answer.status == 200, answer
    cid = answer.lines()[-1]["cid"]
    assert f"root={cid}" in line(cluster, "upload_ended", "up-1")
    answer = upload(cluster, "up-2", "?chunker=never")
    assert answer.status != 200 or "x-stream-error" in answer.trailers
    line(cluster, "upload_failed", "up-2")
    # A name that the coordinator made is as good.
    headers, body = multipart({"f": os.urandom(2000)})
    answer = cluster.any().post("/add", body=body, headers=headers)
    line(cluster, "upload_ended", answer.headers["x-request-id"])


def test_proxied(cluster):
    p = cluster.any()
    cluster.wait_ready()
    assert p.rpc("id", headers=named("id-1")).status == 200
    assert "command=id status=200" in line(cluster, "proxied", "id-1")
    assert p.rpc("log/level?arg=all&arg=info",
                 headers=named("no-1")).status == 403
    line(cluster, "proxy_refused", "no-1")
    headers, body = multipart({"f": os.urandom(2000)})
    answer = p.rpc("block/put?pin=true", body, named("put-1", headers))
    assert answer.status == 200, answer
    assert "command=block/put" in line(cluster, "proxied", "put-1")


def test_calls(cluster):
    p = cluster.any()
    answer = p.post("/pins/ipfs/" + make_cid() + "/none",
                    headers=named("path-1"), timeout=60)
    assert answer.status != 200, answer
    assert "call=resolve" in line(cluster, "call_failed", "path-1")
    cid = upload(cluster, "up-4").lines()[-1]["cid"]
    cluster.wait_pinned(cid, 1)
    answer = p.post(f"/api/v1/pins/{cid}/verify", headers=named("see-1"))
    assert answer.status == 200, answer
    assert "call=check reason=OK" in line(cluster, "call_ended", "see-1")
    answer = p.get("/api/v1/nodes/node-1/orphans", headers=named("list-1"))
    assert answer.status == 200, answer
    assert "call=orphans" in line(cluster, "call_ended", "list-1")
    names = (f"gc-{n}" for n in itertools.count(1))

    def collected():
        name = next(names)
        answer = p.post("/ipfs/gc", headers=named(name), timeout=60)
        assert answer.status == 200, answer
        (node,) = answer.json()["peer_map"].values()
        return "" if node.get("error") else name

    # An upload ends a moment after its answer, and its root is pinned later.
    name = until(collected, 60, "nothing is in the way of a collection")
    line(cluster, "gc_begins", name)
    assert "removed=" in line(cluster, "gc_ended", name)


def operation(cluster, name):
    """(kind, verdict, pin, index) of the coordinator's one line for it."""
    line, = until(lambda: [x for x in cluster.any().log_text().splitlines()
                           if f"event=operation id={name} " in x], 20,
                  f"the operation of {name}")
    return [re.search(rf" {key}=(\S+)", line)[1]
            for key in ("kind", "verdict", "pin", "index")]


def copy(cluster, event, pin, what):
    start = re.compile(rf"event={event} pin={pin} .*what={what}( |$)")
    return until(lambda: [x for x in cluster.agents[0].log_text().splitlines()
                          if start.search(x)], 60, f"{what} of pin {pin}")[0]


def test_pins(cluster):
    """Orders name no request: the pin's number joins the two logs."""
    c = cluster.any()
    cids = [cluster.daemons[0].add(os.urandom(100)) for _ in range(3)]
    token = make_token(c, "ids")
    assert c.post(f"/pins/{cids[0]}", headers=named("pin-1")).status == 200
    answer = request(c.pinning, "POST", "/pins",
                     json.dumps({"cid": cids[1]}).encode(),
                     named("pin-2", {"Authorization": f"Bearer {token}"}))
    assert answer.status == 202, answer
    assert c.rpc(f"pin/add?arg={cids[2]}", headers=named("pin-3")
                 ).status == 200
    kinds = ["CLAIM_PUT", "REQUEST_PUT", "CLAIM_PUT"]
    for n, kind in enumerate(kinds, 1):
        said, verdict, pin, index = operation(cluster, f"pin-{n}")
        assert (said, verdict) == (kind, "accepted")
        line = copy(cluster, "copy", pin, "pin")
        assert f" index={index} " in line and " cid=" in line, line
    # Let go by another request, and by the same number.
    pin = operation(cluster, "pin-1")[2]
    assert c.delete(f"/pins/{cids[0]}", headers=named("gone-1")).status == 200
    assert operation(cluster, "gone-1")[::2] == ["CLAIM_REMOVE", pin]
    copy(cluster, "copy", pin, "unpin")
    # One that nobody provides.
    assert c.post(f"/pins/{make_cid()}", headers=named("none-1")
                  ).status == 200
    line = copy(cluster, "copy_failed", operation(cluster, "none-1")[2],
                "pin")
    assert " level=info " in line and re.search(r" reason=\w+ text=", line)
