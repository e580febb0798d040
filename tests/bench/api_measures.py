"""The measures of api.py. Each takes running worlds and returns plain
figures."""

import http.client
import json
import os
import statistics
import time

import measures
from world import N, Trouble, machine_busy_s

CONNECTIONS = (1, 16, 128)
PIECE = 1 << 20
PAGE = 1000
IDLE_S = 3


def strangers(before, start, ours):
    """Cores that others took since then."""
    return (machine_busy_s() - before - ours) / (time.monotonic() - start)


def pins(plain, closed, seconds):
    """By turns, so that both have the same machine."""
    out = {}
    for n in CONNECTIONS:
        for name, world in (("open", plain), ("token", closed)):
            out[f"{name} {n}"] = measures.one_load(
                world, n, ["--seconds", seconds], None)
    return out


def with_cpu(world, *options, per="ok"):
    """A load, and what it cost coordinators and agents, in µs a request or a
    line."""
    before, busy, start = world.cpu(), machine_busy_s(), time.monotonic()
    got = world.load(*options)
    own = sum(measures.split(before, world.cpu()).values())
    got["cpu_us"] = 1e6 * own / max(got[per], 1)
    got["strangers_cores"] = strangers(busy, start, own + got["own_cpu_s"])
    return got


def gets(plain, closed, seconds):
    """Each path, beside what the HTTP server gives at all."""
    out = {}
    for path in ("/livez", "/pins/", "/allocations/"):
        for n in CONNECTIONS:
            for name, world in (("open", plain), ("token", closed)):
                what = ["--path", path, "--connections", n, "--seconds",
                        seconds / 2]
                if path != "/livez":
                    what += ["--cids", world.acks]
                out[f"{path} {name} {n}"] = with_cpu(world, "get", *what)
    return out


def lists(world, count):
    """Lists of so many pins, which are made first."""
    if world.posted < count:
        measures.fill(world, count)
    time.sleep(IDLE_S)
    idle = max(p.memory_kib() for p in world.coordinators) / 1024
    paths = measures.lists(world)
    for path, got in paths.items():
        more = with_cpu(world, "list", "--path", path, per="lines")
        got["cpu_us"] = more["cpu_us"]
        got["strangers_cores"] = more["strangers_cores"]
    return {"idle_mib": idle, "paths": paths}


# --- the Pinning Service API -------------------------------------------------

def page(link, world, before):
    """One page, newest first; its seconds."""
    path = f"/psa/pins?limit={PAGE}&status=queued,pinning,pinned,failed"
    if before:
        path += "&before=" + before
    start = time.monotonic()
    link.request("GET", path, headers=world.headers)
    answer = link.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise Trouble(f"{path}: {answer.status} {body[:200]!r}")
    return json.loads(body), time.monotonic() - start


def requests(world, count):
    """So many requests of one principal, made at the rate that its stamps
    allow, then listed page by page."""
    world.seed += 1
    made = world.load("request", "--path", "/psa/pins", "--seed", world.seed,
                      "--connections", 32, "--rate", 900, "--count", count,
                      "--seconds", 3600)
    if made["ok"] != count:
        raise Trouble(f"{made['ok']} of {count} requests were taken")
    world.posted += count
    world.wait_confirmed()
    world.wait_settled()
    p = world.coordinators[0]
    host, port = world.http[0].split(":")
    link = http.client.HTTPConnection(host, int(port), timeout=60)
    seen, took, before, cpu = set(), [], None, p.cpu_s()
    with Peaks([p]) as peaks:
        while len(seen) < count:
            found, seconds = page(link, world, before)
            if not found["results"] or before is None and \
                    found["count"] != count:
                raise Trouble(f"{found['count']} requests at {before}")
            took.append(seconds)
            seen.update(r["requestid"] for r in found["results"])
            before = found["results"][-1]["created"]
    link.close()
    third = max(1, len(took) // 3)
    return {"made": made, "pages": len(took), "seconds": sum(took),
            "p50_ms": 1000 * statistics.median(took),
            "max_ms": 1000 * max(took),
            "first_ms": 1000 * statistics.median(took[:third]),
            "last_ms": 1000 * statistics.median(took[-third:]),
            "cpu_ms": 1000 * (p.cpu_s() - cpu) / len(took),
            "extra_mib": peaks.most("coordinator")}


# --- uploads -----------------------------------------------------------------

class Content:
    """So many bytes as one file of a form, no two pieces alike."""

    BOUNDARY = "pinfoldbench"

    def __init__(self, size):
        self.size = size
        self.piece = bytearray(os.urandom(PIECE))
        self.headers = {
            "Content-Type":
                f"multipart/form-data; boundary={self.BOUNDARY}",
            "Transfer-Encoding": "chunked"}

    def __iter__(self):
        yield (f"--{self.BOUNDARY}\r\nContent-Disposition: form-data; "
               'name="file"; filename="big"\r\nContent-Type: '
               "application/octet-stream\r\n\r\n").encode()
        for at in range(0, self.size, PIECE):
            for block in range(0, PIECE, 1 << 18):
                self.piece[block:block + 8] = os.urandom(8)
            yield self.piece[:min(PIECE, self.size - at)]
        yield f"\r\n--{self.BOUNDARY}--\r\n".encode()


def send(address, path, content):
    """Seconds of an upload, and the root."""
    host, port = address.split(":")
    link = http.client.HTTPConnection(host, int(port), timeout=600)
    start = time.monotonic()
    try:
        link.request("POST", path, body=iter(content),
                     headers=content.headers, encode_chunked=True)
        answer = link.getresponse()
        body = answer.read()
    except OSError as e:
        raise Trouble(f"{path}: {e}") from None
    finally:
        link.close()
    seconds = time.monotonic() - start
    lines = [json.loads(x) for x in body.splitlines() if x]
    if answer.status != 200 or not lines:
        raise Trouble(f"{path}: {answer.status} {body[:200]!r}")
    return seconds, lines[-1]


class Peaks:
    """Most memory of processes while it is open, beyond what they had."""

    def __init__(self, processes):
        self.processes = processes

    def __enter__(self):
        self.before = {p.name: p.memory_kib() for p in self.processes}
        for p in self.processes:
            p.reset_peak()
        return self

    def __exit__(self, *_):
        self.extra_mib = {
            p.name: (p.memory_kib("VmHWM") - self.before[p.name]) / 1024
            for p in self.processes}

    def most(self, kind):
        return max(v for k, v in self.extra_mib.items() if k.startswith(kind))


def uploads(world, mib, note, rounds=3):
    """To the daemon and through the cluster, by turns."""
    size = mib << 20
    runs = {"direct": [], "cluster": []}
    cpu = {"daemons": 0, "cluster": 0}
    send(world.http[0], "/add?replication=1", Content(PIECE))  # warm
    time.sleep(IDLE_S)
    with Peaks(world.ours) as peaks:
        for k in range(rounds):
            before = world.cpu(world.fakes)
            seconds, _ = send(world.fakes_at[k % N], "/api/v0/add?pin=true",
                              Content(size))
            runs["direct"].append(mib / seconds)
            cpu["daemons"] += sum(measures.split(
                before, world.cpu(world.fakes)).values())
            before = world.cpu()
            seconds, root = send(world.http[k % N], "/add?replication=1",
                                 Content(size))
            runs["cluster"].append(mib / seconds)
            cpu["cluster"] += sum(measures.split(before,
                                                 world.cpu()).values())
            if root.get("size", 0) < size:
                raise Trouble(f"a root of {root}")
            note(f"upload {k + 1}: {runs['direct'][-1]:.0f} MiB/s direct, "
                 f"{runs['cluster'][-1]:.0f} through the cluster")
    ratios = [c / d for c, d in zip(runs["cluster"], runs["direct"])]
    return {"mib": mib, "mib_per_s": {k: statistics.median(v)
                                      for k, v in runs.items()},
            "ratio": statistics.median(ratios), "runs": runs,
            "cpu_s_per_gib": {k: 1024 * v / (rounds * mib)
                              for k, v in cpu.items()},
            "coordinator_extra_mib": peaks.most("coordinator"),
            "agent_extra_mib": peaks.most("agent"),
            "extra_mib": peaks.extra_mib}
