"""The Pinning Service API as a test sees it: one principal at one
coordinator."""

import json
import re
from urllib.parse import urlencode

from process import until
from wire import request

STATUSES = "queued,pinning,pinned,failed"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-"
                  r"[0-9a-f]{12}$")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def make_token(coordinator, name, verbs="read,pin", **more):
    """A token; where nobody is asked who he is."""
    answer = coordinator.post("/api/v1/tokens?" + urlencode(
        {"name": name, "verbs": verbs, **more}))
    assert answer.status == 200, answer
    return answer.json()["token"]


def check_failure(answer, status, reason=None):
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()
    assert set(error) == {"error"}, error
    assert set(error["error"]) == {"reason", "details"}, error
    assert re.fullmatch(r"[A-Z_]+", error["error"]["reason"]), error
    assert reason is None or error["error"]["reason"] == reason, error
    return error["error"]["details"]


def check_status(s):
    """Against the contract's PinStatus."""
    assert {"requestid", "status", "created", "pin", "delegates",
            "info"} == set(s), s
    assert UUID.match(s["requestid"]), s
    assert s["status"] in STATUSES.split(",")
    assert TIME.match(s["created"]), s
    assert 1 <= len(s["delegates"]) <= 20, s
    assert len(set(s["delegates"])) == len(s["delegates"])
    assert all(re.search(r"/p2p/\w+$", d) for d in s["delegates"]), s
    assert len(s["pin"].get("origins", [])) <= 20
    assert all(isinstance(v, str) for v in s["pin"]["meta"].values())
    assert all(isinstance(v, str) for v in s["info"].values())
    return s


class Client:
    def __init__(self, coordinator, token, door="pinning"):
        self.coordinator, self.token = coordinator, token
        self.port = coordinator.pinning if door == "pinning" \
            else coordinator.http
        self.root = "" if door == "pinning" else "/psa"

    def at(self, coordinator):
        return Client(coordinator, self.token)

    def call(self, method, path, body=None, token=None):
        token = self.token if token is None else token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        if body is not None:
            headers["Content-Type"] = "application/json"
        return request(self.port, method, self.root + path, body, headers)

    def add(self, cid, old=None, **more):
        answer = self.call("POST", f"/pins/{old}" if old else "/pins",
                           {"cid": cid, **more})
        assert answer.status == 202, answer
        return check_status(answer.json())

    def get(self, requestid, status=200):
        answer = self.call("GET", f"/pins/{requestid}")
        if status != 200:
            check_failure(answer, status)
            return None
        assert answer.status == 200, answer
        return check_status(answer.json())

    def remove(self, requestid, status=202):
        answer = self.call("DELETE", f"/pins/{requestid}")
        assert answer.status == status, answer
        if status == 202:
            assert answer.body == b"", answer
        else:
            check_failure(answer, status)

    def list(self, **filters):
        answer = self.call("GET", "/pins?" + urlencode(filters))
        assert answer.status == 200, answer
        results = answer.json()
        assert set(results) == {"count", "results"}
        made = [check_status(s)["created"] for s in results["results"]]
        assert made == sorted(set(made), reverse=True), made
        return results

    def names(self, **filters):
        return [s["pin"].get("name") for s in self.list(**filters)["results"]]

    def count(self, status):
        return self.list(status=status, limit=1)["count"]

    def pinned(self, requestid, seconds=30):
        return until(lambda: self.get(requestid)["status"] == "pinned",
                     seconds, f"{requestid} is pinned")
