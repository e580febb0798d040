"""The IPFS proxy: an IPFS daemon's RPC, of which pins are the cluster's.

PINFOLD_IPFS: with Kubo's own command line, too.
"""

import json
import os
import re
import subprocess

import pytest
from cluster import Cluster, make_cid
from process import until
from wire import multipart, raw_request

MISSING = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyka"


@pytest.fixture(scope="module", name="cluster")
def fixture_cluster(tmp_path_factory):
    c = Cluster(tmp_path_factory.mktemp("proxy"), coordinators=1, nodes=2,
                options={"home-agent": "node-1"})
    try:
        yield c.start()
    finally:
        wrong = c.close()
    assert not wrong, wrong


def add(c, files, more=""):
    headers, body = multipart(files)
    return c.coordinators[0].rpc("add" + more, body, headers)


def refusal(answer, status=500):
    """The text of an error, whose form is the daemon's."""
    assert answer.status == status, answer
    if answer.headers["content-type"].startswith("text/plain"):
        return answer.text().rstrip("\n")
    error = answer.json()
    assert list(error) == ["Message", "Code", "Type"], error
    assert error["Code"] == 0 and error["Type"] == "error", error
    return error["Message"]


def content(c, data=None):
    """A file that both nodes hold as the cluster's pin."""
    answer = add(c, {"f": data or os.urandom(3000)})
    assert answer.status == 200, answer
    cid = answer.lines()[-1]["Hash"]
    c.wait_pinned(cid, 2)
    return cid


# --- what passes -----------------------------------------------------------


def test_passes_to_the_home_daemon(cluster):
    p = cluster.coordinators[0]
    home = cluster.daemons[0]
    mine, theirs = p.rpc("id"), home.rpc("id")
    assert mine.status == 200
    assert mine.json()["ID"] == theirs.json()["ID"]
    assert p.rpc("version").body == home.rpc("version").body
    data = os.urandom(700000)
    cid = content(cluster, data)
    for call in (f"cat?arg={cid}", f"cat?arg={cid}&offset=5&length=9",
                 f"ls?arg={cid}", f"refs?arg={cid}", f"dag/stat?arg={cid}",
                 f"dag/export?arg={cid}", f"block/get?arg={cid}",
                 f"block/stat?arg={cid}", f"resolve?arg=/ipfs/{cid}",
                 f"files/stat?arg=/ipfs/{cid}", "block/get?arg=nonsense",
                 "block/get", "cat?arg=x&arg=y&offset=z"):
        a, b = p.rpc(call), home.rpc(call)
        assert (a.status, a.body) == (b.status, b.body), call
        assert a.complete
        for name in ("content-type", "x-content-length", "x-stream-output",
                     "x-chunked-output"):
            assert a.headers.get(name) == b.headers.get(name), (call, name)
    assert p.rpc(f"cat?arg={cid}").body == data


def test_a_trailer_passes(cluster):
    p = cluster.coordinators[0]
    call = f"refs?arg={MISSING}&recursive=true&offline=true"
    a, b = p.rpc(call), cluster.daemons[0].rpc(call)
    assert (a.status, a.body, a.trailers.get("x-stream-error", "")) == \
        (b.status, b.body, b.trailers.get("x-stream-error", "")), (a, b)


@pytest.mark.parametrize("call", (
    "config/show", "config?arg=Identity", "key/list", "key/export?arg=self",
    "shutdown", "p2p/ls", "update", "mount", "pin/verify", "pin/remote/ls",
    "config%2Fshow", "%63onfig/show", "shutdown?encoding=json",
    "dag/import/x", "dag/put/x?pin=true", "block/put/x?pin=true", "add/x"))
def test_never_passes(cluster, call):
    text = refusal(cluster.coordinators[0].rpc(call), 403)
    assert "never passes" in text
    assert re.split(r"[/?%]", call)[0] in text or "config" in text


@pytest.mark.parametrize("call", (
    "Config/show", "CONFIG/show", "cat/../config/show", "./config/show",
    "/config/show", "cat//config", "cat%2F..%2Fconfig%2Fshow",
    "cat/%2e%2e/shutdown", "shutdown/", "shutdown%20", "shut%0adown",
    "cat;shutdown", "nothing%3Farg"))
def test_no_other_spelling_passes(cluster, call):
    refusal(cluster.coordinators[0].rpc(call),
            404 if "%0a" not in call else 400)
    assert cluster.daemons[0].rpc("id").status == 200


@pytest.mark.parametrize("call", ("files/write?arg=/x", "swarm/connect?arg=x",
                                  "block/rm?arg=x", "bootstrap/rm"))
def test_what_the_owner_does_not_list_is_refused(cluster, call):
    text = refusal(cluster.coordinators[0].rpc(call), 403)
    assert text == f"{call.split('?', maxsplit=1)[0]} is not among what " \
        "this node lets pass to its IPFS daemon (proxy-allow)"


def test_the_owners_list(make_cluster):
    c = make_cluster(coordinators=1, nodes=1, daemon="fake",
                     agent_options={"proxy-allow": "none"})
    p, a = c.coordinators[0], c.agents[0]
    assert refusal(p.rpc("version"), 403).startswith("version is not among")
    a.terminate()
    a.argv[a.argv.index("--proxy-allow") + 1] = "swarm/*,version"
    a.start()
    c.wait_sessions(a)
    assert p.rpc("version").status == 200
    refusal(p.rpc("id"), 403)
    assert p.rpc("swarm/peers").status == 200
    a.terminate()
    until(lambda: p.rpc("version").status == 503, 20, "no node is there")


def test_browsers_may_not(cluster):
    p = cluster.coordinators[0]
    cid = make_cid()
    for headers in ({"Origin": "http://evil.example"},
                    {"Origin": "null"},
                    {"Referer": "http://evil.example/x"},
                    {"User-Agent": "Mozilla/5.0 (X11)"}):
        for call in (f"pin/add?arg={cid}", "id", "add"):
            answer = p.rpc(call, headers=headers)
            assert (answer.status, answer.text()) == \
                (403, "403 - Forbidden\n"), (headers, call)
    assert p.rpc("id", headers={
        "User-Agent": "Mozilla/5.0 Electron/9"}).status == 200
    assert p.rpc("id", headers={"User-Agent": "/kubo/0.1.0/x"}).status == 200
    for method in ("GET", "PUT", "DELETE"):
        answer = p.call(method, "/api/v0/id")
        assert answer.status != 200
    raw = raw_request(p.proxy, b"GET /api/v0/pin/add?arg=" + cid.encode() +
                      b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert raw.startswith(b"HTTP/1.1 405 ") and b"Allow: POST" in raw
    assert cid not in p.pins()


# --- pins ------------------------------------------------------------------


def test_pins(cluster):
    p = cluster.coordinators[0]
    cid = cluster.daemons[1].add(os.urandom(400000))
    answer = p.rpc(f"pin/add?arg={cid}&name=n")
    assert answer.body == b'{"Pins":["%s"]}\n' % cid.encode(), answer
    assert cluster.holders(cid) == ["node-1", "node-2"]
    assert p.pins()[cid]["name"] == "n"
    one = p.rpc(f"pin/ls?arg={cid}")
    assert one.body == \
        b'{"Keys":{"%s":{"Type":"recursive","Name":""}}}\n' % cid.encode()
    line = p.rpc(f"pin/ls?arg=/ipfs/{cid}&stream=true&names=true")
    assert line.body == b'{"Cid":"%s","Name":"n","Type":"recursive"}\n' % \
        cid.encode()
    assert p.rpc(f"pin/ls/{cid}").body == one.body
    refusal(p.rpc(f"pin/ls?arg={cid}&type=direct"))
    assert refusal(p.rpc(f"pin/rm?arg={cid}&r=false")) == \
        f"{cid} is pinned recursively"
    assert p.rpc(f"pin/rm?arg={cid}").body == \
        b'{"Pins":["%s"]}\n' % cid.encode()
    assert refusal(p.rpc(f"pin/rm?arg={cid}")) == \
        "not pinned or pinned indirectly"
    assert refusal(p.rpc(f"pin/ls?arg={cid}")) == f"path '{cid}' is not pinned"
    until(lambda: not cluster.holders(cid), 30, "it is unpinned")


def test_several_arguments_and_paths(cluster):
    p = cluster.coordinators[0]
    d = cluster.daemons[0]
    first, folder = d.add(b"1" + os.urandom(99)), d.add_directory(
        {"dir/in": os.urandom(2000)})
    inner = d.rpc(f"resolve?arg=/ipfs/{folder}/in").json()["Path"][6:]
    answer = p.rpc(f"pin/add?arg={first}&arg=/ipfs/{folder}/in&"
                   f"arg=ipfs://{folder}")
    assert answer.json() == {"Pins": [first, inner, folder]}, answer
    assert p.rpc(f"pin/rm?arg={first}&arg=/ipfs/{folder}/in").json() == \
        {"Pins": [first, inner]}
    pins = p.pins()
    assert folder in pins and first not in pins and inner not in pins
    for call, text in (
            ("pin/add?arg=notacid", 'invalid path "notacid": path does not '
             'have enough components'),
            ("pin/rm?arg=notacid", 'invalid path "notacid": path does not '
             'have enough components'),
            ("pin/ls?type=x", "invalid type 'x', must be one of {direct, "
             "indirect, recursive, all}")):
        assert refusal(p.rpc(call)) == text
    for call, text in (("pin/add", 'argument "ipfs-path" is required'),
                       ("pin/rm", 'argument "ipfs-path" is required'),
                       ("pin/update", 'argument "from-path" is required'),
                       (f"pin/update?arg={first}",
                        'argument "to-path" is required')):
        assert refusal(p.rpc(call), 400) == text
    assert "bool" in refusal(p.rpc(f"pin/add?arg={first}&recursive=x"), 400)
    assert "name is 256 bytes" in refusal(
        p.rpc(f"pin/add?arg={first}&name={'n' * 256}"))


def test_direct(cluster):
    p = cluster.coordinators[0]
    cid = cluster.daemons[0].add(os.urandom(600000))
    assert p.rpc(f"pin/add?arg={cid}&recursive=false").status == 200
    assert p.rpc(f"pin/ls?arg={cid}").json() == \
        {"Keys": {cid: {"Type": "direct", "Name": ""}}}
    assert cid in p.rpc("pin/ls?type=direct").json()["Keys"]
    assert cid not in p.rpc("pin/ls?type=recursive").json().get("Keys", {})
    assert p.rpc("pin/ls?type=indirect").body == b"{}\n"
    assert p.rpc(f"pin/rm?arg={cid}&recursive=false").status == 200


def test_list(cluster):
    p = cluster.coordinators[0]
    names = {make_cid(f"ls {i}"): f"list-{i}" for i in range(600)}
    for cid, name in names.items():
        assert p.post(f"/pins/{cid}?name={name}").status == 200
    keys = p.rpc("pin/ls").json()["Keys"]
    assert set(names) <= set(keys) == set(p.pins())
    lines = p.rpc("pin/ls?s=true&names=true&type=recursive").lines()
    assert {x["Cid"]: x["Name"] for x in lines if x["Cid"] in names} == names
    some = p.rpc("pin/ls?name=list-77").json()["Keys"]
    assert sorted(x["Name"] for x in some.values()) == \
        sorted(x for x in names.values() if "list-77" in x)
    for cid in names:
        assert p.delete(f"/pins/{cid}").status == 200


@pytest.mark.parametrize("unpin", (True, False))
def test_update(cluster, unpin):
    p = cluster.coordinators[0]
    data = os.urandom(500000)
    old = content(cluster, data)
    assert p.post(f"/pins/{old}?name=old").status == 200
    new = cluster.daemons[0].add(data + b"more")
    text = refusal(p.rpc(f"pin/update?arg={new}&arg={old}"))
    assert text == "'from' cid was not recursively pinned already"
    answer = p.rpc(f"pin/update?arg={old}&arg={new}"
                   f"&unpin={str(unpin).lower()}")
    assert answer.body == \
        b'{"Pins":["%s","%s"]}\n' % (old.encode(), new.encode()), answer
    assert len(cluster.holders(new)) == 2
    assert p.pins()[new]["name"] == "old"
    assert (old in p.pins()) != unpin


def test_what_nobody_has_waits_and_says_so(cluster):
    p = cluster.coordinators[0]
    cid = make_cid()
    text = refusal(p.rpc(f"pin/add?arg={cid}&timeout=1s"))
    assert text == "pin: context deadline exceeded"
    answer = p.rpc(f"pin/add?arg={cid}&progress=true&timeout=4s")
    assert answer.status == 200 and answer.lines()
    assert all("Pins" not in x for x in answer.lines())
    assert answer.trailers["x-stream-error"] == "context deadline exceeded"
    assert cid in p.pins()  # the cluster goes on
    assert p.rpc(f"pin/rm?arg={cid}").status == 200


def test_progress(cluster):
    p = cluster.coordinators[0]
    cid = cluster.daemons[0].add(os.urandom(300000))
    lines = p.rpc(f"pin/add?arg={cid}&progress=true").lines()
    assert lines[-1] == {"Pins": [cid]}
    assert all(set(x) <= {"Progress", "Bytes"} for x in lines[:-1])


# --- content ---------------------------------------------------------------


def shown(answer):
    """What was added, and of the progress, told as the bytes came, its end."""
    lines = answer.lines()
    return ([x for x in lines if "Hash" in x],
            {x["Name"]: x["Bytes"] for x in lines if "Hash" not in x})


def test_add(cluster):
    p = cluster.coordinators[0]
    files = {"d/a": os.urandom(300000), "d/b": b"b", "d": None}
    headers, body = multipart(files)
    here = cluster.daemons[0].rpc("add?pin=false&progress=true", body,
                                  headers)
    mine = p.rpc("add?progress=true&pin-name=mine", body, headers)
    assert mine.status == 200, mine
    assert shown(mine) == shown(here)
    assert mine.body.splitlines()[-1] == here.body.splitlines()[-1]
    assert mine.headers["x-chunked-output"] == "1"
    root = mine.lines()[-1]["Hash"]
    assert p.pins()[root]["name"] == "mine"
    cluster.wait_pinned(root, 2)
    wrapped = add(cluster, {"x": b"wrap"}, "?wrap-with-directory=true")
    assert [x["Name"] for x in wrapped.lines()] == ["x", ""]
    none = add(cluster, {"x": os.urandom(50)}, "?pin=false")
    assert none.lines()[-1]["Hash"] not in p.pins()
    only = add(cluster, {"x": b"only the hash"}, "?only-hash=true")
    cid = only.lines()[-1]["Hash"]
    assert cid not in p.pins()
    assert p.rpc(f"block/get?arg={cid}&offline=true").status == 500
    assert add(cluster, {"x": os.urandom(9)}, "?silent=true").body == b""
    # Without a value they are true.
    data = {"x": os.urandom(9)}
    raw = add(cluster, data, "?raw-leaves=true&w=true").lines()
    assert add(cluster, data, "?raw-leaves&w").lines() == raw
    none = add(cluster, data, "?raw-leaves=false").lines()
    assert raw[0]["Hash"] != none[0]["Hash"]
    before = set(p.pins())
    add(cluster, {"x": os.urandom(9)}, "?only-hash")
    assert set(p.pins()) == before
    for more in ("nocopy=true", "inline=true", "to-files=/x",
                 "pin=false&pin-name=n", "progress=x"):
        refusal(add(cluster, {"x": b"no"}, "?" + more), 400)
    refusal(p.rpc("add"), 400)
    for more in ("only-hash=true&n=false", "n=false&only-hash=true",
                 "n=true&n=true"):
        assert "single value" in refusal(
            add(cluster, {"x": b"no"}, "?" + more), 400)
    text = refusal(add(cluster, {"x": b"no"}, "?chunker=nonsense"))
    assert "chunker" in text


@pytest.mark.parametrize("call", ("block/put", "dag/put"))
def test_put_and_pin(cluster, call):
    p = cluster.coordinators[0]
    data = json.dumps({"x": os.urandom(8).hex()}).encode()
    headers, body = multipart({"f": data})
    plain = p.rpc(call, body, headers)
    if call == "dag/put" and plain.status == 404:
        pytest.skip("the test node has no dag/put")
    assert plain.status == 200, plain
    line = plain.lines()[0]
    cid = line["Key"] if "Key" in line else line["Cid"]["/"]
    assert cid not in p.pins()
    pinned = p.rpc(call + "?pin=true", body, headers)
    assert pinned.body == plain.body, pinned
    assert cid in p.pins()
    cluster.wait_pinned(cid, 2)
    bad = p.rpc(call + "?pin=true&mhtype=x&hash=x", body, headers)
    assert bad.status == 500 and "Message" in bad.json(), bad


def held(cluster, cid):
    """Whether the daemon that is asked by the proxy pins it."""
    text = cluster.daemons[0].rpc(f"pin/ls?arg={cid}&type=recursive")
    return text.status == 200


@pytest.mark.parametrize("call", ("block/put", "dag/put"))
def test_a_put_pins_for_the_cluster_or_not_at_all(cluster, call):
    p = cluster.coordinators[0]
    for query, pinned in (("pin", True), ("pin=", True), ("pin=T", True),
                          ("pin=F", False), ("", False), ("%70in=1", True)):
        data = json.dumps({"x": os.urandom(8).hex()}).encode()
        headers, body = multipart({"f": data})
        answer = p.rpc(f"{call}?{query}", body, headers)
        if call == "dag/put" and answer.status == 404:
            pytest.skip("the test node has no dag/put")
        assert answer.status == 200, (query, answer)
        line = answer.lines()[0]
        cid = line["Key"] if "Key" in line else line["Cid"]["/"]
        assert (cid in p.pins()) == pinned, query
        if pinned:
            cluster.wait_pinned(cid, 2)
        else:
            assert not held(cluster, cid), query
    headers, body = multipart({"f": b"{}"})
    for query in ("pin=perhaps", "pin=false&pin=true", "pin=true&pin=false"):
        refusal(p.rpc(f"{call}?{query}", body, headers), 400)


def test_no_spelling_leads_past_the_cluster(cluster):
    p, d = cluster.coordinators[0], cluster.daemons[1]
    cid = d.add(os.urandom(1000))
    headers, body = multipart({"x.car": d.rpc(f"dag/export?arg={cid}").body})
    refusal(p.rpc("dag%2Fimport", body, headers), 404)
    assert not held(cluster, cid) and cid not in p.pins()
    for call in ("block%2fput?pin=true", "dag%2Fput?pin=true"):
        headers, body = multipart({"f": b"{}"})
        refusal(p.rpc(call, body, headers), 404)


@pytest.mark.parametrize("call", ("block/put", "dag/put"))
@pytest.mark.parametrize("pin", ("true", "false"))
def test_a_query_that_grows(cluster, call, pin):
    """What is sent on is written anew, and longer."""
    p = cluster.coordinators[0]
    headers, body = multipart({"f": b"{}"})
    text = refusal(p.rpc(f"{call}?pin={pin}&x={'~' * 15000}", body,
                         headers), 414)
    assert "at most 32768 pass" in text
    answer = p.rpc(f"{call}?pin={pin}&x={'~' * 10000}", body, headers)
    assert answer.status == 200, answer
    assert p.rpc("version").status == 200


def test_as_many_arguments_as_there_may_be(cluster):
    p = cluster.coordinators[0]
    cid = make_cid("many arguments")
    more = "&".join(["arg=" + make_cid("another")] * 512)
    text = refusal(p.rpc(f"pin/rm/{cid}?{more[:16000]}"))
    assert "not pinned" in text
    short = "&".join(["arg=x"] * 512)
    assert "invalid path" in refusal(p.rpc(f"pin/add/x?{short}"))
    refusal(p.rpc(f"pin/add/x?{short}&arg=x"), 400)


def test_several_blocks(cluster):
    p = cluster.coordinators[0]
    headers, body = multipart({"a": os.urandom(9), "b": os.urandom(9)})
    answer = p.rpc("block/put?pin=true", body, headers)
    cids = [x["Key"] for x in answer.lines()]
    assert cids and set(cids) <= set(p.pins())


def test_import(cluster):
    p = cluster.coordinators[0]
    d = cluster.daemons[1]
    cid = d.add(os.urandom(500000))
    car = d.rpc(f"dag/export?arg={cid}").body
    headers, body = multipart({"x.car": car})
    answer = p.rpc("dag/import", body, headers)
    assert answer.lines()[0] == {"Root": {"Cid": {"/": cid},
                                          "PinErrorMsg": ""}}, answer
    assert cid in p.pins()
    cluster.wait_pinned(cid, 2)
    other = d.add(os.urandom(1000))
    headers, body = multipart({
        "x.car": d.rpc(f"dag/export?arg={other}").body})
    for query in ("pin-roots=false", "pin-roots=F&stats=true", "local-only"):
        answer = p.rpc(f"dag/import?{query}", body, headers)
        if query != "local-only":  # which daemons may not know
            assert answer.status == 200, answer
        assert other not in p.pins()
        assert not held(cluster, other), query
    for query in ("pin-roots=true&local-only=true",
                  "pin-roots=false&pin-roots=true"):
        refusal(p.rpc(f"dag/import?{query}", body, headers), 400)


# --- the repositories ------------------------------------------------------


def test_repo_stat(cluster):
    p = cluster.coordinators[0]
    seen = {}

    def look():
        sums = [0, 0]
        for d in cluster.daemons:
            one = d.rpc("repo/stat").json()
            sums[0] += one["RepoSize"]
            sums[1] += one["StorageMax"]
        seen.update(mine=p.rpc("repo/stat").json(), sums=sums)
        return seen["mine"] == {
            "RepoSize": sums[0], "StorageMax": min(sums[1], (1 << 64) - 1),
            "NumObjects": 0,
            "RepoPath": "", "Version": ""}

    try:
        until(look, 20, "the beats have told of it")
    except AssertionError as e:
        raise AssertionError(f"{e}; {seen}") from None


def test_repo_gc(make_cluster):
    c = make_cluster(coordinators=1, nodes=2)
    kept = content(c)
    gone = [d.add(os.urandom(900)) for d in c.daemons]
    removed = set()

    def collected():
        answer = c.coordinators[0].rpc("repo/gc")
        assert answer.status == 200, answer
        removed.update(x["Key"]["/"] for x in answer.lines())
        error = answer.trailers.get("x-stream-error", "")
        assert not error or "an upload is under way" in error, answer.trailers
        return not error

    # An upload ends a moment after its answer.
    until(collected, 20, "all daemons have collected")
    assert len(removed) >= len(gone)
    for d in c.daemons:
        assert d.has(kept)
        for cid in gone:
            assert d.rpc(f"block/get?arg={cid}&offline=true").status == 500


# --- Kubo's own command line -------------------------------------------------


@pytest.mark.skipif(not os.environ.get("PINFOLD_IPFS"),
                    reason="PINFOLD_IPFS names no Kubo")
def test_the_command_line(cluster, tmp_path):
    port = cluster.coordinators[0].proxy

    def ipfs(*words, data=None, code=0):
        out = subprocess.run(
            [os.environ["PINFOLD_IPFS"], "--api",
             f"/ip4/127.0.0.1/tcp/{port}", *words], input=data,
            env={**os.environ, "IPFS_PATH": str(tmp_path / "repo")},
            capture_output=True, timeout=60, check=False)
        assert out.returncode == code, (words, out)
        return (out.stdout if code == 0 else out.stderr).decode(
            "utf-8", "replace").strip()

    file = tmp_path / "file"
    file.write_bytes(b"as the command line has it" * 9000)
    cid = ipfs("add", "-Q", str(file))
    assert ipfs("cat", cid) == file.read_text()
    assert cid in ipfs("pin", "ls", "--type=recursive", "-q")
    assert ipfs("pin", "rm", cid) == f"unpinned {cid}"
    assert "not pinned" in ipfs("pin", "rm", cid, code=1)
    assert ipfs("pin", "add", "--name", "x", cid) == f"pinned {cid} recursively"
    assert ipfs("pin", "ls", "--names", cid) == f"{cid} recursive x"
    ipfs("pin", "add", "--progress", cid)
    block = ipfs("block", "put", "--pin", str(file))
    assert block in ipfs("pin", "ls", "-q")
    node = ipfs("dag", "put", "--pin", data=b'{"a":1}')
    assert node in ipfs("pin", "ls", "-q", "--stream")
    assert ipfs("dag", "get", node) == '{"a":1}'
    assert ipfs("pin", "update", cid, block) == f"updated {cid} to {block}"
    assert "RepoSize" in ipfs("repo", "stat")
    ipfs("refs", "-r", cid)
    ipfs("ls", cid)
    ipfs("files", "ls", "/")
    ipfs("id")
    ipfs("swarm", "peers")
    ipfs("version")
    for words in (("config", "show"), ("key", "list"), ("shutdown",)):
        assert "never passes" in ipfs(*words, code=1), words
