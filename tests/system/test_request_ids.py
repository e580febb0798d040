"""What an API call was named shows in the log of the agent that worked for
it."""

import os
import re

import pytest
from cluster import Cluster, make_cid
from process import until
from wire import multipart


@pytest.fixture(scope="module", name="cluster")
def fixture_cluster(tmp_path_factory):
    c = Cluster(tmp_path_factory.mktemp("ids"), coordinators=1, nodes=1,
                agent_options={"log-level": "debug"})
    try:
        yield c.start()
    finally:
        wrong = c.close()
    assert not wrong, wrong


def line(cluster, event, request):
    """The agent's one line of that event for that request."""
    start = re.compile(rf"event={event} (.* )?request={request}( |$)")

    def look():
        return [x for x in cluster.agents[0].log_text().splitlines()
                if start.search(x)]

    until(look, 20, f"{event} of {request}")
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
    answer = p.post("/ipfs/gc", headers=named("gc-1"), timeout=60)
    assert answer.status == 200, answer
    line(cluster, "gc_begins", "gc-1")
    assert "removed=" in line(cluster, "gc_ended", "gc-1")
