"""The measures. Each takes a running world and returns plain figures."""

import collections
import json
import os
import statistics
import threading
import time

from world import N, Trouble, ask, machine_busy_s, try_ask

IDLE_S = 3
REST_S = 15


def baseline(world, seconds):
    """What disk and HTTP server give without a pin."""
    disk = ["--dir", world.folder, "--seconds", min(seconds, 5)]
    out = {"disk": world.load("disk", *disk)["per_s"],
           "disk_fresh": world.load("disk", "--fresh", *disk)["per_s"],
           "livez": {}}
    for n in (1, 16, 128):
        got = world.load("get", "--path", "/livez", "--connections", n,
                         "--seconds", min(seconds, 5))
        out["livez"][n] = {k: got[k] for k in ("per_s", "p99_ms")}
    return out


def split(before, after):
    return {name: after[name] - before[name] for name in before}


def one_load(world, connections, options, hosts):
    """A load, until every accepted pin is held and reported."""
    before, start = world.cpu(), time.monotonic()
    daemons, busy = world.cpu(world.fakes), machine_busy_s()
    got = world.post("--connections", connections, *options, hosts=hosts)
    accepted_cpu = split(before, world.cpu())
    world.wait_confirmed()
    confirmed = time.monotonic() - start
    world.wait_settled()
    used = split(before, world.cpu())
    daemons = split(daemons, world.cpu(world.fakes))
    pins = max(got["ok"], 1)
    got["confirmed_s"] = confirmed
    got["confirmed_per_s"] = got["ok"] / confirmed
    got["settled_s"] = time.monotonic() - start
    got["strangers_cores"] = (
        machine_busy_s() - busy - sum(used.values()) -
        sum(daemons.values()) - got["own_cpu_s"]) / got["settled_s"]
    got["cpu_ms_per_pin"] = 1000 * sum(used.values()) / pins
    got["cpu_ms_per_pin_accepted"] = 1000 * sum(accepted_cpu.values()) / pins
    got["cpu_others_ms_per_pin"] = 1000 * (
        sum(daemons.values()) + got["own_cpu_s"]) / pins
    got["cpu_split_ms"] = {k: 1000 * v / pins for k, v in used.items()}
    return got


def accept(world, seconds):
    leader = [world.http[world.leader()]]
    out = {}
    for n in (1, 16, 128):
        for kind, hosts in (("all", None), ("leader", leader)):
            out[f"{kind} {n}"] = one_load(
                world, n, ["--seconds", seconds], hosts)
            time.sleep(0.5)
    return out


def fill(world, pins):
    """Up to so many pins in the world, in bulk."""
    return one_load(world, 128, ["--count", pins - world.posted,
                                 "--seconds", 600], None)


def disk_bytes(world):
    """By coordinator: the database, its WAL, the log, and everything."""
    out = {}
    for p in world.coordinators:
        used = dict.fromkeys(("database", "wal", "log", "total"), 0)
        for base, _, names in os.walk(os.path.join(world.folder, p.name)):
            for name in names:
                size = os.stat(os.path.join(base, name)).st_blocks * 512
                kind = "log" if base.endswith("/raft") else \
                    {"state.db": "database", "state.db-wal": "wal"}.get(name)
                used["total"] += size
                if kind:
                    used[kind] += size
        out[p.name] = used
    return out


def disk_at_rest(world):
    """Once nothing was written for 5 s the WAL is copied back."""
    world.until(lambda: not any(d["wal"] for d in disk_bytes(world).values()),
                "a WAL copied back on every coordinator", REST_S, 0.2)
    return disk_bytes(world)


def memory(world, steps, note):
    """Resident memory of each process when so many pins are there."""
    out = {"0": world.memory()}
    fills = {}
    for pins in steps:
        note(f"filling up to {pins} pins")
        fills[str(pins)] = fill(world, pins)
        time.sleep(IDLE_S)
        out[str(pins)] = world.memory()
    return {"rss_mib": out, "fill": fills, "disk": disk_bytes(world),
            "disk_at_rest": disk_at_rest(world)}


def lists(world):
    """GET of everything, with the memory that it takes."""
    out = {}
    for path in ("/pins", "/allocations"):
        i = (world.leader() + 1) % N
        p = world.coordinators[i]
        runs = []
        before = p.memory_kib()
        p.reset_peak()
        for _ in range(3):
            got = world.load("list", "--path", path, hosts=[world.http[i]])
            if got["errors"] or got["lines"] != world.posted:
                raise Trouble(f"{path}: status {got['last_status']}, "
                              f"{got['lines']} of {world.posted}")
            runs.append(got)
        best = min(runs, key=lambda g: g["seconds"])
        out[path] = {"seconds": best["seconds"],
                     "items_per_s": best["lines"] / best["seconds"],
                     "first_byte_ms": max(g["first_byte_ms"] for g in runs),
                     "bytes": best["bytes"],
                     "peak_mib": p.memory_kib("VmHWM") / 1024,
                     "peak_extra_mib":
                         (p.memory_kib("VmHWM") - before) / 1024}
    return out


def gets(world, seconds):
    out = {}
    for path in ("/pins/", "/allocations/"):
        out[path] = world.load("get", "--path", path, "--cids", world.acks,
                               "--connections", 16, "--seconds", seconds)
    return out


def wait_list(world, i, out):
    """Until coordinator i serves the list; a short one is an error."""
    while try_ask(world.http[i], "/readyz", timeout=2)[0] != 200:
        time.sleep(0.005)
    out["ready"][i] = time.monotonic()
    got = world.load("list", "--path", "/pins", hosts=[world.http[i]])
    if got["errors"] or got["lines"] < world.posted:
        out["short"] += 1
    out["list"][i] = time.monotonic()


def wait_write(world, i, cid, out):
    while try_ask(world.http[i], "/pins/" + cid, "POST", 20)[0] != 200:
        time.sleep(0.005)
    out["write"][i] = time.monotonic()


def watch(world, places, start):
    """Times until the list is complete and a write is accepted."""
    out = {"ready": {}, "list": {}, "write": {}, "short": 0}
    with open(world.acks) as f:
        cid = f.readline().strip()  # again: no new pin
    work = [threading.Thread(target=wait_list, args=(world, i, out))
            for i in places]
    work += [threading.Thread(target=wait_write, args=(world, i, cid, out))
             for i in places]
    for t in work:
        t.start()
    for t in work:
        t.join()
    return {"ready_s": max(out["ready"].values()) - start,
            "list_s": max(out["list"].values()) - start,
            "write_s": min(out["write"].values()) - start,
            "short_lists": out["short"]}


def restart(world):
    """kill -9 of all coordinators, then of a follower."""
    for p in world.coordinators:
        p.kill()
    start = time.monotonic()
    for p in world.coordinators:
        p.start()
    all_of_them = watch(world, range(N), start)
    world.wait_ready()
    i = (world.leader() + 1) % N
    world.coordinators[i].kill()
    start = time.monotonic()
    world.coordinators[i].start()
    one = watch(world, [i], start)
    world.wait_ready()
    return {"all": all_of_them, "one": one}


def gap(world, runs, note, rate=50, seconds=9, kill_at=2.0):
    """A steady client while the leader is killed."""
    out = []
    for k in range(runs):
        i = world.leader()
        world.seed += 1
        client = world.load_begin(
            "post", "--seed", world.seed, "--acks", world.acks, "--rate",
            rate, "--connections", 192, "--seconds", seconds, "--timeout", 9)
        time.sleep(kill_at + 0.37 * (k % 3))
        world.coordinators[i].kill()
        got = world.load_end(client)
        world.posted += got["ok"]
        out.append(got)
        note(f"leader killed, run {k + 1}: gap {got['gap_ms']:.0f} ms, "
             f"{got['errors']} errors")
        world.coordinators[i].start()
        world.wait_ready()
    gaps = [g["gap_ms"] / 1000 for g in out]
    return {"median_s": statistics.median(gaps), "worst_s": max(gaps),
            "errors": sum(g["errors"] + g["timeouts"] for g in out),
            "broken": sum(g["broken"] for g in out), "runs": out}


def cids_of(address, path):
    code, body = ask(address, path, timeout=120)
    if code != 200:
        raise Trouble(f"{path}: {code}")
    return [json.loads(line)["cid"] for line in body.splitlines() if line]


def correct(world):
    """Each acknowledged pin on exactly two daemons, and in every list."""
    world.wait_settled()
    with open(world.acks) as f:
        acked = {line.strip() for line in f}
    held = collections.Counter()
    for at in world.fakes_at:
        held.update(cids_of(at, "/ctl/pins"))
    known = [set(cids_of(at, "/allocations")) for at in world.http]
    return {"acknowledged": len(acked),
            "missing": sum(len(acked - k) for k in known),
            "too_few": sum(held[c] < 2 for c in acked),
            "too_many": sum(held[c] > 2 for c in acked),
            "strangers": sum(c not in known[0] for c in held),
            "lists_differ": sum(k != known[0] for k in known)}
