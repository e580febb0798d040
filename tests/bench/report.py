"""Goals, and the table of a run against them."""


def rows(results, pins):
    """(figure, value, unit, goal, minimum); a bound is ("<=" or ">=", x)."""
    out = []

    def add(name, value, unit, goal=None, least=None):
        out.append((name, value, unit, goal, least))

    if base := results.get("baseline"):
        add("disk: synchronous 4 KiB writes", base["disk"], "/s")
        add("  into blocks that were never written", base["disk_fresh"],
            "/s")
        for n, got in base["livez"].items():
            add(f"GET /livez, {n} connections", got["per_s"], "/s")
    accept_rows(results.get("accept", {}), add)
    if mem := results.get("memory"):
        memory_rows(mem, pins, add)
    if got := results.get("lists"):
        list_rows(got, pins, add)
    if got := results.get("gets"):
        get_rows(got, add)
    if got := results.get("restart"):
        restart_rows(got, add)
    if got := results.get("gap"):
        add("leader killed: longest gap, median", got["median_s"], "s",
            ("<=", 1.5), ("<=", 3))
        add("leader killed: longest gap, worst", got["worst_s"], "s",
            ("<=", 3), ("<=", 3))
        add("leader killed: errors", got["errors"], "", ("<=", 0))
        add("leader killed: connections lost", got["broken"], "")
    for name, got in results.get("correct", {}).items():
        add(f"acknowledged pins ({name})", got["acknowledged"], "")
        for key, text in (
                ("missing", "acknowledged and missing in a list"),
                ("too_few", "on fewer than 2 daemons"),
                ("too_many", "on more than 2 daemons"),
                ("strangers", "on a daemon, but in no list"),
                ("lists_differ", "coordinators that list something else")):
            add("  " + text, got[key], "", ("<=", 0), ("<=", 0))
    return out


def accept_rows(accept, add):
    rate = {"1": (600, 400), "16": (4000, None), "128": (6000, 2000)}
    p99 = {"1": 5, "16": 20, "128": 60}
    for name, got in accept.items():
        kind, n = name.split()
        goal, least = rate[n]
        where = f"{n} connections" + (", to the leader" if kind == "leader"
                                      else "")
        add(f"accepted, {where}", got["per_s"], "/s", (">=", goal),
            least and (">=", least))
        add("  p50", got["p50_ms"], "ms")
        add("  p99", got["p99_ms"], "ms", ("<=", p99[n]))
        add("  errors", got["errors"] + got["broken"] + got["timeouts"], "",
            ("<=", 0))
        bulk = n == "128"
        add("  confirmed on 2 daemons", got["confirmed_per_s"], "/s",
            (">=", 2000) if bulk else None)
        add("  CPU a pin, end to end", got["cpu_ms_per_pin"], "ms",
            ("<=", 0.6) if bulk else None, ("<=", 1.0) if bulk else None)
        cpu_rows(got, add)


def cpu_rows(got, add):
    for kind in ("coordinator", "agent"):
        add(f"    of it the {kind}s", sum(
            v for k, v in got["cpu_split_ms"].items()
            if k.startswith(kind)), "ms")
    add("  CPU of daemons and load generator", got["cpu_others_ms_per_pin"],
        "ms")
    add("  taken by strangers meanwhile", got["strangers_cores"], "cores")


def memory_rows(mem, pins, add):
    goals = {"0": 20, "20000": 30, "100000": 50}
    for n, by_name in mem["rss_mib"].items():
        for kind in ("coordinator", "agent"):
            sizes = [v for k, v in by_name.items() if k.startswith(kind)]
            goal = goals.get(n) if kind == "coordinator" else \
                15 if n == "0" else None
            least = 128 if kind == "coordinator" else None
            add(f"memory of a {kind} at {n} pins, largest", max(sizes),
                "MiB", goal and ("<=", goal), least and ("<=", least))
    for n, got in mem["fill"].items():
        add(f"fill to {n}: accepted", got["per_s"], "/s")
        add("  confirmed on 2 daemons", got["confirmed_per_s"], "/s",
            (">=", 2000))
        add("  CPU a pin, end to end", got["cpu_ms_per_pin"], "ms",
            ("<=", 0.6), ("<=", 1.0))
        cpu_rows(got, add)
    for when, key in (("after a load", "disk"), ("at rest", "disk_at_rest")):
        disk = list(mem[key].values())
        add(f"disk a pin and coordinator, {when}",
            max(d["total"] for d in disk) / pins, "B", ("<=", 450))
        for kind in ("database", "wal", "log"):
            add(f"  of it the {kind}", max(d[kind] for d in disk) / pins,
                "B")


def list_rows(lists, pins, add):
    goals = {"/pins": (1.0, 100000, 50000), "/allocations": (0.5, 200000,
                                                             50000)}
    for path, got in lists.items():
        seconds, rate, least = goals[path]
        add(f"GET {path}, {pins} items", got["seconds"], "s",
            ("<=", seconds * max(pins, 1) / 100000))
        add("  items", got["items_per_s"], "/s", (">=", rate),
            (">=", least))
        add("  first byte, worst of 3", got["first_byte_ms"], "ms",
            ("<=", 50), ("<=", 100))
        add("  memory while listing, more", got["peak_extra_mib"], "MiB",
            ("<=", 16))


def get_rows(gets, add):
    goals = {"/pins/": (15000, 5), "/allocations/": (20000, None)}
    for path, got in gets.items():
        rate, p99 = goals[path]
        add(f"GET {path}{{cid}}, 16 connections", got["per_s"], "/s",
            (">=", rate))
        add("  p99", got["p99_ms"], "ms", p99 and ("<=", p99))
        add("  errors", got["errors"] + got["broken"], "", ("<=", 0))


def restart_rows(restart, add):
    for kind, list_s, write_s in (("all", 3, 3), ("one", 1, 2)):
        got = restart[kind]
        add(f"{kind} killed: until every restarted one lists all",
            got["list_s"], "s", ("<=", list_s))
        add(f"{kind} killed: first write accepted", got["write_s"], "s",
            ("<=", write_s))
        add("  lists that were short", got["short_lists"], "", ("<=", 0),
            ("<=", 0))


def holds(bound, value):
    return value <= bound[1] if bound[0] == "<=" else value >= bound[1]


def mark(value, goal, least):
    """met: the goal; minimum: only what the version must reach."""
    if goal is None:
        return "" if least is None else \
            "met" if holds(least, value) else "short"
    if holds(goal, value):
        return "met"
    if least is not None and holds(least, value):
        return "minimum"
    return "short"


def number(x):
    if x is None:
        return ""
    if isinstance(x, int) or abs(x) >= 100:
        return f"{x:,.0f}"
    return f"{x:.2f}" if abs(x) >= 1 else f"{x:.3f}"


def bound_text(bound):
    return f"{bound[0]} {number(bound[1])}" if bound else ""


def table(figures):
    """Of rows()."""
    lines = [("figure", "value", "unit", "goal", "minimum", "")]
    for name, value, unit, goal, least in figures:
        lines.append((name, number(value), unit, bound_text(goal),
                      bound_text(least), mark(value, goal, least)))
    width = [max(len(line[i]) for line in lines) for i in range(6)]
    return "\n".join(
        f"{a:<{width[0]}}  {b:>{width[1]}} {c:<{width[2]}}  "
        f"{d:>{width[3]}}  {e:>{width[4]}}  {f}".rstrip()
        for a, b, c, d, e, f in lines)


def fails(figures):
    """Below the minimum, or wrong."""
    return [name.strip() for name, value, _, _, least in figures
            if least is not None and not holds(least, value)]
