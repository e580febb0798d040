"""Clients written in JavaScript (tests/js): installs them once into the build
folder and runs a suite of them. By itself it only installs, for machines that
run the tests without a network. "npm install --package-lock-only" in tests/js
takes another version; .npmrc there keeps hosts out of the lock file."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess

from process import ROOT, clean_env

SOURCE = os.path.join(ROOT, "tests", "js")
FOLDER = os.path.join(ROOT, "build", "js")
NODE_AT_LEAST = 18  # what Debian 12 has
OFFLINE = re.compile(r"\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET"
                     r"|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|E50\d"
                     r"|ERR_SOCKET_TIMEOUT)\b")


class Missing(Exception):
    """Why no suite can run on this machine."""


def names(suite):
    """The tests of a suite, by its text."""
    with open(os.path.join(SOURCE, suite), encoding="utf-8") as f:
        return re.findall(r"^test\('([^']+)'", f.read(), re.M)


def _run(*words, seconds=300, env=None):
    return subprocess.run(words, cwd=FOLDER, env={**clean_env(), **(env or {})},
                          text=True, capture_output=True, timeout=seconds,
                          check=False)


def _install():
    """npm ci, unless the same was installed before."""
    with open(os.path.join(SOURCE, "package-lock.json"), "rb") as f:
        wanted = hashlib.sha256(f.read()).hexdigest()
    stamp = os.path.join(FOLDER, "installed")
    if os.path.exists(stamp):
        with open(stamp, encoding="ascii") as f:
            if f.read() == wanted:
                return
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(SOURCE, name), FOLDER)
    # One question first: without a network, npm ci asks for each package.
    for words in (("view", "kubo-rpc-client", "name", "--fetch-retries=1"),
                  ("ci", "--ignore-scripts", "--no-audit", "--no-fund")):
        done = _run("npm", *words)
        if done.returncode != 0 and (found := OFFLINE.search(done.stderr)):
            raise Missing(f"npm reaches no registry: {found.group()}")
        assert done.returncode == 0, (words, done.stderr)
    with open(stamp, "w", encoding="ascii") as f:
        f.write(wanted)


def prepare():
    """Node, the clients and the suites are there, or Missing says why not."""
    for word in ("node", "npm"):
        if not shutil.which(word):
            raise Missing(f"no {word}: deploy/install-deps.sh --tests")
    os.makedirs(FOLDER, exist_ok=True)
    version = _run("node", "--version").stdout.strip()
    if int(re.match(r"v(\d+)", version).group(1)) < NODE_AT_LEAST:
        raise Missing(f"Node.js {version} is older than {NODE_AT_LEAST}")
    with open(os.path.join(FOLDER, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
        _install()
        for name in os.listdir(SOURCE):
            if name.endswith(".mjs"):  # imports are looked for beside it
                new = os.path.join(FOLDER, f"{name}.{os.getpid()}")
                shutil.copy(os.path.join(SOURCE, name), new)
                os.replace(new, os.path.join(FOLDER, name))


def run_suite(suite, seconds=120, **env):
    """Test name -> None, or the text of its failure."""
    try:
        done = _run("node", "--test-reporter=tap", suite, seconds=seconds,
                    env=env)
        text, trouble = done.stdout, done.stderr
    except subprocess.TimeoutExpired as e:
        text, trouble = (e.stdout or b"").decode(), "out of time"
    out, name = {}, None
    for line in text.splitlines():
        if found := re.match(r"(not )?ok \d+ - ([^#]*?)(?: # .*)?$", line):
            name = found.group(2)
            out[name] = "" if found.group(1) else None
        elif name and out[name] is not None:
            out[name] += line + "\n"
    assert out, text + trouble
    return out


if __name__ == "__main__":
    prepare()
