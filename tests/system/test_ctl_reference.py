"""The unmodified ipfs-cluster-ctl, named by PINFOLD_CLUSTER_CTL, against a
running cluster."""

import os
import subprocess

import pytest
from cluster import make_cid
from process import clean_env

CTL = os.environ.get("PINFOLD_CLUSTER_CTL")

pytestmark = pytest.mark.skipif(
    not CTL, reason="PINFOLD_CLUSTER_CTL names no ipfs-cluster-ctl")


@pytest.fixture
def ctl(cluster):
    hosts = ",".join(f"/ip4/127.0.0.1/tcp/{c.http}"
                     for c in cluster.coordinators)

    def run(*words, code=0):
        done = subprocess.run([CTL, "--host", hosts, *words], text=True,
                              capture_output=True, timeout=90, check=False,
                              env=clean_env())
        text = done.stdout + done.stderr
        assert done.returncode == code, text
        return text

    return run


@pytest.fixture
def content(cluster):
    return cluster.daemons[0].add(os.urandom(3000))


def test_looking(ctl, cluster):
    assert "Sees 3 other peers" in ctl("id")
    assert ctl("version").strip()[0].isdigit()
    peers = ctl("peers", "ls")
    assert all(f"node-{i}" in peers for i in (1, 2, 3))
    assert "C" in ctl("health", "graph") and "digraph" in ctl("health",
                                                              "graph")
    assert "freespace" in ctl("health", "metrics")
    assert "Expires in" in ctl("health", "metrics", "freespace")
    ctl("health", "alerts")
    ctl("health", "bandwidth")


def test_pin_life(ctl, cluster, content):
    text = ctl("pin", "add", "--wait", "--rmin", "2", "--rmax", "2",
               "--name", "nam", "--metadata", "a=b", content)
    assert text.count("PINNED") == 2 and "nam" in text
    assert cluster.wait_pinned(content, 2)
    assert "Repl. Factor: 2--2" in ctl("pin", "ls", content)
    assert content in ctl("pin", "ls")
    assert content in ctl("status")
    assert content in ctl("status", "--filter", "pinned,error")
    assert "PINNED" in ctl("status", content)
    assert content in ctl("recover", content)
    ctl("recover")
    other = cluster.daemons[0].add(os.urandom(3000))
    assert "PIN" in ctl("pin", "update", "--wait", content, other)
    for cid in (content, other):
        assert ctl("pin", "rm", "--wait", cid).count("UNPINNED") == 3
    assert cluster.holders(content) == []


def test_refusals(ctl):
    unknown = make_cid()
    text = ctl("pin", "ls", unknown, code=2)
    assert "pin is not part of the pinset" in text and unknown not in text
    assert "Code: 404" in ctl("pin", "rm", unknown, code=2)
    text = ctl("pin", "add", "--rmin", "9", "--rmax", "9", unknown, code=2)
    assert "not enough peers to allocate CID" in text


def test_add(ctl, cluster, tmp_path):
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "a").write_bytes(os.urandom(500_000))
    (folder / "sub" / "b").write_bytes(b"bytes")
    cid = ctl("add", "-Q", "--wait", str(folder / "a")).strip()
    assert cid == cluster.daemons[1].add(
        (folder / "a").read_bytes(),
        more="&cid-version=0&raw-leaves=false&chunker=size-262144")
    root = ctl("add", "-r", "-Q", "--rmin", "2", "--rmax", "2",
               str(folder)).strip().split()[-1]
    cluster.wait_pinned(root, 2)
    assert cluster.daemons[2].cat(root + "/sub/b") == b"bytes"
    assert "added" in ctl("add", "--no-stream", "-w", str(folder / "a"))
