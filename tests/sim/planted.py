#!/usr/bin/python3
"""Do the random tests find bugs? Plants each patch of planted/, builds the
simulator with it and runs seeds until the checker that the patch names
reports it. Only the files that a patch changes are compiled: the program is
linked from those and from what the tree as it is was built into.

    planted.py [--build DIR] [--seeds N] [--jobs N] [--only TEXT] [--plain]
               [--learn]

The first lines of a patch: "breaks: what", "checker: one|or another", and
"from: N", the first seed to run: one at which it was found (1). "crash"
stands for an assertion of the core itself. "program: fsm-runs" plants it
there; what its failure says contains the checker. --plain runs as many seeds
of the tree as it is, which must all pass. --learn writes "from" anew.
"""

import argparse
import concurrent.futures
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PARTS = ("proto", "coordinator", "agent", "ctl", "tests", "CMakeLists.txt")
RUN = ["--ms", "1800000", "--ops", "700"]
FSM_OPERATIONS = 50000 # of a seed
BUILD_S, RUN_S = 300, 600
PROGRAMS = {"sim": "tests/sim/sim", "fsm-runs": "tests/fsm/fsm-runs"}


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


def must(what, command, **more):
    done = run(command, BUILD_S, **more)
    if done.returncode != 0:
        sys.exit("planted: %s: %s" % (what, (done.stdout
                                             + done.stderr)[-2000:]))
    return done.stdout


class Tree:
    """A copy of the tree, built once, and how its parts are built."""

    def __init__(self, path, jobs):
        self.path = path
        self.build = os.path.join(path, "build")
        copy_tree(path)
        if not os.path.exists(self.build + "/build.ninja"):
            must("cmake", [
                "cmake", "-S", path, "-B", self.build, "-G", "Ninja",
                "-DCMAKE_BUILD_TYPE=None",
                "-DCMAKE_C_FLAGS=-O1 -Wno-error", "-DPINFOLD_TESTS=ON"])
        must("the tree does not build", [
            "cmake", "--build", self.build, "-j", str(jobs), "--target"]
            + list(PROGRAMS))
        self.units = {}
        for unit in json.loads(self.ninja("compdb")):
            if unit["file"].endswith(".c"):
                source = os.path.relpath(os.path.join(
                    unit["directory"], unit["file"]), path)
                self.units.setdefault(source, []).append(unit)
        self.links = {name: shlex.split(self.ninja("commands", "-s", program))
                      for name, program in PROGRAMS.items()}

    def ninja(self, *words):
        return must("ninja", ["ninja", "-t"] + list(words), cwd=self.build)

    def unit(self, source, link):
        """How the program's object of that source is made."""
        for unit in self.units.get(source, []):
            target = re.search(r"([^/]+)\.dir/", unit["output"]).group(1)
            if unit["output"] in link or any(
                    os.path.basename(word) == "lib%s.a" % target
                    for word in link):
                return unit
        return None

    def program(self, name, work, sources):
        """Links it from what is built and these sources of the folder, into
        the folder. None, or why that failed."""
        link = list(self.links[name])
        for source in sources:
            unit = self.unit(source, link)
            if unit is None:
                return "%s is no part of %s" % (source, name)
            made = os.path.join(work, source + ".o")
            command = re.sub(r" -M[DTF]( [^ ]+\.[od]+)?", "",
                             unit["command"])
            words = shlex.split(command)
            words[words.index("-o") + 1] = made
            words[words.index("-c") + 1] = os.path.join(work, source)
            done = run(words, BUILD_S, cwd=self.build)
            if done.returncode != 0:
                return done.stderr[-2000:]
            if unit["output"] in link:
                link[link.index(unit["output"])] = made
            else: # before the libraries: theirs is not looked for then
                link.insert(link.index("-o"), made)
        link[link.index("-o") + 1] = os.path.join(work, name)
        while link[0] in (":", "&&"):
            link.pop(0)
        while link[-1] in (":", "&&"):
            link.pop()
        done = run(link, BUILD_S, cwd=self.build)
        return done.stderr[-2000:] if done.returncode != 0 else None


class Patch:
    def __init__(self, name):
        self.name = name[:-6]
        self.path = os.path.join(HERE, "planted", name)
        with open(self.path, encoding="utf-8") as f:
            self.text = f.read()
        self.wanted = self.head("checker").split("|")
        self.breaks = self.head("breaks")
        self.program = self.head("program") or "sim"
        self.begin = int(self.head("from") or 1)
        self.sources = re.findall(r"^\+\+\+ b/(\S+)", self.text, re.M)

    def head(self, key):
        m = re.search(r"^%s: (.*)$" % key, self.text, re.M)
        return m.group(1).strip() if m else ""

    def learn(self, seed):
        """The seed is written down, behind the other lines of the head."""
        text = re.sub(r"^from: .*\n", "", self.text, flags=re.M)
        if seed != 1:
            text = re.sub(r"^(checker: .*\n)", r"\1from: %d\n" % seed, text,
                          count=1, flags=re.M)
        with open(self.path, "w", encoding="utf-8") as f:
            f.write(text)

    def plant(self, tree, work):
        """Its sources, as they are with it. None, or why not."""
        shutil.rmtree(work, ignore_errors=True)
        for source in self.sources:
            os.makedirs(os.path.dirname(os.path.join(work, source)),
                        exist_ok=True)
            shutil.copyfile(os.path.join(tree.path, source),
                            os.path.join(work, source))
        done = run(["patch", "-p1", "-s", "-F0", "-d", work, "-i",
                    self.path], 30)
        if done.returncode != 0:
            return "the patch no longer applies: " + done.stdout.strip()
        why = tree.program(self.program, work, self.sources)
        return "it does not build:\n" + why if why else None

    def found(self, out, seed):
        """What failed, of what the program said."""
        if self.program != "sim":
            return [c for c in self.wanted if c in out] or re.findall(
                r"^FAILED (.*)$", out, re.M)
        found = re.findall(r"^FAILED seed=%d checker=(\w+)" % seed, out, re.M)
        return found + (["crash"] if "Assertion" in out else [])

    def command(self, work, seed):
        if self.program != "sim":
            return [os.path.join(work, self.program), "--seed", str(seed),
                    "--operations", str(FSM_OPERATIONS)]
        return [os.path.join(work, self.program), "--seed", str(seed)] + RUN

    def hunt(self, work, seeds):
        """(checker, seed) or (what else was said, 0)."""
        others = set()
        for seed in range(self.begin, self.begin + seeds):
            try:
                done = run(self.command(work, seed), RUN_S)
            except subprocess.TimeoutExpired:
                return "no end", 0
            found = self.found(done.stdout + done.stderr, seed)
            for checker in found:
                if checker in self.wanted:
                    return checker, seed
            others.update(found)
        return "only " + ", ".join(sorted(others)) if others else "nothing", 0


def try_one(tree, name, options):
    """Whether it was caught."""
    patch = Patch(name)
    work = os.path.join(tree.path, "work", patch.name)
    began = time.monotonic()
    try:
        why = patch.plant(tree, work)
        if not why:
            checker, seed = patch.hunt(work, options.seeds)
            if not seed:
                why = "not caught by %s in %d seeds; %s" % (
                    "|".join(patch.wanted), options.seeds, checker)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if why:
        say("FAIL %s: %s" % (patch.name, why))
        return False
    say("ok   %-28s %-8s seed %-3d %4.1f s  %s" % (
        patch.name, checker, seed, time.monotonic() - began, patch.breaks))
    if options.learn:
        patch.learn(seed)
    return True


def plain(tree, options):
    done = run([tree.build + "/tests/sim/sim", "--seeds",
                "1..%d" % max(options.seeds, 2), "--jobs",
                str(options.jobs)] + RUN, 20 * RUN_S)
    say(done.stdout)
    return done.returncode


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default=os.path.join(ROOT, "build", "planted"))
    p.add_argument("--seeds", type=int, default=96)
    p.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    p.add_argument("--only", default="")
    p.add_argument("--plain", action="store_true")
    p.add_argument("--learn", action="store_true")
    options = p.parse_args()
    names = sorted(n for n in os.listdir(os.path.join(HERE, "planted"))
                   if n.endswith(".patch") and options.only in n)
    if shutil.which("patch") is None:
        say("skipped: the program patch is not installed")
        say("0 passed, 0 failed, %d skipped" % len(names))
        return 0
    tree = Tree(options.build, options.jobs)
    if options.plain:
        return plain(tree, options)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        done = list(pool.map(lambda name: try_one(tree, name, options),
                             names))
    failed = done.count(False)
    say("%d passed, %d failed, 0 skipped" % (len(names) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
