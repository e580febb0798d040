"""Goals of the APIs, and the rows of a run against them (report.py)."""

from api_measures import CONNECTIONS

ACCEPTED = {1: (600, 5), 16: (4000, 20), 128: (6000, 60)}  # /s, p99 in ms
LOOKED_UP = {"/pins/": (15000, 5), "/allocations/": (20000, None)}
LISTED = {"/pins": (1.0, 100000), "/allocations": (0.5, 200000)}
MEMORY = {20000: 30, 100000: 50, 1000000: 150}


def rows(results):
    """(figure, value, unit, goal, minimum); a bound is ("<=" or ">=", x)."""
    out = []

    def add(name, value, unit, goal=None, least=None):
        out.append((name, value, unit, goal, least))

    if got := results.get("pins"):
        pin_rows(got, add)
    if got := results.get("gets"):
        get_rows(got, add)
    if got := results.get("lists"):
        list_rows(got, add)
    if got := results.get("service"):
        service_rows(got, add)
    for kind, got in results.get("upload", {}).items():
        upload_rows(kind, got, add)
    return out


def ratio(a, b):
    """None: too little was measured to tell."""
    return a / b if b else None


def wrong(got):
    return got["errors"] + got["broken"] + got["timeouts"]


def pin_rows(got, add):
    for n in CONNECTIONS:
        rate, p99 = ACCEPTED[n]
        plain, token = got[f"open {n}"], got[f"token {n}"]
        for name, run in (("no token", plain), ("token", token)):
            add(f"POST /pins/{{cid}}, {n} connections, {name}", run["per_s"],
                "/s", (">=", rate))
            add("  p50", run["p50_ms"], "ms")
            add("  p99", run["p99_ms"], "ms", ("<=", p99))
            add("  CPU a pin, end to end", run["cpu_ms_per_pin"], "ms",
                ("<=", 0.6) if n == 128 else None)
            add("  errors", wrong(run), "", ("<=", 0), ("<=", 0))
            add("  taken by strangers meanwhile", run["strangers_cores"],
                "cores")
        add("  with a token / without: pins a second",
            ratio(token["per_s"], plain["per_s"]), "")
        add("  with a token / without: CPU a pin",
            ratio(token["cpu_ms_per_pin"], plain["cpu_ms_per_pin"]), "")


def get_rows(got, add):
    for path, (rate, p99) in LOOKED_UP.items():
        for n in CONNECTIONS:
            for name in ("open", "token"):
                run, base = got[f"{path} {name} {n}"], got[f"/livez {name} "
                                                           f"{n}"]
                word = "token" if name == "token" else "no token"
                add(f"GET {path}{{cid}}, {n} connections, {word}",
                    run["per_s"], "/s", (">=", rate) if n == 16 else None)
                add("  p99", run["p99_ms"], "ms",
                    ("<=", p99) if n == 16 and p99 else None)
                add("  CPU of the cluster a request", run["cpu_us"], "µs")
                add("  requests a second / GET /livez",
                    ratio(run["per_s"], base["per_s"]), "")
                add("  CPU a request / GET /livez",
                    ratio(run["cpu_us"], base["cpu_us"]), "")
                add("  errors", wrong(run), "", ("<=", 0), ("<=", 0))
                add("  taken by strangers meanwhile",
                    run["strangers_cores"], "cores")


def list_rows(got, add):
    first = None
    for n, lists in got.items():
        count = int(n)
        add(f"memory of a coordinator at {n} pins, largest",
            lists["idle_mib"], "MiB",
            ("<=", MEMORY[count]) if count in MEMORY else None)
        first = first or lists
        for path, run in lists["paths"].items():
            seconds, rate = LISTED[path]
            add(f"GET {path}, {n} items", run["seconds"], "s",
                ("<=", seconds * count / 100000))
            add("  items", run["items_per_s"], "/s", (">=", rate))
            if first is not lists:
                add("  items/s / those of the shortest list",
                    ratio(run["items_per_s"],
                          first["paths"][path]["items_per_s"]), "")
            add("  first byte, worst of 3", run["first_byte_ms"], "ms",
                ("<=", 50))
            add("  memory while listing, more", run["peak_extra_mib"], "MiB",
                ("<=", 16))
            add("  CPU of the cluster, 1,000 items", run["cpu_us"], "ms")
            add("  taken by strangers meanwhile", run["strangers_cores"],
                "cores")


def service_rows(got, add):
    add("Pinning Service: requests made, at most 900/s",
        got["made"]["per_s"], "/s")
    add("  p99", got["made"]["p99_ms"], "ms")
    add("  errors", wrong(got["made"]), "")
    add(f"GET /pins, page of 1,000, median of {got['pages']}", got["p50_ms"],
        "ms", ("<=", 50))
    add("  longest", got["max_ms"], "ms")
    add("  last third of the pages / first third",
        ratio(got["last_ms"], got["first_ms"]), "")
    add("  CPU of the coordinator", got["cpu_ms"], "ms")
    add("  memory meanwhile, more", got["extra_mib"], "MiB", ("<=", 16))


def upload_rows(kind, got, add):
    add(f"upload of {got['mib']} MiB to {kind} itself",
        got["mib_per_s"]["direct"], "MiB/s")
    add("  POST /add", got["mib_per_s"]["cluster"], "MiB/s")
    add("  POST /add / to the daemon, median of 3", got["ratio"], "",
        (">=", 0.9) if kind != "fake daemon" else None)
    for who in ("daemons", "cluster"):
        add(f"  CPU of the {who}, a GiB", got["cpu_s_per_gib"][who], "s")
    for who in ("coordinator", "agent"):
        add(f"  memory of one {who} meanwhile, more",
            got[who + "_extra_mib"], "MiB", ("<=", 64), ("<=", 64))
