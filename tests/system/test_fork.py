"""Coordinators whose states differ: found, said, and without harm."""

import os
import sqlite3

from cluster import CALM, pinfold, until
from load import pin_many

STATE_HASH = 7  # STORE_HEAD_SUM


def change_state(coordinator, value):
    """Its state is another one from here on, as if a row had been changed."""
    assert coordinator.terminate(60) == 0
    db = sqlite3.connect(os.path.join(coordinator.data, "state.db"))
    with db:
        changed = db.execute("UPDATE fsm SET v = ? WHERE k = ?",
                             (value, STATE_HASH)).rowcount
    db.close()
    assert changed == 1
    coordinator.start()
    until(coordinator.ready, 60, f"{coordinator.name} is back")


def differing(coordinator):
    """Whose state it says is another one than its own."""
    return {row["name"] for row in coordinator.status()["coordinators"]
            if row["differs_at"] is not None}


def write_until(cluster, through, condition, what):
    """Pins, until entries of all the hundreds that it takes are there."""
    cids = set()
    for _ in range(40):
        cids |= pin_many(cluster, 100, threads=2, coordinators=through)
        if condition():
            return cids
    raise AssertionError(f"not after {through[0].status()['applied']} "
                         f"entries: {what}")


def said(coordinator, event):
    return coordinator.log_text().count(f"event={event} ")


def test_one_that_differs_serves_nothing(make_cluster):
    """And the way back of docs/operations.md."""
    cluster = make_cluster(daemon="fake", options=CALM)
    wrong = cluster.followers()[0]
    right = [c for c in cluster.coordinators if c is not wrong]
    change_state(wrong, b"\x5a" * 16)
    cids = write_until(cluster, right, lambda: not wrong.ready(),
                       f"{wrong.name} is not ready")
    ready = wrong.get("/readyz")
    assert ready.status == 503 and "differs" in ready.json()["reason"]
    assert wrong.get("/pins").status == 503
    for c in right:
        until(lambda c=c: differing(c) == {wrong.name}, 30,
              f"{c.name} says who differs")
        assert c.ready() and said(c, "state_differs") == 1
        assert f'coordinator="{wrong.name}"' in "".join(
            line for line in c.get("/metrics").text().split("\n")
            if line.startswith("pinfold_coordinator_differs{")
            and line.endswith(" 1"))
    assert differing(wrong) == {c.name for c in right}
    shown = pinfold(cluster, "status", host=f"127.0.0.1:{right[0].http}")
    assert [line.split()[0] for line in shown.stdout.split("\n")
            if "state differs" in line] == [wrong.name], shown.stdout
    cids |= pin_many(cluster, 20, coordinators=right)
    right[1].restart()
    until(right[1].ready, 60, f"{right[1].name} is back")
    until(lambda: differing(right[1]) == {wrong.name}, 60,
          f"{right[1].name} knows who differs")
    assert not wrong.ready() and wrong.get("/pins").status == 503
    wrong.restart()  # nor does that hide anything
    until(lambda: differing(wrong) == {c.name for c in right}, 60,
          f"{wrong.name} differs as before")
    until(lambda: "differs" in wrong.get("/readyz").json()["reason"], 60,
          f"{wrong.name} knows that it is outvoted")
    assert wrong.get("/pins").status == 503

    assert wrong.terminate(60) == 0
    healthy = right[0]
    assert healthy.terminate(60) == 0
    wrong.take_state(healthy)
    healthy.start()
    wrong.start()
    cluster.wait_ready(60, nodes=0)
    cluster.same_everywhere()
    until(lambda: not any(differing(c) for c in cluster.coordinators), 30,
          "nobody differs any more")
    assert cids <= set(wrong.pins())


def test_a_leader_that_is_outvoted_hands_over(make_cluster):
    cluster = make_cluster(daemon="fake", options=CALM)
    alone = cluster.leader()
    others = [c for c in cluster.coordinators if c is not alone]
    for c in others:  # one after the other: it goes on leading, or does not
        change_state(c, b"\xa5" * 16)
    cluster.wait_ready(60, nodes=0)
    write_until(cluster, others, lambda: not alone.ready(),
                f"{alone.name} is not ready")
    until(lambda: any(c.status()["coordinator"]["leader"] for c in others),
          60, "one of the others leads")
    for c in others:
        assert c.ready() and differing(c) == {alone.name}
    pin_many(cluster, 20, coordinators=others)
