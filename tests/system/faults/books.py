"""Clients that create, change and remove pins under faults, and keep books.

Each client owns its CIDs and does one thing at a time with each. A value is
(name, copies); the name carries a number that no other operation has, and the
metadata repeats it. None means removed. What was answered 200 holds from then
on. After an unknown outcome (no answer, 503) the operation may still apply
later, so either the same one is sent again until it is acknowledged, or it
stays unknown; in both cases nothing else is asked of that CID before settle()
has seen, with all coordinators healthy and idle, what became of it.
"""

import random
import threading
import time

from cluster import make_cid

PATIENCE = 3  # seconds for one answer; then the next coordinator
AVOID = 2     # seconds without a coordinator that did not answer
TRIES = 12    # of an operation that is sent again


class Item:
    def __init__(self, cid, owner):
        self.cid, self.owner = cid, owner
        self.possible = {None}
        self.frozen = False
        self.history = []

    def note(self, what):
        self.history.append(f"{time.strftime('%H:%M:%S')}"
                            f".{int(time.time() * 1000) % 1000:03d} {what}")


class Books:
    """threads clients on a cluster; make: gives a CID that can be pinned."""

    def __init__(self, cluster, seed, threads=8, pause=0.05, make=make_cid,
                 most=60):
        self.cluster, self.make = cluster, make
        self.pause, self.most = pause, most
        self.items = [[] for _ in range(threads)]
        self.acknowledged = []  # times on the monotonic clock
        self.counts = {"create": 0, "change": 0, "remove": 0, "unknown": 0,
                       "again": 0, "read": 0, "refused": 0}
        self.wrong = []
        self.number = 0
        self.lock = threading.Lock()
        self._go, self._end = threading.Event(), False
        self._busy = 0
        self._idle = threading.Condition(self.lock)
        self._avoid = [{} for _ in range(threads)]  # coordinator -> until
        self._threads = [
            threading.Thread(target=self._client, daemon=True,
                             args=(i, random.Random(f"{seed}/{i}")))
            for i in range(threads)]

    # --- running ---

    def start(self):
        for t in self._threads:
            t.start()
        self._go.set()
        return self

    def hold(self, seconds=60):
        """Clients finish what they do, and wait."""
        self._go.clear()
        with self._idle:
            assert self._idle.wait_for(lambda: self._busy == 0, seconds), \
                "a client does not come back"

    def go(self):
        self._go.set()

    def stop(self):
        self._end = True
        self._go.set()
        for t in self._threads:
            t.join(60)

    def count(self):
        with self.lock:
            return len(self.acknowledged)

    def gap(self, since, till):
        """Longest time without an acknowledgement between two moments."""
        with self.lock:
            times = [t for t in self.acknowledged if since < t < till]
        times = [since, *sorted(times), till]
        return max(b - a for a, b in zip(times, times[1:]))

    def _client(self, number, chance):
        mine = self.items[number]
        while not self._end:
            self._go.wait()
            with self.lock:
                self._busy += 1
            try:
                if self._go.is_set() and not self._end:
                    self._act(number, mine, chance)
            except Exception as e:  # noqa: BLE001, a test's own mistake
                with self.lock:
                    self.wrong.append(f"client {number}: {e!r}")
            finally:
                with self._idle:
                    self._busy -= 1
                    self._idle.notify_all()
            time.sleep(self.pause)

    # --- one operation ---

    def _act(self, number, mine, chance):
        free = [i for i in mine if not i.frozen and i.possible != {None}]
        dice = chance.random()
        if len(free) < 3 or (dice < 0.5 and len(free) < self.most):
            gone = [i for i in mine if not i.frozen and i.possible == {None}]
            if gone and chance.random() < 0.3:
                item = chance.choice(gone)
            else:
                item = Item(self.make(), number)
                with self.lock:
                    mine.append(item)
            kind = "create"
        else:
            item = chance.choice(free)
            kind = "change" if dice < 0.8 else "remove"
        value = None
        if kind != "remove":
            with self.lock:
                self.number += 1
                value = (f"n{self.number}", chance.choice((1, 2, 2, 2, 3)))
        self._send(item, kind, value, chance)

    def _send(self, item, kind, value, chance):
        before = set(item.possible)
        unknown = False
        for _ in range(TRIES):
            c = self._host(item.owner, chance)
            status = self._ask(item, c, kind, value, again=unknown)
            if status == 200:
                item.possible = {value}
                item.frozen = unknown
                with self.lock:
                    self.acknowledged.append(time.monotonic())
                    self.counts[kind] += 1
                if not unknown and chance.random() < 0.25:
                    self._read(item, c, value)
                return
            if status == 500:  # definitely refused
                if not unknown:
                    return
            else:
                unknown = True
                item.possible = before | {value}
                item.frozen = True
                with self.lock:
                    self.counts["unknown"] += 1
            if unknown and chance.random() < 0.4:
                return
            if self._end or not self._go.is_set():
                return
            with self.lock:
                self.counts["again"] += 1

    def _host(self, client, chance):
        """The first clients stay with one each, so that the time without
        an acknowledgement is the cluster's and not the clients'."""
        if client < len(self.cluster.coordinators):
            return self.cluster.coordinators[client]
        now, avoid = time.monotonic(), self._avoid[client]
        good = [c for c in self.cluster.coordinators if avoid.get(c, 0) < now]
        return chance.choice(good or self.cluster.coordinators)

    def _ask(self, item, c, kind, value, again):
        """200, 500 (refused) or 503 (anything may have happened)."""
        path = f"/pins/{item.cid}"
        if value:
            path += (f"?name={value[0]}&meta-number={value[0]}"
                     f"&replication={value[1]}")
        text = f"{c.name} {kind} {value or ''}"
        try:
            answer = c.call("DELETE" if kind == "remove" else "POST", path,
                            timeout=PATIENCE)
        except OSError as e:
            item.note(f"{text}: {type(e).__name__}")
            self._avoid[item.owner][c] = time.monotonic() + AVOID
            return 503
        item.note(f"{text}: {answer.status}")
        if not answer.complete:
            return 503
        if answer.status in (200, 503):
            return answer.status
        if answer.status == 404 and kind == "remove" and again:
            return 200  # the first attempt has done it
        if answer.status == 500 and b"not enough peers" in answer.body:
            with self.lock:
                self.counts["refused"] += 1
            return 500
        with self.lock:
            self.wrong.append(f"{item.cid}: {text}: {answer}")
        return 503

    def _read(self, item, c, value):
        """Whoever acknowledged it shows it, or does not answer."""
        try:
            answer = c.get(f"/allocations/{item.cid}", timeout=PATIENCE)
        except OSError:
            return
        if answer.status == 503:
            return
        seen = self.value(answer.json()) if answer.status == 200 else None
        with self.lock:
            self.counts["read"] += 1
            if answer.status not in (200, 404) or seen != value:
                item.note(f"{c.name} shows {seen}")
                self.wrong.append(f"{item.cid}: {c.name} acknowledged {value}"
                                  f" and shows {answer.status} {seen}")

    # --- checking ---

    @staticmethod
    def value(pin):
        """The value in an allocation object; name and metadata agree."""
        if pin["name"] != pin["metadata"].get("number"):
            return ("torn", pin["name"], pin["metadata"])
        if pin["replication_factor_min"] != pin["replication_factor_max"]:
            return ("torn", pin)
        return (pin["name"], pin["replication_factor_max"])

    def all(self):
        return [i for mine in self.items for i in mine]

    def settle(self, pins):
        """Compares a list (CID -> allocation object) with the books, and
        writes down what became of unknown outcomes. Clients are held."""
        bad = []
        known = {i.cid: i for i in self.all()}
        for cid, item in known.items():
            seen = self.value(pins[cid]) if cid in pins else None
            if seen not in item.possible:
                bad.append((item, f"is {seen}, may be {item.possible}"))
            item.possible, item.frozen = {seen}, False
        bad += [(Item(cid, -1), "nobody asked for it")
                for cid in set(pins) - set(known)]
        return bad

    def values(self):
        """CID -> value, after settle()."""
        return {i.cid: next(iter(i.possible)) for i in self.all()}
