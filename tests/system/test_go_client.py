"""The unmodified client for Go of IPFS Cluster (package api/rest/client), out
of a checkout that PINFOLD_CLUSTER_SOURCE names, against a running cluster:
tests/goclient makes every call, here its checks are read."""

import os
import subprocess

import pytest
from process import clean_env
from test_tokens import ALL, basic, closed_cluster, known, local

SOURCE = os.environ.get("PINFOLD_CLUSTER_SOURCE")
PROGRAM = os.path.join(os.path.dirname(__file__), "..", "goclient", "main.go")
CHECKS = 16

pytestmark = pytest.mark.skipif(
    not SOURCE, reason="PINFOLD_CLUSTER_SOURCE names no checkout of the "
    "reference")


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Built in the checkout, with the versions of libraries it names."""
    made = str(tmp_path_factory.mktemp("go") / "goclient")
    done = subprocess.run(
        ["go", "build", "-o", made, os.path.abspath(PROGRAM)], cwd=SOURCE,
        capture_output=True, text=True, timeout=1800, check=False,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"})
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").write_bytes(os.urandom(400_000))
    (tmp_path / "dir" / "a").write_bytes(b"a")
    (tmp_path / "dir" / "b").write_bytes(os.urandom(3000))
    return str(tmp_path)


def run_all(client, cluster, folder, *login):
    first = cluster.coordinators[0]
    node = next(p for p in first.get("/peers").lines()
                if p["peername"] == "node-3")
    cid = cluster.daemons[0].add(os.urandom(5000), pin=True)  # RepoGC stays off
    done = subprocess.run(
        [client, ",".join(f"/ip4/127.0.0.1/tcp/{c.http}"
                          for c in cluster.coordinators),
         f"/ip4/127.0.0.1/tcp/{first.proxy}", folder, cid, node["id"],
         *login], env=clean_env(), capture_output=True, text=True,
        timeout=600, check=False)
    failed = [x for x in done.stdout.splitlines() if not x.startswith("ok ")]
    assert not failed and done.returncode == 0, (failed, done.stderr)
    assert len(done.stdout.splitlines()) == CHECKS, done.stdout


def test_every_call(make_cluster, client, folder):
    run_all(client, make_cluster(coordinators=3, nodes=4), folder)


def test_with_a_user(make_cluster, client, folder):
    cluster, _ = closed_cluster(make_cluster, nodes=4)
    local(cluster, "user", "add", "gopher", "--verbs", ALL,
          text="secret gopher\n")
    known(cluster, basic("gopher", "secret gopher"), "/pins")
    run_all(client, cluster, folder, "gopher", "secret gopher")
