"""The program pinfold: against scripted servers (failover, errors, cut
streams, progress, memory), and against a real cluster."""

import contextlib
import json
import os
import re
import socket
import subprocess
import threading
import time

import pytest
from cluster import make_cid
from process import clean_env, free_port, program

CID = make_cid("one")
PIN = {"replication_factor_min": 2, "replication_factor_max": 3,
       "name": "n", "mode": "recursive", "metadata": {},
       "expire_at": "0001-01-01T00:00:00Z", "cid": CID, "type": "pin",
       "allocations": ["p1", "p2"], "timestamp": "2026-01-02T03:04:05Z"}


def argv(*words):
    return [program("ctl", "pinfold"), *words]


def run(*words, env=None, timeout=60, **more):
    return subprocess.run(argv(*words), env=clean_env(env), text=True,
                          capture_output=True, timeout=timeout, check=False,
                          **more)


def status_of(*states, cid=CID):
    return {"cid": cid, "name": "n", "allocations": [], "origins": [],
            "created": "2026-01-02T03:04:05Z", "metadata": {},
            "peer_map": {f"p{i}": {
                "peername": f"node-{i}", "status": s, "attempt_count": 1,
                "timestamp": "2026-01-02T03:04:05Z", "priority_pin": False,
                "error": "disk full" if s == "pin_error" else ""}
                for i, s in enumerate(states)}}


def answer(status, body, kind="Error"):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (f"HTTP/1.1 {status} {kind}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def error(status, text):
    return answer(status, {"code": status, "message": text})


def stream(*items, trailer="", cut=False):
    """A chunked stream; cut: the connection closes before the end."""
    out = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTrailer: "
           b"X-Stream-Error\r\nTransfer-Encoding: chunked\r\n\r\n")
    for item in items:
        part = json.dumps(item).encode() + b"\n"
        out += b"%x\r\n%s\r\n" % (len(part), part)
    if not cut:
        out += b"0\r\nX-Stream-Error: " + trailer.encode() + b"\r\n\r\n"
    return out


class Stub:
    """Answers what reply(method, target) says: bytes, an iterable of bytes,
    or None (closes without a word). Requests are kept."""

    def __init__(self, reply):
        self.reply, self.requests, self.bodies = reply, [], []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,),
                             daemon=True).start()

    def _serve(self, peer):
        # To close the file sends what is left, to a client that may be gone.
        with (contextlib.suppress(OSError, ValueError), peer,
              peer.makefile("rwb") as f):
            while self._one(f):
                pass

    def _one(self, f):
        line = f.readline().decode()
        if not line:
            return False
        method, target, _ = line.split(" ")
        heads = {}
        while (line := f.readline().decode().strip()):
            name, _, value = line.partition(":")
            heads[name.lower()] = value.strip()
        self.requests.append((method, target))
        if "expect" in heads and self.reply(method, "expect") is None:
            f.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            f.flush()
        elif "expect" in heads:
            f.write(self.reply(method, "expect"))
            return False
        if heads.get("transfer-encoding") == "chunked":
            self.bodies.append(self._chunks(f))
        made = self.reply(method, target)
        if made is None:
            return False
        for part in [made] if isinstance(made, bytes) else made:
            f.write(part)
            f.flush()
        return b"Content-Length" in made if isinstance(made, bytes) else False

    @staticmethod
    def _chunks(f):
        out = b""
        while (n := int(f.readline(), 16)) > 0:
            out += f.read(n)
            f.readline()
        f.readline()
        return out

    def close(self):
        self.socket.close()


@pytest.fixture
def stub():
    made = []

    def make(reply):
        made.append(Stub(reply if callable(reply) else lambda *_: reply))
        return made[-1]

    yield make
    for s in made:
        s.close()


# --- without a server -------------------------------------------------------

@pytest.mark.parametrize("words, code, text", [
    ([], 2, "no command"),
    (["frob"], 2, "unknown command 'frob'"),
    (["pin", "add", "--frob", CID], 2, "unknown option '--frob'"),
    (["pin", "add", "nonsense"], 2, "invalid cid"),
    (["pin", "add", "/ipfs"], 2, "no path such as"),
    (["pin", "add", CID, "--min", "3", "--max", "2"], 2, "may not exceed"),
    (["pin", "add", CID, "--min", "0"], 2, "--min: -1 (every node) or 1 to"),
    (["pin", "add", CID, "--max", "0", "--min", "1"], 2, "--max: -1"),
    (["offer", CID, "--replication", "0"], 2, "--replication: -1"),
    (["pin", "add", CID, "--allocate", "node-1"], 2, "--allocate 'node-1'"),
    (["pin", "add", CID, "--expire-in", "10ms"], 2, "less than 1s"),
    (["add", "/nowhere/at/all"], 3, "No such file"),
    (["add", "/tmp"], 2, "is a directory (add -r)"),
    (["--host", "a:b", "status"], 2, "host 'a:b'"),
    (["--host", "", "pin", "ls"], 2, "--host is empty"),
    (["--timeout", "0", "pin", "ls"], 2, "--timeout: at least 1ms"),
    (["pin", "rm", CID, "--wait-timeout", "5s"], 2, "goes with --wait"),
    (["--org", "", "pin", "ls"], 2, "--org is empty"),
    (["--token-file", "", "pin", "ls"], 2, "--token-file is empty"),
    (["--cacert", "", "pin", "ls"], 2, "--cacert is empty"),
    (["verify", "--node", ""], 2, "--node is empty"),
    (["org", "rename", "", "b"], 2, "argument 1 is empty"),
    (["node", "drain", "a", ""], 2, "argument 2 is empty"),
    (["quota", "show", ""], 2, "argument 1 is empty"),
    (["pin", "rm", *[CID] * 1025], 2, "at most 1024 arguments"),
    (["--host", "127.0.0.1:1", "pin", "ls"], 7, "Connection refused"),
])
def test_refused_before_anything_is_sent(words, code, text):
    done = run(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("pinfold: ") and text in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words, target", [
    (("node", "cordon", "a/drain"), "POST /api/v1/nodes/a%2Fdrain/cordon"),
    (("node", "remove", "a/owner"), "DELETE /api/v1/nodes/a%2Fowner"),
    (("node", "orphans", "a/b"), "GET /api/v1/nodes/a%2Fb/orphans"),
    (("verify", "--node", "a/b"), "POST /api/v1/nodes/a%2Fb/verify"),
    (("org", "rename", "a/quota", "b"),
     "POST /api/v1/orgs/a%2Fquota?name=b"),
    (("org", "rm", "a/b"), "DELETE /api/v1/orgs/a%2Fb"),
    (("quota", "show", "a/tags"), "GET /api/v1/orgs/a%2Ftags"),
    (("quota", "tag", "a/b"), "GET /api/v1/orgs/a%2Fb/tags"),
    (("formula", "a/b"), "GET /api/v1/orgs/a%2Fb"),
    (("user", "rm", "a/b"), "DELETE /api/v1/users/a%2Fb"),
    (("token", "revoke", "1/2"), "DELETE /api/v1/tokens/1%2F2")])
def test_a_slash_in_a_name_is_no_other_request(stub, words, target):
    s = stub(lambda method, target: error(404, "nothing of that name"))
    assert run("--host", s.host, *words).returncode == 3
    assert [" ".join(r) for r in s.requests] == [target]


def test_help_and_environment(stub):
    assert "pin update" in run("--help").stdout
    s = stub(answer(200, {"version": "9"}))
    done = run("version", env={"PINFOLD_HOST": f"http://{s.host}/"})
    assert done.returncode == 0 and "9" in done.stdout


# --- errors -----------------------------------------------------------------

@pytest.mark.parametrize("status, text, code", [
    (400, "error decoding Cid: x", 2), (401, "unauthorized", 6),
    (403, "over quota: 5 of 4", 4), (403, "denied", 6),
    (404, "pin is not part of the pinset", 3), (409, "conflict", 9),
    (429, "rate limit exceeded", 8), (507, "no space left", 11),
    (500, "not enough peers to allocate CID. Needed at least: 2", 9),
    (500, "internal error", 1), (504, "timed out", 10),
])
def test_exit_codes(stub, status, text, code):
    done = run("--host", stub(error(status, text)).host, "pin", "add", CID)
    assert done.returncode == code
    assert done.stderr == f"pinfold: {text}\n"


@pytest.mark.parametrize("text, code", [("no leader", 5), ("busy", 8),
                                        ("not ready: behind", 7)])
def test_unavailable_is_repeated_until_the_deadline(stub, text, code):
    s = stub(error(503, text))
    done = run("--host", s.host, "--timeout", "4s", "pin", "add", CID)
    assert (done.returncode, done.stderr) == (code, f"pinfold: {text}\n")
    assert len(s.requests) >= 2


def test_control_characters_do_not_reach_the_terminal(stub):
    done = run("--host", stub(error(404, "a\x1b[2Jb")).host, "pin", "rm",
               CID)
    assert "\x1b" not in done.stderr and "a?[2Jb" in done.stderr


@pytest.mark.parametrize("reply", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{]",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}",
    b"SSH-2.0-OpenSSH\r\n",
])
def test_malformed_answers(stub, reply):
    done = run("--host", stub(reply).host, "--timeout", "2s", "pin", "add",
               CID)
    assert done.returncode in (1, 7) and done.stderr.startswith("pinfold: ")
    assert done.stdout == ""


@pytest.mark.parametrize("words", [
    ("recover",), ("recover", CID), ("pin", "rm", CID), ("plan",),
    ("token", "create", "-n", "x"), ("node", "drain", "n", "--dry-run"),
    ("node", "remove", "n", "--dry-run"), ("node", "cordon", "n"),
    ("node", "drain", "n"), ("node", "owner", "n", "--to", "x")])
def test_nothing_that_is_answered_steers_the_terminal(stub, words):
    evil = "\x1b]0;x\x07\x9b1m\u202e"
    dry = {"groups": [], "pins": [], "next": evil}
    done = run("--host", stub(lambda method, target: answer(200, {
        **PIN, **status_of("pinned"), **dry, "would": dry, "cid": evil,
        "name": evil, "token": evil, "peer": "p", "admin": "x\x1b[1m",
        "changed": True, "copies": 1, "shared": True,
        **({"owner": evil} if "owner" in words else {})})).host, *words)
    assert done.returncode == 0 and "?" in done.stdout, done
    assert not set("\x1b\x07\x9b\u202e") & set(done.stdout + done.stderr)


@pytest.mark.parametrize("words", [("pin", "add", CID), ("pin", "rm", CID),
                                   ("pin", "ls"), ("version",)])
def test_nothing_in_json_steers_the_terminal(stub, words):
    evil = {**PIN, "name": "é\x7f\x9b1m\u202e", "version": "\x9b"}
    body = json.dumps(evil, ensure_ascii=False).encode()
    done = run("--host", stub(answer(200, body)).host, "-o", "json", *words)
    assert done.returncode == 0, done
    assert not set("\x7f\x9b\u202e") & set(done.stdout)
    told = json.loads(done.stdout)
    if words == ("version",):
        assert told["servers"][0]["version"] == "\x9b"
    else:
        assert told in (evil, [evil]) and "é" in done.stdout


@pytest.mark.parametrize("words", [
    ("org", "ls"), ("token", "ls"), ("score", "top"), ("score", "frontier"),
    ("score", CID), ("formula", "x"), ("user", "rm", "x"), ("health",),
    ("version",), ("health", "graph"), ("offer", "--file", "-")])
@pytest.mark.parametrize("body", [b"5", b"<html>a page of a proxy</html>"])
def test_what_is_no_answer_is_none(stub, words, body):
    s = stub(lambda method, target: answer(200, body, "OK"))
    done = run("--host", s.host, *words, input=f"{CID}\n{CID} 5 x\n")
    assert done.returncode == (7 if words == ("health",) else 1), done
    assert "malformed answer" in done.stdout + done.stderr
    assert "removed" not in done.stdout and "yes" not in done.stdout


@pytest.mark.parametrize("words", [
    ("formula", "x"), ("formula", "bounds"), ("score", CID),
    ("score", "simulate"), ("score", "frontier"), ("health", "graph"),
    ("quota", "tag", "x")])
@pytest.mark.parametrize("output", ["json", "table"])
def test_an_empty_answer_is_none(stub, words, output):
    done = run("--host", stub(answer(200, {})).host, "-o", output, *words)
    assert (done.returncode, done.stdout) == (1, ""), done
    assert "malformed answer: no " in done.stderr


@pytest.mark.parametrize("words", [
    ("pin", "rm"), ("node", "cordon"), ("token", "revoke")])
def test_one_that_fails_does_not_keep_the_others(stub, words):
    names = [make_cid(k) for k in range(4)]
    good = {**PIN, "peer": "p", "admin": "cordoned", "changed": True,
            "copies": 1}
    status = {names[0]: 404, names[2]: 409}
    s = stub(lambda method, target: next(
        (error(status[n], "no") for n in status if n in target),
        answer(200, good)))
    done = run("--host", s.host, *words, *names)
    assert done.returncode == 3 and len(s.requests) == 4
    assert done.stdout.count("\n") == 2
    assert done.stderr == (f"pinfold: {names[0]}: no\n"
                           f"pinfold: {names[2]}: no\n")
    done = run("--host", s.host, "-o", "json", *words, *names)
    assert done.returncode == 3 and json.loads(done.stdout) == [good, good]


def test_each_that_is_not_pinned_is_named(stub):
    names = [make_cid(k) for k in range(4)]

    def reply(method, target):
        cid = target.split("/")[-1]
        pin = status_of("pinned", cid=cid)
        return answer(200, {**pin, **({} if cid == names[1] else
                                      {"created": "", "peer_map": {}})})

    done = run("--host", stub(reply).host, "status", *names)
    assert done.returncode == 3 and done.stderr == "".join(
        f"pinfold: {cid}: not in the pinset\n" for cid in names
        if cid != names[1])


# --- failover ---------------------------------------------------------------

def test_failover(stub):
    silent = socket.create_server(("127.0.0.1", 0))  # accepts, says nothing
    bad = stub(error(503, "no leader"))
    lost = stub(None)
    good = stub(answer(200, PIN))
    hosts = ",".join([f"127.0.0.1:{silent.getsockname()[1]}", "127.0.0.1:1",
                      bad.host, lost.host, good.host])
    done = run("--host", hosts, "--timeout", "20s", "-o", "json", "pin",
               "add", CID, "--name", "a b", "--meta", "k=v", "--min", "2")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == PIN
    assert good.requests == [(
        "POST", f"/pins/{CID}?replication-min=2&name=a%20b&meta-k=v")]
    silent.close()


def test_all_hosts_are_named(stub):
    done = run("--host", f"127.0.0.1:1,{stub(None).host}", "pin", "ls")
    assert done.returncode == 7
    assert "127.0.0.1:1: Connection refused; " in done.stderr


def test_removal_after_a_lost_answer_says_so(stub):
    gone = stub(error(404, "pin is not part of the pinset"))
    done = run("--host", f"{stub(None).host},{gone.host}", "pin", "rm", CID)
    assert done.returncode == 3
    assert "it may have done it" in done.stderr


@pytest.mark.parametrize("words, status, code", [
    (("org", "create", "x"), 409, 9), (("user", "rm", "x"), 404, 3),
    (("token", "revoke", "1"), 404, 3), (("org", "rename", "a", "b"), 404, 3),
    (("token", "create", "-n", "x"), 200, 0)])
def test_a_change_after_a_lost_answer_says_so(stub, words, status, code):
    hosts = [stub(lambda method, target: None),
             stub(lambda method, target: error(status, "as it is now")
                  if status != 200 else answer(200, {"token": "pft_x"}))]
    done = run("--host", ",".join(s.host for s in hosts), *words)
    assert done.returncode == code and "its answer lost" in done.stderr


def test_silence_ends(stub):
    quiet = socket.create_server(("127.0.0.1", 0))
    begun = time.monotonic()
    done = run("--host", f"127.0.0.1:{quiet.getsockname()[1]}", "--timeout",
               "500ms", "pin", "ls")
    # Without the option it waits for 30 s.
    assert done.returncode == 7 and time.monotonic() - begun < 20
    assert "no answer within" in done.stderr
    quiet.close()


# --- lists ------------------------------------------------------------------

def test_lists(stub):
    s = stub(lambda m, t: stream(PIN, {**PIN, "name": "zwölf"}))
    done = run("--host", s.host, "pin", "ls")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) == 3
    assert lines[0].startswith("CID") and lines[1].split()[:3] == [
        CID, "2-3", "2"]
    done = run("--host", s.host, "-o", "json", "pin", "ls")
    assert json.loads(done.stdout) == [PIN, {**PIN, "name": "zwölf"}]
    done = run("--host", stub(stream()).host, "-o", "json", "pin", "ls")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


def test_filter(stub):
    s = stub(lambda m, t: stream(status_of("pinned", "pin_error")))
    done = run("--host", s.host, "pin", "ls", "--filter", "error")
    assert done.stdout.splitlines()[1].split()[:3] == [CID, "error", "1"]
    assert s.requests == [("GET", "/pins?filter=error")]


@pytest.mark.parametrize("output", ["json", "table"])
@pytest.mark.parametrize("more, text", [
    ({"trailer": "one\r\nX-Stream-Error: database is busy"},
     "pinfold: one; database is busy"),
    ({"cut": True}, "cut off"),
])
def test_broken_lists_are_errors(stub, output, more, text):
    s = stub(stream(PIN, PIN, **more))
    done = run("--host", s.host, "-o", output, "pin", "ls")
    assert done.returncode == 1 and text in done.stderr
    assert done.stdout.count(CID) == 2 and len(s.requests) == 1
    if output == "json":  # nobody may take it for complete
        with pytest.raises(ValueError):
            json.loads(done.stdout)


def many(n):
    def parts(method, target):
        yield stream(cut=True)
        for i in range(0, n, 100):
            lines = b"".join(
                json.dumps({**PIN, "cid": make_cid(k % 500),
                            "name": f"pin {k}"}).encode() + b"\n"
                for k in range(i, i + 100))
            yield b"%x\r\n%s\r\n" % (len(lines), lines)
        yield b"0\r\nX-Stream-Error: \r\n\r\n"
    return parts


def peak_kib(pid):
    """The most memory that a process had, 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            found = re.search(r"VmHWM:\s+(\d+) kB", f.read())
            return int(found.group(1)) if found else 0
    except OSError:
        return 0


@pytest.mark.parametrize("output", ["json", "table"])
def test_long_lists_in_bounded_memory(stub, output, tmp_path):
    s, most = stub(many(100000)), 0
    with open(tmp_path / "out", "wb") as out:
        child = subprocess.Popen(argv("--host", s.host, "-o", output, "pin",
                                      "ls"), stdout=out, env=clean_env())
        while child.poll() is None:
            most = max(most, peak_kib(child.pid))
            time.sleep(0.005)
    text = (tmp_path / "out").read_text()
    assert child.returncode == 0 and text.count("pin 99999") == 1
    libraries = subprocess.run(["ldd", argv()[0]], capture_output=True,
                               check=True).stdout
    sanitized = b"libasan" in libraries or b"libtsan" in libraries
    assert 0 < most < (200 if sanitized else 20) * 1024


def test_a_reader_that_leaves_is_no_error(stub):
    s = stub(many(20000))
    child = subprocess.Popen(argv("--host", s.host, "pin", "ls"),
                             stdout=subprocess.PIPE, env=clean_env(),
                             stderr=subprocess.PIPE)
    child.stdout.readline()
    child.stdout.close()
    assert child.wait(20) == 0 and child.stderr.read() == b""


def test_full_disk_is_an_error(stub):
    with open("/dev/full", "wb") as out:
        done = subprocess.run(
            argv("--host", stub(many(1000)).host, "pin", "ls"), stdout=out,
            stderr=subprocess.PIPE, env=clean_env(), check=False, timeout=20)
    assert done.returncode == 1 and b"No space left" in done.stderr


@pytest.mark.parametrize("words", [
    ("pin", "ls"), ("-o", "json", "pin", "ls"), ("pin", "add", CID),
    ("status", CID), ("version",), ("-o", "json", "version"), ("pin", "-h")])
@pytest.mark.parametrize("where, why", [
    (">/dev/full", "No space left"), (">&-", "Bad file descriptor")])
def test_short_output_that_is_lost_is_an_error(stub, words, where, why):
    def reply(method, target):
        if target.startswith("/allocations"):
            return stream(PIN)
        return answer(200, {**PIN, **status_of("pinned"), "version": "1"})

    done = subprocess.run(
        ["sh", "-c", f'"$@" {where}', "sh",
         *argv("--host", stub(reply).host, *words)], text=True,
        capture_output=True, env=clean_env(), check=False, timeout=20)
    assert done.returncode == 1 and why in done.stderr, done


def test_a_reader_that_leaves_hides_no_failure(stub):
    s = stub(lambda method, target: answer(200, PIN) if CID in target
             else error(404, "not pinned"))
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        argv("--host", s.host, "pin", "rm", CID, make_cid("other")),
        stdout=write, stderr=subprocess.PIPE, env=clean_env(), check=False,
        timeout=20)
    os.close(write)
    assert done.returncode == 3 and b"not pinned" in done.stderr


# --- waiting ----------------------------------------------------------------

def sequence(*views):
    left = list(views)

    def reply(method, target):
        if method == "GET":
            return answer(200, left.pop(0) if len(left) > 1 else left[0])
        return answer(200, PIN)
    return reply


def test_wait(stub):
    s = stub(sequence(status_of("pin_queued", "remote", "pin_queued"),
                      status_of("pinning", "remote", "pinned"),
                      status_of("pinned", "remote", "pinned")))
    done = run("--host", s.host, "pin", "add", CID, "--wait")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        f"{CID}: 0 of 2 copies pinned; node-0 pin_queued; node-2 pin_queued",
        f"{CID}: 1 of 2 copies pinned; node-0 pinning",
        f"{CID}: 2 of 2 copies pinned"]
    s = stub(sequence(status_of("unpinning"), status_of("unpinned")))
    done = run("--host", s.host, "pin", "rm", CID, "--wait")
    assert done.returncode == 0 and f"removed {CID}" in done.stdout
    assert done.stderr.splitlines()[-1].endswith("1 of 1 nodes have let go")


def test_wait_outlasts_trouble_and_times_out(stub):
    begun = []

    def reply(method, target):
        if method == "POST":
            return answer(200, PIN)
        if not begun:
            begun.append(time.monotonic())
            return None
        if time.monotonic() < begun[0] + 5:  # longer than one look may take
            return error(503, "no leader")
        return answer(200, status_of("pin_error", "pin_error"))

    done = run("--host", stub(reply).host, "pin", "add", CID, "--wait",
               "--wait-timeout", "10s", "--timeout", "4s")
    assert done.returncode == 10
    assert "no answer: " in done.stderr and "no leader" in done.stderr
    assert "gave up waiting after 10s: 0 of 2 copies pinned" in done.stderr
    assert "node-1 pin_error (disk full)" in done.stderr


@pytest.mark.parametrize("status, text, code", [
    (500, "internal error", 1), (501, "version not supported", 1),
    (507, "no space left", 11), (404, "not found", 3)])
def test_wait_ends_with_what_does_not_pass(stub, status, text, code):
    s = stub(lambda method, target: answer(200, PIN) if method == "POST"
             else error(status, text))
    done = run("--host", s.host, "pin", "add", CID, "--wait", timeout=20)
    assert (done.returncode, done.stderr) == (code, f"pinfold: {text}\n")


@pytest.mark.parametrize("status, text", [
    (502, "bad gateway"), (503, "not ready: behind"), (504, "timed out")])
def test_wait_outlasts_what_passes(stub, status, text):
    views = iter([error(status, text)])
    s = stub(lambda method, target: answer(200, PIN) if method == "POST"
             else next(views, answer(200, status_of("pinned", "pinned"))))
    done = run("--host", s.host, "pin", "add", CID, "--wait", timeout=20)
    assert done.returncode == 0 and (status == 503 or text in done.stderr)


def test_wait_ends_in_time_where_nothing_answers(stub):
    def reply(method, target):
        if method == "GET":
            time.sleep(20)
        return answer(200, PIN)

    begun = time.monotonic()
    done = run("--host", stub(reply).host, "pin", "add", CID, "--wait",
               "--wait-timeout", "2s")
    assert done.returncode == 10 and time.monotonic() < begun + 10
    assert "gave up waiting after 2s: no answer: " in done.stderr


def test_a_silent_name_server_holds_nothing_up(tmp_path):
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        silent.bind(("127.77.1.1", 53))
    except OSError:
        pytest.skip("port 53 is not ours")
    conf = tmp_path / "resolv.conf"
    conf.write_text("nameserver 127.77.1.1\noptions timeout:9 attempts:1\n")
    begun = time.monotonic()
    with silent:
        done = subprocess.run(
            ["unshare", "-m", "--propagation", "private", "sh", "-c",
             'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(conf),
             *argv("--host", "nowhere.example.org", "--timeout", "1s", "pin",
                   "ls")], text=True, capture_output=True, timeout=60,
            env=clean_env(), check=False)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("mounts are not ours")
    assert done.returncode == 7 and "nowhere.example.org" in done.stderr
    assert time.monotonic() < begun + 6


# --- explanations -----------------------------------------------------------

ODD = {"coordinator": None, "pin": {"name": "a\x1b[2J", "size": -1},
       "next": {"text": 3}, "nodes": [7, {"rank": 1, "name": "n" * 9000},
                                      {"domain": 5}, {"load_permille": 1.5}],
       "copies": [{"node": "", "id": 12, "text": "why\nnot",
                   "last_error": "\u202e"}, [], None]}


def test_odd_decisions(stub):
    """Members that are missing, of another type or harmful."""
    told = {"groups": [], "pins": [], "decisions": [
        {}, {"at": 7, "action": "release", "nodes": ["", 3, "n\x1b"],
             "text": "why\nnot", "size": -1, "cid": "\u202e"}]}
    done = run("--host", stub(answer(200, told)).host, "plan")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "(removed),(removed),n?" in done.stdout and "let go" in done.stdout
    assert "why?not" in done.stdout and "\u202e" not in done.stdout
    told["decisions"] = 5
    assert run("--host", stub(answer(200, told)).host, "plan").returncode == 0


def test_odd_explanation(stub):
    """Fields that are missing, of another type, too long or harmful."""
    s = stub(answer(200, ODD))
    done = run("--host", s.host, "explain", CID)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert s.requests == [("GET", f"/api/v1/pins/{CID}/explain")]
    assert "a?[2J" in done.stdout and "#12" in done.stdout
    assert "why?not" in done.stdout and "\u202e" not in done.stdout
    for part in ODD:
        other = stub(answer(200, {**ODD, part: 1}))
        done = run("--host", other.host, "explain", CID)
        if part != "coordinator":
            assert done.returncode == 1, (part, done)
            assert "malformed answer" in done.stderr
    done = run("--host", stub(answer(200, b"{")).host, "explain", CID)
    assert done.returncode == 1 and "malformed answer" in done.stderr


# --- uploads ----------------------------------------------------------------

def added(method, target):
    if target == "expect":
        return None
    return stream({"name": "a", "cid": make_cid(1), "bytes": 1},
                  {"name": "d", "cid": CID, "bytes": 2})


def test_upload(stub, tmp_path):
    s = stub(added)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a b").write_bytes(b"x" * 300000)
    path = str(tmp_path / "d")
    done = run("--host", s.host, "add", "-r", path, "--name", "n")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"added {make_cid(1)} a\nadded {CID} d\n"
    assert s.requests[0][0] == "POST"
    for part in ("cid-version=1", "raw-leaves=true", "name=n",
                 "chunker=size-1048576", "wrap-with-directory=false"):
        assert part in s.requests[0][1]
    parts = re.findall(rb'filename="([^"]*)"\r\nContent-Type: (\S+)',
                       s.bodies[0])
    assert parts == [(b"d", b"application/x-directory"),
                     (b"d%2Fa+b", b"application/octet-stream")]
    assert b"x" * 300000 in s.bodies[0]
    assert run("--host", s.host, "add", "-rq", path).stdout == CID + "\n"
    done = run("--host", s.host, "-o", "json", "add", "-r", path)
    assert [x["name"] for x in json.loads(done.stdout)] == ["a", "d"]


def test_upload_refused_at_the_head_goes_to_the_next(stub, tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 100000)
    busy = stub(error(503, "no leader"))
    good = stub(added)
    done = run("--host", f"{busy.host},{good.host}", "add",
               str(tmp_path / "f"))
    assert done.returncode == 0 and len(busy.requests) == 1
    assert len(good.bodies) == 1


def test_upload_is_not_repeated(stub, tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 100000)
    first = stub(None)
    other = stub(added)
    done = run("--host", f"{first.host},{other.host}", "add",
               str(tmp_path / "f"))
    assert done.returncode == 7 and other.requests == []
    assert "it was not repeated" in done.stderr


def test_upload_that_fails_late(stub, tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    text = "not enough peers to allocate CID. Needed at least: 2"

    def reply(method, target):
        return None if target == "expect" else stream(trailer=text)

    done = run("--host", stub(reply).host, "add", str(tmp_path / "f"))
    assert (done.returncode, done.stderr) == (9, f"pinfold: {text}\n")


# --- health -----------------------------------------------------------------

def test_health(stub):
    bad = stub(answer(503, {"ready": False, "reason": "catching up"}))
    good = stub(answer(200, {"reason": ""}))
    done = run("--host", f"{bad.host},{good.host}", "health")
    assert done.returncode == 0 and "catching up" in done.stdout
    done = run("--host", f"{bad.host},127.0.0.1:1", "-o", "json", "health")
    assert done.returncode == 7
    assert json.loads(done.stdout) == [
        {"host": bad.host, "ready": False, "error": "catching up"},
        {"host": "127.0.0.1:1", "ready": False,
         "error": "Connection refused"}]


def test_odd_graphs(stub):
    """Members that are missing, or of another type."""
    for more in ({}, {"ipfs_links": 5}, {"id_to_peername": {"p": "n"}}):
        s = stub(answer(200, {"cluster_links": {"p": ["q"]}, **more}))
        done = run("--host", s.host, "health", "graph")
        assert (done.returncode, done.stderr) == (0, ""), done
        name = "n" if "id_to_peername" in more else "-"
        row = done.stdout.splitlines()[1].split()
        assert row == [name, "p", "1", "-", "0"]

# --- a real cluster ---------------------------------------------------------

def test_cluster(make_cluster, tmp_path):
    c = make_cluster(coordinators=3, nodes=3)
    hosts = ",".join(f"127.0.0.1:{x.http}" for x in c.coordinators)
    env = {"PINFOLD_HOST": f"127.0.0.1:{free_port()},{hosts}"}
    (tmp_path / "file").write_bytes(os.urandom(3 << 20))
    done = run("add", "-q", "--wait", "--replication", "2", "--name", "one",
               str(tmp_path / "file"), env=env)
    assert done.returncode == 0, done.stderr
    cid = done.stdout.strip()
    assert len(c.holders(cid)) == 2
    done = run("status", "-o", "json", env=env)
    assert len(json.loads(done.stdout)["nodes"]) == 3
    for words in (["status"], ["status", cid], ["node", "ls"], ["pin", "ls"],
                  ["pin", "ls", cid], ["pin", "ls", "--filter", "pinned"],
                  ["health"], ["health", "graph"], ["health", "metrics"],
                  ["health", "metrics", "freespace"], ["health", "alerts"],
                  ["version"], ["recover"], ["recover", cid],
                  ["explain", cid], ["verify", cid],
                  ["verify", "--node", "node-1"], ["plan"]):
        done = run(*words, env=env)
        assert done.returncode == 0, (words, done.stderr)
        print(done.stdout)
    done = run("status", make_cid("unknown"), env=env)
    assert done.returncode == 3 and "not in the pinset" in done.stderr
    done = run("pin", "rm", cid, "--wait", env=env)
    assert done.returncode == 0, done.stderr
    assert c.holders(cid) == []
    assert run("pin", "rm", cid, env=env).returncode == 3
    assert run("pin", "ls", cid, env=env).returncode == 3
