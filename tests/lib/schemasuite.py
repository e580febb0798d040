"""schemathesis against the contract of the Pinning Service API (tests/psa):
requests that the contract allows, and such as it does not. By itself it only
installs, for machines that run the tests without a network."""

import fcntl
import json
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
          "content_type_conformance", "response_schema_conformance",
          "response_headers_conformance", "ignored_auth")
# The contract has no links: what a pin object's id is good for, by words of
# its descriptions.
LINKS = """          links:
%s"""
LINK = """            %s:
              operationRef: '#/paths/~1pins~1{requestid}/%s'
              parameters:
                requestid: '$response.body#/requestid'
"""
MADE = """          description: Successful response (PinStatus object)
          content:
            application/json:
              schema:
                $ref: '#/components/schemas/PinStatus'
"""
AUTH = """import json
import os

import schemathesis

TOKENS = json.loads(os.environ["PINFOLD_TOKENS"])


@schemathesis.auth(refresh_interval=None)
class TokenOfTheCall:
    def get(self, case, context):
        return TOKENS[f"{case.method.upper()} {case.path}"]

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"
"""
CID = ("          description: Content Identifier (CID) to be pinned "
       "recursively\n          type: string\n")


def _run(*words, seconds=300, env=None):
    return subprocess.run(words, cwd=FOLDER, text=True, capture_output=True,
                          env={**clean_env(), **(env or {})},
                          timeout=seconds, check=False)


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


def linked(cids):
    """The contract, in which a pin's CID is one of these, and who made a pin
    may ask for it, replace it and let it go; its path."""
    with open(SPEC, encoding="utf-8") as f:
        text = f.read()
    links = LINKS % "".join(LINK % (m, m) for m in ("get", "post", "delete"))
    assert text.count(MADE) == 3 and text.count(CID) == 1
    head, *made = text.split("        '202':\n" + MADE)
    assert len(made) == 2  # add and replace
    text = ("        '202':\n" + MADE + links).join([head, *made])
    text = text.replace(CID, CID + f"          enum: {list(cids)}\n")
    path = os.path.join(FOLDER, f"linked-{os.getpid()}.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def run(port, tokens, examples, seed, more=(), spec=SPEC, seconds=550):
    """Of each call so many requests, by the token of its method and path; the
    exit code, and all that it printed."""
    with open(os.path.join(FOLDER, "tokens_of_calls.py"), "w",
              encoding="ascii") as f:
        f.write(AUTH)
    env = {"SCHEMATHESIS_HOOKS": "tokens_of_calls", "PYTHONPATH": FOLDER,
           "PINFOLD_TOKENS": json.dumps(tokens)}
    done = _run(
        "venv/bin/st", "run", spec, "--base-url", f"http://127.0.0.1:{port}",
        "--checks", ",".join(CHECKS), "--workers", "1",
        "--data-generation-method", "all", "--no-color", *more,
        "--hypothesis-seed", str(seed), "--hypothesis-database", "none",
        "--hypothesis-max-examples", str(examples),
        "--hypothesis-suppress-health-check", "all", seconds=seconds, env=env)
    return done.returncode, done.stdout + done.stderr


if __name__ == "__main__":
    prepare()
