"""`ipfs pin remote` of a real Kubo (PINFOLD_IPFS) with the Pinning Service API:
what people do with it, unchanged."""

import json
import os
import shutil
import subprocess

import pytest
from cluster import make_cid
from process import Process, clean_env, free_port, until
from psa import STATUSES, Client, make_token
from wire import request

IPFS = os.environ.get("PINFOLD_IPFS")
pytestmark = pytest.mark.skipif(not IPFS, reason="PINFOLD_IPFS names no Kubo")


class User(Process):
    """Somebody's own daemon, not of the cluster. swarm_key: the private
    network that it joins."""

    def __init__(self, folder, swarm_key=None):
        self.port, self.swarm = free_port(), free_port()
        self.env = clean_env({"IPFS_PATH": os.path.join(folder, "repo"),
                              "MFS_PIN_POLL_INTERVAL": "1s"})
        self.run("init", "--profile", "test")
        for key, value in (
                ("Addresses.API", f"/ip4/127.0.0.1/tcp/{self.port}"),
                ("Addresses.Gateway", "/ip4/127.0.0.1/tcp/0")):
            self.run("config", key, value)
        self.run("config", "--json", "Addresses.Swarm",
                 f'["/ip4/127.0.0.1/tcp/{self.swarm}"]')
        if swarm_key:
            shutil.copy(swarm_key, os.path.join(folder, "repo", "swarm.key"))
            self.run("config", "Routing.Type", "none")
            self.run("config", "--json", "Swarm.Transports.Network",
                     '{"QUIC":false,"WebTransport":false,"WebRTCDirect":false,'
                     '"Websocket":false}')
        super().__init__("user", [IPFS, "daemon"], folder, self.env)

    def run(self, *words, code=0, text=None):
        done = subprocess.run([IPFS, *words], env=self.env, text=True,
                              input=text, capture_output=True, timeout=60,
                              check=False)
        assert done.returncode == code, done
        return done.stdout if code == 0 else done.stderr

    def lines(self, *words):
        return self.run("pin", "remote", *words).splitlines()

    def answers(self):
        """By its port: the command line would take the repository for itself,
        and the daemon find it locked."""
        return self.alive() and request(self.port, "POST",
                                        "/api/v0/id").status == 200


@pytest.fixture
def user(tmp_path):
    os.makedirs(tmp_path / "user")
    u = User(str(tmp_path / "user"))
    u.start()
    try:
        until(u.answers, 60, "the user's daemon answers")
        yield u
    finally:
        u.kill9()


def test_pin_remote(make_cluster, user):
    cluster = make_cluster(coordinators=1, nodes=2, daemon="fake")
    c = cluster.coordinators[0]
    api = Client(c, make_token(c, "kubo"))
    at = f"http://127.0.0.1:{c.pinning}"
    user.run("pin", "remote", "service", "add", "bad", at, "wrong")
    assert "UNAUTHORIZED" in user.run("pin", "remote", "ls", "--service=bad",
                                      code=1)
    user.run("pin", "remote", "service", "add", "lost", at + "/nowhere",
             api.token)
    assert "404" in user.run("pin", "remote", "ls", "--service=lost", code=1)
    user.run("pin", "remote", "service", "add", "us", at, api.token)
    cid = make_cid()
    said = user.lines("add", "--service=us", "--name=one", cid)
    assert f"CID:    {cid}" in said and "Status: pinned" in said, said
    made = [make_cid() for _ in range(24)]
    for k, x in enumerate(made):
        user.lines("add", "--service=us", "--background", f"--name=n{k}", x)
    until(lambda: api.count("pinned") == 25, 60, "all are pinned")
    listed = user.lines("ls", "--service=us")
    assert sorted(x.split()[0] for x in listed) == sorted([cid, *made])
    assert len(user.lines("ls", "--service=us", "--name=n3")) == 1
    assert len(user.lines("ls", "--service=us",
                          f"--cid={made[1]},{made[2]}")) == 2
    assert not user.lines("ls", "--service=us", "--status=queued,failed")
    stat = json.loads(user.run("pin", "remote", "service", "ls", "--stat",
                               "--enc=json"))["RemoteServices"]
    us = next(s for s in stat if s["Service"] == "us")["Stat"]
    assert us["Status"] == "valid", us
    assert us["PinCount"] == {"Queued": 0, "Pinning": 0, "Pinned": 25,
                              "Failed": 0}
    user.lines("add", "--service=us", "--name=n3", made[3])
    assert "force" in user.run("pin", "remote", "rm", "--service=us",
                               "--name=n3", code=1)
    user.lines("rm", "--service=us", "--name=n3", "--force")
    assert api.list(name="n3", status=STATUSES)["count"] == 0
    assert api.count("pinned") == 24
    user.lines("rm", "--service=us", f"--cid={made[4]}", "--force")
    assert api.list(cid=made[4], status=STATUSES)["count"] == 0
    user.lines("rm", "--service=us", f"--status={STATUSES}", "--force")
    assert api.list(status=STATUSES)["count"] == 0
    user.run("pin", "remote", "service", "rm", "us")
    assert "not known" in user.run("pin", "remote", "ls", "--service=us",
                                   code=1)


def test_content_comes_from_the_user(make_cluster, tmp_path):
    """Nobody else has it, and nobody can look it up: the origins that Kubo
    sends and the delegates that it dials are all there is."""
    cluster = make_cluster(coordinators=1, nodes=2)
    c = cluster.coordinators[0]
    os.makedirs(tmp_path / "user")
    user = User(str(tmp_path / "user"), cluster.key)
    user.start()
    try:
        until(user.answers, 60, "the user's daemon answers")
        user.run("pin", "remote", "service", "add", "us",
                 f"http://127.0.0.1:{c.pinning}", make_token(c, "own"))
        cid = user.run("add", "-Q", text="only here").strip()
        said = user.lines("add", "--service=us", "--name=mine",
                          f"/ipfs/{cid}")
        assert "Status: pinned" in said, said
    finally:
        user.kill9()
    for daemon in cluster.daemons:
        assert cid in daemon.pins()


def test_mfs_policy(make_cluster, user):
    """The root of somebody's files follows, one request at a time."""
    cluster = make_cluster(coordinators=1, nodes=2, daemon="fake")
    c = cluster.coordinators[0]
    api = Client(c, make_token(c, "mfs"))
    user.run("pin", "remote", "service", "add", "us",
             f"http://127.0.0.1:{c.pinning}", api.token)
    for key, value in (("Enable", "true"), ("RepinInterval", '"1s"')):
        user.run("config", "--json",
                 f"Pinning.RemoteServices.us.Policies.MFS.{key}", value)
    seen = set()
    for k in range(3):
        user.run("files", "write", "--create", f"/f{k}", text=f"file {k}")
        root = user.run("files", "stat", "--hash", "/").strip()

        def follows(root=root):
            found = api.list(status=STATUSES)
            assert found["count"] <= 1, found
            return [s for s in found["results"] if s["pin"]["cid"] == root
                    and s["status"] == "pinned"]
        s = until(follows, 60, f"the root {root} is pinned")[0]
        assert s["pin"]["name"].startswith("policy/")
        assert s["pin"]["name"].endswith("/mfs")
        seen.add(s["requestid"])
    assert len(seen) == 3
