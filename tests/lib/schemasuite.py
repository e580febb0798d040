"""schemathesis against the contract of the Pinning Service API (tests/psa):
requests that the contract allows, and such as it does not. By itself it only
installs, for machines that run the tests without a network."""

import fcntl
import os
import re
import shutil
import subprocess

from nodejs import Missing
from process import ROOT, clean_env
from psasuite import SOURCE, SPEC

FOLDER = os.path.join(ROOT, "build", "schema")
WANTED = os.path.join(SOURCE, "requirements.txt")
PYTHON = "/usr/bin/python3"
OFFLINE = re.compile(r"NewConnectionError|NameResolutionError|ProxyError|"
                     r"ConnectTimeoutError|No matching distribution found")
# What a client must be told, whatever it sent.
CHECKS = ("not_a_server_error", "status_code_conformance",
          "content_type_conformance", "response_schema_conformance")


def _run(*words, seconds=300):
    return subprocess.run(words, cwd=FOLDER, env=clean_env(), text=True,
                          capture_output=True, timeout=seconds, check=False)


def _install():
    stamp = os.path.join(FOLDER, "installed")
    with open(WANTED, encoding="ascii") as f:
        wanted = f.read()
    if os.path.exists(stamp):
        with open(stamp, encoding="ascii") as f:
            if f.read() == wanted:
                return
    shutil.rmtree(os.path.join(FOLDER, "venv"), ignore_errors=True)
    done = _run(PYTHON, "-m", "venv", "venv")
    if done.returncode != 0:
        raise Missing("no python3-venv: deploy/install-deps.sh --tests")
    done = _run("venv/bin/pip", "install", "--quiet", "--retries", "1",
                "--no-deps", "-r", WANTED)
    if done.returncode != 0 and (found := OFFLINE.search(done.stderr)):
        raise Missing(f"pip finds no registry: {found.group()}")
    assert done.returncode == 0, done.stderr
    with open(stamp, "w", encoding="ascii") as f:
        f.write(wanted)


def prepare():
    """It is there, or Missing says why not."""
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(FOLDER, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
        _install()


def run(port, token, examples, seed, seconds=300):
    """Of each call so many requests; the exit code, and all that it printed.
    """
    done = _run(
        "venv/bin/st", "run", SPEC, "--base-url", f"http://127.0.0.1:{port}",
        "-H", f"Authorization: Bearer {token}", "--checks", ",".join(CHECKS),
        "--data-generation-method", "all", "--no-color",
        "--hypothesis-seed", str(seed), "--hypothesis-database", "none",
        "--hypothesis-max-examples", str(examples),
        "--hypothesis-suppress-health-check", "all", seconds=seconds)
    return done.returncode, done.stdout + done.stderr


if __name__ == "__main__":
    prepare()
