"""schemathesis makes requests of the Pinning Service API's contract, and some
against it; each is answered as the contract says, and the cluster goes on."""

import os
import re

import pytest
import schemasuite
from cluster import Cluster, make_cid
from psa import STATUSES, Client, make_token

NIGHTLY = bool(os.environ.get("PINFOLD_NIGHTLY"))
EXAMPLES = 200 if NIGHTLY else 30
CALLS = [("GET", "/pins"), ("POST", "/pins"), ("GET", "/pins/{requestid}"),
         ("POST", "/pins/{requestid}"), ("DELETE", "/pins/{requestid}")]


@pytest.fixture(scope="module", autouse=True)
def installed():
    try:
        schemasuite.prepare()
    except schemasuite.Missing as why:
        pytest.skip(str(why))


@pytest.fixture(scope="module", name="world")
def fixture_world(tmp_path_factory):
    c = Cluster(tmp_path_factory.mktemp("schema"), coordinators=1, nodes=2,
                daemon="fake")
    try:
        c.start()
        yield c
        assert c.any().alive() and all(a.alive() for a in c.agents)
    finally:
        wrong = c.close()
        assert not wrong, "\n".join(wrong) + c.logs()


def run(c, name, examples, **more):
    """A token for each call, all of one principal; what it asked for."""
    client = Client(c, make_token(c, name))
    tokens = {f"{method} {path}": make_token(c, name)
              for method, path in CALLS}
    code, text = schemasuite.run(c.pinning, tokens, examples, **more)
    assert code == 0, text[-8000:]
    for method, path in CALLS:
        assert re.search(rf"^{method} {re.escape(path)} ", text, re.M), text
    return client, text


def test_contract(world):
    """Data that fits, and such as does not; without a token none is heard."""
    client, _ = run(world.any(), "schema", EXAMPLES, seed=1)
    assert client.list(status=STATUSES)["count"] >= 0


def test_what_follows(world):
    """Pins of CIDs that are some, asked for, replaced and let go: what was
    made is there, and what is gone stays gone."""
    cids = [world.daemons[0].add(os.urandom(50)) for _ in range(4)] + \
        [make_cid() for _ in range(2)]
    spec = schemasuite.linked(cids)
    try:
        client, text = run(world.any(), "linked", EXAMPLES // 3, seed=2,
                           spec=spec, more=["--stateful", "links"])
    finally:
        os.remove(spec)
    made = client.list(status=STATUSES, limit=1000)
    for method in ("GET", "POST", "DELETE"):
        assert f"-> {method} /pins/{{requestid}} " in text, text[-8000:]
    assert made["count"] >= 1, text[-8000:]
    assert {s["pin"]["cid"] for s in made["results"]} <= set(cids)
