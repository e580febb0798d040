"""Measures placement alone, without sockets and log: the planner that ships,
many nodes and pins in memory, one thread, CPU time. Ingest of mixed sizes on
nodes of mixed capacity; loss of a node, of 25 nodes of one region and of 5 %;
growth; rebalancing, through the whole control loop with fewer pins."""

import argparse
import json
import os
import platform
import subprocess
import sys
import time

import report

# Of 10 M pins: 30 M copies, whose largest is small against a node.
WHOLE = 30000000
# Wrong whatever the scale.
ALWAYS = ("violations", "moved / lost")


def read_options():
    p = argparse.ArgumentParser(
        prog="tests/bench/engine", description=__doc__,
        epilog="PINFOLD_BUILD names a folder that is built already.")
    p.add_argument("--replicas", type=int, help="copies to place (10 M)")
    p.add_argument("--nodes", type=int, default=1000)
    p.add_argument("--move-pins", type=int,
                   help="pins of the rebalancing run (5,000)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--quick", action="store_true",
                   help="150,000 copies, 1,000 pins: whether it works")
    p.add_argument("--out", help="file for all figures as JSON")
    o = p.parse_args()
    o.replicas = o.replicas or (150000 if o.quick else 10000000)
    o.move_pins = o.move_pins or (1000 if o.quick else 5000)
    return o


def run(o):
    program = os.path.join(os.environ["PINFOLD_BUILD"], "tests", "bench",
                           "bench-engine")
    done = subprocess.run(
        [program, "--replicas", str(o.replicas), "--nodes", str(o.nodes),
         "--move-pins", str(o.move_pins), "--seed", str(o.seed)],
        stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def rows(r):
    """(metric, measured, unit, target): a bound or None, as in report.py."""
    out = []

    def add(name, value, unit="", target=None):
        out.append((name, value, unit, target))

    got = r["ingest"]
    add(f"ingest: decisions of 3 copies, {r['nodes']} nodes, with hash, "
        "reservation, log encoding; without quotas", got["per_s"], "/s")
    add("  the planner alone", r["bare"]["per_s"], "/s")
    add("  the same, all nodes compared", r["bare"]["all_per_s"], "/s")
    add("  slot table made anew", got["table_s"] * 1000, "ms")
    balance_rows(got, add)
    for key, name, limit in (("node", "largest node lost", 0.05),
                             ("zone", "25 nodes of one region lost", 1),
                             ("random", "5 % of the nodes lost", None)):
        loss_rows(r[key], name, limit, key, add)
    growth_rows(r["growth"], add)
    rebalance_rows(r["rebalance"], add)
    return out


def balance_rows(got, add):
    add("  max / avg", got["max"], "", ("<=", 1.01))
    add("  CV", got["deviation"], "", ("<=", 0.002))
    add("  violations", got["violations"], "", ("<=", 0))


def loss_rows(got, name, limit, key, add):
    add(f"{name}: copies", got["copies"])
    add("  moved / lost", got["moved_bytes"] / max(got["bytes"], 1), "",
        ("==", 1))
    add("  moved / lost, copies",
        got["moved_copies"] / max(got["copies"], 1), "", ("==", 1))
    add("  planned in", got["plan_s"] * 1000, "ms",
        limit and ("<=", limit * 1000))
    add("  busiest receiver / fair share", got["busiest"], "",
        ("<=", 1.5) if key == "zone" else None)
    add("  max / avg", got["max"])
    add("  CV", got["deviation"])
    add("  violations", got["violations"], "", ("<=", 0))


def growth_rows(got, add):
    add(f"growth: {got['nodes']} empty nodes join, max / avg", got["max"])
    add("  slots of the new nodes", got["table_s"] * 1000, "ms")
    add("  of the next copies they take", got["share_of_new"] * 100, "%")
    add("  their share of the capacity", got["fair_share"] * 100, "%")


def rebalance_rows(got, add):
    add(f"rebalance ({got['nodes']} + {got['joined']} nodes, "
        f"{got['copies']:,} copies): max / avg before", got["max_joined"])
    add("  max / avg after", got["max_after"], "", ("<=", 1.0505))
    add("  moved / lower bound",
        got["moved_bytes"] / max(got["bound"], 1), "", ("<=", 1.01))
    add("  moved, of all bytes", got["moved_bytes"] / got["stored"] * 100,
        "%")
    add("  violations", got["violations"], "", ("<=", 0))
    add("claims planned with their look-up in SQLite, 100 nodes",
        got["claims_per_s"], "/s")


def holds(bound, value):
    return value == bound[1] if bound[0] == "==" else \
        report.holds(bound, value)


def number(x):
    if isinstance(x, int) or abs(x) >= 100:
        return f"{x:,.0f}"
    return f"{x:.4f}"


def table(lines):
    shown = [("metric", "measured", "unit", "target", "")]
    for name, value, unit, target in lines:
        shown.append((
            name, number(value), unit,
            f"{target[0]} {target[1]:,}" if target else "",
            ("met" if holds(target, value) else "not met") if target
            else ""))
    width = [max(len(line[i]) for line in shown) for i in range(5)]
    return "\n".join(
        f"{a:<{width[0]}}  {b:>{width[1]}} {c:<{width[2]}}  "
        f"{d:>{width[3]}}  {e}".rstrip() for a, b, c, d, e in shown)


def wrong(lines):
    return [name.strip() for name, value, _, target in lines
            if target and name.strip().startswith(ALWAYS) and
            not holds(target, value)]


def main():
    o = read_options()
    results = run(o)
    lines = rows(results)
    print(table(lines))
    if o.replicas < WHOLE:
        print(f"# {o.replicas:,} copies: with few of them the largest "
              f"pins weigh; the targets are for {WHOLE:,}",
              file=sys.stderr)
    if o.out:
        with open(o.out, "w") as f:
            json.dump({"machine": platform.platform(), "cpus": os.cpu_count(),
                       "load": os.getloadavg(), "when": time.time(),
                       "replicas": o.replicas, "seed": o.seed,
                       "results": results,
                       "table": [list(line) for line in lines]}, f)
            f.write("\n")
    for name in wrong(lines):
        print(f"# wrong: {name}", file=sys.stderr)
    return 1 if wrong(lines) else 0


if __name__ == "__main__":
    sys.exit(main())
