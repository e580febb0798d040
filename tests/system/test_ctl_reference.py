"""The unmodified ipfs-cluster-ctl, named by PINFOLD_CLUSTER_CTL, against a
running cluster: every command and flag, its texts and exit status."""

import json
import os
import re
import subprocess

import pytest
from car import Car
from cluster import make_cid, until
from process import clean_env, free_port

CTL = os.environ.get("PINFOLD_CLUSTER_CTL")

pytestmark = pytest.mark.skipif(
    not CTL, reason="PINFOLD_CLUSTER_CTL names no ipfs-cluster-ctl")

ZERO = "0001-01-01T00:00:00Z"


def ctl_of(cluster, folder, ports=None):
    hosts = ",".join(f"/ip4/127.0.0.1/tcp/{port}" for port in ports or [
        c.http for c in cluster.coordinators])

    def run(*words, code=0):
        done = subprocess.run([CTL, "--host", hosts, *words], text=True,
                              capture_output=True, timeout=90, check=False,
                              env=clean_env(), cwd=folder)
        text = done.stdout + done.stderr
        assert done.returncode == code, (done.returncode, text)
        return text

    return run


@pytest.fixture
def ctl(cluster, tmp_path):
    return ctl_of(cluster, tmp_path)


@pytest.fixture
def content(cluster):
    return cluster.daemons[0].add(os.urandom(3000))


@pytest.fixture
def folder(tmp_path):
    """d with a file, a hidden one, a link and a folder; big and x.car."""
    d = tmp_path / "d"
    (d / "s").mkdir(parents=True)
    (d / "a").write_bytes(os.urandom(300_000))
    (d / ".h").write_bytes(b"hidden")
    (d / "s" / "b").write_bytes(b"bytes")
    (d / "l").symlink_to("a")
    return tmp_path


def objects(text):
    """Of --enc=json: values one behind the other."""
    decoder, out, at = json.JSONDecoder(), [], 0
    while at < len(text.rstrip()):
        value, at = decoder.raw_decode(text, at)
        out.append(value)
        at += len(text[at:]) - len(text[at:].lstrip())
    return out


def error(text, code, message):
    """The three lines of an error that the server answered."""
    lines = text.rstrip("\n").split("\n")
    assert lines[:2] == ["An error occurred:", f"  Code: {code}"], text
    assert lines[2].startswith("  Message: " + message), text


# --- the cluster -------------------------------------------------------------

def test_id_and_version(ctl, cluster):
    text = ctl("id")
    assert re.match(r"12D3\w+ \| coordinator-\d \| Sees 3 other peers\n"
                    r"  > Addresses:\n    - /ip4/127.0.0.1/tcp/\d+/p2p/12D3",
                    text), text
    assert re.search(r"  > IPFS: (12D3|Qm)\w+\n    - /ip4/127.0.0.1/tcp/",
                     text), text
    (found,) = objects(ctl("--enc=json", "id"))
    assert found["error"] == found["ipfs"]["error"] == ""
    assert len(found["cluster_peers"]) == 4
    assert found["rpc_protocol_version"] == "/ipfscluster/1.0/rpc"
    assert ctl("version").strip() == cluster.any().get(
        "/version").json()["version"]
    assert "ipfs-cluster-ctl peers rm\n" in ctl("commands")


def test_peers_ls(ctl):
    text = ctl("peers", "ls")
    for i in (1, 2, 3):
        assert re.search(rf"12D3\w+ \| node-{i} \| Sees 2 other peers", text)
    found = objects(ctl("--enc=json", "peers", "ls"))
    assert {p["peername"] for p in found} == {"node-1", "node-2", "node-3"}
    assert all(p["error"] == "" and p["ipfs"]["id"] for p in found)


def test_peers_rm(make_cluster, tmp_path):
    """Copies leave a node, then it goes."""
    cluster = make_cluster(coordinators=1, nodes=3)
    ctl, c = ctl_of(cluster, tmp_path), cluster.any()
    cid = cluster.daemons[0].add(os.urandom(1000))
    ctl("pin", "add", "--wait", "-r", "2", cid)
    held = cluster.wait_pinned(cid, 2)
    peers = {p["peername"]: p["id"] for p in c.get("/peers").lines()}
    assert ctl("peers", "rm", peers[held[0]]) == ""
    assert held[0] not in ctl("peers", "ls")
    left = cluster.wait_pinned(cid, 2)
    assert held[0] not in left
    error(ctl("peers", "rm", peers[held[0]], code=2), 404, "no node has this "
          "peer ID")
    assert "error parsing peer ID" in ctl("peers", "rm", "xx", code=1)
    error(ctl("peers", "rm", peers[left[0]], code=2), 409, f"node '{left[0]}'"
          " is being drained, but 1 copies cannot leave it")


def test_health(ctl, cluster, tmp_path):
    assert {"freespace", "ping", "pinqueue", "reposize"} <= set(
        ctl("health", "metrics").split())
    for name, value in (("freespace", r"[\d.]+ [kMGT]?B"), ("pinqueue", "0"),
                        ("ping", r'{"peer_name":"node-\d",.*}')):
        lines = ctl("health", "metrics", name).rstrip("\n").split("\n")
        assert len(lines) == 3
        for line in lines:
            assert re.fullmatch(
                rf"12D3\w+ \| {name}: {value} \| Expires in: .* from now",
                line), line
    assert ctl("health", "metrics", "unknown") == ""
    assert ctl("health", "alerts") == ""
    assert ctl("health", "bandwidth") == ""
    assert objects(ctl("--enc=json", "health", "bandwidth")) == [{}]
    text = ctl("health", "graph")
    assert text.startswith("digraph cluster {")
    for name in ("node-1", "node-2", "node-3"):
        assert f"<B> {name} </B>" in text
    assert len(re.findall(r"^[CT]\d -> [CT]\d$", text, re.M)) == 6
    assert len(re.findall(r"^[CT]\d -> I\d$", text, re.M)) == 3
    assert "IPFS Errored" not in text and "Error" not in text
    assert len(re.findall(r"^I\d -> I\d$", ctl(
        "health", "graph", "--all-ipfs-peers"), re.M)) == 6
    ctl("health", "graph", "--file", "out.dot")
    assert (tmp_path / "out.dot").read_text(encoding="utf-8") == text


def test_alone(make_cluster, tmp_path):
    """One node: the reference's own scripts look for these names."""
    cluster = make_cluster(coordinators=1, nodes=1)
    ctl = ctl_of(cluster, tmp_path)
    assert "\nC0 -> I0\n" in ctl("health", "graph")
    cid = cluster.daemons[0].add(os.urandom(2000))
    (me,) = objects(ctl("--enc=json", "id"))
    ctl("pin", "add", "--wait", "--allocations", me["id"], "-r", "1", cid)
    (peer,) = objects(ctl("--enc=json", "peers", "ls"))
    (pin,) = objects(ctl("--enc=json", "pin", "ls", cid))
    assert pin["allocations"] == pin["user_allocations"] == [peer["id"]]


def test_alert(make_cluster, tmp_path):
    cluster = make_cluster(coordinators=1, nodes=2)
    ctl = ctl_of(cluster, tmp_path)
    cluster.agents[0].kill9()
    until(lambda: ctl("health", "alerts") != "", 30, "an alert")
    assert re.match(r"12D3\w+", ctl("health", "alerts"))
    (alert,) = objects(ctl("--enc=json", "health", "alerts"))[0]
    assert alert["name"] == "ping" and alert["triggered_at"] > "2026"


def test_gc(ctl, cluster, content):
    """What nobody pins goes. (Other tests' uploads may still be guarded.)"""
    text = ctl("ipfs", "gc")
    assert all(re.search(rf"^node-{i} *\n  > (CIDs|Error)", text, re.M)
               for i in (1, 2, 3)), text
    assert ctl("ipfs", "gc", "--local").count("node-") == 1
    (found,) = objects(ctl("--enc=json", "ipfs", "gc"))
    assert len(found["peer_map"]) == 3
    assert all(p == v["peer"] and v["keys"] is not None
               for p, v in found["peer_map"].items())


def test_who_cannot_be_reached(cluster, tmp_path):
    """The next host is asked; without any it is an error of ctl's own."""
    dead = free_port()
    ctl = ctl_of(cluster, tmp_path, [dead, cluster.any().http])
    assert "coordinator-" in ctl("id")
    ctl_of(cluster, tmp_path, [dead])("id", code=1)
    assert "No help topic" in ctl("nonsense", code=3)


def test_unix_socket(make_cluster, tmp_path):
    cluster = make_cluster(coordinators=1, nodes=1, start=False)
    c = cluster.coordinators[0]
    at = c.argv.index("--listen-http") + 1
    c.argv[at] += f",unix:{tmp_path}/s"
    cluster.start()
    done = subprocess.run([CTL, "--host", f"/unix{tmp_path}/s", "peers",
                           "ls"], text=True, capture_output=True, timeout=30,
                          check=True, env=clean_env())
    assert "node-1" in done.stdout


# --- pins --------------------------------------------------------------------

def test_pin_life(ctl, cluster, content):
    text = ctl("pin", "add", "--wait", "--rmin", "2", "--rmax", "2",
               "--name", "nam", "--metadata", "a=b", content)
    assert text.count("PINNED") == 2 and text.count("REMOTE") == 1
    assert text.startswith(f"{content} | nam")
    assert cluster.wait_pinned(content, 2)
    text = ctl("pin", "ls", content)
    assert re.fullmatch(
        rf"{content} \| nam \| PIN \| Repl. Factor: 2--2 \| Allocations: "
        r"\[12D3\w+ 12D3\w+\] \| Recursive \| Metadata: yes \| Exp: ∞ \| "
        r"Added: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n", text), text
    assert content in ctl("pin", "ls")
    for words in ((), ("--filter", "pinned"), ("--filter", "pinned,error"),
                  ("--local",)):
        assert content in ctl("status", *words)
    assert content not in ctl("status", "--filter", "queued,pin_error")
    assert "invalid filter name" in ctl("status", "--filter", "x", code=1)
    assert ctl("status", content).count(": PINNED | ") == 2
    assert ctl("status", "--local", content).count("> node-") == 1
    unknown = make_cid()
    text = ctl("status", content, unknown)
    assert text.count("UNPINNED") == 3 and content in text
    assert content in ctl("recover", content)
    assert ctl("recover") == ctl("recover", "--local") == ""
    other = cluster.daemons[0].add(os.urandom(3000))
    text = ctl("pin", "update", "--wait", "-n", "new", content, other)
    assert text.startswith(f"{other} | new") and text.count("PINNED") == 2
    assert "Metadata: yes" in ctl("pin", "ls", other)
    for cid in (content, other):
        assert ctl("pin", "rm", "--wait", cid).count("UNPINNED") == 3
    assert cluster.holders(content) == []


def test_pin_add_flags(ctl, cluster, content):
    peers = {p["peername"]: p["id"]
             for p in cluster.any().get("/peers").lines()}
    text = ctl("pin", "add", "--no-status", "-r", "1", "--allocs",
               peers["node-2"], "--expire-in", "72h", "--metadata", "k=v",
               "--metadata", "l=w", content)
    assert f"Allocations: [{peers['node-2']}]" in text
    assert "Repl. Factor: 1--1" in text and "Exp: ∞" not in text
    (pin,) = objects(ctl("--enc=json", "pin", "ls", content))
    assert pin["metadata"] == {"k": "v", "l": "w"}
    assert pin["user_allocations"] == [peers["node-2"]]
    assert pin["expire_at"] > pin["timestamp"] > "2026"
    text = ctl("pin", "add", "--ns", "--replication", "-1", content)
    assert "Repl. Factor: -1 | Allocations: [everywhere]" in text
    assert ctl("pin", "add", "--wait", "--replication", "-1",
               content).count("PINNED") == 3
    error(ctl("pin", "add", "--mode", "direct", content, code=2), 409,
          "cannot repin a CID which is already pinned in recursive mode")
    (status,) = objects(ctl("--enc=json", "status", content))
    assert status["cid"] == content and len(status["peer_map"]) == 3
    for node in status["peer_map"].values():
        assert node["status"] == "pinned" and node["error"] == ""
        assert node["ipfs_peer_id"] and node["timestamp"] > "2026"
    ctl("pin", "rm", "--ns", content)


def test_pin_paths(ctl, cluster):
    root = cluster.daemons[0].add_directory(
        {"d": None, "d/a": os.urandom(40), "d/s": None, "d/s/b": b"b"})
    text = ctl("pin", "add", "--ns", "--mode", "direct", "-r", "2",
               f"/ipfs/{root}/s")
    assert " | PIN-DIRECT | " in text and " | Direct | " in text
    cid = text.split()[0]
    assert cid != root
    until(lambda: ctl("status", cid).count(": PINNED") == 2, 30, "direct pins")
    assert ctl("pin", "rm", f"/ipfs/{root}/s").startswith(cid)
    error(ctl("pin", "rm", f"/ipfs/{root}/s", code=2), 404,
          "pin is not part of the pinset")
    error(ctl("pin", "add", f"/ipfs/{root}/none", code=2), 500,
          f"IPFS error (resolve?arg=/ipfs/{root}/none). Code: 500. Message: ")
    assert "invalid path" in ctl("pin", "add", "xx", code=1)


def test_pin_ls_filters(ctl, content):
    ctl("pin", "add", "--ns", content)
    for word in ("all", "pin", "pin,shard-pin"):
        assert content in ctl("pin", "ls", "--filter", word)
    for word in ("meta-pin", "clusterdag-pin", "shard-pin"):
        assert ctl("pin", "ls", "--filter", word) == ""
    assert content in [p["cid"] for p in objects(
        ctl("--enc=json", "pin", "ls"))]
    ctl("pin", "rm", "--ns", content)


def test_refusals(ctl, content):
    unknown = make_cid()
    text = ctl("pin", "ls", unknown, code=2)
    error(text, 404, "pin is not part of the pinset")
    assert unknown not in text
    error(ctl("pin", "rm", unknown, code=2), 404, "pin is not part of the")
    error(ctl("pin", "add", "--rmin", "9", "--rmax", "9", unknown, code=2),
          500, "not enough peers to allocate CID. Needed at least: 9. Wanted "
          "at most: 9. Available candidates: 3. See logs for more info.")
    error(ctl("pin", "add", "--rmin", "2", "--rmax", "1", unknown, code=2),
          400, "cluster.replication_factor_min is larger than max")
    error(ctl("pin", "update", unknown, content, code=2), 404,
          "pin is not part of the pinset")
    error(ctl("recover", "--local", unknown, code=2), 404,
          "pin is not part of the pinset")
    assert ctl("recover", unknown).count(f"UNPINNED | {ZERO}") == 3
    (found,) = objects(ctl("--enc=json", "pin", "rm", unknown, code=2))
    assert found == {"code": 404, "message": "pin is not part of the pinset"}
    assert "some peer IDs could not be decoded" in ctl(
        "pin", "add", "--allocs", "xx", unknown, code=1)


def test_wait_that_ends(ctl, cluster):
    """Nobody has the content: ctl gives up."""
    unknown = make_cid()
    text = ctl("pin", "add", "--wait", "--wait-timeout", "2s", "--wait-limit",
               "1", unknown, code=62)
    assert "imeout" in text or "deadline" in text, text
    cluster.any().delete(f"/pins/{unknown}")


# --- add ---------------------------------------------------------------------

EXPLICIT = "&cid-version=0&raw-leaves=false&chunker=size-262144"


def test_add_file(ctl, cluster, folder):
    data = (folder / "d" / "a").read_bytes()
    cid = cluster.daemons[1].add(data, more=EXPLICIT)
    assert ctl("add", "d/a") == f"added {cid} a\n"
    assert ctl("add", "-q", "d/a") == f"{cid}\n"
    assert ctl("add", "-Q", "--wait", "d/a") == f"{cid}\n"
    assert ctl("add", "--no-stream", "d/a") == f"added {cid} a\n"
    assert ctl("add", "--local", "-Q", "d/a") == f"{cid}\n"
    (found,) = objects(ctl("--enc=json", "add", "--rmin", "1", "--rmax", "2",
                           "d/a"))
    assert found["name"] == "a" and found["cid"] == cid
    assert len(found["allocations"]) >= 2  # those that go still count
    ctl("add", "--name", "nam", "--expire-in", "1h", "--metadata", "a=b",
        "--allocs", found["allocations"][0], "d/a")
    text = ctl("pin", "ls", cid)
    assert f"{cid} | nam | PIN" in text and "Metadata: yes" in text
    assert "Exp: ∞" not in text


@pytest.mark.parametrize("words, more", [
    (["--layout", "trickle"], EXPLICIT + "&trickle=true"),
    (["--chunker", "size-1000"],
     "&cid-version=0&raw-leaves=false&chunker=size-1000"),
    (["-s", "buzhash"], "&cid-version=0&raw-leaves=false&chunker=buzhash"),
    (["--raw-leaves"],
     "&cid-version=0&raw-leaves=true&chunker=size-262144"),
    (["--cid-version", "1"],
     "&cid-version=1&raw-leaves=true&chunker=size-262144"),
    (["--hash", "sha3-512"],
     "&cid-version=1&raw-leaves=true&chunker=size-262144&hash=sha3-512"),
    (["--hash", "sha2-512"],
     "&cid-version=1&raw-leaves=true&chunker=size-262144&hash=sha2-512"),
])
def test_add_shapes(ctl, cluster, folder, words, more):
    assert ctl("add", "-Q", *words, "d/a").strip() == cluster.daemons[0].add(
        (folder / "d" / "a").read_bytes(), more=more)


def test_add_folder(ctl, cluster, folder):
    text = ctl("add", "-r", "--rmin", "2", "--rmax", "2", "d")
    assert [x.split()[2] for x in text.splitlines()] == [
        "d/a", "d/l", "d/s/b", "d/s", "d"]
    root = text.split()[-2]
    cluster.wait_pinned(root, 2)
    assert cluster.daemons[2].cat(root + "/s/b") == b"bytes"
    text = ctl("add", "-r", "-H", "d")
    assert text.split()[2] == "d/.h" and text.split()[-2] != root
    wrapped = ctl("add", "-w", "d/s/b").splitlines()
    assert [x.split()[0] for x in wrapped] == ["added", "added"]
    assert cluster.daemons[2].cat(wrapped[1].split()[1] + "/b") == b"bytes"
    two = ctl("add", "d/a", "d/s/b").splitlines()
    assert len(two) == 3 and len(two[2].split()) == 2


def test_add_without_pin(ctl, folder):
    (folder / "n").write_bytes(os.urandom(99))
    cid = ctl("add", "--no-pin", "-Q", "n").strip()
    ctl("pin", "ls", cid, code=2)


def test_add_exported_car(ctl, cluster, folder):
    root = cluster.daemons[0].add_directory({"d": None, "d/a": b"abc\n"})
    (folder / "e.car").write_bytes(
        cluster.daemons[0].rpc(f"dag/export?arg={root}").body)
    assert ctl("add", "--format", "car", "-Q", "e.car") == f"{root}\n"


def test_add_car(ctl, cluster, folder):
    car = Car([os.urandom(300_000), b"end"])
    (folder / "x.car").write_bytes(car.bytes())
    (found,) = objects(ctl("--enc=json", "add", "--format", "car", "--rmin",
                           "2", "--rmax", "2", "x.car"))
    assert (found["name"], found["cid"], found["bytes"], found["size"]) == (
        "x.car", car.cid, car.block_bytes, len(car.data))
    cluster.wait_pinned(car.cid, 2)
    assert ctl("add", "--format", "car", "--no-stream", "-Q",
               "x.car").strip() == car.cid
    (folder / "bad.car").write_bytes(car.bytes()[:-5])
    error(ctl("add", "--format", "car", "bad.car", code=2), 400,
          "unexpected EOF")
    for words in (("-w", "x.car"), ("x.car", "bad.car")):
        assert "only a single CAR file can be added" in ctl(
            "add", "--format", "car", *words, code=1)


@pytest.mark.parametrize("words, code, message", [
    (["--chunker", "x"], 500, "unrecognized chunker option: x"),
    (["--layout", "x"], 400, "layout parameter is invalid"),
    (["--format", "x"], 400, "format parameter is invalid"),
    (["--cid-version", "7"], 400, "bad CID Version: unknown CID version: 7"),
    (["--rmin", "9", "--rmax", "9"], 500, "not enough peers to allocate CID"),
])
def test_add_refused(ctl, folder, words, code, message):
    error(ctl("add", *words, "d/a", code=2), code, message)


def test_add_that_ctl_refuses(ctl, folder):
    assert "only valid for URLs" in ctl("add", "--nocopy", "d/a", code=1)
    assert "no such file" in ctl("add", "none", code=1)
    assert folder.exists()
