"""Child processes of the system tests, free ports, waiting with a deadline."""

import ctypes
import os
import random
import re
import signal
import socket
import subprocess
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("PINFOLD_BUILD", os.path.join(ROOT, "build", "debug"))
REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer"
                    r"|runtime error:|Assertion .* failed|assertion failed")

# Processes that run tests side by side draw ports from ranges of their own.
_WORKER = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or
              0) % 8
_PORTS = range(15000 + 2000 * _WORKER, 17000 + 2000 * _WORKER)
_taken = set()


def free_port():
    """A port that nobody listens on, outside the kernel's own range."""
    while True:
        port = random.choice(_PORTS)
        if port in _taken:
            continue
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        _taken.add(port)
        return port


def until(check, seconds, what):
    """Polls until check() is true and returns that; fails after seconds."""
    end = time.monotonic() + seconds
    last = None
    while True:
        try:
            last = check()
            if last:
                return last
        except (OSError, ValueError, KeyError, IndexError) as e:
            last = repr(e)
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what} "
                                 f"(last seen: {last})")
        time.sleep(0.05)


def clean_env(more=None):
    """Without PINFOLD_ variables: the programs refuse unknown ones."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("PINFOLD_", "IPFS_"))}
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1:exitcode=99")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
    env["TSAN_OPTIONS"] = ":".join((
        os.environ.get("TSAN_OPTIONS", "halt_on_error=1"),
        "suppressions=" + os.path.join(os.path.dirname(__file__),
                                       "tsan.supp")))
    env.update(more or {})
    return env


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    os.setsid()


class Process:
    """One child process that can be started again with the same command."""

    def __init__(self, name, argv, folder, env=None):
        self.name, self.argv, self.env = name, argv, clean_env(env)
        self.log = os.path.join(folder, name + ".log")
        self.child, self.killed, self.stopped = None, False, False
        self.log_start = 0

    def start(self):
        assert not self.alive(), f"{self.name} runs already"
        self.killed = False
        with open(self.log, "ab") as out:
            self.log_start = out.tell()
            self.child = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=self.env, preexec_fn=_die_with_parent)

    def alive(self):
        return self.child is not None and self.child.poll() is None

    @property
    def pid(self):
        return self.child.pid

    def kill9(self):
        self.killed = True
        self.child.kill()
        self.child.wait(10)

    def terminate(self, seconds=20):
        """SIGTERM; the exit status."""
        self.resume()
        self.child.terminate()
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise AssertionError(
                f"{self.name} ignored SIGTERM for {seconds} s") from None

    def pause(self):
        os.kill(self.pid, signal.SIGSTOP)
        self.stopped = True

    def resume(self):
        if self.stopped and self.alive():
            os.kill(self.pid, signal.SIGCONT)
        self.stopped = False

    def restart(self):
        if self.alive():
            self.terminate()
        self.start()

    def log_text(self, since_start=False):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as f:
                f.seek(self.log_start if since_start else 0)
                return f.read()
        except FileNotFoundError:
            return ""

    def rss_bytes(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def program(folder, name):
    path = os.path.join(BUILD, folder, name)
    assert os.access(path, os.X_OK), f"{path} is not built"
    return path
