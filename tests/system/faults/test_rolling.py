"""Rolling trouble: faults in turn under load; nothing acknowledged is lost.

PINFOLD_FAULTS_SEED     replays a sequence of faults (a failure names it)
PINFOLD_FAULTS_CYCLES   how many faults
PINFOLD_FAULTS_SECONDS  for how long at least
PINFOLD_FAULTS_DAEMON   fake, or ipfs: the test node
"""

import os
import random
import time

import pytest
from cluster import until
from trouble import World, complete, sequence, settled

NIGHTLY = bool(os.environ.get("PINFOLD_NIGHTLY"))
SEED = int(os.environ.get("PINFOLD_FAULTS_SEED") or
           random.randrange(1, 1 << 31))
CYCLES = int(os.environ.get("PINFOLD_FAULTS_CYCLES") or
             (120 if NIGHTLY else 22))
SECONDS = float(os.environ.get("PINFOLD_FAULTS_SECONDS") or 0)
DAEMON = os.environ.get("PINFOLD_FAULTS_DAEMON", "fake")
FULL_CHECK = 8  # cycles; the complete check takes longer


class Report:
    """What the run was like, printed at its end and with a failure."""

    def __init__(self):
        self.rows, self.needless = [], []

    def text(self, world):
        b = world.books
        rows = sorted(self.rows, key=lambda r: -r[2])[:5]
        return "\n".join([
            f"seed {world.seed}: {len(self.rows)} cycles, "
            f"{len(b.all())} CIDs, {b.counts}",
            "longest times without an acknowledgement: " + ", ".join(
                f"{gap:.1f} s (cycle {n}, {name})" for n, name, gap in rows),
            f"needless elections: {len(self.needless)} {self.needless}"])


def fail(world, report, cycle, wrong):
    """wrong: (CID or '', text)"""
    lines = [f"seed {world.seed}, cycle {cycle}, after {world.fault}: "
             f"{len(wrong)} wrong"]
    known = {i.cid: i for i in world.books.all()}
    for cid, text in wrong[:5]:
        lines.append(f"{cid}: {text}")
        if cid in known:
            lines += ["    " + x for x in known[cid].history[-30:]]
    lines += [report.text(world), world.cluster.logs(40)]
    pytest.fail("\n".join(lines), pytrace=False)


def term(cluster):
    return max(c.status()["term"] for c in cluster.coordinators)


def run_cycle(world, name, act):
    """One fault and its repair; the longest gap and needless elections."""
    books, cluster = world.books, world.cluster
    leader, before, began = world.leader(), term(cluster), time.monotonic()
    touched = act(world)
    # A leader without a majority has nobody to talk to.
    quiet = name in ("all coordinators killed", "leader killed twice")
    time.sleep(world.chance.uniform(0.2, 1) if quiet
               else world.chance.choice((1, 2, 3, 5)))
    world.undo()
    healed = books.count()
    until(lambda: books.count() >= healed + 20, 40,
          f"pins are accepted after: {name}")
    gap = books.gap(began, time.monotonic())
    books.hold()
    settled(cluster)
    needless = 0 if leader in touched else term(cluster) - before
    return gap, needless


def lists_of(cluster):
    """The list of each coordinator. They are made one after the other, and the
    control loop does not stand still: a difference must last."""
    for _ in range(10):
        lists = [c.pins() for c in cluster.coordinators]
        if all(x == lists[0] for x in lists):
            break
        settled(cluster)
    return lists


def check_books(world):
    books = world.books
    wrong = [("", text) for text in books.wrong]
    lists = lists_of(world.cluster)
    for c, pins in zip(world.cluster.coordinators[1:], lists[1:]):
        wrong += [(cid, f"{c.name} lists it otherwise")
                  for cid in set(pins) | set(lists[0])
                  if pins.get(cid) != lists[0].get(cid)]
    wrong += [(item.cid, text) for item, text in books.settle(lists[0])]
    for p in world.cluster.processes:
        if not p.alive():
            wrong.append(("", f"{p.name} ended by itself: "
                              f"{p.child and p.child.returncode}"))
    return wrong


def test_rolling_trouble(tmp_path):
    print(f"seed {SEED}: PINFOLD_FAULTS_SEED={SEED} replays it")
    world = World(tmp_path, SEED, daemon=DAEMON)
    report, cycle = Report(), 0
    try:
        world.start()
        world.books.start()
        until(lambda: world.books.count() >= 50, 40, "the load runs")
        end = time.monotonic() + SECONDS
        faults = sequence(world.chance, not world.unconnected)
        for cycle, (name, act, _) in enumerate(faults, 1):
            world.fault = name
            gap, needless = run_cycle(world, name, act)
            report.rows.append((cycle, name, gap))
            report.needless += [(cycle, name)] * needless
            if wrong := check_books(world):
                fail(world, report, cycle, wrong)
            last = cycle >= CYCLES and time.monotonic() >= end
            if last or cycle % FULL_CHECK == 0:
                if wrong := complete(world):
                    fail(world, report, cycle, wrong)
            print(f"cycle {cycle}: {name}: gap {gap:.1f} s, "
                  f"{len(world.books.all())} CIDs")
            if last:
                break
            world.books.go()
        print(report.text(world))
    except AssertionError as e:
        fail(world, report, cycle, [("", str(e))])
    finally:
        wrong = world.close()
    assert not wrong, f"seed {SEED}: {wrong}"
    if world.unconnected:
        pytest.skip(f"all passed, but without partitions: "
                    f"{world.unconnected}")
