"""Clients that pin at a steady rate and remember what was acknowledged."""

import threading
import time

from cluster import make_cid


class Load:
    """threads clients, each going from one coordinator to the next when it
    is refused, like a tool with several hosts."""

    def __init__(self, cluster, threads=4, rate=50, query="replication=2",
                 coordinators=None):
        self.hosts = coordinators or cluster.coordinators
        self.query, self.pause = query, threads / rate if rate else 0
        self.acknowledged = {}  # CID -> when, on the monotonic clock
        self.refused = 0
        self.wrong = []  # answers that nothing explains
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._client, args=(i,))
                         for i in range(threads)]

    def _client(self, number):
        host = number
        while not self._stop.is_set():
            cid = make_cid()
            while not self._stop.is_set():
                c = self.hosts[host % len(self.hosts)]
                if self._pin(c, cid):
                    break
                host += 1
                self._stop.wait(0.05)
            self._stop.wait(self.pause)

    def _pin(self, c, cid):
        try:
            answer = c.post(f"/pins/{cid}?{self.query}", timeout=12)
        except OSError:
            return False
        with self._lock:
            if answer.status == 200:
                self.acknowledged[cid] = time.monotonic()
            elif answer.status == 503:
                self.refused += 1
            else:
                self.wrong.append(answer)
        return answer.status == 200

    def start(self):
        for t in self._threads:
            t.start()
        return self

    def stop(self):
        self._stop.set()
        for t in self._threads:
            t.join(30)
        assert not self.wrong, self.wrong[:3]
        return set(self.acknowledged)

    def count(self):
        with self._lock:
            return len(self.acknowledged)

    def longest_gap(self, since):
        """Seconds without any acknowledgement, from a moment on."""
        with self._lock:
            times = sorted(t for t in self.acknowledged.values()
                           if t >= since)
        times = [since] + times
        return max(b - a for a, b in zip(times, times[1:]))


def pin_many(cluster, number, threads=8, query="replication=2",
             coordinators=None):
    """Pins that many as fast as the clients can; the CIDs."""
    load = Load(cluster, threads, 0, query, coordinators)
    load.start()
    end = time.monotonic() + 120
    while load.count() < number and time.monotonic() < end:
        time.sleep(0.02)
    cids = load.stop()
    assert len(cids) >= number, f"{len(cids)} of {number} within 120 s"
    return cids
