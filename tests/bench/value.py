"""Measures what is kept and what is read, without nodes and log: the values
that ship, admission and eviction by the rules of the design, caches and
clairvoyants beside them; drift, crowds, invented reads, spam, sizes that are
not the declared ones; and what a decision costs with the order on disk. One
thread; all but the CPU figures follows from the seed."""

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
    p.add_argument("--held", type=int,
                   help="elastic pins on disk, in order (100,000)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--full", action="store_true",
                   help="100,000 objects, 60 days, 1 M pins on disk")
    p.add_argument("--quick", action="store_true",
                   help="2,000 objects, 10 days: whether it works")
    p.add_argument("--out", help="file for all figures as JSON")
    o = p.parse_args()
    objects, days, items, held = (
        (2000, 10, 50000, 2000) if o.quick else
        (100000, 60, 1000000, 1000000) if o.full else
        (30000, 40, 1000000, 100000))
    o.objects = o.objects or objects
    o.days = o.days or days
    o.items = o.items or items
    o.held = o.held or held
    return o


def run(o):
    program = os.path.join(os.environ["PINFOLD_BUILD"], "tests", "bench",
                           "bench-value")
    done = subprocess.run(
        [program, "--objects", str(o.objects), "--days", str(o.days),
         "--items", str(o.items), "--held", str(o.held),
         "--seed", str(o.seed)],
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
        if name.startswith(("bots", "spam", "sizes")):
            hostile_rows(name, policies(got), add)
        else:
            hit_rows(name, policies(got), name == "main", add)
    keepers = [p for got in workloads(r).values() for p in got["policies"]
               if "decisions" in p]
    main = policies(r["main"])["default"]
    add("CPU: a value", main["score_ns"], "ns")
    add("CPU: a decision, order in memory", main["decide_ns"], "ns")
    order_rows(r["order"], add)
    add("violations of a budget", sum(p["violations"] for p in keepers) +
        sum(x["violations"] for x in r["regret"]), "", ("<=", 0))
    add("most victims of a decision",
        max(p["victims"] for p in keepers if not p["wide"]), "", ("<=", 64))
    return out


def order_rows(got, add):
    add(f"CPU: a decision, order on disk of {got['held']:,} elastic pins",
        got["look_us"] + got["apply_us"], "us")
    add("  of it the leader's look", got["look_us"], "us")
    add("  of it the entry, with its part of the commits", got["apply_us"],
        "us")
    add("  decisions a second and core",
        1e6 / (got["look_us"] + got["apply_us"]), "/s")
    add("  victims of one that was admitted",
        got["victims"] / max(got["admitted"], 1))
    add("violations: limits and what others hold, on disk", got["wrong"], "",
        ("<=", 0))


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

    def objects(p, name="prompt"):
        return p[name]["object"] / p["best objects"]["object"]

    def of_bytes(p):
        return p["prompt, w_s 0"]["byte"] / p["best bytes"]["byte"]

    def of_lru(p):
        return p["prompt"]["byte"] / p["LRU"]["byte"]

    add(f"main, decided as the leader does, mean of {len(runs)}: objects, of "
        f"the best ({spread(objects)})", mean(objects), "", (">=", 0.92))
    add("  decided every 6 hours", mean(lambda p: objects(p, "default")))
    add(f"  w_s 0: bytes, of the best ({spread(of_bytes)})", mean(of_bytes),
        "", (">=", 0.90))
    add("  moved in a day, of the budget",
        mean(lambda p: p["prompt"]["churn"] * 100), "%", ("<=", 8))
    add("  LRU moves so many times as much",
        mean(lambda p: p["LRU"]["churn"] / p["prompt"]["churn"]), "",
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


def hostile_rows(name, p, add):
    kind = {"bots": " invented reads a day and object",
            "spam": ": half as many new CIDs a day as all have",
            "sizes": ": said to be a thousandth" if "declared" in name
            else ": 10 invented reads"}[name.split()[0]]
    if name == "spam none":
        kind = ""
    for policy, got in p.items():
        add(f"{name}{kind}, {policy}: taken by them",
            got["hostile"] * 100, "%")
        add("  objects, of users' reads", got["object"])
        add("  moved in a day, of the budget", got["churn"] * 100, "%")
        if "declared" in name:
            add("  fetched in vain, of the budget, in all",
                got["in_vain"] * 100, "%")


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
                       "items": o.items, "held": o.held, "seed": o.seed,
                       "results": results,
                       "table": [list(line) for line in lines]}, f)
            f.write("\n")
    for name in wrong(lines):
        print(f"# wrong: {name}", file=sys.stderr)
    return 1 if wrong(lines) else 0


if __name__ == "__main__":
    sys.exit(main())
