"""Three coordinators, three agents and three IPFS daemons as processes, and
what the system says about them. The daemons are fake, test nodes, or Kubo.
Only processes started here are ended, each by its own id."""

import ctypes
import http.client
import json
import os
import signal
import socket
import subprocess
import time

N = 3
READY_S = 30
TICKS = os.sysconf("SC_CLK_TCK")
# Variables are options of the programs.
ENVIRONMENT = {k: v for k, v in os.environ.items()
               if not k.startswith("PINFOLD_")}


class Trouble(Exception):
    """The cluster does not do what the measure needs."""


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def ask(address, path, method="GET", timeout=30, headers=None):
    host, port = address.split(":")
    link = http.client.HTTPConnection(host, int(port), timeout=timeout)
    try:
        link.request(method, path, headers=headers or {})
        answer = link.getresponse()
        return answer.status, answer.read()
    finally:
        link.close()


def try_ask(address, path, method="GET", timeout=30, headers=None):
    """Status 0 when nobody answers."""
    try:
        return ask(address, path, method, timeout, headers)
    except (OSError, http.client.HTTPException):
        return 0, b""


def machine_busy_s():
    """CPU time of all processes of the machine, without interrupts."""
    with open("/proc/stat") as f:
        return sum(int(x) for x in f.readline().split()[1:4]) / TICKS


class Process:
    def __init__(self, name, command, folder, **environment):
        self.name = name
        self.command = command
        self.environment = {**ENVIRONMENT, **environment}
        self.log_path = os.path.join(folder, name + ".log")
        self.popen = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(
                self.command, stdout=log, stderr=log, env=self.environment,
                preexec_fn=die_with_parent)

    def kill(self):
        if self.popen:
            self.popen.kill()
            self.popen.wait()

    def alive(self):
        return self.popen is not None and self.popen.poll() is None

    def log_tail(self):
        with open(self.log_path, errors="replace") as log:
            return "".join(log.readlines()[-8:])

    def _proc(self, name):
        with open(f"/proc/{self.popen.pid}/{name}") as f:
            return f.read()

    def cpu_s(self):
        fields = self._proc("stat").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_kib(self, field="VmRSS"):
        for line in self._proc("status").splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        raise Trouble(f"{self.name}: no {field}")

    def reset_peak(self):
        with open(f"/proc/{self.popen.pid}/clear_refs", "w") as f:
            f.write("5")


def test_node(binary):
    """For World: daemons that are started as tests/ipfsnode is."""
    return lambda name, folder, api: Process(
        name, [binary, "--repo", f"{folder}/{name}", "--api", api, "--swarm",
               "127.0.0.1:0"], folder)


def kubo(binary):
    """For World: real ones, each alone on loopback."""
    def make(name, folder, api):
        host, port = api.split(":")
        process = Process(name, [binary, "daemon", "--migrate=false"], folder,
                          IPFS_PATH=f"{folder}/{name}", IPFS_TELEMETRY="off")
        for words in (
                ("init", "--profile=test"),
                ("config", "Addresses.API", f"/ip4/{host}/tcp/{port}"),
                ("config", "--json", "Addresses.Gateway", "[]"),
                ("config", "--json", "Addresses.Swarm",
                 '["/ip4/127.0.0.1/tcp/0"]'),
                ("config", "Routing.Type", "none")):
            done = subprocess.run([binary, *words], env=process.environment,
                                  capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise Trouble(f"ipfs {' '.join(words)}: {done.stderr}")
        return process
    return make


class World:
    """auth: requests need a token, which every load sends. daemon(name,
    folder, address): makes the process of an IPFS daemon, instead of the
    fake one."""

    def __init__(self, build, folder, auth=False, daemon=None):
        self.build, self.folder = build, folder
        self.auth, self.headers = auth, {}
        self.loader = os.path.join(build, "tests", "bench", "bench-load")
        self.acks = os.path.join(folder, "acks")
        self.posted = 0  # CIDs that were acknowledged in this world
        self.seed = 0
        ports = free_ports(4 * N)
        at = [f"127.0.0.1:{p}" for p in ports]
        self.http, peers = at[:N], at[N:2 * N]
        doors, self.fakes_at = at[2 * N:3 * N], at[3 * N:]
        self.coordinators = [self._process(
            f"coordinator{i + 1}", "coordinator/pinfold-coordinator",
            "--data-dir", f"{folder}/coordinator{i + 1}",
            "--name", f"c{i + 1}", "--auth", "on" if auth else "off",
            "--listen-http", self.http[i] + self._socket(i),
            "--listen-peers", peers[i], "--listen-agents", doors[i],
            "--listen-pinning", "none", "--listen-proxy", "none",
            "--members", ",".join(peers), "--replication-min", "2",
            "--replication-max", "2", "--log-level", "warn")
            for i in range(N)]
        self.fakes = [daemon(f"daemon{i + 1}", folder, self.fakes_at[i])
                      if daemon else
                      self._process(f"daemon{i + 1}", "tests/lib/fakekubo",
                                    "--listen", self.fakes_at[i], "--seed",
                                    str(i + 1)) for i in range(N)]
        self.agents = [self._process(
            f"agent{i + 1}", "agent/pinfold-agent",
            "--data-dir", f"{folder}/agent{i + 1}", "--name", f"n{i + 1}",
            "--coordinators", ",".join(doors), "--kubo", self.fakes_at[i],
            "--listen-http", "none",
            "--log-level", "warn") for i in range(N)]
        self.ours = self.coordinators + self.agents

    def _socket(self, i):
        """For whom needs no token, where others do."""
        return f",unix:{self.folder}/c{i + 1}.sock" if self.auth else ""

    def _process(self, name, binary, *options):
        return Process(name, [os.path.join(self.build, binary), *options],
                       self.folder)

    def start(self):
        for p in self.fakes + self.coordinators + self.agents:
            if "--data-dir" in p.command:
                os.makedirs(os.path.join(self.folder, p.name), mode=0o700)
            p.start()
        if self.auth:
            self._make_token()
        self.wait_ready()

    def _make_token(self):
        """Whoever may open the unix socket may do all."""
        self.until(lambda: all(try_ask(at, "/readyz")[0] == 200
                               for at in self.http), "ready coordinators")
        done = subprocess.run(
            [os.path.join(self.build, "ctl", "pinfold"), "--host",
             f"unix:{self.folder}/c1.sock", "token", "create", "--name",
             "bench", "--verbs", "read,pin,operator,admin"], text=True,
            capture_output=True, env=ENVIRONMENT, check=False)
        if done.returncode != 0:
            raise Trouble("no token: " + done.stderr)
        self.headers = {"Authorization": "Bearer " + done.stdout.strip()}

    def stop(self):
        for p in self.ours + self.fakes:
            p.kill()

    def check_alive(self):
        for p in self.ours + self.fakes:
            if p.popen and not p.alive():
                raise Trouble(f"{p.name} ended with {p.popen.returncode}:\n" +
                              p.log_tail())

    def until(self, done, what, limit_s=READY_S, pause_s=0.05):
        end = time.monotonic() + limit_s
        while not done():
            self.check_alive()
            if time.monotonic() > end:
                raise Trouble(f"not within {limit_s} s: {what}\n" +
                              "\n".join(p.name + ": " + p.log_tail()
                                        for p in self.ours))
            time.sleep(pause_s)

    def status(self, i):
        code, body = try_ask(self.http[i], "/api/v1/status",
                             headers=self.headers)
        return json.loads(body) if code == 200 else None

    def _nodes_ready(self):
        for i in range(N):
            s = self.status(i)
            if s is None or not s["coordinator"]["ready"] or \
                    sum(n["connected"] and n["state"] == "ready"
                        for n in s["nodes"]) < N:
                return False
        return True

    def wait_ready(self):
        self.until(self._nodes_ready, "all coordinators and nodes ready")

    def leader(self):
        """Place of the leader in the lists."""
        found = []

        def look():
            found[:] = [i for i in range(N) if
                        (self.status(i) or {}).get("coordinator", {})
                        .get("leader")]
            return len(found) == 1
        self.until(look, "one leader")
        return found[0]

    def load(self, mode, *options, hosts=None):
        """Runs the load generator; returns what it measured."""
        done = self.load_begin(mode, *options, hosts=hosts)
        return self.load_end(done)

    def load_begin(self, mode, *options, hosts=None):
        command = [self.loader, mode]
        for host in hosts or ([] if mode == "disk" else self.http):
            command += ["--host", host]
        for name, value in self.headers.items():
            command += ["--header", f"{name}: {value}"]
        return subprocess.Popen(command + [str(o) for o in options],
                                stdout=subprocess.PIPE, text=True,
                                preexec_fn=die_with_parent)

    def load_end(self, popen):
        text, _ = popen.communicate()
        if popen.returncode != 0:
            raise Trouble("the load generator failed")
        return json.loads(text)

    def post(self, *options, hosts=None):
        """POSTs pins with CIDs of their own, acknowledged ones noted."""
        self.seed += 1
        got = self.load("post", "--seed", self.seed, "--acks", self.acks,
                        *options, hosts=hosts)
        self.posted += got["ok"]
        return got

    def held(self):
        """Pins of all daemons."""
        total = 0
        for at in self.fakes_at:
            total += json.loads(ask(at, "/ctl/stats")[1])["pins"]
        return total

    def wait_confirmed(self, limit_s=300):
        self.until(lambda: self.held() >= 2 * self.posted,
                   f"{self.posted} pins on two daemons each", limit_s, 0.02)

    def wait_settled(self, limit_s=60):
        """No pin has work left, in the state of the leader."""
        at = self.http[self.leader()]

        def look():
            code, body = try_ask(at, "/pins?filter=queued,pinning",
                                 headers=self.headers)
            return code == 200 and not body.strip()
        self.until(look, "every copy reported", limit_s, 0.05)

    def cpu(self, processes=None):
        return {p.name: p.cpu_s() for p in processes or self.ours}

    def memory(self, field="VmRSS"):
        return {p.name: p.memory_kib(field) / 1024 for p in self.ours}
