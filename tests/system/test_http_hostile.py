"""Malformed, odd and broken HTTP against a running coordinator."""

import os

import http_abuse
import http_probe
import pytest
from cluster import make_cid, until

SECONDS = 60 if os.environ.get("PINFOLD_NIGHTLY") else 5
ROUTES = ["/id", "/pins", "/add", "/allocations", "/peers", "/metrics",
          "/pins/recover", "/api/v1/status", "/health/graph"]


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


@pytest.mark.parametrize("path", ["/id", "/add", "/pins"])
def test_probe(cluster, path):
    assert http_probe.probe("127.0.0.1", cluster.any().http, path) == []


def test_abuse(cluster):
    c = cluster.any()
    before, memory = descriptors(c), c.rss_bytes()
    shapes = [shape for path in ROUTES + ["/pins/" + make_cid(), "/x%zz"]
              for shape in http_abuse.requests(path)]
    made = http_abuse.abuse("127.0.0.1", c.http, shapes, SECONDS)
    assert made > 100
    assert c.alive()
    until(c.ready, 10, "it still answers")
    until(lambda: descriptors(c) <= before + 2, 40,
          "all connections are closed")
    # Sanitizers keep what was freed for a while.
    assert c.rss_bytes() - memory < 400 << 20
    cid = cluster.daemons[0].add(os.urandom(100))
    assert c.post(f"/pins/{cid}?replication=2").status == 200
    cluster.wait_pinned(cid, 2)
