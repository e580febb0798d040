"""kubo-rpc-client, unmodified (tests/js): what it finds at an IPFS daemon it
finds at the IPFS proxy, and what it pins there the cluster has."""

import nodejs
import pytest


@pytest.fixture(scope="module", autouse=True)
def installed():
    try:
        nodejs.prepare()
    except nodejs.Missing as why:
        pytest.skip(str(why))


def failures(found):
    assert sorted(found) == sorted(nodejs.names("kubo.mjs"))
    return {name: text for name, text in found.items() if text is not None}


def test_daemon(make_cluster):
    daemon = make_cluster(start=False, coordinators=1, nodes=1).daemons[0]
    daemon.start()
    daemon.wait()
    at = f"http://127.0.0.1:{daemon.port}"
    assert not failures(nodejs.run_suite(
        "kubo.mjs", seconds=600, PINFOLD_RPC=at, PINFOLD_DAEMON=at))


def test_proxy(cluster):
    c = cluster.coordinators[2]
    assert not failures(nodejs.run_suite(
        "kubo.mjs", seconds=600,
        PINFOLD_RPC=f"http://127.0.0.1:{c.proxy}",
        PINFOLD_DAEMON=f"http://127.0.0.1:{cluster.daemons[0].port}",
        PINFOLD_HTTP=f"http://127.0.0.1:{c.http}"))
