"""Clusters for the system tests; logs are shown when a test fails."""

import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from cluster import Cluster  # noqa: E402

# What a shell starts in the background ignores SIGINT, and so would all that
# is started here, and Ctrl-C with it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Side by side (-n N --dist loadgroup): tests that share a cluster stay
    together, all others go where there is room."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for made in item.funcargs.values():
            if isinstance(made, Cluster):
                report.sections.append(("cluster", made.logs()))
        for made in getattr(item, "clusters", []):
            report.sections.append(("cluster", made.logs()))


def _finish(clusters):
    wrong = [text for c in clusters for text in c.close()]
    if wrong:
        logs = "\n".join(c.logs(25) for c in clusters)
        pytest.fail("\n".join(wrong) + "\n" + logs, pytrace=False)


@pytest.fixture
def make_cluster(tmp_path, request):
    """make_cluster(coordinators=3, nodes=3, …): started and ready."""
    request.node.clusters = made = []

    def make(start=True, **more):
        c = Cluster(tmp_path / f"cluster-{len(made)}", **more)
        made.append(c)
        return c.start() if start else c

    yield make
    _finish(made)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, request):
    """Three coordinators and three nodes, for all tests of a module, which
    may name OPTIONS."""
    c = Cluster(tmp_path_factory.mktemp("cluster"),
                options=getattr(request.module, "OPTIONS", None))
    try:
        c.start()
        yield c
    finally:
        _finish([c])
