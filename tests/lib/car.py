"""CARs (version 1) as the tests need them, good and bad."""

import base64
import hashlib

RAW, DAG_PB = 0x55, 0x70


def varint(n):
    out = b""
    while n >= 128:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def cid_bytes(codec, data):
    return b"\x01" + varint(codec) + b"\x12\x20" + \
        hashlib.sha256(data).digest()


def cid_text(cid):
    return "b" + base64.b32encode(cid).decode().lower().rstrip("=")


def _head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    return bytes([major << 5 | 24, n])


def header(roots, version=1):
    body = _head(5, 2) + _head(3, 5) + b"roots" + _head(4, len(roots))
    for cid in roots:
        body += b"\xd8\x2a" + _head(2, len(cid) + 1) + b"\0" + cid
    body += _head(3, 7) + b"version" + _head(0, version)
    return varint(len(body)) + body


def section(cid, data):
    return varint(len(cid) + len(data)) + cid + data


def _field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def file_node(leaves, size):
    """A UnixFS file of raw leaves [(CID, length)]: its dag-pb block."""
    unixfs = b"\x08\x02\x18" + varint(size) + b"".join(
        b"\x20" + varint(n) for _, n in leaves)
    return b"".join(_field(2, _field(1, cid) + _field(2, b"") + b"\x18" +
                           varint(n)) for cid, n in leaves) + \
        _field(1, unixfs)


class Car:
    """One file as a CAR. pieces: the bytes of its leaves."""

    def __init__(self, pieces):
        self.data = b"".join(pieces)
        blocks = [(cid_bytes(RAW, p), p) for p in pieces]
        root = file_node([(c, len(d)) for c, d in blocks], len(self.data))
        self.root = cid_bytes(DAG_PB, root)
        self.cid = cid_text(self.root)
        self.blocks = [(self.root, root), *blocks]

    @property
    def block_bytes(self):
        return sum(len(d) for _, d in self.blocks)

    def bytes(self, roots=None, version=1):
        return header([self.root] if roots is None else roots, version) + \
            b"".join(section(c, d) for c, d in self.blocks)
