"""Uploads into an IPFS daemon that misbehaves, and one whose garbage
collection does not end."""

import os
import threading
import time

import pytest
from car import Car
from cluster import Cluster, make_cid
from process import until
from wire import Answer, multipart, raw_request

OPTIONS = {"replication-min": 1, "replication-max": 1}
AGENT = {"stall-timeout": "1s", "call-timeout": "2s", "backoff": "300ms",
         "backoff-max": "1s"}
LINE = {"Name": "x", "Hash": make_cid("line"), "Size": "9"}
MEGABYTE = 1 << 20
LARGE = 3 * MEGABYTE

# kind, arguments, body, bytes of the upload, part of the error
FAULTS = [
    ("answer", {"status": 500}, {"Message": "disk I/O", "Code": 0}, 9,
     "disk I/O"),
    ("answer", {"status": 500, "early": True}, b"no\n", LARGE, "no"),
    ("answer", {"status": 403}, b"403 - Forbidden\n", 9, "403 - Forbidden"),
    ("answer", {"trailer": "no space left on device"}, LINE, 9,
     "no space left on device"),
    ("answer", {"trailer": "it broke", "early": True}, LINE, LARGE,
     "it broke"),
    ("answer", {}, b"nonsense\n", 9, "no JSON"),
    ("answer", {}, b"", 9, "empty answer"),
    ("answer", {}, {"Name": "x"}, 9, "makes no sense"),
    ("answer", {}, {"Name": "x", "Hash": "nonsense"}, 9, ""),
    ("answer", {"early": True}, LINE, LARGE, ""),
    ("close", {}, b"", 9, "Empty reply"),
    ("close", {"early": True}, b"", LARGE, ""),
    ("reset", {"early": True}, b"", LARGE, ""),
    ("torn", {}, LINE, 9, "outstanding read data"),
    ("short", {}, LINE, 9, "bytes remaining"),
    ("stall", {}, b"", 9, "no progress"),
    ("stall", {"noread": True}, b"", LARGE, "no progress"),
    ("body", {}, LINE, 9, "no progress"),
    ("repeat", {"every": 20}, {}, 9, "makes no sense"),
    ("repeat", {"every": 0}, {}, 9, "makes no sense"),
    ("repeat", {"every": 20}, b"\n", 9, "no progress"),
    ("repeat", {"every": 20}, {"Name": "x", "Bytes": 5}, 9, "no progress"),
]


STATS = {"Stats": {"BlockCount": 1, "BlockBytesCount": 1}}
# Of an import: what the daemon says about a CAR.
IMPORT_FAULTS = [
    ("answer", {"status": 500}, {"Message": "disk I/O", "Code": 0}, 9,
     "disk I/O"),
    ("answer", {"status": 500, "early": True}, b"no\n", LARGE, "no"),
    ("answer", {"status": 500},
     {"Message": "import failed at block x: no space left on device"}, 9,
     "no space left"),
    ("answer", {"status": 404}, b"404 page not found\n", 9, "404 page"),
    ("answer", {"trailer": "it broke"}, STATS, 9, "it broke"),
    ("answer", {"trailer": "it broke", "early": True}, STATS, LARGE,
     "it broke"),
    ("answer", {}, b"nonsense\n", 9, "no JSON"),
    ("answer", {}, b"", 9, "empty answer"),
    ("answer", {}, {"Root": {}}, 9, "without its last object"),
    ("answer", {}, STATS, 9, "took 1 blocks of 1 bytes"),
    ("answer", {}, {"Stats": {}}, 9, "makes no sense"),
    ("answer", {"early": True}, STATS, LARGE, ""),
    ("close", {}, b"", 9, "Empty reply"),
    ("close", {"early": True}, b"", LARGE, ""),
    ("reset", {"early": True}, b"", LARGE, ""),
    ("torn", {}, STATS, 9, "outstanding read data"),
    ("short", {}, STATS, 9, "bytes remaining"),
    ("stall", {}, b"", 9, "no progress"),
    ("stall", {"noread": True}, b"", LARGE, "no progress"),
    ("body", {}, STATS, 9, "no progress"),
    ("repeat", {"every": 20}, {}, 9, "no progress"),
    ("repeat", {"every": 20}, STATS, 9, "behind its end"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    c = Cluster(tmp_path_factory.mktemp("add"), coordinators=1, nodes=1,
                daemon="fake", options=OPTIONS, agent_options=AGENT)
    try:
        yield c.start()
    finally:
        wrong = c.close()
        assert not wrong, "\n".join(wrong)


def upload(c, size=9, query=""):
    headers, body = multipart({"x": os.urandom(size)})
    return c.post("/add" + query, body=body, headers=headers, timeout=20)


def error_of(answer):
    """Of an answer, or of the trailer of one that had begun."""
    if answer.status >= 400:
        return answer.message()
    assert answer.complete, answer
    return answer.trailers["x-stream-error"]


def test_a_collection_that_hangs(cluster, request):
    """Nothing is begun behind it; it ends, with an error, and all goes on."""
    request.node.clusters = [cluster]
    c, daemon = cluster.coordinators[0], cluster.daemons[0]
    daemon.fault("repo/gc", "stall")
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(c.post("/ipfs/gc", timeout=60)))
    thread.start()
    try:
        until(lambda: daemon.hits()["", "repo/gc"] == 1, 20, "it has begun")
        cid, before = make_cid(), daemon.calls()["pin/add"]
        assert c.post(f"/pins/{cid}").status == 200
        refused = upload(c)
        assert "collects garbage" in error_of(refused), refused
        assert list(c.pin_states(cid).values()) != ["pinned"]
        assert daemon.calls()["pin/add"] == before
    finally:
        daemon.heal()
        thread.join()
    (node,) = answers[0].json()["peer_map"].values()
    assert "repo/gc" in node["error"] and node["keys"] == [], node
    cluster.wait_pinned(cid, 1)


def upload_car(c, size=9, query=""):
    headers, body = multipart({"x": Car([
        os.urandom(min(size, MEGABYTE)) for _ in range(0, size, MEGABYTE)
    ]).bytes()})
    return c.post("/add?format=car" + query.replace("?", "&"), body=body,
                  headers=headers, timeout=20)


@pytest.mark.parametrize("query", ["", "?stream-channels=false"])
@pytest.mark.parametrize("endpoint, send, faults, good", [
    ("add", upload, FAULTS, LARGE),
    ("dag/import", upload_car, IMPORT_FAULTS, 9)])
def test_uploads(cluster, request, endpoint, send, faults, good, query):
    request.node.clusters = [cluster]
    c, daemon = cluster.coordinators[0], cluster.daemons[0]
    pins, held = c.pins(), daemon.pins()
    wrong = []
    for kind, more, body, size, text in faults:
        if query and "no progress" in text:
            continue  # once is enough
        daemon.fault(endpoint, kind, body, **more)
        begin = time.monotonic()
        try:
            error = error_of(send(c, size, query))
            if text not in error:
                wrong.append((kind, more, error))
        except (OSError, KeyError, ValueError, AssertionError) as e:
            wrong.append((kind, more, body[:40] if isinstance(body, bytes)
                          else body, repr(e), time.monotonic() - begin))
        daemon.heal()
    assert not wrong, "\n".join(map(str, wrong))
    assert c.pins() == pins and daemon.pins() == held
    answer = send(c, good, query)
    assert answer.status == 200 and "x-stream-error" not in answer.trailers
    added = answer.json()[-1] if query else answer.lines()[-1]
    cluster.wait_pinned(added["cid"], 1)


FORM = (b'--a\r\nContent-Disposition: form-data; filename="x"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\nhello\r\n--a--\r\n")
LONG = FORM.replace(b"Content-Type",
                    b"X: " + b"y" * 17000 + b"\r\nContent-Type")


@pytest.mark.parametrize("text, status", [
    ("leveldb: closed", 500), ("mime: no media type", 400),
    ("malformed MIME header: missing colon: x", 400),
    ("multipart: NextPart: EOF", 400), ("unexpected EOF", 400)])
def test_whose_fault_a_form_was(cluster, request, text, status):
    """The daemon's word, of forms that a stricter reader takes or not."""
    request.node.clusters = [cluster]
    c, daemon = cluster.coordinators[0], cluster.daemons[0]
    daemon.fault("add", "answer", {"Message": text, "Code": 0}, status=500)
    try:
        for form in FORM, FORM.replace(b"\r\n", b"\n"), LONG, FORM[:-4]:
            for more in "", "x-boundary=q; ":
                kind = {"Content-Type":
                        f"multipart/form-data; {more}boundary=a"}
                for answer in (c.post("/add", body=form, headers=kind),
                               c.rpc("add?pin=false", form, kind)):
                    assert answer.status == status, (form[:300], more, answer)
                    assert text.encode() in answer.body, answer
    finally:
        daemon.heal()


def test_a_daemon_that_does_not_wait_for_the_end(cluster, request):
    """It may be done when the form is, while the request goes on."""
    request.node.clusters = [cluster]
    c = cluster.coordinators[0]
    headers, body = multipart({"x": Car([os.urandom(50)]).bytes()})
    head = (f"POST /add?format=car HTTP/1.1\r\nHost: a\r\n"
            f"Content-Type: {headers['Content-Type']}\r\n"
            f"Content-Length: {len(body) + 4000}\r\n\r\n").encode()
    calls = cluster.daemons[0].calls()["dag/import"]

    def parts():
        yield head + body
        until(lambda: cluster.daemons[0].calls()["dag/import"] > calls, 20,
              "the daemon is done")
        for _ in range(2):
            time.sleep(0.2)  # its answer is there, the end is not
            yield b"epilogue" * 250

    answer = Answer(raw_request(c.http, parts()))
    assert answer.status == 200 and "x-stream-error" not in answer.trailers
    cluster.wait_pinned(answer.lines()[0]["cid"], 1)
