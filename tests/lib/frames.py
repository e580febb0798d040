"""Frames of the links, as docs/protocol.md has them, for hostile peers."""

import os
import socket
import struct

ROLES = {"agent": 1, "data": 2, "raft": 3, "peer": 4}


def preface(role):
    return b"PINFOLD" + bytes([ROLES[role]])


def _number(n):
    if n < 0:
        return bytes([n & 0xFF]) if n >= -32 else struct.pack(">bq", -45, n)
    if n < 128:
        return bytes([n])
    for code, form, most in ((0xCC, ">B", 8), (0xCD, ">H", 16),
                             (0xCE, ">I", 32), (0xCF, ">Q", 64)):
        if n < 1 << most:
            return bytes([code]) + struct.pack(form, n)
    raise ValueError(n)


def _sized(n, codes):
    for code, form, most in zip(codes, (">B", ">H", ">I"), (8, 16, 32)):
        if code and n < 1 << most:
            return bytes([code]) + struct.pack(form, n)
    raise ValueError(n)


def pack(v):
    """msgpack, each value in its shortest form."""
    if v is None:
        return b"\xc0"
    if isinstance(v, bool):
        return b"\xc3" if v else b"\xc2"
    if isinstance(v, int):
        return _number(v)
    if isinstance(v, bytes):
        return _sized(len(v), (0xC4, 0xC5, 0xC6)) + v
    if isinstance(v, str):
        data = v.encode()
        head = bytes([0xA0 | len(data)]) if len(data) < 32 else \
            _sized(len(data), (0xD9, 0xDA, 0xDB))
        return head + data
    head = bytes([0x90 | len(v)]) if len(v) < 16 else \
        _sized(len(v), (None, 0xDC, 0xDD))
    return head + b"".join(pack(x) for x in v)


def frame(*values):
    body = pack(list(values))
    return struct.pack(">I", len(body)) + body


def hello(key, name="hostile", boot=1):
    return frame(1, 1, key, boot, bytes(16), 0, "0", name, [], 0)


def beat(index=0, history=bytes(16)):
    """Of a node whose daemon is down: nothing is placed there."""
    return frame(3, 1, history, index, 0, 0, 1, "", "",
                 [b"\x12\x20" + b"h" * 32, []],
                 *[0] * 10, [], [])


def report(pins, boot=1, seq=1, state=1):
    return frame(5, 1, boot, seq,
                 [[pin, index, state, 1, 0, 0, ""] for pin, index in pins])


def welcome(code=0):
    return frame(2, 1, code, "", 1, "hostile", 1, bytes(16), 1, 1, 1)


def peer_hello(raft_id, key, cluster, members, boot=1,
               address="127.0.0.1:1"):
    return frame(1, 2, [raft_id, key, "hostile", address, ""], boot, [], True,
                 cluster, members, "0")


def status(role, term, leader, index):
    return frame(2, 2, role, term, leader, index, index, index, index,
                 os.urandom(16), 2**62, True, 0)


def connect(port, data=b"", timeout=10):
    s = socket.create_connection(("127.0.0.1", port), timeout)
    if data:
        try:
            s.sendall(data)
        except OSError:
            pass  # closed before all was sent
    return s


def read_frame(s):
    """One message's bytes; None at the end of the connection."""
    data = b""
    while len(data) < 4 or len(data) < 4 + struct.unpack(">I", data[:4])[0]:
        want = 4 if len(data) < 4 else 4 + struct.unpack(">I", data[:4])[0]
        try:
            part = s.recv(want - len(data))
        except ConnectionResetError:
            return None
        if not part:
            return None
        data += part
    return data[4:]


def closed(s):
    """Reads to the end; fails by the socket's timeout."""
    try:
        while s.recv(65536):
            pass
    except ConnectionResetError:
        pass
    s.close()
    return True
