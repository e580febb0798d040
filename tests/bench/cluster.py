"""Measures a cluster on this machine: what it accepts and confirms, what that
costs, and how long it is away in trouble. Every process is new, in a folder
of its own under the temporary directory, on loopback."""

import argparse
import contextlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time

import measures
import report
from world import Trouble, World

PARTS = ("baseline", "accept", "memory", "lists", "gets", "restart", "gap",
         "correct")
FILLED = ("memory", "lists", "gets", "restart", "gap")


def read_options():
    p = argparse.ArgumentParser(
        prog="tests/bench/cluster", description=__doc__,
        epilog="PINFOLD_BUILD names a folder that is built already.")
    p.add_argument("--quick", action="store_true",
                   help="3 s a load, 5,000 pins, 2 leaders killed")
    p.add_argument("--seconds", type=float, help="of a load (10)")
    p.add_argument("--pins", type=int,
                   help="pins for memory, lists and restart (100,000)")
    p.add_argument("--runs", type=int, help="leaders killed (5)")
    p.add_argument("--out", help="file for all figures as JSON")
    p.add_argument("--only", action="append", choices=PARTS,
                   help="a part; may be given several times")
    p.add_argument("--keep", action="store_true",
                   help="keep the folder with logs and data")
    o = p.parse_args()
    o.seconds = o.seconds or (3 if o.quick else 10)
    o.pins = o.pins or (5000 if o.quick else 100000)
    o.runs = o.runs or (2 if o.quick else 5)
    o.only = o.only or list(PARTS)
    return o


def note(text):
    print(f"# {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def new_world(o, **more):
    folder = tempfile.mkdtemp(prefix="pinfold-bench-")
    world = World(os.environ["PINFOLD_BUILD"], folder, **more)
    good = False
    try:
        world.start()
        yield world
        good = True
    finally:
        world.stop()
        if o.keep or not good:
            note(f"logs and data are in {folder}")
        else:
            shutil.rmtree(folder)


def check(o, world, results, name):
    if "correct" in o.only:
        note("comparing daemons, lists and acknowledgements")
        results.setdefault("correct", {})[name] = measures.correct(world)


def small(o, results):
    """On an empty cluster."""
    with new_world(o) as world:
        if "baseline" in o.only:
            note("disk and HTTP server alone")
            results["baseline"] = measures.baseline(world, o.seconds)
        if "accept" in o.only:
            note("pins at 1, 16 and 128 connections")
            results["accept"] = measures.accept(world, o.seconds)
            check(o, world, results, "after the loads")


def large(o, results):
    """On a filled one."""
    with new_world(o) as world:
        time.sleep(measures.IDLE_S)
        steps = [20000] if o.pins > 20000 else []
        results["memory"] = measures.memory(world, steps + [o.pins], note)
        if "lists" in o.only:
            note("lists")
            results["lists"] = measures.lists(world)
        if "gets" in o.only:
            note("single pins")
            results["gets"] = measures.gets(world, o.seconds)
        if "restart" in o.only:
            note("kill -9 of all, and of one")
            results["restart"] = measures.restart(world)
        if "gap" in o.only:
            results["gap"] = measures.gap(world, o.runs, note)
        check(o, world, results, "after kills")


def main():
    o = read_options()
    results = {}
    failed = ""
    try:
        if {"baseline", "accept"} & set(o.only):
            small(o, results)
        if set(FILLED) & set(o.only):
            large(o, results)
    except Trouble as e:
        failed = str(e)
        note(failed)
    figures = report.rows(results, o.pins)
    print(report.table(figures))
    if o.out:
        with open(o.out, "w") as f:
            json.dump({"machine": platform.platform(), "cpus": os.cpu_count(),
                       "load": os.getloadavg(), "when": time.time(),
                       "seconds": o.seconds, "pins": o.pins,
                       "failed": failed, "results": results}, f, indent=1)
            f.write("\n")
    below = report.fails(figures)
    for name in below:
        note(f"below the minimum: {name}")
    return 1 if failed or below else 0


if __name__ == "__main__":
    sys.exit(main())
