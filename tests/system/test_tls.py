"""TLS on the HTTP ports, on real processes and with clients of others."""

import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
from certs import Authority, put
from cluster import CALM, Cluster, make_cid
from process import clean_env, free_port, program, until
from wire import request


class World:
    """A coordinator that speaks TLS, and who signs for it."""

    def __init__(self, folder, make_cluster):
        self.ca = Authority(os.path.join(folder, "ca"))
        self.cert = os.path.join(folder, "tls.crt")
        self.key = os.path.join(folder, "tls.key")
        self.probes = free_port()
        self.give(*self.ca.sign())
        self.cluster = make_cluster(start=False, coordinators=1, nodes=1,
                                    daemon="fake", options={
                                        **CALM, "tls-cert": self.cert,
                                        "tls-key": self.key,
                                        "tls-reload": "0",
                                        "probe-listen":
                                            f"127.0.0.1:{self.probes}",
                                        "replication-min": 1,
                                        "replication-max": 1})
        self.c = self.cluster.coordinators[0]
        self.c.context = ssl.create_default_context(cafile=self.ca.cert)
        self.ports = {"cluster": self.c.http, "pinning": self.c.pinning,
                      "proxy": self.c.proxy}
        self.cluster.start()

    def give(self, cert, key, *more):
        put(self.key, key)
        put(self.cert, cert, *more)

    def serial(self, door="cluster"):
        """Of the certificate that a new connection is shown."""
        with socket.create_connection(("127.0.0.1", self.ports[door])) as s:
            context = ssl.create_default_context(cafile=self.ca.cert)
            with context.wrap_socket(s, server_hostname="localhost") as t:
                return t.getpeercert()["serialNumber"]

    def hangup(self):
        os.kill(self.c.pid, signal.SIGHUP)

    def curl(self, *words, cacert=True):
        ca = ["--cacert", self.ca.cert] if cacert else []
        return subprocess.run(
            ["curl", "-sS", "--max-time", "20", *ca, *words], text=True,
            capture_output=True, timeout=60, check=False)

    def ctl(self, *words, host=None, **env):
        return subprocess.run(
            [program("ctl", "pinfold"), "--host",
             host or f"https://localhost:{self.c.http}", *words],
            env={**clean_env(), **env}, text=True, capture_output=True,
            timeout=60, check=False)


@pytest.fixture
def world(tmp_path, make_cluster):
    return World(str(tmp_path), make_cluster)


def test_origins_that_nothing_uses(tmp_path, make_cluster):
    ca = Authority(str(tmp_path / "ca"))
    cert, key = str(tmp_path / "tls.crt"), str(tmp_path / "tls.key")
    signed = ca.sign()
    put(cert, signed[0])
    put(key, signed[1])
    said = []
    for door in ("listen-proxy", "listen-proxy,listen-pinning"):
        c = make_cluster(
            start=False, coordinators=1, nodes=0, options={
                "tls-cert": cert, "tls-key": key, "auth": "on",
                "cors-origin": "https://app.example",
                **{x: f"0.0.0.0:{free_port()}" for x in door.split(",")}
            }).coordinators[0]
        c.start()
        until(lambda c=c: "event=started" in c.log_text(), 60, "it runs")
        said.append("event=cors_without_effect "
                    "origins=https://app.example" in c.log_text())
    assert said == [True, False]


def probe(world, path):
    return request(world.probes, "GET", path)


def metric(world, name):
    text = probe(world, "/metrics").text()
    return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)[1])


def test_clients(world):
    url = f"https://localhost:{world.c.http}"
    done = world.curl("--tlsv1.3", url + "/version")
    assert "version" in done.stdout, done
    assert world.curl("--tls-max", "1.2", url + "/version").returncode == 0
    done = world.curl(url + "/version", cacert=False)
    assert done.returncode == 60, done  # not verified

    # The command line: a file, the environment, nothing.
    cid = make_cid()
    done = world.ctl("pin", "add", cid, "--cacert", world.ca.cert)
    assert done.returncode == 0, done
    done = world.ctl("pin", "ls", PINFOLD_CACERT=world.ca.cert)
    assert done.returncode == 0 and cid in done.stdout, done
    done = world.ctl("pin", "ls",
                     host=f"/ip4/127.0.0.1/tcp/{world.c.http}/https",
                     PINFOLD_CACERT=world.ca.cert)
    assert done.returncode == 0 and cid in done.stdout, done
    done = world.ctl("pin", "ls")
    assert done.returncode == 7 and "certificate" in done.stderr, done
    done = world.ctl("pin", "ls", "--cacert", "/nonexistent")
    assert done.returncode == 2 and "--cacert" in done.stderr, done
    # Who asks in clear is told, and does not hang.
    done = world.ctl("pin", "ls", host=f"127.0.0.1:{world.c.http}")
    assert done.returncode != 0 and "speaks TLS" in done.stderr, done
    done = world.curl(f"http://localhost:{world.c.http}/version")
    assert "use https" in done.stdout, done
    # An upload and a stream with a trailer.
    path = os.path.join(world.cluster.folder, "file")
    with open(path, "wb") as f:
        f.write(os.urandom(3 << 20))
    done = world.ctl("add", path, "--cacert", world.ca.cert)
    assert done.returncode == 0 and "added" in done.stdout, done
    assert world.c.get("/pins").status == 200


def test_probes(world):
    """In clear, for everybody, and nothing else."""
    for path in ("/livez", "/healthz", "/readyz", "/health"):
        assert probe(world, path).status in (200, 204), path
    for path in ("/pins", "/id", "/api/v1/status", "/api/v1/tokens"):
        assert probe(world, path).status == 404, path
    assert request(world.probes, "POST", f"/pins/{make_cid()}").status == 404
    left = metric(world, "pinfold_tls_certificate_remaining_seconds")
    assert 9.9 * 86400 < left <= 10 * 86400
    failed = metric(world, "pinfold_tls_handshakes_failed_total")
    with socket.create_connection(("127.0.0.1", world.c.http)) as s:
        s.sendall(b"\x17\x03\x03\x00\x01x")
        s.settimeout(20)
        while s.recv(4096):
            pass
    until(lambda: metric(world, "pinfold_tls_handshakes_failed_total")
          == failed + 1, 20, "the failure")


# A request of each door that needs no more than the door.
ASKED = {"cluster": ("GET", "/version", 200), "pinning": ("GET", "/pins", 401),
         "proxy": ("POST", "/api/v0/pin/ls", 200)}


def refusals(world, door, reason):
    return metric(world, "pinfold_http_connections_refused_total"
                  f'{{door="{door}",reason="{reason}"}}')


def told(world, door, reason):
    return sum(int(x.rsplit("=", 1)[1]) for x in
               world.c.log_text().splitlines()
               if f"event=http_refused door={door} " in x and
               f" reason={reason} " in x)


def hear(port, data, end=True):
    got = b""
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.settimeout(20)
        try:
            s.sendall(data)
            if end:
                s.shutdown(socket.SHUT_WR)
            while part := s.recv(4096):
                got += part
        except ConnectionError:
            pass
    return got


HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(64)


def test_each_door(world):
    """Good ones are served; who speaks something else, or does not trust the
    certificate, or leaves, is told where that can be, counted and logged."""
    for door, (method, path, status) in ASKED.items():
        port = world.ports[door]
        answer = request(port, method, path, context=world.c.context)
        assert answer.status == status, (door, answer)
        # Who speaks plain HTTP is told so.
        got = hear(port, f"{method} {path} HTTP/1.1\r\n".encode())
        assert got.startswith(b"HTTP/1.1 400 ") and b"speaks TLS" in got
        assert refusals(world, door, "plain_on_tls") == 1
        # No handshake, half of one, records that are none, too old.
        n = 0
        for data in (b"\x17\x03\x03\x00\x01x", b"\x00" * 50, HELLO[:20],
                     HELLO, b"\x16\x03\x01\xff\xffabc", b"hello"):
            assert b"HTTP" not in hear(port, data), (door, data)
            n += 1
            until(lambda door=door, n=n: refusals(world, door, "tls") == n,
                  20, f"{door} {data!r} is counted")
        with pytest.raises(OSError):
            request(port, "GET", "/", context=ssl.create_default_context())
        # Behind a handshake heads are as elsewhere.
        with socket.create_connection(("127.0.0.1", port)) as s, \
                world.c.context.wrap_socket(
                    s, server_hostname="localhost") as t:
            t.sendall(b"GET  / HTTP/1.1\r\n\r\n")
            assert t.recv(100).startswith(b"HTTP/1.1 400 ")
        until(lambda door=door: refusals(world, door, "request_line") == 1,
              20, "the head is counted")
        until(lambda door=door: refusals(world, door, "tls") == n + 1, 20,
              "the client without trust is counted")
        for reason in ("plain_on_tls", "tls", "request_line"):
            assert told(world, door, reason) == refusals(world, door, reason)
    # TLS where none is spoken: at the probes.
    assert hear(world.probes, HELLO).startswith(b"HTTP/1.1 400 ")
    with pytest.raises(OSError):
        request(world.probes, "GET", "/livez", context=world.c.context)
    assert refusals(world, "probes", "tls_on_plain") == 2
    assert told(world, "probes", "tls_on_plain") == 2


def test_silent_and_slow_handshakes(world):
    """No more than 10 s, on all doors at a time; others are served."""
    held = []
    began = time.monotonic()
    for port in world.ports.values():
        for data in (b"", HELLO[:7], HELLO):
            s = socket.create_connection(("127.0.0.1", port), 30)
            s.sendall(data)
            held.append(s)
    assert world.c.get("/version").status == 200
    for s in held:
        try:
            while s.recv(4096):
                pass
        except ConnectionError:
            pass
        s.close()
    assert 5 < time.monotonic() - began < 25
    for door in ASKED:
        assert refusals(world, door, "tls") == 2, door  # silence is none


class Load(threading.Thread):
    """One connection that asks without a pause, and a new one each time."""

    def __init__(self, world, stop, door):
        super().__init__()
        self.world, self.stop, self.door = world, stop, door
        self.error, self.kept, self.fresh, self.serials = None, 0, 0, set()

    def run(self):
        try:
            self._ask()
        except Exception as e:  # for the test's thread
            self.error = e

    def _ask(self):
        port = self.world.ports[self.door]
        context = self.world.c.context
        method, path, status = ASKED[self.door]
        asked = (f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
                 "Content-Length: 0\r\n\r\n").encode()
        s = socket.create_connection(("127.0.0.1", port), 20)
        with context.wrap_socket(s, server_hostname="localhost") as t:
            while not self.stop.is_set():
                t.sendall(asked)
                got = b""
                while not got.endswith((b"}\n", b"\r\n0\r\n\r\n")):
                    more = t.recv(65536)
                    assert more, "the connection was dropped"
                    got += more
                assert got.startswith(b"HTTP/1.1 %d" % status), got
                self.kept += 1
                answer = request(port, method, path, context=context)
                assert answer.status == status, answer
                self.fresh += 1


def test_reload_under_load(world):
    stop = threading.Event()
    threads = [Load(world, stop, d) for d in (*ASKED, "cluster")]
    for t in threads:
        t.start()
    seen = {world.serial()}
    for i in range(6):
        before = world.serial()
        world.give(*world.ca.sign())
        assert world.serial() == before  # nobody has asked for it
        world.hangup()
        until(lambda before=before: world.serial() != before, 20,
              f"certificate {i}")
        assert len({world.serial(d) for d in world.ports}) == 1
        seen.add(world.serial())
    assert len(seen) == 7
    at = [t.kept for t in threads]
    until(lambda: all(t.error or t.kept > n + 5
                      for t, n in zip(threads, at)), 30, "load goes on")
    stop.set()
    for t in threads:
        t.join(30)
        assert t.error is None, t.error
    assert metric(world,
                  'pinfold_tls_certificate_loads_total{result="used"}') == 6


def refused(world, text):
    """Asks for a reload; the line that says why it was none."""
    n = metric(world, 'pinfold_tls_certificate_loads_total{result="refused"}')
    before = world.serial()
    world.hangup()
    until(lambda: metric(world, "pinfold_tls_certificate_loads_total"
                         '{result="refused"}') > n, 20, "a refusal")
    line = [x for x in world.c.log_text().splitlines()
            if "certificate_refused" in x][-1]
    assert text in line, line
    assert world.serial() == before


def test_bad_pairs(world):
    good = world.ca.sign()
    world.give(good[0], world.ca.sign()[1])
    refused(world, "not that of the first certificate")
    world.give(*world.ca.sign(days=-1))
    refused(world, "expired")
    world.give(good[1], good[1])
    refused(world, "no PEM certificate")
    world.give(good[0], good[0])
    refused(world, "no PEM key")
    world.give(*good)
    os.chmod(world.key, 0o644)
    refused(world, "chmod 600")
    os.remove(world.key)
    refused(world, "No such file")
    # A chain, of which the client knows the root only; in the wrong order.
    middle = world.ca.below()
    cert, key = middle.sign(key="rsa:2048")
    world.give(middle.cert, key, cert)
    refused(world, "out of order")
    world.give(cert, key, middle.cert)
    before = world.serial()
    world.hangup()
    until(lambda: world.serial() != before, 20, "the chain")


def test_watched(tmp_path, make_cluster):
    """Without a signal, at the next look; a pair in two steps too."""
    ca = Authority(tmp_path / "ca")
    cert, key = str(tmp_path / "tls.crt"), str(tmp_path / "tls.key")
    first, second = ca.sign(), ca.sign()
    put(key, first[1])
    put(cert, first[0])
    cluster = make_cluster(start=False, coordinators=1, nodes=0, options={
        "tls-cert": cert, "tls-key": key, "tls-reload": "100ms"})
    c = cluster.coordinators[0]
    c.context = ssl.create_default_context(cafile=ca.cert)
    c.start()
    until(lambda: c.get("/version").status == 200, 30, "an answer")
    put(cert, second[0])
    until(lambda: "certificate_refused" in c.log_text(), 20, "half a pair")
    put(key, second[1])
    until(lambda: c.log_text().count("certificate_loaded") == 2, 20,
          "the other half")
    time.sleep(0.5)  # looks that see no change say nothing
    assert c.log_text().count("certificate_refused") == 1


def start_fails(tmp_path, text, **options):
    cluster = Cluster(tmp_path / f"fail-{time.monotonic_ns()}",
                      coordinators=1, nodes=0,
                      options={k.replace("_", "-"): v
                               for k, v in options.items()})
    c = cluster.coordinators[0]
    done = subprocess.run(c.argv, env=clean_env(), text=True,
                          capture_output=True, timeout=60, check=False)
    assert done.returncode not in (0, -signal.SIGABRT), done
    assert text in done.stderr, done.stderr


def test_start(tmp_path):
    ca = Authority(tmp_path / "ca")
    cert, key = ca.sign()
    other = ca.sign()[1]
    start_fails(tmp_path, "tls-cert is given without tls-key", tls_cert=cert)
    start_fails(tmp_path, "tls-key is given without tls-cert", tls_key=key)
    start_fails(tmp_path, "No such file", tls_cert="/none", tls_key=key)
    start_fails(tmp_path, "not that of the first certificate",
                tls_cert=cert, tls_key=other)
    start_fails(tmp_path, "is not a file", tls_cert=str(tmp_path),
                tls_key=key)
    os.chmod(key, 0o604)
    start_fails(tmp_path, "others may not read the key", tls_cert=cert,
                tls_key=key)


CTL = os.environ.get("PINFOLD_CLUSTER_CTL")


@pytest.mark.skipif(not CTL, reason="PINFOLD_CLUSTER_CTL names no "
                    "ipfs-cluster-ctl")
def test_the_reference_command_line(world, tmp_path):
    """It can be told to trust everybody, or trusts what the system does."""
    file = tmp_path / "file"
    file.write_bytes(os.urandom(300_000))

    def ctl(*words, code=0):
        done = subprocess.run(
            [CTL, "--host", f"/dns4/localhost/tcp/{world.c.http}", "--https",
             *words], text=True, capture_output=True, timeout=60, check=False,
            env={**clean_env(), "SSL_CERT_FILE": world.ca.cert})
        assert done.returncode == code, done
        return done.stdout + done.stderr

    for more in ([], ["--no-check-certificate"]):
        assert "coordinator-1" in ctl(*more, "id")
        cid = make_cid(f"by TLS {more}")
        assert cid in ctl(*more, "pin", "add", cid)
        assert cid in ctl(*more, "status", cid)
        assert cid in ctl(*more, "pin", "ls")
        assert ctl(*more, "add", "-Q", str(file)).startswith(("Qm", "baf"))


def test_a_named_authority_is_the_only_one(tmp_path):
    """The system trusts one; --cacert names another, and then that is all."""
    trusted = Authority(tmp_path / "trusted", "trusted")
    named = Authority(tmp_path / "named", "named")
    store = tmp_path / "store"
    store.mkdir()
    put(str(store / "ca-certificates.crt"), trusted.cert)
    put(str(store / "trusted.pem"), trusted.cert)
    subprocess.run(["openssl", "rehash", store], check=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*trusted.sign())
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                peer, _ = server.accept()
                with context.wrap_socket(peer, server_side=True) as link:
                    link.recv(4096)
                    link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2"
                                 b"\r\n\r\n{}")
            except ssl.SSLError:
                continue
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    url = f"https://127.0.0.1:{server.getsockname()[1]}"

    def ask(*words):
        return subprocess.run(
            ["unshare", "-m", "--propagation", "private", "sh", "-c",
             'mount --bind "$0" /etc/ssl/certs && exec "$@"', str(store),
             program("ctl", "pinfold"), "--host", url, *words, "version"],
            text=True, capture_output=True, timeout=60, env=clean_env(),
            check=False)

    done = ask()
    if done.returncode != 0:
        pytest.skip("the system's store is not ours: " + done.stderr)
    done = ask("--cacert", named.cert)
    server.close()
    assert done.returncode == 7 and "certificate" in done.stdout, done
