"""What one client may cost a coordinator: answers that are much longer than the
question, slow readers of them, and whose token ends while he is answered."""

import concurrent.futures
import json
import socket
import time

import pytest
from cluster import Cluster, make_cid
from process import free_port, until
from psa import STATUSES, Client, make_token
from test_tokens import ALL, basic, bearer, closed_cluster, known, local
from wire import Answer, multipart, request

PAGE = 4 << 20   # bytes of a list of pin requests, and one more
BATCH = 1 << 20  # of what a list reads at one time, likewise


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    c = Cluster(tmp_path_factory.mktemp("doors"), coordinators=1, nodes=1,
                daemon="fake")
    try:
        c.start()
        yield c
    finally:
        wrong = c.close()
        if wrong:
            pytest.fail("\n".join(wrong) + "\n" + c.logs(25), pytrace=False)


def pages(api, **filters):
    """All ids of a list of requests, page by page, and the size of each."""
    ids, sizes, more = [], [], {}
    while True:
        answer = api.call("GET", "/pins?limit=1000&status=" + STATUSES +
                          "".join(f"&{k}={v}"
                                  for k, v in {**filters, **more}.items()))
        assert answer.status == 200, answer
        got, sizes = answer.json(), [*sizes, len(answer.body)]
        ids += [s["requestid"] for s in got["results"]]
        if got["count"] == len(got["results"]):
            return ids, sizes
        assert got["results"], got["count"]
        more = {"before": got["results"][-1]["created"]}


def test_a_page_has_a_bound(cluster):
    """Of few bytes of metadata JSON makes six times as many; a page of 1,000
    would have 90 MB, and its readers may be slow."""
    c = cluster.coordinators[0]
    api = Client(c, make_token(c, "pages"))
    cids = [make_cid() for _ in range(6)]
    made = [api.add(cids[i % 6], name="n", meta={"k": "\x01" * 15000})
            ["requestid"] for i in range(100)]
    made.reverse()
    for filters in ({}, {"name": "n"}, {"cid": ",".join(cids)}):
        ids, sizes = pages(api, **filters)
        assert ids == made, filters
        assert len(sizes) == 3 and max(sizes) < PAGE + 200000, sizes


def first_chunk(port, path):
    with socket.create_connection(("127.0.0.1", port), 20) as s:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        data = b""
        while data.count(b"\r\n\r\n") == 0 or \
                b"\r\n" not in data.partition(b"\r\n\r\n")[2]:
            data += s.recv(65536)
    return int(data.partition(b"\r\n\r\n")[2].split(b"\r\n")[0], 16)


def test_a_list_of_cids_has_a_bound(cluster):
    """A question of 9 KiB had 10 MB at one time as its answer."""
    c = cluster.coordinators[0]
    short = "bafkqaaa"
    assert c.post(f"/pins/{short}?meta-k=" + "%22" * 5000).status == 200
    path = "/pins?cids=" + ",".join([short] * 1000)
    assert first_chunk(c.http, path) < BATCH + 100000
    answer = request(c.http, "GET", path, timeout=60)
    assert answer.complete and len(answer.lines()) == 1000
    assert answer.trailers["x-stream-error"] == ""


def rest_of(s, data=b""):
    s.settimeout(60)
    while part := s.recv(65536):
        data += part
    return Answer(data)


def test_a_token_ends_in_an_answer(make_cluster):
    """What it began to read, and to write, ends with it."""
    cluster, _ = closed_cluster(make_cluster, coordinators=1, nodes=1)
    c = cluster.coordinators[0]
    short = "bafkqaaa"
    assert c.post(f"/pins/{short}?meta-k=" + "%22" * 5000).status == 200
    paths = {"list": "/pins?cids=" + ",".join([short] * 1000),
             "upload": "/add"}
    held = {}
    for what, path in paths.items():
        token = local(cluster, "token", "create", "--name", what)
        until(lambda t=token: c.get("/id", headers=bearer(t)).status == 200,
              20, "it is known")
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(20)
        s.connect(("127.0.0.1", c.http))
        head, body = f"GET {path}", b""
        if what == "upload":
            kind, body = multipart({"f": b"y" * 5000})
            head = f"POST {path}"
            body = b"%x\r\n%s\r\n" % (len(body) - 100, body[:-100])
        lines = {"Host": "a", "Connection": "close", **bearer(token)}
        if body:
            lines.update(kind, **{"Transfer-Encoding": "chunked"})
        s.sendall(f"{head} HTTP/1.1\r\n".encode() + "".join(
            f"{k}: {v}\r\n" for k, v in lines.items()).encode() +
            b"\r\n" + body)
        held[what] = (s, token.split("_")[1])
    began = held["list"][0].recv(1000)
    assert began.startswith(b"HTTP/1.1 200"), began
    time.sleep(1)
    for _, number in held.values():
        local(cluster, "token", "revoke", number)
    answer = rest_of(held["list"][0], began)
    assert answer.complete and len(answer.lines()) < 1000
    assert answer.trailers["x-stream-error"] == "denied", answer.trailers
    answer = rest_of(held["upload"][0])
    assert answer.status == 403, answer
    assert "not any more" in answer.message()
    for s, _ in held.values():
        s.close()


def test_a_collection_ends_with_its_token(make_cluster):
    """The next node's does not begin."""
    cluster, _ = closed_cluster(make_cluster, coordinators=1, nodes=2)
    c = cluster.coordinators[0]

    def begun():
        return sum(d.hits().get(("", "repo/gc"), 0) for d in cluster.daemons)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for ask, path in ((c.post, "/ipfs/gc"), (c.rpc, "repo/gc")):
            token = local(cluster, "token", "create", "--name", "gc",
                          "--verbs", ALL)
            known(cluster, bearer(token), "/id")
            for d in cluster.daemons:
                d.fault("repo/gc", "stall")
            way = pool.submit(ask, path, headers=bearer(token), timeout=60)
            until(lambda: begun() == 1, 20, "it has begun")
            local(cluster, "token", "revoke", token.split("_")[1])
            until(lambda t=token: c.get(
                "/id", headers=bearer(t)).status == 401, 20, "it is gone")
            for d in cluster.daemons:
                d.heal()  # and counts anew
            answer = way.result(60)
            assert "not any more" in (
                answer.message() if answer.status != 200
                else answer.trailers["x-stream-error"]), answer
            assert begun() == 0
    assert all("error" not in n for n in
               c.post("/ipfs/gc", timeout=60).json()["peer_map"].values())


def test_lists_of_offers_have_places(make_cluster):
    """All of them together leave room for what others propose."""
    c = make_cluster(coordinators=1, nodes=1, daemon="fake").coordinators[0]
    head = (b"POST /api/v1/offers?replication=1 HTTP/1.1\r\nHost: a\r\n"
            b"Content-Length: 100\r\n\r\n")
    line = json.dumps({"cid": make_cid()}).encode()
    held = []
    for _ in range(16):
        s = socket.create_connection(("127.0.0.1", c.http), 20)
        s.sendall(head + line)
        held.append(s)
    path = "/api/v1/offers?replication=1"
    until(lambda: c.post(path, body=line).status == 503, 20, "none is left")
    assert "too many lists of offers" in c.post(path, body=line).message()
    for s in held:
        s.close()
    until(lambda: c.post(path, body=line).status == 200, 20, "they are free")


def test_a_user_ends_in_an_answer(make_cluster):
    """Though a row of his is left, for the pin requests that he made."""
    cluster, _ = closed_cluster(make_cluster, coordinators=1, nodes=1)
    c = cluster.coordinators[0]
    local(cluster, "user", "add", "ann", "--verbs", "read,pin",
          text="correct horse\n")
    ann = basic("ann", "correct horse")
    known(cluster, ann, "/pins")
    session = c.post("/token", headers=ann).json()["token"]
    api = Client(c, session)
    until(lambda: api.call("GET", "/pins").status == 200, 20, "it is known")
    request_id = api.add(make_cid())["requestid"]
    cluster.daemons[0].fault("pin/add", "stall")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        ways = [pool.submit(c.rpc, f"pin/add?arg={make_cid()}", headers=who)
                for who in (ann, bearer(session))]
        time.sleep(1)
        assert not any(w.done() for w in ways)
        local(cluster, "user", "rm", "ann")
        for w in ways:
            answer = w.result(60)
            assert answer.status == 403, answer
            assert b"not any more" in answer.body, answer
    assert api.call("GET", f"/pins/{request_id}").status == 401
    cluster.daemons[0].heal()


def test_probes_tell_no_names(make_cluster):
    """Who does not say who he is may not ask for names of organisations."""
    port = free_port()
    cluster, _ = closed_cluster(make_cluster, coordinators=1, nodes=1,
                                options={"probe-listen": f"127.0.0.1:{port}"})
    c = cluster.coordinators[0]
    assert c.post("/api/v1/orgs?name=lab").status == 200
    until(lambda: c.get("/api/v1/orgs/lab").status == 200, 20, "it is known")
    for path in ("/health", "/livez", "/readyz", "/metrics"):
        for org in ("lab", "nobody"):
            answer = request(port, "GET", path, headers={
                "X-Pinfold-Org": org})
            assert answer.status in (200, 204), (path, org, answer)


def test_waiting_for_pins_is_shared(make_cluster):
    """One organisation's pin/add for what nobody has keep no other out."""
    cluster, _ = closed_cluster(make_cluster, coordinators=1, nodes=1)
    c = cluster.coordinators[0]
    assert c.post("/api/v1/orgs?name=lab").status == 200
    until(lambda: c.get("/api/v1/orgs/lab").status == 200, 20, "it is known")
    answer = c.post("/api/v1/tokens?name=a&verbs=read,pin",
                    headers={**c.headers, "X-Pinfold-Org": "lab"})
    token = bearer(answer.json()["token"])
    until(lambda: c.get("/id", headers=token).status == 200, 20, "known")
    cluster.daemons[0].fault("pin/add", "stall")
    held = []
    for _ in range(260):
        s = socket.create_connection(("127.0.0.1", c.proxy), 20)
        s.sendall(f"POST /api/v0/pin/add?arg={make_cid()} HTTP/1.1\r\n"
                  f"Host: a\r\nAuthorization: {token['Authorization']}\r\n"
                  "\r\n".encode())
        held.append(s)
    time.sleep(3)
    refused = 0
    for s in held:
        s.setblocking(False)
        try:
            assert b" 503 " in s.recv(4096)
            refused += 1
        except BlockingIOError:
            pass
    assert refused == 4
    answer = c.rpc(f"pin/add?arg={make_cid()}&timeout=2s", headers=c.headers)
    assert answer.status == 500 and b"deadline" in answer.body, answer
    for s in held:
        s.close()
    until(lambda: c.rpc(f"pin/add?arg={make_cid()}&timeout=1s",
                        headers=token).status == 500, 20, "places are free")
    cluster.daemons[0].heal()
