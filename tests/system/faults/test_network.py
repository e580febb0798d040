"""The partitions of the fault tests are real: silent, one way or both."""

import sys

import pytest
from network import Network
from process import Process, free_port, until

ECHO = """
import socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    c, _ = s.accept()
    while data := c.recv(100):
        print("got", data.decode(), flush=True)
        c.sendall(data.upper())
"""
TALK = """
import socket, sys, time
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30)
at = 0
print("connected", flush=True)
c.setblocking(False)
while True:
    with open(sys.argv[2]) as f:
        words = f.read().split()
    for word in words[at:]:
        c.sendall(word.encode())
    at = len(words)
    try:
        print("heard", c.recv(100).decode(), flush=True)
    except BlockingIOError:
        time.sleep(0.02)
"""


@pytest.fixture
def network():
    made = Network()
    if why := made.enter():
        pytest.skip(why)
    yield made
    made.close()


def test_cuts(network, tmp_path):
    port, words = free_port(), tmp_path / "words"
    words.write_text("")
    server = Process("server", [sys.executable, "-c", ECHO, str(port)],
                     str(tmp_path))
    client = Process("client", [sys.executable, "-c", TALK, str(port),
                                str(words)], str(tmp_path))
    network.place(server)
    network.place(client)
    network.link(client, server, port)
    network.rules()

    def say(word):
        with open(words, "a", encoding="ascii") as f:
            f.write(word + " ")

    def sees(process, text):
        until(lambda: text in process.log_text(), 20,
              f"{process.name} sees {text}")

    def passes(word):
        say(word)
        sees(client, "heard " + word.upper())

    try:
        server.start()
        until(lambda: not _refused(port), 10, "the server is up")
        network.drop(client, server)
        client.start()
        until(lambda: network.dropped() > 0, 10, "the dial is dropped")
        assert "connected" not in client.log_text()
        network.heal()
        sees(client, "connected")
        passes("one")
        network.drop(client, server)  # the way there
        seen = network.dropped()
        say("two")
        until(lambda: network.dropped() > seen + 1, 10, "it is sent again")
        assert "two" not in server.log_text()
        network.heal()
        sees(client, "heard TWO")
        network.drop(server, client)  # the way back
        say("three")
        sees(server, "got three")
        seen = network.dropped()
        until(lambda: network.dropped() > seen + 1, 10, "it is answered")
        assert "THREE" not in client.log_text()
        network.heal()
        sees(client, "heard THREE")
        passes("four")  # the connection has lived through it all
    finally:
        for p in (server, client):
            if p.alive():
                p.kill9()


def _refused(port):
    """Whether nobody listens there; asked without a connection."""
    with open("/proc/thread-self/net/tcp", encoding="ascii") as f:
        return not any(f":{port:04X} 00000000:0000 0A" in line for line in f)
