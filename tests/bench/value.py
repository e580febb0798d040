"""Measures what is kept and what is read, without nodes and log: the values
that ship, admission and eviction by the rules of the design, caches and
clairvoyants beside them. One thread; all but the CPU figures follows from the
seed."""

import argparse
import json
import os
import platform
import subprocess
import sys
import time

import engine

# Wrong whatever the scale.
ALWAYS = ("violations", "most victims", "regret, one budget")


def read_options():
    p = argparse.ArgumentParser(
        prog="tests/bench/value", description=__doc__,
        epilog="PINFOLD_BUILD names a folder that is built already.")
    p.add_argument("--objects", type=int, help="of the catalogue (30,000)")
    p.add_argument("--days", type=int,
                   help="of reads, the first half to warm up (40)")
    p.add_argument("--items", type=int,
                   help="offered in the regret runs (1 M)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--full", action="store_true",
                   help="100,000 objects, 60 days")
    p.add_argument("--quick", action="store_true",
                   help="2,000 objects, 10 days: whether it works")
    p.add_argument("--out", help="file for all figures as JSON")
    o = p.parse_args()
    objects, days, items = ((2000, 10, 50000) if o.quick else
                            (100000, 60, 1000000) if o.full else
                            (30000, 40, 1000000))
    o.objects = o.objects or objects
    o.days = o.days or days
    o.items = o.items or items
    return o


def run(o):
    program = os.path.join(os.environ["PINFOLD_BUILD"], "tests", "bench",
                           "bench-value")
    done = subprocess.run(
        [program, "--objects", str(o.objects), "--days", str(o.days),
         "--items", str(o.items), "--seed", str(o.seed)],
        stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def workloads(r):
    return {name: got for name, got in r.items()
            if isinstance(got, dict) and "policies" in got}


def policies(workload):
    return {p["name"]: p for p in workload["policies"]}


def rows(r):
    """(metric, measured, unit, target), as in engine.py."""
    out = []

    def add(name, value, unit="", target=None):
        out.append((name, value, unit, target))

    regret_rows(r["regret"], add)
    goal_rows([policies(got) for name, got in workloads(r).items()
               if name == "main" or name.startswith("again")], add)
    for name, got in workloads(r).items():
        if name.startswith("again"):
            continue
        if name.startswith("bots"):
            bots_rows(name, policies(got), add)
        else:
            hit_rows(name, policies(got), name == "main", add)
    keepers = [p for got in workloads(r).values() for p in got["policies"]
               if "decisions" in p]
    main = policies(r["main"])["default"]
    add("CPU: a value", main["score_ns"], "ns")
    add("CPU: a decision", main["decide_ns"], "ns")
    add("violations of a budget", sum(p["violations"] for p in keepers) +
        sum(x["violations"] for x in r["regret"]), "", ("<=", 0))
    add("most victims of a decision",
        max(p["victims"] for p in keepers if not p["wide"]), "", ("<=", 64))
    return out


def regret_rows(got, add):
    for x in got:
        where = "one budget" if x["orgs"] == 1 else \
            f"{x['orgs']} organisations, limits {x['overcommit']} of it"
        limit = 0.01 if x["h"] == 0 else 0.1 if x["h"] == 0.1 else None
        add(f"regret, {where}, h {x['h']:.2f}", x["regret"] * 100, "%",
            limit and ("<=", limit))
        add("  decisions", x["per_s"], "/s")


def goal_rows(runs, add):
    def mean(value):
        return sum(map(value, runs)) / len(runs)

    def spread(value):
        all_of = sorted(map(value, runs))
        return f"{all_of[0]:.2f} to {all_of[-1]:.2f}"

    def objects(p):
        return p["default"]["object"] / p["best objects"]["object"]

    def of_bytes(p):
        return p["w_s 0"]["byte"] / p["best bytes"]["byte"]

    def of_lru(p):
        return p["default"]["byte"] / p["LRU"]["byte"]

    add(f"main, mean of {len(runs)}: objects, of the best "
        f"({spread(objects)})", mean(objects), "", (">=", 0.92))
    add(f"  w_s 0: bytes, of the best ({spread(of_bytes)})", mean(of_bytes),
        "", (">=", 0.90))
    add("  moved in a day, of the budget",
        mean(lambda p: p["default"]["churn"] * 100), "%", ("<=", 8))
    add("  LRU moves so many times as much",
        mean(lambda p: p["LRU"]["churn"] / p["default"]["churn"]), "",
        (">=", 50))
    add(f"  bytes, of LRU's ({spread(of_lru)})", mean(of_lru), "", (">=", 1))


def hit_rows(name, p, whole, add):
    best = p["best objects"]["object"], p["best bytes"]["byte"]
    add(f"{name}: best possible, objects", best[0])
    add("  best possible, bytes", best[1])
    for policy, got in p.items():
        if policy.startswith("best") or not whole and "open," in policy:
            continue
        add(f"  {policy}: objects, of the best", got["object"] / best[0])
        add("    bytes, of the best", got["byte"] / best[1])
        if whole or policy == "default":
            add("    moved in a day, of the budget", got["churn"] * 100, "%")
        for hour, hits in enumerate(got.get("crowd", ())):
            add(f"    the crowd's hits, hour {hour + 1}", hits * 100, "%")


def bots_rows(name, p, add):
    for policy, got in p.items():
        add(f"{name} a day and object, {policy}: taken by them",
            got["hostile"] * 100, "%")
        add("  objects, of users' reads", got["object"])


def wrong(lines):
    return [name.strip() for name, value, _, target in lines
            if target and name.strip().startswith(ALWAYS) and
            not engine.holds(target, value)]


def main():
    o = read_options()
    results = run(o)
    lines = rows(results)
    print(engine.table(lines))
    if o.out:
        with open(o.out, "w") as f:
            json.dump({"machine": platform.platform(), "cpus": os.cpu_count(),
                       "load": os.getloadavg(), "when": time.time(),
                       "objects": o.objects, "days": o.days,
                       "items": o.items, "seed": o.seed, "results": results,
                       "table": [list(line) for line in lines]}, f)
            f.write("\n")
    for name in wrong(lines):
        print(f"# wrong: {name}", file=sys.stderr)
    return 1 if wrong(lines) else 0


if __name__ == "__main__":
    sys.exit(main())
