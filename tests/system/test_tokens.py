"""Who may ask for what: tokens, users and their passwords, on real processes
whose TCP listeners ask who it is."""

import base64
import concurrent.futures
import os
import re
import subprocess
import tempfile

import pytest
from cluster import make_cid
from process import clean_env, program, until
from psa import STATUSES, Client
from wire import multipart, request

ALL = "read,pin,operator,admin"


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def basic(user, password):
    text = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


def socket_of(cluster, c):
    return os.path.join(cluster.folder, f"c{c.number}.sock")


def ctl(host, *words, token=None, text=None, **env):
    """The command line; the token is in the environment."""
    env = {**clean_env(), **env}
    if token:
        env["PINFOLD_TOKEN"] = token
    return subprocess.run([program("ctl", "pinfold"), "--host", host, *words],
                          env=env, text=True, input=text,
                          capture_output=True, timeout=60, check=False)


def local(cluster, *words, number=1, **more):
    """As whoever may open the unix socket: what it prints."""
    c = cluster.coordinators[number - 1]
    done = ctl("unix:" + socket_of(cluster, c), *words, **more)
    assert done.returncode == 0, done
    return done.stdout.strip()


def closed_cluster(make_cluster, **more):
    """Three coordinators that ask who it is, and an admin's token."""
    cluster = make_cluster(start=False, daemon="fake", **more)
    for c in cluster.coordinators:
        c.set_options(c.options["members"], {
            **{k: v for k, v in c.options.items() if k != "members"},
            "auth": "on", "log-level": "debug",
            "listen-http": f"127.0.0.1:{c.http},"
                           f"unix:{socket_of(cluster, c)}"})
    for p in cluster.daemons + cluster.coordinators:
        p.start()
    for d in cluster.daemons:
        d.wait()
    for c in cluster.coordinators:
        until(lambda c=c: c.ready(), 60, f"{c.name} is ready")
    token = local(cluster, "token", "create", "--name", "root", "--verbs",
                  ALL)
    assert re.fullmatch(r"pft_\d+_[a-z2-7]{52}", token), token
    for c in cluster.coordinators:
        c.headers = bearer(token)
        until(lambda c=c: c.get("/id").status == 200, 20, "it is known")
    for a in cluster.agents:
        a.start()
    cluster.wait_ready()
    return cluster, token


def known(cluster, headers, path="/id"):
    for c in cluster.coordinators:
        until(lambda c=c: c.get(path, headers=headers).status == 200, 20,
              f"{c.name} knows who it is")


def refused(answer, text, *challenges):
    assert answer.status == 401, answer
    assert answer.message() == text, answer
    head = answer.headers.get("www-authenticate", "")
    assert all(word in head for word in challenges), head


def test_made_and_revoked_anywhere(make_cluster):
    cluster, root = closed_cluster(make_cluster)
    first = cluster.coordinators[0]
    for path in ("/id", "/pins", "/nowhere", "/api/v1/status", "/metrics",
                 "/id/", "/version"):
        refused(first.get(path, headers={"Authorization": "Digest x"}),
                "unauthorized: no auth provided")
    for path, status in (("/health", 204), ("/livez", 200),
                         ("/readyz", 200)):
        assert request(first.http, "GET", path).status == status
    # Made through one, used through all, ended through the next.
    for k, c in enumerate(cluster.coordinators):
        host = f"127.0.0.1:{c.http}"
        other = cluster.coordinators[(k + 1) % 3]
        made = ctl(host, "token", "create", "--name", f"ci-{k}", token=root)
        assert made.returncode == 0, made
        token = made.stdout.strip()
        number = token.split("_")[1]
        known(cluster, bearer(token), "/allocations")
        cid = make_cid()
        answer = other.post(f"/pins/{cid}", headers=bearer(token))
        assert answer.status == 200, answer
        shown = ctl(host, "token", "list", token=root)
        assert f"ci-{k}" in shown.stdout and token not in shown.stdout
        secret = token.split("_")[2]
        assert secret not in c.get("/api/v1/tokens").text()
        done = ctl(f"127.0.0.1:{other.http}", "token", "revoke", number,
                   token=root)
        assert done.returncode == 0, done
        # At once where it was ended, and as soon as the others have it.
        refused(other.get("/allocations", headers=bearer(token)),
                "unauthorized: invalid token", "Bearer", "invalid_token")
        for d in cluster.coordinators:
            until(lambda d=d, t=token: d.get(
                "/allocations", headers=bearer(t)).status == 401, 20,
                "it is nothing anywhere")
        again = ctl(f"127.0.0.1:{other.http}", "token", "revoke", number,
                    token=root)
        assert again.returncode == 3, again
    cluster.same_everywhere()


def test_what_is_no_token(make_cluster):
    cluster, root = closed_cluster(make_cluster, coordinators=1, nodes=1)
    c = cluster.coordinators[0]
    _, number, secret = root.split("_")
    swapped = secret[1:] + secret[:1]
    for text in (f"pft_{number}_{swapped}", f"pft_{int(number) + 1}_{secret}",
                 f"pft_0{number}_{secret}", root.upper(), root[:-1],
                 root + "a", f"pft_{number}_{secret[:-1]}b", "x", "pft__",
                 f"pft_{'9' * 30}_{secret}", f"pft_1_{secret}"):
        refused(c.get("/id", headers=bearer(text)),
                "unauthorized: invalid token", "Bearer")
    for text in (f"bearer {root}", f"BEARER {root}"):
        assert c.get("/id", headers={"Authorization": text}).status == 200
    for text in (f"Bearer  {root}", f"Token {root}", "Bearer", "", root):
        refused(c.get("/id", headers={"Authorization": text}),
                "unauthorized: no auth provided", "Bearer", "Basic")
    # Without the socket nobody is local.
    assert ctl(f"127.0.0.1:{c.http}", "pin", "ls").returncode == 6
    assert os.stat(socket_of(cluster, c)).st_mode & 0o777 == 0o600


def test_verbs_organisations_prefixes(make_cluster):
    cluster, _ = closed_cluster(make_cluster)
    c = cluster.coordinators[0]
    assert c.post("/api/v1/orgs?name=lab").status == 200
    assert c.post("/api/v1/orgs?name=press").status == 200
    until(lambda: all("lab" in x.get("/api/v1/orgs").text() for x in
                      cluster.coordinators), 20, "all know them")

    def make(org, verbs, *more):
        token = local(cluster, "--org", org, "token", "create", "--name",
                      "x", "--verbs", verbs, *more)
        known(cluster, bearer(token), "/version")
        return bearer(token)

    reader, pinner = make("lab", "read"), make("lab", "read,pin")
    admin, scraper = make("lab", "read,admin"), make("default", "read")
    operator = make("default", "read,operator")
    prefixed = make("lab", "read,pin", "--prefix", "ci-")
    a, b = make_cid(), make_cid()
    expected = (
        ("POST", f"/pins/{a}?name=a", {"reader": 403, "pinner": 200,
                                       "admin": 403, "operator": 403,
                                       "prefixed": 403}),
        ("GET", f"/allocations/{a}", {"reader": 200, "pinner": 200,
                                      "admin": 200, "scraper": 404,
                                      "prefixed": 404}),
        ("DELETE", f"/pins/{a}", {"prefixed": 403, "reader": 403,
                                  "scraper": 403, "admin": 403}),
        ("POST", f"/pins/{a}?name=ci-a", {"prefixed": 403}),
        ("POST", f"/pins/{b}?name=ci-b", {"prefixed": 200}),
        ("GET", f"/allocations/{b}", {"prefixed": 200, "reader": 200}),
        ("POST", f"/pins/{b}?name=b", {"prefixed": 403}),
        ("POST", f"/pins/{b}/recover", {"prefixed": 200, "reader": 403}),
        ("DELETE", f"/pins/{b}", {"prefixed": 200}),
        ("GET", "/metrics", {"scraper": 200, "operator": 200, "reader": 403}),
        ("GET", "/api/v1/plan", {"scraper": 403, "operator": 200,
                                 "admin": 403}),
        ("POST", "/api/v1/nodes/node-1/cordon", {"scraper": 403,
                                                 "admin": 403,
                                                 "operator": 200}),
        ("POST", "/api/v1/nodes/node-1/uncordon", {"operator": 200}),
        ("POST", "/api/v1/orgs?name=new", {"scraper": 403, "pinner": 403,
                                           "admin": 403, "operator": 200}),
        ("GET", "/api/v1/tokens", {"scraper": 403, "operator": 403,
                                   "pinner": 403, "admin": 200}),
        ("POST", "/api/v1/tokens?name=y&verbs=read", {"pinner": 403,
                                                      "operator": 403,
                                                      "admin": 200}),
        ("POST", "/api/v1/tokens?name=y&verbs=read,pin", {"admin": 403}),
        ("POST", "/api/v1/tokens?name=y&verbs=operator", {"admin": 403}),
        ("POST", "/token", {"reader": 403}))
    who = {"reader": reader, "pinner": pinner, "admin": admin,
           "scraper": scraper, "operator": operator, "prefixed": prefixed}
    for method, path, statuses in expected:
        for name, status in statuses.items():
            answer = c.call(method, path, headers=who[name])
            assert answer.status == status, (method, path, name, answer)
            if status == 403:
                answer.message()
    # A token's organisation is its own; an operator may name another.
    for name, org, status in (("pinner", "lab", 200), ("pinner", "press", 403),
                              ("pinner", "default", 403),
                              ("pinner", "nobody", 403),
                              ("scraper", "lab", 403),
                              ("operator", "lab", 200)):
        answer = c.get("/pins", headers={**who[name], "X-Pinfold-Org": org})
        assert answer.status == status, (name, org, answer)
    assert a in c.get("/allocations", headers={
        **operator, "X-Pinfold-Org": "lab"}).text()
    # An upload under a name that its token may not use pins nothing.
    head, body = multipart({"f": b"content"})
    answer = c.post("/add?name=other", body=body,
                    headers={**head, **prefixed})
    assert answer.status == 403, answer
    answer = c.post("/add?name=ci-up", body=body,
                    headers={**head, **prefixed})
    assert answer.status == 200, answer
    cluster.same_everywhere()


def test_prefix_beside_another_claim(make_cluster):
    """Of a pin that somebody else of the organisation claimed before, a token
    with a prefix sees its own claim, and nothing of the other one."""
    cluster, _ = closed_cluster(make_cluster, coordinators=1)
    c = cluster.coordinators[0]
    ann = local(cluster, "token", "create", "--name", "ann")
    ci = bearer(local(cluster, "token", "create", "--name", "ci", "--prefix",
                      "ci-"))
    known(cluster, ci, "/version")
    cid = make_cid()
    api = Client(c, ann)
    made = api.add(cid, name="secret plans", meta={"with": "bob"})
    assert c.get(f"/allocations/{cid}", headers=ci).status == 404
    assert c.delete(f"/pins/{cid}", headers=ci).status == 404

    def own(answer):
        assert answer.status == 200, answer
        assert "secret" not in answer.text() and "bob" not in answer.text()
        rows = [r for r in answer.lines() if r["cid"] == cid]
        assert [r["name"] for r in rows] == ["ci-x"], answer
        assert rows[0]["metadata"] == {"k": "v"}, answer

    for _ in range(2):  # new, and as it was
        own(c.post(f"/pins/{cid}?name=ci-x&meta-k=v", headers=ci))
    for path in (f"/allocations/{cid}", "/allocations", f"/pins/{cid}",
                 "/pins"):
        own(c.get(path, headers=ci))
    until(lambda: b"ci-x" in c.rpc(f"pin/ls?arg={cid}&names=true",
                                   headers=ci).body, 20, "it is pinned")
    own(c.delete(f"/pins/{cid}", headers=ci))
    assert c.get(f"/allocations/{cid}", headers=ci).status == 404
    answer = c.rpc(f"pin/add?arg={cid}&name=ci-x", headers=ci)
    assert answer.status == 200, answer
    # Whoever may see all sees the oldest one, and what he wrote.
    answer = c.get(f"/allocations/{cid}").json()
    assert answer["name"] == "secret plans", answer
    assert c.post(f"/pins/{cid}?name=mine").json()["name"] == "mine"
    # To another one's name it cannot be bent.
    assert c.delete(f"/pins/{cid}", headers=ci).status == 403
    assert c.delete(f"/pins/{cid}").json()["name"] == "mine"
    assert api.list(status=STATUSES)["count"] == 1
    assert api.get(made["requestid"])["pin"]["name"] == "secret plans"


def test_users_and_sessions(make_cluster):
    cluster, _ = closed_cluster(make_cluster)
    c, other = cluster.coordinators[:2]
    assert c.post("/api/v1/orgs?name=lab").status == 200
    words = ("user", "add", "ann", "--verbs", "read,pin")
    local(cluster, *words, text="correct horse\n")
    local(cluster, "--org", "lab", *words, text="battery staple\n")
    for user, good, bad in (("ann", "correct horse", "battery staple"),
                            ("lab/ann", "battery staple", "correct horse")):
        known(cluster, basic(user, good), "/pins")
        refused(c.get("/pins", headers=basic(user, bad)),
                "unauthorized: access denied", "Basic")
    for header in (basic("ann", ""), basic("", "correct horse"),
                   basic("", ""), basic("bob", "correct horse"),
                   basic("default/ann", "battery staple"),
                   {"Authorization": "Basic !"},
                   {"Authorization": "Basic " + "A" * 4000},
                   basic("press/ann", "battery staple")):
        refused(c.get("/pins", headers=header),
                "unauthorized: access denied", "Basic")
    lab, ann = basic("lab/ann", "battery staple"), basic("ann",
                                                         "correct horse")
    # The first of a connection waits for Argon2, with a body and without.
    cid = make_cid()
    assert other.post(f"/pins/{cid}?name=n", headers=lab).status == 200
    assert cid in other.get("/allocations", headers=lab).text()
    assert cid not in other.get("/allocations", headers=ann).text()
    head, body = multipart({"f": b"x" * 3_000_000})
    third = cluster.coordinators[2]
    third.restart()
    until(third.ready, 60, "it is back, and remembers no password")
    until(lambda: len(cluster.nodes_in("ready", third)) == 3, 60,
          "it has the nodes")
    answer = third.post("/add", body=body, headers={**head, **lab},
                        timeout=60)
    assert answer.status == 200, answer
    answer = c.post("/token", headers=lab)
    assert answer.status == 200, answer
    session = answer.json()["token"]
    assert set(answer.json()) == {"token"}
    known(cluster, bearer(session), "/pins")
    assert c.post("/token", headers=bearer(session)).status == 403
    # The own password; another one ends what the old one opened.
    path = "/api/v1/users/ann/password"
    assert c.post(path, body=b"short", headers=lab).status == 400
    assert c.post(path, body=b"x" * 300, headers=lab).status == 400
    assert c.post(path, body=b"a new password",
                  headers=bearer(session)).status == 403
    assert c.post(path, body=b"a new password", headers=lab).status == 200
    refused(c.get("/pins", headers=lab), "unauthorized: access denied")
    refused(c.get("/pins", headers=bearer(session)),
            "unauthorized: invalid token")
    known(cluster, basic("lab/ann", "a new password"), "/pins")
    until(lambda: other.get("/pins", headers=lab).status == 401, 20,
          "nor elsewhere")
    assert c.get("/pins", headers=ann).status == 200
    local(cluster, "--org", "lab", "user", "rm", "ann")
    refused(c.get("/pins", headers=basic("lab/ann", "a new password")),
            "unauthorized: access denied")
    assert cid in c.get("/allocations",
                        headers={**c.headers, "X-Pinfold-Org": "lab"}).text()
    cluster.same_everywhere()


def test_expiry_by_log_time(make_cluster):
    cluster, _ = closed_cluster(make_cluster)
    c = cluster.coordinators[0]
    # Long enough to be known everywhere before.
    token = local(cluster, "token", "create", "--name", "brief", "--expires",
                  "12s")
    known(cluster, bearer(token), "/pins")

    def gone():  # entries carry the time on
        assert c.post(f"/pins/{make_cid()}?replication=1").status == 200
        return c.get("/pins", headers=bearer(token)).status == 401

    until(gone, 60, "it has expired")
    until(lambda: gone() and "brief" not in local(cluster, "token", "list"),
          60, "and is cleared away")
    cluster.same_everywhere()


def test_a_hundred_bad_passwords(make_cluster):
    """Nobody else waits for them, and no election comes of it."""
    # A machine that stands still is no reason for an election either; all
    # that was to wait for passwords would wait longer.
    cluster, root = closed_cluster(make_cluster,
                                   options={"election-timeout": "5s"})
    c = cluster.leader()
    local(cluster, "user", "add", "ann", text="correct horse\n")
    until(lambda: "ann" in c.get("/api/v1/users").text(), 20, "it is known")
    before = [x.metric("pinfold_raft_elections_won_total")
              for x in cluster.coordinators]

    def bad(k):
        name = "ann" if k % 2 else f"nobody{k}"
        return c.get("/pins", headers=basic(name, f"wrong {k}"),
                     timeout=60).status

    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        under_way = [pool.submit(bad, k) for k in range(100)]
        while not all(f.done() for f in under_way):
            answer = c.post(f"/pins/{make_cid()}?replication=1",
                            headers=bearer(root))
            assert answer.status == 200, answer
        statuses = [f.result() for f in under_way]
    assert set(statuses) == {401, 429}, statuses
    assert statuses.count(401) >= 8
    with open(f"/proc/{c.pid}/status", encoding="ascii") as f:
        peak = int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))
    assert peak < 1 << 20, peak  # kB; a hundred at once would be 6.4 GB
    assert before == [x.metric("pinfold_raft_elections_won_total")
                      for x in cluster.coordinators]
    assert c.get("/pins", headers=basic("ann", "correct horse"),
                 timeout=60).status == 200


def files_of(cluster):
    for base, _, names in os.walk(cluster.folder):
        for name in names:
            path = os.path.join(base, name)
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    yield path, f.read()


def test_secrets_are_nowhere(make_cluster):
    cluster, root = closed_cluster(make_cluster)
    c = cluster.coordinators[0]
    password = "planted-password-7731"
    local(cluster, "user", "add", "ann", text=password + "\n")
    known(cluster, basic("ann", password), "/pins")
    session = c.post("/token", headers=basic("ann", password)).json()["token"]
    known(cluster, bearer(session), "/pins")
    refused(c.get("/pins", headers=bearer(root + "x")),
            "unauthorized: invalid token")
    assert c.post(f"/pins/{make_cid()}", headers=bearer(session)).status == 200
    secrets = [password, root.split("_")[2], session.split("_")[2],
               base64.b64encode(f"ann:{password}".encode()).decode()[:20]]
    secrets += [base64.b32decode(s.upper() + "====") for s in secrets[1:3]]
    cluster.same_everywhere()
    for x in cluster.coordinators:
        assert x.terminate() == 0
    seen = 0
    for path, data in files_of(cluster):
        seen += "state.db" in path or path.endswith(".log")
        for s in secrets:
            s = s.encode() if isinstance(s, str) else s
            assert s not in data, (path, s)
    assert seen >= 6, seen


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_anothers_process_at_the_socket(make_cluster):
    """The file's mode keeps others out; so does the coordinator."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        path = os.path.join(folder, "http.sock")
        cluster = make_cluster(start=False, daemon="fake", coordinators=1,
                               nodes=0)
        c = cluster.coordinators[0]
        c.argv += ["--auth", "on", "--listen-http",
                   f"127.0.0.1:{c.http},unix:{path}"]
        at = c.argv.index("--listen-http")
        del c.argv[at:at + 2]
        c.start()
        until(c.ready, 60, "it is ready")
        code = ("import socket\n"
                "s = socket.socket(socket.AF_UNIX)\n"
                f"s.connect({path!r})\n"
                "s.sendall(b'GET /id HTTP/1.1\\r\\nHost: x\\r\\n"
                "Connection: close\\r\\n\\r\\n')\n"
                "print(s.recv(12))\n")

        def as_user(user):
            done = subprocess.run(["/usr/bin/python3", "-c", code],
                                  user=user, text=True, capture_output=True,
                                  timeout=20, check=False)
            return done.stdout + done.stderr

        assert "200" in as_user(0)
        assert "PermissionError" in as_user(65534)
        os.chmod(path, 0o666)
        answer = as_user(65534)
        assert "200" not in answer and "Permission" not in answer, answer
        assert "200" in as_user(0)


def test_token_files(make_cluster, tmp_path):
    """The command line takes a token from a file that is its user's alone,
    and shows it nowhere."""
    cluster, root = closed_cluster(make_cluster, coordinators=1, nodes=1)
    host = f"127.0.0.1:{cluster.coordinators[0].http}"
    path = tmp_path / "token"
    path.write_text(root + "\n")
    path.chmod(0o644)
    done = ctl(host, "--token-file", str(path), "pin", "ls")
    assert done.returncode == 6 and "chmod 600" in done.stderr, done
    path.chmod(0o600)
    for done in (ctl(host, "--token-file", str(path), "pin", "ls"),
                 ctl(host, "pin", "ls", PINFOLD_TOKEN_FILE=str(path)),
                 ctl(host, "pin", "ls", "--token-file", "-", text=root),
                 ctl(host, "pin", "ls", token=root)):
        assert done.returncode == 0, done
        assert root not in done.stdout + done.stderr
    wrong = root[:-1] + ("a" if root[-1] != "a" else "q")
    for token, status in ((wrong, 6), ("pft_x y", 2), ("secret", 2)):
        done = ctl(host, "pin", "ls", token=token)
        assert done.returncode == status, done
        assert token not in done.stdout + done.stderr
