"""The cluster under rolling trouble, and what can be done to it.

A kind of fault is a function that takes the World and returns what it has
touched; undo() repairs whatever was done. All chance comes from one seed.
"""

import random
import time

from books import Books
from cluster import Cluster, make_cid, until
from network import Network

FOREIGN = 5  # pins a daemon that are not ours


class World:
    def __init__(self, folder, seed, nodes=5, daemon="fake"):
        self.seed, self.chance = seed, random.Random(seed)
        self.network = Network()
        self.unconnected = self.network.enter()
        self.cluster = Cluster(folder, nodes=nodes, daemon=daemon)
        if not self.unconnected:
            self._wire()
        self.foreign = {}
        self.books = Books(self.cluster, seed, make=self._make(daemon))
        self.down, self.paused = [], []
        self.cut, self.fault = False, None

    def _wire(self):
        c = self.cluster
        for p in c.processes:
            self.network.place(p)
        for one in c.coordinators:
            for other in c.coordinators:
                if one is not other:
                    self.network.link(one, other, other.peers)
            for agent in c.agents:
                self.network.link(agent, one, one.agents)
        for agent in c.agents:
            self.network.link(agent, agent.daemon, agent.daemon.port)
        self.network.rules()

    def _make(self, daemon):
        if daemon == "fake":
            return make_cid

        def add():  # content that two daemons have
            data = random.randbytes(500)
            live = [d for d in self.cluster.daemons
                    if d.alive() and not d.stopped]
            return [d.add(data) for d in random.sample(live, 2)][0]

        return add

    def start(self):
        self.cluster.start()
        for d in self.cluster.daemons:
            self.foreign[d] = {make_cid() for _ in range(FOREIGN)} \
                if self.cluster.kind == "fake" else {
                    d.add(random.randbytes(300), pin=True)
                    for _ in range(FOREIGN)}
            self.put_foreign(d)

    def put_foreign(self, daemon):
        if self.cluster.kind == "fake":
            for cid in self.foreign[daemon]:
                daemon.ctl(f"foreign?cid={cid}&name=stranger")

    def close(self):
        """What was wrong, as texts."""
        if self.books.count():
            self.books.stop()
        wrong = self.cluster.close()
        self.network.close()
        return wrong

    # --- what faults are made of ---

    def leader(self):
        return self.cluster.leader()

    def follower(self):
        return self.chance.choice(self.cluster.followers())

    def agent(self):
        return self.chance.choice(self.cluster.agents)

    def kill(self, *processes):
        for p in processes:
            p.kill9()
            self.down.append(p)
        return list(processes)

    def pause(self, process):
        process.pause()
        self.paused.append(process)
        return [process]

    def isolate(self, process, peers, hears=False, speaks=False):
        self.cut = True
        for p in peers:
            if p is process:
                continue
            if not hears:
                self.network.drop(p, process)
            if not speaks:
                self.network.drop(process, p)
        return [process]

    def undo(self):
        if self.cut:
            self.network.heal()
            self.cut = False
        for p in self.paused:
            p.resume()
        for p in self.down:
            p.start()
        for d in self.cluster.daemons:
            if d in self.down:
                d.wait()
                self.put_foreign(d)
        if set(self.down) & set(self.cluster.daemons):
            self.cluster.connect_daemons()
        self.down, self.paused = [], []


def _coordinator(who, how):
    def act(w):
        victim = getattr(w, who)()
        if how == "killed":
            return w.kill(victim)
        if how == "paused":
            return w.pause(victim)
        peers = w.cluster.coordinators + w.cluster.agents
        return w.isolate(victim, peers, hears=how == "mute",
                         speaks=how == "deaf")
    return act


def _agent(how):
    def act(w):
        victim = w.agent()
        if how == "killed":
            return w.kill(victim)
        if how == "paused":
            return w.pause(victim)
        return w.isolate(victim, w.cluster.coordinators,
                         hears=how == "mute", speaks=how == "deaf")
    return act


def _daemon(how):
    def act(w):
        agent = w.agent()
        if how == "killed":
            return w.kill(agent.daemon)
        if how == "paused":
            return w.pause(agent.daemon)
        return w.isolate(agent, [agent.daemon])
    return act


def _all_killed(w):
    victims = list(w.cluster.coordinators)
    w.chance.shuffle(victims)
    return w.kill(*victims)


def _split(w):
    """Two coordinators do not reach each other, the third reaches both."""
    one, other = w.chance.sample(w.cluster.coordinators, 2)
    w.isolate(one, [other])
    return [one, other]


def _leader_and_agent(w):
    agent = w.agent()
    return w.kill(w.leader()) + w.pause(agent)


def _leader_twice(w):
    """The next leader falls as soon as it leads: no majority is left."""
    first = w.kill(w.leader())
    return first + w.kill(w.leader())


# name, what it does, whether it needs the network
FAULTS = [
    *((f"{who} {how}", _coordinator(who, how), how not in
       ("killed", "paused"))
      for who in ("leader", "follower")
      for how in ("killed", "paused", "cut off", "deaf", "mute")),
    ("all coordinators killed", _all_killed, False),
    ("two coordinators parted", _split, True),
    ("leader killed twice", _leader_twice, False),
    ("leader killed, agent paused", _leader_and_agent, False),
    *((f"agent {how}", _agent(how), how not in ("killed", "paused"))
      for how in ("killed", "paused", "cut off", "deaf", "mute")),
    *((f"daemon {how}", _daemon(how), how == "cut off")
      for how in ("killed", "paused", "cut off")),
]


def sequence(chance, cut):
    """Faults for ever; each once before one comes again. cut: whether the
    network can be cut."""
    while True:
        deck = [f for f in FAULTS if cut or not f[2]]
        chance.shuffle(deck)
        yield from deck


def settled(cluster, seconds=40):
    """Until all coordinators serve, owe nothing and have one state."""
    cluster.wait_ready(seconds)
    until(lambda: all(c.metric("pinfold_operations_waiting") == 0
                      for c in cluster.coordinators), seconds,
          "no operation waits for its verdict")
    cluster.same_everywhere(seconds)


def misplaced(world, values):
    """What is wrong with the copies now: texts, empty when all is well."""
    cluster = world.cluster
    node_of = {p["id"]: p["peername"]
               for p in cluster.any().get("/peers").lines()}
    wanted = {d: set() for d in cluster.daemons}
    daemon_of = {f"node-{d.number}": d for d in cluster.daemons}
    wrong = []
    for cid, pin in cluster.any().pins().items():
        nodes = {node_of[p] for p in pin["allocations"]}
        if len(pin["allocations"]) != len(nodes) or \
                len(nodes) != values[cid][1]:
            wrong.append((cid, f"{values[cid][1]} copies wanted, allocated "
                               f"to {sorted(nodes)}"))
        for n in nodes:
            wanted[daemon_of[n]].add(cid)
    for d, cids in wanted.items():
        held = d.pins()
        wrong += [(cid, f"not on {d.name}") for cid in cids - held]
        wrong += [(cid, f"surplus on {d.name}")
                  for cid in held - cids - world.foreign[d]]
        wrong += [(cid, f"foreign pin gone from {d.name}")
                  for cid in world.foreign[d] - held]
    return wrong


def misreported(world, values):
    """What the coordinators say wrong about copies now."""
    wrong = []
    for c in world.cluster.coordinators:
        states = {x["cid"]: x["peer_map"] for x in c.get("/pins").lines()}
        for cid, (_, copies) in values.items():
            pinned = [p for p in states.get(cid, {}).values()
                      if p["status"] == "pinned"]
            if len(pinned) != copies:
                wrong.append((cid, f"{c.name} shows {len(pinned)} of "
                                   f"{copies} copies as pinned"))
        wrong += [(cid, f"{c.name} shows it still")
                  for cid in set(states) - set(values)]
    return wrong


def complete(world, seconds=60):
    """The whole check, with the clients held and the books settled."""
    values = {c: v for c, v in world.books.values().items() if v}
    end = time.monotonic() + seconds
    while True:
        try:
            seen = misplaced(world, values) or misreported(world, values)
        except OSError as e:
            seen = [("", repr(e))]
        if not seen or time.monotonic() > end:
            return seen
        time.sleep(0.2)
