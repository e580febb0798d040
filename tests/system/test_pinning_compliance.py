"""The compliance suite of the Pinning Service API 1.8.1, in the three jobs
that can be honest: whether the content exists is up to its CIDs."""

import psasuite
import pytest
from psa import Client, make_token


@pytest.fixture(scope="module", autouse=True)
def installed():
    try:
        psasuite.prepare()
    except psasuite.Missing as why:
        pytest.skip(str(why))


def judge(make_cluster, folder, daemon, identity=False):
    cluster = make_cluster(coordinators=1, nodes=2, daemon=daemon)
    c = cluster.coordinators[0]
    api = Client(c, make_token(c, "suite"))
    found, text = psasuite.run(folder, c.pinning, api.token, identity)
    assert api.list(status="queued,pinning,pinned,failed")["count"] == 0
    return psasuite.outcome(found), text


def test_protocol(make_cluster, tmp_path):
    """Daemons that pin anything: the protocol alone."""
    done, text = judge(make_cluster, tmp_path / "suite", "fake")
    assert done == (9, 9), text[-6000:]


def test_identity(make_cluster, tmp_path):
    """CIDs that hold their content: real daemons pin them at once."""
    done, text = judge(make_cluster, tmp_path / "suite", "ipfs", True)
    assert done == (9, 9), text[-6000:]


def test_real(make_cluster, tmp_path):
    """As published: nobody has the content, and check 7 lists what is
    pinned. 9 of 9 would mean that something was called pinned that is not."""
    done, text = judge(make_cluster, tmp_path / "suite", "ipfs")
    assert done == (8, 9), text[-6000:]
    assert text.count("Count is equal to 1") >= 4
