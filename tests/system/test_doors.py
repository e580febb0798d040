"""What one client may cost a coordinator: answers that are much longer than the
question, and slow readers of them."""

import socket

import pytest
from cluster import Cluster, make_cid
from psa import STATUSES, Client, make_token
from wire import request

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
