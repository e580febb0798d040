"""Writes the tables of docs/placement.md or docs/value-reference.md from a file
that tests/bench/engine or tests/bench/value --out wrote: what stands between
"<!-- figures: NAME -->" and "<!-- end of figures -->" is replaced. The text
around them, and that of docs/value.md, is not touched: what it says of figures
is to be read again."""

import json
import re
import sys
import textwrap
import time

import engine
import value

# Shown though they have no target and stand below another line.
KEEP = {"without quotas", "the planner alone",
        "the same, all nodes compared", "accepted, on disk, one",
        "refused, one", "granted", "refused when measured",
        "an admission, on disk", "of it the leader's look",
        "of it the entry, with its part of the commits",
        "decisions a second and core", "victims of one that was admitted",
        "most borrowed, of the own guarantee, before",
        "most borrowed, of the own guarantee, after",
        "decided every 6 hours", "of the next copies they take",
        "their share of the capacity"}
SIGNS = {"<=": "≤ ", ">=": "≥ ", "==": ""}


def markdown(lines):
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def figure_table(rows):
    """Targets beside what was measured; what falls short is in bold."""
    out = [("metric", "measured", "target", ""), ("---",) * 4]
    for name, got, unit, target in rows:
        below = name.startswith("  ")
        if below and target is None and name.strip() not in KEEP:
            continue
        unit = "µs" if unit == "us" else unit
        measured = f"{engine.number(got)} {unit}".strip()
        met = target is None or engine.holds(target, got)
        out.append((("… " if below else "") + name.strip(), measured,
                    f"{SIGNS[target[0]]}{target[1]:,}" if target else "",
                    "" if target is None else
                    "met" if met else "**not met**"))
    return markdown(out)


def run_text(run, what):
    day = time.strftime("%Y-%m-%d", time.gmtime(run["when"]))
    return textwrap.fill(f"{what}, seed {run['seed']}; {run['cpus']} CPUs, "
                         f"load {run['load'][0]:.1f}, {day}.", 79)


def engine_blocks(run):
    r = run["results"]
    what = run_text(run, f"{run['replicas']:,} copies on {run['nodes']:,} "
                    f"nodes, {run['move_pins']:,} pins to rebalance, "
                    f"{run['claims']:,} claims of organisations")
    rows = [tuple(x) for x in run["table"]]
    assert "quota" in r
    return {"engine": what + "\n\n" + figure_table(rows)}


def two(a, b):
    return f"{a:.3f}, {b:.3f}"


def percent(x, digits=1):
    return f"{x * 100:,.{digits}f} %"


def size_table(p):
    out = [("w_s", "reads that hit", "bytes that hit",
            "moved in a day, of the budget"), ("---",) * 4]
    for words, name in (("0", "w_s 0"), ("0.15", "w_s 0.15"),
                        ("0.30", "default"), ("0.60", "w_s 0.6"),
                        ("1.20", "w_s 1.2")):
        line = (words, f"{p[name]['object']:.3f}", f"{p[name]['byte']:.3f}",
                percent(p[name]["churn"]))
        out.append(tuple(f"**{x}**" for x in line) if name == "default"
                   else line)
    out.append(("best possible", f"{p['best objects']['object']:.3f}",
                f"{p['best bytes']['byte']:.3f}", ""))
    lru, gdsf = p["LRU"], p["GDSF"]
    out.append(("LRU, GDSF (caches that fetch all that is read)",
                two(lru["object"], gdsf["object"]),
                two(lru["byte"], gdsf["byte"]),
                percent(lru["churn"], 0) + ", " + percent(gdsf["churn"], 0)))
    return markdown(out)


def expect_table(results):
    out = [("reads are spread", "replaced a day",
            "reads that hit: best, Pinfold", "bytes, w_s 0: best, Pinfold",
            "moved in a day"), ("---",) * 5]
    for words, zipf, drifts in (("evenly (Zipf 0.6)", 0.6, (0, 1, 5)),
                                ("Zipf 0.9", 0.9, (0, 1, 5)),
                                ("steeply (Zipf 1.1)", 1.1, (0, 1, 5))):
        for drift in drifts:
            name = f"zipf {zipf}, drift {drift / 100:g}"
            p = value.policies(results["main" if (zipf, drift) == (0.9, 1)
                                       else name])
            out.append((words, f"{drift} %",
                        two(p["best objects"]["object"],
                            p["default"]["object"]),
                        two(p["best bytes"]["byte"], p["w_s 0"]["byte"]),
                        percent(p["default"]["churn"])))
            words = ""
    return markdown(out)


def variant_table(results):
    p = value.policies(results["main"])
    busy = value.policies(results["busy"])
    out = [("variant", "reads", "bytes", "moved"), ("---",) * 4]

    def add(words, names, of):
        got = [of[n] for n in names]
        best = of["best objects"]["object"], of["best bytes"]["byte"]
        out.append((words,
                    "; ".join(f"{g['object'] / best[0]:.3f}" for g in got),
                    "; ".join(f"{g['byte'] / best[1]:.3f}" for g in got),
                    "; ".join(percent(g["churn"]) for g in got)))

    add("every 6 hours", ["default"], p)
    add("at once and hourly, as the leader does", ["prompt"], p)
    add("hysteresis 0; 0.25", ["h 0", "h 0.25"], p)
    add("half-life of usage 3 days; 14 days", ["H_u 3 d", "H_u 14 d"], p)
    add("no thresholds: default; usage only; `w_s` 1.20",
        ["open", "open, usage only", "open, w_s 1.2"], p)
    add("five times the reads", ["default"], busy)
    return markdown(out)


def hostile_table(results):
    out = [("one organisation of 50", "limits of organisations",
            "has of the budget", "users' reads that hit",
            "moved in a day, of the budget"), ("---",) * 5]
    for words, name in (
            ("does nothing", "spam none"),
            ("offers new CIDs every day, half as many as all others have, "
             "of 4 MiB, read by nobody", "spam"),
            ("invents 10 reads a day of each", "sizes true"),
            ("the same, with declared sizes of a thousandth",
             "sizes declared"),
            ("invents 144 a day of each: one client", "bots 144"),
            ("invents 10,000: 70 clients", "bots 10000")):
        for policy in ("no limits", "limits"):
            p = value.policies(results[name])[policy]
            out.append((words, "none" if policy == "no limits" else "1.5 "
                        "shares", percent(p["hostile"]),
                        f"{p['object']:.3f}", percent(p["churn"])))
            words = ""
    return markdown(out)


def value_blocks(run):
    r = run["results"]
    what = run_text(run, f"{run['objects']:,} objects, {run['days']} days, "
                    f"{run['items']:,} items in the regret runs, "
                    f"{run['held']:,} elastic pins on disk")
    shown = [tuple(x) for x in run["table"]
             if x[3] or x[0].startswith("CPU") or x[0].strip() in KEEP]
    return {"sizes": size_table(value.policies(r["main"])),
            "expect": expect_table(r), "variants": variant_table(r),
            "hostile": hostile_table(r),
            "value": what + "\n\n" + figure_table(shown)}


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: doc.py JSON "
                 "docs/placement.md|docs/value-reference.md [OUT]")
    with open(sys.argv[1]) as f:
        run = json.load(f)
    with open(sys.argv[2]) as f:
        text = f.read()
    blocks = (engine_blocks if "replicas" in run else value_blocks)(run)
    for name, body in blocks.items():
        text, n = re.subn(
            f"(<!-- figures: {name} -->\n).*?(<!-- end of figures -->)",
            lambda m, body=body: m[1] + body + "\n" + m[2], text,
            flags=re.DOTALL)
        if n != 1:
            sys.exit(f"{sys.argv[2]}: {n} places for the figures {name!r}")
    with open(sys.argv[-1], "w") as f:
        f.write(text)


if __name__ == "__main__":
    main()
