"""The compliance suite of the Pinning Service API, unmodified but for where it
finds the contract and, if asked, which CIDs it makes (tests/psa). By itself it
only installs, for machines that run the tests without a network."""

import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess

from nodejs import OFFLINE, Missing
from process import ROOT, clean_env

SOURCE = os.path.join(ROOT, "tests", "psa")
FOLDER = os.path.join(ROOT, "build", "psa")
SPEC = os.path.join(SOURCE, "pinning-service-api-v1.0.0.yaml")
PACKAGE = "node_modules/@ipfs-shipyard/pinning-service-compliance"
NODE_AT_LEAST = 20
NODES = os.path.join(SOURCE, "node")  # for machines whose own is older
CHECKS = 9


def _run(*words, folder=FOLDER, seconds=300, env=None):
    return subprocess.run(words, cwd=folder,
                          env={**clean_env(), **(env or {})}, text=True,
                          capture_output=True, timeout=seconds, check=False)


def _install(source, folder):
    """npm ci, unless the same was installed before. Without its scripts: one
    of a dependency that no check uses fetches a daemon."""
    with open(os.path.join(source, "package-lock.json"), "rb") as f:
        wanted = hashlib.sha256(f.read()).hexdigest()
    stamp = os.path.join(folder, "installed")
    if os.path.exists(stamp):
        with open(stamp, encoding="ascii") as f:
            if f.read() == wanted:
                return
    os.makedirs(folder, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(os.path.join(source, name), folder)
    done = _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund",
                folder=folder, seconds=600)
    if done.returncode != 0:
        found = OFFLINE.search(done.stderr)
        if found:
            raise Missing(f"npm reaches no registry: {found.group()}")
        raise AssertionError("npm ci failed:\n" + done.stderr)
    with open(stamp, "w", encoding="ascii") as f:
        f.write(wanted)


def _node_is_old():
    version = _run("node", "--version").stdout.strip()
    return int(re.match(r"v(\d+)", version).group(1)) < NODE_AT_LEAST


def _node():
    """The program: the machine's, or the one of npm, where that is older."""
    found = glob.glob(os.path.join(FOLDER, "node", "node_modules",
                                   "node-linux-*", "bin", "node"))
    return found[0] if found and _node_is_old() else "node"


def prepare():
    """The suite is there, or Missing says why not."""
    for word in ("node", "npm"):
        if not shutil.which(word):
            raise Missing(f"no {word}: deploy/install-deps.sh --tests")
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(FOLDER, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
        if _node_is_old():
            _install(NODES, os.path.join(FOLDER, "node"))
            if _node() == "node":
                raise Missing(f"Node.js is older than {NODE_AT_LEAST}, and "
                              "npm has none for this machine")
        _install(SOURCE, FOLDER)


def _change(path, old, new):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    assert text.count(old) == 1, f"{path} is another version's: {old}"
    os.remove(path)  # it may be a link to what others run
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))


def run(folder, port, token, identity=False, seconds=300):
    """The report of a run of its own in that folder: total, passed, failed,
    success; and all that it printed. identity: CIDs that hold their content."""
    package = os.path.join(folder, PACKAGE)
    os.makedirs(os.path.dirname(package))
    for name in os.listdir(os.path.join(FOLDER, "node_modules")):
        at = os.path.join(FOLDER, "node_modules", name)
        if name != "@ipfs-shipyard":
            os.symlink(at, os.path.join(folder, "node_modules", name))
    for at in glob.glob(os.path.join(FOLDER, "node_modules",
                                     "@ipfs-shipyard", "*")):
        new = os.path.join(folder, "node_modules", "@ipfs-shipyard",
                           os.path.basename(at))
        if os.path.basename(at) == os.path.basename(PACKAGE):
            shutil.copytree(at, new, symlinks=True)
        else:
            os.symlink(at, new)
    shutil.rmtree(os.path.join(package, "dist", "docs"), ignore_errors=True)
    code = os.path.join(package, "dist", "src")
    _change(os.path.join(code, "utils", "constants.js"),
            "const specLocation = `https://raw.githubusercontent.com/ipfs/"
            "pinning-services-api-spec/${specVersion}/${specFile}`;",
            "const specLocation = process.env.PSA_SPEC;")
    if identity:
        inline = os.path.join(code, "utils", "getInlineCid.js")
        _change(inline, "import { sha256 } from 'multiformats/hashes/sha2';",
                "import { identity } from 'multiformats/hashes/identity';")
        _change(inline, "sha256.digest(bytes)", "identity.digest(bytes)")
    done = _run(_node(), os.path.join(PACKAGE, "dist", "src", "index.js"),
                "-s", f"http://127.0.0.1:{port}", token, folder=folder,
                seconds=seconds, env={"PSA_SPEC": SPEC})
    text = done.stdout + done.stderr
    report = os.path.join(package, "dist", "docs", "127.0.0.1.json")
    assert os.path.exists(report), text[-4000:]
    with open(report, encoding="utf-8") as f:
        found = json.load(f)
    return found, text


def outcome(found):
    """(passed, of so many). The suite's exit code says nothing, and without
    the contract it leaves four checks out and calls that a success."""
    assert found["total"] == CHECKS, found
    return found["passed"], found["total"]


if __name__ == "__main__":
    prepare()
