"""Clients that cut, reset, half-close, mutate and pipeline requests.

abuse() returns how many connections were made; whether the server stood it
is for the caller to see: it must still answer, and release everything.
"""

import random
import socket
import struct
import sys
import threading
import time

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close sends RST
HOST = b"Host: a\r\n"


def requests(path="/"):
    """Raw requests on one path; more shapes than most routes accept."""
    p = path.encode()
    get = b"GET " + p + b" HTTP/1.1\r\n" + HOST + b"\r\n"
    post = b"POST " + p + b" HTTP/1.1\r\n" + HOST
    chunked = post + b"Transfer-Encoding: chunked\r\n\r\n"
    return [
        get,
        get * 20,
        get.replace(b"1.1", b"1.0"),
        get.replace(b"GET", b"HEAD"),
        chunked + b"4000\r\n" + b"x" * 0x4000 + b"\r\n",
        chunked + b"3\r\nabc\r\n0\r\nA: b\r\n\r\n" + get,
        post + b"Content-Length: 9\r\n\r\n123456789" + get[:-3],
        post + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n",
        post + b"Content-Length: 900000\r\n\r\n" + b"y" * 90000,
        post + b"Content-Length: 99999999999\r\n\r\n" + b"z" * 5000,
    ]


def _one_client(address, shapes, chance):
    with socket.create_connection(address, 2) as s:
        s.settimeout(0.05)
        for _ in range(chance.randint(1, 3)):
            data = bytearray(chance.choice(shapes))
            if chance.random() < 0.2:
                at = chance.randrange(len(data))
                data[at] = chance.randrange(256)
            if chance.random() < 0.3:
                del data[chance.randrange(1, len(data) + 1):]
            try:
                s.sendall(data)
                if chance.random() < 0.7:
                    s.recv(chance.choice([1, 100, 65536]))
            except TimeoutError:
                pass
        fate = chance.random()
        if fate < 0.3:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif fate < 0.5:
            s.shutdown(socket.SHUT_WR)


def abuse(host, port, shapes, seconds=25.0, threads=24, seed=1):
    """Runs the clients for a while; shapes are raw requests."""
    end = time.monotonic() + seconds
    counts = [0] * threads

    def work(i):
        chance = random.Random(seed * 1000 + i)
        while time.monotonic() < end:
            try:
                _one_client((host, port), shapes, chance)
                counts[i] += 1
            except OSError:
                pass

    workers = [threading.Thread(target=work, args=(i,))
               for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts)


if __name__ == "__main__":
    print(abuse(sys.argv[1], int(sys.argv[2]), requests(*sys.argv[3:])))
