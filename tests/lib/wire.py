"""HTTP as the tests need it: one request a connection, trailers included."""

import json
import re
import socket


class Answer:
    """Status, headers and trailers (lower-case names), body."""

    def __init__(self, raw):
        head, _, rest = raw.partition(b"\r\n\r\n")
        while re.match(rb"HTTP/1\.1 1\d\d ", head):  # interim answers
            head, _, rest = rest.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        m = re.match(r"HTTP/1\.1 (\d\d\d) ", lines[0])
        if not m:
            raise OSError(f"no HTTP answer: {raw[:80]!r}")
        self.status = int(m.group(1))
        self.headers = self._fields(lines[1:])
        self.trailers = {}
        self.complete = True
        self.body = rest
        if self.headers.get("transfer-encoding") == "chunked":
            self._unchunk(rest)
        elif "content-length" in self.headers:
            self.complete = len(rest) == int(self.headers["content-length"])

    @staticmethod
    def _fields(lines):
        fields = {}
        for line in filter(None, lines):
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            fields[name] = f"{fields[name]}, {value}" if name in fields \
                else value
        return fields

    def _unchunk(self, rest):
        parts, at, self.complete = [], 0, False
        while (end := rest.find(b"\r\n", at)) >= 0:
            n = int(rest[at:end].split(b";")[0], 16)
            at = end + 2
            if n == 0:
                lines = rest[at:].decode("latin-1").split("\r\n")
                self.trailers = self._fields(lines)
                self.complete = rest.endswith(b"\r\n")
                break
            parts.append(rest[at:at + n])
            at += n + 2
        self.body = b"".join(parts)

    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)

    def lines(self):
        return [json.loads(x) for x in self.body.splitlines() if x]

    def message(self):
        """The text of an error answer, whose form is checked."""
        error = self.json()
        assert set(error) == {"code", "message"}, error
        assert error["code"] == self.status, (error, self.status)
        assert self.headers["content-type"] == "application/json"
        return error["message"]

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def dial(port, timeout, context):
    """A connection; by TLS if there is a context."""
    s = socket.create_connection(("127.0.0.1", port), timeout)
    return context.wrap_socket(s, server_hostname="localhost") \
        if context else s


def raw_request(port, data, timeout=20, context=None):
    """Sends bytes (or each of an iterable), reads until the close."""
    parts = [data] if isinstance(data, bytes) else data
    received = []
    with dial(port, timeout, context) as s:
        try:
            for part in parts:
                s.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # an answer may have come before the end of the request
        try:
            while block := s.recv(1 << 16):
                received.append(block)
        except ConnectionResetError:
            if not received:
                raise
        except TimeoutError:
            raise TimeoutError(f"neither answered nor closed in {timeout} s; "
                               f"so far: {b''.join(received)[:500]!r}"
                               ) from None
    return b"".join(received)


def request(port, method, path, body=None, headers=None, timeout=20,
            context=None):
    """body: bytes, or an iterable of bytes that is sent in chunks."""
    fields = {"Host": f"127.0.0.1:{port}", "Connection": "close",
              **(headers or {})}
    if body is None and method in ("POST", "PUT"):
        body = b""
    chunked = body is not None and not isinstance(body, bytes)
    if chunked:
        fields["Transfer-Encoding"] = "chunked"
    elif body is not None:
        fields["Content-Length"] = str(len(body))
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(
        f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n"

    def parts():
        yield head.encode()
        if chunked:
            for part in body:
                yield b"%x\r\n%s\r\n" % (len(part), part)
            yield b"0\r\n\r\n"
        elif body:
            yield body

    return Answer(raw_request(port, parts(), timeout, context))


def multipart(files, boundary="pinfoldtestboundary"):
    """(headers, body) of an upload. files: name -> bytes; None: directory;
    a text: what a symbolic link points to."""
    parts = []
    for name, data in files.items():
        kind = ("application/x-directory" if data is None
                else "application/symlink" if isinstance(data, str)
                else "application/octet-stream")
        if isinstance(data, str):
            data = data.encode()
        parts.append(
            f"--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; "
            f"filename=\"{name.replace('/', '%2F')}\"\r\n"
            f"Content-Type: {kind}\r\n\r\n".encode() + (data or b"") +
            b"\r\n")
    parts.append(f"--{boundary}--\r\n".encode())
    return ({"Content-Type": f"multipart/form-data; boundary={boundary}"},
            b"".join(parts))
