#!/usr/bin/python3
"""Does the simulator find bugs? Plants each patch of planted/ in a copy of
the tree, builds the simulator there and runs seeds until the checker that the
patch names reports it.

    planted.py [--build DIR] [--seeds N] [--jobs N] [--only TEXT] [--plain]

The first lines of a patch: "breaks: what", "checker: one|or another", and
for what is rare "from: N", a seed at which it was found: the first to run.
"crash" stands for an assertion of the core itself. --plain runs as many
seeds of the tree as it is, which must all pass.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PARTS = ("proto", "coordinator", "agent", "ctl", "tests", "CMakeLists.txt")
RUN = ["--ms", "1800000", "--ops", "700"]
BUILD_S, RUN_S = 300, 120


def say(*words):
    print(*words, flush=True)


def copy_tree(to):
    """Only what changed is written, so that a second run builds little."""
    for part in PARTS:
        source = os.path.join(ROOT, part)
        files = [source] if os.path.isfile(source) else [
            os.path.join(base, name)
            for base, _, names in os.walk(source) for name in names]
        for name in files:
            target = os.path.join(to, os.path.relpath(name, ROOT))
            with open(name, "rb") as f:
                new = f.read()
            if os.path.exists(target):
                with open(target, "rb") as f:
                    if f.read() == new:
                        continue
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(name, target)


def run(command, limit, **more):
    return subprocess.run(command, capture_output=True, text=True,
                          timeout=limit, errors="replace", **more)


def build(tree, jobs):
    done = run(["cmake", "--build", tree + "/build", "--target", "sim", "-j",
                str(jobs)], BUILD_S)
    return None if done.returncode == 0 else done.stdout[-2000:]


def configure(tree):
    if os.path.exists(tree + "/build/build.ninja"):
        return
    done = run(["cmake", "-S", tree, "-B", tree + "/build", "-G", "Ninja",
                "-DCMAKE_BUILD_TYPE=None", "-DCMAKE_C_FLAGS=-O1 -Wno-error",
                "-DPINFOLD_TESTS=ON"], BUILD_S)
    if done.returncode != 0:
        sys.exit("planted: cmake: " + done.stderr[-2000:])


def head(text, key):
    m = re.search(r"^%s: (.*)$" % key, text, re.M)
    return m.group(1).strip() if m else ""


def hunt(tree, wanted, begin, seeds, jobs):
    """(checker, seed) or (what else was said, 0)."""
    others = set()
    for first in range(begin, begin + seeds, 2 * jobs):
        last = min(first + 2 * jobs - 1, begin + seeds - 1)
        try:
            out = run([tree + "/build/tests/sim/sim", "--seeds",
                       "%d..%d" % (first, max(last, first + 1)), "--jobs",
                       str(jobs)] + RUN, RUN_S).stdout
        except subprocess.TimeoutExpired:
            return "no end", 0
        found = [(int(m.group(1)), m.group(2)) for m in
                 re.finditer(r"^FAILED seed=(\d+) checker=(\w+)", out, re.M)]
        if "Assertion" in out:
            found.append((last, "crash"))
        others.update(c for _, c in found)
        hits = sorted(f for f in found if f[1] in wanted)
        if hits:
            return hits[0][1], hits[0][0]
    return "only " + ", ".join(sorted(others)) if others else "nothing", 0


def plant(tree, name, options):
    """None, or why it was not caught."""
    path = os.path.join(HERE, "planted", name)
    with open(path, encoding="utf-8") as f:
        text = f.read()
    wanted = set(head(text, "checker").split("|"))
    began = time.monotonic()
    command = ["patch", "-p1", "-s", "-F0", "-d", tree, "-i", path]
    done = run(command, 30)
    if done.returncode != 0:
        copy_tree(tree)
        return "the patch no longer applies: " + done.stdout.strip()
    try:
        broken = build(tree, options.jobs)
        if broken:
            return "it does not build:\n" + broken
        begin = int(head(text, "from") or 1)
        checker, seeds = hunt(tree, wanted, begin, options.seeds,
                              options.jobs)
    finally:
        if run(command + ["-R"], 30).returncode != 0:
            copy_tree(tree)
    if not seeds:
        return "not caught by %s in %d seeds; %s" % (
            "|".join(sorted(wanted)), options.seeds, checker)
    say("ok   %-28s %-8s seed %-3d %4.1f s  %s" % (
        name[:-6], checker, seeds, time.monotonic() - began,
        head(text, "breaks")))
    return None


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default=os.path.join(ROOT, "build", "planted"))
    p.add_argument("--seeds", type=int, default=96)
    p.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    p.add_argument("--only", default="")
    p.add_argument("--plain", action="store_true")
    options = p.parse_args()
    names = sorted(n for n in os.listdir(os.path.join(HERE, "planted"))
                   if n.endswith(".patch") and options.only in n)
    if shutil.which("patch") is None:
        say("skipped: the program patch is not installed")
        say("0 passed, 0 failed, %d skipped" % len(names))
        return 0
    failed = 0
    copy_tree(options.build)
    configure(options.build)
    broken = build(options.build, options.jobs)
    if broken:
        sys.exit("planted: the tree does not build:\n" + broken)
    if options.plain:
        done = run([options.build + "/build/tests/sim/sim", "--seeds",
                    "1..%d" % max(options.seeds, 2), "--jobs",
                    str(options.jobs)] + RUN, 20 * RUN_S)
        say(done.stdout)
        return done.returncode
    for name in names:
        why = plant(options.build, name, options)
        if why:
            failed += 1
            say("FAIL %s: %s" % (name[:-6], why))
    say("%d passed, %d failed, 0 skipped" % (len(names) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
