"""Listeners that misbehave, for programs that dial: each kind is a function
that gets a connected socket and an event that ends it."""

import contextlib
import os
import socket
import threading


class Speaker:
    """Serves every connection on a thread of its own until stop()."""

    def __init__(self, behave):
        self.behave, self.connections = behave, 0
        self.over = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.1)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while not self.over.is_set():
            try:
                s = self.listener.accept()[0]
            except TimeoutError:
                continue
            self.connections += 1
            threading.Thread(target=self._serve, args=(s,),
                             daemon=True).start()
        self.listener.close()

    def _serve(self, s):
        s.settimeout(0.2)
        with s, contextlib.suppress(OSError):
            self.behave(s, self.over)

    def stop(self):
        self.over.set()
        self.thread.join()


def silence(s, over):
    over.wait()


def garbage(s, over):
    s.sendall(os.urandom(5000))
    over.wait()


def hang_up(s, over):
    del s, over


def says(data):
    """Sends bytes and closes."""
    def behave(s, over):
        with contextlib.suppress(TimeoutError):
            s.recv(4096)
        s.sendall(data)

    return behave


def dribble(data, seconds=0.1):
    """One byte at a time, then over again."""
    def behave(s, over):
        at = 0
        while not over.wait(seconds):
            s.sendall(data[at:at + 1])
            at = (at + 1) % len(data)

    return behave


def flood(head, block):
    """Sends without end."""
    def behave(s, over):
        s.sendall(head)
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                s.sendall(block)

    return behave
