"""What browsers may and may not do (CORS, foreign pages, DNS rebinding), and
what is logged of requests."""

import re
import socket
import subprocess

import pytest
from cluster import Cluster, make_cid
from network import Network
from process import free_port, until

PAGE = "https://app.example"
EVIL = "https://evil.example"


def start(make_cluster, **options):
    cluster = make_cluster(
        start=False, coordinators=1, nodes=0,
        options={k.replace("_", "-"): v for k, v in options.items()})
    c = cluster.coordinators[0]
    c.start()
    until(lambda: c.get("/readyz").status == 200, 60, "ready")
    return c


def ask(c, method, path, **headers):
    return c.call(method, path, headers={k.replace("_", "-"): v for k, v in
                                         headers.items()})


def preflight(c, origin, method="POST", path="/pins/x", **more):
    return ask(c, "OPTIONS", path, Origin=origin,
               Access_Control_Request_Method=method,
               Access_Control_Request_Headers="authorization,content-type",
               **more)


def allows(answer):
    return {k: v for k, v in answer.headers.items()
            if k.startswith("access-control-")}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """No option at all: as most run it on their own machine."""
    cluster = Cluster(tmp_path_factory.mktemp("plain"), coordinators=1,
                      nodes=0)
    c = cluster.coordinators[0]
    try:
        c.start()
        until(lambda: c.get("/readyz").status == 200, 60, "ready")
        yield c
    finally:
        wrong = cluster.close()
        assert not wrong, "\n".join(wrong) + cluster.logs()


def test_foreign_pages_write_nothing(plain):
    c = plain
    own = f"http://127.0.0.1:{c.http}"
    path = f"/pins/{make_cid()}"
    for method, where in (("POST", path), ("DELETE", path),
                          ("POST", "/pins/recover"), ("POST", "/ipfs/gc"),
                          ("POST", "/api/v1/orgs"), ("POST", "/nowhere")):
        for origin in (EVIL, "null", "http://127.0.0.1:1", "x", own + ".evil",
                       f"http://localhost:{c.http}"):
            answer = ask(c, method, where, Origin=origin)
            assert answer.status == 403, (method, where, origin)
            assert "may not do this" in answer.message()
        assert ask(c, method, where, Referer=EVIL + "/page").status == 403
        # The own page, and who is no browser.
        assert ask(c, method, where, Origin=own).status != 403
        assert ask(c, method, where, Referer=own + "/page").status != 403
        assert ask(c, method, where).status != 403
    # Reading is for the browser to refuse: no header lets the page see it.
    answer = ask(c, "GET", "/pins", Origin=EVIL)
    assert answer.status in (200, 204) and not allows(answer)
    answer = preflight(c, EVIL)
    assert answer.status != 204 and not allows(answer)
    assert "vary" not in answer.headers


def test_rebinding(plain):
    """A name that somebody pointed at this machine."""
    c = plain
    for name in ("evil.example", f"evil.example:{c.http}", "127.0.0.1.evil.io",
                 "localhost.evil.example", "1.2.3", "evil.example."):
        for method, path in (("GET", "/pins"), ("POST", "/pins/recover"),
                             ("GET", "/api/v1/status")):
            answer = ask(c, method, path, Host=name, Origin=f"http://{name}")
            assert answer.status == 403, (name, method)
            assert ask(c, method, path, Host=name).status == 403
    for name in ("127.0.0.1", "localhost", f"localhost:{c.http}", "[::1]:9094",
                 "api.localhost", "coordinator-1:9094", "10.0.0.1:80"):
        assert ask(c, "GET", "/pins", Host=name).status in (200, 204), name


def by_name(address, port, name):
    """Status of /metrics there, asked for by that name."""
    with socket.create_connection((address, port), 20) as s:
        s.sendall(f"GET /metrics HTTP/1.1\r\nHost: {name}\r\n"
                  "Connection: close\r\n\r\n".encode())
        return int(s.makefile("rb").readline().split()[1])


@pytest.fixture
def network():
    made = Network()
    missing = made.enter()
    if missing:
        pytest.skip(missing)
    try:
        yield made
    finally:
        made.close()


def test_rebinding_to_what_watchers_read(network, make_cluster):
    """Probes and metrics are open to all, by loopback not to any page; beyond
    it names of services have dots."""
    port, there = free_port(), "198.51.100.7"
    subprocess.run(["ip", "address", "add", there, "dev", "lo"], check=True)
    cluster = make_cluster(coordinators=1, nodes=1, daemon="fake",
                           options={"probe-listen": f"0.0.0.0:{port}"})
    agent = cluster.agents[0].http
    for name in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.io"):
        assert by_name("127.0.0.1", port, name) == 403, name
        assert by_name("127.0.0.1", agent, name) == 403, name
        assert by_name(there, port, name) == 200, name
    for name in ("127.0.0.1", f"localhost:{port}", "[::1]:9", "agent-1:9099",
                 "x.localhost"):
        assert by_name("127.0.0.1", port, name) == 200, name
        assert by_name("127.0.0.1", agent, name) == 200, name


def test_allowed_origins(make_cluster):
    c = start(make_cluster, cors_origin=f"{PAGE},http://localhost:3000")
    for origin in (PAGE, "http://localhost:3000"):
        # As a browser asks before it sends a token along.
        answer = preflight(c, origin,
                           Access_Control_Request_Private_Network="true")
        assert answer.status == 204 and answer.body == b""
        assert "content-type" not in answer.headers
        allow = allows(answer)
        assert allow["access-control-allow-origin"] == origin
        assert allow["access-control-allow-credentials"] == "true"
        assert allow["access-control-max-age"] == "600"
        assert allow["access-control-allow-private-network"] == "true"
        assert {"POST", "DELETE"} <= set(re.split(
            ", *", allow["access-control-allow-methods"]))
        assert {"authorization", "content-type"} <= set(re.split(
            ", *", allow["access-control-allow-headers"].lower()))
        assert "Origin" in answer.headers["vary"]
        assert "Access-Control-Request-Method" in answer.headers["vary"]
        # Then it asks; also errors can be read.
        for method, path, status in (("GET", "/pins", None),
                                     ("GET", "/nowhere", 404),
                                     ("PATCH", "/pins", 405),
                                     ("POST", "/pins/xx", 400)):
            answer = ask(c, method, path, Origin=origin)
            assert status is None or answer.status == status
            allow = allows(answer)
            assert allow["access-control-allow-origin"] == origin
            assert "X-Stream-Error" in allow["access-control-expose-headers"]
            assert "X-Pinfold-Index" in allow["access-control-expose-headers"]
            assert answer.headers["vary"] == "Origin"
    for origin in (EVIL, PAGE + ":444", PAGE + ".evil", "null", ""):
        answer = preflight(c, origin)
        assert answer.status == 403 and not allows(answer), origin
        assert "Origin" in answer.headers["vary"]
        assert ask(c, "POST", "/pins/recover", Origin=origin).status == 403
        answer = ask(c, "GET", "/pins", Origin=origin)
        assert not allows(answer) and answer.headers["vary"] == "Origin"
    assert ask(c, "OPTIONS", "/pins", Origin=PAGE).status == 405
    # A listed name is a good Host, as a proxy hands it on.
    assert ask(c, "GET", "/pins", Host="app.example").status != 403


def test_all_origins_with_tokens(make_cluster):
    c = start(make_cluster, cors_origin="*", auth="on")
    answer = preflight(c, EVIL)  # asks for no token
    assert answer.status == 204
    allow = allows(answer)
    assert allow["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in allow
    answer = ask(c, "POST", "/pins/recover", Origin=EVIL)
    assert answer.status == 401
    assert allows(answer)["access-control-allow-origin"] == "*"
    # Who must show a token may come by any name.
    assert ask(c, "GET", "/pins", Host="pins.example").status == 401


def test_access_log(make_cluster):
    c = start(make_cluster, **{"access-log": "on"})
    assert ask(c, "GET", "/version?secret=1", X_Request_Id="req-1_a.b") \
        .headers["x-request-id"] == "req-1_a.b"
    made = set()
    for given in ("", "a b", "x" * 65, "a\"b", "é"):
        made.add(ask(c, "GET", "/version", X_Request_Id=given)
                 .headers["x-request-id"])
    assert len(made) == 5
    assert all(re.fullmatch("[0-9a-f]{32}", x) for x in made), made
    answer = ask(c, "POST", "/nowhere", X_Request_Id="lost")
    assert answer.status == 404 and answer.headers["x-request-id"] == "lost"

    def line(name):
        found = [x for x in c.log_text().splitlines()
                 if f"event=request id={name} " in x]
        assert len(found) <= 1, found
        return found[0] if found else None

    until(lambda: line("lost"), 20, "the line")
    assert re.search(r'client=127\.0\.0\.1 door=cluster request="POST '
                     r'/nowhere" status=404 bytes=\d+ ms=\d+ complete=yes '
                     r'principal=1 actor=1 org=\d+$', line("lost"))
    assert 'request="GET /version" status=200' in line("req-1_a.b")
    assert "secret" not in c.log_text()


def test_no_access_log(plain):
    assert ask(plain, "GET", "/version", X_Request_Id="quiet").status == 200
    assert "event=request " not in plain.log_text()
