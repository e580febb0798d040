#!/usr/bin/python3
"""The rules of the code that a machine can check (docs/architecture.md).

Each group is a function from a Tree to messages "file:line: what is wrong".
Functions are found with universal-ctags, the rest with regular expressions
over source without comments and strings.
"""

import os
import re
import subprocess
import sys

FILE_LINES, TEST_FILE_LINES, FUNCTION_LINES, COLUMNS = 600, 800, 70, 80
FLAT = "/* flat table */"  # on the line before a function: may be longer
CODE_DIRS = ("proto", "coordinator", "agent", "ctl", "tests", "deploy")
TEXT = (".c", ".h", ".py", ".sh", ".go", ".txt", ".md", ".json", ".cmake",
        ".yaml", ".yml", ".service", ".mod", ".mjs")
SKIPPED_DIRS = {".git", "__pycache__", ".pytest_cache"}

# Pieces of proto that know nothing of pins, CIDs or nodes.
BASE = re.compile(r"^proto/(addr|buf|conf(_\w+)?|err|json(_\w+)?|log(_\w+)?|mem"
                  r"|metrics|prng|sorted)\.[ch]$")

OWNERS = {  # header: files that may include it
    r"sqlite3\.h": r"coordinator/core/store\w*\.[ch]"
                   r"|agent/journal(_impl\.h|\w*\.c)"
                   r"|tests/unit/\w+\.[ch]|tests/sim/files\.c",
    r"msgpack(/.*|\.h)": r"proto/codec\.c",
    r"nng/.*": r"proto/stream\w*\.[ch]|tests/unit/\w*stream\w*\.[ch]",
    r"curl/.*": r"agent/kubo\w*\.[ch]|ctl/client\w*\.[ch]|tests/bench/.*",
    r"sodium(/.*|\.h)": r"proto/(hash|identity)\.c|coordinator/auth\.c"
                        r"|tests/lib/fakekubo_add\.c",
    r"gnutls/.*": r"coordinator/http/http_(pair|tls)\.c"
                 r"|tests/unit/\w*http_tls\w*\.[ch]",
    r"raft(/.*|\.h)": r"coordinator/raft_library\.h|tests/raft/.*",
}

BANNED = ("sprintf", "vsprintf", "strcpy", "strcat", "atoi", "gets", "strtok")
IMPURE_CALLS = ("time", "clock", "clock_gettime", "gettimeofday", "rand",
                "random", "srand", "getrandom", "arc4random", "log_error",
                "log_warn", "log_info", "log_debug")
IMPURE_HEADERS = re.compile(r"uv\.h|nng/|curl/|pthread\.h|time\.h|sys/time\.h"
                            r"|threads\.h|math\.h"
                            r"|proto/(log|stream|identity|turns)\.h")
BAD_NAMES = re.compile(r"^(util|helper|common|misc|manager)s?\.")
UNDONE = re.compile(r"\b(" + "TO" + "DO|FIX" + "ME|X" + "XX)\\b")


def bare(text):
    """C source with comments and strings blanked, lines kept."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group())

    return re.sub(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\""
                  r"|'(?:\\.|[^'\\\n])*'", blank, text, flags=re.S)


class Tree:
    """The files of one source tree, read once."""

    def __init__(self, root):
        self.root = root
        self.files = sorted(self._walk())
        self.text = {}
        for path in self.files:
            if not path.endswith(TEXT) and "." in os.path.basename(path):
                continue
            try:
                with open(os.path.join(root, path), encoding="utf-8") as f:
                    self.text[path] = f.read()
            except UnicodeDecodeError:
                pass  # seeds of the fuzzers
        self.bare = {p: bare(t) for p, t in self.text.items()
                     if p.endswith((".c", ".h"))}

    def _walk(self):
        for base, dirs, names in os.walk(self.root):
            dirs[:] = [d for d in dirs if d not in SKIPPED_DIRS and
                       not (base == self.root and d.startswith("build"))]
            for name in names:
                if not name.endswith(".pyc"):
                    yield os.path.relpath(os.path.join(base, name), self.root)

    def lines(self, suffixes, bare_text=False):
        """(path, number, line) of the code files with these suffixes."""
        source = self.bare if bare_text else self.text
        for path in self.files:
            if (path in source and path.endswith(suffixes) and
                    path.startswith(CODE_DIRS)):
                for n, line in enumerate(source[path].split("\n"), 1):
                    yield path, n, line

    def includes(self):
        for path, n, line in self.lines((".c", ".h")):
            m = re.match(r'\s*#\s*include\s*[<"]([^>"]+)', line)
            if m:
                yield path, n, m.group(1)

    def tags(self, kinds):
        """Dicts of universal-ctags for all C files."""
        sources = [p for p in self.bare if p.startswith(CODE_DIRS)]
        if not sources:
            return []
        done = subprocess.run(
            ["ctags", "-L", "-", "-f", "-", "--fields=+neK", "--sort=no",
             "--language-force=C", "--kinds-C=" + kinds, "-n"],
            input="\n".join(sources), text=True, capture_output=True,
            check=True, cwd=self.root)
        found = []
        for line in done.stdout.splitlines():
            part = line.split("\t")
            tag = dict(x.split(":", 1) for x in part[3:] if ":" in x)
            tag.update(name=part[0], path=part[1],
                       line=int(part[2].rstrip(';"')))
            found.append(tag)
        return found


def is_test(path):
    return path.startswith("tests/")


def is_core(path):
    return re.match(r"(coordinator|agent)/core/", path) is not None


def layer(path):
    """0 domain-free, 1 rest of proto, 2 core, 3 shell, 4 tests."""
    if is_test(path):
        return 4
    if BASE.match(path):
        return 0
    if path.startswith("proto/"):
        return 1
    return 2 if is_core(path) else 3


def check_layers(tree):
    names = ("domain-free proto", "proto", "core", "shell", "tests")
    for path, n, header in tree.includes():
        if header not in tree.text:
            beside = os.path.join(os.path.dirname(path), header)
            if beside not in tree.text:
                continue
            header = beside
        mine, theirs = layer(path), layer(header)
        if theirs > mine:
            yield (f"{path}:{n}: {names[mine]} includes {header} of "
                   f"{names[theirs]}")
        elif mine >= 2 and mine == theirs and mine != 4 and \
                path.split("/")[0] != header.split("/")[0] and \
                (path.split("/")[0], os.path.dirname(header)) != \
                ("agent", "coordinator/http"):
            yield f"{path}:{n}: includes {header} of another program"
        elif path.startswith("coordinator/http/") and \
                not header.startswith("coordinator/http/"):
            yield f"{path}:{n}: the HTTP server includes {header}"


def check_owners(tree):
    for path, n, header in tree.includes():
        for library, owners in OWNERS.items():
            if re.fullmatch(library, header) and \
                    not re.fullmatch(owners, path):
                yield f"{path}:{n}: includes {header}, which has one owner"


def check_core(tree):
    calls = re.compile(r"(?<![\w.>])(" + "|".join(IMPURE_CALLS) + r")\s*\(")
    for path, n, header in tree.includes():
        if is_core(path) and IMPURE_HEADERS.match(header):
            yield f"{path}:{n}: core includes {header}"
    for path, n, line in tree.lines((".c", ".h"), bare_text=True):
        if not is_core(path):
            continue
        if m := calls.search(line):
            yield f"{path}:{n}: core calls {m.group(1)}()"
        if m := re.search(r"\b(float|double|pthread_\w+|uv_\w+)\b", line):
            yield f"{path}:{n}: core uses {m.group(1)}"
        if re.match(r"\s+static\s+(?!const\b|_Atomic const)\w[^(]*[;=]",
                    line):
            yield f"{path}:{n}: core keeps a static variable"
    for tag in tree.tags("v"):
        if is_core(tag["path"]):
            line = tree.bare[tag["path"]].split("\n")[tag["line"] - 1]
            # The line may be a later one of a longer declaration.
            if not re.search(r"\bconst\b|\bextern\b|^\s|^}", line):
                yield (f"{tag['path']}:{tag['line']}: core has the global "
                       f"{tag['name']}")


def check_calls(tree):
    banned = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
    for path, n, line in tree.lines((".c", ".h"), bare_text=True):
        if m := banned.search(line):
            yield f"{path}:{n}: {m.group(1)}() is banned"


def check_names(tree):
    for path in tree.files:
        if BAD_NAMES.match(os.path.basename(path)):
            yield f"{path}:1: a file is named after what is in it"


def check_sizes(tree):
    for path, text in tree.text.items():
        most = TEST_FILE_LINES if is_test(path) else FILE_LINES
        if path.endswith((".c", ".h", ".py", ".sh", ".go")) and \
                text.count("\n") > most:
            yield f"{path}:{most}: {text.count(chr(10))} lines, limit {most}"
    for path, n, line in tree.lines((".c", ".h", ".py", ".sh", ".mjs")):
        if len(line) > COLUMNS:
            yield f"{path}:{n}: {len(line)} columns, limit {COLUMNS}"
    for tag in tree.tags("f"):
        if "end" not in tag:
            continue
        lines = int(tag["end"]) - tag["line"] + 1
        above = tree.text[tag["path"]].split("\n")
        at = tag["line"] - 2
        while at > 0 and above[at].strip() and above[at] != "}" and \
                above[at].strip() != FLAT:
            at -= 1
        if lines > FUNCTION_LINES and above[at].strip() != FLAT:
            yield (f"{tag['path']}:{tag['line']}: {tag['name']} has {lines} "
                   f"lines, limit {FUNCTION_LINES}")


def kinds_of(tree, path, prefix):
    """Enumerators with an explicit number in a header."""
    text = tree.bare.get(path, "")
    body = re.search(r"enum %s_kind\s*{(.*?)}" % prefix.lower(), text, re.S)
    return re.findall(prefix + r"_(\w+)\s*=", body.group(1)) if body else []


def check_complete(tree):
    for path in tree.files:
        if not (is_core(path) and path.endswith(".c")):
            continue
        name = os.path.basename(path)[:-2]
        parts = name.split("_")
        tests = ["_".join(parts[:i + 1]) for i in range(len(parts))]
        if not any(f"tests/unit/test_{t}.c" in tree.files for t in tests):
            yield f"{path}:1: no tests/unit/test_{name}.c"
    for prefix in ("COMMAND", "MESSAGE"):
        path = f"proto/{prefix.lower()}.h"
        kinds = kinds_of(tree, path, prefix)
        if path in tree.text and not kinds:
            yield f"{path}:1: no enum {prefix.lower()}_kind found"
        for kind in kinds:
            golden = f"tests/golden/{prefix.lower()}_{kind.lower()}_v%d.hex"
            seed = f"tests/fuzz/corpus/{prefix.lower()}/{kind}"
            if not any(golden % v in tree.files for v in range(1, 10)):
                yield f"{path}:1: {prefix}_{kind} has no {golden % 1}"
            if seed not in tree.files:
                yield f"{path}:1: {prefix}_{kind} has no {seed}"


def rows_of(text, table):
    """The quoted texts of an X-macro table, one a row."""
    body = re.search(r"#define %s\(X\)(.*?[^\\])\n" % table, text, re.S)
    rows = re.findall(r'X\(\s*(?:\d+\s*,\s*)?(\w+)\s*,\s*"([^"]+)"',
                      body.group(1)) if body else []
    return rows


def check_docs(tree):
    docs = "\n".join(t for p, t in tree.text.items()
                     if p.startswith("docs/"))
    if not docs:
        return
    for path, table in (("proto/err.h", "ERR_TABLE"),
                        ("proto/types.h", "VERDICT_TABLE"),
                        ("proto/types.h", "REASON_TABLE"),
                        ("coordinator/core/plan.h", "PLAN_VERDICT_TABLE"),
                        ("coordinator/core/step.h", "STEP_NEXT_TABLE")):
        rows = rows_of(tree.text.get(path, ""), table)
        if path in tree.text and not rows:
            yield f"{path}:1: no rows of {table} found"
        for name, text in rows:
            if text not in docs:
                yield f"{path}:1: '{text}' ({name}) is in no file of docs/"
    states = re.findall(r'case NODE_\w+:\s*return "(\w+)"',
                        tree.text.get("proto/types.c", ""))
    for word in states:
        if not re.search(r"\b%s\b" % word, docs):
            yield f"proto/types.c:1: node state '{word}' is in no doc"


def check_options(tree):
    docs = "\n".join(t for p, t in tree.text.items()
                     if p.startswith("docs/"))
    for path in tree.text:
        if not path.endswith("/config.c"):
            continue
        program = path.split("/")[0]
        readers = "\n".join(
            t for p, t in tree.bare.items() if p.startswith(program + "/") and
            not p.startswith(program + "/config."))
        tests = "\n".join(t for p, t in tree.text.items() if is_test(p))
        found = re.finditer(r'{\s*"([\w-]+)",\s*CONF_\w+,\s*AT\((\w+)\)',
                            tree.text[path])
        for m in found:
            n = tree.text[path].count("\n", 0, m.start()) + 1
            name, member = m.groups()
            if not re.search(r"(->|\.)%s\b" % member, readers):
                yield f"{path}:{n}: nothing reads option {name}"
            if not re.search(r"\b%s\b" % name, tests):
                yield f"{path}:{n}: no test names option {name}"
            if docs and not re.search(r"\b%s\b" % name, docs):
                yield f"{path}:{n}: no doc names option {name}"


# Files that are found by where they are, not by name.
BY_PLACE = re.compile(
    r"^(README\.md|CMakeLists\.txt|CMakePresets\.json|\.git\w+|LICENSE"
    r"|\.clang-format|.*/CMakeLists\.txt|docs/.*\.md|.*/README\.md|\.ci/run"
    r"|(proto|coordinator|agent|ctl|coordinator/core|agent/core)/\w+\.c"
    r"|tests/unit/test_\w+\.c|tests/fuzz/fuzz_\w+\.c|tests/fuzz/corpus/.*"
    r"|tests/golden/\w+\.hex|tests/ipfsnode/\w+\.go|tests/ipfsnode/go\.\w+"
    r"|tests/(system|system/faults|tidy)/(test_\w+|conftest)\.py)$")


def check_dead(tree):
    for path in tree.files:
        text = tree.text.get(path)
        for n, line in enumerate(text.split("\n") if text else (), 1):
            if UNDONE.search(line):
                yield f"{path}:{n}: unfinished: {line.strip()[:60]}"
    everything = {p: t for p, t in tree.text.items()}
    for path in tree.files:
        if BY_PLACE.match(path):
            continue
        name = os.path.basename(path)
        words = [name]
        if name.endswith(".py"):
            words.append(r"import " + name[:-3])
            words.append(r"from " + name[:-3])
        if not any(any(w in t for w in words)
                   for p, t in everything.items() if p != path):
            yield f"{path}:1: nothing refers to this file"


GROUPS = {
    "layers": check_layers,
    "owners of libraries": check_owners,
    "pure cores": check_core,
    "banned calls": check_calls,
    "file names": check_names,
    "sizes": check_sizes,
    "completeness": check_complete,
    "docs name every row": check_docs,
    "options": check_options,
    "dead matter": check_dead,
}


def main(root):
    tree = Tree(root)
    failed = 0
    for name, check in GROUPS.items():
        messages = list(check(tree))
        failed += bool(messages)
        print(f"{'FAIL' if messages else 'ok  '} {name}")
        for message in messages:
            print(f"  {message}")
    print(f"{len(GROUPS) - failed} passed, {failed} failed, 0 skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else
                  os.path.join(os.path.dirname(__file__), "..", "..")))
