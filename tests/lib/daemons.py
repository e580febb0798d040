"""IPFS daemons of a cluster under test: test node, Kubo, fake.

All speak Kubo's RPC, so a test asks them directly what they hold.
"""

import base64
import itertools
import json
import os
import shutil
import subprocess
from urllib.parse import urlencode

from process import Process, free_port, program, until
from wire import multipart, request

NODE = os.environ.get("PINFOLD_TEST_NODE",
                      os.path.join(os.path.dirname(__file__), "..", "..",
                                   "build", "ipfsnode"))


DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def other_form(cid):
    """The other text of a dag-pb CID with SHA-256 (v0 or v1), or None.

    Pinfold takes both for one pin, the daemons list them apart.
    """
    if cid.startswith("Qm"):
        number = 0
        for c in cid:
            number = number * 58 + DIGITS.index(c)
        raw = b"\x01\x70" + number.to_bytes(34, "big")
        return "b" + base64.b32encode(raw).decode().lower().rstrip("=")
    if not cid.startswith("bafybei"):
        return None
    text = cid[1:].upper()
    number = int.from_bytes(
        base64.b32decode(text + "=" * (-len(text) % 8))[2:], "big")
    out = ""
    while number:
        number, digit = divmod(number, 58)
        out = DIGITS[digit] + out
    return out


class Daemon(Process):
    """What all three have."""

    def __init__(self, cluster, number):
        super().__init__(f"ipfs-{number}", [], cluster.folder)
        self.number, self.id, self.swarm = number, None, 0

    def rpc(self, call, body=None, headers=None, timeout=20):
        return request(self.port, "POST", "/api/v0/" + call, body, headers,
                       timeout)

    def wait(self, seconds=30):
        until(lambda: self.rpc("id", timeout=2).status == 200, seconds,
              f"{self.name} answers")
        self.id = self.rpc("id").json()["ID"]

    def has(self, cid):
        """Whether it is pinned recursively, in either form."""
        return any(
            self.rpc(f"pin/ls?arg={text}&type=recursive").status == 200
            for text in (cid, other_form(cid)) if text)

    def pins(self):
        answer = self.rpc("pin/ls?type=recursive")
        assert answer.status == 200, answer
        return set(answer.json().get("Keys", ()))

    def add(self, data, pin=False, more=""):
        """The CID of a file, by the daemon's own importer."""
        headers, body = multipart({"file": data})
        answer = self.rpc(f"add?pin={str(pin).lower()}&quieter=true{more}",
                          body, headers, timeout=60)
        assert answer.status == 200, answer
        return answer.lines()[-1]["Hash"]

    def add_directory(self, files):
        """The CID of the outermost folder of files (path -> bytes)."""
        headers, body = multipart(files)
        answer = self.rpc("add?pin=false", body, headers)
        assert answer.status == 200, answer
        return answer.lines()[-1]["Hash"]

    def cat(self, cid, timeout=60):
        answer = self.rpc(f"cat?arg={cid}", timeout=timeout)
        assert answer.status == 200, answer
        return answer.body

    def unpin(self, cid):
        """Behind the agent's back."""
        found = [text for text in (cid, other_form(cid)) if text and
                 self.rpc(f"pin/rm?arg={text}").status == 200]
        assert found, f"{self.name} does not hold {cid}"

    def connect(self, other):
        address = f"/ip4/127.0.0.1/tcp/{other.swarm}/p2p/{other.id}"
        answer = self.rpc(f"swarm/connect?arg={address}")
        assert answer.status == 200, answer


class TestNode(Daemon):
    """tests/ipfsnode, built once."""

    __test__ = False  # for pytest

    def __init__(self, cluster, number):
        super().__init__(cluster, number)
        self.port, self.swarm = free_port(), free_port()
        repo = os.path.join(cluster.folder, self.name)
        os.makedirs(repo, exist_ok=True)
        shutil.copy(cluster.key, os.path.join(repo, "swarm.key"))
        assert os.access(NODE, os.X_OK), \
            f"{NODE} is not built: tests/ipfsnode/build.sh build/ipfsnode"
        self.argv = [NODE, "--repo", repo,
                     "--api", f"127.0.0.1:{self.port}",
                     "--swarm", f"127.0.0.1:{self.swarm}"]
        self.env["LIBP2P_FORCE_PNET"] = "1"


class Kubo(Daemon):
    """A real Kubo in a private network of its own."""

    def __init__(self, cluster, number, binary):
        super().__init__(cluster, number)
        self.binary = binary
        self.port, self.swarm = free_port(), free_port()
        repo = os.path.join(cluster.folder, self.name)
        self.env.update(IPFS_PATH=repo, IPFS_TELEMETRY="off",
                        LIBP2P_FORCE_PNET="1", GOLOG_LOG_LEVEL="error",
                        GOMEMLIMIT="400MiB", GOMAXPROCS="1")
        self._run("init", "--profile=test,unixfs-v1-2025")
        shutil.copy(cluster.key, os.path.join(repo, "swarm.key"))
        self._run("config", "Addresses.API",
                  f"/ip4/127.0.0.1/tcp/{self.port}")
        self._run("config", "Routing.Type", "none")
        values = {
            "Addresses.Swarm": f'["/ip4/127.0.0.1/tcp/{self.swarm}"]',
            "Swarm.Transports.Network":
                '{"QUIC":false,"WebTransport":false,"WebRTCDirect":false,'
                '"Websocket":false}',
            "Plugins.Plugins.telemetry.Disabled": "true",
            "Internal.ShutdownTimeout": '"10s"',
            "Swarm.ResourceMgr.MaxMemory": '"256MB"'}
        for key in ("Provide.Enabled", "Swarm.RelayClient.Enabled",
                    "Swarm.RelayService.Enabled",
                    "Swarm.EnableHolePunching", "HTTPRetrieval.Enabled",
                    "Version.SwarmCheckEnabled"):
            values[key] = "false"
        for key, value in values.items():
            self._run("config", "--json", key, value)
        self.argv = [self.binary, "daemon", "--migrate=false"]

    def _run(self, *words):
        subprocess.run([self.binary, *words], env=self.env, check=True,
                       capture_output=True)


identities = itertools.count(1)  # of fake ones, in whatever cluster


class FakeDaemon(Daemon):
    """tests/lib/fakekubo.c: answers at once, counts calls, has no content."""

    def __init__(self, cluster, number):
        super().__init__(cluster, number)
        self.port = free_port()
        self.argv = [program("tests/lib", "fakekubo"),
                     "--listen", f"127.0.0.1:{self.port}",
                     "--seed", str(next(identities))]

    def connect(self, other):
        pass

    def ctl(self, path, method="POST", body=None):
        return request(self.port, method, "/ctl/" + path, body)

    def calls(self):
        """Endpoint -> how often it was called."""
        return self.ctl("stats", "GET").json()["calls"]

    def lose(self, cid):
        assert self.ctl(f"lose?cid={cid}").json()["found"]

    def lose_all(self):
        return self.ctl("lose?all=true").json()["lost"]

    def pins(self):
        return {p["cid"] for p in self.ctl("pins", "GET").lines()}

    def fault(self, endpoint, kind, body=b"", **more):
        """One more fault (tests/lib/fakekubo_fault.h); body: what it sends,
        an object as JSON."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode() + b"\n"
        words = {k: str(v).lower() if isinstance(v, bool) else v
                 for k, v in more.items()}
        answer = self.ctl("fault?" + urlencode(
            {"endpoint": endpoint, "kind": kind, **words}), body=body)
        assert answer.status == 200, answer

    def heal(self):
        """No fault any more; what hangs is cut."""
        assert self.ctl("fault/clear").status == 200

    def hits(self):
        """(CID, endpoint) -> requests that met a fault."""
        return {(f["cid"], f["endpoint"]): f["hits"]
                for f in self.ctl("fault", "GET").lines()}

    def hits_in_order(self):
        """Requests that met each fault, in the order in which they came."""
        return [f["hits"] for f in self.ctl("fault", "GET").lines()]
