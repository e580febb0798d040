"""Partitions of a cluster: packets between two processes vanish silently.

The programs speak on loopback only, so all of them run in one network
namespace that the test makes, with a loopback of its own. A process is told
from the others by its group id: nftables marks each connection with a number
for (who dials, which port), and the input hook drops what a cut forbids, in
one direction or both. Nobody is told: no reset, no refusal, as with a cable
that was pulled. After the cut TCP sends again, with its own patience.
"""

import ctypes
import os
import re
import shutil
import subprocess

CLONE_NEWNET = 0x40000000
FIRST_GROUP = 61001
_libc = ctypes.CDLL(None, use_errno=True)


def _call(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


class Network:
    """The namespace: the calling thread and what it starts live in it
    until close(). enter() says why it cannot be made, or None."""

    def __init__(self):
        self._home = None
        self._groups = {}  # process -> group id
        self._links = []   # (dialler, listener, mark)

    def enter(self):
        for tool in ("nft", "setpriv", "ip"):
            if not shutil.which(tool):
                return f"{tool} is not installed"
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _call(_libc.unshare(CLONE_NEWNET), "unshare")
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True,
                           capture_output=True)
            self._nft("table inet cut\n")
        except (OSError, subprocess.CalledProcessError) as e:
            self.close()
            said = getattr(e, "stderr", None) or b""
            return f"no network namespace: {e} {said.decode()[:200]}".strip()
        return None

    def close(self):
        if self._home is not None:
            _libc.setns(self._home, CLONE_NEWNET)
            os.close(self._home)
            self._home = None

    def place(self, process):
        """Its packets are known as its own; before it is started."""
        group = FIRST_GROUP + len(self._groups)
        self._groups[process] = group
        process.argv = ["setpriv", "--regid", str(group), "--clear-groups",
                        "--pdeathsig", "KILL", "--", *process.argv]

    def link(self, dialler, listener, port):
        self._links.append((dialler, listener, port))

    def rules(self):
        """Loads the table; before anybody dials."""
        text = ["flush ruleset", "table inet cut {",
                "set there { type mark; }", "set back { type mark; }",
                "chain out {",
                "type filter hook output priority mangle; policy accept;"]
        for mark, (dialler, _, port) in enumerate(self._links, 1):
            text.append(f"meta skgid {self._groups[dialler]} tcp dport {port} "
                        f"ct state new ct mark set {mark}")
        text += ["}", "chain in {",
                 "type filter hook input priority filter; policy accept;",
                 "ct mark @there ct direction original counter drop",
                 "ct mark @back ct direction reply counter drop", "}", "}"]
        self._nft("\n".join(text) + "\n")

    def drop(self, sender, receiver):
        """From now on nothing that one sends reaches the other."""
        lines = []
        for mark, (dialler, listener, _) in enumerate(self._links, 1):
            if (dialler, listener) == (sender, receiver):
                lines.append(f"add element inet cut there {{ {mark} }}")
            elif (dialler, listener) == (receiver, sender):
                lines.append(f"add element inet cut back {{ {mark} }}")
        assert lines, f"{sender.name} and {receiver.name} never talk"
        self._nft("\n".join(lines) + "\n")

    def heal(self):
        self._nft("flush set inet cut there\nflush set inet cut back\n")

    def dropped(self):
        """Packets so far."""
        text = self._run("list", "chain", "inet", "cut", "in")
        return sum(int(n) for n in re.findall(r"packets (\d+)", text))

    def _nft(self, text):
        self._run("-f", "-", text=text)

    def _run(self, *words, text=""):
        done = subprocess.run(["nft", *words], input=text.encode(),
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise OSError(f"nft: {done.stderr.decode()[:300]}\n{text}")
        return done.stdout.decode()
