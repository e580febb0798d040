"""kubo-rpc-client, unmodified (tests/js), against an IPFS daemon: what it
finds there is what a proxy has to give it."""

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
        "kubo.mjs", PINFOLD_RPC=at, PINFOLD_DAEMON=at))
