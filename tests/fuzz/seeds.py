#!/usr/bin/python3
"""Writes the seeds of those fuzzers whose inputs are short texts or can be
made from the golden bytes: tests/fuzz/seeds.py. The others' seeds were kept
from their unit tests; inputs that found a fault stay beside them.
"""

import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from car import Car  # noqa: E402
GOLDEN = os.path.join(HERE, "..", "golden")
CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
PEER = "12D3KooWShd9FjdJgs6oRoqxJ5GmAVQdEJwekRrKLsgY1hrC2y3K"


def golden(name):
    with open(os.path.join(GOLDEN, name + ".hex"), encoding="ascii") as f:
        return bytes.fromhex("".join(f.read().split()))


def text(n):
    assert n < 32
    return bytes([0xA0 + n]) + b"n" * n


def blob(n):
    return bytes([0xC4, n]) + b"\x07" * n


def words(*values):
    return b"".join(struct.pack("<Q", v) for v in values)


FRAMES = {name: b"\x03" + golden(preface) + golden(first) + golden(second)
          for name, preface, first, second in (
              ("agent", "preface_agent_v1", "message_hello_v1",
               "message_beat_v1"),
              ("peer", "preface_peer_v1", "peer_hello_v2", "peer_status_v2"),
              ("data", "preface_data_v1", "message_ticket_v1",
               "message_end_v1"))}
FRAMES["none"] = b"\x01" + bytes(20)
FRAMES["large"] = b"\x02" + golden("preface_peer_v1") + b"\x00\x10\x00\x01" \
    + b"x" * 20

ADDRESSES = {"v4": b"127.0.0.1:9096", "v6": b"[::1]:9096", "name": b"a.b:1",
             "bare": b"localhost", "unix": b"unix:/run/x.sock",
             "colons": b"::1:9096", "port": b"127.0.0.1:65536"}

QUERIES = {"pair": b"name=a+b%20c&meta-k=%C3%A9&x", "path": b"/a%2Fb//c/",
           "bad": b"a=%zz&%00=1&b=%7f", "long": b"n=" + b"a" * 80}

LINES = {
    "two": b"\x00" + b'{"Name":"a","Hash":"%b","Size":"5"}\n'
           b'{"Name":"","Hash":"%b","Size":"9"}\n' % ((CID.encode(),) * 2),
    "progress": b"\x07" + b'{"Name":"a","Bytes":262144}\n'
                b'{"Name":"a","Hash":"%b","Size":"5"}\n' % CID.encode(),
    "error": b"\x04" + b'{"Message":"no","Code":0,"Type":"error"}\n',
    "escapes": b"\x02" + '{"Name":"\\u00e9\\n","Hash":"x"}\n'.encode()}

OPTIONS = {
    "many": b"name=n&replication-min=1&replication-max=3&mode=direct"
            b"&expire-in=72h30m&meta-k=v&shard-size=5&user-allocations=",
    "time": b"expire-at=2100-01-01T00:00:00.5Z&replication=-1",
    "origins": b"origins=/ip4/1.2.3.4/tcp/1/p2p/" + PEER.encode(),
    "update": b"pin-update=" + CID.encode(),
    "add": b"cid-version=1&chunker=rabin&hash=sha2-256&layout=trickle"
           b"&raw-leaves=true&stream-channels=false&progress=true&local=1",
    "refused": b"shard=true&nocopy=true&format=car"}

STATUS = ('{"cid":"%s","name":"x","created":"2026-01-01T00:00:00Z",'
          '"allocations":["%s"],"peer_map":{"%s":{"peername":"n1",'
          '"status":"pinned","timestamp":"2026-01-01T00:00:00Z","error":"",'
          '"attempt_count":1,"bytes":7},"b":{"status":"pin_error",'
          '"error":"no\\u001b[31m"}}}' % (CID, PEER, PEER)).encode()
ANSWERS = {"status": b"\x04" + STATUS + b"\n" + STATUS,
           "refusal": b"\x03" + b'{"code":404,"message":"not pinned"}\n',
           "ready": b"\x08" + b'{"ready":false,"reason":"no leader"}'}

FORM = b"--b\r\nContent-Disposition: form-data; filename=\"x%2Fa.car\"\r\n" \
    b"Content-Type: application/octet-stream\r\n\r\n"
_CAR = Car([b"one" * 9, b"two\r\n--bc"])
CARS = {"good": b"\x06" + FORM + _CAR.bytes() + b"\r\n--b--\r\n",
        "roots": b"\x01" + FORM + _CAR.bytes(roots=[_CAR.root] * 2),
        "cut": b"\x05--b\r\n\r\n" + _CAR.bytes()[:-3] + b"\r\n--b--\r\n",
        "two": b"\x11" + FORM + _CAR.bytes() + b"\r\n" + FORM,
        "version": b"\x21" + FORM + _CAR.bytes(version=2)}

KEY = "ab" * 32
MEMBERS = ('{"format":1,"raft_id":7,"boot":3,"formed":true,"cluster":"%s",'
           '"members":[{"raft_id":7,"key":"%s","address":"127.0.0.1:9096"},'
           '{"raft_id":9,"key":"%s","address":"127.0.0.1:9097"}]}\n'
           % (KEY, KEY, KEY)).encode()
FILES = {"formed": MEMBERS,
         "new": MEMBERS[:MEMBERS.index(b'"members"')].replace(
             b"true", b"false") + b'"members":[]}\n'}

ROWS = {
    "node": b"\x00\x9b\x01" + blob(32) + b"\x01" + text(4) + b"\x92" +
            text(3) + text(5) + b"\xcd\x10\x00\x01\x00\xc2\x05\x06",
    "cluster": b"\x01\x95\x01" + blob(32) + blob(16) + blob(16) + b"\x2a",
    "principal": b"\x03\x96\x01" + text(3) + b"\x05\x03" + text(2) +
                 text(9),
    "token": b"\x04\x96\x01\x03\xc3" + text(4) + b"\x07" + blob(32),
    "coordinator": b"\x02\x95\x01" + blob(32) + text(3) + text(14) +
                   text(0)}

ERRORS = {f"error{i:02}": bytes([kind, status]) + body for i, (
    kind, status, body) in enumerate((
        (10, 6, b'{"Message":"path \'x\' is not pinned","Code":0,'
                b'"Type":"error"}'),
        (12, 6, b'{"Message":"not pinned or pinned indirectly"}'),
        (11, 6, b'{"Message":"no space left on device\\u0000\\n"}'),
        (11, 0, b"context deadline exceeded"), (13, 6, b"\xff\xfe\x00"),
        (0, 4, b"404 page not found"), (15, 1, b'{"Message":""}'),
        (0, 6, b"")))}

CONFIGURATION = (b"\x01" + words(1) + words(7) + b"a:1\x00\x01")
CONFIGURATION += bytes(-len(CONFIGURATION) % 8)
RAFT = {
    "heartbeat": words(1, 48) + words(3, 5, 3, 5, 0, 0),
    "entries": words(1, 80) + words(3, 5, 3, 5, 2, 3, 1 | 16 << 32, 3,
                                    1 | 8 << 32, 0) + bytes(24),
    "change": words(1, 64) + words(
        1, 0, 0, 0, 1, 1, 3 | len(CONFIGURATION) << 32, 0) + CONFIGURATION,
    "stored": words(2, 32) + words(3, 0, 9, 0),
    "vote": words(3, 40) + words(3, 7, 9, 3, 1),
    "voted": words(4, 24) + words(3, 1, 0),
    "install": words(5, 56 + len(CONFIGURATION)) + words(
        3, 9, 3, 1, len(CONFIGURATION)) + CONFIGURATION + words(8, 0) +
    bytes(8),
    "timeout": words(6, 24) + words(3, 9, 3)}

CREDENTIALS = {"token": b"\x00pft_12_" + b"a7" * 25 + b"ma",
               "basic": b"\x01bGFiL2FubjpjOmQ=", "plain": b"\x01YTpi"}

_WHO = b'192.0.2.7 - - [10/Oct/2020:13:55:36 +0200] "'
ACCESSES = {
    "combined": _WHO + b'GET /ipfs/%b/a?b HTTP/1.1" 206 7 "-" "x \\"y"'
                % CID.encode(),
    "vhost": CID.encode() + b'.ipfs.h:443 2001:db8::1 - u '
             b'[10/Oct/2020:13:55:36 -0730] "GET / HTTP/2.0" 304 -',
    "url": _WHO + b'GET http://%b.ipfs.h/ HTTP/1.1" 200 0' % CID.encode(),
    "post": _WHO + b'POST /x HTTP/1.1" 200 0',
    "tls": _WHO + b'\\x16" 400 0',
    "nginx": b'{"time_iso8601":"2020-10-10T13:55:36+02:00","remote_addr":'
             b'"::ffff:1.2.3.4","request":"GET \\/ipfs\\/%b",'
             b'"status":"200","body_bytes_sent":"9"}' % CID.encode(),
    "caddy": b'{"ts":1602330936.25,"request":{"client_ip":"::1","method":'
             b'"GET","host":"%b.ipfs.h","uri":"/"},"size":9,"status":206}'
             % CID.encode()}

COMMANDS = {"plain": b"dag/put", "query": b"cat?arg=x&length=1",
            "put": b"block/put?pin=true", "never": b"config/show",
            "list": b"id,files/*\x00files/ls?arg=/",
            "path": b"/ipfs/" + CID.encode() + b"/x", "uri": b"ipns://a/b",
            "cid": CID.encode()}

_PIN = b'{"cid":"%b","name":"\\u00e9","origins":["/ip4/1.2.3.4/tcp/1/p2p/' \
    b'%b"],"meta":{"k":"v"}}' % (CID.encode(), PEER.encode())
PINNING = {
    "body": b"\x00" + _PIN, "bare": b'\x00{"cid":"%b"}' % CID.encode(),
    "list": b"\x01status=failed%2Cpinned&limit=2&name=n&match=ipartial"
            b"&meta=%7B%22k%22%3A%22v%22%7D&before=2020-01-01T00:00:00.123Z",
    "kubo": b"\x01meta=map%5Bk%3Av%5D&limit=10&cid=" + CID.encode(),
    "id": b"\x017c283f1a-e9cc-fa7f-c611-b72a6b2e627e"}

SEEDS = {"access_log": ACCESSES, "auth": CREDENTIALS, "frame": FRAMES,
         "addr": ADDRESSES, "http_query": QUERIES,
         "add_lines": LINES, "pin_options": OPTIONS,
         "psa": PINNING, "ctl_answers": ANSWERS,
         "member": FILES, "store_row": ROWS, "kubo_text": ERRORS,
         "raft_message": RAFT, "car": CARS, "rpc": COMMANDS}


def main():
    for target, seeds in SEEDS.items():
        folder = os.path.join(HERE, "corpus", target)
        os.makedirs(folder, exist_ok=True)
        for name, data in seeds.items():
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)


if __name__ == "__main__":
    main()
