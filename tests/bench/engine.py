"""Measures decisions alone, without sockets and log: the planner that ships,
many nodes and pins in memory, one thread, CPU time. Ingest of mixed sizes on
nodes of mixed capacity, with quotas and without; loss of a node, a rack, 25
nodes of one region and 5 %; growth, a tenth that leaves; rebalancing and a
restart of all agents, through the whole control loop with fewer pins; 50
organisations, one of them hostile, through the state machine on disk."""

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
    p.add_argument("--claims", type=int,
                   help="of all organisations, in each run (20,000)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--quick", action="store_true",
                   help="150,000 copies, 1,000 pins, 1,000 claims: whether "
                   "it works")
    p.add_argument("--out", help="file for all figures as JSON")
    o = p.parse_args()
    o.replicas = o.replicas or (150000 if o.quick else 10000000)
    o.move_pins = o.move_pins or (1000 if o.quick else 5000)
    o.claims = o.claims or (1000 if o.quick else 20000)
    return o


def run(o):
    program = os.path.join(os.environ["PINFOLD_BUILD"], "tests", "bench",
                           "bench-engine")
    done = subprocess.run(
        [program, "--replicas", str(o.replicas), "--nodes", str(o.nodes),
         "--move-pins", str(o.move_pins), "--claims", str(o.claims),
         "--seed", str(o.seed)],
        stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def rows(r):
    """(metric, measured, unit, target): a bound or None, as in report.py."""
    out = []

    def add(name, value, unit="", target=None):
        out.append((name, value, unit, target))

    add(f"decisions of 3 copies, {r['nodes']:,} nodes, with hash, quota of 50 "
        "organisations, reservation, log encoding", r["quota"]["per_s"], "/s",
        (">=", 750000))
    add("  violations: refused though it fits, or exceeded",
        r["quota"]["quota_wrong"], "", ("<=", 0))
    got = r["ingest"]
    add("  without quotas", got["per_s"], "/s")
    add("  the planner alone", r["bare"]["per_s"], "/s")
    add("  the same, all nodes compared", r["bare"]["all_per_s"], "/s")
    add("  slot table made anew", got["table_s"] * 1000, "ms")
    balance_rows("ingest", got, 1.01, 0.002, add)
    balance_rows("capacities 1:2:4:8:16", r["steep"], 1.01, 0.002, add)
    balance_rows("a tail of large pins", r["tail"], 1.03, None, add)
    for key, name, limit in (("node", "largest node lost", 0.05),
                             ("rack", "a rack lost", None),
                             ("zone", "25 nodes of one region lost", 1),
                             ("random", "5 % of the nodes lost", None),
                             ("shrink", "a tenth leaves in order", None)):
        loss_rows(r[key], name, limit, key, add)
    repair_rows(r, add)
    growth_rows(r["growth"], add)
    rebalance_rows(r["rebalance"], add)
    add(f"{r['restart']['agents']} agents restarted in turn, 20 s each: "
        "copies ordered elsewhere", r["restart"]["orders"], "", ("==", 0))
    organisation_rows(r, add)
    return out


def balance_rows(name, got, most, deviation, add):
    add(f"{name}: largest pin", got["largest"] / 2 ** 30, "GiB")
    add("  max / avg", got["max"], "", ("<=", most))
    add("  CV", got["deviation"], "", deviation and ("<=", deviation))
    add("  violations", got["violations"], "", ("<=", 0))


def organisation_rows(r, add):
    got = r["probe"]
    add("organisations, one probes its quota: operations", got["operations"])
    add("  violations: verdicts and sums that are wrong", got["wrong"], "",
        ("<=", 0))
    add("  violations: limits exceeded", got["exceeded"], "", ("<=", 0))
    add("  accepted, on disk, one", got["accept_s"] * 1e6 / got["accepted"],
        "us")
    add("  refused, one", got["refuse_s"] * 1e6 / got["refused"], "us")
    got = r["sizes"]
    add("declared sizes, larger than said", got["larger"])
    add("  granted", got["granted"])
    add("  refused when measured", got["refused"])
    add("  violations: verdicts and sums that are wrong", got["wrong"], "",
        ("<=", 0))
    add("  violations: limits exceeded", got["exceeded"], "", ("<=", 0))
    reclaim_rows(r["reclaim"], add)


def reclaim_rows(got, add):
    add("a guarantee claimed, all is lent: pins admitted", got["claimed"])
    add("  violations: refused within the guarantee", got["refused"], "",
        ("<=", 0))
    add("  violations: who borrows more kept it", got["unfair"], "",
        ("<=", 0))
    add("  violations: others made way beyond the guarantee", got["beyond"],
        "", ("<=", 0))
    add("  violations: more charged than the nodes hold", got["exceeded"],
        "", ("<=", 0))
    add("  deepest below a guarantee, of the largest pin",
        got["below"] / got["largest"], "", ("<=", 1))
    add("  most borrowed, of the own guarantee, before", got["most_before"])
    add("  most borrowed, of the own guarantee, after", got["most_after"])
    add("  an admission, on disk", got["admit_s"] * 1e6, "us")


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


def repair_rows(r, add):
    """The state machine's part, after the planner's."""
    got = r["repair"]
    one = got["cpu_s"] / got["copies"]
    add("a lost copy assigned elsewhere: row read, entry applied on disk",
        one * 1e6, "us")
    add("  violations: refused, or not 3 copies up", got["wrong"], "",
        ("<=", 0))
    for key, name in (("node", "the lost node's"),
                      ("zone", "those of 25 nodes")):
        add(f"  {name} {r[key]['copies']:,}, planned and applied: CPU",
            r[key]["plan_s"] + one * r[key]["copies"], "s", ("<=", 10))


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
                       "replicas": o.replicas, "nodes": o.nodes,
                       "move_pins": o.move_pins, "claims": o.claims,
                       "seed": o.seed,
                       "results": results,
                       "table": [list(line) for line in lines]}, f)
            f.write("\n")
    for name in wrong(lines):
        print(f"# wrong: {name}", file=sys.stderr)
    return 1 if wrong(lines) else 0


if __name__ == "__main__":
    sys.exit(main())
