"""Malformed and merely odd HTTP/1.1 requests, and what must come back.

A refused request must get exactly one answer of the named status, as JSON,
and the connection must close. An accepted one must get the named number of
answers, whatever the route says.
"""

import re
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

HOST = b"Host: a\r\n"
CHUNKS = b"3\r\nabc\r\n0\r\n\r\n"
TIMEOUT_S = 8.0  # less than a server gives a head that does not end


@dataclass
class Case:
    name: str
    sent: bytes
    refused: int = 0  # status, 0 = accepted
    answers: int = 1
    in_body: bool = False  # a route may refuse it before the body counts


@dataclass
class Result:
    case: Case
    statuses: list
    end: str  # "closed", "open" or "reset"
    received: bytes


def cases(path="/e"):
    """The table, on a path of the server that is probed."""
    p = path.encode()
    get = b"GET " + p + b" HTTP/1.1\r\n" + HOST
    post = b"POST " + p + b" HTTP/1.1\r\n" + HOST
    te = b"Transfer-Encoding: "

    def raw(line, more=HOST):
        return line.replace(b"/e", p) + b"\r\n" + more + b"\r\n"

    def header(line):
        return get + line + b"\r\n\r\n"

    def body(headers, content=b"abc"):
        return post + headers + b"\r\n\r\n" + content

    def chunked(content, coding=b"chunked"):
        return post + te + coding + b"\r\n\r\n" + content

    return [
        Case("two equal lengths",
             body(b"Content-Length: 3\r\nContent-Length: 3"), 400),
        Case("two lengths",
             body(b"Content-Length: 3\r\nContent-Length: 8", b"abcGET /"),
             400),
        Case("length list", body(b"Content-Length: 3, 3"), 400),
        Case("length +3", body(b"Content-Length: +3"), 400),
        Case("length 2^64+3", body(b"Content-Length: 18446744073709551619"),
             400),
        Case("length empty", body(b"Content-Length:"), 400),
        Case("length and chunked",
             body(b"Content-Length: 3\r\n" + te + b"chunked", CHUNKS), 400),
        Case("gzip, chunked", chunked(CHUNKS, b"gzip, chunked"), 501),
        Case("xchunked", chunked(CHUNKS, b"xchunked"), 501),
        Case("chunked twice", chunked(CHUNKS, b"chunked\r\n" + te +
                                      b"chunked"), 400),
        Case("coding folded",
             body(b"Transfer-Encoding:\r\n chunked", CHUNKS), 501),
        Case("coding with VT", chunked(CHUNKS, b"\x0bchunked"), 400),
        Case("chunked on 1.0",
             raw(b"POST /e HTTP/1.0", HOST + te + b"chunked\r\n") + CHUNKS,
             400),
        Case("chunk extension", chunked(b"3;a=b\r\nabc\r\n0\r\n\r\n")),
        Case("chunk extension LF",
             chunked(b"3;a\nb\r\nabc\r\n0\r\n\r\n"), 400, in_body=True),
        Case("chunk bare LF",
             chunked(b"3\nabc\n0\n\n"), 400,
             in_body=True),
        Case("chunk size 0x3",
             chunked(b"0x3\r\nabc\r\n0\r\n\r\n"), 400,
             in_body=True),
        Case("chunk size huge",
             chunked(b"ffffffffffffffff3\r\nabc\r\n0\r\n\r\n"), 400,
             in_body=True),
        Case("chunk without CRLF",
             chunked(b"3\r\nabcXX0\r\n\r\n"), 400,
             in_body=True),
        Case("request trailer",
             chunked(b"3\r\nabc\r\n0\r\nX-T: 1\r\nContent-Length: 5\r\n\r\n")),
        Case("bare LF head", b"GET " + p + b" HTTP/1.1\nHost: a\n\n", 400),
        Case("bare LF line", raw(b"GET /e HTTP/1.1", b"Host: a\nX: y\r\n"),
             400),
        Case("bare CR in value", header(b"X: a\rY: b"), 400),
        Case("NUL in value", header(b"X: a\0b"), 400),
        Case("NUL in name", header(b"X\0a: b"), 400),
        Case("NUL in path", raw(b"GET /e\0x HTTP/1.1"), 400),
        Case("0x01 in value", header(b"X: a\x01b"), 400),
        Case("folded header", header(b"X: a\r\n b"), 400),
        Case("folded first header",
             raw(b"GET /e HTTP/1.1", b" Host: a\r\nHost: b\r\n"), 400),
        Case("blank before colon",
             raw(b"GET /e HTTP/1.1", b"Host : a\r\n"), 400),
        Case("length blank colon", body(b"Content-Length : 3"), 400),
        Case("empty name", header(b": x"), 400),
        Case("no colon", header(b"garbage"), 400),
        Case("two hosts", header(b"Host: b"), 400),
        Case("host with a path", raw(b"GET /e HTTP/1.1", b"Host: a/b\r\n"),
             400),
        Case("host with a blank", raw(b"GET /e HTTP/1.1", b"Host: a, b\r\n"),
             400),
        Case("no host", raw(b"GET /e HTTP/1.1", b""), 400),
        Case("header of 40 kB", header(b"X: " + b"a" * 40000), 431),
        Case("500 headers", header(b"\r\n".join([b"X: a"] * 500)), 431),
        Case("5000 headers", header(b"\r\n".join([b"X: a"] * 5000)), 431),
        Case("target of 8 kB", raw(b"GET /" + b"a" * 8000 + b" HTTP/1.1")),
        Case("target of 100 kB",
             raw(b"GET /" + b"a" * 100000 + b" HTTP/1.1"), 414),
        Case("absolute form", raw(b"GET http://evil/ HTTP/1.1"), 400),
        Case("authority form", raw(b"CONNECT a:80 HTTP/1.1"), 400),
        Case("asterisk", raw(b"OPTIONS * HTTP/1.1")),
        Case("path %00", raw(b"GET /x%00x?q=a%00b HTTP/1.1")),
        Case("path %2F %zz", raw(b"GET /a%2Fb%zz?x=%41+b HTTP/1.1")),
        Case("path ../", raw(b"GET /a/../../b HTTP/1.1")),
        Case("path raw UTF-8", raw(b"GET /\xc3\xa9 HTTP/1.1"), 400),
        Case("path fragment", raw(b"GET /e#f HTTP/1.1"), 400),
        Case("blank in target", raw(b"GET /e x HTTP/1.1"), 400),
        Case("two blanks", raw(b"GET  /e HTTP/1.1"), 400),
        Case("tabs", raw(b"GET\t/e\tHTTP/1.1"), 400),
        Case("unknown method", raw(b"FROB /e HTTP/1.1")),
        Case("lower-case method", raw(b"get /e HTTP/1.1")),
        Case("method of 5 kB", raw(b"A" * 5000 + b" /e HTTP/1.1"), 400),
        Case("HTTP/1.0", raw(b"GET /e HTTP/1.0", b"")),
        Case("HTTP/0.9", raw(b"GET /e", b""), 400),
        Case("HTTP/1.2", raw(b"GET /e HTTP/1.2")),
        Case("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        Case("http/1.1", raw(b"GET /e http/1.1"), 400),
        Case("leading CRLF", b"\r\n\r\n" + get + b"\r\n"),
        Case("three pipelined", (get + b"\r\n") * 3, answers=3),
        Case("TLS hello",
             bytes.fromhex("16030100c8010000c40303") + b"x" * 200, 400),
        Case("Expect other", body(b"Content-Length: 3\r\nExpect: foo"), 417),
        Case("Upgrade h2c",
             header(b"Connection: Upgrade, HTTP2-Settings\r\n"
                    b"Upgrade: h2c\r\nHTTP2-Settings: x")),
    ]


def ask(host, port, case):
    """Sends one case and half-closes; returns all that comes back."""
    received, end = b"", "closed"
    with socket.create_connection((host, port), TIMEOUT_S) as s:
        s.settimeout(TIMEOUT_S)
        try:
            s.sendall(case.sent)
            s.shutdown(socket.SHUT_WR)
            while part := s.recv(65536):
                received += part
        except TimeoutError:
            end = "open"
        except OSError:
            end = "reset"
    statuses = [int(x) for x in
                re.findall(rb"HTTP/1\.[01] (\d\d\d) ", received)]
    return Result(case, statuses, end, received)


def problem(result):
    """What is wrong with a result, or None."""
    case = result.case
    if result.end != "closed":
        return f"{case.name}: connection {result.end} after half-close"
    if not case.refused:
        if len(result.statuses) != case.answers:
            return f"{case.name}: {result.statuses}, want {case.answers}"
        return None
    early = (case.in_body and len(result.statuses) == 1 and
             result.statuses[0] >= 400)
    if result.statuses != [case.refused] and not early:
        return f"{case.name}: {result.statuses}, want {case.refused}"
    head = result.received.split(b"\r\n\r\n")[0].lower()
    if b"content-type: application/json" not in head and not early:
        return f"{case.name}: not JSON"
    if b"connection: close" not in head:
        return f"{case.name}: stays open"
    return None


def probe(host, port, path="/e"):
    """All problems that a server shows, as a list of texts."""
    with ThreadPoolExecutor(8) as pool:
        results = pool.map(lambda c: ask(host, port, c), cases(path))
        return [p for p in map(problem, results) if p]


if __name__ == "__main__":
    found = probe(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
    print("\n".join(found) or "no problems")
    sys.exit(bool(found))
