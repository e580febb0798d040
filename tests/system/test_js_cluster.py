"""The JavaScript client of IPFS Cluster, unmodified (tests/js): every call,
and what it is told where it must say who it is."""

import nodejs
import pytest
from test_tokens import bearer, closed_cluster


@pytest.fixture(scope="module", autouse=True)
def installed():
    try:
        nodejs.prepare()
    except nodejs.Missing as why:
        pytest.skip(str(why))


@pytest.fixture(scope="module")
def results(installed, cluster):
    del installed
    found = nodejs.run_suite(
        "cluster.mjs", seconds=600,
        PINFOLD_HTTP=f"http://127.0.0.1:{cluster.coordinators[1].http}",
        PINFOLD_DAEMON=f"http://127.0.0.1:{cluster.daemons[0].port}")
    assert set(found) <= set(nodejs.names("cluster.mjs")), "none unseen below"
    return found


@pytest.mark.parametrize("name", nodejs.names("cluster.mjs"))
def test_call(results, cluster, name):
    del cluster
    assert results.get(name, "was not run") is None, name


def test_token(make_cluster):
    cluster, token = closed_cluster(make_cluster, coordinators=1, nodes=1)
    found = nodejs.run_suite(
        "auth.mjs", seconds=300,
        PINFOLD_HTTP=f"http://127.0.0.1:{cluster.coordinators[0].http}",
        PINFOLD_HEADER=bearer(token)["Authorization"])
    assert sorted(found) == sorted(nodejs.names("auth.mjs"))
    for name, trouble in found.items():
        assert trouble is None, (name, trouble)
