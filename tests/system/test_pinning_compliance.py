"""The compliance suite of the Pinning Service API 1.8.1, in the three jobs
that can be honest: whether the content exists is up to its CIDs."""

import psasuite
import pytest
from cluster import CALM
from psa import Client, make_token


@pytest.fixture(scope="module", autouse=True)
def installed():
    try:
        psasuite.prepare()
    except psasuite.Missing as why:
        pytest.skip(str(why))


def judge(make_cluster, folder, daemon, wanted, identity=False):
    """Runs it until as many as wanted pass, or more, three times at most: it
    gives a pin one second to be pinned, and an answer five."""
    cluster = make_cluster(coordinators=1, nodes=2, daemon=daemon,
                           options=CALM)
    c = cluster.coordinators[0]
    for i in range(3):
        api = Client(c, make_token(c, f"suite-{i}"))
        found, text = psasuite.run(folder / str(i), c.pinning, api.token,
                                   identity)
        done = psasuite.outcome(found)
        if done[0] >= wanted:
            break
    assert api.list(status="queued,pinning,pinned,failed")["count"] == 0
    return done, text


def test_protocol(make_cluster, tmp_path):
    """Daemons that pin anything: the protocol alone."""
    done, text = judge(make_cluster, tmp_path / "suite", "fake", 9)
    assert done == (9, 9), text[-6000:]


def test_identity(make_cluster, tmp_path):
    """CIDs that hold their content: real daemons pin them at once."""
    done, text = judge(make_cluster, tmp_path / "suite", "ipfs", 9,
                       True)
    assert done == (9, 9), text[-6000:]


def test_real(make_cluster, tmp_path):
    """As published: nobody has the content, and check 7 lists what is
    pinned. 9 of 9 would mean that something was called pinned that is not."""
    done, text = judge(make_cluster, tmp_path / "suite", "ipfs", 8)
    assert done == (8, 9), text[-6000:]
    assert text.count("Count is equal to 1") >= 4
