"""Measures the APIs of a cluster on this machine: single pins and look-ups
with and without tokens, lists as the set grows, pages of the Pinning Service
API, and an upload beside one to the daemon itself. Every ratio is against
something measured in the same run. Every process is new, in a folder of its
own under the temporary directory, on loopback."""

import argparse
import json
import os
import platform
import sys
import time

import api_figures
import api_measures
import report
from cluster import new_world, note
from world import Trouble, kubo, test_node

PARTS = ("pins", "gets", "lists", "service", "upload")
ROOT = os.path.join(os.path.dirname(__file__), "..", "..")


def read_options():
    p = argparse.ArgumentParser(
        prog="tests/bench/api", description=__doc__,
        epilog="PINFOLD_BUILD names a folder that is built already, "
               "PINFOLD_IPFS a Kubo for uploads.")
    p.add_argument("--quick", action="store_true",
                   help="2 s a load, 5,000 pins, an upload of 64 MiB")
    p.add_argument("--seconds", type=float, help="of a load (5)")
    p.add_argument("--pins", type=int,
                   help="pins in the longest list (100,000)")
    p.add_argument("--requests", type=int,
                   help="of the Pinning Service API, at most 900 a second "
                        "(100,000)")
    p.add_argument("--mib", type=int, help="size of an upload (1,024)")
    p.add_argument("--node", default=os.path.join(ROOT, "build", "ipfsnode"),
                   help="the test node for uploads "
                        "(build/ipfsnode, of tests/ipfsnode)")
    p.add_argument("--out", help="file for all figures as JSON")
    p.add_argument("--only", action="append", choices=PARTS,
                   help="a part; may be given several times")
    p.add_argument("--keep", action="store_true",
                   help="keep the folder with logs and data")
    o = p.parse_args()
    o.seconds = o.seconds or (2 if o.quick else 5)
    o.pins = o.pins or (5000 if o.quick else 100000)
    o.requests = o.requests or (5000 if o.quick else 100000)
    o.mib = o.mib or (64 if o.quick else 1024)
    o.only = o.only or list(PARTS)
    return o


def steps(pins):
    """Lengths of the lists: a fifth of the first goal, the goal, all."""
    return sorted({n for n in (20000, 100000) if n < pins} | {pins})


def asked(o, results):
    """Two clusters of which one asks who it is, loaded by turns."""
    with new_world(o) as plain, new_world(o, auth=True) as closed:
        if "pins" in o.only:
            note("pins at 1, 16 and 128 connections, with and without token")
            results["pins"] = api_measures.pins(plain, closed, o.seconds)
        if "gets" in o.only:
            note("look-ups, with and without token")
            results["gets"] = api_measures.gets(plain, closed, o.seconds)


def listed(o, results):
    results["lists"] = {}
    with new_world(o) as world:
        for n in steps(o.pins):
            note(f"lists of {n} pins")
            results["lists"][str(n)] = api_measures.lists(world, n)


def uploaded(o, results):
    results["upload"] = {}
    for kind, make, binary in (("fake daemon", None, None),
                               ("test node", test_node, o.node),
                               ("Kubo", kubo, os.environ.get("PINFOLD_IPFS"))):
        if make and not (binary and os.access(binary, os.X_OK)):
            note(f"no upload to {kind}: {binary or 'none named'}")
            continue
        note(f"uploads of {o.mib} MiB, {kind}")
        with new_world(o, daemon=make and make(binary)) as world:
            results["upload"][kind] = api_measures.uploads(world, o.mib, note)


def main():
    o = read_options()
    results, failed = {}, ""
    try:
        if {"pins", "gets"} & set(o.only):
            asked(o, results)
        if "lists" in o.only:
            listed(o, results)
        if "service" in o.only:
            with new_world(o, auth=True) as world:
                note(f"{o.requests} requests of the Pinning Service API")
                results["service"] = api_measures.requests(world, o.requests)
        if "upload" in o.only:
            uploaded(o, results)
    except Trouble as e:
        failed = str(e)
        note(failed)
    figures = api_figures.rows(results)
    print(report.table(figures))
    if o.out:
        with open(o.out, "w") as f:
            json.dump({"machine": platform.platform(), "cpus": os.cpu_count(),
                       "load": os.getloadavg(), "when": time.time(),
                       "seconds": o.seconds, "pins": o.pins, "mib": o.mib,
                       "requests": o.requests,
                       "failed": failed, "results": results}, f, indent=1)
            f.write("\n")
    below = report.fails(figures)
    for name in below:
        note(f"below the minimum: {name}")
    return 1 if failed or below else 0


if __name__ == "__main__":
    sys.exit(main())
