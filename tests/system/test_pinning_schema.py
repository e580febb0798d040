"""schemathesis makes requests of the Pinning Service API's contract, and some
against it; each is answered as the contract says, and the cluster goes on."""

import re

import pytest
import schemasuite
from psa import STATUSES, Client, make_token

EXAMPLES = 40


@pytest.fixture(scope="module", autouse=True)
def installed():
    try:
        schemasuite.prepare()
    except schemasuite.Missing as why:
        pytest.skip(str(why))


def test_contract(make_cluster):
    cluster = make_cluster(coordinators=1, nodes=2, daemon="fake")
    c = cluster.coordinators[0]
    api = Client(c, make_token(c, "schema"))
    code, text = schemasuite.run(c.pinning, api.token, EXAMPLES, seed=1)
    assert code == 0, text[-8000:]
    # It asked for what it was told to: every call of the contract.
    done = re.findall(r"^(?:GET|POST|DELETE) /pins\S* \.+ *\[", text, re.M)
    assert len(done) >= 4, text[-8000:]
    assert c.alive() and all(a.alive() for a in cluster.agents)
    assert api.list(status=STATUSES)["count"] >= 0
