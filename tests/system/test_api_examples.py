"""What docs/api.md tells people to try, as it stands there: each block of
shell, with the ports of the test's own cluster."""

import json
import os
import re
import subprocess

import pytest
from cluster import Cluster
from process import ROOT, clean_env, free_port


def blocks():
    """Heading -> shell, of all blocks."""
    with open(os.path.join(ROOT, "docs", "api.md"), encoding="utf-8") as f:
        parts = re.split(r"^#+ (.*)\n", f.read(), flags=re.M)
    found = {}
    for heading, text in zip(parts[1::2], parts[2::2]):
        for shell in re.findall(r"^```sh\n(.*?)^```$", text, re.S | re.M):
            assert heading not in found, "one a heading"
            found[heading] = shell
    return found


@pytest.fixture(scope="module", name="cluster")
def fixture_cluster(tmp_path_factory):
    probes = free_port()
    c = Cluster(tmp_path_factory.mktemp("examples"), coordinators=1, nodes=1,
                options={"probe-listen": f"127.0.0.1:{probes}"})
    c.probes = probes
    try:
        yield c.start()
    finally:
        wrong = c.close()
    assert not wrong, wrong


def run(cluster, heading):
    """The lines that it prints."""
    c = cluster.coordinators[0]
    ports = {"9094": c.http, "9095": c.proxy, "9097": c.pinning,
             "9093": cluster.probes, "9099": cluster.agents[0].http}
    shell = re.sub(r"(127\.0\.0\.1:)(\d+)",
                   lambda m: m[1] + str(ports[m[2]]), blocks()[heading])
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", shell], cwd=ROOT,
                          env=clean_env(), text=True, capture_output=True,
                          timeout=60, check=False)
    assert done.returncode == 0, (shell, done)
    return done.stdout.splitlines()


def test_all_are_run():
    assert set(blocks()) == {"HTTP API", "Probes and metrics",
                             "Pinning Service", "IPFS proxy"}


def test_the_cluster(cluster):
    version, one, row, again, gone = map(json.loads,
                                         run(cluster, "HTTP API"))
    assert "version" in version
    assert one["name"] == row["name"] == "readme"
    assert one["cid"] == row["cid"] == again["cid"] == gone["cid"]
    assert again["name"] == "read-me"
    assert again["metadata"] == {"from": "docs"}
    assert again["replication_factor_max"] == 1
    assert cluster.any().get("/allocations").lines() == []


def test_probes_and_metrics(cluster):
    alive, ready, metric, status, build, agent, uploads = run(
        cluster, "Probes and metrics")
    assert json.loads(alive)["alive"] and json.loads(ready)["ready"]
    assert metric == "pinfold_ready 1"
    assert json.loads(status)["nodes"]
    assert build.startswith("pinfold_build_info{version=")
    assert json.loads(agent)["ready"]
    assert uploads == "pinfold_agent_uploads 0"


def test_the_pinning_service(cluster):
    added, listed = map(json.loads, run(cluster, "Pinning Service"))
    assert added["pin"]["meta"] == {"app": "camera"}
    assert listed["count"] == 1


def test_the_proxy(cluster):
    added, listed, stat = map(json.loads, run(cluster, "IPFS proxy"))
    assert listed["Keys"][added["Hash"]] == {"Type": "recursive",
                                             "Name": "readme"}
    assert stat["RepoSize"] > 0
