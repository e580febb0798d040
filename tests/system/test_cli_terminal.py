"""The program pinfold at a terminal, and the signals that it gets."""

import os
import pty
import select
import signal
import socket
import subprocess
import time

from process import clean_env, until
from test_cli import CID, argv, sequence, status_of, stub

assert stub is not None  # a fixture


def test_interrupt(stub):
    s = stub(sequence(status_of("pinning", "pinning")))
    child = subprocess.Popen(
        argv("--host", s.host, "pin", "add", CID, "--wait"), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_env())
    until(lambda: len(s.requests) > 3, 40, "it waits")
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert child.returncode == 130 and CID in out
    assert err.splitlines() == [
        f"{CID}: 0 of 2 copies pinned; node-0 pinning; node-1 pinning"]
    quiet = socket.create_server(("127.0.0.1", 0))
    child = subprocess.Popen(
        argv("--host", f"127.0.0.1:{quiet.getsockname()[1]}", "pin", "ls"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_env())
    peer, _ = quiet.accept()
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) == 143 and child.stderr.read() == b""
    peer.close()


def test_what_is_ignored_at_the_start_stays_so(stub):
    s = stub(sequence(*[status_of("pinning", "pinning")] * 9,
                      status_of("pinned", "pinned")))
    child = subprocess.Popen(
        argv("--host", s.host, "pin", "add", CID, "--wait"),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=clean_env(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    until(lambda: len(s.requests) > 3, 40, "it waits")
    child.send_signal(signal.SIGINT)
    err = child.communicate(timeout=30)[1]
    assert child.returncode == 0 and b"2 of 2 copies pinned" in err


def test_interrupt_ends_the_prompt_of_a_password():
    quiet = socket.create_server(("127.0.0.1", 0))
    host = f"127.0.0.1:{quiet.getsockname()[1]}"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(argv()[0], argv("--host", host, "user", "add", "bob"),
                  clean_env())
    assert os.read(terminal, 100).startswith(b"password: ")
    os.write(terminal, b"\x03")
    end = time.monotonic() + 20
    while (done := os.waitpid(pid, os.WNOHANG))[0] == 0:
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    assert os.waitstatus_to_exitcode(done[1]) == 130
    os.close(terminal)
    quiet.close()


def test_the_prompt_of_a_password_is_not_stopped():
    """That would leave the terminal without an echo."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve("/bin/sh", ["sh", "-mc", '"$@"; echo "exit=$?"; stty -a',
                              "sh", *argv("user", "add", "bob")],
                  clean_env())
    seen = os.read(terminal, 100)
    os.write(terminal, b"\x1a")
    time.sleep(0.5)
    os.write(terminal, b"\x03")
    while select.select([terminal], [], [], 20)[0]:
        try:
            seen += os.read(terminal, 4096)
        except OSError:
            break
    os.waitpid(pid, 0)
    os.close(terminal)
    assert b"exit=130" in seen and b" -echo " not in seen, seen


def test_live_line(stub):
    s = stub(sequence(status_of("pinning", "pinning"),
                      status_of("pinned", "pinned")))
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        argv("--host", s.host, "pin", "add", CID, "--wait"),
        stdout=subprocess.DEVNULL, stderr=theirs, env=clean_env())
    assert child.wait(20) == 0
    os.close(theirs)
    seen = b""
    while select.select([ours], [], [], 1)[0]:
        try:
            seen += os.read(ours, 4096)
        except OSError:
            break
    os.close(ours)
    assert b"\n" not in seen and seen.endswith(b"\r\x1b[K")
    assert b"copies pinned" in seen
